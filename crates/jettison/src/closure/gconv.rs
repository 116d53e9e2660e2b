//! Character sets: the modules that iconv(3) of glibc loads.
//!
//! All of them together are larger than many programs. A program that calls
//! iconv_open(3) itself and speaks of character sets, in its help or its errors, may be told any by its user
//! and keeps all. So may a module of a language that does, as PHP's `iconv`, by scripts. Of a program that does not
//! (`tar` writes its headers in UTF-8), of a library, and of a program that came along, those count that it can name:
//! whose name or alias (`gconv-modules`, glibc manual "glibc iconv Implementation") is one of its strings.

use std::collections::{BTreeSet, HashMap};

use layer::{NodeId, Tree};

use super::collector::Collector;
use super::{Edge, Evidence, libraries};
use crate::elf::Object;

/// The modules of one directory.
#[derive(Debug)]
struct Modules {
    directory: NodeId,
    /// From upper-case character set to its other names.
    aliases: HashMap<Vec<u8>, Vec<u8>>,
    /// From upper-case character set to files, without `.so`.
    files: HashMap<Vec<u8>, BTreeSet<Vec<u8>>>,
}

/// Returns whether a string could name a character set. `Dec` is a month, and `JP/` is nothing.
pub(super) fn is_name(text: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:()+/".contains(b);
    let name = strip(text);
    let mixed = name.iter().any(u8::is_ascii_lowercase) && name.iter().any(u8::is_ascii_uppercase);
    (3..=32).contains(&name.len()) && (name.len() > 3 || !mixed) && text.iter().all(plain)
}

/// What people call a character set, in lower case.
const TERMS: [&str; 6] = [
    "charset",
    "character set",
    "codeset",
    "codepage",
    "code page",
    "encod",
];

/// Returns whether a string is prose about character sets. A word alone may be a keyword of a file format.
pub(super) fn is_about(text: &[u8]) -> bool {
    text.contains(&b' ') && {
        let lower = text.to_ascii_lowercase();
        TERMS
            .iter()
            .any(|term| memchr::memmem::find(&lower, term.as_bytes()).is_some())
    }
}

/// Keeps the modules for what an object that calls iconv_open(3) can name, or can be told if it `takes_names`.
pub(super) fn keep(
    collector: &mut Collector<'_>,
    node: NodeId,
    object: &Object,
    names: &BTreeSet<Vec<u8>>,
    takes_names: bool,
) {
    let is_told = match object.interpreter {
        Some(_) => collector.is_kept_for_certain(node),
        None => is_module(collector.tree(), node),
    };
    for modules in directories(collector) {
        let tree = collector.tree();
        let evidence = Evidence::Gconv;
        let edge = |detail: &[u8]| Edge::new(Some(node), evidence, detail);
        if takes_names && is_told {
            collector.keep_below(modules.directory, &edge(b"iconv_open"), |_| true);
            continue;
        }
        let wanted: BTreeSet<&Vec<u8>> = names
            .iter()
            .filter_map(|name| modules.files_for(name))
            .flatten()
            .collect();
        if wanted.is_empty() {
            continue;
        }
        for child in tree.children(modules.directory) {
            let name = tree.name(child);
            if name.starts_with(b"gconv-modules") {
                collector.keep_below(child, &edge(b"gconv-modules"), |_| true);
            }
        }
        for file in wanted {
            let path = [file.as_slice(), b".so"].concat();
            collector.keep_path(modules.directory, &path, Some(node), evidence);
        }
    }
}

/// Returns whether an object is no library, but what a run time opens for scripts.
fn is_module(tree: &Tree, node: NodeId) -> bool {
    !tree.name(node).starts_with(b"lib") && !libraries::is_in_directory(tree, node)
}

fn directories(collector: &Collector<'_>) -> Vec<Modules> {
    let tree = collector.tree();
    let mut found = Vec::new();
    for top in ["/usr/lib", "/usr/lib64", "/usr/lib32"] {
        let Ok(top) = tree.resolve(top.as_bytes()) else {
            continue;
        };
        let inner = tree
            .children(top.node)
            .into_iter()
            .filter(|node| tree.is_directory(*node));
        for place in inner.chain([top.node]) {
            let Some(directory) = tree.child(place, b"gconv") else {
                continue;
            };
            found.push(Modules::read(collector, directory));
        }
    }
    found
}

impl Modules {
    fn read(collector: &Collector<'_>, directory: NodeId) -> Self {
        let tree = collector.tree();
        let mut modules = Self {
            directory,
            aliases: HashMap::new(),
            files: HashMap::new(),
        };
        let extra = tree.child(directory, b"gconv-modules.d");
        let extra = extra
            .map(|directory| tree.children(directory))
            .unwrap_or_default();
        for file in tree
            .child(directory, b"gconv-modules")
            .into_iter()
            .chain(extra)
        {
            let text = collector.read(file, 1 << 20).unwrap_or_default();
            for line in text.split(|b| *b == b'\n') {
                modules.add(line);
            }
        }
        modules
    }

    /// Adds `alias ALIAS// CHARSET//` or `module FROM// TO// FILE COST`.
    fn add(&mut self, line: &[u8]) {
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let name = |word: Option<&[u8]>| word.map(normalise);
        match words.next() {
            Some(b"alias") => {
                if let (Some(alias), Some(real)) = (name(words.next()), name(words.next())) {
                    self.aliases.insert(alias, real);
                }
            }
            Some(b"module") => {
                let pair = [name(words.next()), name(words.next())];
                let Some(file) = words.next() else { return };
                for set in pair.into_iter().flatten().filter(|set| set != b"INTERNAL") {
                    self.files.entry(set).or_default().insert(file.to_vec());
                }
            }
            _ => {}
        }
    }

    fn files_for(&self, name: &[u8]) -> Option<&BTreeSet<Vec<u8>>> {
        let name = normalise(name);
        let real = self.aliases.get(&name).unwrap_or(&name);
        self.files.get(real)
    }
}

fn normalise(name: &[u8]) -> Vec<u8> {
    strip(name).to_ascii_uppercase()
}

/// Removes the slashes with which names in `gconv-modules` end.
fn strip(name: &[u8]) -> &[u8] {
    let end = name
        .iter()
        .rposition(|b| *b != b'/')
        .map_or(0, |last| last + 1);
    &name[..end]
}
