//! From listed paths to nodes, and from nodes to packages.
//!
//! A listed path is looked up as the package manager meant it: the directory
//! through symbolic links, the last component as it is. A symbolic link that a
//! package lists together with something below it stands for a directory (dpkg
//! lists `/lib` and `/lib/x`, and `/lib` is a link on a merged-/usr system), and
//! is treated as one: else every package would own `/bin` and none could go.

use std::collections::HashMap;

use layer::{NodeId, Tree};

use super::PackageId;

const NONE: PackageId = PackageId(u32::MAX);

/// Which packages own a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    /// By node index: the owner of a file, and the first owner of a directory.
    first: Vec<PackageId>,
    /// All owners of nodes that have several, in ascending order.
    shared: HashMap<NodeId, Vec<PackageId>>,
    /// By node index: whether it is a directory that some package lists.
    directory: Vec<bool>,
    files: Vec<NodeId>,
    /// By package: the end of its run of `files`.
    ends: Vec<usize>,
}

impl Owners {
    pub(super) fn of_file(&self, node: NodeId) -> &[PackageId] {
        match self.directory.get(node.index()) {
            Some(false) => self.of(node),
            _ => &[],
        }
    }

    pub(super) fn of_directory(&self, node: NodeId) -> &[PackageId] {
        match self.directory.get(node.index()) {
            Some(true) => self.of(node),
            _ => &[],
        }
    }

    pub(super) fn files(&self, id: PackageId) -> &[NodeId] {
        let end = self.ends.get(id.index()).copied().unwrap_or(0);
        let before = id.index().checked_sub(1).map_or(0, |at| self.ends[at]);
        &self.files[before.min(end)..end]
    }

    fn of(&self, node: NodeId) -> &[PackageId] {
        if let Some(all) = self.shared.get(&node) {
            return all;
        }
        match self.first.get(node.index()) {
            Some(owner) if *owner != NONE => std::slice::from_ref(owner),
            _ => &[],
        }
    }

    fn add(&mut self, node: NodeId, id: PackageId) {
        let first = &mut self.first[node.index()];
        if *first == NONE {
            *first = id;
        } else if *first != id {
            let all = self.shared.entry(node).or_insert_with(|| vec![*first]);
            // Packages claim one after another, in ascending order.
            if all.last() != Some(&id) {
                all.push(id);
            }
        }
    }
}

/// A dpkg diversion: what packages but one list at a path is elsewhere (dpkg-divert(1)).
#[derive(Debug)]
struct Diversion {
    /// The package that may keep the path; nothing for a diversion of the administrator.
    by: Vec<u8>,
    to: Vec<u8>,
}

/// From listed paths to nodes.
pub(super) struct Paths<'t> {
    tree: &'t Tree,
    /// Directories that were looked up; lists name each many times over.
    directories: HashMap<Vec<u8>, Option<NodeId>>,
    diversions: HashMap<(NodeId, Vec<u8>), Diversion>,
}

impl<'t> Paths<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            directories: HashMap::new(),
            diversions: HashMap::new(),
        }
    }

    /// Notes that the path `from` of every package but `by` is at `to`.
    pub(super) fn divert(&mut self, from: &[u8], to: &[u8], by: &[u8]) {
        let (directory, name) = split(from);
        if let Some(directory) = self.directory(directory) {
            let diversion = Diversion {
                by: by.to_vec(),
                to: to.to_vec(),
            };
            self.diversions
                .insert((directory, name.to_vec()), diversion);
        }
    }

    /// Looks up a path that the package named `package` lists.
    pub(super) fn node(&mut self, path: &[u8], package: &[u8]) -> Option<NodeId> {
        let (directory, name) = split(path);
        let at = self.directory(directory)?;
        if name.is_empty() {
            return Some(at);
        }
        if !self.diversions.is_empty() {
            let found = self.diversions.get(&(at, name.to_vec()));
            let to = found.filter(|d| d.by != package).map(|d| d.to.clone());
            if let Some(to) = to {
                let (directory, name) = split(&to);
                let at = self.directory(directory)?;
                return self.tree.child(at, name);
            }
        }
        self.tree.child(at, name)
    }

    fn directory(&mut self, path: &[u8]) -> Option<NodeId> {
        if let Some(&known) = self.directories.get(path) {
            return known;
        }
        let found = self.tree.resolve(path);
        let node = found.ok().map(|found| found.node);
        self.directories.insert(path.to_vec(), node);
        node
    }
}

/// The claims of packages on paths, package after package.
pub(super) struct Claims<'t> {
    tree: &'t Tree,
    pub(super) paths: Paths<'t>,
    owners: Owners,
}

impl<'t> Claims<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        let owners = Owners {
            first: vec![NONE; tree.node_bound()],
            directory: vec![false; tree.node_bound()],
            ..Owners::default()
        };
        Self {
            tree,
            paths: Paths::new(tree),
            owners,
        }
    }

    /// Claims the listed paths, absolute or relative to the root, for the package
    /// `id`. Packages are to come in ascending order, each once.
    pub(super) fn claim<'p>(
        &mut self,
        id: PackageId,
        name: &[u8],
        paths: impl IntoIterator<Item = &'p [u8]>,
    ) {
        let paths: Vec<&[u8]> = paths.into_iter().map(trim).collect();
        let mut sorted: Option<Vec<&[u8]>> = None;
        for path in &paths {
            let Some(node) = self.paths.node(path, name) else {
                continue;
            };
            if self.tree.is_directory(node) {
                self.owners.directory[node.index()] = true;
                self.owners.add(node, id);
                continue;
            }
            if let Some(target) = self.link_to_directory(node) {
                let sorted = sorted.get_or_insert_with(|| {
                    let mut sorted = paths.clone();
                    sorted.sort_unstable();
                    sorted
                });
                if has_below(sorted, path) {
                    self.owners.directory[target.index()] = true;
                    self.owners.add(target, id);
                    continue;
                }
            }
            // A list may name one file twice, through two paths.
            if self.owners.of(node).last() != Some(&id) {
                self.owners.add(node, id);
                self.owners.files.push(node);
            }
        }
        let before = self.owners.ends.last().copied().unwrap_or(0);
        self.owners.ends.resize(id.index(), before);
        self.owners.ends.push(self.owners.files.len());
    }

    pub(super) fn finish(self) -> Owners {
        self.owners
    }

    fn link_to_directory(&self, node: NodeId) -> Option<NodeId> {
        self.tree.link_target(node)?;
        let target = self.tree.resolve(&self.tree.absolute(node)).ok()?.node;
        self.tree.is_directory(target).then_some(target)
    }
}

/// Removes what lists put around a path: `./` before it and `/` around it.
fn trim(path: &[u8]) -> &[u8] {
    let path = path
        .strip_prefix(b".")
        .filter(|rest| rest.first() == Some(&b'/'))
        .unwrap_or(path);
    let start = path.iter().position(|&b| b != b'/').unwrap_or(path.len());
    let end = path
        .iter()
        .rposition(|&b| b != b'/')
        .map_or(start, |at| at + 1);
    match &path[start..end.max(start)] {
        b"." => b"",
        path => path,
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let path = trim(path);
    match memchr::memrchr(b'/', path) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Whether something below `path` is in the sorted list.
fn has_below(sorted: &[&[u8]], path: &[u8]) -> bool {
    let below = [path, b"/"].concat();
    let at = sorted.partition_point(|other| *other < below.as_slice());
    sorted
        .get(at)
        .is_some_and(|other| other.starts_with(&below))
}
