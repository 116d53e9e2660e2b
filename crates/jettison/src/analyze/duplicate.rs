//! The same bytes in several files.
//!
//! Files of one size are compared by a digest of their first bytes, and those
//! that still agree by a digest of all: large files of one size are rarely equal,
//! so little more is read than the beginnings.

use std::collections::HashMap;
use std::io;

use image::FileSystem;
use layer::NodeId;
use rayon::prelude::*;

use super::cause::Cause;
use super::find::Find;
use super::hidden::digest;

/// What is read of every file that has the size of another.
const HEAD: u64 = 4096;

type Key = (u64, [u8; 16]);

/// Returns all but the first of the files with the same bytes, and which that
/// is. `files` come in the order in which the first is chosen.
pub(super) fn find(files: &FileSystem, nodes: &[NodeId]) -> io::Result<Vec<Find>> {
    let tree = &files.tree;
    let mut sizes: HashMap<u64, u32> = HashMap::new();
    for &node in nodes {
        *sizes.entry(tree.size(node)).or_default() += 1;
    }
    let common = |node: &&NodeId| sizes[&tree.size(**node)] > 1;
    let candidates: Vec<NodeId> = nodes.iter().filter(common).copied().collect();
    drop(sizes);
    let heads = digests(files, &candidates, HEAD)?;
    let (small, large): (Vec<_>, Vec<_>) =
        heads.into_iter().partition(|((size, _), _)| *size <= HEAD);
    let mut finds = Vec::new();
    repeated(small, |first, node| {
        finds.push(copy(files, first, node));
    });
    let mut again = Vec::new();
    let mut last = None;
    repeated(large, |first, node| {
        if last.replace(first) != Some(first) {
            again.push(first);
        }
        again.push(node);
    });
    // In the order of paths again, so that the first of them stays the first.
    let wanted: std::collections::HashSet<NodeId> = again.into_iter().collect();
    let again: Vec<NodeId> = candidates
        .into_iter()
        .filter(|node| wanted.contains(node))
        .collect();
    repeated(digests(files, &again, u64::MAX)?, |first, node| {
        finds.push(copy(files, first, node));
    });
    Ok(finds)
}

fn copy(files: &FileSystem, first: NodeId, node: NodeId) -> Find {
    Find {
        node,
        bytes: files.tree.size(node),
        cause: Cause::Duplicate,
        by: None,
        other: Some(first),
    }
}

/// Digests of files, in the order given.
fn digests(files: &FileSystem, nodes: &[NodeId], limit: u64) -> io::Result<Vec<(Key, NodeId)>> {
    nodes
        .par_iter()
        .filter_map(|&node| Some((node, files.tree.content(node)?)))
        .map(|(node, content)| Ok(((content.size, digest(files, content, limit)?), node)))
        .collect()
}

/// Calls `found` with the first and each further one of what has the same key.
fn repeated(mut keyed: Vec<(Key, NodeId)>, mut found: impl FnMut(NodeId, NodeId)) {
    // Stable: of equal keys the first stays the first.
    keyed.sort_by_key(|(key, _)| *key);
    for group in keyed.chunk_by(|(a, _), (b, _)| a == b) {
        for (_, node) in &group[1..] {
            found(group[0].1, *node);
        }
    }
}
