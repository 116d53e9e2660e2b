//! Packages: the data that belongs to a kept program or library.
//!
//! A packager puts together what a program needs. Of a package that a program
//! came from, everything but documentation is kept; of one that a library came
//! from, what lies in directories of its own. Packages without which no system
//! boots (Debian's `Essential`, priorities `required` and `important`) are taken
//! apart file by file instead: they are the base that slimming is about.

use layer::NodeId;

use super::collector::Collector;
use super::directories::{is_shared, is_wanted};
use super::{Edge, Error, Evidence};
use crate::packages::{PackageDb, PackageId};

/// Returns whether a package is part of the base that every system has.
fn is_base(packages: &PackageDb, id: PackageId) -> bool {
    let package = packages.package(id);
    package.essential || matches!(package.priority.as_deref(), Some("required" | "important"))
}

/// A program was kept: so is the data of its package, and that of the packages
/// of data (`Architecture: all`, `noarch`) that it depends on.
pub(super) fn program_found(collector: &mut Collector<'_>, program: NodeId) {
    let packages = collector.input.packages;
    let Some(owner) = packages.owner(program) else { return };
    let mut pending = vec![(owner, program)];
    while let Some((id, from)) = pending.pop() {
        if is_base(packages, id) || !collector.program_packages.insert(id) {
            continue;
        }
        keep_data(collector, id, from, |_| true);
        let data = packages.dependencies(id).iter().filter(|dependency| {
            matches!(packages.package(**dependency).architecture.as_str(), "all" | "noarch")
        });
        pending.extend(data.map(|dependency| (*dependency, from)));
    }
}

/// A library was kept: so are the directories of its package that are its own.
pub(super) fn library_found(collector: &mut Collector<'_>, library: NodeId) {
    let packages = collector.input.packages;
    let tree = collector.tree();
    let Some(owner) = packages.owner(library) else { return };
    if is_base(packages, owner) || collector.program_packages.contains(&owner) {
        return;
    }
    keep_data(collector, owner, library, |node| !is_shared(tree, tree.parent(node)));
}

/// Keeps all of a package, documentation included.
pub(super) fn keep_whole(collector: &mut Collector<'_>, id: PackageId) {
    let packages = collector.input.packages;
    let detail = packages.package(id).name.clone();
    let edge = Edge { from: None, evidence: Evidence::Include, detail };
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
    let edge = Edge { from: Some(from), evidence: Evidence::Package, detail };
    for node in packages.files(id) {
        if !is_wanted(tree, *node) || !wanted(*node) {
            continue;
        }
        match interpreter(collector, *node) {
            // A maintainer's script in Perl is no reason to keep Perl.
            Some(interpreter) => collector.optional.push((*node, interpreter)),
            None => collector.keep(*node, edge.clone()),
        }
    }
}

/// Returns the interpreter of a script, where the image has it.
fn interpreter(collector: &Collector<'_>, node: NodeId) -> Option<NodeId> {
    let tree = collector.tree();
    if tree.mode(node) & 0o111 == 0 || tree.content(node).is_none() {
        return None;
    }
    let first = collector.read(node, 256).ok()?;
    let shebang = crate::script::shebang(&first)?;
    let path = match shebang.argument.as_deref().and_then(crate::script::env_program) {
        Some(program) if shebang.interpreter.ends_with(b"/env") => {
            [&b"/usr/bin/"[..], &program].concat()
        }
        _ => shebang.interpreter,
    };
    tree.resolve(&path).ok().map(|found| found.node)
}

/// Keeps the scripts of packages whose interpreters turned out to be kept
/// anyway, until nothing changes.
pub(super) fn settle(collector: &mut Collector<'_>) -> Result<(), Error> {
    loop {
        let waiting = std::mem::take(&mut collector.optional);
        let (ready, waiting): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, interpreter)| collector.graph.keeps(*interpreter));
        collector.optional = waiting;
        if ready.is_empty() {
            return Ok(());
        }
        for (node, interpreter) in ready {
            let detail = "a script of a kept package".to_owned();
            let edge = Edge { from: Some(interpreter), evidence: Evidence::Package, detail };
            collector.keep(node, edge);
        }
        collector.run()?;
    }
}
