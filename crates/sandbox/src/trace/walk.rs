//! Going the way of a path step by step, to learn which links are on it.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::paths::{DELETED, up};
use super::resolve::View;
use super::tracee::{Link, read_link, with_path};

/// Most links in a path, as in the kernel (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// A directory that paths start from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    /// `None` is the root directory of the container.
    pub(super) root: Option<&'a OwnedFd>,
    /// Its path in the container; empty if it is the root directory.
    pub(super) prefix: &'a [u8],
}

/// Reads a link of the thread that asks.
pub(super) type LinksOf<'a> = &'a mut dyn FnMut(Link, &mut Vec<u8>) -> Result<(), Errno>;

/// A path, as far as it has been gone.
#[derive(Debug)]
struct Way<'a> {
    start: Start<'a>,
    /// Where it has led to, below the start. Empty at the start.
    at: Vec<u8>,
    /// The names that are left, the next one last.
    rest: Vec<Vec<u8>>,
    links: Vec<Vec<u8>>,
}

/// What a process knows about itself in `/proc`.
enum Magic {
    /// The path that a file of the process has.
    Path(Vec<u8>),
    /// Something that is no file, or is of no interest.
    Other,
}

/// Goes the way of an absolute path. Returns the links on it and where it ends, or why it does not go on.
pub(super) fn walk(
    view: &mut View,
    start: Start<'_>,
    path: &[u8],
    follow: bool,
    links_of: LinksOf<'_>,
) -> (Vec<Vec<u8>>, Result<Vec<u8>, Errno>) {
    let mut way = Way {
        start,
        at: Vec::new(),
        rest: Vec::new(),
        links: Vec::new(),
    };
    way.lead_to(path);
    // A slash at the end means a directory, so a link there is followed.
    let follow = follow || path.ends_with(b"/");
    let end = way.go(view, follow, links_of);
    let end = end.map(|()| way.position());
    (way.links, end)
}

impl Way<'_> {
    /// Puts the names of a path before those that are left.
    fn lead_to(&mut self, path: &[u8]) {
        let names = path.split(|&byte| byte == b'/').rev();
        let names = names.filter(|name| !matches!(*name, b"" | b"."));
        self.rest.extend(names.map(<[u8]>::to_vec));
    }

    /// Returns where it has led to, in the container.
    fn position(&self) -> Vec<u8> {
        let path = [self.start.prefix, &self.at].concat();
        if path.is_empty() { b"/".to_vec() } else { path }
    }

    fn go(&mut self, view: &mut View, follow: bool, links_of: LinksOf<'_>) -> Result<(), Errno> {
        let mut target = Vec::new();
        while let Some(name) = self.rest.pop() {
            if name == b".." {
                up(&mut self.at);
                continue;
            }
            self.at.push(b'/');
            self.at.extend_from_slice(&name);
            match self.magic(view, follow, links_of) {
                // The way goes on at a file that a process has open, or has as its root.
                Some(Magic::Path(path)) => {
                    self.at = path;
                    continue;
                }
                // What it asks of other files of the kernel no image can answer.
                Some(Magic::Other) => {
                    while let Some(name) = self.rest.pop() {
                        self.at.push(b'/');
                        self.at.extend_from_slice(&name);
                    }
                    return Ok(());
                }
                None => {}
            }
            let path = CString::new(self.at.as_slice()).map_err(|_| Errno::INVAL)?;
            let file = view.open(self.start.root, &path, false)?;
            if read_link(&file, c"", &mut target).is_err() || (self.rest.is_empty() && !follow) {
                continue;
            }
            self.links.push(self.position());
            if self.links.len() > MOST_LINKS {
                return Err(Errno::LOOP);
            }
            if target.first() == Some(&b'/') {
                self.at.clear();
            } else {
                up(&mut self.at);
            }
            self.lead_to(&target);
        }
        Ok(())
    }

    /// Says what is where a process has entered its own directory in `/proc`, or that of another; `None` if
    /// the way has not come there. This process would see its own there, or nothing. The names that belong to the
    /// answer are taken from those that are left.
    fn magic(&mut self, view: &View, follow: bool, links_of: LinksOf<'_>) -> Option<Magic> {
        let process = self.at.strip_prefix(b"/proc/")?;
        let own = matches!(process, b"self" | b"thread-self");
        if !self.start.prefix.is_empty() || !own && !process.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut left = self.rest.iter().rev().map(Vec::as_slice).peekable();
        let mut taken = 0;
        if left.next_if(|&name| name == b"task").is_some() {
            left.next();
            taken += 2;
        }
        let (name, number) = (left.next().unwrap_or_default(), left.next());
        let number = number.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
        let link = match (name, number) {
            (b"root", _) => Link::Root,
            (b"cwd", _) => Link::Directory,
            (b"exe", _) => Link::Executable,
            (b"fd", Some(number)) => Link::Descriptor(number),
            _ => return Some(Magic::Other),
        };
        taken += if name == b"fd" { 2 } else { 1 };
        if taken == self.rest.len() && !follow {
            return Some(Magic::Other); // the link itself is meant
        }
        let mut path = Vec::new();
        let read = if own {
            links_of(link, &mut path)
        } else {
            let process = String::from_utf8_lossy(process);
            let path = &mut path;
            let read = |name: &std::ffi::CStr| read_link(&view.root, name, path);
            match link {
                Link::Root => with_path(format_args!("proc/{process}/root"), read),
                Link::Directory => with_path(format_args!("proc/{process}/cwd"), read),
                Link::Executable => with_path(format_args!("proc/{process}/exe"), read),
                Link::Descriptor(number) => {
                    with_path(format_args!("proc/{process}/fd/{number}"), read)
                }
            }
        };
        if read.is_err() || path.first() != Some(&b'/') || path.ends_with(DELETED) {
            return Some(Magic::Other);
        }
        if path == b"/" {
            path.clear();
        }
        let left = self.rest.len().saturating_sub(taken);
        self.rest.truncate(left);
        Some(Magic::Path(path))
    }
}
