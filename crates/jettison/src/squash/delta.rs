//! What merged layers change of those below: entries to write, names to hide.
//!
//! Into which of the new layers an entry goes is its group: one for all, or the
//! layer that first had its bytes. An entry is written with the attributes that
//! it has in the end, so no later group needs to write it again.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use image::Stages;
use layer::tree::merge::WHITEOUT;
use layer::write::TarWriter;
use layer::{Entry, InodeId, Kind, Metadata, NodeId, Tree};

use super::{Error, Options};

/// What is to be written.
#[derive(Debug)]
pub(super) struct Delta {
    groups: usize,
    first: usize,
    /// By node, its group; [`UNWRITTEN`] for what the layers below have already.
    group: Vec<u16>,
    /// Directories above written entries, by group.
    above: Vec<HashSet<NodeId>>,
    /// Paths of whiteouts; they go into the first group.
    whiteouts: Vec<Vec<u8>>,
    /// Groups whose layer stays as it is.
    kept: Vec<bool>,
}

const UNWRITTEN: u16 = u16::MAX;

impl Delta {
    pub(super) fn new(stages: &Stages, options: &Options) -> Result<Self, Error> {
        let range = options.range;
        let groups = if options.dedupe {
            range.end - range.first
        } else {
            1
        };
        let mut delta = Self {
            groups,
            first: range.first,
            group: vec![UNWRITTEN; stages.files.tree.node_bound()],
            above: vec![HashSet::new(); groups],
            whiteouts: Vec::new(),
            kept: vec![false; groups],
        };
        let changed = changed(stages, options)?;
        delta.assign(stages, &changed, options.dedupe)?;
        delta.hide(stages);
        if options.dedupe {
            delta.keep_unchanged(stages);
        }
        Ok(delta)
    }

    /// Returns the groups in the order of their layers.
    pub(super) fn groups(&self) -> std::ops::Range<usize> {
        0..self.groups
    }

    /// Returns whether the layer of a group stays as it is.
    pub(super) fn keeps(&self, group: usize) -> bool {
        self.kept[group]
    }

    /// Returns whether there is nothing to write in a group.
    pub(super) fn is_empty(&self, group: usize) -> bool {
        let hides = group == 0 && !self.whiteouts.is_empty();
        !hides && !self.group.iter().any(|other| usize::from(*other) == group)
    }

    /// Writes a group.
    pub(super) fn write(
        &self,
        group: usize,
        stages: &Stages,
        tar: &mut TarWriter<&mut dyn Write>,
    ) -> layer::Result<()> {
        let files = &stages.files;
        tar.write_tree(&files.tree, &files.contents, |node| {
            usize::from(self.group[node.index()]) == group || self.above[group].contains(&node)
        })?;
        if group > 0 {
            return Ok(());
        }
        for path in &self.whiteouts {
            tar.write_entry(&Entry {
                path: path.clone(),
                kind: Kind::File { size: 0 },
                metadata: Metadata::default(),
            })?;
        }
        Ok(())
    }

    /// Returns the bytes of the files of the layers below and of all groups.
    pub(super) fn unpacked(&self, stages: &Stages) -> u64 {
        let tree = &stages.files.tree;
        let mut seen = HashSet::new();
        let mut bytes = 0;
        for node in tree.all_nodes() {
            let content = tree.content(node);
            let Some(content) = content.filter(|_| seen.insert(tree.inode(node))) else {
                continue;
            };
            let below = (content.layer as usize) < self.first;
            let group = self.group[node.index()];
            let kept = (content.layer as usize)
                .checked_sub(self.first)
                .is_some_and(|group| self.kept.get(group) == Some(&true));
            let written = group != UNWRITTEN && !self.kept[usize::from(group)];
            bytes += content.size * (u64::from(below || kept) + u64::from(written));
        }
        bytes
    }

    /// Gives everything that changed a group, with the directories above it.
    fn assign(
        &mut self,
        stages: &Stages,
        changed: &HashSet<InodeId>,
        dedupe: bool,
    ) -> Result<(), Error> {
        let tree = &stages.files.tree;
        let mut of_inode: HashMap<InodeId, u16> = HashMap::new();
        let removals = tree.record().map_or(&[][..], |record| &record.removals);
        // From what stands somewhere to what stood there before.
        let before: HashMap<NodeId, NodeId> = removals
            .iter()
            .filter_map(|removal| Some((removal.by?, removal.node)))
            .collect();
        for node in tree.walk(tree.root()) {
            if !changed.contains(&tree.inode(node)) {
                continue;
            }
            let own = if dedupe {
                self.origin(stages, node, &before)?
            } else {
                0
            };
            // All names of one file are in one layer.
            let least = of_inode.entry(tree.inode(node)).or_insert(own);
            *least = own.min(*least);
        }
        for node in tree.walk(tree.root()) {
            let Some(&group) = of_inode.get(&tree.inode(node)) else {
                continue;
            };
            self.group[node.index()] = group;
            self.add_above(tree, node, group);
        }
        Ok(())
    }

    fn add_above(&mut self, tree: &Tree, node: NodeId, group: u16) {
        let mut at = node;
        loop {
            at = tree.parent(at);
            // The root is there anyway; it is written where it changes.
            if at == tree.root() || !self.above[usize::from(group)].insert(at) {
                break;
            }
        }
    }

    /// The group of the layer that first had the bytes of a file under its name.
    fn origin(
        &self,
        stages: &Stages,
        node: NodeId,
        before: &HashMap<NodeId, NodeId>,
    ) -> Result<u16, Error> {
        let tree = &stages.files.tree;
        let mut origin = tree.layer(node) as usize;
        let mut at = node;
        while let Some(&before) = before.get(&at) {
            if tree.content(before).is_none() || !same(stages, at, before)? {
                break;
            }
            let layer = tree.content(before).map_or(0, |content| content.layer) as usize;
            if layer < self.first {
                break; // the layers below stay as they are
            }
            origin = origin.min(layer);
            at = before;
        }
        Ok(origin.saturating_sub(self.first) as u16)
    }

    /// Finds what the layers below have and the result has not.
    fn hide(&mut self, stages: &Stages) {
        if self.first == 0 {
            return;
        }
        let (lower, upper) = (&stages.lower, &stages.files.tree);
        let mut pending = vec![(lower.root(), upper.root())];
        while let Some((below, above)) = pending.pop() {
            for child in lower.children(below) {
                let name = lower.name(child);
                match upper.child(above, name) {
                    None => {
                        let mut path = upper.path(above);
                        if !path.is_empty() {
                            path.push(b'/');
                        }
                        path.extend_from_slice(WHITEOUT);
                        path.extend_from_slice(name);
                        self.whiteouts.push(path);
                        // The directory of a whiteout is an entry too: without one,
                        // unpackers make it, with attributes of their own.
                        if above != upper.root() {
                            self.above[0].insert(above);
                            self.add_above(upper, above, 0);
                        }
                    }
                    Some(there) if lower.is_directory(child) && upper.is_directory(there) => {
                        pending.push((child, there));
                    }
                    // Another entry stands there and hides it.
                    Some(_) => {}
                }
            }
        }
        self.whiteouts.sort();
    }

    /// Finds the groups whose layers would come out with the same files.
    fn keep_unchanged(&mut self, stages: &Stages) {
        let tree = &stages.files.tree;
        let mut kept = vec![true; self.groups];
        let mut spoil = |layer: u32| {
            if let Some(group) = (layer as usize).checked_sub(self.first)
                && let Some(kept) = kept.get_mut(group)
            {
                *kept = false;
            }
        };
        for removal in tree.record().map_or(&[][..], |record| &record.removals) {
            // What it had is gone, and whoever did that need not any more.
            spoil(tree.layer(removal.node));
            spoil(removal.layer);
        }
        for node in tree.all_nodes().filter(|node| !tree.is_removed(*node)) {
            let (group, own) = (self.group[node.index()], tree.layer(node));
            if group != UNWRITTEN && usize::from(group) + self.first != own as usize {
                spoil(own);
                spoil((usize::from(group) + self.first) as u32);
            }
        }
        // Whiteouts are collected in the first group.
        kept[0] &= self.whiteouts.is_empty();
        self.kept = kept;
    }
}

/// Returns the files that differ from what the layers below have. Where layers
/// stay apart, all that they touch counts: one between may differ from both.
fn changed(stages: &Stages, options: &Options) -> Result<HashSet<InodeId>, Error> {
    let (tree, lower) = (&stages.files.tree, &stages.lower);
    let first = options.range.first;
    let mut changed = HashSet::new();
    for node in tree.walk(tree.root()) {
        let unchanged = if node == tree.root() {
            tree.metadata(node) == lower.metadata(lower.root())
        } else if (tree.layer(node) as usize) < first {
            true
        } else if first == 0 || options.dedupe {
            false
        } else {
            match lower.lookup(&tree.path(node)) {
                Some(there) => equal(stages, node, there)?,
                None => false,
            }
        };
        if !unchanged {
            changed.insert(tree.inode(node));
        }
    }
    Ok(changed)
}

/// Whether an entry is what the layers below have in its place.
fn equal(stages: &Stages, node: NodeId, there: NodeId) -> Result<bool, Error> {
    let (tree, lower) = (&stages.files.tree, &stages.lower);
    if tree.metadata(node) != lower.metadata(there) {
        return Ok(false);
    }
    if tree.is_directory(node) {
        return Ok(lower.is_directory(there));
    }
    // Which names are of one file may have changed: written anew to be sure.
    if tree.links(node) > 1 || lower.links(there) > 1 {
        return Ok(false);
    }
    match (tree.content(node), lower.content(there)) {
        (Some(a), Some(b)) => {
            let contents = &stages.files.contents;
            contents
                .same(a, contents, b)
                .map_err(|source| unreadable(tree, node, source))
        }
        (None, None) => Ok(tree.kind(node) == lower.kind(there)),
        _ => Ok(false),
    }
}

fn same(stages: &Stages, a: NodeId, b: NodeId) -> Result<bool, Error> {
    let files = &stages.files;
    match (files.tree.content(a), files.tree.content(b)) {
        (Some(x), Some(y)) => files
            .contents
            .same(x, &files.contents, y)
            .map_err(|source| unreadable(&files.tree, a, source)),
        _ => Ok(false),
    }
}

fn unreadable(tree: &Tree, node: NodeId, source: io::Error) -> Error {
    Error::Compare(crate::diff::Error::Read {
        path: layer::display(&tree.absolute(node)).into_owned(),
        source,
    })
}
