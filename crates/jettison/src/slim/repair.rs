//! What a slim image was found to lack, by watching it while it is proven.
//!
//! A look-up that fails there and would have succeeded on the original is a file
//! that the search has missed. It is put back, and the proof is run again.

use std::collections::{BTreeMap, BTreeSet};

use image::FileSystem;
use layer::tree::resolve::Lookup;
use layer::{NodeId, display};
use sandbox::{Access, Outcome, Trace};
use serde::{Deserialize, Serialize};

use crate::closure::{Options, matches_any};
use crate::packages::PackageDb;

/// How often a slim image is made again before it is given up.
pub const ROUNDS: usize = 5;

/// A path that was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// The path that was looked for in vain.
    pub path: String,
    /// The program that looked for it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub by: String,
    /// The package that it is from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub package: Option<String>,
    /// Which way of finding out what is needed should have known.
    pub mechanism: String,
}

/// Returns what programs of the slim image looked for in vain although the original has it, unless the
/// user has excluded it.
pub(super) fn missed(
    original: &FileSystem,
    slim: &FileSystem,
    packages: &PackageDb,
    options: &Options,
    trace: &Trace,
) -> BTreeMap<Vec<u8>, Repair> {
    let failed =
        |access: &&Access| matches!(access.outcome, Outcome::Missing | Outcome::NotADirectory);
    let mut found = BTreeMap::new();
    for access in trace.accesses.iter().filter(failed) {
        let tree = &original.tree;
        let Ok(there) = tree.resolve_at(tree.root(), &access.path, Lookup::STAT) else {
            continue;
        };
        let path = tree.absolute(there.node);
        let excluded = [&path, &access.path].map(|path| matches_any(&options.exclude, path));
        if excluded.contains(&true) || slim.tree.resolve(&access.path).is_ok() {
            continue;
        }
        let owner = packages.owner(there.node);
        found.entry(access.path.clone()).or_insert_with(|| Repair {
            path: display(&access.path).into_owned(),
            by: display(&access.by).into_owned(),
            package: owner.map(|id| packages.package(id).name.clone()),
            mechanism: mechanism(original, there.node).to_owned(),
        });
    }
    found
}

/// Returns whether anything is missed that was not put back before, to no avail.
pub(super) fn is_new(found: &BTreeMap<Vec<u8>, Repair>, before: &BTreeSet<Vec<u8>>) -> bool {
    found.keys().any(|path| !before.contains(path))
}

/// Returns which module of the closure finds such files.
fn mechanism(files: &FileSystem, node: NodeId) -> &'static str {
    let tree = &files.tree;
    let name = tree.name(node);
    let ending = name.rsplit(|b| *b == b'.').next().unwrap_or_default();
    let path = tree.path(node);
    let first = tree
        .content(node)
        .and_then(|content| files.contents.read(content, 4).ok());
    let is_elf = first.as_deref() == Some(b"\x7fELF");
    let is_library = memchr::memmem::find(name, b".so").is_some();
    let in_path = tree.parent(node) != tree.root()
        && [&b"bin"[..], b"sbin"].contains(&tree.name(tree.parent(node)));
    match ending {
        _ if tree.is_directory(node) => "directories",
        _ if is_elf && is_library => "dlopen",
        _ if in_path => "script-command or spawn",
        b"py" | b"pyc" | b"js" | b"mjs" | b"cjs" | b"node" | b"rb" | b"pl" | b"pm" | b"php"
        | b"jar" | b"class" | b"lua" | b"beam" => "language",
        _ if path.starts_with(b"etc/") => "settings",
        _ if path.starts_with(b"usr/share/") => "package data",
        _ => "path",
    }
}
