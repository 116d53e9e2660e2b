//! State that an installation left, and that the run made anew in another place.
//!
//! Packages of servers create a first state when they are installed: Debian's PostgreSQL a cluster of databases below
//! `/var/lib/postgresql` ("State information", FHS 3.0, 5.8). Settings name it, and an entry point that creates a state
//! of its own on a volume never reads it. A run shows as much: the same names in another directory, and next to
//! none opened of those that the image has.

use std::collections::HashSet;

use layer::{NodeId, NodeKind};
use sandbox::{AccessKind, Outcome};

use super::collector::Collector;

/// Where services have their state.
const STATE: &[u8] = b"var/lib/";
/// Fewer files may have the same names by chance.
const FEWEST: usize = 16;
/// One file in so many does not make it a state that is in use.
const LOOKED_AT: usize = 16;

/// Returns whether a directory, or one that it is in, holds a state which the run that was seen has made anew.
pub(super) fn is_superseded(collector: &Collector<'_>, node: NodeId) -> bool {
    let tree = collector.tree();
    let above = std::iter::successors(Some(node), |node| Some(tree.parent(*node)));
    let mut directories = above
        .take_while(|node| tree.path(*node).starts_with(STATE))
        .filter(|node| tree.is_directory(*node));
    directories.any(|directory| {
        let known = collector.superseded.borrow().get(&directory).copied();
        known.unwrap_or_else(|| {
            let answer = was_made_anew(collector, directory);
            collector.superseded.borrow_mut().insert(directory, answer);
            answer
        })
    })
}

fn was_made_anew(collector: &Collector<'_>, directory: NodeId) -> bool {
    let tree = collector.tree();
    let top = tree.absolute(directory);
    let files = tree.walk(directory).skip(1);
    let files: Vec<NodeId> = files.filter(|node| !tree.is_directory(*node)).collect();
    if files.len() < FEWEST || !files.iter().all(|file| collector.is_unpackaged(*file)) {
        return false;
    }
    let names: HashSet<Vec<u8>> = files
        .iter()
        .filter(|file| matches!(tree.kind(**file), NodeKind::File(_)))
        .filter_map(|file| below(&tree.absolute(*file), &top).map(<[u8]>::to_vec))
        .collect();
    // A file at the top tells where the others would be.
    let Some(first) = names.iter().filter(|name| !name.contains(&b'/')).min() else {
        return false;
    };
    // Asked last, since it may have to be waited for. Whose run failed gets no answer at all.
    let Ok(Some(trace)) = collector.input.trace.trace() else {
        return false;
    };
    let used = || {
        let all = trace.accesses.iter();
        all.filter(|access| {
            access.outcome == Outcome::Found
                && matches!(access.kind, AccessKind::Open | AccessKind::Write)
        })
    };
    let same = |other: &[u8]| {
        let below = used().filter_map(|access| below(&access.path, other));
        let same: HashSet<&[u8]> = below.filter(|name| names.contains(*name)).collect();
        same.len()
    };
    // Whoever connects to a server may ask the settings of the other one for its address.
    if same(&top) * LOOKED_AT > names.len() {
        return false;
    }
    let others: HashSet<&[u8]> = used()
        .filter_map(|access| {
            let other = access.path.strip_suffix(first.as_slice())?;
            other.strip_suffix(b"/")
        })
        .filter(|other| *other != top)
        .collect();
    others.iter().any(|other| same(other) * 2 > names.len())
}

/// Returns the name of what is below a directory, from there.
fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    path.strip_prefix(directory)?.strip_prefix(b"/")
}
