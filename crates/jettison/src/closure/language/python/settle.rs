//! Which distributions are needed: by what kept sources import and name, and by
//! what distributions require. Until nothing changes.

use std::collections::{BTreeSet, HashMap, HashSet};

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

use super::distribution::{Platform, holds, normalise};
use super::{Place, Want, What, library};
use crate::closure::collector::Collector;
use crate::closure::directories::{self, is_wanted};
use crate::closure::units::{self, Extent, Owner, UnitId};
use crate::closure::{Edge, Error, Evidence, package, runtime};
use crate::packages::PackageId;
use crate::source::python as source_python;

/// Keeps the standard library of an interpreter.
pub(super) fn keep_library(collector: &mut Collector<'_>, interpreter: NodeId) {
    if !collector.python.interpreters.insert(interpreter) {
        return;
    }
    let libraries = libraries_of(collector, interpreter);
    if libraries.is_empty() {
        runtime::keep(collector, interpreter); // frozen, or where nobody expects it
        return;
    }
    collector.units.mark_running(Owner::Python);
    let tree = collector.tree();
    for library in libraries {
        let directory = collector.python.index.libraries[library].directory;
        let detail = String::from_utf8_lossy(&tree.absolute(directory)).into_owned();
        let edge = Edge {
            from: Some(interpreter),
            evidence: Evidence::Module,
            detail,
        };
        collector.keep(directory, edge.clone());
        let mut pending = vec![directory];
        while let Some(at) = pending.pop() {
            for node in tree.children(at) {
                if !is_wanted(tree, node) {
                    continue;
                }
                if !tree.is_directory(node) {
                    collector.keep(node, edge.clone());
                } else if ![&b"site-packages"[..], b"dist-packages"].contains(&tree.name(node)) {
                    pending.push(node);
                }
            }
        }
    }
}

/// Returns the standard libraries that an interpreter would find: of its version,
/// below a directory that holds it.
fn libraries_of(collector: &Collector<'_>, interpreter: NodeId) -> Vec<usize> {
    let tree = collector.tree();
    let version = library::version(tree.name(interpreter));
    let mut above = HashSet::new();
    let mut at = interpreter;
    while at != tree.root() {
        at = tree.parent(at);
        above.insert(at);
    }
    let libraries = collector.python.index.libraries.iter().enumerate();
    let fits: Vec<(usize, bool)> = libraries
        .filter(|(_, library)| {
            version
                .as_ref()
                .is_none_or(|version| *version == library.version)
        })
        .map(|(number, library)| (number, above.contains(&library.prefix)))
        .collect();
    let near = fits.iter().any(|(_, near)| *near);
    fits.into_iter()
        .filter(|(_, is_near)| *is_near == near)
        .map(|(number, _)| number)
        .collect()
}

/// Reads what is run whenever an interpreter starts: `.pth` files (site, "path
/// configuration files") of distributions, whose modules may provide others.
pub(super) fn index_hooks(collector: &mut Collector<'_>) {
    let tree = collector.tree();
    let mut hooked: HashMap<String, Vec<UnitId>> = HashMap::new();
    for hook in collector.python.index.hooks.clone() {
        let Some(unit) = collector.units.of(hook) else {
            continue;
        };
        collector.units.mark_unheard(unit);
        let site = tree.parent(hook);
        let text = collector.read(hook, 1 << 16).unwrap_or_default();
        let said = source_python::scan(&text);
        let literals = said
            .literals
            .iter()
            .filter(|found| found.callee.as_deref() == Some("__import__"));
        let literals = literals.map(|found| found.text.clone());
        let modules = said
            .imports
            .iter()
            .map(|import| import.module.clone())
            .chain(literals);
        for module in modules {
            for node in locate(tree, site, &module, &[]) {
                let source = collector.read(node, 1 << 20).unwrap_or_default();
                for found in source_python::scan(&source).literals {
                    hooked.entry(found.text).or_default().push(unit);
                }
            }
        }
    }
    collector.python.hooked = hooked;
}

/// Finds out which distributions are needed. Returns whether there were any.
pub(super) fn settle(collector: &mut Collector<'_>) -> Result<bool, Error> {
    if !collector.units.is_running(Owner::Python) {
        return Ok(false);
    }
    let mut changed = false;
    loop {
        let mut again = activate(collector);
        let from = collector.python.done;
        let wants: Vec<Want> = collector.python.wants[from..].to_vec();
        collector.python.done = collector.python.wants.len();
        let mut seen: HashSet<(Place, String)> = HashSet::new();
        for want in &wants {
            again |= satisfy(collector, want, &mut seen);
        }
        again |= provide_groups(collector);
        again |= stubs(collector);
        let fresh = collector.units.take_fresh(Owner::Python);
        again |= !fresh.is_empty();
        for (unit, _) in fresh {
            require(collector, unit);
        }
        collector.run()?;
        if !again && collector.python.done == collector.python.wants.len() {
            return Ok(changed);
        }
        changed = true;
    }
}

/// Finds out which environments are used. A new one makes all wants count again.
fn activate(collector: &mut Collector<'_>) -> bool {
    let tree = collector.tree();
    let mut libraries: BTreeSet<usize> = BTreeSet::new();
    for interpreter in &collector.python.interpreters {
        libraries.extend(libraries_of(collector, *interpreter));
    }
    let environments = &collector.python.index.environments;
    let usable = environments
        .iter()
        .enumerate()
        .filter(|(_, e)| libraries.contains(&e.library));
    let mut active: BTreeSet<usize> = usable
        .clone()
        .filter(|(_, environment)| {
            let bin = environment
                .virtual_prefix
                .and_then(|prefix| tree.child(prefix, b"bin"));
            bin.is_some_and(|bin| {
                let programs = tree.children(bin).into_iter();
                let mut pythons = programs.filter(|program| tree.name(*program).starts_with(b"py"));
                pythons.any(|program| super::is_used(collector, program))
            })
        })
        .map(|(number, _)| number)
        .collect();
    let sees_base = active.iter().any(|number| environments[*number].sees_base);
    if active.is_empty() || sees_base || is_base_used(collector) {
        active.extend(
            usable
                .filter(|(_, e)| e.virtual_prefix.is_none())
                .map(|(number, _)| number),
        );
    }
    let new: Vec<usize> = active
        .difference(&collector.python.active)
        .copied()
        .collect();
    if new.is_empty() {
        return false;
    }
    let sites: BTreeSet<NodeId> = new
        .iter()
        .flat_map(|number| environments[*number].sites.iter().copied())
        .collect();
    let prefixes: BTreeSet<NodeId> = new
        .iter()
        .filter_map(|number| environments[*number].virtual_prefix)
        .collect();
    collector.python.active.extend(new);
    collector.python.done = 0;
    for prefix in prefixes {
        keep_prefix(collector, prefix);
    }
    for site in sites {
        start_up(collector, site);
    }
    words_of_config(collector);
    true
}

/// Keeps what makes a directory a virtual environment: its settings, by which the
/// interpreter knows it (PEP 405), and the links to its interpreter and libraries.
fn keep_prefix(collector: &mut Collector<'_>, prefix: NodeId) {
    let tree = collector.tree();
    let bin = tree.child(prefix, b"bin");
    let programs = bin
        .map(|bin| tree.children(bin))
        .unwrap_or_default()
        .into_iter();
    let pythons = programs.filter(|node| tree.name(*node).starts_with(b"py"));
    let links = tree
        .children(prefix)
        .into_iter()
        .filter(|node| tree.link_target(*node).is_some());
    let settings = tree.child(prefix, b"pyvenv.cfg");
    for node in pythons.chain(links).chain(settings).collect::<Vec<_>>() {
        let detail = "the environment of the interpreter".to_owned();
        collector.keep(
            node,
            Edge {
                from: Some(prefix),
                evidence: Evidence::Module,
                detail,
            },
        );
    }
}

/// Returns whether a base interpreter is run by itself, and not by way of a
/// virtual environment only: by a path that crosses none, or embedded in a program.
fn is_base_used(collector: &Collector<'_>) -> bool {
    let tree = collector.tree();
    let prefixes: HashSet<NodeId> = collector
        .python
        .index
        .environments
        .iter()
        .filter_map(|e| e.virtual_prefix)
        .collect();
    let is_python = |node: NodeId| {
        let name = tree.name(node);
        name.starts_with(b"python") || name.starts_with(b"pypy")
    };
    let directly = collector.reached.iter().any(|(node, ways)| {
        is_python(*node)
            && ways.iter().any(|links| {
                !links
                    .iter()
                    .any(|link| prefixes.contains(&tree.parent(tree.parent(*link))))
            })
    });
    let interpreters = &collector.python.interpreters;
    let embedded = collector
        .loaded
        .iter()
        .filter(|node| !is_python(**node))
        .any(|node| {
            let Ok(Some(object)) = collector.loader.object(*node) else {
                return false;
            };
            interpreters.iter().any(|interpreter| {
                interpreter != node
                    && object
                        .needed
                        .iter()
                        .any(|name| name == tree.name(*interpreter))
            })
        });
    directly || embedded
}

/// What `site` does at start-up: `.pth` files, and modules that customise it.
fn start_up(collector: &mut Collector<'_>, site: NodeId) {
    for module in ["sitecustomize", "usercustomize"] {
        let names = Vec::new();
        let what = What::Module {
            base: None,
            module: module.to_owned(),
            names,
            is_text: false,
        };
        collector.python.wants.push(Want {
            from: site,
            place: Place::Site(site),
            what,
        });
    }
    let hooks: Vec<NodeId> = collector.python.index.hooks.clone();
    for hook in hooks {
        if collector.tree().parent(hook) != site {
            continue;
        }
        let Some(unit) = collector.units.of(hook) else {
            continue;
        };
        let known = collector.python.index.distributions.get(&unit);
        let by_hand = known
            .is_none_or(|known| known.requires.is_empty() && known.groups.is_empty())
            && !collector
                .python
                .index
                .names
                .values()
                .any(|other| *other == unit);
        if by_hand {
            units::select(collector, unit, site, "read at every start");
        }
        if collector.units.is_selected(unit) {
            run_hook(collector, hook);
        }
    }
}

/// Does what the lines of a `.pth` file say: directories are added, `import` is run.
fn run_hook(collector: &mut Collector<'_>, hook: NodeId) {
    if !collector.python.seen_hooks.insert(hook) {
        return;
    }
    let tree = collector.tree();
    let site = tree.parent(hook);
    let text = collector.read(hook, 1 << 20).unwrap_or_default();
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        if line.starts_with(b"import ") || line.starts_with(b"import\t") {
            super::follow(
                collector,
                hook,
                Place::Site(site),
                &source_python::scan(line),
            );
        } else if !line.is_empty() && !line.starts_with(b"#") {
            keep_added(collector, hook, line);
        }
    }
}

/// Keeps a directory that is added to the path of modules.
fn keep_added(collector: &mut Collector<'_>, hook: NodeId, path: &[u8]) {
    let tree = collector.tree();
    let Ok(found) = tree.resolve_at(tree.parent(hook), path, Lookup::STAT) else {
        return;
    };
    let governed = super::place(collector, found.node);
    if !tree.is_directory(found.node)
        || directories::is_shared(tree, found.node)
        || governed != Place::Application
    {
        return;
    }
    let detail = String::from_utf8_lossy(path).into_owned();
    let edge = Edge {
        from: Some(hook),
        evidence: Evidence::Application,
        detail,
    };
    directories::keep_own(collector, found.node, &edge);
}

/// Words of the command line and of the environment may name modules: `-m flask`,
/// `DJANGO_SETTINGS_MODULE=…`.
fn words_of_config(collector: &mut Collector<'_>) {
    let config = collector.input.config;
    let options = collector.input.options;
    let root = collector.tree().root();
    let mut text = config.entrypoint();
    text.extend(config.cmd());
    text.extend(config.healthcheck().unwrap_or_default());
    text.extend(options.entries.iter().cloned());
    let settings = config.env();
    let values = settings.iter().filter_map(|line| line.split_once('='));
    text.extend(
        values
            .filter(|(name, _)| *name != "PATH")
            .map(|(_, value)| value.to_owned()),
    );
    super::name_words(collector, root, &text.join("\n"));
}

/// Returns the sites that a source sees.
fn sites(collector: &Collector<'_>, want: &Want) -> Vec<(NodeId, usize)> {
    let python = &collector.python;
    let tree = collector.tree();
    let environments = &python.index.environments;
    let active = python.active.iter().map(|number| &environments[*number]);
    let mut chosen: Vec<&super::index::Environment> = match want.place {
        Place::Site(site) => active.clone().filter(|e| e.sites.contains(&site)).collect(),
        _ => {
            let inside = |e: &&super::index::Environment| {
                e.virtual_prefix
                    .is_some_and(|prefix| tree.parent(tree.parent(want.from)) == prefix)
            };
            active.clone().filter(inside).collect()
        }
    };
    if chosen.is_empty() {
        chosen = active.clone().collect();
    }
    if chosen
        .iter()
        .any(|e| e.sees_base && e.virtual_prefix.is_some())
    {
        chosen.extend(active.filter(|e| e.virtual_prefix.is_none()));
    }
    let mut sites: Vec<(NodeId, usize)> = Vec::new();
    for environment in chosen {
        for site in &environment.sites {
            if !sites.iter().any(|(known, _)| known == site) {
                sites.push((*site, environment.library));
            }
        }
    }
    if sites.is_empty() {
        // Nothing is installed: there is the standard library still.
        sites.extend(python.active.iter().map(|n| {
            let library = environments[*n].library;
            (python.index.libraries[library].directory, library)
        }));
    }
    sites
}

/// Keeps what one want asks for. Returns whether anything was found that was not kept.
fn satisfy(
    collector: &mut Collector<'_>,
    want: &Want,
    seen: &mut HashSet<(Place, String)>,
) -> bool {
    match &want.what {
        What::Module {
            base: Some(base),
            module,
            names,
            ..
        } => {
            let found = locate(collector.tree(), *base, module, names);
            let detail = format!("import .{module}");
            take(collector, want, &found, &detail, true)
        }
        What::Module {
            base: None,
            module,
            names,
            is_text,
        } => {
            let key = format!("{module} {} {is_text}", names.join(" "));
            if want.place != Place::Application && !seen.insert((want.place, key)) {
                return false;
            }
            import(collector, want, module, names, *is_text)
        }
        What::Name(word) => {
            if !seen.insert((Place::Library, word.clone())) {
                return false;
            }
            let mut any = import(collector, want, word, &[], false);
            let name = normalise(word);
            for (site, _) in sites(collector, want) {
                if let Some(unit) = collector
                    .python
                    .index
                    .names
                    .get(&(site, name.clone()))
                    .copied()
                {
                    any |= choose(collector, unit, want.from, word);
                }
            }
            any
        }
        What::Prefix(prefix) => {
            let tree = collector.tree();
            let mut any = false;
            for (site, _) in sites(collector, want) {
                let named = tree.children(site).into_iter().filter(|entry| {
                    let name = tree.name(*entry);
                    name.starts_with(prefix.as_bytes()) && !name.ends_with(b"-info")
                });
                for entry in named.collect::<Vec<_>>() {
                    any |= take(collector, want, &[entry], prefix, true);
                }
            }
            any
        }
    }
}

fn import(
    collector: &mut Collector<'_>,
    want: &Want,
    module: &str,
    names: &[String],
    is_text: bool,
) -> bool {
    let tree = collector.tree();
    let detail = format!("import {module}");
    let top = module.split('.').next().unwrap_or_default();
    let mut any = false;
    let mut found_somewhere = false;
    let mut is_standard = false;
    if matches!(want.place, Place::Application | Place::System) {
        let local = local(collector, want.from, module, names);
        found_somewhere = !local.is_empty();
        any |= keep_local(collector, want, &local, &detail);
    }
    let visible = sites(collector, want);
    let libraries: BTreeSet<usize> = visible.iter().map(|(_, library)| *library).collect();
    for number in libraries {
        let directory = collector.python.index.libraries[number].directory;
        let mut found = locate(tree, directory, module, names);
        found.retain(|node| !is_in_site(tree, *node));
        if let Some(dynload) = tree
            .child(directory, b"lib-dynload")
            .filter(|_| found.is_empty())
        {
            found = locate(tree, dynload, module, names);
        }
        if !found_somewhere {
            any |= take(collector, want, &found, &detail, true);
        }
        is_standard |= !found.is_empty();
    }
    let importers = collector.python.index.importers.clone();
    for (importer, unit) in importers {
        let below = module.strip_prefix(importer.as_str());
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            any |= choose(collector, unit, want.from, &detail);
        }
    }
    if is_standard {
        return any; // the standard library comes first in the path of modules
    }
    if collector.python.index.tops.contains(top) {
        for (site, _) in visible {
            let found = locate(tree, site, module, names);
            // Of a name in a text the second part must exist as well.
            if is_text && module.contains('.') && found.len() < 2 {
                continue;
            }
            found_somewhere |= !found.is_empty();
            any |= take(collector, want, &found, &detail, false);
        }
    }
    if !found_somewhere && !is_text {
        let visible: BTreeSet<NodeId> =
            sites(collector, want).into_iter().map(|(s, _)| s).collect();
        for unit in collector
            .python
            .hooked
            .get(top)
            .cloned()
            .unwrap_or_default()
        {
            let known = collector.python.index.distributions.get(&unit);
            let site = known.and_then(|known| known.site);
            if site.is_some_and(|site| visible.contains(&site)) {
                any |= choose(collector, unit, want.from, &detail);
            }
        }
    }
    any
}

fn is_in_site(tree: &Tree, node: NodeId) -> bool {
    let mut at = node;
    while at != tree.root() {
        if [&b"site-packages"[..], b"dist-packages"].contains(&tree.name(at)) {
            return true;
        }
        at = tree.parent(at);
    }
    false
}

/// Keeps the units of files that an import leads to.
fn take(
    collector: &mut Collector<'_>,
    want: &Want,
    found: &[NodeId],
    detail: &str,
    whatever: bool,
) -> bool {
    let tree = collector.tree();
    let mut units: BTreeSet<UnitId> = BTreeSet::new();
    for node in found {
        match tree.is_directory(*node) {
            // A name space: whoever has a part of it.
            true => units.extend(tree.walk(*node).filter_map(|node| collector.units.of(node))),
            false => units.extend(collector.units.of(*node)),
        }
    }
    let mut any = false;
    for unit in units {
        let known = collector.python.index.distributions.get(&unit);
        let tool = known.is_some_and(|known| known.is_development_tool);
        if tool && !whatever && matches!(want.place, Place::Site(_)) {
            continue; // for its own tests and builds
        }
        any |= choose(collector, unit, want.from, detail);
    }
    any
}

fn choose(collector: &mut Collector<'_>, unit: UnitId, from: NodeId, detail: &str) -> bool {
    if collector.units.is_selected(unit) || collector.units.extent(unit) == Extent::Single {
        return false;
    }
    units::select(collector, unit, from, detail);
    true
}

/// Finds a module of the application itself: beside the source, above it, in the working directory.
fn local(collector: &Collector<'_>, from: NodeId, module: &str, names: &[String]) -> Vec<NodeId> {
    let tree = collector.tree();
    let mut at = tree.parent(from);
    let mut places = Vec::new();
    while at != tree.root() && !directories::is_shared(tree, at) {
        places.push(at);
        at = tree.parent(at);
    }
    let work = collector.working_directory();
    if work != tree.root() && !places.contains(&work) {
        places.push(work);
    }
    let found = places
        .into_iter()
        .map(|place| locate(tree, place, module, names));
    found
        .into_iter()
        .find(|found| found.iter().any(|node| !tree.is_directory(*node)))
        .unwrap_or_default()
}

fn keep_local(collector: &mut Collector<'_>, want: &Want, found: &[NodeId], detail: &str) -> bool {
    let tree = collector.tree();
    let mut any = false;
    for node in found {
        if collector.units.of(*node).is_some() {
            any |= take(collector, want, &[*node], detail, true);
            continue;
        }
        let is_package = tree.name(*node).starts_with(b"__init__.");
        let top = if is_package {
            tree.parent(*node)
        } else {
            *node
        };
        if collector.graph.keeps(*node) {
            continue;
        }
        let evidence = Evidence::Application;
        let edge = Edge {
            from: Some(want.from),
            evidence,
            detail: detail.to_owned(),
        };
        match tree.is_directory(top) {
            true => directories::keep_own(collector, top, &edge),
            false => collector.keep(top, edge),
        }
        any = true;
    }
    any
}

/// Returns the files that importing a module leads to below a directory: the
/// packages on the way, the module, and what is imported from it.
fn locate(tree: &Tree, top: NodeId, module: &str, names: &[String]) -> Vec<NodeId> {
    let mut at = top;
    let mut found = Vec::new();
    for part in module.split('.').filter(|part| !part.is_empty()) {
        match step(tree, at, part) {
            Some(Step::Package(directory, init)) => {
                found.extend(init);
                at = directory;
            }
            Some(Step::Module(file)) => {
                found.push(file);
                return found;
            }
            None => return found,
        }
    }
    let before = found.len();
    for name in names {
        match step(tree, at, name) {
            Some(Step::Package(_, Some(file)) | Step::Module(file)) => found.push(file),
            Some(Step::Package(directory, None)) => found.push(directory),
            None => {}
        }
    }
    let is_name_space = at != top && init(tree, at).is_none();
    if is_name_space && found.len() == before {
        found.push(at);
    }
    found
}

enum Step {
    /// A directory, and its `__init__` unless it is a name space (PEP 420).
    Package(NodeId, Option<NodeId>),
    Module(NodeId),
}

fn step(tree: &Tree, at: NodeId, name: &str) -> Option<Step> {
    let directory = tree
        .child(at, name.as_bytes())
        .and_then(|node| match tree.link_target(node) {
            Some(_) => Some(
                tree.resolve_at(at, name.as_bytes(), Lookup::STAT)
                    .ok()?
                    .node,
            ),
            None => Some(node),
        });
    let directory = directory.filter(|node| tree.is_directory(*node));
    if let Some(directory) = directory {
        if let Some(init) = init(tree, directory) {
            return Some(Step::Package(directory, Some(init)));
        }
    }
    if let Some(file) = file(tree, at, name) {
        return Some(Step::Module(file));
    }
    directory.map(|directory| Step::Package(directory, None))
}

fn init(tree: &Tree, directory: NodeId) -> Option<NodeId> {
    file(tree, directory, "__init__")
}

/// Returns the file of a module: source, byte code without source, or an extension.
fn file(tree: &Tree, at: NodeId, name: &str) -> Option<NodeId> {
    let source = tree.child(at, format!("{name}.py").as_bytes());
    source.or_else(|| {
        tree.unsorted_children(at).find(|node| {
            let rest = tree.name(*node).strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| {
                rest.starts_with(b".") && (rest.ends_with(b".so") || rest == b".pyc")
            })
        })
    })
}

/// Keeps who provides entry points of groups that are looked up.
fn provide_groups(collector: &mut Collector<'_>) -> bool {
    let python = &collector.python;
    let active: HashSet<NodeId> = python
        .active
        .iter()
        .flat_map(|number| python.index.environments[*number].sites.iter().copied())
        .collect();
    let mut chosen: Vec<(UnitId, NodeId, String)> = Vec::new();
    for (unit, distribution) in &python.index.distributions {
        if !distribution.site.is_some_and(|site| active.contains(&site)) {
            continue;
        }
        for group in distribution.groups.keys() {
            if let Some(by) = python.groups.get(group) {
                chosen.push((*unit, *by, format!("entry points of `{group}`")));
            }
        }
    }
    chosen.sort();
    let mut any = false;
    for (unit, by, detail) in chosen {
        any |= choose(collector, unit, by, &detail);
    }
    any
}

/// Some load lazily by what type stubs say (Scientific Python SPEC 1): then they stay.
fn stubs(collector: &mut Collector<'_>) -> bool {
    if !collector.python.reads_stubs {
        return false;
    }
    let stubs = std::mem::take(&mut collector.python.index.stubs);
    let any = !stubs.is_empty();
    for (file, unit) in stubs {
        collector.units.assign(file, unit);
        if collector.units.is_selected(unit) {
            let detail = "type stubs are read".to_owned();
            collector.keep(
                file,
                Edge {
                    from: None,
                    evidence: Evidence::Module,
                    detail,
                },
            );
        }
    }
    any
}

/// Keeps what a distribution requires.
fn require(collector: &mut Collector<'_>, unit: UnitId) {
    let hooks: Vec<NodeId> = collector.python.index.hooks.clone();
    for hook in hooks {
        if collector.units.of(hook) == Some(unit) {
            run_hook(collector, hook);
        }
    }
    let mut pending = vec![unit];
    while let Some(unit) = pending.pop() {
        let python = &collector.python;
        let Some(known) = python.index.distributions.get(&unit) else {
            continue;
        };
        let (Some(site), package) = (known.site, known.package) else {
            continue;
        };
        let extras: Vec<String> = python
            .extras
            .get(&unit)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let version = library::version(collector.tree().name(collector.tree().parent(site)));
        let version = version.or_else(|| Some(python.index.libraries.first()?.version.clone()));
        let version = version.unwrap_or_default();
        let machine = match collector.input.config.platform().architecture.as_str() {
            "amd64" => "x86_64".to_owned(),
            "arm64" => "aarch64".to_owned(),
            other => other.to_owned(),
        };
        let platform = Platform {
            version: &version,
            machine: &machine,
            extras: &extras,
        };
        let met: Vec<_> = known
            .requires
            .iter()
            .filter(|r| holds(&r.marker, platform))
            .cloned()
            .collect();
        let from = collector.units.files(unit).first().copied().unwrap_or(site);
        let want = Want {
            from,
            place: Place::Site(site),
            what: What::Name(String::new()),
        };
        let visible = sites(collector, &want);
        let detail = format!("required by {}", collector.units.name(unit));
        for requirement in met {
            let named = visible.iter().find_map(|(site, _)| {
                collector
                    .python
                    .index
                    .names
                    .get(&(*site, requirement.name.clone()))
                    .copied()
            });
            let Some(other) = named else { continue };
            let wanted = collector.python.extras.entry(other).or_default();
            let before = wanted.len();
            wanted.extend(requirement.extras);
            if wanted.len() > before && collector.units.is_selected(other) {
                pending.push(other);
            }
            choose(collector, other, from, &detail);
        }
        if let Some(package) = package {
            require_packages(collector, package, from, &detail);
        }
    }
}

/// A package of the system says what its modules need, libraries that they load by name among it.
fn require_packages(collector: &mut Collector<'_>, package: PackageId, from: NodeId, detail: &str) {
    let packages = collector.input.packages;
    let tree = collector.tree();
    for dependency in packages.dependencies(package) {
        let python = &collector.python;
        let units: BTreeSet<UnitId> = python
            .index
            .distributions
            .iter()
            .filter(|(_, known)| known.package == Some(*dependency))
            .map(|(unit, _)| *unit)
            .collect();
        for unit in &units {
            choose(collector, *unit, from, detail);
        }
        if units.is_empty() && !collector.base.contains(dependency) {
            package::keep_data(collector, *dependency, from, |node| {
                memchr::memmem::find(tree.name(node), b".so").is_some()
                    && tree.name(node).starts_with(b"lib")
            });
        }
    }
}
