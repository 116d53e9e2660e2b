//! Bytes that ship but cannot be seen: what upper layers hide of lower ones.
//!
//! A file's bytes are hidden when its last name is gone; hard links are names of
//! one file. Whoever took the last name away is the cause.

use std::collections::HashMap;
use std::io;

use image::FileSystem;
use layer::{Content, NodeId};
use rayon::prelude::*;

use super::cause::Cause;
use super::find::Find;

/// Files below this size are not looked for under other names: a file that was
/// moved is found by its size first, and small sizes are common.
const SMALLEST_MOVED: u64 = 4096;

/// Returns every file that cannot be seen, with the layer that hid it.
pub(super) fn find(files: &FileSystem) -> io::Result<Vec<Find>> {
    let tree = &files.tree;
    let Some(record) = tree.record() else {
        return Ok(Vec::new());
    };
    // Of each file whose names are all gone, the removal of the last one.
    let mut last: HashMap<_, usize> = HashMap::new();
    for (at, removal) in record.removals.iter().enumerate() {
        if tree.links(removal.node) == 0 && tree.size(removal.node) > 0 {
            last.insert(tree.inode(removal.node), at);
        }
    }
    let mut gone: Vec<usize> = last.into_values().collect();
    gone.sort_unstable();
    let moved = Moved::new(files, gone.iter().map(|&at| record.removals[at].node));
    gone.par_iter()
        .map(|&at| {
            let removal = record.removals[at];
            let node = removal.node;
            let successor = removal
                .by
                .or_else(|| written_again(files, node, removal.layer));
            let (cause, other) = match successor {
                Some(by) if same_bytes(files, node, by)? => (Cause::MetadataOnly, Some(by)),
                Some(by) => (Cause::Overwritten, Some(by)),
                None => match moved.target(files, node, removal.layer)? {
                    Some(to) => (Cause::Moved, Some(to)),
                    None => (Cause::Deleted, None),
                },
            };
            Ok(Find {
                node,
                bytes: tree.size(node),
                cause,
                by: Some(removal.layer),
                other,
            })
        })
        .collect()
}

/// Returns what the layer that removed the name wrote under it afterwards: some
/// builders hide a file first and then write it.
fn written_again(files: &FileSystem, node: NodeId, layer: u32) -> Option<NodeId> {
    let tree = &files.tree;
    let parent = tree.parent(node);
    if tree.is_removed(parent) {
        return None;
    }
    let there = tree.child(parent, tree.name(node))?;
    (tree.layer(there) == layer).then_some(there)
}

/// Visible files that may be what a hidden one became, by size.
struct Moved {
    by_size: HashMap<u64, Vec<NodeId>>,
}

impl Moved {
    fn new(files: &FileSystem, gone: impl Iterator<Item = NodeId>) -> Self {
        let tree = &files.tree;
        let mut by_size: HashMap<u64, Vec<NodeId>> = gone
            .map(|node| tree.size(node))
            .filter(|size| *size >= SMALLEST_MOVED)
            .map(|size| (size, Vec::new()))
            .collect();
        if !by_size.is_empty() {
            for node in tree.all_nodes().filter(|node| !tree.is_removed(*node)) {
                if let Some(nodes) = by_size.get_mut(&tree.size(node)) {
                    nodes.push(node);
                }
            }
        }
        Self { by_size }
    }

    /// Returns a file that layer `layer` brought with the bytes of `node`.
    fn target(&self, files: &FileSystem, node: NodeId, layer: u32) -> io::Result<Option<NodeId>> {
        let tree = &files.tree;
        let Some(candidates) = self.by_size.get(&tree.size(node)) else {
            return Ok(None);
        };
        for &candidate in candidates {
            if tree.layer(candidate) == layer && same_bytes(files, node, candidate)? {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }
}

/// Returns whether two nodes are regular files with the same bytes.
pub(super) fn same_bytes(files: &FileSystem, a: NodeId, b: NodeId) -> io::Result<bool> {
    match (files.tree.content(a), files.tree.content(b)) {
        (Some(a), Some(b)) => files.contents.same(a, &files.contents, b),
        _ => Ok(false),
    }
}

/// Computes the digest of at most `limit` bytes of a file.
pub(super) fn digest(files: &FileSystem, content: &Content, limit: u64) -> io::Result<[u8; 16]> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; content.size.min(limit).min(128 << 10) as usize];
    let mut at = 0;
    while at < content.size.min(limit) {
        let read = files.contents.read_at(content, &mut buffer, at)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        at += read as u64;
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Ok(short)
}
