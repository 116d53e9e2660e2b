//! How many files each layer adds, changes and removes.

use std::collections::{HashMap, HashSet};

use layer::{NodeId, Tree};

/// What one layer does to files; directories do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    pub(super) added: u64,
    pub(super) changed: u64,
    pub(super) removed: u64,
}

/// Counts for each layer of a recorded tree.
pub(super) fn count(tree: &Tree, layers: usize) -> Vec<Count> {
    let mut counts = vec![Count::default(); layers];
    let Some(record) = tree.record() else {
        return counts;
    };
    // A name that was written again keeps its node; this is the layer that made it.
    let mut made: HashMap<NodeId, u32> = HashMap::new();
    for again in record.again.iter().rev() {
        made.insert(again.node, again.before);
    }
    let made = |node: NodeId| made.get(&node).copied().unwrap_or_else(|| tree.layer(node));
    let mut changed: HashSet<NodeId> = HashSet::new();
    // Names that a layer removed and then wrote again are changed, not removed.
    let mut removed: HashMap<(u32, NodeId, &[u8]), u64> = HashMap::new();
    for removal in &record.removals {
        if tree.is_directory(removal.node) || made(removal.node) >= removal.layer {
            continue;
        }
        // A directory in the place of a file is no change of it.
        match removal.by.filter(|by| !tree.is_directory(*by)) {
            Some(by) => drop(changed.insert(by)),
            None => {
                let name = (
                    removal.layer,
                    tree.parent(removal.node),
                    tree.name(removal.node),
                );
                *removed.entry(name).or_default() += 1;
            }
        }
    }
    for node in tree.all_nodes().filter(|node| !tree.is_directory(*node)) {
        let layer = made(node);
        let again = removed.remove(&(layer, tree.parent(node), tree.name(node)));
        let count = &mut counts[layer as usize];
        if again.is_some() || changed.contains(&node) {
            count.changed += 1;
        } else {
            count.added += 1;
        }
    }
    for ((layer, ..), names) in removed {
        counts[layer as usize].removed += names;
    }
    counts
}
