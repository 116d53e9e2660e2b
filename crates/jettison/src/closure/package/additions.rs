//! What adds to a package: others that were made for it, and what its maintainer scripts made.

use std::collections::BTreeSet;

use layer::NodeId;

use super::is_development;
use crate::closure::collector::Collector;
use crate::closure::directories::is_shared;
use crate::closure::wanted::is_wanted;
use crate::closure::{Edge, Evidence, companion};
use crate::packages::{Package, PackageId};

/// Returns the packages that add to another: they depend on it, and put files where it has its own. Those that were built
/// from the same source do, as the applications of an office suite, which its starter finds when it runs: who did not want
/// them did not install them. Those that were asked for do where it `runs`, as the packages of functions of a language.
pub(super) fn extensions(
    collector: &Collector<'_>,
    extended: PackageId,
    runs: bool,
) -> impl Iterator<Item = PackageId> {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let is_own = move |directory: NodeId| {
        packages.owners_of_directory(directory).contains(&extended) && !is_shared(tree, directory)
    };
    let adds = move |node: &NodeId| collector.units.of(*node).is_none() && is_wanted(tree, *node);
    let extends = move |id: PackageId, package: &Package| {
        let mut files = packages.files(id).iter().filter(|node| adds(node));
        let is_of_one = packages.are_siblings(id, extended);
        id != extended
            && (is_of_one || runs && collector.asked.contains(&id))
            && packages.dependencies(id).contains(&extended)
            && !is_development(package)
            && match is_of_one {
                true => files.any(|node| is_own(tree.parent(*node))),
                false => files.any(|node| ancestors(tree, *node).any(is_own)),
            }
    };
    let all = packages.packages();
    all.filter(move |(id, package)| extends(*id, package))
        .map(|(id, _)| id)
}

/// Returns whether all that a package holds is shared objects without a version: nothing is linked with them (Debian
/// policy 8.1), so whoever depends on the package opens them.
pub(super) fn holds_plugins_alone(collector: &Collector<'_>, id: PackageId) -> bool {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let files = packages.files(id).iter();
    let mut files = files.filter(|node| !tree.is_directory(**node) && is_wanted(tree, **node));
    // A package for developing has links to what others hold.
    let has_some = files.clone().any(|node| tree.content(*node).is_some());
    has_some && files.all(|node| tree.name(*node).ends_with(b".so"))
}

/// Returns the directories that a file lies in, the nearest first.
fn ancestors(tree: &layer::Tree, node: NodeId) -> impl Iterator<Item = NodeId> {
    let above = std::iter::successors(Some(tree.parent(node)), |at| Some(tree.parent(*at)));
    above.take_while(|at| *at != tree.root())
}

/// Keeps what packages that somebody installed by name put into the directories that a kept one has to itself: a spelling
/// library lists its dictionaries, and each is a package of its own.
pub(super) fn keep_additions(collector: &mut Collector<'_>, id: PackageId, from: NodeId) {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let parents = packages.files(id).iter().map(|node| tree.parent(*node));
    let directories: BTreeSet<NodeId> = parents.filter(|it| !is_shared(tree, *it)).collect();
    for node in directories.into_iter().flat_map(|it| tree.children(it)) {
        let Some(owner) = packages.owner(node).filter(|owner| *owner != id) else {
            continue;
        };
        let is_file = !tree.is_directory(node) && collector.units.of(node).is_none();
        if is_file && collector.asked.contains(&owner) && is_wanted(tree, node) {
            let edge = Edge::new(Some(from), Evidence::Package, &packages.package(owner).name);
            collector.keep(node, edge);
        }
    }
}

/// Keeps what no package brought into the directories of one below `/usr`: its maintainer scripts made that, such as an
/// index of what was added to it. What is large is made to be faster. A link is made to be followed: by it a library
/// finds the dictionary that was compiled when it was installed, or that was chosen (update-alternatives(1)).
pub(super) fn keep_generated(collector: &mut Collector<'_>, id: PackageId, from: NodeId) {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let mut above = BTreeSet::new();
    for node in packages.files(id) {
        // Those above a directory that was seen were seen with it.
        ancestors(tree, *node).find(|it| !above.insert(*it));
    }
    let directories = above.into_iter().filter(|it| {
        packages.owners_of_directory(*it).contains(&id)
            && tree.path(*it).starts_with(b"usr/")
            && !is_shared(tree, *it)
    });
    for node in directories.flat_map(|it| tree.children(it)) {
        let is_link = tree.link_target(node).is_some();
        let is_small = tree.content(node).is_some() && tree.size(node) <= companion::LIMIT;
        let is_made = packages.owner(node).is_none() && collector.units.of(node).is_none();
        if is_made && (is_link || is_small) && is_wanted(tree, node) {
            let edge = Edge::new(Some(from), Evidence::Package, &packages.package(id).name);
            collector.keep(node, edge);
        }
    }
}
