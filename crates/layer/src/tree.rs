//! A file system as a tree in memory: what an image looks like from inside.
//!
//! Names and files are apart, as in a file system: a [`NodeId`] is a name in a
//! directory, an [`InodeId`] is the file behind it, and hard links are several
//! nodes with one inode. The tree is compact (some 120 bytes an entry and its
//! name), since images with millions of files exist.
//!
//! - [`merge`]: layers applied in order, with whiteouts.
//! - [`resolve`]: paths looked up as the kernel does, symlinks followed inside the root.
//! - [`walk`]: every node in a stable order.
//! - [`record`]: what the layers did to each name, where that is asked for.

pub mod merge;
pub mod record;
pub mod resolve;
pub mod walk;

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::content::Content;
use crate::entry::{Metadata, Time, Xattr};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// A name in a directory of a [`Tree`]. Valid for the tree that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// A file of a [`Tree`]; hard links share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(u32);

impl NodeId {
    /// Returns a dense index, below [`Tree::node_bound`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

const NONE: u32 = u32::MAX;

/// The kind of a file of a tree, with what belongs to that kind alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file and where its bytes are.
    File(Content),
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(Box<[u8]>),
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

#[derive(Debug, Clone)]
struct Node {
    name: u32,
    name_length: u16,
    /// Index of the layer that last made or changed this name.
    layer: u16,
    /// Index of the layer that first brought the file of this name.
    since: u16,
    /// The node was unlinked; it stays in its parent's list until a walk passes it.
    removed: bool,
    parent: u32,
    inode: u32,
    first_child: u32,
    next_sibling: u32,
}

#[derive(Debug, Clone)]
struct Inode {
    kind: NodeKind,
    mode: u16,
    uid: u32,
    gid: u32,
    links: u32,
    mtime: Time,
    xattrs: Option<Box<[Xattr]>>,
}

/// A file system as a tree in memory.
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: Vec<Node>,
    inodes: Vec<Inode>,
    names: Vec<u8>,
    /// From (parent, name) to node.
    index: HashTable<u32>,
    hasher: RandomState,
    live: usize,
    /// Most nodes, those that were replaced among them.
    limit: u32,
    record: Option<Box<record::Record>>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// Returns a tree with nothing but its root directory, for as many names
    /// as the default limits allow.
    pub fn new() -> Self {
        Self::bounded(Limits::default())
    }

    /// Returns a tree with nothing but its root directory that takes at most
    /// [`Limits::entries`] names, whether members or their implied parents.
    pub fn bounded(limits: Limits) -> Self {
        let root = Node {
            name: 0,
            name_length: 0,
            layer: 0,
            since: 0,
            removed: false,
            parent: 0,
            inode: 0,
            first_child: NONE,
            next_sibling: NONE,
        };
        let metadata = Metadata {
            mode: 0o755,
            ..Metadata::default()
        };
        let inode = Inode::new(NodeKind::Directory, metadata);
        Self {
            nodes: vec![root],
            inodes: vec![inode],
            names: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            live: 1,
            limit: u32::try_from(limits.entries).unwrap_or(NONE).min(NONE - 1),
            record: None,
        }
    }

    /// Returns the root directory.
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// Returns the number of names, the root among them.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Returns whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.live == 1
    }

    /// Returns a number above every [`NodeId::index`] of this tree.
    pub fn node_bound(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the last component of the node's path; empty for the root.
    pub fn name(&self, node: NodeId) -> &[u8] {
        let node = &self.nodes[node.0 as usize];
        &self.names[node.name as usize..][..node.name_length as usize]
    }

    /// Returns the directory that holds the node; the root's is itself.
    pub fn parent(&self, node: NodeId) -> NodeId {
        NodeId(self.nodes[node.0 as usize].parent)
    }

    /// Returns the path relative to the root, without leading slash.
    pub fn path(&self, node: NodeId) -> Vec<u8> {
        let above = || {
            let next = |at: &NodeId| Some(self.parent(*at));
            std::iter::successors(Some(node), next).take_while(|at| *at != self.root())
        };
        let length: usize = above().map(|at| self.name(at).len() + 1).sum();
        let mut path = vec![b'/'; length.saturating_sub(1)];
        let mut end = path.len();
        for at in above() {
            let name = self.name(at);
            path[end - name.len()..end].copy_from_slice(name);
            end = (end - name.len()).saturating_sub(1);
        }
        path
    }

    /// Returns the path from `/` on, as shown to users.
    pub fn absolute(&self, node: NodeId) -> Vec<u8> {
        let mut path = self.path(node);
        path.insert(0, b'/');
        path
    }

    /// Returns the file behind the name.
    pub fn inode(&self, node: NodeId) -> InodeId {
        InodeId(self.nodes[node.0 as usize].inode)
    }

    /// Returns what the node is.
    pub fn kind(&self, node: NodeId) -> &NodeKind {
        &self.of(node).kind
    }

    /// Returns the bytes of a regular file.
    pub fn content(&self, node: NodeId) -> Option<&Content> {
        match self.kind(node) {
            NodeKind::File(content) => Some(content),
            _ => None,
        }
    }

    /// Returns the logical size of a regular file, 0 for anything else.
    pub fn size(&self, node: NodeId) -> u64 {
        self.content(node).map_or(0, |content| content.size)
    }

    /// Returns whether the node is a directory.
    pub fn is_directory(&self, node: NodeId) -> bool {
        matches!(self.kind(node), NodeKind::Directory)
    }

    /// Returns the target of a symbolic link.
    pub fn link_target(&self, node: NodeId) -> Option<&[u8]> {
        match self.kind(node) {
            NodeKind::Symlink(target) => Some(target),
            _ => None,
        }
    }

    /// Returns the permission bits, with set-id and sticky bits.
    pub fn mode(&self, node: NodeId) -> u16 {
        self.of(node).mode
    }

    /// Returns owner and group.
    pub fn owner(&self, node: NodeId) -> (u32, u32) {
        (self.of(node).uid, self.of(node).gid)
    }

    /// Returns the modification time.
    pub fn mtime(&self, node: NodeId) -> Time {
        self.of(node).mtime
    }

    /// Returns the extended attributes, sorted by name.
    pub fn xattrs(&self, node: NodeId) -> &[Xattr] {
        self.of(node).xattrs.as_deref().unwrap_or_default()
    }

    /// Returns the number of names that the file has.
    pub fn links(&self, node: NodeId) -> u32 {
        self.of(node).links
    }

    /// Returns the index of the layer that last made or changed the name.
    pub fn layer(&self, node: NodeId) -> u32 {
        self.nodes[node.0 as usize].layer.into()
    }

    /// Returns the index of the layer that first brought a file of this name, which those above it have at most
    /// replaced: a container that changes a mode copies the whole file to its own layer.
    pub fn since(&self, node: NodeId) -> u32 {
        self.nodes[node.0 as usize].since.into()
    }

    /// Returns all attributes of the node.
    pub fn metadata(&self, node: NodeId) -> Metadata {
        let inode = self.of(node);
        Metadata {
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            mtime: inode.mtime,
            xattrs: inode.xattrs.as_deref().unwrap_or_default().to_vec(),
        }
    }

    /// Returns the entry `name` of the directory, if there is one.
    pub fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        let hash = self.hash(directory, name);
        let found = self
            .index
            .find(hash, |&at| self.is_named(at, directory, name))?;
        Some(NodeId(*found))
    }

    /// Gives a regular file other bytes, under all of its names; anything else stays what it is.
    pub fn set_content(&mut self, node: NodeId, content: Content) {
        let inode = self.inode(node).0 as usize;
        if let NodeKind::File(old) = &mut self.inodes[inode].kind {
            *old = content;
        }
    }

    fn of(&self, node: NodeId) -> &Inode {
        &self.inodes[self.nodes[node.0 as usize].inode as usize]
    }

    fn hash(&self, directory: NodeId, name: &[u8]) -> u64 {
        self.hasher.hash_one((directory.0, name))
    }

    fn is_named(&self, at: u32, directory: NodeId, name: &[u8]) -> bool {
        self.nodes[at as usize].parent == directory.0 && self.name(NodeId(at)) == name
    }

    /// Adds the name `name` for `inode` to a directory that has no such entry.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`]: a member of a kilobyte may imply hundreds of
    /// directories, so counting members alone does not bound memory.
    fn link(&mut self, layer: u32, directory: NodeId, name: &[u8], inode: u32) -> Result<NodeId> {
        let at = self.nodes.len() as u32;
        if at > self.limit {
            return Err(Error::LimitExceeded {
                what: "entries",
                limit: self.limit.into(),
            });
        }
        if self.names.len() + name.len() > u32::MAX as usize {
            return Err(Error::LimitExceeded {
                what: "bytes of names",
                limit: u32::MAX.into(),
            });
        }
        let name_offset = self.names.len() as u32;
        self.names.extend_from_slice(name);
        let sibling = std::mem::replace(&mut self.nodes[directory.0 as usize].first_child, at);
        self.nodes.push(Node {
            name: name_offset,
            name_length: name.len() as u16,
            layer: layer as u16,
            since: layer as u16,
            removed: false,
            parent: directory.0,
            inode,
            first_child: NONE,
            next_sibling: sibling,
        });
        self.inodes[inode as usize].links += 1;
        self.live += 1;
        let hash = self.hash(directory, name);
        let Self {
            index,
            nodes,
            names,
            hasher,
            ..
        } = self;
        index.insert_unique(hash, at, |&other| {
            let node = &nodes[other as usize];
            let name = &names[node.name as usize..][..node.name_length as usize];
            hasher.hash_one((node.parent, name))
        });
        Ok(NodeId(at))
    }

    /// Removes a name and everything below it, for layer `layer`.
    fn unlink(&mut self, layer: u32, node: NodeId) {
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            self.record_removal(layer, node);
            pending.extend(self.unsorted_children(node));
            let name = self.name(node).to_vec();
            let parent = self.parent(node);
            let hash = self.hash(parent, &name);
            let found = self.index.find_entry(hash, |&at| at == node.0);
            if let Ok(entry) = found {
                entry.remove();
            }
            self.nodes[node.0 as usize].removed = true;
            let inode = self.nodes[node.0 as usize].inode as usize;
            self.inodes[inode].links -= 1;
            self.live -= 1;
        }
    }

    fn add_inode(&mut self, kind: NodeKind, metadata: Metadata) -> u32 {
        self.inodes.push(Inode::new(kind, metadata));
        (self.inodes.len() - 1) as u32
    }
}

impl Inode {
    fn new(kind: NodeKind, metadata: Metadata) -> Self {
        let mut inode = Self {
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            links: 0,
            mtime: Time::default(),
            xattrs: None,
        };
        inode.set(metadata);
        inode
    }

    fn set(&mut self, metadata: Metadata) {
        self.mode = metadata.mode;
        self.uid = metadata.uid;
        self.gid = metadata.gid;
        self.mtime = metadata.mtime;
        self.xattrs = (!metadata.xattrs.is_empty()).then(|| metadata.xattrs.into());
    }
}
