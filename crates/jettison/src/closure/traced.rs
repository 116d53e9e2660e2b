//! What was seen: the files that programs asked for while the image ran.
//!
//! A trace is evidence beside the others, not in their place: it says what was
//! needed, never what is not (but for [a state that was made anew](super::superseded)).
//! What was run, or could be the text of a program, is needed for certain. What
//! was merely asked about is kept too, since an answer other than before would
//! change what a program does, a program with what it takes to start it; but not
//! if it was only come across in a listing of its directory, as by `chown -R`,
//! `du` or `find`, which show less where less is, and not if it was taken for a
//! directory, which it is not.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use layer::tree::resolve::Lookup;
use layer::{NodeId, NodeKind, Tree};
use sandbox::{AccessKind, Outcome, Trace};

use super::collector::Collector;
use super::directories::is_shared;
use super::wanted::is_wanted;
use super::watched::GivenUp;
use super::{Edge, Error, Evidence, Level};

/// A directory with fewer files says nothing about whether they were come across or looked for.
const FEW: usize = 4;

/// Keeps what a trace shows, and what is put back after a proof.
pub(super) fn add(collector: &mut Collector<'_>) -> Result<(), Error> {
    let root = collector.tree().root();
    let all = collector.input.options.level != Level::Traced;
    for path in collector.input.repairs {
        let node = collector.keep_path(root, path, None, Evidence::Repaired);
        collector.repaired.extend(node);
        if let Some(node) = node.filter(|_| all) {
            keep_alike(collector, node);
        }
    }
    let trace = collector.input.trace.trace();
    let Some(trace) = trace.map_err(|GivenUp| Error::NotSeen)? else {
        return Ok(());
    };
    let seen = Seen::in_image(collector, trace);
    for (node, uses) in &seen.files {
        if uses.is_passing(collector, *node) && seen.is_enumerated(collector, *node) {
            continue;
        }
        let from = uses.by.filter(|by| by != node);
        let edge = Edge::new(from, Evidence::Traced, uses.words());
        if uses.runs || uses.opens && is_source(collector, *node) {
            collector.keep_for_certain(*node, edge);
        } else if uses.is_passing(collector, *node) {
            collector.keep_glanced(*node, edge);
        } else {
            collector.keep(*node, edge);
        }
        if uses.runs {
            super::package::program_found(collector, *node);
        }
    }
    for (link, by) in &seen.links {
        let edge = Edge::new(*by, Evidence::Symlink, "crossed");
        collector.keep(*link, edge);
    }
    if all {
        for (node, uses) in &seen.files {
            if uses.opens {
                keep_alike(collector, *node);
            }
        }
        for directory in &seen.listed {
            keep_listed(collector, *directory);
        }
    }
    Ok(())
}

/// Whether a file that was opened could be the text of a program: then all that it names may be used. A
/// library was needed already by whoever loaded it, and settings name what is switched off as well.
fn is_source(collector: &Collector<'_>, node: NodeId) -> bool {
    let is_setting = collector.tree().path(node).starts_with(b"etc/");
    let first = collector.read(node, 256).unwrap_or_default();
    !is_setting && !first.is_empty() && !first.contains(&0)
}

/// The part of a trace that is about files of the image.
#[derive(Default)]
struct Seen {
    files: BTreeMap<NodeId, Uses>,
    links: BTreeMap<NodeId, Option<NodeId>>,
    listed: BTreeSet<NodeId>,
}

/// What was done with one file.
#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    runs: bool,
    opens: bool,
    writes: bool,
    by: Option<NodeId>,
}

impl Seen {
    fn in_image(collector: &Collector<'_>, trace: &Trace) -> Self {
        let tree = collector.tree();
        let exactly =
            |path: &[u8]| Some(tree.resolve_at(tree.root(), path, Lookup::LSTAT).ok()?.node);
        let taken = taken_for_directories(tree, trace);
        let mut seen = Self::default();
        for access in &trace.accesses {
            let by = exactly(&access.by).filter(|by| tree.content(*by).is_some());
            let found = exactly(&access.path);
            if access.outcome == Outcome::NotADirectory
                || asks(access.kind) && found.is_some_and(|node| taken.contains(&node))
            {
                continue;
            }
            for link in access.links.iter().filter_map(|link| exactly(link)) {
                seen.links.entry(link).or_insert(by);
            }
            if access.outcome != Outcome::Found {
                continue;
            }
            let Some(node) = found else {
                continue; // made while it ran, or not of the image
            };
            let uses = seen.files.entry(node).or_default();
            uses.by = uses.by.or(by);
            match access.kind {
                AccessKind::Execute => uses.runs = true,
                AccessKind::Open => uses.opens = true,
                AccessKind::Write => uses.writes = true,
                AccessKind::List => {
                    seen.listed.insert(node);
                }
                _ => {}
            }
        }
        seen
    }

    /// Whether the directory of a file was listed, and then each of its files asked about.
    fn is_enumerated(&self, collector: &Collector<'_>, node: NodeId) -> bool {
        let tree = collector.tree();
        let directory = tree.parent(node);
        let all = || tree.children(directory);
        self.listed.contains(&directory)
            && all().len() >= FEW
            && all().iter().all(|file| self.files.contains_key(file))
    }
}

/// Whether nothing but an answer is wanted.
pub(crate) fn asks(kind: AccessKind) -> bool {
    matches!(kind, AccessKind::Stat | AccessKind::ReadLink)
}

/// Returns the files that something was looked for below, as the dynamic linker does below directories of its name for
/// the machine, beside the libraries of a program (ld.so(8), "Hardware capabilities"): `/usr/bin/x86_64` is a program.
/// Without them the answer is `ENOENT` in place of `ENOTDIR`.
pub(crate) fn taken_for_directories(tree: &Tree, trace: &Trace) -> HashSet<NodeId> {
    let failed = trace.accesses.iter();
    let failed = failed.filter(|access| access.outcome == Outcome::NotADirectory);
    let above = failed.filter_map(|access| {
        let mut path = access.path.as_slice();
        loop {
            path = &path[..path.iter().rposition(|b| *b == b'/')?];
            if let Ok(found) = tree.resolve_at(tree.root(), path, Lookup::STAT) {
                return tree.content(found.node).map(|_| found.node);
            }
        }
    });
    above.collect()
}

impl Uses {
    fn words(self) -> &'static str {
        match self {
            Self { runs: true, .. } => "was run",
            Self { opens: true, .. } => "was opened",
            Self { writes: true, .. } => "was written to",
            _ => "was asked about",
        }
    }

    /// Whether nothing was done with a file but to ask about it.
    fn is_passing(self, collector: &Collector<'_>, node: NodeId) -> bool {
        !(self.runs || self.opens || (self.writes && !collector.tree().is_directory(node)))
    }
}

/// Where a mechanism of its own knows which files of a directory are needed.
const SELECTED: &[&[u8]] = &[b"gconv"];

/// A file of a directory was opened by name: others of the same kind may be the next time. The same kind:
/// of the same package, with the same ending. Directories that everybody uses have no kind.
fn keep_alike(collector: &mut Collector<'_>, node: NodeId) {
    let tree = collector.tree();
    let directory = tree.parent(node);
    if is_shared(tree, directory) || SELECTED.contains(&tree.name(directory)) {
        return;
    }
    let Some(ending) = kind_of(tree.name(node)) else {
        return;
    };
    let packages = collector.input.packages;
    let owner = packages.owner(node);
    let alike: Vec<NodeId> = tree
        .children(directory)
        .into_iter()
        .filter(|other| *other != node && !tree.is_directory(*other))
        .filter(|other| kind_of(tree.name(*other)) == Some(ending))
        .filter(|other| packages.owner(*other) == owner && is_wanted(tree, *other))
        .collect();
    for other in alike {
        let edge = Edge::new(
            Some(node),
            Evidence::PluginDir,
            "beside one that was opened",
        );
        collector.keep(other, edge);
    }
}

/// A directory was listed: what is found there decides what a program does. Its files stay if they are all
/// alike, as plug-ins and snippets of settings are.
fn keep_listed(collector: &mut Collector<'_>, directory: NodeId) {
    let tree = collector.tree();
    if is_shared(tree, directory) || SELECTED.contains(&tree.name(directory)) {
        return;
    }
    let files: Vec<NodeId> = tree
        .children(directory)
        .into_iter()
        .filter(|node| matches!(tree.kind(*node), NodeKind::File(_) | NodeKind::Symlink(_)))
        .collect();
    let kinds: HashSet<Option<&[u8]>> =
        files.iter().map(|node| kind_of(tree.name(*node))).collect();
    if kinds.len() > 1 {
        return;
    }
    for node in files.into_iter().filter(|node| is_wanted(tree, *node)) {
        let edge = Edge::new(
            Some(directory),
            Evidence::PluginDir,
            "the directory was listed",
        );
        collector.keep(node, edge);
    }
}

/// Returns the ending of a name, `so` for versioned libraries too.
fn kind_of(name: &[u8]) -> Option<&[u8]> {
    if let Some(at) = memchr::memmem::find(name, b".so.") {
        return Some(&name[at + 1..at + 3]);
    }
    let dot = name
        .iter()
        .rposition(|b| *b == b'.')
        .filter(|dot| *dot > 0)?;
    Some(&name[dot + 1..])
}
