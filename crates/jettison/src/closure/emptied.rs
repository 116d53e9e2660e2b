//! Directories that came along with what is below them, and of which nothing stayed.
//!
//! An empty one says something else than none: Python imports an empty directory as a name space package, so that
//! what would be tried next (`except ImportError`) never is, and lists a distribution that has no name.

use std::collections::HashSet;

use layer::{NodeId, Tree};

use super::collector::Collector;
use super::{Evidence, Level, language};

/// Drops them. What somebody named stays, and what is empty in the image if something stays beside it.
pub(super) fn drop(collector: &mut Collector<'_>) {
    if collector.input.options.level == Level::Traced {
        return;
    }
    let tree = collector.tree();
    let kept = collector.graph.nodes();
    let mut held: HashSet<NodeId> = HashSet::new();
    for node in kept.iter().filter(|node| !may_go(collector, **node)) {
        let mut at = *node;
        while held.insert(at) && at != tree.root() {
            at = tree.parent(at);
        }
    }
    let stays = |node: NodeId| {
        let mut at = node;
        while !held.contains(&at) && has_no_files(tree, at) {
            at = tree.parent(at);
        }
        held.contains(&at)
    };
    let emptied = kept.iter().copied().filter(|node| !stays(*node));
    let emptied: HashSet<NodeId> = emptied.collect();
    collector.graph.drop_all(&emptied);
}

fn has_no_files(tree: &Tree, directory: NodeId) -> bool {
    tree.walk(directory).all(|node| tree.is_directory(node))
}

/// Returns whether a directory need not stay if nothing below it does.
fn may_go(collector: &Collector<'_>, directory: NodeId) -> bool {
    let tree = collector.tree();
    if !tree.is_directory(directory) || collector.preserved.contains(&directory) {
        return false;
    }
    let Some(reason) = collector.graph.reason(directory) else {
        return false;
    };
    match reason.evidence {
        Evidence::Directory => true,
        Evidence::PluginDir | Evidence::Module | Evidence::Timezone => {
            let named = reason.detail.trim_end_matches('/');
            tree.absolute(directory) != named.as_bytes()
        }
        // It came up in a list. Where distributions are is asked for by name.
        Evidence::Traced => {
            let is_site = [&b"site-packages"[..], b"dist-packages"];
            !is_site.contains(&tree.name(directory)) && is_of_distributions(collector, directory)
        }
        _ => false,
    }
}

/// Returns whether a directory holds files, and all are of distributions of Python.
fn is_of_distributions(collector: &Collector<'_>, directory: NodeId) -> bool {
    let tree = collector.tree();
    let mut below = tree
        .walk(directory)
        .filter(|node| !tree.is_directory(*node));
    !has_no_files(tree, directory)
        && below.all(|node| language::python::is_installed(collector, node))
}
