//! How sizes differ, by package and by directory.

use std::collections::BTreeMap;

use image::FileSystem;
use layer::{Tree, display};
use serde::Serialize;

use crate::installed::Installed;

/// Levels of directories that are compared.
const DEPTH: usize = 3;

/// A package that only one image has, or that differs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageChange {
    /// Who installed it, and its name.
    pub name: String,
    /// Its versions in the first image.
    pub old_versions: Vec<String>,
    /// Its versions in the second.
    pub new_versions: Vec<String>,
    /// Bytes in the first.
    pub old_bytes: u64,
    /// Bytes in the second.
    pub new_bytes: u64,
}

/// A directory whose size differs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryChange {
    /// From the root.
    pub path: String,
    /// Bytes of the files below in the first image.
    pub old_bytes: u64,
    /// In the second.
    pub new_bytes: u64,
}

/// Bytes that were added come first.
fn growth(old: u64, new: u64) -> std::cmp::Reverse<i64> {
    std::cmp::Reverse(new.cast_signed() - old.cast_signed())
}

/// Compares packages of the same manager and name.
pub(super) fn packages(files: [&FileSystem; 2], installed: [&Installed; 2]) -> Vec<PackageChange> {
    let mut changes: BTreeMap<String, PackageChange> = BTreeMap::new();
    for (side, (files, installed)) in files.into_iter().zip(installed).enumerate() {
        let mut bytes = vec![0_u64; installed.packages().len()];
        files.tree.each_file(|node| {
            if let Some(owner) = installed.owner(node) {
                bytes[owner] += files.tree.size(node);
            }
        });
        for (package, bytes) in installed.packages().iter().zip(bytes) {
            let name = format!("{} {}", package.manager.name(), package.name);
            let change = changes.entry(name.clone()).or_default();
            change.name = name;
            let (versions, sum) = if side == 0 {
                (&mut change.old_versions, &mut change.old_bytes)
            } else {
                (&mut change.new_versions, &mut change.new_bytes)
            };
            versions.push(package.version.clone());
            versions.sort();
            *sum += bytes;
        }
    }
    let mut changes: Vec<PackageChange> = changes
        .into_values()
        .filter(|c| c.old_bytes != c.new_bytes || c.old_versions != c.new_versions)
        .collect();
    changes.sort_by_key(|change| growth(change.old_bytes, change.new_bytes));
    changes
}

/// Compares the directories of the upper levels.
pub(super) fn directories(trees: [&Tree; 2]) -> Vec<DirectoryChange> {
    let mut changes: BTreeMap<Vec<u8>, [u64; 2]> = BTreeMap::new();
    for (side, tree) in trees.into_iter().enumerate() {
        tree.each_file(|node| {
            let path = tree.absolute(tree.parent(node));
            let bytes = tree.size(node);
            let mut depth = 0;
            for (at, byte) in path.iter().enumerate().skip(1) {
                if *byte == b'/' {
                    depth += 1;
                    if depth > DEPTH {
                        return;
                    }
                    changes.entry(path[..at].to_vec()).or_default()[side] += bytes;
                }
            }
            if path.len() > 1 && depth < DEPTH {
                changes.entry(path).or_default()[side] += bytes;
            }
        });
    }
    let mut changes: Vec<DirectoryChange> = changes
        .into_iter()
        .filter(|(_, [old, new])| old != new)
        .map(|(path, [old_bytes, new_bytes])| DirectoryChange {
            path: display(&path).into_owned(),
            old_bytes,
            new_bytes,
        })
        .collect();
    changes.sort_by_key(|change| growth(change.old_bytes, change.new_bytes));
    changes
}
