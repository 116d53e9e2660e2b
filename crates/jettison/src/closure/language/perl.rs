//! Perl: the modules that its sources speak of.
//!
//! Modules are files below the directories of `@INC` (perlvar(1)); what is compiled lies in
//! `auto/` below the same (XSLoader(3), DynaLoader(3)). From each source that is kept, what it
//! speaks of is found there ([`source`]), and so on ([`super::named`]). What the user put beside the packages
//! stays whole.

mod source;
mod template;

use std::collections::HashSet;

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

use super::Language;
use super::named::{self, Found, How, Named, Reach};
use crate::closure::collector::Collector;
use crate::closure::facts::{self, Fact};
use crate::closure::wanted::is_wanted;
use source::Mentions;

/// Bytes that are enough to see what a file is.
const FIRST: usize = 256;

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
/// modules speak of them for those purposes, not for what they do, unless they `use` them; the image's own sources may
/// mean them.
const TOOLS: &[&str] = &[
    "App::Cpan",
    "App::Prove",
    "CPAN::Meta",
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

/// Returns which of [`TOOLS`] a module belongs to.
fn tool_of(module: &[u8]) -> Option<&'static str> {
    let is_of = |tool: &&&str| {
        let rest = module.strip_prefix(tool.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"::"))
    };
    TOOLS.iter().find(is_of).copied()
}

/// What loads tables of character sets by the names of those, a third of Perl's library. Modules of Perl itself have it
/// for UTF-8; who else names it, or a layer of handles, has other character sets (Encode::Supported(3perl)).
const ENCODE: &[u8] = b"Encode";

fn is_of_encode(module: &[u8]) -> bool {
    let rest = module.strip_prefix(ENCODE);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"::"))
}

/// What is known of the Perl of an image.
#[derive(Default)]
pub(in crate::closure) struct State {
    modules: named::State,
    /// Directories of `@INC` that some interpreter does not look into.
    partial: HashSet<NodeId>,
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
        let include = include_directories(collector);
        named::add_interpreter(self, collector, interpreter, include);
        note_partial(collector, interpreter);
        let mut said = Mentions::default();
        said.modules
            .extend(IMPLIED.iter().map(|name| name.as_bytes().to_vec()));
        let found = find(collector, interpreter, &said);
        // What a server that embeds it is told to run, is not in the image.
        let is_embedded = collector.tree().name(interpreter).starts_with(b"lib");
        let reached = match is_embedded {
            true => Reach::Named,
            false => Reach::Implied,
        };
        named::follow(self, collector, interpreter, found, reached);
        for directory in collector.perl.modules.include.clone() {
            keep_own(collector, directory, interpreter);
        }
        named::keep_asked_for(self, collector, interpreter);
        named::look_at_waiting(self, collector);
    }

    fn named(&self) -> Option<&dyn Named> {
        Some(self)
    }
}

impl Named for Perl {
    fn state<'c>(&self, collector: &'c Collector<'_>) -> &'c named::State {
        &collector.perl.modules
    }

    fn state_mut<'c>(&self, collector: &'c mut Collector<'_>) -> &'c mut named::State {
        &mut collector.perl.modules
    }

    fn is_source(&self, name: &[u8], first: &[u8]) -> bool {
        is_source(name, first)
    }

    fn places(&self) -> &'static [&'static str] {
        PLACES
    }

    fn names_of_packages(&self) -> &'static [&'static str] {
        &["lib*-perl", "perl-*"]
    }

    fn find(&self, collector: &Collector<'_>, by: NodeId, text: &[u8]) -> Vec<Found> {
        let first = &text[..text.len().min(FIRST)];
        let said = match template::may_be(collector.tree().name(by), first) {
            true => source::mentions(&template::code(text)),
            false => source::mentions(text),
        };
        find(collector, by, &said)
    }
}

fn is_source(name: &[u8], first: &[u8]) -> bool {
    let endings = [".pm", ".pl", ".psgi", ".al", ".ph", ".t", ".cgi", ".fcgi"];
    let by_name = endings
        .iter()
        .any(|ending| name.ends_with(ending.as_bytes()));
    let line = first.split(|b| *b == b'\n').next().unwrap_or_default();
    let by_first_line = line.starts_with(b"#!") && memchr::memmem::find(line, b"perl").is_some();
    // A script that is given to `perl` needs neither.
    let by_statement = || !name.contains(&b'.') && begins_as_perl(first);
    let is_text = !first.contains(&0);
    is_text && (by_name || by_statement() || template::may_be(name, first)) || by_first_line
}

/// What scripts begin with that are in no other language (perlpragma, "use VERSION" of perlfunc).
const STATEMENTS: &[&[u8]] = &[
    b"use strict",
    b"use warnings",
    b"use utf8",
    b"use feature",
    b"use v5",
    b"use 5.",
];

/// Returns whether the first line that is no comment is one of Perl.
fn begins_as_perl(text: &[u8]) -> bool {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut code = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    code.next()
        .is_some_and(|line| STATEMENTS.iter().any(|begin| line.starts_with(begin)))
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
        for top in named::matching(collector, place) {
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
        .modules
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
        let why = "beside the packages";
        named::reach(&Perl, collector, file, interpreter, why, Reach::Named);
    }
}

/// Returns the files that are meant.
fn find(collector: &Collector<'_>, by: NodeId, said: &Mentions) -> Vec<Found> {
    let tree = collector.tree();
    let include = &collector.perl.modules.include;
    let mut found: Vec<Found> = Vec::new();
    let spoken = |node: NodeId, name: String, how: How| Found { node, name, how };
    let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let file = |directory: NodeId, path: &[u8]| {
        let found = tree.resolve_at(directory, path, Lookup::STAT).ok()?;
        Some(found.node)
    };
    let is_own = collector.input.packages.owner(by).is_none();
    // A tool that is used needs the parts of itself that it merely speaks of.
    let path = tree.absolute(by);
    let part_of = include.iter().find_map(|directory| {
        let top = tree.absolute(*directory);
        let below = path.strip_prefix(top.as_slice())?.strip_prefix(b"/")?;
        let names = below.strip_suffix(b".pm")?.split(|b| *b == b'/');
        tool_of(&names.collect::<Vec<_>>().join(&b"::"[..]))
    });
    let is_tool = |name: &[u8]| tool_of(name).is_some_and(|tool| part_of != Some(tool));
    let owner = collector.input.packages.owner(by);
    let is_core = owner.is_some_and(|owner| named::is_core(&Perl, collector, owner));
    let names_tables = !is_core && said.modules.iter().any(|name| is_of_encode(name));
    let tables = names_tables.then(|| ENCODE.to_vec());
    let names = said.modules.iter().map(|name| (name, How::Name));
    let quoted = said.quoted.difference(&said.modules);
    let quoted = quoted.filter(|name| !is_core || !is_of_encode(name));
    let names = names.chain(quoted.map(|name| (name, How::Value)));
    let is_meant = |name: &[u8]| is_own || !is_tool(name) || said.used.contains(name);
    for (name, how) in names.filter(|(name, _)| is_meant(name)) {
        let path = name.split(|b| *b == b':').filter(|part| !part.is_empty());
        let path: Vec<u8> = path.collect::<Vec<_>>().join(&b'/');
        let source = [path.as_slice(), b".pm"].concat();
        for (module, directory) in first_of_each(collector, |directory| file(directory, &source)) {
            found.push(spoken(module, shown(name), how));
            let auto = [b"auto/", path.as_slice()].concat();
            let mut compiled = [directory].into_iter().chain(include.iter().copied());
            if let Some(auto) = compiled.find_map(|directory| file(directory, &auto)) {
                let files = tree
                    .children(auto)
                    .into_iter()
                    .filter(|node| tree.content(*node).is_some());
                found.extend(files.map(|node| spoken(node, shown(name), how)));
            }
        }
    }
    let prefixes = said.prefixes.iter();
    let prefixes = prefixes.filter(|name| !is_core || !is_of_encode(name));
    for prefix in prefixes
        .chain(&tables)
        .filter(|name| is_own || !is_tool(name))
    {
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
                how: How::Prefix,
            }));
        }
    }
    for path in &said.paths {
        let of_fact = facts::files_of_string(tree, path).into_iter();
        found.extend(of_fact.map(|node| spoken(node, shown(path), How::Name)));
        let beside = [tree.parent(by)];
        for directory in include.iter().chain(&beside) {
            let Some(node) = file(*directory, path) else {
                continue;
            };
            if tree.is_directory(node) {
                let below = tree.walk(node).filter(|node| tree.content(*node).is_some());
                found.extend(below.map(|node| spoken(node, shown(path), How::Value)));
            } else {
                found.push(spoken(node, shown(path), How::Name));
                if !collector.perl.partial.contains(directory) {
                    break;
                }
            }
        }
    }
    // An application brings its tests to have them run.
    if is_own
        && is_test(tree, by)
        && let Some((_, runner)) = collector.find_command(b"prove")
    {
        found.push(spoken(runner.node, "prove".to_owned(), How::Name));
    }
    found.retain(|found| tree.content(found.node).is_some());
    found
}

/// Returns whether a file is a test: prove(1) runs those in `t/` that end in `.t`.
pub(in crate::closure) fn is_test(tree: &Tree, node: NodeId) -> bool {
    tree.name(node).ends_with(b".t") && tree.name(tree.parent(node)) == b"t"
}

/// Returns what each interpreter finds first in `@INC`, and where.
fn first_of_each(
    collector: &Collector<'_>,
    look: impl Fn(NodeId) -> Option<NodeId>,
) -> Vec<(NodeId, NodeId)> {
    let mut found = Vec::new();
    for directory in &collector.perl.modules.include {
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
