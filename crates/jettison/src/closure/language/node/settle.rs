//! Which packages are needed: by what is required, and by what manifests declare.

use std::collections::BTreeMap;

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

use super::manifest::{Platform, package_name};
use super::reach::{Reached, modules};
use super::{How, Links, Want};
use crate::closure::collector::Collector;
use crate::closure::own;
use crate::closure::units::{self, Extent, Owner, UnitId};
use crate::closure::{Edge, Error, Evidence, directories, script};

/// Finds out which packages are needed. Returns whether there were any.
pub(super) fn settle(collector: &mut Collector<'_>) -> Result<bool, Error> {
    if !collector.units.is_running(Owner::Node) {
        return Ok(false);
    }
    let mut changed = false;
    if collector.node.words.is_empty() {
        words_of_config(collector);
    }
    let mut waiting: Vec<Want> = Vec::new();
    loop {
        let mut again = run_scripts(collector)?;
        let from = collector.node.done;
        let mut wants: Vec<Want> = collector.node.wants[from..].to_vec();
        collector.node.done = collector.node.wants.len();
        wants.append(&mut waiting);
        let reached = Reached::new(collector);
        for want in wants {
            match satisfy(collector, &want, &reached) {
                Some(found) => again |= found,
                None => waiting.push(want),
            }
        }
        again |= give_back(collector);
        again |= plug_ins(collector);
        let fresh = collector.units.take_fresh(Owner::Node);
        again |= !fresh.is_empty();
        for (unit, _) in fresh {
            require(collector, unit);
        }
        collector.run()?;
        if !again && collector.node.done == collector.node.wants.len() {
            // What waits may be reached by what is kept later.
            collector.node.wants.extend(waiting);
            return Ok(changed);
        }
        changed = true;
    }
}

/// Keeps what one want asks for. Returns whether it was new; nothing if it may come to count later.
fn satisfy(collector: &mut Collector<'_>, want: &Want, reached: &Reached) -> Option<bool> {
    let tree = collector.tree();
    let from = want.from;
    if want.how == How::Typed && !compiles(collector) {
        return None;
    }
    if let Some(prefix) = want
        .specifier
        .strip_suffix('/')
        .filter(|name| name.starts_with('@'))
    {
        return Some(choose_scope(collector, from, prefix));
    }
    let name = package_name(&want.specifier)?;
    let Some(found) = resolve(collector, from, name) else {
        return Some(false);
    };
    if want.how == How::Named && came_along(collector, &found) {
        return Some(false);
    }
    let is_ours = collector.node.sources.contains_key(&from)
        || collector.units.of(from).is_none() && want.how != How::Declared;
    if is_ours {
        // What is needed for developing counts only where it is loaded by what runs.
        if let Some((_, manifest)) = nearest(tree, &collector.node.manifests, from)
            && manifest.development.contains(name)
            && !reached.has(from)
        {
            return None;
        }
    } else if let Some(package) = collector.units.of(from) {
        let known = collector.node.index.packages.get(&package);
        let is_declared = known.is_some_and(|known| known.manifest.requires.contains(name));
        // To know of which version something is, if it is there, is not to need it.
        let is_asked = want.specifier.ends_with("/package.json");
        // Who takes options by the names of tools, such as a parser of dialects, does without what the
        // application only has for developing.
        let is_option = || {
            let application = nearest(tree, &collector.node.manifests, from);
            want.how == How::Given
                && application.is_some_and(|(_, manifest)| manifest.development.contains(name))
        };
        if known.is_some_and(|known| known.manifest.development.contains(name))
            || !is_declared && (is_asked || is_option() || is_strangers(collector, from, &found))
        {
            return Some(false);
        }
    }
    let detail = match want.how {
        How::Loaded | How::Typed | How::Given | How::Named => format!("require {}", want.specifier),
        How::Declared => format!("declares {name}"),
    };
    Some(choose(collector, &found, from, &detail))
}

/// Returns whether something checks types when it runs: the compiler of TypeScript, which is one package, a run time, or
/// a package that has the compiler in it.
fn compiles(collector: &Collector<'_>) -> bool {
    let mut packages = collector.node.index.packages.iter();
    let is_compiler = |(unit, package): (&UnitId, &super::index::Package)| {
        package.manifest.name == "typescript" && collector.units.is_selected(*unit)
    };
    collector.node.compiles || packages.any(is_compiler)
}

/// Returns whether a package belongs to the distribution, which installed it for another: an application that names it
/// means another thing, such as a tool that it was built with.
fn came_along(collector: &Collector<'_>, found: &Found) -> bool {
    let packages = collector.input.packages;
    let manifest = collector.tree().child(found.directory, b"package.json");
    let owner = manifest.and_then(|manifest| packages.owner(manifest));
    owner.is_some_and(|owner| !packages.package(owner).manual)
}

/// Returns whether a package of the distribution was found by one that is not. What that does not declare is beside it if
/// it works; of the system's it finds what was installed for others, such as to build it with.
fn is_strangers(collector: &Collector<'_>, from: NodeId, found: &Found) -> bool {
    let packages = collector.input.packages;
    let manifest = collector.tree().child(found.directory, b"package.json");
    manifest.is_some_and(|it| packages.owner(it).is_some()) && packages.owner(from).is_none()
}

/// Returns the nearest manifest of the application above a file.
fn nearest<'m>(
    tree: &Tree,
    manifests: &'m BTreeMap<NodeId, super::Manifest>,
    file: NodeId,
) -> Option<(NodeId, &'m super::Manifest)> {
    let mut at = file;
    loop {
        if let Some(manifest) = manifests.get(&at) {
            return Some((at, manifest));
        }
        if at == tree.root() {
            return None;
        }
        at = tree.parent(at);
    }
}

/// Where a package was found: its directory, and the links that lead to it.
struct Found {
    directory: NodeId,
    links: Vec<NodeId>,
}

/// Finds a package as `require` does: in `node_modules` of every directory above
/// (Node.js documentation, "Loading from node_modules folders").
fn resolve(collector: &Collector<'_>, from: NodeId, name: &str) -> Option<Found> {
    let tree = collector.tree();
    let mut at = if tree.is_directory(from) {
        from
    } else {
        tree.parent(from)
    };
    loop {
        if tree.name(at) != b"node_modules"
            && let Some(found) = entry(tree, at, &format!("node_modules/{name}"))
        {
            return Some(found);
        }
        if at == tree.root() {
            break;
        }
        at = tree.parent(at);
    }
    collector
        .node
        .index
        .everywhere
        .iter()
        .find_map(|top| entry(tree, *top, name))
}

fn entry(tree: &Tree, top: NodeId, name: &str) -> Option<Found> {
    let found = tree.resolve_at(top, name.as_bytes(), Lookup::STAT).ok()?;
    let is_package = tree.is_directory(found.node);
    is_package.then_some(Found {
        directory: found.node,
        links: found.links,
    })
}

fn choose(collector: &mut Collector<'_>, found: &Found, from: NodeId, detail: &str) -> bool {
    let tree = collector.tree();
    let unit = collector
        .node
        .index
        .by_directory
        .get(&found.directory)
        .copied();
    let Some(unit) = unit else {
        // A package of the same repository (npm documentation, "workspaces").
        if directories::is_shared(tree, found.directory)
            || !collector.applications.insert(found.directory)
        {
            return false;
        }
        let edge = Edge::new(Some(from), Evidence::Application, detail);
        collector.keep_links(&found.links, Some(from), detail);
        own::keep_own(collector, found.directory, &edge);
        return true;
    };
    for link in &found.links {
        if !collector.graph.keeps(*link) && collector.units.of(*link).is_none() {
            collector.keep_links(&[*link], Some(from), detail);
        }
    }
    if collector.units.is_selected(unit) || collector.units.extent(unit) == Extent::Single {
        return false;
    }
    let platform = Platform {
        cpu: super::cpu(collector),
        libc: libc(collector),
    };
    let known = collector.node.index.packages.get(&unit);
    if known.is_some_and(|known| !known.manifest.runs_on(platform)) {
        return false;
    }
    units::select(collector, unit, from, detail);
    true
}

/// Keeps the installed packages of a scope, of which one is loaded by a computed name.
fn choose_scope(collector: &mut Collector<'_>, from: NodeId, scope: &str) -> bool {
    let tree = collector.tree();
    let mut at = tree.parent(from);
    let mut any = false;
    loop {
        let top = tree
            .child(at, b"node_modules")
            .and_then(|top| tree.child(top, scope.as_bytes()));
        for node in top.map(|top| tree.children(top)).unwrap_or_default() {
            let name = format!("{scope}/{}", String::from_utf8_lossy(tree.name(node)));
            if let Some(found) = resolve(collector, from, &name) {
                any |= choose(collector, &found, from, &format!("require {name}"));
            }
        }
        if at == tree.root() {
            return any;
        }
        at = tree.parent(at);
    }
}

/// Returns the C library of the image by its loader, in the words of npm.
fn libc(collector: &Collector<'_>) -> Option<&'static str> {
    let tree = collector.tree();
    let has = |directory: &[u8], start: &[u8]| {
        let found = tree.resolve(directory).ok();
        let names = found
            .map(|found| tree.children(found.node))
            .unwrap_or_default();
        names.iter().any(|node| tree.name(*node).starts_with(start))
    };
    let musl = has(b"/lib", b"ld-musl-");
    let glibc = has(b"/lib64", b"ld-linux") || has(b"/lib", b"ld-linux");
    match (glibc, musl) {
        (true, false) => Some("glibc"),
        (false, true) => Some("musl"),
        _ => None,
    }
}

/// Keeps what a package declares, whatever is installed of it.
fn require(collector: &mut Collector<'_>, unit: UnitId) {
    let Some(package) = collector.node.index.packages.get(&unit) else {
        return;
    };
    let directory = package.directory;
    let names: Vec<String> = package.manifest.requires.iter().cloned().collect();
    let entries = package.manifest.entries.clone();
    let detail = format!("required by {}", collector.units.name(unit));
    let from = collector
        .tree()
        .child(directory, b"package.json")
        .unwrap_or(directory);
    for name in names {
        if let Some(found) = resolve(collector, directory, &name) {
            choose(collector, &found, from, &detail);
        }
    }
    let links = Links {
        relative: entries,
        ..Links::default()
    };
    select_tests(collector, from, &links);
}

/// Tests of a package stay where its own code loads them.
pub(super) fn select_tests(collector: &mut Collector<'_>, from: NodeId, links: &Links) {
    let tree = collector.tree();
    let own = collector.units.of(from);
    let named = links
        .relative
        .iter()
        .filter(|path| path.contains("test"))
        .cloned();
    let computed = links
        .prefixes
        .iter()
        .filter(|path| path.contains("test"))
        .cloned();
    for path in named.chain(computed).collect::<Vec<_>>() {
        for node in modules(tree, tree.parent(from), &path) {
            let Some(unit) = collector.units.of(node).filter(|unit| Some(*unit) != own) else {
                continue;
            };
            if collector.units.extent(unit) == Extent::Whole {
                units::select(collector, unit, from, &format!("require {path}"));
            }
        }
    }
}

/// Scripts of manifests that are named on a command line are run by a package
/// manager: `npm run NAME` (npm-run-script(1)), with `node_modules/.bin` in PATH.
fn run_scripts(collector: &mut Collector<'_>) -> Result<bool, Error> {
    let mut found: Vec<(NodeId, String, String)> = Vec::new();
    for (directory, manifest) in &collector.node.manifests {
        for (name, line) in &manifest.scripts {
            let plain = ["pre", "post"]
                .iter()
                .find_map(|before| name.strip_prefix(before))
                .unwrap_or(name);
            let words = &collector.node.words;
            let run = words.contains(name) || words.contains(plain);
            if run
                && !collector
                    .node
                    .scripts_run
                    .contains(&(*directory, name.clone()))
            {
                found.push((*directory, name.clone(), line.clone()));
            }
        }
    }
    let any = !found.is_empty();
    for (directory, name, line) in found {
        collector.node.scripts_run.insert((directory, name.clone()));
        let tree = collector.tree();
        if let Some(bin) = tree
            .child(directory, b"node_modules")
            .and_then(|top| tree.child(top, b".bin"))
        {
            let bin = tree.absolute(bin);
            if !collector.path.contains(&bin) {
                collector.path.push(bin);
            }
        }
        let from = tree.child(directory, b"package.json").unwrap_or(directory);
        let edge = Edge::new(Some(from), Evidence::ScriptCommand, &name);
        // "By default, on Unix-like systems it is the /bin/sh command" (npm-run-script(1)).
        collector.keep_command(b"sh", &edge);
        script::keep_shell_text(collector, line.as_bytes(), &edge)?;
        super::name_words(collector, from, &line);
        super::take_words(collector, &line);
    }
    Ok(any)
}

/// Words of the command line may name scripts and modules.
fn words_of_config(collector: &mut Collector<'_>) {
    let config = collector.input.config;
    let mut text = config.entrypoint();
    text.extend(config.cmd());
    text.extend(config.healthcheck().unwrap_or_default());
    text.extend(collector.input.options.entries.iter().cloned());
    let settings = config.env();
    let values = settings.iter().filter_map(|line| line.split_once('='));
    text.extend(
        values
            .filter(|(name, _)| *name != "PATH")
            .map(|(_, value)| value.to_owned()),
    );
    let base = collector.working_directory();
    let text = text.join("\n");
    super::name_words(collector, base, &text);
    super::take_words(collector, &text);
}

/// Gives back what packages turn out to show or read: documents, types.
fn give_back(collector: &mut Collector<'_>) -> bool {
    let mut found: Vec<(NodeId, UnitId)> = Vec::new();
    for unit in collector.node.shown.clone() {
        let documents = collector.node.index.take_documents(unit);
        found.extend(documents.into_iter().map(|file| (file, unit)));
    }
    for unit in collector.node.typed.clone() {
        let types = collector.node.index.take_types(unit);
        found.extend(types.into_iter().map(|file| (file, unit)));
    }
    if compiles(collector) {
        found.extend(collector.node.index.take_all_types());
    }
    let any = !found.is_empty();
    for (file, unit) in found {
        collector.units.assign(file, unit);
        if collector.units.is_selected(unit) {
            collector.keep(
                file,
                Edge::new(None, Evidence::Module, collector.units.name(unit)),
            );
        }
    }
    any
}

/// A plug-in names its host among its peers. Where no manifest says what is needed,
/// as of packages that were installed for everybody, those of a kept host stay.
fn plug_ins(collector: &mut Collector<'_>) -> bool {
    let tree = collector.tree();
    let mut found: Vec<(Found, NodeId, String)> = Vec::new();
    for (unit, package) in &collector.node.index.packages {
        let mut top = tree.parent(package.directory);
        if tree.name(top).starts_with(b"@") {
            top = tree.parent(top);
        }
        let governed = tree.child(tree.parent(top), b"package.json").is_some();
        if governed || collector.units.is_selected(*unit) {
            continue;
        }
        for host in &package.manifest.hosts {
            let Some(other) = resolve(collector, package.directory, host) else {
                continue;
            };
            let unit = collector.node.index.by_directory.get(&other.directory);
            if unit.is_some_and(|unit| collector.units.is_selected(*unit)) {
                let plug_in = Found {
                    directory: package.directory,
                    links: Vec::new(),
                };
                found.push((plug_in, other.directory, format!("a plug-in of {host}")));
            }
        }
    }
    let mut any = false;
    for (plug_in, host, detail) in found {
        any |= choose(collector, &plug_in, host, &detail);
    }
    any
}
