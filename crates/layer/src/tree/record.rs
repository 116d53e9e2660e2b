//! What the layers did to each name: which was removed, replaced or changed, and by which layer.
//!
//! A tree forgets nothing when a layer hides something: the node stays, marked
//! as removed, with its inode and its place. What is recorded here in addition
//! is who hid it, so that bytes that ship but cannot be seen have a cause.

use super::{NodeId, Tree};
use crate::entry::Metadata;

/// A name that a layer removed or put something else in place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// What is gone.
    pub node: NodeId,
    /// The layer that did it.
    pub layer: u32,
    /// What stands in its place since then, where the same name was written again.
    pub by: Option<NodeId>,
}

/// A name that a layer wrote again without making another file of it: a
/// directory over a directory, a hard link over the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// The name.
    pub node: NodeId,
    /// The layer that did it.
    pub layer: u32,
    /// The layer that had done so, or had made it, before.
    pub before: u32,
    /// Whether attributes are others since.
    pub changed: bool,
}

/// What happened to the names of a tree, in the order of the layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Names that are gone.
    pub removals: Vec<Removal>,
    /// Names that were written again.
    pub again: Vec<Again>,
}

impl Tree {
    /// Makes the tree record what happens to its names from now on.
    #[must_use]
    pub fn recording(mut self) -> Self {
        self.record = Some(Box::default());
        self
    }

    /// Returns what happened to the names, if that was [recorded](Tree::recording).
    pub fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    /// Returns every node that ever was, those that are gone among them, in
    /// the order in which layers made them.
    pub fn all_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Returns whether the name was removed or replaced. Its path, kind and
    /// attributes can still be asked for.
    pub fn is_removed(&self, node: NodeId) -> bool {
        self.nodes[node.index()].removed
    }

    /// Returns every entry that a directory ever had, those that are gone among them.
    pub fn all_children(&self, directory: NodeId) -> impl Iterator<Item = NodeId> {
        let mut next = self.nodes[directory.index()].first_child;
        std::iter::from_fn(move || {
            let at = (next != super::NONE).then_some(NodeId(next))?;
            next = self.nodes[at.index()].next_sibling;
            Some(at)
        })
    }

    pub(super) fn record_removal(&mut self, layer: u32, node: NodeId) {
        if let Some(record) = &mut self.record {
            let by = None;
            record.removals.push(Removal { node, layer, by });
        }
    }

    /// Notes that `new` stands where `old` was, which was removed just now.
    pub(super) fn record_replacement(&mut self, old: Option<NodeId>, new: NodeId) {
        if let (Some(old), Some(record)) = (old, &mut self.record)
            && let Some(removal) = record.removals.iter_mut().rev().find(|r| r.node == old)
        {
            removal.by = Some(new);
        }
    }

    pub(super) fn record_change(&mut self, layer: u32, node: NodeId, new: &Metadata) {
        let changed = self.record.is_some() && self.metadata(node) != *new;
        self.record_written(layer, node, changed);
    }

    pub(super) fn record_again(&mut self, layer: u32, node: NodeId) {
        self.record_written(layer, node, false);
    }

    fn record_written(&mut self, layer: u32, node: NodeId, changed: bool) {
        let before = self.layer(node);
        if let Some(record) = &mut self.record {
            record.again.push(Again {
                node,
                layer,
                before,
                changed,
            });
        }
    }
}
