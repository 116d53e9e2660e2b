//! Packages: the data that belongs to a kept program or library.
//!
//! A packager puts together what a program needs. Of a package that a program
//! came from, everything but documentation is kept; of one that a library came
//! from, what lies in directories of its own. Packages that every system has
//! (Debian's `Essential`, priorities `required` and `important`, and what those
//! depend on) are taken apart file by file instead: they are the base that
//! slimming is about.

use std::collections::{BTreeSet, HashSet};

use layer::NodeId;
use layer::tree::InodeId;

use super::collector::{Collector, Optional, Script};
use super::directories::is_shared;
use super::wanted::is_wanted;
use super::{Edge, Error, Evidence, language};
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
/// hold data (`Architecture: all`, `noarch`) or are built from the same source.
pub(super) fn program_found(collector: &mut Collector<'_>, program: NodeId) {
    for id in packages_of(collector, program) {
        collector.program_packages.insert(id);
        keep_data(collector, id, program, |_| true);
    }
}

/// Returns the packages whose data a program would bring.
fn packages_of(collector: &Collector<'_>, program: NodeId) -> Vec<PackageId> {
    let packages = collector.input.packages;
    let mut found = Vec::new();
    let mut pending: Vec<PackageId> = packages.owner(program).into_iter().collect();
    while let Some(id) = pending.pop() {
        let is_known = collector.base.contains(&id) || collector.program_packages.contains(&id);
        if is_known || found.contains(&id) {
            continue;
        }
        found.push(id);
        // Programs of one source are made to work together: a server and the tools that control it.
        let source = &packages.package(id).source.name;
        let data = packages.dependencies(id).iter().filter(|dependency| {
            let package = packages.package(**dependency);
            let same = !source.is_empty() && package.source.name == *source;
            same || matches!(package.architecture.as_str(), "all" | "noarch")
        });
        pending.extend(data.copied());
        pending.extend(extensions(collector, id));
    }
    found
}

/// Returns the packages that add to another: built from the same source, they depend on it, and put files where it has
/// its own. The applications of an office suite do, which its starter finds when it runs. Who did not want them did not
/// install them.
fn extensions(collector: &Collector<'_>, extended: PackageId) -> impl Iterator<Item = PackageId> {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let source = &packages.package(extended).source.name;
    let adds_to_it = move |node: &NodeId| {
        let directory = tree.parent(*node);
        packages.owners_of_directory(directory).contains(&extended)
            && !is_shared(tree, directory)
            && collector.units.of(*node).is_none()
            && is_wanted(tree, *node)
    };
    let extends = move |id: PackageId, package: &Package| {
        !source.is_empty()
            && package.source.name == *source
            && packages.dependencies(id).contains(&extended)
            && !is_development(package)
            && packages.files(id).iter().any(adds_to_it)
    };
    let all = packages.packages();
    all.filter(move |(id, package)| extends(*id, package))
        .map(|(id, _)| id)
}

/// Returns the bytes of the data that a program would bring: files of its packages that are not offered
/// one by one.
fn cost_of_data(collector: &Collector<'_>, program: NodeId) -> u64 {
    let tree = collector.tree();
    let files = packages_of(collector, program)
        .into_iter()
        .flat_map(|id| collector.input.packages.files(id));
    files
        .filter(|node| !tree.is_directory(**node) && is_wanted(tree, **node))
        .filter(|node| !collector.graph.keeps(**node) && program_of(collector, **node).is_none())
        .map(|node| tree.size(*node))
        .sum()
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
    keep_data(collector, owner, library, |node| {
        !is_shared(tree, tree.parent(node))
    });
}

/// Keeps all of a package, documentation included.
pub(super) fn keep_whole(collector: &mut Collector<'_>, id: PackageId) {
    let packages = collector.input.packages;
    let detail = packages.package(id).name.clone();
    let edge = Edge {
        from: None,
        evidence: Evidence::Include,
        detail,
    };
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
    let detail = packages.package(id).name.clone();
    let edge = Edge {
        from: Some(from),
        evidence: Evidence::Package,
        detail,
    };
    for node in packages.files(id) {
        if !is_wanted(tree, *node) || !wanted(*node) {
            continue;
        }
        match program_of(collector, *node) {
            Some(program) if collector.interpreter(program) == Script::No => {
                offer(collector, program, &[*node], None);
            }
            None if let Some(library) = public_library(tree, *node) => {
                offer(collector, library, &[*node], Some(edge.clone()));
            }
            // A command of what a language installs as one: it stays if that is needed.
            Some(program) if program != *node && is_held(collector, program) => {
                collector.optional.push(Optional {
                    node: *node,
                    interpreter: program,
                    edge: edge.clone(),
                });
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

fn is_held(collector: &Collector<'_>, program: NodeId) -> bool {
    let units = &collector.units;
    units
        .of(program)
        .is_some_and(|unit| !units.is_selected(unit))
}

/// Returns the program that users start by the name of a file or link.
fn program_of(collector: &Collector<'_>, node: NodeId) -> Option<NodeId> {
    let tree = collector.tree();
    let program = match tree.link_target(node) {
        Some(_) if is_in_path(tree, node) => tree.resolve(&tree.absolute(node)).ok()?.node,
        _ => node,
    };
    is_program_in_path(collector, program).then_some(program)
}

/// Keeps a program, with links to it, if it costs next to nothing.
pub(super) fn offer(
    collector: &mut Collector<'_>,
    program: NodeId,
    links: &[NodeId],
    edge: Option<Edge>,
) {
    let companion = collector.companions.entry(program).or_default();
    companion
        .links
        .extend(links.iter().filter(|link| **link != program));
    companion.edge = companion.edge.take().or(edge);
}

/// Keeps a program whose name is a word in another one. Of what every system has, and of what was
/// built from the same source, words say little: it stays only where it costs next to nothing. So it is
/// with tools of developers, and with `cheap_only`.
pub(super) fn word_found(
    collector: &mut Collector<'_>,
    name: &[u8],
    caller: super::command::Caller<'_>,
    cheap_only: bool,
) {
    let Some((_, found)) = collector.find_command(name) else {
        return;
    };
    let packages = collector.input.packages;
    let source = |node| Some(packages.package(packages.owner(node)?).source.name.as_str());
    let owner = packages.owner(found.node);
    let is_base = owner.is_some_and(|owner| collector.base.contains(&owner));
    let is_sibling = owner.is_some() && source(found.node) == caller.from.and_then(source);
    if cheap_only && collector.interpreter(found.node) != Script::No {
        return; // what a script costs, nobody knows before it is read
    }
    // What compiles is called by words that mean other things (`size`, `strip`), but by what depends on it.
    let builds = || {
        let depends = |by| {
            let needed = packages.depends_closure(packages.owner(by));
            owner.is_some_and(|owner| needed.contains(&owner))
        };
        is_for_development(collector, found.node) && !caller.from.is_some_and(depends)
    };
    if cheap_only || is_base || is_sibling || builds() {
        offer(collector, found.node, &found.links, Some(caller.edge()));
    } else {
        collector.keep_command(name, caller);
    }
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

fn is_development(package: &Package) -> bool {
    let section = package.section.as_deref().unwrap_or_default();
    section.rsplit('/').next() == Some("devel")
}

fn is_in_path(tree: &layer::Tree, node: NodeId) -> bool {
    let name = tree.name(tree.parent(node));
    [&b"bin"[..], b"sbin", b"games"].contains(&name)
}

/// Has the programs of packages that somebody asked for by name looked at as companions: a client beside a
/// server was installed to be used in the container.
pub(super) fn asked_for(collector: &mut Collector<'_>) {
    let packages = collector.input.packages;
    for (id, package) in packages.packages() {
        if !package.manual || collector.base.contains(&id) {
            continue;
        }
        for node in packages.files(id) {
            let Some(program) = program_of(collector, *node) else {
                continue;
            };
            match collector.interpreter(program) {
                Script::No => offer(collector, program, &[*node], None),
                // Stays if its interpreter does.
                Script::Of(interpreter) => collector.optional.push(Optional {
                    node: *node,
                    interpreter,
                    edge: Edge {
                        from: None,
                        evidence: Evidence::Package,
                        detail: format!("{} was asked for", package.name),
                    },
                }),
                Script::Broken => {}
            }
        }
    }
}

/// Keeps the other names of kept programs in the directories of PATH, which cost nothing: programs look at
/// the name that they are called by (`neato` is a link to `dot`, `identify` leads to ImageMagick by
/// way of update-alternatives(1)).
pub(super) fn other_names(collector: &mut Collector<'_>) -> Result<(), Error> {
    let tree = collector.tree();
    let directories: BTreeSet<NodeId> = collector
        .path
        .iter()
        .filter_map(|path| Some(tree.resolve(path).ok()?.node))
        .collect();
    for directory in directories {
        for link in tree.children(directory) {
            if tree.link_target(link).is_none() || collector.graph.keeps(link) {
                continue;
            }
            let Ok(found) = tree.resolve(&tree.absolute(link)) else {
                continue;
            };
            if tree.content(found.node).is_none() || !collector.graph.keeps(found.node) {
                continue;
            }
            for node in found.links {
                let edge = Edge {
                    from: Some(found.node),
                    evidence: Evidence::Package,
                    detail: "another name of it".to_owned(),
                };
                collector.keep_decided(node, edge);
            }
        }
    }
    collector.run()
}

/// Bytes that a companion may add.
///
/// What comes in the same package as a program (`ffprobe` beside `ffmpeg`,
/// `redis-cli` beside `redis-server`) is what people reach for in a container,
/// and shares its libraries. It stays where it costs next to nothing; users name
/// larger ones with `--entry`.
pub(super) const COMPANION: u64 = 1_000_000;

/// Bytes that a program may add whose package somebody asked for by name: it was put there to be used.
const ASKED_FOR: u64 = 3_000_000;

/// Bytes of data that the first companion of a package may bring for all of them.
const COMPANION_DATA: u64 = 4_000_000;

/// Part of a server's own bytes that each of its clients may add: next to nothing beside a database of 26 MB
/// is what dumps it.
const OF_A_SERVER: u64 = 5;

/// Returns the bytes that a companion may add: more if its package was asked for, or if it connects to
/// something or starts programs, and was made from one source with a program that listens and is needed for
/// certain.
fn allowance(collector: &Collector<'_>, companion: NodeId) -> Result<u64, Error> {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let is_asked_for = packages
        .owner(companion)
        .is_some_and(|id| packages.package(id).manual && !collector.base.contains(&id));
    let least = if is_asked_for { ASKED_FOR } else { COMPANION };
    let source = |node| Some(packages.package(packages.owner(node)?).source.name.as_str());
    let Some(made_from) = source(companion).filter(|name| !name.is_empty()) else {
        return Ok(least);
    };
    let imports = |node, name: &[u8]| -> Result<bool, Error> {
        let object = collector.loader.object(node).map_err(Error::Loader)?;
        Ok(object.is_some_and(|object| object.imports.contains(name)))
    };
    let mut served = 0;
    for program in collector.reached.keys() {
        let same = source(*program) == Some(made_from);
        if same && collector.is_kept_for_certain(*program) && imports(*program, b"listen")? {
            served = served.max(tree.size(*program));
        }
    }
    // What starts programs has the clients do it: `mariadb-upgrade` does.
    let reaches = [&b"connect"[..], b"system", b"popen", b"execvp"];
    for name in reaches.iter().filter(|_| served > 0) {
        if imports(companion, name)? {
            return Ok(least.max(served / OF_A_SERVER));
        }
    }
    Ok(least)
}

/// Decides on what depends on everything else: scripts of packages are kept if
/// their interpreters are, companions if they are cheap. Until nothing changes.
pub(super) fn settle(collector: &mut Collector<'_>) -> Result<(), Error> {
    let tree = collector.tree();
    loop {
        language::reconsider(collector);
        collector.run()?;
        let inodes = collector
            .graph
            .nodes()
            .iter()
            .map(|node| tree.inode(*node))
            .collect();
        let mut found: Vec<(NodeId, Edge)> = Vec::new();
        for script in std::mem::take(&mut collector.optional) {
            let ready = collector.graph.keeps(script.interpreter);
            // Outside of PATH it is a part of its package, however large: what counts is what it brings.
            let own = match is_in_path(tree, script.node) {
                true => 0,
                false => tree.size(script.node),
            };
            if ready && cost(collector, script.node, &inodes)? <= COMPANION + own {
                found.push((script.node, script.edge));
            } else {
                collector.optional.push(script);
            }
        }
        for (node, companion) in std::mem::take(&mut collector.companions) {
            let allowed = allowance(collector, node)?;
            let is_cheap = cost(collector, node, &inodes)? <= allowed
                && cost_of_data(collector, node) <= COMPANION_DATA;
            if !is_cheap {
                collector.companions.insert(node, companion);
                continue;
            }
            let edge = companion.edge.unwrap_or_else(|| {
                let from = sibling(collector, node);
                let detail = match from {
                    Some(_) => "of the same package".to_owned(),
                    None => "of a package that was asked for".to_owned(),
                };
                Edge {
                    from,
                    evidence: Evidence::Package,
                    detail,
                }
            });
            for link in companion.links {
                found.push((link, edge.clone()));
            }
            collector.cheap.insert(node);
            found.push((node, edge));
        }
        if found.is_empty() {
            return Ok(());
        }
        for (node, edge) in found {
            collector.keep_decided(node, edge);
        }
        collector.run()?;
    }
}

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
        let detail = packages.package(id).name.clone();
        for node in packages.files(id) {
            let edge = Edge {
                from: Some(from).filter(|from| from != node),
                evidence: Evidence::Package,
                detail: detail.clone(),
            };
            collector.keep(*node, edge);
        }
    }
    collector.run()?;
    settle(collector)
}

/// Returns the bytes that a program and its libraries would add to files with these inodes.
pub(super) fn cost(
    collector: &Collector<'_>,
    program: NodeId,
    inodes: &HashSet<InodeId>,
) -> Result<u64, Error> {
    let tree = collector.tree();
    let first = collector.read(program, 256)?;
    let objects = match collector.process(program) {
        Ok(process) if first.starts_with(b"\x7fELF") => process.into_closure().objects,
        _ => Vec::new(),
    };
    let added = objects.iter().chain([&program]).collect::<BTreeSet<_>>();
    let bytes: u64 = added
        .into_iter()
        .filter(|node| !inodes.contains(&tree.inode(**node)))
        .map(|node| tree.size(*node))
        .sum();
    Ok(bytes + language::cost(collector, program, &first))
}

/// Returns a kept program of the same package.
fn sibling(collector: &Collector<'_>, node: NodeId) -> Option<NodeId> {
    let packages = collector.input.packages;
    let files = packages.files(packages.owner(node)?);
    let kept = |other: &&NodeId| **other != node && collector.graph.keeps(**other);
    files
        .iter()
        .filter(kept)
        .find(|other| is_program_in_path(collector, **other))
        .copied()
}
