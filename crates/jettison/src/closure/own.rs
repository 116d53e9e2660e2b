//! What users put into the image themselves: it is kept by whole directories.

use layer::NodeId;

use super::caches::is_cache;
use super::collector::Collector;
use super::directories::is_shared;
use super::wanted::{is_version_control, is_wanted};
use super::{Edge, Evidence};

/// Directories into which package managers of languages put what others wrote:
/// npm, pip and Debian's Python, Composer and Bundler.
const THIRD_PARTY: &[&str] = &["node_modules", "site-packages", "dist-packages", "vendor"];

/// Keeps the directory that an application was copied to: the one of its
/// program, when no package owns the program and the directory is its own.
///
/// `/app/server` brings `/app`; `/opt/app/bin/app` brings the prefix `/opt/app`.
pub(super) fn keep_application(collector: &mut Collector<'_>, program: NodeId) {
    let tree = collector.tree();
    if collector.input.packages.owner(program).is_some() {
        return;
    }
    let mut directory = tree.parent(program);
    if [&b"bin"[..], b"sbin", b"libexec"].contains(&tree.name(directory))
        && !is_shared(tree, tree.parent(directory))
    {
        directory = tree.parent(directory);
    }
    // What is installed for an application is none itself, though a script starts it by its path.
    let is_installed = tree
        .path(directory)
        .split(|byte| *byte == b'/')
        .any(|name| name == b"node_modules");
    if is_installed || is_shared(tree, directory) || !collector.applications.insert(directory) {
        return;
    }
    let edge = Edge::new(
        Some(program),
        Evidence::Application,
        tree.absolute(directory),
    );
    keep_own(collector, directory, &edge);
}

/// Keeps a directory that users put there themselves, without caches.
pub(super) fn keep_own(collector: &mut Collector<'_>, top: NodeId, edge: &Edge) {
    let tree = collector.tree();
    collector.keep(top, edge.clone());
    let mut pending = vec![(top, edge.clone())];
    while let Some((directory, edge)) = pending.pop() {
        // What others wrote came along: its scripts are seldom run.
        let edge = match THIRD_PARTY
            .iter()
            .any(|name| tree.name(directory) == name.as_bytes())
        {
            true => Edge {
                evidence: Evidence::Module,
                from: edge.from.or(Some(top)),
                ..edge
            },
            false => edge,
        };
        for node in tree.children(directory) {
            if is_version_control(tree.name(node)) {
                continue;
            }
            if is_cache(tree, node) {
                continue;
            }
            collector.keep(node, edge.clone());
            if tree.is_directory(node) {
                pending.push((node, edge.clone()));
            }
        }
    }
}

/// Keeps what is in a directory to which a link leads that is part of something kept whole:
/// distributions put data of modules below `/usr/share`, and a link in its place
/// (FHS 3.0, 4.11 "architecture-independent data"). A link that is merely on the way says nothing.
pub(super) fn keep_linked(collector: &mut Collector<'_>, link: NodeId, target: NodeId) {
    let tree = collector.tree();
    let part_of_whole = collector.graph.reason(link).is_some_and(|edge| {
        matches!(
            edge.evidence,
            Evidence::Module | Evidence::Application | Evidence::PluginDir | Evidence::Package
        )
    });
    let mut above = std::iter::successors(Some(link), |node| {
        (*node != tree.root()).then(|| tree.parent(*node))
    });
    if !part_of_whole
        || !tree.is_directory(target)
        || is_shared(tree, target)
        || above.any(|node| node == target)
    {
        return;
    }
    let edge = Edge::new(Some(link), Evidence::PluginDir, tree.absolute(target));
    collector.keep_below(target, &edge, |node| is_wanted(tree, node));
}
