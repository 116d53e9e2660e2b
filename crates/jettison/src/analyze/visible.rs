//! Files of the image that it could do without, by what they are for.
//!
//! One walk over the tree, which keeps the path in one buffer: an image may
//! have millions of files.

use image::FileSystem;
use layer::{NodeId, Tree};

use super::cause::Cause;
use super::find::Find;
use super::places;
use crate::installed::{Installed, Purpose};
use crate::packages::classes::Class;

/// What a walk over the visible files found.
#[derive(Debug, Default)]
pub(super) struct Visible {
    /// Files that could be saved.
    pub(super) finds: Vec<Find>,
    /// All other regular files with bytes, each once, in the order of their paths.
    pub(super) rest: Vec<NodeId>,
}

/// A directory or file still to be looked at.
struct Pending {
    node: NodeId,
    /// Length of the path of the directory that it is in.
    path: usize,
    /// What a directory above is for.
    cause: Option<Cause>,
}

/// Looks at every visible file. `language` is the one that the image uses.
pub(super) fn find(files: &FileSystem, installed: &Installed, language: &[u8]) -> Visible {
    let tree = &files.tree;
    let mut result = Visible::default();
    let mut seen = Seen::default();
    let mut path: Vec<u8> = Vec::new();
    let mut pending = vec![Pending {
        node: tree.root(),
        path: 0,
        cause: None,
    }];
    while let Some(at) = pending.pop() {
        path.truncate(at.path);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(tree.name(at.node));
        if tree.is_directory(at.node) {
            let cause = at
                .cause
                .or_else(|| places::of_directory(tree, at.node, &path));
            let length = path.len();
            let first = pending.len();
            pending.extend(tree.unsorted_children(at.node).map(|node| Pending {
                node,
                path: length,
                cause,
            }));
            pending[first..].sort_unstable_by(|a, b| tree.name(b.node).cmp(tree.name(a.node)));
            continue;
        }
        let bytes = tree.size(at.node);
        if bytes == 0 || !seen.first(tree, at.node) {
            continue;
        }
        let cause = at
            .cause
            .or_else(|| of_file(tree, at.node, &path, language))
            .or_else(|| installed.purpose(at.node).and_then(of_purpose));
        match cause {
            Some(cause) => result.finds.push(Find {
                node: at.node,
                bytes,
                cause,
                by: None,
                other: None,
            }),
            None => result.rest.push(at.node),
        }
    }
    result
}

/// Files with several names that were met.
#[derive(Default)]
struct Seen(std::collections::HashSet<layer::InodeId>);

impl Seen {
    fn first(&mut self, tree: &Tree, node: NodeId) -> bool {
        tree.links(node) == 1 || self.0.insert(tree.inode(node))
    }
}

fn of_file(tree: &Tree, node: NodeId, path: &[u8], language: &[u8]) -> Option<Cause> {
    let name = tree.name(node);
    if name.ends_with(b".pyc") && has_source(tree, node) {
        return Some(Cause::ByteCode);
    }
    // All conventions of classes are about these.
    if !path.starts_with(b"usr/") && !path.starts_with(b"lib") {
        return None;
    }
    match Class::of(path) {
        Class::DebugSymbols => Some(Cause::DebugSymbols),
        class if class.is_documentation() => Some(Cause::Documentation),
        Class::Locale(of) => is_foreign(path, &of, language).then_some(Cause::Locale),
        class if class.is_for_building() => Some(Cause::Development),
        _ => is_compiler(path).then_some(Cause::Development),
    }
}

/// What packages say that they are for.
fn of_purpose(purpose: Purpose) -> Option<Cause> {
    Some(match purpose {
        Purpose::Development => Cause::Development,
        Purpose::Debug => Cause::DebugSymbols,
        Purpose::Documentation => Cause::Documentation,
        Purpose::Localization => Cause::Locale,
    })
}

/// A language other than the image's, English and the C locale. Files directly
/// in a directory of languages (`locale-archive`, `locale.alias`) are of all.
fn is_foreign(path: &[u8], of: &[u8], language: &[u8]) -> bool {
    let own = language.split(|b| matches!(b, b'_' | b'.' | b'@')).next();
    let it = of.split(|b| matches!(b, b'_' | b'.' | b'@')).next();
    let shared = it.is_none_or(|it| it == b"C" || it == b"POSIX" || it == b"en") || it == own;
    !shared && !path.ends_with(of)
}

/// GCC manual, "Collect2" and "Spec files": `lib/gcc/MACHINE/VERSION` has the
/// compilers proper and what they link; so has `libexec/gcc`.
fn is_compiler(path: &[u8]) -> bool {
    let rest = path.strip_prefix(b"usr/").unwrap_or(path);
    let rest = rest.strip_prefix(b"local/").unwrap_or(rest);
    rest.starts_with(b"lib/gcc/") || rest.starts_with(b"libexec/gcc/")
}

/// PEP 3147: `pkg/__pycache__/mod.cpython-311.pyc` is made of `pkg/mod.py`; before
/// it, `mod.pyc` lay beside `mod.py`.
fn has_source(tree: &Tree, node: NodeId) -> bool {
    let parent = tree.parent(node);
    let name = tree.name(node);
    let (directory, stem) = if tree.name(parent) == b"__pycache__" {
        let stem = name.split(|b| *b == b'.').next().unwrap_or_default();
        (tree.parent(parent), stem)
    } else {
        (parent, name.strip_suffix(b".pyc").unwrap_or(name))
    };
    tree.child(directory, &[stem, b".py"].concat()).is_some()
}
