//! What became of every path, as plain data. The JSON form is described in
//! `docs/report.md`; [`SCHEMA`] changes when it does.

use std::collections::HashSet;

use image::{FileSystem, Image};
use layer::{NodeId, Tree, display};
use serde::{Deserialize, Serialize};

use super::Plan;
use super::inside::Lighter;
use super::repair::Repair;
use crate::closure;

/// Version of the JSON form.
pub const SCHEMA: u32 = 1;

/// Sizes and counts before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The image that was slimmed.
    pub source: Side,
    /// The result.
    pub result: Side,
    /// Things that kept files ask for and the image never had.
    pub missing: usize,
    /// Packages that somebody installed by name and of which nothing stays.
    #[serde(default)]
    pub gone: Vec<String>,
    /// Bytes that went of the inside of files that stay.
    #[serde(default)]
    pub lighter: u64,
}

/// One of the two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Image id: digest of the config.
    pub id: image::Digest,
    /// Digest of the manifest.
    pub digest: image::Digest,
    /// Bytes of all files, as `docker images` prints.
    pub unpacked: u64,
    /// Bytes of the compressed layers; nothing where they are not compressed.
    pub compressed: Option<u64>,
    /// Paths.
    pub entries: u64,
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// Sizes and counts.
    pub summary: Summary,
    /// Every path that stays, sorted.
    pub kept: Vec<Kept>,
    /// Every path that goes, sorted.
    pub removed: Vec<Removed>,
    /// What kept files ask for and the image does not have.
    pub missing: Vec<Missing>,
    /// What the proof found missing, and was put back.
    pub repaired: Vec<Repair>,
}

/// A path that stays.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// From the root.
    pub path: String,
    /// Bytes of a regular file.
    pub size: u64,
    /// The package that it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// In what way it is needed.
    pub reason: &'static str,
    /// By which path; nothing for what the config or the user asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The words that say so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What is gone of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lighter: Option<Lighter>,
}

/// A path that goes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// From the root.
    pub path: String,
    /// Bytes of a regular file.
    pub size: u64,
    /// The package that it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// Something that is not there.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// Who asks.
    pub by: String,
    /// For what.
    pub name: String,
    /// A library, a command, an interpreter.
    pub what: &'static str,
    /// Whether the program may run without.
    pub optional: bool,
}

/// Returns bytes and number of the paths for which `keep` answers yes; a file
/// with several names counts once.
pub fn size_of(plan: &Plan<'_>, keep: impl Fn(NodeId) -> bool) -> (u64, u64) {
    bytes_of(&plan.files.tree, keep)
}

/// The same of any tree.
pub(super) fn bytes_of(tree: &Tree, keep: impl Fn(NodeId) -> bool) -> (u64, u64) {
    let mut seen = HashSet::new();
    let (mut bytes, mut entries) = (0, 0);
    for node in tree.walk(tree.root()).filter(|node| keep(*node)) {
        entries += 1;
        if tree.links(node) == 1 || seen.insert(tree.inode(node)) {
            bytes += tree.size(node);
        }
    }
    (bytes, entries)
}

/// Returns sizes and counts of an image and of what was made of it.
pub(super) fn summary(
    source: &Image,
    files: &FileSystem,
    plan: &Plan<'_>,
    made: &Image,
) -> Summary {
    let (kept_bytes, kept_entries) = size_of(plan, |node| plan.keeps(node));
    let metadata = &plan.remains.files;
    let metadata_bytes: u64 = metadata.iter().map(|file| file.bytes.len() as u64).sum();
    let is_compressed = source
        .layers()
        .all(|layer| layer.descriptor.digest != layer.diff_id);
    Summary {
        source: Side {
            id: source.id(),
            digest: source.digest(),
            unpacked: files.unpacked,
            compressed: is_compressed.then(|| source.stored_size()),
            entries: files.tree.len() as u64,
        },
        result: Side {
            id: made.id(),
            digest: made.digest(),
            unpacked: kept_bytes + metadata_bytes,
            compressed: Some(made.stored_size()),
            entries: kept_entries + metadata.len() as u64,
        },
        missing: plan.closure.missing.len(),
        lighter: lost_inside(plan),
        gone: closure::gone(&plan.packages, &plan.files.tree, |node| plan.keeps(node)),
    }
}

/// Returns the bytes that went of the inside of files; one with several names counts once.
fn lost_inside(plan: &Plan<'_>) -> u64 {
    let tree = &plan.files.tree;
    let mut seen = HashSet::new();
    let files = plan.lighter.iter();
    let files = files.filter(|(node, _)| seen.insert(tree.inode(**node)));
    files
        .map(|(node, lighter)| lighter.whole - tree.size(*node))
        .sum()
}

/// Returns what became of every path.
pub fn report(plan: &Plan<'_>, summary: Summary, repaired: &[Repair]) -> Report {
    let tree = &plan.files.tree;
    let show = |node: NodeId| display(&tree.absolute(node)).into_owned();
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    for node in tree.walk(tree.root()) {
        let package = plan.package_name(node).map(str::to_owned);
        let (path, size) = (show(node), tree.size(node));
        match plan.closure.graph.reason(node).filter(|_| plan.keeps(node)) {
            Some(edge) => kept.push(Kept {
                path,
                size,
                package,
                reason: edge.evidence.name(),
                by: edge.from.map(show),
                detail: edge.detail.clone(),
                lighter: plan.lighter.get(&node).cloned(),
            }),
            None => removed.push(Removed {
                path,
                size,
                package,
            }),
        }
    }
    for file in &plan.remains.files {
        kept.push(Kept {
            path: format!("/{}", display(&file.path)),
            size: file.bytes.len() as u64,
            package: None,
            reason: "package-metadata",
            by: None,
            detail: "true of what remains".to_owned(),
            lighter: None,
        });
    }
    let missing = plan
        .closure
        .missing
        .iter()
        .map(|missing| Missing {
            by: show(missing.by),
            name: missing.name.clone(),
            what: missing.what,
            optional: missing.optional,
        })
        .collect();
    Report {
        schema: SCHEMA,
        summary,
        kept,
        removed,
        missing,
        repaired: repaired.to_vec(),
    }
}
