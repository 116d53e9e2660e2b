//! Perl: the modules that its sources speak of.
//!
//! Modules are files below the directories of `@INC` (perlvar(1)); what is compiled lies in
//! `auto/` below the same (XSLoader(3), DynaLoader(3)). From each source that is kept, what it
//! speaks of is found there, and so on ([`source`]). A module of a package of its own brings all of that
//! package and of what it depends on, since its packager knew what is loaded by names that
//! are put together at run time; those of Perl itself, which fill 40 MB, are kept one by one. What the user
//! put beside the packages stays whole.

mod source;

use std::collections::{HashMap, HashSet};

use layer::NodeId;
use layer::tree::resolve::Lookup;

use super::Language;
use crate::closure::collector::Collector;
use crate::closure::directories::is_wanted;
use crate::closure::facts::Fact;
use crate::closure::{Edge, Error, Evidence, package};
use crate::packages::PackageId;
use source::Mentions;

/// Sources above this size are data.
const LARGEST: u64 = 4 << 20;

/// Interpreters are smaller.
const LARGEST_OBJECT: u64 = 32 << 20;

/// Below these, files are found by the name of a module: Debian's Perl policy 2.3, and
/// `perl -V` of Fedora, Alpine, and of Perl's own `./Configure`.
const PLACES: &[&str] = &[
    "etc/perl/**",
    "usr/local/lib/*/perl/**",
    "usr/local/share/perl/**",
    "usr/local/lib/perl5/**",
    "usr/local/lib64/perl5/**",
    "usr/local/share/perl5/**",
    "usr/lib/*/perl5/**",
    "usr/share/perl5/**",
    "usr/lib/*/perl-base/**",
    "usr/lib/*/perl/**",
    "usr/lib/perl5/**",
    "usr/lib64/perl5/**",
    "usr/share/perl/**",
];

/// What the interpreter loads on its own: pragmas and settings that every program may rely on; for
/// `%!`, `%+` and method calls on handles (perlvar(1), perlfunc(1) "open"), layers of handles
/// (PerlIO(3)), `glob`, `\N{}`, attributes, and what `require` of something compiled needs.
const IMPLIED: &[&str] = &[
    "AutoLoader",
    "Carp",
    "Config",
    "DynaLoader",
    "Errno",
    "Exporter",
    "File::Glob",
    "IO::File",
    "PerlIO::encoding",
    "PerlIO::scalar",
    "PerlIO::via",
    "Tie::Hash::NamedCapture",
    "XSLoader",
    "_charnames",
    "attributes",
    "charnames",
    "feature",
    "mro",
    "re",
    "strict",
    "utf8",
    "warnings",
];

/// Modules of Perl itself for building, testing and publishing modules (perlmodlib(1)), and for debugging. Other
/// modules speak of them for those purposes, not for what they do; the image's own sources may mean them.
const TOOLS: &[&str] = &[
    "App::Cpan",
    "App::Prove",
    "CPAN",
    "Devel::PPPort",
    "Devel::Peek",
    "ExtUtils",
    "Module::CoreList",
    "Pod::Perldoc",
    "TAP",
    "Test",
    "Test2",
    "perl5db",
];

/// How a module was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// With its package: the parts of Perl that it speaks of stay, but other packages only if
    /// its packager says that they are needed.
    Along,
    /// By what something reached speaks of.
    Named,
}

/// What is known of the Perl of an image.
#[derive(Default)]
pub(in crate::closure) struct State {
    /// `@INC`, in order; empty as long as no interpreter is kept.
    include: Vec<NodeId>,
    /// Directories of `@INC` that some interpreter does not look into.
    partial: HashSet<NodeId>,
    /// Sources that were kept before there was an interpreter.
    waiting: Vec<NodeId>,
    /// Modules that a source speaks of, or that came with one.
    reached: HashMap<NodeId, Reach>,
    /// Packages that are kept whole.
    units: HashSet<PackageId>,
    /// Source packages of the interpreters.
    core: HashSet<String>,
}

pub(super) struct Perl;

impl Language for Perl {
    fn variables(&self) -> &'static [&'static str] {
        &["PERL5LIB"]
    }

    fn keep(&self, collector: &mut Collector<'_>, interpreter: NodeId) {
        if !collector.facts.insert(Fact::Runtime(interpreter)) {
            return;
        }
        let packages = collector.input.packages;
        if let Some(owner) = packages.owner(interpreter) {
            let name = packages.package(owner).source.name.clone();
            collector.perl.core.insert(name);
        }
        for directory in include_directories(collector) {
            if !collector.perl.include.contains(&directory) {
                collector.perl.include.push(directory);
            }
        }
        note_partial(collector, interpreter);
        let mut said = Mentions::default();
        said.modules
            .extend(IMPLIED.iter().map(|name| name.as_bytes().to_vec()));
        follow(collector, interpreter, &said, Reach::Named);
        for directory in collector.perl.include.clone() {
            keep_own(collector, directory, interpreter);
        }
        for node in std::mem::take(&mut collector.perl.waiting) {
            scan(collector, node);
        }
    }

    fn decides(&self, collector: &mut Collector<'_>, node: NodeId, edge: &Edge) -> bool {
        let path = collector.tree().path(node);
        is_module(&path)
            && collector.tree().content(node).is_some()
            && !collector.perl.reached.contains_key(&node)
            && edge.evidence != Evidence::Symlink
    }

    fn examine(
        &self,
        collector: &mut Collector<'_>,
        node: NodeId,
        first: &[u8],
    ) -> Result<bool, Error> {
        let tree = collector.tree();
        if !is_source(tree.name(node), first) {
            return Ok(false);
        }
        let is_module = is_module(&tree.path(node));
        let is_certain = collector.is_kept_for_certain(node);
        if is_module && !collector.perl.reached.contains_key(&node) && !is_certain {
            return Ok(true); // with its directory, and nothing speaks of it
        }
        if collector.perl.include.is_empty() {
            collector.perl.waiting.push(node);
        } else {
            scan(collector, node);
        }
        Ok(is_module) // a script's own paths and interpreter are for others to find
    }

    fn cost(&self, collector: &Collector<'_>, node: NodeId, first: &[u8]) -> u64 {
        let tree = collector.tree();
        if !is_source(tree.name(node), first) || collector.perl.include.is_empty() {
            return 0;
        }
        let mut seen = HashSet::from([node]);
        let mut pending = vec![node];
        let mut bytes = 0;
        while let Some(node) = pending.pop() {
            for found in sources_of(collector, node) {
                if seen.insert(found) && !collector.graph.keeps(found) {
                    bytes += tree.size(found);
                    pending.push(found);
                }
            }
        }
        bytes
    }
}

fn is_source(name: &[u8], first: &[u8]) -> bool {
    let endings = [".pm", ".pl", ".psgi", ".al", ".ph", ".t", ".cgi", ".fcgi"];
    let by_name = endings
        .iter()
        .any(|ending| name.ends_with(ending.as_bytes()));
    let line = first.split(|b| *b == b'\n').next().unwrap_or_default();
    let by_first_line = line.starts_with(b"#!") && memchr::memmem::find(line, b"perl").is_some();
    (by_name && !first.contains(&0)) || by_first_line
}

fn is_module(path: &[u8]) -> bool {
    PLACES
        .iter()
        .any(|place| crate::closure::directories::glob_matches(place.as_bytes(), path))
}

/// Returns the directories of `@INC`: those of [`PLACES`] in their order, each with its
/// parts for versions and machines, which every Perl looks through before it.
fn include_directories(collector: &Collector<'_>) -> Vec<NodeId> {
    let tree = collector.tree();
    let mut directories = Vec::new();
    let variable = collector
        .input
        .config
        .env_var("PERL5LIB")
        .unwrap_or_default();
    for path in variable.split(':').filter(|path| path.starts_with('/')) {
        directories.extend(tree.resolve(path.as_bytes()).ok().map(|found| found.node));
    }
    for place in PLACES {
        let place = place.strip_suffix("/**").unwrap_or(place);
        for top in matching(collector, place) {
            // Versions, machines, and `site_perl`, `vendor_perl` and `core_perl` with theirs.
            let mut inner = vec![(top, 0)];
            let mut found = Vec::new();
            while let Some((directory, depth)) = inner.pop() {
                found.push(directory);
                if depth == 3 {
                    continue;
                }
                let children = tree.children(directory).into_iter().rev();
                inner.extend(
                    children
                        .filter(|child| is_part(tree.name(*child)))
                        .filter_map(|child| tree.resolve(&tree.absolute(child)).ok())
                        .filter(|child| tree.is_directory(child.node))
                        .map(|child| (child.node, depth + 1)),
                );
            }
            let rank = |node: &NodeId| {
                let path = tree.path(*node);
                let has = |part: &[u8]| memchr::memmem::find(&path, part).is_some();
                (!has(b"site_perl"), !has(b"vendor_perl"), !has(b"-linux"))
            };
            found.sort_by_key(rank);
            for directory in found {
                if !directories.contains(&directory) {
                    directories.push(directory);
                }
            }
        }
    }
    directories
}

fn is_part(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_digit)
        || name.ends_with(b"_perl")
        || memchr::memmem::find(name, b"-linux").is_some()
}

fn matching(collector: &Collector<'_>, place: &str) -> Vec<NodeId> {
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

/// Debian's `/usr/bin/perl` looks into `perl-base`, where copies of what the base system
/// needs lie; its `libperl.so`, which others embed, does not (Debian Perl policy 2.2): only the
/// one object has the directory's path in it.
fn note_partial(collector: &mut Collector<'_>, interpreter: NodeId) {
    let tree = collector.tree();
    let object = collector
        .read(interpreter, LARGEST_OBJECT)
        .unwrap_or_default();
    let unknown = |directory: &NodeId| {
        tree.name(*directory) == b"perl-base"
            && memchr::memmem::find(&object, &tree.absolute(*directory)).is_none()
    };
    let partial: Vec<NodeId> = collector
        .perl
        .include
        .iter()
        .copied()
        .filter(unknown)
        .collect();
    collector.perl.partial.extend(partial);
}

/// Keeps what was installed beside the packages: below `/usr/local` of a system whose
/// own Perl is a package, and in `site_perl` elsewhere.
fn keep_own(collector: &mut Collector<'_>, directory: NodeId, interpreter: NodeId) {
    let tree = collector.tree();
    let packages = collector.input.packages;
    let path = tree.path(directory);
    let is_site = memchr::memmem::find(&path, b"site_perl").is_some()
        || path.starts_with(b"usr/local/") && packages.owner(interpreter).is_some();
    if !is_site {
        return;
    }
    let files: Vec<NodeId> = tree
        .walk(directory)
        .filter(|node| tree.content(*node).is_some() && packages.owner(*node).is_none())
        .filter(|node| is_wanted(tree, *node))
        .collect();
    for file in files {
        reach(
            collector,
            file,
            interpreter,
            "beside the packages",
            Reach::Named,
        );
    }
}

fn scan(collector: &mut Collector<'_>, node: NodeId) {
    let text = collector.read(node, LARGEST).unwrap_or_default();
    let reach = match collector.is_kept_for_certain(node) {
        true => Reach::Named,
        false => collector
            .perl
            .reached
            .get(&node)
            .copied()
            .unwrap_or(Reach::Named),
    };
    follow(collector, node, &source::mentions(&text), reach);
}

fn sources_of(collector: &Collector<'_>, node: NodeId) -> Vec<NodeId> {
    let text = collector.read(node, LARGEST).unwrap_or_default();
    let found = find(collector, node, &source::mentions(&text));
    found.into_iter().map(|found| found.node).collect()
}

fn follow(collector: &mut Collector<'_>, by: NodeId, said: &Mentions, reached: Reach) {
    let packages = collector.input.packages;
    for found in find(collector, by, said) {
        let owner = packages.owner(found.node);
        let is_part_of_perl = owner.is_none_or(|owner| is_core(collector, owner));
        if reached == Reach::Along && !is_part_of_perl {
            continue;
        }
        // Which of the modules of its own package a name that is put together means, is open.
        let is_open = found.by_prefix && owner.is_some() && owner == packages.owner(by);
        let reached = if is_open { Reach::Along } else { reached };
        reach(collector, found.node, by, &found.name, reached);
    }
}

/// Whether a package is part of Perl itself.
fn is_core(collector: &Collector<'_>, package: PackageId) -> bool {
    let source = &collector.input.packages.package(package).source.name;
    collector.base.contains(&package) || collector.perl.core.contains(source)
}

/// A file that a source speaks of.
struct Found {
    node: NodeId,
    /// The words that say so.
    name: String,
    /// Whether only the beginning of its name is known.
    by_prefix: bool,
}

/// Returns the files that are meant.
fn find(collector: &Collector<'_>, by: NodeId, said: &Mentions) -> Vec<Found> {
    let tree = collector.tree();
    let include = &collector.perl.include;
    let mut found: Vec<Found> = Vec::new();
    let named = |node: NodeId, name: String| Found {
        node,
        name,
        by_prefix: false,
    };
    let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let file = |directory: NodeId, path: &[u8]| {
        let found = tree.resolve_at(directory, path, Lookup::STAT).ok()?;
        Some(found.node)
    };
    let is_own = collector.input.packages.owner(by).is_none();
    let is_tool = |name: &[u8]| {
        TOOLS.iter().any(|tool| {
            let rest = name.strip_prefix(tool.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"::"))
        })
    };
    for name in said.modules.iter().filter(|name| is_own || !is_tool(name)) {
        let path = name.split(|b| *b == b':').filter(|part| !part.is_empty());
        let path: Vec<u8> = path.collect::<Vec<_>>().join(&b'/');
        let source = [path.as_slice(), b".pm"].concat();
        for (module, directory) in first_of_each(collector, |directory| file(directory, &source)) {
            found.push(named(module, shown(name)));
            let auto = [b"auto/", path.as_slice()].concat();
            let mut compiled = [directory].into_iter().chain(include.iter().copied());
            if let Some(auto) = compiled.find_map(|directory| file(directory, &auto)) {
                let files = tree
                    .children(auto)
                    .into_iter()
                    .filter(|node| tree.content(*node).is_some());
                found.extend(files.map(|node| named(node, shown(name))));
            }
        }
    }
    for prefix in said.prefixes.iter().filter(|name| is_own || !is_tool(name)) {
        let path = prefix.split(|b| *b == b':').filter(|part| !part.is_empty());
        let path: Vec<u8> = path.collect::<Vec<_>>().join(&b'/');
        for directory in include
            .iter()
            .filter_map(|directory| file(*directory, &path))
        {
            let below = tree
                .walk(directory)
                .filter(|node| tree.name(*node).ends_with(b".pm"));
            found.extend(below.map(|node| Found {
                node,
                name: format!("{}::*", shown(prefix)),
                by_prefix: true,
            }));
        }
    }
    for path in &said.paths {
        let beside = [tree.parent(by)];
        for directory in include.iter().chain(&beside) {
            let Some(node) = file(*directory, path) else {
                continue;
            };
            if tree.is_directory(node) {
                let below = tree.walk(node).filter(|node| tree.content(*node).is_some());
                found.extend(below.map(|node| named(node, shown(path))));
            } else {
                found.push(named(node, shown(path)));
                if !collector.perl.partial.contains(directory) {
                    break;
                }
            }
        }
    }
    found.retain(|found| tree.content(found.node).is_some());
    found
}

/// Returns what each interpreter finds first in `@INC`, and where.
fn first_of_each(
    collector: &Collector<'_>,
    look: impl Fn(NodeId) -> Option<NodeId>,
) -> Vec<(NodeId, NodeId)> {
    let mut found = Vec::new();
    for directory in &collector.perl.include {
        let Some(node) = look(*directory) else {
            continue;
        };
        found.push((node, *directory));
        if !collector.perl.partial.contains(directory) {
            break;
        }
    }
    found
}

/// Keeps a module that a source speaks of, and the rest of its package.
fn reach(collector: &mut Collector<'_>, node: NodeId, by: NodeId, name: &str, reached: Reach) {
    let before = collector.perl.reached.get(&node).copied();
    if before.is_some_and(|before| before >= reached) {
        return;
    }
    collector.perl.reached.insert(node, reached);
    let edge = Edge {
        from: Some(by),
        evidence: Evidence::Module,
        detail: name.to_owned(),
    };
    let known = collector.graph.keeps(node);
    collector.keep(node, edge);
    if known || collector.tree().name(node).ends_with(b".so") {
        scan(collector, node); // it was passed over before, or will be: the compiled load modules, too
    }
    let packages = collector.input.packages;
    if let Some(owner) = packages.owner(node) {
        keep_unit(collector, owner, by);
    }
}

fn keep_unit(collector: &mut Collector<'_>, package: PackageId, by: NodeId) {
    let packages = collector.input.packages;
    let tree = collector.tree();
    let mut pending = vec![package];
    while let Some(id) = pending.pop() {
        let information = packages.package(id);
        if is_core(collector, id) || !collector.perl.units.insert(id) {
            continue;
        }
        let has_modules = packages
            .files(id)
            .iter()
            .any(|node| is_module(&tree.path(*node)));
        let is_data = matches!(information.architecture.as_str(), "all" | "noarch");
        if !has_modules && !is_data {
            continue; // its libraries are found by what loads them
        }
        let edge = Edge {
            from: Some(by),
            evidence: Evidence::Module,
            detail: information.name.clone(),
        };
        for node in packages.files(id) {
            let wanted = is_wanted(tree, *node) && !tree.name(*node).ends_with(b".pod");
            if wanted && is_module(&tree.path(*node)) {
                collector.perl.reached.entry(*node).or_insert(Reach::Along);
                collector.keep_decided(*node, edge.clone());
            }
        }
        package::keep_data(collector, id, by, |node| !is_module(&tree.path(node)));
        pending.extend(packages.dependencies(id));
    }
}
