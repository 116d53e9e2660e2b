//! Layers applied to a tree, in order.
//!
//! Followed here: the OCI image specification, "Image Layer Filesystem
//! Changeset" (whiteouts and opaque directories hide only what lower layers
//! brought), and containerd's and umoci's behaviour where it is silent: a
//! member below a symbolic link lands where the link leads *inside* the root,
//! a directory over a directory keeps its entries, any other change of type
//! replaces what was there.

use super::resolve::{Lookup, Unresolved};
use super::{NodeId, NodeKind, Tree};
use crate::entry::{Kind, Metadata};
use crate::error::{Error, Result};
use crate::path::components;
use crate::read::Member;

/// Prefix of a name that hides the rest of the name in lower layers.
pub const WHITEOUT: &[u8] = b".wh.";
/// Prefix of names with a meaning of their own.
const META: &[u8] = b".wh..wh.";
/// Name that hides everything that lower layers have in its directory.
pub const OPAQUE: &[u8] = b".wh..wh..opq";

impl Tree {
    /// Applies one member of layer `layer` to the tree. Members are applied in
    /// the order of their layer, layers base first.
    ///
    /// A whiteout of something that does not exist does nothing, as everywhere
    /// else: real images have them where a base was squashed later.
    ///
    /// # Errors
    /// Names that leave the root, parents that are no directories, hard links
    /// to nothing.
    pub fn apply(&mut self, layer: u32, member: Member) -> Result<()> {
        let Member { entry, content } = member;
        let path = entry.path;
        let Some(name) = components(&path).next_back() else {
            if matches!(entry.kind, Kind::Directory) {
                self.inodes[0].set(entry.metadata);
            }
            return Ok(());
        };
        if name.starts_with(WHITEOUT) {
            return self.apply_whiteout(layer, &path, name);
        }
        if name.len() > u16::MAX as usize {
            let value = name.len() as u64;
            return Err(Error::OutOfRange {
                path,
                field: "length of name",
                value,
            });
        }
        let kind = match (entry.kind, content) {
            (Kind::File { .. }, Some(content)) => NodeKind::File(content),
            (Kind::HardLink(target), _) => {
                return self.apply_hard_link(layer, &path, name, &target);
            }
            (Kind::Symlink(target), _) => NodeKind::Symlink(target.into()),
            (Kind::CharDevice { major, minor }, _) => NodeKind::CharDevice { major, minor },
            (Kind::BlockDevice { major, minor }, _) => NodeKind::BlockDevice { major, minor },
            (Kind::Fifo, _) => NodeKind::Fifo,
            (Kind::Directory | Kind::File { .. }, _) => NodeKind::Directory,
        };
        let parent = self.make_parent(layer, &path)?;
        let old = self.child(parent, name);
        match old {
            Some(old) if self.is_directory(old) && kind == NodeKind::Directory => {
                let inode = self.inode(old).0 as usize;
                self.record_change(layer, old, &entry.metadata);
                self.inodes[inode].set(entry.metadata);
                self.nodes[old.index()].layer = layer as u16;
                return Ok(());
            }
            Some(old) => self.unlink(layer, old),
            None => {}
        }
        let inode = self.add_inode(kind, entry.metadata);
        let node = self.link(layer, parent, name, inode)?;
        if let Some(old) = old.filter(|old| self.content(*old).is_some()) {
            self.nodes[node.index()].since = self.nodes[old.index()].since;
        }
        self.record_replacement(old, node);
        Ok(())
    }

    fn apply_hard_link(&mut self, layer: u32, path: &[u8], name: &[u8], to: &[u8]) -> Result<()> {
        let target = self
            .resolve_at(
                self.root(),
                to,
                Lookup {
                    follow: false,
                    clamp: false,
                },
            )
            .map_err(|reason| match reason {
                Unresolved::Climbs => Error::Escapes {
                    path: path.to_vec(),
                    how: "is a hard link to a file outside the root",
                },
                _ => Error::DanglingHardLink {
                    path: path.to_vec(),
                    target: to.to_vec(),
                },
            })?
            .node;
        if self.is_directory(target) {
            return Err(Error::HardLinkToDirectory {
                path: path.to_vec(),
                target: to.to_vec(),
            });
        }
        let inode = self.inode(target).0;
        let parent = self.make_parent(layer, path)?;
        let old = self.child(parent, name);
        match old {
            Some(old) if self.inode(old).0 == inode => {
                // Made again: a whiteout of this layer does not hide it.
                self.record_again(layer, old);
                self.nodes[old.index()].layer = layer as u16;
                return Ok(());
            }
            Some(old) => self.unlink(layer, old),
            None => {}
        }
        let node = self.link(layer, parent, name, inode)?;
        self.record_replacement(old, node);
        Ok(())
    }

    fn apply_whiteout(&mut self, layer: u32, path: &[u8], name: &[u8]) -> Result<()> {
        let directory = match parent_path(path) {
            None => Ok(self.root()),
            Some(parent) => self
                .resolve_at(
                    self.root(),
                    parent,
                    Lookup {
                        follow: true,
                        clamp: false,
                    },
                )
                .map(|found| found.node),
        };
        let directory = match directory {
            Ok(directory) if self.is_directory(directory) => directory,
            Ok(_) | Err(Unresolved::Missing { .. } | Unresolved::NotADirectory(_)) => return Ok(()),
            Err(reason) => return Err(self.misplaced(path, reason)),
        };
        if name == OPAQUE {
            self.hide(directory, layer, false);
        } else if !name.starts_with(META)
            && let Some(hidden) = self.child(directory, &name[WHITEOUT.len()..])
        {
            self.hide(hidden, layer, true);
        }
        Ok(())
    }

    /// Removes what lower layers brought below `top`, and `top` itself if
    /// asked; what `layer` did stays, with the directories that lead there.
    fn hide(&mut self, top: NodeId, layer: u32, itself: bool) {
        let nodes: Vec<NodeId> = self.walk(top).skip(usize::from(!itself)).collect();
        for node in nodes.into_iter().rev() {
            if self.layer(node) < layer && self.unsorted_children(node).next().is_none() {
                self.unlink(layer, node);
            }
        }
    }

    /// Returns the directory for a member, following links and making what is missing.
    fn make_parent(&mut self, layer: u32, path: &[u8]) -> Result<NodeId> {
        let Some(parent) = parent_path(path) else {
            return Ok(self.root());
        };
        let how = Lookup {
            follow: true,
            clamp: false,
        };
        let (mut at, missing) = match self.resolve_at(self.root(), parent, how) {
            Ok(found) if self.is_directory(found.node) => return Ok(found.node),
            Ok(found) => return Err(self.misplaced(path, Unresolved::NotADirectory(found.node))),
            Err(Unresolved::Missing {
                directory, rest, ..
            }) => (directory, rest),
            Err(reason) => return Err(self.misplaced(path, reason)),
        };
        for name in missing {
            at = match self.child(at, &name) {
                _ if name == b".." => self.parent(at),
                Some(child) if self.is_directory(child) => child,
                Some(child) => return Err(self.misplaced(path, Unresolved::NotADirectory(child))),
                None => {
                    let metadata = Metadata {
                        mode: 0o755,
                        ..Metadata::default()
                    };
                    let inode = self.add_inode(NodeKind::Directory, metadata);
                    self.link(layer, at, &name, inode)?
                }
            };
        }
        Ok(at)
    }

    fn misplaced(&self, path: &[u8], reason: Unresolved) -> Error {
        let path = path.to_vec();
        match reason {
            Unresolved::Climbs => Error::Escapes {
                path,
                how: "climbs out of the root through a symbolic link",
            },
            Unresolved::NotADirectory(node) => Error::NotADirectory {
                path,
                parent: self.path(node),
            },
            Unresolved::Loop | Unresolved::Missing { .. } => Error::SymlinkLoop { path },
        }
    }
}

fn parent_path(path: &[u8]) -> Option<&[u8]> {
    path.iter()
        .rposition(|b| *b == b'/')
        .map(|slash| &path[..slash])
}
