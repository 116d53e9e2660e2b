//! Which distributions are needed: by what kept sources import and name, and by
//! what distributions require. Until nothing changes.

use std::collections::{BTreeSet, HashSet};

use layer::{NodeId, Tree};

use super::distribution::normalise;
use super::environments::activate;
use super::modules::{is_in_site, locate};
use super::{How, Place, Want, What, requested, required};
use crate::closure::collector::Collector;
use crate::closure::directories;
use crate::closure::own;
use crate::closure::units::{self, Extent, Owner, UnitId};
use crate::closure::{Edge, Error, Evidence};

/// Finds out which distributions are needed. Returns whether there were any.
pub(super) fn settle(collector: &mut Collector<'_>) -> Result<bool, Error> {
    if !collector.units.is_running(Owner::Python) {
        return Ok(false);
    }
    let mut changed = false;
    loop {
        let mut again = activate(collector);
        let from = collector.python.done;
        let mut wants: Vec<Want> = collector.python.wants[from..].to_vec();
        collector.python.done = collector.python.wants.len();
        let mut interpreters = collector.python.interpreters.iter();
        if interpreters.any(|node| collector.is_kept_for_certain(*node)) {
            wants.append(&mut collector.python.words);
        } else {
            let is_word = |want: &mut Want| {
                matches!(want.what, What::Name(_)) && want.place == Place::Application
            };
            let words = wants.extract_if(.., is_word);
            collector.python.words.extend(words);
        }
        let mut seen: HashSet<(Place, String)> = HashSet::new();
        for want in &wants {
            again |= satisfy(collector, want, &mut seen);
        }
        again |= provide_groups(collector);
        again |= requested::settle(collector);
        again |= stubs(collector);
        let fresh = collector.units.take_fresh(Owner::Python);
        again |= !fresh.is_empty();
        for (unit, _) in fresh {
            required::require(collector, unit);
        }
        collector.run()?;
        if !again && collector.python.done == collector.python.wants.len() {
            return Ok(changed);
        }
        changed = true;
    }
}

/// Returns the sites that a source sees.
pub(super) fn sites(collector: &Collector<'_>, want: &Want) -> Vec<(NodeId, usize)> {
    sites_of(collector, want.from, want.place)
}

/// Returns the directories of those.
fn visible_sites(collector: &Collector<'_>, from: NodeId, place: Place) -> BTreeSet<NodeId> {
    let sites = sites_of(collector, from, place).into_iter();
    sites.map(|(site, _)| site).collect()
}

fn sites_of(collector: &Collector<'_>, from: NodeId, place: Place) -> Vec<(NodeId, usize)> {
    let python = &collector.python;
    let tree = collector.tree();
    let environments = &python.index.environments;
    let active = python.active.iter().map(|number| &environments[*number]);
    let mut chosen: Vec<&super::index::Environment> = match place {
        Place::Site(site) => active.clone().filter(|e| e.sites.contains(&site)).collect(),
        _ => {
            let inside = |e: &&super::index::Environment| {
                e.virtual_prefix
                    .is_some_and(|prefix| tree.parent(tree.parent(from)) == prefix)
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
            take(collector, want, &found, &detail, Accepts::All)
        }
        What::Module {
            base: None,
            module,
            names,
            how,
        } => {
            let key = format!("{module} {} {how:?}", names.join(" "));
            if want.place != Place::Application && !seen.insert((want.place, key)) {
                return false;
            }
            import(collector, want, module, names, *how)
        }
        What::Name(word) => {
            if !seen.insert((Place::Library, word.clone())) {
                return false;
            }
            let mut any = import(collector, want, word, &[], How::Imports);
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
                    any |= take(collector, want, &[entry], prefix, Accepts::All);
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
    how: How,
) -> bool {
    let tree = collector.tree();
    let is_text = how == How::Names;
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
    // Tables of names, such as those of compatibility layers, load nothing by themselves.
    let is_mention = is_text && matches!(want.place, Place::Site(_));
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
        if !found_somewhere && !is_mention {
            any |= take(collector, want, &found, &detail, Accepts::All);
        }
        is_standard |= !found.is_empty();
    }
    let importers = collector.python.index.importers.clone();
    for (importer, unit) in importers {
        let below = module.strip_prefix(importer.as_str());
        if !is_mention && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
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
            let accepts = match how {
                How::Tries => Accepts::NoTools,
                _ if top == RESOURCES => Accepts::NoDevelopment,
                How::Imports | How::Names => Accepts::RequiredTools,
            };
            any |= take(collector, want, &found, &detail, accepts);
        }
    }
    // Names such as `__pypy__` are an interpreter's own (Python Language Reference, 2.3.3).
    let is_reserved = top.starts_with("__") && top.ends_with("__");
    if !found_somewhere && !is_text && !is_reserved {
        let visible = visible_sites(collector, want.from, want.place);
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

/// The module of setuptools that is for run time: "API for discovering and accessing resources" (setuptools
/// documentation). For years most who imported it did not say so.
const RESOURCES: &str = "pkg_resources";

/// What an import by a distribution can lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepts {
    All,
    /// No tools of development: it imports them for its own tests and builds.
    NoDevelopment,
    /// Of tools for packages only those that it says it requires: it imports others when it is built.
    RequiredTools,
    /// Nor tools for packages: it does without.
    NoTools,
}

/// Keeps the units of files that an import leads to.
fn take(
    collector: &mut Collector<'_>,
    want: &Want,
    found: &[NodeId],
    detail: &str,
    accepts: Accepts,
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
        let is_refused = known.is_some_and(|known| match accepts {
            Accepts::All => false,
            Accepts::NoDevelopment => known.is_development_tool,
            Accepts::RequiredTools => {
                let requires = || required::requires(collector, want.from, unit);
                known.is_development_tool || known.is_packaging_tool && !requires()
            }
            Accepts::NoTools => known.is_development_tool || known.is_packaging_tool,
        });
        let is_test = collector.python.index.tests.contains(&unit);
        let by_itself = || supports_tests(tree, want.from);
        if matches!(want.place, Place::Site(_)) && (is_refused || is_test && by_itself()) {
            continue;
        }
        any |= choose(collector, unit, want.from, detail);
    }
    any
}

/// Returns whether a source helps tests: `a/testing/case.py` is there for those of `a` and of whoever uses it.
fn supports_tests(tree: &Tree, source: NodeId) -> bool {
    tree.path(source)
        .split(|b| *b == b'/')
        .any(|name| [&b"testing"[..], b"_testing", b"test_util", b"test_utils"].contains(&name))
}

pub(super) fn choose(
    collector: &mut Collector<'_>,
    unit: UnitId,
    from: NodeId,
    detail: &str,
) -> bool {
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
            any |= take(collector, want, &[*node], detail, Accepts::All);
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
        let edge = Edge::new(Some(want.from), evidence, detail);
        match tree.is_directory(top) {
            true => own::keep_own(collector, top, &edge),
            false => collector.keep(top, edge),
        }
        any = true;
    }
    any
}

/// Returns the sites of the environments whose interpreter is kept.
pub(super) fn active_sites(python: &super::State) -> HashSet<NodeId> {
    let sites = python.active.iter();
    sites
        .flat_map(|number| python.index.environments[*number].sites.iter().copied())
        .collect()
}

/// Keeps who provides entry points of groups, where those who look them up see them.
fn provide_groups(collector: &mut Collector<'_>) -> bool {
    let python = &collector.python;
    let active = active_sites(python);
    let mut chosen: Vec<(UnitId, NodeId, String)> = Vec::new();
    for ((group, place), by) in &python.groups {
        let visible = visible_sites(collector, *by, *place);
        for (unit, distribution) in &python.index.distributions {
            let site = distribution.site.filter(|site| active.contains(site));
            if site.is_some_and(|site| visible.contains(&site))
                && distribution.groups.contains_key(group)
            {
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
            collector.keep(
                file,
                Edge::new(None, Evidence::Module, "type stubs are read"),
            );
        }
    }
    any
}
