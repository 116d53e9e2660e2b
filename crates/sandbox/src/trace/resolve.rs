//! What a path leads to in a container.
//!
//! The kernel decides: `openat2` resolves a path below a root that is not ours, as it does for a process
//! that has this root, and the descriptor that comes of it tells the path without links. Where that is not
//! the path asked for, or nothing was found, [`walk`] goes the way a second time. In a directory that is
//! known to have no link above it one call says as much.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::Outcome;
use super::helper::Helper;
use super::paths::{clean, parent};
use super::tracee::{read_link, with_path};
use super::walk::{LinksOf, Start, walk};

/// How often a look-up is repeated that a rename somewhere has disturbed.
const ATTEMPTS: usize = 16;
/// Most directories that are remembered.
const MOST_PLAIN: usize = 10_000;

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
    /// Directories that are where their paths say: no link leads there.
    plain: HashSet<Vec<u8>>,
    // Kept to save allocations.
    terminated: Vec<u8>,
    target: Vec<u8>,
}

/// What a first look at a path gave.
#[derive(Debug)]
pub(super) enum Glance {
    /// Just what the path says is there, or is not; no link is involved.
    Plain(Outcome),
    /// Something is there, and this is its path.
    Opened(OwnedFd, Vec<u8>),
    /// Nothing is there.
    Failed(Errno),
}

/// What a path leads to.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) outcome: Outcome,
    /// What was found, or else the path asked for, as the container has it.
    pub(super) path: Vec<u8>,
    /// The links that were crossed.
    pub(super) links: Vec<Vec<u8>>,
    /// What was found, unless that was plain.
    pub(super) file: Option<OwnedFd>,
}

impl Glance {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Plain(outcome) => *outcome,
            Self::Opened(..) => Outcome::Found,
            Self::Failed(errno) => outcome(*errno),
        }
    }
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
            plain: HashSet::new(),
            terminated: Vec::new(),
            target: Vec::new(),
        })
    }

    /// Forgets what it knows about directories, because one may have been moved.
    pub(super) fn forget(&mut self) {
        self.plain.clear();
    }

    /// Looks where an absolute path leads, below a root or the container's.
    pub(super) fn glance(
        &mut self,
        root: Option<&OwnedFd>,
        path: &[u8],
        follow: bool,
        open: bool,
    ) -> Glance {
        let mut terminated = std::mem::take(&mut self.terminated);
        terminated.clear();
        terminated.extend_from_slice(path);
        terminated.push(0);
        let glance = match CStr::from_bytes_with_nul(&terminated) {
            Ok(terminated) => self.glance_at(root, path, terminated, follow, open),
            Err(_) => Glance::Failed(Errno::INVAL),
        };
        self.terminated = terminated;
        glance
    }

    fn glance_at(
        &mut self,
        root: Option<&OwnedFd>,
        path: &[u8],
        terminated: &CStr,
        follow: bool,
        open: bool,
    ) -> Glance {
        let simple = root.is_none() && simple(path);
        let known = simple && self.plain.contains(parent(path));
        if known && !open {
            // Relative to the root. The directory is known, so this does not lead out.
            let below = terminated.to_bytes_with_nul().get(1..).unwrap_or_default();
            let below = CStr::from_bytes_with_nul(below).unwrap_or_default();
            match read_link(&self.root, below, &mut self.target) {
                Err(Errno::NOENT) => return Glance::Plain(Outcome::Missing),
                // Not a link.
                Err(Errno::INVAL) => return Glance::Plain(Outcome::Found),
                Ok(()) if !follow => return Glance::Plain(Outcome::Found),
                _ => {}
            }
        }
        let opened = self.open(root, terminated, follow);
        let mut target = Vec::new();
        match opened.and_then(|file| self.path_of(file.as_fd(), &mut target).map(|()| file)) {
            Ok(file) => {
                if simple && !known && target == path {
                    self.remember(parent(path));
                }
                Glance::Opened(file, target)
            }
            Err(errno) => Glance::Failed(errno),
        }
    }

    /// Completes a glance: finds the links.
    pub(super) fn resolve(
        &mut self,
        glance: Glance,
        start: Start<'_>,
        path: &[u8],
        follow: bool,
        links_of: LinksOf<'_>,
    ) -> Resolved {
        let asked = || clean(&[start.prefix, path].concat());
        let mut resolved = Resolved {
            outcome: glance.outcome(),
            path: Vec::new(),
            links: Vec::new(),
            file: None,
        };
        match glance {
            Glance::Plain(_) => resolved.path = asked(),
            Glance::Opened(file, target) => {
                if target.strip_prefix(start.prefix) != Some(path) {
                    (resolved.links, _) = walk(self, start, path, follow, links_of);
                }
                resolved.file = Some(file);
                resolved.path = target;
            }
            Glance::Failed(_) => {
                let (links, end) = walk(self, start, path, follow, links_of);
                resolved.links = links;
                match end {
                    // Only the walk understands what /proc says about a process.
                    Ok(end) => {
                        resolved.outcome = Outcome::Found;
                        let below = CString::new(end.strip_prefix(start.prefix).unwrap_or(&end));
                        resolved.file = below
                            .ok()
                            .and_then(|below| self.open(start.root, &below, true).ok());
                        resolved.path = end;
                    }
                    Err(errno) => {
                        resolved.outcome = outcome(errno);
                        resolved.path = asked();
                        if start.root.is_none() && resolved.links.is_empty() && simple(path) {
                            self.remember_if_there(parent(path));
                        }
                    }
                }
            }
        }
        resolved
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
        let denied = matches!(opened, Err(Errno::ACCESS));
        if !denied || rustix::process::geteuid().is_root() {
            return opened;
        }
        if self.helper.is_none() {
            self.helper = Helper::start(self.container.as_fd())
                .inspect_err(|error| tracing::debug!(%error, "cannot look into a container"))
                .ok();
        }
        let helper = self.helper.as_ref().ok_or(Errno::ACCESS)?;
        helper.open(root.unwrap_or(&self.root).as_fd(), path, follow)
    }

    /// Opens a file that was found, to read it.
    pub(super) fn reopen(&self, file: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        with_path(format_args!("{}", file.as_raw_fd()), |name| {
            rustix::fs::openat(&self.own, name, flags, Mode::empty())
        })
    }

    /// Reads the path of a descriptor of this process.
    pub(super) fn path_of(&self, file: BorrowedFd<'_>, into: &mut Vec<u8>) -> Result<(), Errno> {
        with_path(format_args!("{}", file.as_raw_fd()), |name| {
            read_link(&self.own, name, into)
        })
    }

    /// Remembers that no link is on the way to a directory.
    fn remember(&mut self, directory: &[u8]) {
        if self.plain.len() >= MOST_PLAIN {
            self.plain.clear();
        }
        self.plain.insert(directory.to_vec());
    }

    /// The same for a directory that may be missing.
    fn remember_if_there(&mut self, directory: &[u8]) {
        let Ok(path) = CString::new(directory) else {
            return;
        };
        let mut target = Vec::new();
        let opened = self.open(None, &path, true);
        if opened.is_ok_and(|file| self.path_of(file.as_fd(), &mut target).is_ok())
            && target == directory
        {
            self.remember(directory);
        }
    }
}

/// Returns whether a path has no `..` and ends in a name.
fn simple(path: &[u8]) -> bool {
    !path.ends_with(b"/") && !path.windows(3).any(|three| three == b"/..")
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

fn outcome(errno: Errno) -> Outcome {
    match errno {
        Errno::NOENT => Outcome::Missing,
        Errno::NOTDIR => Outcome::NotADirectory,
        Errno::ACCESS | Errno::PERM => Outcome::Denied,
        Errno::LOOP => Outcome::Loop,
        _ => Outcome::Unknown,
    }
}
