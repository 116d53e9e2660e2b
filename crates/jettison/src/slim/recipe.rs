//! The slim image as a Dockerfile that a person can review: which files are copied
//! from the original, in groups, and why each group stays.
//!
//! `COPY` is what all builders have in common, and not what `cp -a` is: it follows a
//! symbolic link that it is asked for, makes directories above with attributes of its
//! own, and drops extended attributes of single files. So only regular files and whole
//! directories are copied by name. Everything else that stays lies in a small tar
//! archive that `ADD` unpacks first: all directories with owners and modes, links,
//! and package metadata that is true of what stays. Files come into directories that
//! are right already.
//!
//! - [`settings`]: the config as instructions. `words`: paths and values as Dockerfiles write them.

pub mod settings;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;

use image::Config;
use layer::write::TarWriter;
use layer::{InodeId, NodeId, NodeKind, display};

use super::Plan;
use crate::closure::{Edge, Evidence};
use crate::installed::{Installed, InstalledPackage};
use crate::packages;

/// Name of the stage that files are copied from.
pub const ORIGINAL: &str = "original";
/// Reasons that are told of one group.
const REASONS: usize = 3;

/// A slim image as instructions.
#[derive(Debug)]
pub struct Recipe {
    /// What is copied from the original.
    pub groups: Vec<Group>,
    /// The config.
    pub settings: Vec<String>,
    /// What lies in the archive.
    pub archived: Archived,
    /// What the instructions cannot express, each as a sentence's subject and predicate.
    pub lacks: Vec<String>,
    nodes: HashSet<NodeId>,
}

/// Numbers of what lies in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Archived {
    /// Directories.
    pub directories: usize,
    /// Symbolic links.
    pub links: usize,
    /// Files of package metadata.
    pub metadata: usize,
    /// Other files: those with extended attributes or unspeakable names, those of which a part is gone, devices, pipes.
    pub others: usize,
}

/// What is copied for one package, or for one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// A package and its version, or a directory.
    pub title: String,
    /// Bytes.
    pub bytes: u64,
    /// Files and links.
    pub files: usize,
    /// Why they stay, the most frequent reason first.
    pub reasons: Vec<String>,
    /// The instructions.
    pub copies: Vec<String>,
}

/// What a group is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Package(usize),
    Place(Vec<u8>),
}

/// What a group is made of.
#[derive(Debug, Default)]
struct Parts {
    /// Directories that are copied whole.
    whole: Vec<NodeId>,
    /// Single files, by directory.
    loose: BTreeMap<Vec<u8>, Vec<NodeId>>,
    /// All files and links.
    nodes: Vec<NodeId>,
}

impl Recipe {
    /// Describes a slim image.
    ///
    /// # Errors
    /// When the packages of the image cannot be read.
    pub fn new(plan: &Plan<'_>, config: &Config) -> Result<Self, packages::Error> {
        let installed = Installed::read(&plan.files)?;
        let mut sorting = Sorting {
            plan,
            installed: &installed,
            fits: fits(plan),
            groups: BTreeMap::new(),
            archived: HashSet::new(),
            unit: HashMap::new(),
        };
        sorting.sort();
        let Sorting {
            groups,
            archived,
            unit,
            ..
        } = sorting;
        let (settings, mut lacks) = settings::instructions(config);
        lacks.extend(links_that_split(plan, &unit));
        let root = plan.files.tree.root();
        let metadata = plan.files.tree.metadata(root);
        if (metadata.mode, metadata.uid, metadata.gid) != (0o755, 0, 0) {
            lacks.push("the root directory has the builder's owner and mode".to_owned());
        }
        let mut groups: Vec<(bool, Group)> = groups
            .iter()
            .map(|(key, parts)| describe(plan, installed.packages(), key, parts))
            .collect();
        // What the image is for comes first.
        groups.sort_by_key(|(is_application, _)| !is_application);
        Ok(Self {
            groups: groups.into_iter().map(|(_, group)| group).collect(),
            settings,
            archived: count(plan, &archived),
            lacks,
            nodes: archived,
        })
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When a file of the image cannot be read, or the output not be written.
    pub fn write_archive<W: Write>(&self, plan: &Plan<'_>, output: W) -> layer::Result<W> {
        let files = &plan.files;
        let mut tar = TarWriter::new(output);
        tar.write_tree(&files.tree, &files.contents, |node| {
            self.nodes.contains(&node)
        })?;
        super::write::write_metadata(plan, &mut tar)?;
        tar.finish()
    }
}

/// Returns by node whether it can come with the directory that it is in: all of it stays,
/// and nothing in it needs the archive.
fn fits(plan: &Plan<'_>) -> Vec<bool> {
    let tree = &plan.files.tree;
    let mut fits = vec![true; tree.node_bound()];
    for file in &plan.remains.files {
        let slashes = file.path.iter().enumerate().filter(|(_, b)| **b == b'/');
        for (slash, _) in slashes {
            if let Some(directory) = tree.lookup(&file.path[..slash]) {
                fits[directory.index()] = false;
            }
        }
    }
    let nodes: Vec<NodeId> = tree.walk(tree.root()).collect();
    // What is below comes before.
    for &node in nodes.iter().rev() {
        let copied = matches!(
            tree.kind(node),
            NodeKind::File(_) | NodeKind::Directory | NodeKind::Symlink(_)
        );
        let same = tree.xattrs(node).is_empty() && !plan.lighter.contains_key(&node);
        let own = copied && plan.keeps(node) && same;
        fits[node.index()] &= own;
        if !fits[node.index()] {
            fits[tree.parent(node).index()] = false;
        }
    }
    fits
}

struct Sorting<'a> {
    plan: &'a Plan<'a>,
    installed: &'a Installed,
    fits: Vec<bool>,
    groups: BTreeMap<Key, Parts>,
    archived: HashSet<NodeId>,
    /// Of each copied file the whole directory that it comes with.
    unit: HashMap<NodeId, NodeId>,
}

impl Sorting<'_> {
    fn sort(&mut self) {
        let tree = &self.plan.files.tree;
        let mut pending = vec![tree.root()];
        while let Some(directory) = pending.pop() {
            for node in tree.children(directory) {
                if !self.plan.keeps(node) {
                    // A directory may go although something in it stays, if nobody asked for it.
                    if tree.is_directory(node) {
                        pending.push(node);
                    }
                    continue;
                }
                let named = words::path(&tree.absolute(node)).is_some();
                if tree.is_directory(node) {
                    self.archived.insert(node);
                    if !(named && self.fits[node.index()] && self.take_whole(node)) {
                        pending.push(node);
                    }
                } else if named && self.fits[node.index()] && tree.content(node).is_some() {
                    let key = match self.installed.owner(node) {
                        Some(package) => Key::Package(package),
                        None => Key::Place(tree.absolute(directory)),
                    };
                    let parts = self.groups.entry(key).or_default();
                    let above = tree.absolute(directory);
                    parts.loose.entry(above).or_default().push(node);
                    parts.nodes.push(node);
                } else {
                    self.archived.insert(node);
                }
            }
        }
    }

    /// Takes a directory as a whole; returns whether there is any file in it.
    fn take_whole(&mut self, top: NodeId) -> bool {
        let tree = &self.plan.files.tree;
        let (directories, nodes): (Vec<NodeId>, Vec<NodeId>) =
            tree.walk(top).partition(|node| tree.is_directory(*node));
        if nodes.is_empty() {
            return false;
        }
        let mut owners = nodes.iter().filter_map(|node| self.installed.owner(*node));
        let first = owners.next();
        let key = match first {
            Some(package) if owners.all(|owner| owner == package) => Key::Package(package),
            _ => Key::Place(tree.absolute(top)),
        };
        self.archived.extend(directories);
        self.unit.extend(nodes.iter().map(|node| (*node, top)));
        let parts = self.groups.entry(key).or_default();
        parts.whole.push(top);
        parts.nodes.extend(nodes);
        true
    }
}

/// Returns a group, and whether it is what the image is for.
fn describe(
    plan: &Plan<'_>,
    packages: &[InstalledPackage],
    key: &Key,
    parts: &Parts,
) -> (bool, Group) {
    let tree = &plan.files.tree;
    let title = match key {
        Key::Package(at) => {
            let package = &packages[*at];
            format!(
                "{} {} {}",
                package.manager.name(),
                package.name,
                package.version
            )
        }
        Key::Place(path) => display(path).into_owned(),
    };
    let mut by_evidence: BTreeMap<Evidence, (usize, u64, NodeId)> = BTreeMap::new();
    for &node in &parts.nodes {
        if let Some(edge) = plan.closure.graph.reason(node) {
            let size = tree.size(node);
            let sum = by_evidence.entry(edge.evidence).or_insert((0, size, node));
            sum.0 += 1;
            if size > sum.1 {
                (sum.1, sum.2) = (size, node);
            }
        }
    }
    let is_application = [
        Evidence::Entrypoint,
        Evidence::Application,
        Evidence::Authored,
    ]
    .iter()
    .any(|evidence| by_evidence.contains_key(evidence));
    let mut frequent: Vec<(usize, NodeId)> = by_evidence
        .into_values()
        .map(|(count, _, node)| (count, node))
        .collect();
    frequent.sort_by_key(|(count, node)| (std::cmp::Reverse(*count), *node));
    let reasons = frequent.iter().take(REASONS).filter_map(|(_, node)| {
        let edge = plan.closure.graph.reason(*node)?;
        Some(reason(plan, edge))
    });
    let mut copies: Vec<String> = Vec::new();
    for &node in &parts.whole {
        let path = tree.absolute(node);
        copies.extend(words::copy(&[&path], &path));
    }
    for (directory, nodes) in &parts.loose {
        let paths: Vec<Vec<u8>> = nodes.iter().map(|node| tree.absolute(*node)).collect();
        let paths: Vec<&[u8]> = paths.iter().map(Vec::as_slice).collect();
        copies.extend(words::copy(&paths, directory));
    }
    let group = Group {
        title,
        bytes: parts.nodes.iter().map(|node| tree.size(*node)).sum(),
        files: parts.nodes.len(),
        reasons: reasons.collect(),
        copies,
    };
    (is_application, group)
}

/// A reason in a few words.
fn reason(plan: &Plan<'_>, edge: &Edge) -> String {
    let words = match edge.evidence {
        Evidence::Entrypoint => "entry point",
        Evidence::Interpreter => "interpreter of",
        Evidence::Needed => "loaded with",
        Evidence::Dlopen => "opened as a library by",
        Evidence::Nss => "name service of",
        Evidence::Gconv => "character sets of",
        Evidence::Locale => "language of",
        Evidence::CaCertificates => "certificates for",
        Evidence::Timezone => "time zones for",
        Evidence::ConfigUser => "named by the config",
        Evidence::Symlink => "on the way to",
        Evidence::Application => "application with",
        Evidence::Authored => "copied in by the author with",
        Evidence::ScriptCommand => "command of",
        Evidence::Spawn => "started by",
        Evidence::Path => "path in",
        Evidence::Module => "module of",
        Evidence::PluginDir => "plug-in of",
        Evidence::Package => "same package as",
        Evidence::Data => "data of",
        Evidence::System => "expected of every image",
        Evidence::Traced => "seen to be used by",
        Evidence::Repaired => "missed by",
        Evidence::Include => "included with",
        Evidence::Directory => "holds what stays",
    };
    let tree = &plan.files.tree;
    let alone = words.rsplit_once(' ');
    let alone = alone.filter(|(_, last)| ["of", "by", "for", "with"].contains(last));
    let alone = alone.map_or(words, |(first, _)| first);
    match edge.from {
        Some(from) => format!("{words} {}", display(&tree.absolute(from))),
        None if edge.detail.is_empty() => alone.to_owned(),
        None => format!("{}: {}", alone, display(edge.detail.as_bytes())),
    }
}

/// Hard links of which not all names come with one directory.
fn links_that_split(plan: &Plan<'_>, unit: &HashMap<NodeId, NodeId>) -> Option<String> {
    let tree = &plan.files.tree;
    let mut units: HashMap<InodeId, HashMap<Option<NodeId>, u64>> = HashMap::new();
    for node in tree.walk(tree.root()) {
        if tree.links(node) > 1 && tree.content(node).is_some() && plan.keeps(node) {
            let units = units.entry(tree.inode(node)).or_default();
            let key = unit.get(&node).copied();
            // Single files are never one.
            let names = if key.is_none() { 1 } else { 0 };
            *units.entry(key).or_default() += names;
            if key.is_some() {
                units.insert(key, 1);
            }
        }
    }
    let (mut count, mut bytes) = (0, 0);
    for node in tree.walk(tree.root()) {
        if let Some(units) = units.remove(&tree.inode(node)) {
            let copies: u64 = units.values().sum();
            count += copies.saturating_sub(1);
            bytes += copies.saturating_sub(1) * tree.size(node);
        }
    }
    let copies = match count {
        0 => return None,
        1 => "a hard link becomes a copy".to_owned(),
        count => format!("{count} hard links become copies"),
    };
    Some(format!(
        "{copies} ({bytes} bytes more) where builders copy each file apart"
    ))
}

fn count(plan: &Plan<'_>, archived: &HashSet<NodeId>) -> Archived {
    let tree = &plan.files.tree;
    let mut counts = Archived {
        metadata: plan.remains.files.len(),
        ..Archived::default()
    };
    for node in archived {
        match tree.kind(*node) {
            NodeKind::Directory => counts.directories += 1,
            NodeKind::Symlink(_) => counts.links += 1,
            _ => counts.others += 1,
        }
    }
    counts
}
