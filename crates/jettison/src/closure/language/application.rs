//! What sources and settings of applications ask for, in any language.

use layer::NodeId;

use crate::closure::collector::Collector;
use crate::closure::{Edge, Evidence, companion, manifests, mentioned, package};

/// Settings above this size are data.
pub(super) const MAX_TEXT: u64 = 1 << 20;

/// Endings of files that are settings or scripts.
const TEXTS: &[&str] = &[
    ".conf",
    ".cfg",
    ".ini",
    ".json",
    ".yaml",
    ".yml",
    ".toml",
    ".xml",
    ".properties",
    ".env",
    ".sh",
    ".bash",
];

/// Returns whether a file is a setting or script that an application could bring.
pub(super) fn is_text(collector: &Collector<'_>, node: NodeId, first: &[u8]) -> bool {
    let tree = collector.tree();
    let name = tree.name(node);
    let text =
        first.starts_with(b"#!") || TEXTS.iter().any(|ending| name.ends_with(ending.as_bytes()));
    text && !first.contains(&0)
        && tree.size(node) <= MAX_TEXT
        && !name.starts_with(b".git")
        && !manifests::is_manifest(name)
        && !tree.path(node).starts_with(b"etc/")
        && collector.input.packages.owner(node).is_none()
}

/// Keeps what an absolute path in a source leads to.
pub(super) fn keep_path(collector: &mut Collector<'_>, from: NodeId, path: &str, ours: bool) {
    let root = collector.tree().root();
    for part in path
        .split([':', ',', ';'])
        .filter(|part| part.len() > 2 && part.starts_with('/'))
    {
        let edge = Edge::new(Some(from), Evidence::Path, part);
        if !ours && part.contains(['*', '?', '[']) {
            continue;
        }
        mentioned::keep_mentioned(collector, root, part.as_bytes(), &edge);
    }
}

/// Returns whether a path leads to a file.
pub(super) fn is_file(collector: &Collector<'_>, path: &str) -> bool {
    let tree = collector.tree();
    tree.resolve(path.as_bytes())
        .is_ok_and(|found| tree.content(found.node).is_some())
}

/// Keeps the program that a source starts: the first word of a command line.
pub(super) fn keep_command(collector: &mut Collector<'_>, from: NodeId, line: &str, ours: bool) {
    let Some(word) = line.split_ascii_whitespace().next() else {
        return;
    };
    let fits = word.len() > 1
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-/".contains(&b));
    if !fits || word.starts_with('-') {
        return;
    }
    let Some((_, found)) = collector.find_command(word.as_bytes()) else {
        return;
    };
    let edge = |evidence| Edge::new(Some(from), evidence, word);
    if ours {
        collector.keep_command(word.as_bytes(), &edge(Evidence::ScriptCommand));
        return;
    }
    // Programs of what is not needed otherwise: package managers that some ask for versions.
    let unit = collector.units.of(found.node);
    if unit.is_some_and(|unit| !collector.units.is_selected(unit)) {
        return;
    }
    // Sources of others know compilers, to build what is built already.
    if package::is_for_development(collector, found.node) {
        return;
    }
    companion::started_by_others(collector, word.as_bytes(), &edge(Evidence::Spawn));
}
