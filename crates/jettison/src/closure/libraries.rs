//! Libraries by their names, where loaders look for them.

use std::collections::BTreeSet;

use layer::{NodeId, Tree};

use super::collector::Collector;
use super::{Edge, Evidence};

/// Where loaders look for libraries, and glibc for name service modules.
pub(super) const DIRECTORIES: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/lib/i386-linux-gnu",
    "/lib64",
    "/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/i386-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/x86_64-linux-gnu/nss",
    "/usr/lib/aarch64-linux-gnu/nss",
];

/// Keeps a library that something opens by name, and its versions: `libx.so` is
/// `libx.so.1` where nothing is built.
pub(super) fn keep(collector: &mut Collector<'_>, from: NodeId, name: &[u8]) {
    for node in named(collector.tree(), name) {
        collector.keep(node, Edge::new(Some(from), Evidence::Dlopen, name));
    }
}

/// Returns the libraries of a name, and of its versions.
pub(super) fn named(tree: &Tree, name: &[u8]) -> Vec<NodeId> {
    let directories: BTreeSet<NodeId> = directories(tree).collect();
    let files = directories.into_iter().flat_map(|it| tree.children(it));
    files
        .filter(|node| {
            let rest = tree.name(*node).strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
        })
        .collect()
}

/// Returns whether loaders look where a file is.
pub(super) fn is_in_directory(tree: &Tree, node: NodeId) -> bool {
    directories(tree).any(|directory| directory == tree.parent(node))
}

/// Returns those of [`DIRECTORIES`] that are there; some are links to others.
fn directories(tree: &Tree) -> impl Iterator<Item = NodeId> {
    let paths = DIRECTORIES.iter();
    paths.filter_map(|path| Some(tree.resolve(path.as_bytes()).ok()?.node))
}
