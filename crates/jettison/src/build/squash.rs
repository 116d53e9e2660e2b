//! `--squash`: the layers of a build as one.

use std::collections::HashSet;

use image::config::HistoryEntry;
use layer::tree::merge::WHITEOUT;
use layer::{Metadata, NodeId, Tree};

use super::snapshot::Load;
use super::stage::Done;
use super::{Build, Error};

/// Which layers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Squash {
    /// Those that the build made; the base stays, and can be shared.
    New,
    /// All.
    All,
}

impl Squash {
    /// Puts the layers of a stage together. What was removed by a later layer is in none of them.
    pub(super) fn apply(
        self,
        done: Done,
        build: &Build<'_>,
        load: Load<'_>,
    ) -> Result<Done, Error> {
        let base = if self == Self::All { 0 } else { done.base };
        if done.layers.len() <= base + 1 && !(self == Self::All && done.layers.len() > 1) {
            return Ok(done);
        }
        let files = load.load(&done.layers)?;
        let below = load.load(&done.layers[..base])?;
        let kept = kept(&files.tree, base);
        let layer = image::write_layer(build.store.layout(), build.context, |tar| {
            tar.write_tree(&files.tree, &files.contents, |node| kept.contains(&node))?;
            for path in removed(&below.tree, &files.tree) {
                tar.write_bytes(&path, &Metadata::default(), b"")?;
            }
            Ok(())
        })?;
        let mut layers = done.layers[..base].to_vec();
        layers.push(layer);
        let mut left = base;
        let mut history: Vec<HistoryEntry> = done
            .history
            .into_iter()
            .map(|entry| {
                let stays = entry.empty_layer || left > 0;
                left -= usize::from(!entry.empty_layer && left > 0);
                HistoryEntry {
                    empty_layer: entry.empty_layer || !stays,
                    ..entry
                }
            })
            .collect();
        history.push(HistoryEntry {
            created: done.created.clone(),
            created_by: "jettison build --squash".to_owned(),
            ..HistoryEntry::default()
        });
        Ok(Done {
            layers,
            base,
            history,
            ..done
        })
    }
}

/// What the layers from `base` on made or changed, and the directories that lead there.
fn kept(tree: &Tree, base: usize) -> HashSet<NodeId> {
    let mut kept = HashSet::new();
    for node in tree.walk(tree.root()) {
        if (tree.layer(node) as usize) < base || node == tree.root() {
            continue;
        }
        let mut at = node;
        while at != tree.root() && kept.insert(at) {
            at = tree.parent(at);
        }
    }
    kept
}

/// The names that say what of the base is gone.
fn removed(base: &Tree, result: &Tree) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut pending = vec![base.root()];
    while let Some(directory) = pending.pop() {
        for node in base.children(directory) {
            let path = base.path(node);
            match result.lookup(&path) {
                Some(found) if base.is_directory(node) && result.is_directory(found) => {
                    pending.push(node)
                }
                Some(_) => {}
                None => {
                    let mut name = base.path(directory);
                    if !name.is_empty() {
                        name.push(b'/');
                    }
                    name.extend(WHITEOUT);
                    name.extend(base.name(node));
                    names.push(name);
                }
            }
        }
    }
    names
}
