//! What a path leads to in a container.
//!
//! The kernel does it: `openat2` resolves a path below a root that is not ours, as it does for a process
//! that has this root, and the descriptor that comes of it tells the path without links. Where that path is
//! not the one asked for, or nothing was found, [`View::walk`] goes the way a second time, step by step, to
//! learn the links.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::tracee::{Link, Tracee, read_link, with_path};
use crate::child;
use crate::launch::start;
use crate::message::{Message, channel, receive};
use crate::supervise::Child;

/// Most links in a path, as in the kernel (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;
/// How often a look-up is repeated that a rename somewhere has disturbed.
const ATTEMPTS: usize = 16;

/// The eyes of a tracer: how it sees the files of a container.
#[derive(Debug)]
pub(super) struct View {
    /// The root directory of the container.
    pub(super) root: OwnedFd,
    /// Directory of this process's descriptors, in `/proc`.
    own: OwnedFd,
    /// The first process of the container.
    container: OwnedFd,
    /// Who is asked when this process may not search a directory.
    helper: Option<Helper>,
}

/// A directory that paths start from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    /// `None` is the container's.
    pub(super) root: Option<&'a OwnedFd>,
    /// Path of the root in the container; empty if it is the container's.
    pub(super) prefix: &'a [u8],
}

/// What a walk has learned.
#[derive(Debug)]
pub(super) struct Way {
    /// The links that were crossed.
    pub(super) links: Vec<Vec<u8>>,
    /// Where it ends.
    pub(super) end: Result<Vec<u8>, Errno>,
}

impl View {
    pub(super) fn new(root: OwnedFd, container: OwnedFd) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = rustix::fs::open(c"/proc/self/fd", flags, Mode::empty())?;
        Ok(Self {
            root,
            own,
            container,
            helper: None,
        })
    }

    /// Finds what a path leads to below a root.
    pub(super) fn open(
        &mut self,
        root: Option<&OwnedFd>,
        path: &CStr,
        follow: bool,
    ) -> Result<OwnedFd, Errno> {
        let opened = open_below(root.unwrap_or(&self.root).as_fd(), path, follow);
        // Root of the container may search every directory there, its caller may not.
        let (Err(Errno::ACCESS), false) = (&opened, rustix::process::geteuid().is_root()) else {
            return opened;
        };
        if self.helper.is_none() {
            self.helper = Helper::start(self.container.as_fd())
                .inspect_err(|error| tracing::debug!(%error, "cannot look into a container"))
                .ok();
        }
        let helper = self.helper.as_ref().ok_or(Errno::ACCESS)?;
        helper.open(root.unwrap_or(&self.root).as_fd(), path, follow)
    }

    /// Reads the path of a descriptor of this process.
    pub(super) fn path_of(&self, file: BorrowedFd<'_>, into: &mut Vec<u8>) -> Result<(), Errno> {
        with_path(format_args!("{}", file.as_raw_fd()), |name| {
            read_link(&self.own, name, into)
        })
    }

    /// Goes the way of an absolute path step by step.
    pub(super) fn walk(
        &mut self,
        start: Start<'_>,
        path: &[u8],
        follow: bool,
        tracee: Tracee,
    ) -> Way {
        let mut links = Vec::new();
        let end = self.steps(start, path, follow, tracee, &mut links);
        Way { links, end }
    }

    fn steps(
        &mut self,
        start: Start<'_>,
        path: &[u8],
        follow: bool,
        tracee: Tracee,
        links: &mut Vec<Vec<u8>>,
    ) -> Result<Vec<u8>, Errno> {
        // A slash at the end means a directory, so a link there is followed.
        let follow = follow || path.ends_with(b"/") || path.ends_with(b"/.");
        let mut rest: Vec<Vec<u8>> = Vec::new();
        push(&mut rest, path);
        let mut at: Vec<u8> = Vec::new();
        let mut target = Vec::new();
        let mut crossed = 0;
        while let Some(name) = rest.pop() {
            if name == b".." {
                up(&mut at);
                continue;
            }
            at.push(b'/');
            at.extend_from_slice(&name);
            let last = rest.is_empty();
            let magic = at.starts_with(b"/proc/") && start.prefix.is_empty();
            if magic {
                match self.own_link(&at, &mut rest, tracee, &mut target) {
                    // The way goes on at a file that a process has open, or has as its root.
                    Some(true) if follow || !rest.is_empty() => {
                        at.clone_from(&target);
                        continue;
                    }
                    // Other files of the kernel are not of interest: they are not looked for.
                    Some(_) => {
                        for name in rest.iter().rev() {
                            at.push(b'/');
                            at.extend_from_slice(name);
                        }
                        return Ok(at);
                    }
                    None => {}
                }
            }
            let step = CString::new(at.as_slice()).map_err(|_| Errno::INVAL)?;
            let file = self.open(start.root, &step, false)?;
            if read_link(&file, c"", &mut target).is_err() {
                continue;
            }
            if last && !follow {
                break;
            }
            links.push([start.prefix, &at].concat());
            crossed += 1;
            if crossed > MOST_LINKS {
                return Err(Errno::LOOP);
            }
            if target.first() == Some(&b'/') {
                at.clear();
            } else {
                up(&mut at);
            }
            push(&mut rest, &target);
        }
        at.splice(..0, start.prefix.iter().copied());
        if at.is_empty() {
            at.push(b'/');
        }
        Ok(at)
    }

    /// Deals with a path in `/proc` that is about a process. Returns `Some(true)` if it leads to a file,
    /// which is then in `target`, `Some(false)` if it leads to something of the kernel, and `None` if the
    /// path is not about a process.
    ///
    /// Names of `rest` that belong to it are taken.
    fn own_link(
        &self,
        at: &[u8],
        rest: &mut Vec<Vec<u8>>,
        tracee: Tracee,
        target: &mut Vec<u8>,
    ) -> Option<bool> {
        let process = at.strip_prefix(b"/proc/")?;
        let own = process == b"self" || process == b"thread-self";
        if !own && !process.iter().all(u8::is_ascii_digit) {
            return None;
        }
        if rest.last().is_some_and(|name| name == b"task") {
            rest.truncate(rest.len().saturating_sub(2));
        }
        let first = rest.last().map(Vec::as_slice).unwrap_or_default();
        let link = match first {
            b"root" => Link::Root,
            b"cwd" => Link::Directory,
            b"exe" => Link::Executable,
            b"fd" => {
                let number = rest.iter().rev().nth(1).and_then(|name| number(name));
                let Some(number) = number else {
                    return Some(false);
                };
                Link::Descriptor(number)
            }
            _ => return Some(false),
        };
        let taken = if first == b"fd" { 2 } else { 1 };
        let read = if own {
            tracee.link(link, target)
        } else {
            let name: String = rest
                .iter()
                .rev()
                .take(taken)
                .map(|name| format!("/{}", String::from_utf8_lossy(name)))
                .collect();
            let process = String::from_utf8_lossy(process);
            with_path(format_args!("proc/{process}{name}"), |path| {
                read_link(&self.root, path, target)
            })
        };
        if read.is_err() || target.first() != Some(&b'/') || target.ends_with(DELETED) {
            return Some(false);
        }
        rest.truncate(rest.len().saturating_sub(taken));
        if target.as_slice() == b"/" {
            target.clear();
        }
        Some(true)
    }
}

/// What the kernel appends to the path of a file that has been removed.
pub(super) const DELETED: &[u8] = b" (deleted)";

fn number(digits: &[u8]) -> Option<i32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Puts the names of a path on a stack, the first one on top.
fn push(rest: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|&byte| byte == b'/').rev();
    rest.extend(
        names
            .filter(|name| !matches!(*name, b"" | b"."))
            .map(<[u8]>::to_vec),
    );
}

/// Removes the last name of a path.
fn up(path: &mut Vec<u8>) {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    path.truncate(slash.unwrap_or(0));
}

/// Finds what a path leads to below a root, with the rights of this process.
pub(crate) fn open_below(
    root: BorrowedFd<'_>,
    path: &CStr,
    follow: bool,
) -> Result<OwnedFd, Errno> {
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    if !follow {
        flags |= OFlags::NOFOLLOW;
    }
    let mut left = ATTEMPTS;
    loop {
        match openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            Err(Errno::AGAIN) if left > 0 => left -= 1,
            other => return other,
        }
    }
}

/// Appends a path to the path of the directory that it starts from, without empty names and `.`. What is
/// left says the same to the kernel: `..` and a slash at the end stay.
pub(super) fn squeeze(base: &[u8], path: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let base = if path.first() == Some(&b'/') {
        b""
    } else {
        base
    };
    for name in base
        .split(|&byte| byte == b'/')
        .chain(path.split(|&byte| byte == b'/'))
    {
        if !matches!(name, b"" | b".") {
            into.push(b'/');
            into.extend_from_slice(name);
        }
    }
    let directory = path.ends_with(b"/") || path.ends_with(b"/.") || path == b".";
    if into.is_empty() || (directory && path != b".") {
        into.push(b'/');
    }
}

/// Removes `.`, `..`, empty names and a slash at the end from an absolute path, without looking whether
/// what a `..` follows is a link.
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(path.len());
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => up(&mut clean),
            name => {
                clean.push(b'/');
                clean.extend_from_slice(name);
            }
        }
    }
    if clean.is_empty() {
        clean.push(b'/');
    }
    clean
}

/// A process with the rights of the container's root, which opens what this one may not.
///
/// A thread cannot go into a user namespace, so it has to be a process. It is made when it is first needed,
/// and never for root.
#[derive(Debug)]
struct Helper {
    socket: OwnedFd,
    _child: Child,
}

impl Helper {
    fn start(container: BorrowedFd<'_>) -> Result<Self, Errno> {
        let (socket, theirs) = channel()?;
        let child = start(0, || child::look::serve(container, theirs.as_fd()))?;
        Ok(Self {
            socket,
            _child: child,
        })
    }

    fn open(&self, root: BorrowedFd<'_>, path: &CStr, follow: bool) -> Result<OwnedFd, Errno> {
        child::look::ask(self.socket.as_fd(), root, path, follow)?;
        match receive(self.socket.as_fd(), RecvFlags::empty())? {
            Some((Message::Opened, Some(file))) => Ok(file),
            Some((Message::Failed { errno, .. }, _)) => Err(Errno::from_raw_os_error(errno)),
            _ => Err(Errno::ACCESS),
        }
    }
}

/// Opens a file that was found, to read its beginning.
pub(super) fn reopen(view: &View, file: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    with_path(format_args!("{}", file.as_raw_fd()), |name| {
        rustix::fs::openat(&view.own, name, flags, Mode::empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_together_and_cleaned() {
        let cases: [(&str, &str, &str, &str); 10] = [
            ("/", "etc/passwd", "/etc/passwd", "/etc/passwd"),
            ("/a/b", "../c", "/a/b/../c", "/a/c"),
            ("/a", "/x//y/./z", "/x/y/z", "/x/y/z"),
            ("/a", "d/", "/a/d/", "/a/d"),
            ("/a", "d/.", "/a/d/", "/a/d"),
            ("/a", ".", "/a", "/a"),
            ("/a", "./", "/a/", "/a"),
            ("/", "/", "/", "/"),
            ("/", "..", "/..", "/"),
            ("/a", "...", "/a/...", "/a/..."),
        ];
        for (base, path, squeezed, cleaned) in cases {
            let mut into = Vec::new();
            squeeze(base.as_bytes(), path.as_bytes(), &mut into);
            assert_eq!(String::from_utf8_lossy(&into), squeezed, "{base} {path}");
            assert_eq!(String::from_utf8_lossy(&clean(&into)), cleaned);
        }
    }
}
