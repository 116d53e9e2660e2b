//! Trees written as files.
//!
//! Every file is made relative to the open directory that holds it, with a name
//! that is a single component, and nothing is ever opened through a symbolic
//! link: whatever a layer contains, it cannot name a file outside `root`.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::content::{Content, Contents, Extents};
use crate::error::{Error, Result};
use crate::path::display;
use crate::tree::{InodeId, NodeId, NodeKind, Tree};

/// What of a tree is reproduced on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether files get their owners. Needs the privilege to chown; without
    /// it everything belongs to the caller.
    pub owners: bool,
    /// Whether device nodes are made; otherwise they are left out.
    pub devices: bool,
}

const CHUNK: usize = 256 << 10;

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
    let directory = rustix::fs::open(root, flags, Mode::empty()).map_err(|errno| Error::Host {
        verb: "open",
        path: root.to_path_buf(),
        source: errno.into(),
    })?;
    let mut unpacker = Unpacker {
        tree,
        contents,
        root,
        options,
        linked: HashMap::new(),
        buffer: vec![0; CHUNK],
    };
    unpacker.fill(tree.root(), directory, &keep)
}

struct Unpacker<'a> {
    tree: &'a Tree,
    contents: &'a Contents,
    root: &'a Path,
    options: Options,
    /// First name of each file with hard links, by its open directory's path.
    linked: HashMap<InodeId, NodeId>,
    buffer: Vec<u8>,
}

/// A directory being filled: closed, with its final mode and times, after its entries.
struct Open {
    node: NodeId,
    fd: OwnedFd,
    todo: Vec<NodeId>,
}

impl Unpacker<'_> {
    /// Fills a directory and everything below it. A stack of its own, not
    /// recursion: layers may be as deep as they like.
    fn fill(&mut self, top: NodeId, fd: OwnedFd, keep: &impl Fn(NodeId) -> bool) -> Result<()> {
        let mut stack = vec![Open {
            node: top,
            fd,
            todo: self.todo(top, keep),
        }];
        while let Some(open) = stack.last_mut() {
            let Some(node) = open.todo.pop() else {
                let Some(done) = stack.pop() else { break };
                self.finish_directory(&done)?;
                continue;
            };
            if self.tree.is_directory(node) {
                let parent = open.fd.as_fd();
                let fd = self.make_directory(parent, node)?;
                let todo = self.todo(node, keep);
                stack.push(Open { node, fd, todo });
            } else {
                let parent = open.fd.as_fd();
                self.make(parent, node)?;
            }
        }
        Ok(())
    }

    fn todo(&self, directory: NodeId, keep: &impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let mut todo = self.tree.children(directory);
        todo.retain(|node| keep(*node));
        todo.reverse();
        todo
    }

    fn make_directory(&self, parent: BorrowedFd<'_>, node: NodeId) -> Result<OwnedFd> {
        let name = self.tree.name(node);
        // Writable until its entries are there.
        rustix::fs::mkdirat(parent, name, Mode::RWXU).map_err(|e| self.error("make", node, e))?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::empty())
            .map_err(|e| self.error("open", node, e))
    }

    fn finish_directory(&self, done: &Open) -> Result<()> {
        let (node, fd) = (done.node, done.fd.as_fd());
        self.set_owner_mode_xattrs(fd, node)?;
        rustix::fs::futimens(fd, &self.times(node)).map_err(|e| self.error("date", node, e))
    }

    fn make(&mut self, parent: BorrowedFd<'_>, node: NodeId) -> Result<()> {
        let name = self.tree.name(node);
        if self.tree.links(node) > 1 {
            if let Some(first) = self.linked.get(&self.tree.inode(node)) {
                return self.hard_link(*first, parent, node);
            }
            self.linked.insert(self.tree.inode(node), node);
        }
        let tree = self.tree;
        match tree.kind(node) {
            NodeKind::File(content) => return self.make_file(parent, node, content),
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
        if self.options.owners {
            let (uid, gid) = tree.owner(node);
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            rustix::fs::chownat(
                parent,
                name,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )
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

    fn make_file(&mut self, parent: BorrowedFd<'_>, node: NodeId, content: &Content) -> Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, self.tree.name(node), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|e| self.error("make", node, e))?;
        let mut at = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        if let Extents::Sparse(_) = content.extents {
            rustix::fs::ftruncate(&fd, content.size).map_err(|e| self.error("size", node, e))?;
        }
        while at < content.size {
            let read = self
                .contents
                .read_at(content, &mut buffer, at)
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
        self.buffer = buffer;
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
        if self.options.owners {
            let (uid, gid) = tree.owner(node);
            rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
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

    fn hard_link(&self, first: NodeId, parent: BorrowedFd<'_>, node: NodeId) -> Result<()> {
        // The directories on the way are ours, just made: no link among them.
        let path = self.tree.path(first);
        let (directories, name) = match path.iter().rposition(|b| *b == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], &path[..]),
        };
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
        let mut at = rustix::fs::open(self.root, flags, Mode::empty())
            .map_err(|e| self.error("open", first, e))?;
        for part in crate::path::components(directories) {
            at = rustix::fs::openat(&at, part, flags, Mode::empty())
                .map_err(|e| self.error("open", first, e))?;
        }
        rustix::fs::linkat(&at, name, parent, self.tree.name(node), AtFlags::empty())
            .map_err(|e| self.error("link", node, e))
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
