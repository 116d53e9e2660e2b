//! Every node of a tree, in a stable order.

use std::collections::HashMap;

use super::{InodeId, NONE, NodeId, Tree};

impl Tree {
    /// Returns the entries of a directory, sorted by name.
    pub fn children(&self, directory: NodeId) -> Vec<NodeId> {
        let mut children: Vec<NodeId> = self.unsorted_children(directory).collect();
        children.sort_unstable_by(|a, b| self.name(*a).cmp(self.name(*b)));
        children
    }

    /// Returns the entries of a directory in no particular order, without allocating.
    pub fn unsorted_children(&self, directory: NodeId) -> impl Iterator<Item = NodeId> {
        let mut next = self.nodes[directory.0 as usize].first_child;
        std::iter::from_fn(move || {
            while next != NONE {
                let at = next;
                let node = &self.nodes[at as usize];
                next = node.next_sibling;
                if !node.removed {
                    return Some(NodeId(at));
                }
            }
            None
        })
    }

    /// Returns of each file with several names the first one, in the order of paths.
    pub fn first_names(&self) -> HashMap<InodeId, NodeId> {
        let linked = |node: NodeId| self.links(node) > 1 && !self.is_directory(node);
        let mut first = HashMap::new();
        // Most images have no hard links, and walking costs more than looking.
        if self.all_nodes().any(linked) {
            for node in self.walk(self.root()).filter(|node| linked(*node)) {
                first.entry(self.inode(node)).or_insert(node);
            }
        }
        first
    }

    /// Calls `each` with every regular file that has bytes, once for each file:
    /// under the first of its names, in no particular order.
    pub fn each_file(&self, mut each: impl FnMut(NodeId)) {
        let first = self.first_names();
        for node in self.all_nodes() {
            if self.size(node) == 0 || self.is_removed(node) {
                continue;
            }
            if self.links(node) == 1 || first.get(&self.inode(node)) == Some(&node) {
                each(node);
            }
        }
    }

    /// Iterates over `top` and everything below it: a directory before its
    /// entries, entries sorted by name.
    pub fn walk(&self, top: NodeId) -> Walk<'_> {
        Walk {
            tree: self,
            pending: vec![top],
        }
    }
}

/// Iterator over a part of a tree; see [`Tree::walk`].
#[derive(Debug)]
pub struct Walk<'t> {
    tree: &'t Tree,
    pending: Vec<NodeId>,
}

impl Iterator for Walk<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let node = self.pending.pop()?;
        let first = self.pending.len();
        self.pending.extend(self.tree.unsorted_children(node));
        let tree = self.tree;
        self.pending[first..].sort_unstable_by(|a, b| tree.name(*b).cmp(tree.name(*a)));
        Some(node)
    }
}
