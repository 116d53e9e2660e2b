//! What an image has a second time, though not byte for byte: packages of
//! languages in two places, shared libraries in two builds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use image::FileSystem;
use layer::NodeId;

use super::cause::Cause;
use super::find::Find;
use crate::installed::{Installed, Manager};

/// Shared libraries below this size are not compared: small ones of one name are
/// plug-ins as a rule.
const SMALLEST_LIBRARY: u64 = 1 << 20;

/// Takes the files of packages that are there twice out of `rest`.
///
/// Twice is: a Python package in two places, whatever the versions, since a
/// process loads one; an npm package in two places in the same version, since
/// two versions are what its resolution is for.
pub(super) fn packages(
    files: &FileSystem,
    installed: &Installed,
    rest: &mut Vec<NodeId>,
) -> Vec<Find> {
    let tree = &files.tree;
    let mut bytes = vec![0_u64; installed.packages().len()];
    for &node in rest.iter() {
        if let Some(owner) = installed.owner(node) {
            bytes[owner] += tree.size(node);
        }
    }
    let mut same: BTreeMap<(Manager, String), Vec<usize>> = BTreeMap::new();
    for (at, package) in installed.packages().iter().enumerate() {
        let key = match package.manager {
            // PEP 503, "Normalized Names".
            Manager::Pip => package.name.to_lowercase().replace(['_', '.'], "-"),
            Manager::Npm => format!("{}@{}", package.name, package.version),
            _ => continue,
        };
        same.entry((package.manager, key)).or_default().push(at);
    }
    // From the superfluous package to the one that stays.
    let mut twice: HashMap<usize, usize> = HashMap::new();
    for packages in same.values().filter(|packages| packages.len() > 1) {
        let largest = packages.iter().copied().max_by_key(|at| bytes[*at]);
        let others = packages.iter().filter(|at| Some(**at) != largest);
        twice.extend(others.filter_map(|at| Some((*at, largest?))));
    }
    let place = |at: usize| installed.packages()[at].place;
    let mut finds = Vec::new();
    rest.retain(|&node| {
        let owner = installed.owner(node);
        let Some(kept) = owner.and_then(|owner| twice.get(&owner)) else {
            return true;
        };
        finds.push(Find {
            node,
            bytes: tree.size(node),
            cause: Cause::PackageTwice,
            by: None,
            other: place(*kept),
        });
        false
    });
    finds
}

/// Takes shared libraries that are there in another build out of `rest`: the
/// same file name up to its version, for the same machine, in another directory.
pub(super) fn libraries(files: &FileSystem, rest: &mut Vec<NodeId>) -> io::Result<Vec<Find>> {
    let tree = &files.tree;
    let mut same: BTreeMap<(Vec<u8>, [u8; 3]), Vec<NodeId>> = BTreeMap::new();
    for &node in rest.iter() {
        let Some(stem) = stem(tree.name(node)) else {
            continue;
        };
        let Some(content) = tree.content(node).filter(|c| c.size >= SMALLEST_LIBRARY) else {
            continue;
        };
        // One library for several levels of a machine (ld.so(8), "glibc-hwcaps").
        if memchr::memmem::find(&tree.path(node), b"hwcaps").is_some() {
            continue;
        }
        let mut header = [0; 20];
        let read = files.contents.read_at(content, &mut header, 0)?;
        if read < header.len() || !header.starts_with(b"\x7fELF") {
            continue;
        }
        let machine = [header[4], header[18], header[19]];
        same.entry((stem.to_vec(), machine)).or_default().push(node);
    }
    let mut twice: HashMap<NodeId, NodeId> = HashMap::new();
    for nodes in same.values() {
        let directories: HashSet<NodeId> = nodes.iter().map(|node| tree.parent(*node)).collect();
        if directories.len() < 2 {
            continue;
        }
        let largest = nodes.iter().copied().max_by_key(|node| tree.size(*node));
        if let Some(largest) = largest {
            let others = nodes.iter().filter(|node| **node != largest);
            twice.extend(others.map(|node| (*node, largest)));
        }
    }
    let mut finds = Vec::new();
    rest.retain(|&node| {
        let Some(kept) = twice.get(&node) else {
            return true;
        };
        finds.push(Find {
            node,
            bytes: tree.size(node),
            cause: Cause::LibraryTwice,
            by: None,
            other: Some(*kept),
        });
        false
    });
    Ok(finds)
}

/// Returns `libx.so` of `libx.so.1.2`.
fn stem(name: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(name, b".so")?;
    let rest = &name[at + 3..];
    let versioned = rest.is_empty() || rest.starts_with(b".");
    (name.starts_with(b"lib") && versioned).then(|| &name[..at + 3])
}
