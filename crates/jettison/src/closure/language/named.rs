//! Modules that sources find by their names below a search path: those of Perl and of Ruby.
//!
//! From each source that is kept, what it speaks of is found, and so on. A module of a package of its
//! own brings all of that package and of what it depends on, since its packager knew what is loaded by names that
//! are put together at run time; those of the language itself, which fill tens of megabytes, are kept one by one.

use std::collections::{HashMap, HashSet};

use layer::NodeId;

use crate::closure::collector::Collector;
use crate::closure::package::{self, is_development};
use crate::closure::wanted::is_wanted;
use crate::closure::{Edge, Evidence};
use crate::packages::PackageId;
use fast_glob::glob_match;

/// Sources above this size are data.
const LARGEST: u64 = 4 << 20;

/// How a module was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// By the interpreter itself, should a program ask for it. What such a module loads by names that are values, or put
    /// together, it loads for who names it.
    Implied,
    /// With its package: the parts of the language that it speaks of stay, but other packages only if
    /// its packager says that they are needed.
    Along,
    /// By what something reached speaks of.
    Named,
}

/// What is known of such a language in an image.
#[derive(Default)]
pub(in crate::closure) struct State {
    /// Where modules are looked for, in order; empty as long as no interpreter is kept.
    pub(super) include: Vec<NodeId>,
    /// Sources that were kept before there was an interpreter.
    waiting: Vec<NodeId>,
    /// Modules that a source speaks of, or that came with one.
    reached: HashMap<NodeId, Reach>,
    /// Packages that are kept whole.
    units: HashSet<PackageId>,
    /// Source packages of the interpreters.
    core: HashSet<String>,
}

/// A file that a source speaks of.
pub(super) struct Found {
    pub(super) node: NodeId,
    /// The words that say so.
    pub(super) name: String,
    pub(super) how: How,
}

/// How a source speaks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By its name.
    Name,
    /// By its name, which is a value: it may be loaded, or stand in a table.
    Value,
    /// By the beginning of its name.
    Prefix,
    /// By the name of something that it is a part of.
    Whole,
}

/// A language whose modules are found so.
pub(super) trait Named: Sync {
    /// What is known of it.
    fn state<'c>(&self, collector: &'c Collector<'_>) -> &'c State;

    /// The same, to be changed.
    fn state_mut<'c>(&self, collector: &'c mut Collector<'_>) -> &'c mut State;

    /// Returns whether a file that begins so is source.
    fn is_source(&self, name: &[u8], first: &[u8]) -> bool;

    /// Patterns of where modules lie.
    fn places(&self) -> &'static [&'static str];

    /// Patterns of what distributions call packages of modules (Debian's policies for Perl, 4.2, and for Ruby; the packaging
    /// guidelines of Fedora, and Alpine's). Others hold programs.
    fn names_of_packages(&self) -> &'static [&'static str];

    /// Returns whether a file lies where modules are.
    fn is_module(&self, path: &[u8]) -> bool {
        let mut places = self.places().iter();
        places.any(|place| glob_match(place.as_bytes(), path))
    }

    /// Returns the files that a source speaks of.
    fn find(&self, collector: &Collector<'_>, by: NodeId, text: &[u8]) -> Vec<Found>;
}

/// Notes an interpreter, and where it looks. The first time, what waited for one is looked at.
pub(super) fn add_interpreter(
    language: &dyn Named,
    collector: &mut Collector<'_>,
    interpreter: NodeId,
    include: Vec<NodeId>,
) {
    let packages = collector.input.packages;
    let state = language.state_mut(collector);
    if let Some(owner) = packages.owner(interpreter) {
        state
            .core
            .insert(packages.package(owner).source.name.clone());
    }
    for directory in include {
        if !state.include.contains(&directory) {
            state.include.push(directory);
        }
    }
}

/// Looks at the sources that were kept before there was an interpreter.
pub(super) fn look_at_waiting(language: &dyn Named, collector: &mut Collector<'_>) {
    for node in std::mem::take(&mut language.state_mut(collector).waiting) {
        scan(language, collector, node);
    }
}

/// Returns whether nothing has asked for a module yet.
pub(super) fn decides(
    language: &dyn Named,
    collector: &Collector<'_>,
    node: NodeId,
    edge: &Edge,
) -> bool {
    collector.tree().content(node).is_some()
        && !language.state(collector).reached.contains_key(&node)
        && !matches!(edge.evidence, Evidence::Symlink | Evidence::Traced)
        && language.is_module(&collector.tree().path(node))
}

/// Looks at a kept file, if it is source. Returns whether it is a module.
pub(super) fn examine(
    language: &dyn Named,
    collector: &mut Collector<'_>,
    node: NodeId,
    first: &[u8],
) -> bool {
    let tree = collector.tree();
    if !language.is_source(tree.name(node), first) {
        return false;
    }
    let is_module = language.is_module(&tree.path(node));
    let is_certain = collector.is_kept_for_certain(node);
    let state = language.state_mut(collector);
    if is_module && !state.reached.contains_key(&node) && !is_certain {
        return true; // with its directory, and nothing speaks of it
    }
    if state.include.is_empty() {
        state.waiting.push(node);
    } else {
        scan(language, collector, node);
    }
    is_module // a script's own paths and interpreter are for others to find
}

/// Returns the bytes of modules that a script would add.
pub(super) fn cost(
    language: &dyn Named,
    collector: &Collector<'_>,
    node: NodeId,
    first: &[u8],
) -> u64 {
    let tree = collector.tree();
    let knows_none = language.state(collector).include.is_empty();
    if knows_none || !language.is_source(tree.name(node), first) {
        return 0;
    }
    let mut seen = HashSet::from([node]);
    let mut pending = vec![node];
    let mut bytes = 0;
    while let Some(node) = pending.pop() {
        for found in sources_of(language, collector, node) {
            if seen.insert(found.node) && !collector.graph.keeps(found.node) {
                bytes += tree.size(found.node);
                pending.push(found.node);
            }
        }
    }
    bytes
}

fn sources_of(language: &dyn Named, collector: &Collector<'_>, node: NodeId) -> Vec<Found> {
    let text = collector.read(node, LARGEST).unwrap_or_default();
    language.find(collector, node, &text)
}

fn scan(language: &dyn Named, collector: &mut Collector<'_>, node: NodeId) {
    let reached = language.state(collector).reached.get(&node).copied();
    let reached = match reached {
        Some(Reach::Along) if collector.is_kept_for_certain(node) => Reach::Named,
        known => known.unwrap_or(Reach::Named),
    };
    let found = sources_of(language, collector, node);
    follow(language, collector, node, found, reached);
}

/// Keeps what a file that was reached so speaks of.
pub(super) fn follow(
    language: &dyn Named,
    collector: &mut Collector<'_>,
    by: NodeId,
    found: Vec<Found>,
    reached: Reach,
) {
    let packages = collector.input.packages;
    let by_core = packages
        .owner(by)
        .is_some_and(|owner| is_core(language, collector, owner));
    for found in found {
        let owner = packages.owner(found.node);
        let is_part = owner.is_none_or(|owner| is_core(language, collector, owner));
        // The language knows its own parts; what others added by such a name is for who names it.
        if by_core && found.how == How::Prefix && !is_part {
            continue;
        }
        let is_passed_over = match reached {
            Reach::Implied => !is_part || found.how != How::Name,
            Reach::Along => !is_part,
            Reach::Named => false,
        };
        if is_passed_over {
            continue;
        }
        // Which of the modules of its own package a name that is put together means, is open.
        let is_of_package = owner.is_some() && owner == packages.owner(by);
        let reached = match found.how {
            How::Prefix if is_of_package => Reach::Along,
            How::Whole => Reach::Along.min(reached),
            How::Name | How::Value | How::Prefix => reached,
        };
        reach(language, collector, found.node, by, &found.name, reached);
    }
}

/// Keeps the packages of modules that somebody installed by name, with what they depend on: what an application finds by a
/// name in a setting, nothing else tells.
pub(super) fn keep_asked_for(
    language: &dyn Named,
    collector: &mut Collector<'_>,
    interpreter: NodeId,
) {
    let (packages, tree) = (collector.input.packages, collector.tree());
    for id in collector.asked.clone() {
        let package = packages.package(id);
        let mut names = language.names_of_packages().iter();
        let is_of_modules = names.any(|name| glob_match(name.as_bytes(), package.name.as_bytes()));
        if !is_of_modules || is_development(package) || is_core(language, collector, id) {
            continue;
        }
        let mut files = packages.files(id).iter();
        let module = files.find(|node| {
            tree.content(**node).is_some()
                && language.is_module(&tree.path(**node))
                && is_wanted(tree, **node)
        });
        if let Some(module) = module {
            let name = format!("{} was asked for", package.name);
            reach(
                language,
                collector,
                *module,
                interpreter,
                &name,
                Reach::Along,
            );
        }
    }
}

/// Whether a package is part of the language itself.
pub(super) fn is_core(language: &dyn Named, collector: &Collector<'_>, package: PackageId) -> bool {
    let source = &collector.input.packages.package(package).source.name;
    collector.base.contains(&package) || language.state(collector).core.contains(source)
}

/// Keeps a module that a source speaks of, and the rest of its package.
pub(super) fn reach(
    language: &dyn Named,
    collector: &mut Collector<'_>,
    node: NodeId,
    by: NodeId,
    name: &str,
    reached: Reach,
) {
    let all = &mut language.state_mut(collector).reached;
    if all.get(&node).is_some_and(|before| *before >= reached) {
        return;
    }
    all.insert(node, reached);
    let edge = Edge::new(Some(by), Evidence::Module, name);
    let known = collector.graph.keeps(node);
    collector.keep(node, edge);
    if known || collector.tree().name(node).ends_with(b".so") {
        scan(language, collector, node); // it was passed over before, or will be: the compiled load modules, too
    }
    if let Some(owner) = collector.input.packages.owner(node) {
        keep_unit(language, collector, owner, by);
    }
}

fn keep_unit(language: &dyn Named, collector: &mut Collector<'_>, package: PackageId, by: NodeId) {
    let packages = collector.input.packages;
    let tree = collector.tree();
    let mut pending = vec![package];
    while let Some(id) = pending.pop() {
        let information = packages.package(id);
        if is_core(language, collector, id) || !language.state_mut(collector).units.insert(id) {
            continue;
        }
        let has_modules = packages
            .files(id)
            .iter()
            .any(|node| language.is_module(&tree.path(*node)));
        let is_data = matches!(information.architecture.as_str(), "all" | "noarch");
        if !has_modules && !is_data {
            continue; // its libraries are found by what loads them
        }
        let edge = Edge::new(Some(by), Evidence::Module, &information.name);
        for node in packages.files(id) {
            let wanted = is_wanted(tree, *node) && !tree.name(*node).ends_with(b".pod");
            if wanted && language.is_module(&tree.path(*node)) {
                let reached = &mut language.state_mut(collector).reached;
                reached.entry(*node).or_insert(Reach::Along);
                collector.keep_decided(*node, edge.clone());
            }
        }
        package::keep_data(collector, id, by, |node| {
            !language.is_module(&tree.path(node))
        });
        pending.extend(packages.dependencies(id));
    }
}

/// Returns the directories that a path means whose components may be `*`.
pub(super) fn matching(collector: &Collector<'_>, place: &str) -> Vec<NodeId> {
    let tree = collector.tree();
    let mut found = vec![tree.root()];
    for component in place.split('/') {
        found = found
            .into_iter()
            .flat_map(|directory| match component {
                "*" => tree.children(directory),
                name => tree.child(directory, name.as_bytes()).into_iter().collect(),
            })
            .filter(|node| tree.is_directory(*node))
            .collect();
    }
    found
}
