//! Which node is there at which layer, and what each layer did to it.

use layer::{NodeId, Tree};

/// What the layers that are shown did to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Unchanged,
    Changed,
    Added,
    Removed,
}

/// Never; no image has so many layers.
const NEVER: u16 = u16::MAX;

/// When each node came and went, by node.
#[derive(Debug)]
pub(super) struct History {
    made: Vec<u16>,
    gone: Vec<u16>,
    /// Stands in the place of another one.
    replaces: Vec<bool>,
    /// Another one stands in its place.
    replaced: Vec<bool>,
    /// Directories whose attributes a layer changed.
    changed: Vec<(NodeId, u16)>,
}

/// The tree as it is at one layer: sizes and marks by node.
#[derive(Debug)]
pub(super) struct Moment {
    /// Bytes of a file, or of everything below a directory.
    pub(super) bytes: Vec<u64>,
    /// Marks; of a directory also what happened below.
    pub(super) marks: Vec<Mark>,
    /// Whether the node is shown.
    pub(super) shown: Vec<bool>,
}

impl History {
    pub(super) fn new(tree: &Tree) -> Self {
        let bound = tree.node_bound();
        let mut history = Self {
            made: tree
                .all_nodes()
                .map(|node| tree.layer(node) as u16)
                .collect(),
            gone: vec![NEVER; bound],
            replaces: vec![false; bound],
            replaced: vec![false; bound],
            changed: Vec::new(),
        };
        let Some(record) = tree.record() else {
            return history;
        };
        for again in record.again.iter().rev() {
            history.made[again.node.index()] = again.before as u16;
            if again.changed {
                history.changed.push((again.node, again.layer as u16));
            }
        }
        for removal in &record.removals {
            history.gone[removal.node.index()] = removal.layer as u16;
            let after = removal.by.or_else(|| {
                // Hidden first and written then, by the same layer.
                let parent = tree.parent(removal.node);
                let there = tree.child(parent, tree.name(removal.node))?;
                (tree.layer(there) == removal.layer && !tree.is_removed(parent)).then_some(there)
            });
            if let Some(after) = after {
                history.replaced[removal.node.index()] = true;
                history.replaces[after.index()] = true;
            }
        }
        history
    }

    /// Returns the tree as layer `layer` leaves it, with marks for what layers
    /// from `since` to it did.
    pub(super) fn at(&self, tree: &Tree, since: u16, layer: u16) -> Moment {
        let bound = tree.node_bound();
        let mut moment = Moment {
            bytes: vec![0; bound],
            marks: vec![Mark::Unchanged; bound],
            shown: vec![false; bound],
        };
        for node in tree.all_nodes() {
            let at = node.index();
            let (made, gone) = (self.made[at], self.gone[at]);
            let mark = if made > layer {
                continue;
            } else if gone <= layer {
                if self.replaced[at] || gone < since || made >= since {
                    continue;
                }
                Mark::Removed
            } else if made >= since && made > 0 {
                if self.replaces[at] {
                    Mark::Changed
                } else {
                    Mark::Added
                }
            } else {
                Mark::Unchanged
            };
            moment.set(tree, node, mark);
        }
        for (node, by) in &self.changed {
            if (since..=layer).contains(by) && moment.marks[node.index()] == Mark::Unchanged {
                moment.set(tree, *node, Mark::Changed);
            }
        }
        moment
    }
}

impl Moment {
    fn set(&mut self, tree: &Tree, node: NodeId, mark: Mark) {
        let bytes = if mark == Mark::Removed {
            0
        } else {
            tree.size(node)
        };
        self.shown[node.index()] = true;
        self.marks[node.index()] = mark;
        if tree.is_directory(node) {
            if mark != Mark::Unchanged {
                self.mark_above(tree, node);
            }
            return;
        }
        // What was removed has a size too, but takes none.
        self.bytes[node.index()] = tree.size(node);
        if mark != Mark::Unchanged {
            self.mark_above(tree, node);
        }
        let mut above = node;
        while above != tree.root() && bytes > 0 {
            above = tree.parent(above);
            self.bytes[above.index()] += bytes;
        }
    }

    /// A directory with a change below is changed itself.
    fn mark_above(&mut self, tree: &Tree, node: NodeId) {
        let mut above = node;
        while above != tree.root() {
            above = tree.parent(above);
            let mark = &mut self.marks[above.index()];
            if *mark != Mark::Unchanged {
                return;
            }
            *mark = Mark::Changed;
        }
    }
}
