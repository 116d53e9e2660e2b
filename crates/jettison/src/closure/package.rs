//! Packages: the data that belongs to a kept program or library.
//!
//! A packager puts together what a program needs. Of a package that a program
//! came from, everything but documentation is kept; of one that a library came
//! from, what lies in directories of its own. Packages that every system has
//! (Debian's `Essential`, priorities `required` and `important`, and what those
//! depend on) are taken apart file by file instead: they are the base that
//! slimming is about.

mod additions;

use std::collections::BTreeSet;

use layer::NodeId;

use self::additions::{extensions, holds_plugins_alone, keep_additions, keep_generated};
use super::collector::{Collector, Script};
use super::directories::is_shared;
use super::language::perl;
use super::wanted::is_wanted;
use super::{Edge, Error, Evidence, companion, script};
use crate::packages::{Package, PackageDb, PackageId};

/// Returns the packages of the base that every system has. One that is merely important, and that somebody installed by
/// name on top of it, is not of it.
pub(super) fn base(packages: &PackageDb, tree: &layer::Tree) -> BTreeSet<PackageId> {
    let since = |id| {
        packages
            .files(id)
            .iter()
            .map(|node| tree.since(*node))
            .min()
    };
    let essential = packages.packages().filter(|(_, package)| package.essential);
    let first = essential.filter_map(|(id, _)| since(id)).min();
    let required = packages.packages().filter(|(id, package)| {
        let is_added = || package.manual && since(*id) > first;
        match package.priority.as_deref() {
            Some("required") => true,
            Some("important") => package.essential || !is_added(),
            _ => package.essential,
        }
    });
    packages.depends_closure(required.map(|(id, _)| id))
}

/// Returns the packages that somebody installed by name, `base` aside. One that holds nothing but documentation stands for
/// those that it depends on: of Debian's `imagemagick` the programs are in `imagemagick-6.q16`. One may be in parts whose
/// names begin with its own: of `mariadb-client` the client is in `mariadb-client-core`.
pub(super) fn asked_for(
    packages: &PackageDb,
    tree: &layer::Tree,
    base: &BTreeSet<PackageId>,
) -> BTreeSet<PackageId> {
    let manual = packages.packages().filter(|(_, package)| package.manual);
    let mut pending: Vec<PackageId> = manual.map(|(id, _)| id).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = pending.pop() {
        if base.contains(&id) || !found.insert(id) {
            continue;
        }
        let holds = |node: &NodeId| is_wanted(tree, *node);
        let is_whole = packages.files(id).iter().any(holds);
        let begin = format!("{}-", packages.package(id).name);
        let is_part = |other: PackageId| {
            packages.are_siblings(id, other) && packages.package(other).name.starts_with(&begin)
        };
        let others = packages.dependencies(id).iter().copied();
        let others = others.filter(|other| !is_whole || is_part(*other));
        pending.extend(others.filter(|other| !is_development(packages.package(*other))));
    }
    found
}

/// Returns the names of the packages that somebody installed by name and of which nothing stays; `keeps` says which
/// files do. Those that hold documentation alone, or stand for others, have nothing that could.
pub(crate) fn gone(
    packages: &PackageDb,
    tree: &layer::Tree,
    keeps: impl Fn(NodeId) -> bool,
) -> Vec<String> {
    let base = base(packages, tree);
    let is_gone = |id: &PackageId| {
        let mut files = packages.files(*id).iter();
        let has_some = files.clone().any(|node| is_wanted(tree, *node));
        has_some && !files.any(|node| keeps(*node))
    };
    let asked_for = packages
        .packages()
        .filter(|(id, package)| package.manual && !base.contains(id) && is_gone(id));
    let names: BTreeSet<String> = asked_for.map(|(_, package)| package.name.clone()).collect();
    names.into_iter().collect()
}

/// A program was kept: so is the data of its package, and that of the packages that it depends on if they
/// hold data (`Architecture: all`, `noarch`) or plug-ins, or are built from the same source.
pub(super) fn program_found(collector: &mut Collector<'_>, program: NodeId) {
    if let Some(id) = collector.input.packages.owner(program) {
        companion::needed_by(collector, id, program);
    }
    for id in packages_of(collector, program) {
        collector.program_packages.insert(id);
        keep_data(collector, id, program, |_| true);
        keep_additions(collector, id, program);
        keep_generated(collector, id, program);
    }
}

/// Returns whether a program of a package is needed for certain.
pub(super) fn runs(collector: &Collector<'_>, id: PackageId) -> bool {
    let mut files = collector.input.packages.files(id).iter();
    files.any(|node| collector.is_kept_for_certain(*node) && is_program_in_path(collector, *node))
}

/// Returns the packages whose data a program would bring.
pub(super) fn packages_of(collector: &Collector<'_>, program: NodeId) -> Vec<PackageId> {
    let packages = collector.input.packages;
    let mut found = Vec::new();
    let own = packages.owner(program);
    let mut pending: Vec<PackageId> = own.into_iter().collect();
    while let Some(id) = pending.pop() {
        let is_known = collector.base.contains(&id) || collector.program_packages.contains(&id);
        if is_known || found.contains(&id) {
            continue;
        }
        found.push(id);
        // Programs of one source are made to work together: a server and the tools that control it.
        let data = packages.dependencies(id).iter().filter(|dependency| {
            let package = packages.package(**dependency);
            let is_data = matches!(package.architecture.as_str(), "all" | "noarch");
            is_data
                || packages.are_siblings(id, **dependency)
                || holds_plugins_alone(collector, **dependency)
        });
        pending.extend(data.copied());
        pending.extend(extensions(collector, id, own == Some(id)));
    }
    found
}

/// A library was kept: so are the directories of its package that are its own.
pub(super) fn library_found(collector: &mut Collector<'_>, library: NodeId) {
    let packages = collector.input.packages;
    let tree = collector.tree();
    let Some(owner) = packages.owner(library) else {
        return;
    };
    if collector.base.contains(&owner) || collector.program_packages.contains(&owner) {
        return;
    }
    // The linker's plug-in for what a compiler made is part of the compiler.
    if is_for_development(collector, library) && !collector.is_kept_for_certain(library) {
        return;
    }
    // Bindings for a language are hundreds, and all of them say the same of their package.
    let certain = collector.is_kept_for_certain(library);
    if !collector.library_packages.insert((owner, certain)) {
        return;
    }
    keep_data(collector, owner, library, |node| {
        !is_shared(tree, tree.parent(node))
    });
    keep_additions(collector, owner, library);
    keep_generated(collector, owner, library);
}

/// A setting or a script named the directory that a package has to itself: so is the rest of it, such as its state below
/// `/var/lib`. What a server serves is often a package without a program.
pub(super) fn directory_found(collector: &mut Collector<'_>, directory: NodeId, by: NodeId) {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let owners = packages.owners_of_directory(directory);
    let mut sources = owners.iter().map(|id| &packages.package(*id).source.name);
    let first = sources.next();
    let is_of_one = first.is_some() && sources.all(|source| Some(source) == first);
    if !is_of_one || !is_shared(tree, tree.parent(directory)) || collector.loaded.contains(&by) {
        return;
    }
    for id in owners {
        if !collector.base.contains(id) && collector.program_packages.insert(*id) {
            keep_data(collector, *id, directory, |_| true);
        }
    }
}

/// Keeps all of a package, documentation included.
pub(super) fn keep_whole(collector: &mut Collector<'_>, id: PackageId) {
    let packages = collector.input.packages;
    let edge = Edge::new(None, Evidence::Include, &packages.package(id).name);
    for node in packages.files(id) {
        collector.keep(*node, edge.clone());
    }
}

pub(super) fn keep_data(
    collector: &mut Collector<'_>,
    id: PackageId,
    from: NodeId,
    wanted: impl Fn(NodeId) -> bool,
) {
    let packages = collector.input.packages;
    let tree = collector.tree();
    let edge = Edge::new(Some(from), Evidence::Package, &packages.package(id).name);
    for node in packages.files(id) {
        if !is_wanted(tree, *node) || perl::is_test(tree, *node) || !wanted(*node) {
            continue;
        }
        match program_of(collector, *node) {
            Some(program) if collector.interpreter(program) == Script::No => {
                companion::offer(collector, program, &[*node], None);
            }
            None if let Some(library) = public_library(tree, *node) => {
                companion::offer(collector, library, &[*node], Some(edge.clone()));
            }
            // Another name of a script, or of a command of what a language installs as one: it stays if that does.
            Some(program) if program != *node => {
                collector.keep_with(*node, program, edge.clone());
            }
            _ => collector.keep(*node, edge.clone()),
        }
    }
}

/// Returns the library that a file or link is, if it is one for others to be linked with: it is named where it is
/// needed, or stays where it costs next to nothing. Bindings for a language may be among those of a program.
pub(super) fn public_library(tree: &layer::Tree, node: NodeId) -> Option<NodeId> {
    let name = tree.name(node);
    let is_library = name.starts_with(b"lib") && memchr::memmem::find(name, b".so.").is_some();
    if !is_library || !is_shared(tree, tree.parent(node)) {
        return None;
    }
    let library = tree.resolve(&tree.absolute(node)).ok()?.node;
    tree.content(library).map(|_| library)
}

/// Returns the program that users start by the name of a file or link.
pub(super) fn program_of(collector: &Collector<'_>, node: NodeId) -> Option<NodeId> {
    let tree = collector.tree();
    let program = match tree.link_target(node) {
        Some(_) if is_in_path(tree, node) => tree.resolve(&tree.absolute(node)).ok()?.node,
        _ => node,
    };
    is_program_in_path(collector, program).then_some(program)
}

/// Returns whether a file is a program that users start by its name.
pub(super) fn is_program_in_path(collector: &Collector<'_>, node: NodeId) -> bool {
    let tree = collector.tree();
    is_in_path(tree, node) && tree.mode(node) & 0o111 != 0 && tree.content(node).is_some()
}

/// Returns whether a file is of a package for developing (Debian policy 2.4, section `devel`: "Development utilities,
/// compilers, …").
pub(super) fn is_for_development(collector: &Collector<'_>, node: NodeId) -> bool {
    let packages = collector.input.packages;
    let owner = packages.owner(node);
    owner.is_some_and(|id| is_development(packages.package(id)))
}

/// Returns whether a package is for developing.
pub(super) fn is_development(package: &Package) -> bool {
    package.is_of_section(&["devel"])
}

pub(super) fn is_in_path(tree: &layer::Tree, node: NodeId) -> bool {
    let name = tree.name(tree.parent(node));
    [&b"bin"[..], b"sbin", b"games"].contains(&name)
}

/// Keeps the other names of kept programs in the directories of PATH, which cost nothing: programs look at
/// the name that they are called by (`neato` is a link to `dot`, `identify` leads to ImageMagick by
/// way of update-alternatives(1)). So are links in state that lead to what is kept: installing made them.
pub(super) fn other_names(collector: &mut Collector<'_>) -> Result<(), Error> {
    let tree = collector.tree();
    let commands = collector.path.iter();
    let commands = commands.filter_map(|path| Some(tree.resolve(path).ok()?.node));
    let commands: BTreeSet<NodeId> = commands.collect();
    let state = tree.resolve(STATE).into_iter();
    let state = state.flat_map(|found| tree.walk(found.node));
    let state = state.filter(|node| tree.is_directory(*node) && collector.graph.keeps(*node));
    let directories: BTreeSet<NodeId> = commands.iter().copied().chain(state).collect();
    for directory in directories {
        for link in tree.children(directory) {
            if tree.link_target(link).is_none() || collector.graph.keeps(link) {
                continue;
            }
            let Ok(found) = tree.resolve(&tree.absolute(link)) else {
                continue;
            };
            let is_command = commands.contains(&directory);
            if is_command && tree.content(found.node).is_none()
                || !collector.graph.keeps(found.node)
            {
                continue;
            }
            for node in found.links {
                let edge = Edge::new(Some(found.node), Evidence::Package, "another name of it");
                collector.keep_decided(node, edge);
            }
        }
    }
    keep_wrappers(collector)?;
    collector.run()
}

/// Keeps the scripts of the base that are other names of kept programs.
fn keep_wrappers(collector: &mut Collector<'_>) -> Result<(), Error> {
    for id in collector.base.clone() {
        for script in collector.input.packages.files(id) {
            if collector.graph.keeps(*script) || !is_program_in_path(collector, *script) {
                continue;
            }
            let Script::Of(interpreter) = collector.interpreter(*script) else {
                continue;
            };
            if !collector.graph.keeps(interpreter) {
                continue;
            }
            if let Some(program) = script::stands_for(collector, *script)? {
                let edge = Edge::new(Some(program), Evidence::Package, "another name of it");
                collector.keep_decided(*script, edge);
            }
        }
    }
    Ok(())
}

/// Where programs have what changes (FHS 3.0, 5.8).
const STATE: &[u8] = b"/var/lib";

/// Keeps whole every package of which a file was kept for more than being in everybody's way.
pub(super) fn complete(collector: &mut Collector<'_>) -> Result<(), Error> {
    let tree = collector.tree();
    let used: BTreeSet<(PackageId, NodeId)> = collector
        .graph
        .nodes()
        .iter()
        .filter(|node| !tree.is_directory(**node))
        .filter(|node| {
            let reason = collector.graph.reason(**node);
            reason.is_some_and(|edge| edge.evidence != Evidence::System)
        })
        .filter_map(|node| Some((collector.input.packages.owner(*node)?, *node)))
        .collect();
    let mut last = None;
    for (id, from) in used {
        if last.replace(id) == Some(id) {
            continue;
        }
        let packages = collector.input.packages;
        for node in packages.files(id) {
            let from = Some(from).filter(|from| from != node);
            let edge = Edge::new(from, Evidence::Package, &packages.package(id).name);
            collector.keep(*node, edge);
        }
    }
    collector.run()?;
    companion::settle(collector)
}
