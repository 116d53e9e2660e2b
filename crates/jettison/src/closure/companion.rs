//! Companions: what comes along with a program, a word in one, or an installation by name, and stays where it costs next
//! to nothing.

mod price;

use std::collections::HashSet;

use layer::NodeId;

use super::collector::{Collector, Optional, Script};
use super::package::{
    is_development, is_for_development, is_in_path, is_program_in_path, program_of,
};
use super::wanted::is_wanted;
use super::{Edge, Error, Evidence, language};
use crate::packages::PackageId;
use price::{ASKED_FOR, BESIDE_ITS_LIBRARY, LIMIT_OF_DATA, allowance, cost_of_data};
pub(super) use price::{LIMIT, cost};

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

/// Keeps a program whose name is a word in another one. Of what every system has, of what was built from the same
/// source, and of packages that the program's own does not speak of, words say little: it stays only where it costs
/// next to nothing. So it is with tools of developers, and with `cheap_only`.
pub(super) fn word_found(
    collector: &mut Collector<'_>,
    name: &[u8],
    caller: &Edge,
    cheap_only: bool,
) {
    let Some((_, found)) = collector.find_command(name) else {
        return;
    };
    let packages = collector.input.packages;
    let owner = packages.owner(found.node);
    let is_base = owner.is_some_and(|owner| collector.base.contains(&owner));
    let callers = caller.from.and_then(|from| packages.owner(from));
    let is_sibling = match (owner, callers) {
        (Some(owner), Some(by)) => packages.are_siblings(owner, by),
        _ => false,
    };
    // A program of 200 MB knows all words: its package says what it starts.
    let is_stranger = match (callers, owner) {
        (Some(by), Some(owner)) => {
            let package = packages.package(owner);
            let is_meant = collector.asked.contains(&owner) && package.name.as_bytes() == name;
            !is_meant && !packages.uses(by, owner)
        }
        _ => false,
    };
    let cheap_only = cheap_only || is_stranger;
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
        offer(collector, found.node, &found.links, Some(caller.clone()));
    } else {
        collector.keep_command(name, caller);
    }
}

/// Keeps a program that source of others starts: certainly if it was asked for, or belongs to no package; otherwise
/// where it costs little, since libraries know how to start many things for the few who want that.
pub(super) fn started_by_others(collector: &mut Collector<'_>, name: &[u8], caller: &Edge) {
    let Some((_, found)) = collector.find_command(name) else {
        return;
    };
    let owner = collector.input.packages.owner(found.node);
    if owner.is_none_or(|owner| collector.asked.contains(&owner)) {
        collector.keep_command(name, caller);
        return;
    }
    match collector.interpreter(found.node) {
        Script::No => {
            offer(collector, found.node, &found.links, Some(caller.clone()));
            let companion = collector.companions.entry(found.node).or_default();
            companion.is_started = true;
        }
        Script::Of(interpreter) => collector.keep_with(found.node, interpreter, caller.clone()),
        Script::Broken => {}
    }
}

/// Has the programs of packages that somebody asked for by name looked at as companions: a client beside a
/// server was installed to be used in the container.
pub(super) fn asked_for(collector: &mut Collector<'_>) {
    let packages = collector.input.packages;
    for id in collector.asked.clone() {
        let package = packages.package(id);
        for node in packages.files(id) {
            let Some(program) = program_of(collector, *node) else {
                continue;
            };
            match collector.interpreter(program) {
                Script::No => offer(collector, program, &[*node], None),
                // Stays if its interpreter does.
                Script::Of(interpreter) => {
                    let reason = format!("{} was asked for", package.name);
                    let edge = Edge::new(None, Evidence::Package, reason);
                    collector.keep_with(*node, interpreter, edge);
                }
                Script::Broken => {}
            }
        }
    }
}

/// Keeps small packages of data (FHS 3.0, 4.11 "/usr/share") whole that somebody asked for by name and of which a file
/// stays: settings that come with a volume name the others.
pub(super) fn keep_small_data(collector: &mut Collector<'_>) {
    let (packages, tree) = (collector.input.packages, collector.tree());
    for id in collector.asked.clone() {
        let files = packages.files(id).iter().copied();
        let is_file = |node: &NodeId| !tree.is_directory(*node) && is_wanted(tree, *node);
        let files: Vec<NodeId> = files.filter(is_file).collect();
        let is_data = |node: &NodeId| {
            tree.path(*node).starts_with(b"usr/share/") && collector.units.of(*node).is_none()
        };
        let size: u64 = files.iter().map(|node| tree.size(*node)).sum();
        if size > LIMIT || !files.iter().all(is_data) {
            continue;
        }
        let Some(kept) = files.iter().find(|node| collector.graph.keeps(**node)) else {
            continue;
        };
        let reason = format!("{} was asked for", packages.package(id).name);
        let edge = Edge::new(Some(*kept), Evidence::Package, reason);
        for node in &files {
            collector.keep(*node, edge.clone());
        }
    }
}

/// Has the programs looked at which the package of a program depends on that somebody asked for: "a significant amount of
/// functionality" needs them (Debian policy 7.2), and what starts them is not always seen.
pub(super) fn needed_by(collector: &mut Collector<'_>, id: PackageId, program: NodeId) {
    let packages = collector.input.packages;
    if !collector.asked.contains(&id) || !collector.is_kept_for_certain(program) {
        return;
    }
    for other in packages.dependencies(id) {
        let package = packages.package(*other);
        if collector.base.contains(other) || is_development(package) {
            continue;
        }
        for node in packages.files(*other) {
            let tool = program_of(collector, *node);
            if let Some(tool) = tool.filter(|it| collector.interpreter(*it) == Script::No) {
                let edge = Edge::new(Some(program), Evidence::Package, &package.name);
                offer(collector, tool, &[*node], Some(edge));
            }
        }
    }
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
        // Many may speak of one, and what it costs is the same for all.
        let mut seen = HashSet::new();
        collector
            .optional
            .retain(|script| seen.insert((script.node, script.interpreter, script.edge.evidence)));
        offer_interpreters(collector);
        let mut found: Vec<(NodeId, Edge)> = Vec::new();
        for script in std::mem::take(&mut collector.optional) {
            let ready = collector.graph.keeps(script.interpreter);
            // Outside of PATH it is a part of its package, however large: what counts is what it brings.
            let own = match is_in_path(tree, script.node) {
                true => 0,
                false => tree.size(script.node),
            };
            if !ready {
                collector.optional.push(script);
                continue;
            }
            let wrapped = match script.wrapped.get() {
                Some(wrapped) => wrapped,
                None => {
                    let wrapped = super::script::wrapped(collector, script.node)?;
                    script.wrapped.get_or_init(|| wrapped)
                }
            };
            let mut added = cost(collector, script.node, &inodes)?;
            for program in wrapped {
                added += cost(collector, *program, &inodes)?;
            }
            let allowed = match wrapped.is_empty() {
                true => LIMIT,
                false => allowance(collector, script.node)?,
            };
            if added <= allowed + own {
                found.extend(wrapped.iter().map(|program| {
                    let edge = Edge::new(Some(script.node), Evidence::Spawn, "exec");
                    (*program, edge)
                }));
                found.push((script.node, script.edge));
            } else {
                collector.optional.push(script);
            }
        }
        for (node, companion) in std::mem::take(&mut collector.companions) {
            let runs = |edge: &Edge| edge.evidence == Evidence::Interpreter;
            let allowed = match companion.edge.as_ref().is_some_and(runs) {
                true => BESIDE_ITS_LIBRARY,
                false if companion.is_started => allowance(collector, node)?.max(ASKED_FOR),
                false => allowance(collector, node)?,
            };
            let is_cheap = allowed == u64::MAX
                || cost(collector, node, &inodes)? <= allowed
                    && cost_of_data(collector, node) <= LIMIT_OF_DATA;
            if !is_cheap {
                collector.companions.insert(node, companion);
                continue;
            }
            let edge = companion.edge.unwrap_or_else(|| {
                let from = sibling(collector, node);
                let words = match from {
                    Some(_) => "of the same package",
                    None => "of a package that was asked for",
                };
                Edge::new(from, Evidence::Package, words)
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

/// Offers interpreters of scripts that came along: if something else was made from their source and runs, as there are
/// scripts for maintenance beside an application that a web server has PHP for; or for commands that were asked for, if
/// their packager says that the package does not work without.
fn offer_interpreters(collector: &mut Collector<'_>) {
    let packages = collector.input.packages;
    let loaded = collector.graph.nodes().iter();
    let loaded = loaded.filter(|node| collector.loaded.contains(node));
    let sources: HashSet<&str> = loaded
        .filter_map(|node| packages.source_of(*node))
        .collect();
    let tree = collector.tree();
    let scripts = collector.optional.iter();
    // A link waits for what it leads to.
    for script in scripts.filter(|script| tree.link_target(script.node).is_none()) {
        let interpreter = script.interpreter;
        let source = packages.source_of(interpreter);
        let is_made_of_kept = source.is_some_and(|source| sources.contains(source));
        let is_offered = is_made_of_kept || is_required(collector, script);
        if is_offered && !collector.graph.keeps(interpreter) {
            let companion = collector.companions.entry(interpreter).or_default();
            companion.edge = Some(Edge::new(
                Some(script.node),
                Evidence::Interpreter,
                "of a script that came along",
            ));
        }
    }
}

/// Returns whether a script is a command of a package that was asked for, and which depends on what its interpreter was
/// made with.
fn is_required(collector: &Collector<'_>, script: &Optional) -> bool {
    let packages = collector.input.packages;
    let (owner, interpreter) = (
        packages.owner(script.node),
        packages.owner(script.interpreter),
    );
    let (Some(owner), Some(interpreter)) = (owner, interpreter) else {
        return false;
    };
    let mut dependencies = packages.dependencies(owner).iter();
    collector.asked.contains(&owner)
        && is_in_path(collector.tree(), script.node)
        && dependencies.any(|id| packages.are_siblings(*id, interpreter))
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
