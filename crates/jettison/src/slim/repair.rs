//! What a slim image was found to lack, by watching it while it is proven.
//!
//! A look-up that fails there and would have succeeded on the original is a file
//! that the search has missed. It is put back, and the proof is run again. What a
//! user has excluded is not.

use std::collections::{BTreeMap, BTreeSet};

use image::FileSystem;
use layer::tree::resolve::Lookup;
use layer::{NodeId, display};
use sandbox::{Access, AccessKind, Outcome, Trace};
use serde::{Deserialize, Serialize};

use crate::closure::{self, Options};
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

/// What is missed, by the path that was asked for.
pub(super) type Missed = BTreeMap<Vec<u8>, Repair>;

/// Both sides of a comparison.
pub(super) struct Sides<'a> {
    pub(super) original: &'a FileSystem,
    pub(super) slim: &'a FileSystem,
    pub(super) packages: &'a PackageDb,
    pub(super) options: &'a Options,
    /// What programs of the original asked for, and those of the slim image.
    pub(super) traces: (Option<&'a Trace>, &'a Trace),
}

impl Sides<'_> {
    /// Returns what the slim image is found to lack although the original has it, unless the user has
    /// excluded it. First what its programs looked for in vain. If they answer differently, also what those
    /// of the original used: a program that reads a directory first looks for nothing that is not there.
    /// And if that explains nothing, what is missing in directories that they have read.
    pub(super) fn missed(&self, same: bool, before: &BTreeSet<Vec<u8>>) -> Missed {
        let mut missed = Missed::new();
        let (original, slim) = self.traces;
        let tree = &self.original.tree;
        let taken = original.map(|trace| closure::taken_for_directories(tree, trace));
        let taken = taken.unwrap_or_default();
        let is_taken = |access: &Access| {
            let found = tree.resolve(&access.path).ok();
            closure::asks(access.kind) && found.is_some_and(|found| taken.contains(&found.node))
        };
        for access in &slim.accesses {
            let fails = matches!(access.outcome, Outcome::Missing | Outcome::NotADirectory);
            if fails && !is_taken(access) {
                self.add(&mut missed, &access.path, &access.by);
            }
        }
        if same {
            return missed;
        }
        for access in original.into_iter().flat_map(|trace| &trace.accesses) {
            if access.outcome == Outcome::Found {
                self.add(&mut missed, &access.path, &access.by);
            }
        }
        if is_new(&missed, before) {
            return missed;
        }
        let listed = slim
            .accesses
            .iter()
            .filter(|access| access.kind == AccessKind::List && access.outcome == Outcome::Found);
        for access in listed {
            for path in closure::children_of_own(&self.original.tree, &access.path) {
                self.add(&mut missed, &path, &access.by);
            }
        }
        missed
    }

    fn add(&self, missed: &mut Missed, asked: &[u8], by: &[u8]) {
        let tree = &self.original.tree;
        let Ok(there) = tree.resolve_at(tree.root(), asked, Lookup::STAT) else {
            return;
        };
        if self.slim.tree.resolve(asked).is_ok() {
            return;
        }
        let path = tree.absolute(there.node);
        let excluded = |path: &[u8]| closure::matches_any(&self.options.exclude, path);
        if excluded(&path) || excluded(asked) {
            return;
        }
        let owner = self.packages.owner(there.node);
        missed.entry(asked.to_vec()).or_insert_with(|| Repair {
            path: display(asked).into_owned(),
            by: display(by).into_owned(),
            package: owner.map(|id| self.packages.package(id).name.clone()),
            mechanism: mechanism(self.original, there.node).to_owned(),
        });
    }
}

/// Returns whether anything is missed that was not put back before, to no avail.
pub(super) fn is_new(missed: &Missed, before: &BTreeSet<Vec<u8>>) -> bool {
    missed.keys().any(|path| !before.contains(path))
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
