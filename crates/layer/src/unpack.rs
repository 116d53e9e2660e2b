//! Trees written as files, by several threads.
//!
//! Every file is made relative to the open directory that holds it, with a name
//! that is a single component, and nothing is ever opened through a symbolic
//! link: whatever a layer contains, it cannot name a file outside `root`.
//!
//! One thread makes the directories and hands out what is in them; when all of it
//! is there, further names of files are linked, and directories get the modes and
//! times that they shall have, the inner ones first.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::content::{Content, Contents, Extents};
use crate::error::{Error, Result};
use crate::path::display;
use crate::tree::{InodeId, NodeId, NodeKind, Tree};

/// What of a tree is reproduced on disk, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether files get their owners. Needs the privilege to chown; without
    /// it everything belongs to the caller.
    pub owners: bool,
    /// Whether device nodes are made; otherwise they are left out.
    pub devices: bool,
    /// How many threads write files.
    pub threads: usize,
}

/// Returns how many threads write files fastest: as many as there are processors.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Bytes copied at once: they stay in the processor's cache on their way.
const CHUNK: usize = 256 << 10;
/// Files handed out at once.
const BATCH: usize = 32;
/// Batches that may wait. Each holds its directory open.
const WAITING: usize = 64;

/// Unpacks the nodes of `tree` for which `keep` answers yes into the existing,
/// empty directory `root`.
///
/// # Errors
/// The first file that cannot be made, with its path. What was unpacked until
/// then stays, and is the caller's to remove.
pub fn unpack(
    tree: &Tree,
    contents: &Contents,
    root: &Path,
    options: Options,
    keep: impl Fn(NodeId) -> bool,
) -> Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(root, flags, Mode::empty()).map_err(|errno| Error::Host {
        verb: "open",
        path: root.to_path_buf(),
        source: errno.into(),
    })?;
    let unpacker = Unpacker {
        tree,
        contents,
        root,
        options,
        own: owner_of_new(&top).map_err(|errno| Error::Host {
            verb: "look at",
            path: root.to_path_buf(),
            source: errno.into(),
        })?,
        failed: AtomicBool::new(false),
    };
    let top = Arc::new(top);
    let links = std::thread::scope(|scope| {
        let (jobs, queue) = bounded::<Job>(WAITING);
        let workers: Vec<_> = (0..options.threads.max(1))
            .map(|_| {
                let (unpacker, queue) = (&unpacker, queue.clone());
                scope.spawn(move || unpacker.work(queue))
            })
            .collect();
        drop(queue);
        let made = unpacker.make_directories(&top, &keep, &jobs);
        drop(jobs);
        for worker in workers {
            // What went wrong first with a file is why the directories were given up.
            worker.join().map_err(|_| Error::Host {
                verb: "write files below",
                path: root.to_path_buf(),
                source: std::io::Error::other("a thread panicked"),
            })??;
        }
        made
    })?;
    unpacker.link(&links)?;
    unpacker.finish_directories(top, &keep)
}

/// Returns who new files in a directory belong to. Their group may be the directory's or the caller's,
/// depending on its mode and on how its file system is mounted: known is it only if that is the same.
fn owner_of_new(directory: &OwnedFd) -> std::result::Result<Option<(Uid, Gid)>, Errno> {
    let stat = rustix::fs::fstat(directory)?;
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    Ok((stat.st_gid == gid.as_raw()).then_some((uid, gid)))
}

/// Some files of an open directory.
struct Job {
    directory: Arc<OwnedFd>,
    nodes: Vec<NodeId>,
}

/// A further name of a file, and the first one.
type Link = (NodeId, NodeId);

struct Unpacker<'a> {
    tree: &'a Tree,
    contents: &'a Contents,
    root: &'a Path,
    options: Options,
    /// Who new files belong to, if that is known.
    own: Option<(Uid, Gid)>,
    /// Whether a thread has given up, so that the others need not go on.
    failed: AtomicBool,
}

/// A directory that is open, and those in it that are still to be done.
struct Open {
    node: NodeId,
    fd: Arc<OwnedFd>,
    todo: Vec<NodeId>,
}

impl Unpacker<'_> {
    /// Makes all directories and hands out the files in them; returns the further names of files.
    /// A stack of its own, not recursion: layers may be as deep as they like.
    fn make_directories(
        &self,
        top: &Arc<OwnedFd>,
        keep: &impl Fn(NodeId) -> bool,
        jobs: &Sender<Job>,
    ) -> Result<Vec<Link>> {
        let mut first: HashMap<InodeId, NodeId> = HashMap::new();
        let mut links = Vec::new();
        let mut enter = |node: NodeId, fd: Arc<OwnedFd>| -> Option<Open> {
            let mut nodes = self.tree.children(node);
            nodes.retain(|node| keep(*node));
            let (mut todo, mut files): (Vec<NodeId>, Vec<NodeId>) = nodes
                .into_iter()
                .partition(|node| self.tree.is_directory(*node));
            files.retain(|&node| {
                if self.tree.links(node) < 2 {
                    return true;
                }
                let first = *first.entry(self.tree.inode(node)).or_insert(node);
                if first != node {
                    links.push((node, first));
                }
                first == node
            });
            for nodes in files.chunks(BATCH) {
                let (directory, nodes) = (Arc::clone(&fd), nodes.to_vec());
                jobs.send(Job { directory, nodes }).ok()?;
            }
            todo.reverse();
            Some(Open { node, fd, todo })
        };
        let mut stack: Vec<Open> = enter(self.tree.root(), Arc::clone(top))
            .into_iter()
            .collect();
        while let Some(open) = stack.last_mut() {
            let Some(node) = open.todo.pop() else {
                stack.pop();
                continue;
            };
            let name = self.tree.name(node);
            // Writable until its entries are there.
            rustix::fs::mkdirat(&*open.fd, name, Mode::RWXU)
                .map_err(|e| self.error("make", node, e))?;
            let fd = Arc::new(self.open_directory(open.fd.as_fd(), node)?);
            match enter(node, fd) {
                Some(open) if !self.failed.load(Ordering::Relaxed) => stack.push(open),
                _ => return Ok(Vec::new()), // a thread has given up and says why
            }
        }
        Ok(links)
    }

    fn open_directory(&self, parent: BorrowedFd<'_>, node: NodeId) -> Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(parent, self.tree.name(node), flags, Mode::empty())
            .map_err(|e| self.error("open", node, e))
    }

    /// Gives all directories their modes and times, each after those in it: the mode may forbid to go there.
    fn finish_directories(&self, top: Arc<OwnedFd>, keep: &impl Fn(NodeId) -> bool) -> Result<()> {
        let enter = |node: NodeId, fd: Arc<OwnedFd>| {
            let mut todo = self.tree.children(node);
            todo.retain(|node| keep(*node) && self.tree.is_directory(*node));
            Open { node, fd, todo }
        };
        let mut stack = vec![enter(self.tree.root(), top)];
        while let Some(open) = stack.last_mut() {
            if let Some(node) = open.todo.pop() {
                let fd = Arc::new(self.open_directory(open.fd.as_fd(), node)?);
                stack.push(enter(node, fd));
                continue;
            }
            let (node, fd) = (open.node, open.fd.as_fd());
            self.set_owner_mode_xattrs(fd, node)?;
            rustix::fs::futimens(fd, &self.times(node)).map_err(|e| self.error("date", node, e))?;
            stack.pop();
        }
        Ok(())
    }

    /// Makes files until there are no more, or one cannot be made.
    fn work(&self, queue: Receiver<Job>) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        for Job { directory, nodes } in queue {
            for node in nodes {
                if self.failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.make(directory.as_fd(), node, &mut buffer)
                    .inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
            }
        }
        Ok(())
    }

    fn make(&self, parent: BorrowedFd<'_>, node: NodeId, buffer: &mut [u8]) -> Result<()> {
        let tree = self.tree;
        let name = tree.name(node);
        match tree.kind(node) {
            NodeKind::File(content) => return self.make_file(parent, node, content, buffer),
            NodeKind::Symlink(target) => {
                rustix::fs::symlinkat(&**target, parent, name)
                    .map_err(|e| self.error("make", node, e))?;
            }
            NodeKind::Fifo => self.make_node(parent, node, FileType::Fifo, 0)?,
            NodeKind::CharDevice { .. } | NodeKind::BlockDevice { .. } if !self.options.devices => {
                return Ok(());
            }
            NodeKind::CharDevice { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                self.make_node(parent, node, FileType::CharacterDevice, device)?;
            }
            NodeKind::BlockDevice { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                self.make_node(parent, node, FileType::BlockDevice, device)?;
            }
            NodeKind::Directory => return Ok(()),
        }
        if let Some((uid, gid)) = self.owner(node) {
            let link = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(parent, name, Some(uid), Some(gid), link)
                .map_err(|e| self.error("chown", node, e))?;
        }
        if !matches!(tree.kind(node), NodeKind::Symlink(_)) {
            rustix::fs::chmodat(parent, name, mode(tree.mode(node)), AtFlags::empty())
                .map_err(|e| self.error("chmod", node, e))?;
        }
        rustix::fs::utimensat(parent, name, &self.times(node), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| self.error("date", node, e))
    }

    fn make_node(
        &self,
        parent: BorrowedFd<'_>,
        node: NodeId,
        kind: FileType,
        device: rustix::fs::Dev,
    ) -> Result<()> {
        let name = self.tree.name(node);
        rustix::fs::mknodat(parent, name, kind, Mode::RUSR | Mode::WUSR, device)
            .map_err(|e| self.error("make", node, e))
    }

    fn make_file(
        &self,
        parent: BorrowedFd<'_>,
        node: NodeId,
        content: &Content,
        buffer: &mut [u8],
    ) -> Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, self.tree.name(node), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|e| self.error("make", node, e))?;
        let mut at = 0;
        if let Extents::Sparse(_) = content.extents {
            rustix::fs::ftruncate(&fd, content.size).map_err(|e| self.error("size", node, e))?;
        }
        while at < content.size {
            let read = self
                .contents
                .read_at(content, buffer, at)
                .map_err(|source| Error::Content {
                    path: self.tree.path(node),
                    source,
                })?;
            let chunk = &buffer[..read];
            let hole =
                matches!(content.extents, Extents::Sparse(_)) && chunk.iter().all(|b| *b == 0);
            if !hole {
                self.write_at(&fd, node, chunk, at)?;
            }
            at += read as u64;
        }
        self.set_owner_mode_xattrs(fd.as_fd(), node)?;
        rustix::fs::futimens(&fd, &self.times(node)).map_err(|e| self.error("date", node, e))
    }

    fn write_at(&self, fd: &OwnedFd, node: NodeId, mut bytes: &[u8], mut at: u64) -> Result<()> {
        while !bytes.is_empty() {
            match rustix::io::pwrite(fd, bytes, at) {
                Ok(written) => {
                    bytes = &bytes[written..];
                    at += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.error("write", node, errno)),
            }
        }
        Ok(())
    }

    /// Owner first: chown clears set-id bits and capabilities.
    fn set_owner_mode_xattrs(&self, fd: BorrowedFd<'_>, node: NodeId) -> Result<()> {
        let tree = self.tree;
        if let Some((uid, gid)) = self.owner(node) {
            rustix::fs::fchown(fd, Some(uid), Some(gid))
                .map_err(|e| self.error("chown", node, e))?;
        }
        rustix::fs::fchmod(fd, mode(tree.mode(node))).map_err(|e| self.error("chmod", node, e))?;
        for xattr in tree.xattrs(node) {
            match rustix::fs::fsetxattr(fd, &*xattr.name, &xattr.value, XattrFlags::empty()) {
                // Not every file system, and not every user, can store every attribute.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(errno) => return Err(self.error("set attributes of", node, errno)),
            }
        }
        Ok(())
    }

    /// Returns the owner that a file has to be given, if it is not the one that it has.
    fn owner(&self, node: NodeId) -> Option<(Uid, Gid)> {
        let (uid, gid) = self.tree.owner(node);
        let owner = (Uid::from_raw(uid), Gid::from_raw(gid));
        (self.options.owners && Some(owner) != self.own).then_some(owner)
    }

    /// Makes the further names of files. Many are in one directory, beside one another.
    fn link(&self, links: &[Link]) -> Result<()> {
        let mut at: Option<(NodeId, OwnedFd)> = None;
        for &(node, first) in links {
            let directory = self.tree.parent(node);
            let parent = match at.take() {
                Some((known, fd)) if known == directory => fd,
                _ => self.directory_of(node)?,
            };
            let from = self.directory_of(first)?;
            let (old, new) = (self.tree.name(first), self.tree.name(node));
            rustix::fs::linkat(&from, old, &parent, new, AtFlags::empty())
                .map_err(|e| self.error("link", node, e))?;
            at = Some((directory, parent));
        }
        Ok(())
    }

    /// Opens the directory that a file is in. Those on the way are ours, just made: no link among them.
    fn directory_of(&self, node: NodeId) -> Result<OwnedFd> {
        let path = self.tree.path(node);
        let directories = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
        let mut at = rustix::fs::open(self.root, flags, Mode::empty())
            .map_err(|e| self.error("open", node, e))?;
        for part in crate::path::components(&path[..directories]) {
            at = rustix::fs::openat(&at, part, flags | OFlags::NOFOLLOW, Mode::empty())
                .map_err(|e| self.error("open", node, e))?;
        }
        Ok(at)
    }

    fn times(&self, node: NodeId) -> Timestamps {
        let mtime = self.tree.mtime(node);
        let time = Timespec {
            tv_sec: mtime.seconds,
            tv_nsec: mtime.nanoseconds.into(),
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }

    fn error(&self, verb: &'static str, node: NodeId, errno: Errno) -> Error {
        let inside = display(&self.tree.path(node)).into_owned();
        let path: PathBuf = self.root.join(inside);
        Error::Host {
            verb,
            path,
            source: errno.into(),
        }
    }
}

fn mode(bits: u16) -> Mode {
    Mode::from_raw_mode(bits.into())
}
