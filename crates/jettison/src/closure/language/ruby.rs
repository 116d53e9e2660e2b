//! Ruby: the modules that its sources require.
//!
//! Modules are files below the directories of `$LOAD_PATH` (ruby(1); `RbConfig`: `sitedir`, `vendordir`,
//! `rubylibdir`, `archdir`), or of a gem: RubyGems keeps `gems/NAME-VERSION` with `lib` in it, what was compiled for
//! it in `extensions/MACHINE/ABI/NAME-VERSION`, and its description in `specifications` (RubyGems Guides,
//! "Specification Reference"). From each source that is kept, what it requires is found there ([`source`]), and so
//! on ([`super::named`]). What the user installed beside the packages stays whole.

mod gems;
mod source;

use std::collections::{BTreeSet, HashMap};

use layer::NodeId;
use layer::tree::resolve::Lookup;

use super::Language;
use super::named::{self, Found, How, Named, Reach};
use crate::closure::collector::Collector;
use crate::closure::facts::Fact;
use crate::closure::libraries;
use crate::closure::wanted::is_wanted;
use gems::Gem;

/// Directories of `$LOAD_PATH`, each with its parts for versions and machines: those of Debian, Fedora, Alpine, and
/// of Ruby's own `./configure`.
const LIBRARIES: &[&str] = &[
    "usr/local/lib/site_ruby",
    "usr/local/lib/*/site_ruby",
    "usr/local/lib/ruby/site_ruby",
    "usr/lib/ruby/site_ruby",
    "usr/lib/ruby/vendor_ruby",
    "usr/lib/*/ruby/vendor_ruby",
    "usr/local/lib/ruby/vendor_ruby",
    "usr/share/ruby/vendor_ruby",
    "usr/lib64/ruby/vendor_ruby",
    "usr/share/ruby",
    "usr/lib64/ruby",
    "usr/lib/ruby",
    "usr/lib/*/ruby",
    "usr/local/lib/ruby",
];

/// Below these lie modules and gems.
const PLACES: &[&str] = &[
    "usr/local/lib/site_ruby/**",
    "usr/local/lib/*/site_ruby/**",
    "usr/local/lib/ruby/**",
    "usr/lib/ruby/**",
    "usr/lib/*/ruby/**",
    "usr/share/ruby/**",
    "usr/lib64/ruby/**",
    "usr/share/rubygems-integration/**",
    "usr/lib/*/rubygems-integration/**",
    "var/lib/gems/**",
    "usr/share/gems/**",
    "usr/lib64/gems/**",
    "usr/local/bundle/**",
];

/// What the interpreter loads on its own: at its start (`gem_prelude.rb`), for `pp`, `Set` and
/// `String#unicode_normalize`, and the tables of encodings (`encoding.c`, `transcode.c`).
const IMPLIED: &[&str] = &[
    "bundled_gems",
    "did_you_mean",
    "enc/encdb",
    "enc/trans/transdb",
    "error_highlight",
    "monitor",
    "pp",
    "rbconfig",
    "rubygems",
    "set",
    "syntax_suggest/core",
    "unicode_normalize/normalize",
];

/// Below this, an encoding is found by the name that data gives it.
const ENCODINGS: &[u8] = b"enc/";

/// What is known of the Ruby of an image.
#[derive(Default)]
pub(in crate::closure) struct State {
    modules: named::State,
    gems: Vec<Gem>,
    /// Which of them has a directory.
    directories: HashMap<NodeId, usize>,
}

pub(super) struct Ruby;

impl Language for Ruby {
    fn variables(&self) -> &'static [&'static str] {
        &["RUBYLIB"]
    }

    fn keep(&self, collector: &mut Collector<'_>, interpreter: NodeId) {
        if !collector.facts.insert(Fact::Runtime(interpreter)) {
            return;
        }
        let gems = gems::installed(collector);
        let mut include = include_directories(collector);
        include.extend(gems.iter().flat_map(|gem| gem.libraries.iter().copied()));
        let numbered = gems.iter().enumerate();
        collector.ruby.directories = numbered
            .flat_map(|(number, gem)| gem.directories.iter().map(move |at| (*at, number)))
            .collect();
        collector.ruby.gems = gems;
        named::add_interpreter(self, collector, interpreter, include);
        let mut said = source::Mentions::default();
        let names = IMPLIED.iter().map(|name| name.as_bytes().to_vec());
        said.names.extend(names);
        said.prefixes.insert(ENCODINGS.to_vec());
        let mut found = find(collector, interpreter, &said);
        found.extend(what_stays(collector, interpreter));
        named::follow(self, collector, interpreter, found, Reach::Named);
        named::keep_asked_for(self, collector, interpreter);
        named::look_at_waiting(self, collector);
    }

    fn named(&self) -> Option<&dyn Named> {
        Some(self)
    }
}

impl Named for Ruby {
    fn state<'c>(&self, collector: &'c Collector<'_>) -> &'c named::State {
        &collector.ruby.modules
    }

    fn state_mut<'c>(&self, collector: &'c mut Collector<'_>) -> &'c mut named::State {
        &mut collector.ruby.modules
    }

    fn is_source(&self, name: &[u8], first: &[u8]) -> bool {
        // Settings in YAML name what is loaded for them: plug-ins of Jekyll, adapters of databases.
        let endings = [
            ".rb", ".ru", ".rake", ".erb", ".haml", ".slim", ".builder", ".yml",
        ];
        let names = [
            &b"Gemfile"[..],
            b"Gemfile.lock",
            b"gems.rb",
            b"gems.locked",
            b"Rakefile",
        ];
        let line = first.split(|b| *b == b'\n').next().unwrap_or_default();
        let by_name = names.contains(&name)
            || endings
                .iter()
                .any(|ending| name.ends_with(ending.as_bytes()));
        let by_first_line =
            line.starts_with(b"#!") && memchr::memmem::find(line, b"ruby").is_some();
        (by_name && !first.contains(&0)) || by_first_line
    }

    fn places(&self) -> &'static [&'static str] {
        PLACES
    }

    fn names_of_packages(&self) -> &'static [&'static str] {
        &["ruby-*", "rubygem-*"]
    }

    fn find(&self, collector: &Collector<'_>, by: NodeId, text: &[u8]) -> Vec<Found> {
        let name = collector.tree().name(by);
        let is_script = !name.contains(&b'.') && !self.is_module(&collector.tree().path(by));
        let own = collector.is_own(by) || is_script;
        let mut said = source::mentions(text, own);
        if own {
            // `page.html.haml` is for who reads `haml`.
            let endings = name.split(|b| *b == b'.').skip(1);
            said.names.extend(endings.map(<[u8]>::to_vec));
        }
        find(collector, by, &said)
    }
}

/// Returns the directories of `$LOAD_PATH`: those of [`LIBRARIES`] in their order, with their parts.
fn include_directories(collector: &Collector<'_>) -> Vec<NodeId> {
    let tree = collector.tree();
    let variable = collector.input.config.env_var("RUBYLIB");
    let variable = variable.unwrap_or_default();
    let named = variable.split(':').filter(|path| path.starts_with('/'));
    let mut directories: Vec<NodeId> = named
        .filter_map(|path| Some(tree.resolve(path.as_bytes()).ok()?.node))
        .collect();
    let parts = |directory: NodeId, wanted: fn(&[u8]) -> bool| {
        let children = tree.children(directory).into_iter();
        children.filter(move |node| tree.is_directory(*node) && wanted(tree.name(*node)))
    };
    let is_version = |name: &[u8]| name.first().is_some_and(u8::is_ascii_digit);
    let is_machine = |name: &[u8]| memchr::memmem::find(name, b"-linux").is_some();
    for place in LIBRARIES {
        for top in named::matching(collector, place) {
            for directory in parts(top, is_version).chain([top]) {
                directories.push(directory);
                directories.extend(parts(directory, is_machine));
            }
        }
    }
    directories
}

/// Returns what stays whatever is required: descriptions of the gems that are part of Ruby, and what was installed
/// beside the packages.
fn what_stays(collector: &Collector<'_>, interpreter: NodeId) -> Vec<Found> {
    let tree = collector.tree();
    let packages = collector.input.packages;
    let is_packaged = packages.owner(interpreter).is_some();
    let mut found = Vec::new();
    for gem in &collector.ruby.gems {
        let is_default = tree.name(tree.parent(gem.specification)) == b"default";
        let is_own = is_packaged && packages.owner(gem.specification).is_none();
        if is_default || is_own {
            found.push(Found {
                node: gem.specification,
                name: "installed with Ruby".to_owned(),
                how: How::Name,
            });
        }
        if is_own {
            found.extend(gem.files(collector, "installed beside the packages"));
        }
    }
    for place in LIBRARIES.iter().filter(|place| place.contains("site_ruby")) {
        for top in named::matching(collector, place) {
            let files = tree.walk(top).filter(|node| tree.content(*node).is_some());
            found.extend(
                files
                    .filter(|node| is_wanted(tree, *node))
                    .map(|node| Found {
                        node,
                        name: "installed beside the packages".to_owned(),
                        how: How::Name,
                    }),
            );
        }
    }
    found
}

/// Returns the files that are meant.
fn find(collector: &Collector<'_>, by: NodeId, said: &source::Mentions) -> Vec<Found> {
    let tree = collector.tree();
    let state = &collector.ruby;
    let mut found: Vec<Found> = Vec::new();
    for name in &said.names {
        let shown = String::from_utf8_lossy(name).into_owned();
        for directory in &state.modules.include {
            add(collector, *directory, name, &shown, &mut found);
        }
        for gem in state.gems.iter().filter(|gem| gem.name == *name) {
            found.extend(gem.files(collector, &shown));
        }
    }
    for name in &said.relative {
        let shown = String::from_utf8_lossy(name).into_owned();
        add(collector, tree.parent(by), name, &shown, &mut found);
        // `File.expand_path("../x", __FILE__)` starts from the file itself.
        if let Some(rest) = name.strip_prefix(b"../") {
            add(collector, tree.parent(by), rest, &shown, &mut found);
        }
    }
    for prefix in &said.prefixes {
        for directory in &state.modules.include {
            let Ok(top) = tree.resolve_at(*directory, prefix, Lookup::STAT) else {
                continue;
            };
            let shown = String::from_utf8_lossy(prefix);
            below(collector, top.node, &shown, How::Prefix, &mut found);
        }
    }
    for prefix in &said.relative_prefixes {
        // `File.expand_path` starts from the file itself here as well.
        for path in [Some(prefix.as_slice()), prefix.strip_prefix(b"../")] {
            let top = path.map(|path| tree.resolve_at(tree.parent(by), path, Lookup::STAT));
            if let Some(Ok(top)) = top
                && Ruby.is_module(&tree.path(top.node))
            {
                let shown = String::from_utf8_lossy(prefix);
                below(collector, top.node, &shown, How::Prefix, &mut found);
            }
        }
    }
    // Of a gem one file alone is of no use.
    let touched: BTreeSet<usize> = found
        .iter()
        .filter_map(|found| gem_of(collector, found.node))
        .collect();
    for gem in touched.iter().filter_map(|number| state.gems.get(*number)) {
        found.extend(gem.files(collector, &String::from_utf8_lossy(&gem.name)));
    }
    found.retain(|found| tree.content(found.node).is_some());
    // Most of their names are links.
    for name in &said.libraries {
        let libraries = libraries::named(tree, name).into_iter();
        found.extend(libraries.map(|node| Found {
            node,
            name: String::from_utf8_lossy(name).into_owned(),
            how: How::Name,
        }));
    }
    found
}

/// Returns the number of the gem that a file is part of.
fn gem_of(collector: &Collector<'_>, node: NodeId) -> Option<usize> {
    let tree = collector.tree();
    let mut at = node;
    while at != tree.root() {
        at = tree.parent(at);
        if let Some(number) = collector.ruby.directories.get(&at) {
            return Some(*number);
        }
    }
    None
}

/// Adds what `require` finds in a directory by a name, and its parts: `digest.rb` loads what is in `digest/`.
fn add(
    collector: &Collector<'_>,
    directory: NodeId,
    name: &[u8],
    shown: &str,
    found: &mut Vec<Found>,
) {
    let tree = collector.tree();
    let stem = [&b".rb"[..], b".so"]
        .iter()
        .find_map(|ending| name.strip_suffix(*ending))
        .unwrap_or(name);
    let mut is_there = false;
    for ending in [&b""[..], b".rb", b".so"] {
        let path = match ending {
            b"" => name.to_vec(),
            ending => [stem, ending].concat(),
        };
        let Ok(file) = tree.resolve_at(directory, &path, Lookup::STAT) else {
            continue;
        };
        if tree.content(file.node).is_some() {
            is_there = true;
            found.push(Found {
                node: file.node,
                name: shown.to_owned(),
                how: How::Name,
            });
        }
    }
    let is_module = || Ruby.is_module(&tree.path(directory));
    if !is_there || !is_module() {
        return;
    }
    let include: &[NodeId] = match name.starts_with(b"../") {
        true => &[],
        false => &collector.ruby.modules.include,
    };
    for other in include.iter().chain([&directory]) {
        if let Ok(parts) = tree.resolve_at(*other, stem, Lookup::STAT)
            && tree.is_directory(parts.node)
        {
            below(collector, parts.node, shown, How::Whole, found);
        }
    }
}

fn below(collector: &Collector<'_>, top: NodeId, shown: &str, how: How, found: &mut Vec<Found>) {
    let tree = collector.tree();
    let files = tree
        .walk(top)
        .filter(|node| tree.content(*node).is_some() && is_wanted(tree, *node));
    found.extend(files.map(|node| Found {
        node,
        name: format!("{shown}/*"),
        how,
    }));
}
