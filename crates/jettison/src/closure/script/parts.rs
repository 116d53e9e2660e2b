//! Parts of a script: files beside it, files that it reads with `.`, and those that it finds when it runs.

use layer::NodeId;
use layer::tree::resolve::Lookup;

use crate::closure::collector::Collector;
use crate::closure::wanted::is_wanted;
use crate::closure::{Edge, Evidence, directories};
use crate::script::{Dialect, ScriptFacts};

/// Directories above a script in which the ends of paths are looked for: `bin`, and what it is in.
const MAX_ABOVE: usize = 3;

/// Keeps the scripts beside a script that it speaks of by their names: it finds its own
/// directory when it runs (`. "$(dirname "$0")"/common.sh`).
pub(super) fn keep_siblings(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    let tree = collector.tree();
    let directory = tree.parent(node);
    if directories::is_shared(tree, directory) {
        return;
    }
    let words: std::collections::HashSet<&[u8]> = text
        .split(|b| !(b.is_ascii_alphanumeric() || b"._+-".contains(b)))
        .filter(|word| word.len() > 2)
        .collect();
    for sibling in tree.children(directory) {
        let name = tree.name(sibling);
        if sibling != node && words.contains(name) && tree.content(sibling).is_some() {
            collector.keep(
                sibling,
                Edge::new(Some(node), Evidence::ScriptCommand, name),
            );
        }
    }
}

/// Remembers in which language files are that a script reads as parts of itself.
pub(super) fn note_sources(collector: &mut Collector<'_>, facts: &ScriptFacts, dialect: Dialect) {
    let base = collector.working_directory();
    for source in &facts.sources {
        if let Ok(found) = collector.tree().resolve_at(base, source, Lookup::STAT) {
            collector.sourced.entry(found.node).or_insert(dialect);
        }
    }
}

/// Keeps the files that a script names by paths whose beginning it finds out when it runs.
pub(super) fn keep_found_at_run_time(
    collector: &mut Collector<'_>,
    script: NodeId,
    facts: &ScriptFacts,
    dialect: Dialect,
) {
    for (part, is_source) in found_at_run_time(collector, script, facts) {
        if is_source {
            collector.sourced.entry(part).or_insert(dialect);
        }
        let name = collector.tree().name(part);
        collector.keep(part, Edge::new(Some(script), Evidence::ScriptCommand, name));
    }
}

/// Returns the files that a script names by the ends of their paths, and whether it reads them with `.`: files of its
/// own package, or below the directories that it is in.
pub(super) fn found_at_run_time(
    collector: &Collector<'_>,
    script: NodeId,
    facts: &ScriptFacts,
) -> Vec<(NodeId, bool)> {
    let sources = facts.source_ends.iter().map(|end| (end, true));
    let others = facts.ends.difference(&facts.source_ends);
    let ends: Vec<(&Vec<u8>, bool)> = sources.chain(others.map(|end| (end, false))).collect();
    if ends.is_empty() {
        return Vec::new();
    }
    let tree = collector.tree();
    let mut found = Vec::new();
    let mut directory = tree.parent(script);
    for _ in 0..MAX_ABOVE {
        if directories::is_shared(tree, directory) {
            break;
        }
        for (end, is_source) in &ends {
            let relative = &end[1..];
            if let Ok(part) = tree.resolve_at(directory, relative, Lookup::STAT) {
                found.push((part.node, *is_source));
            }
        }
        directory = tree.parent(directory);
    }
    let packages = collector.input.packages;
    let owner = packages.owner(script);
    let of_package = owner.into_iter().flat_map(|owner| packages.files(owner));
    for node in of_package.filter(|node| is_wanted(tree, **node)) {
        let named = ends.iter().filter(|(end, _)| {
            let name = end.rsplit(|byte| *byte == b'/').next();
            name == Some(tree.name(*node)) && tree.absolute(*node).ends_with(end)
        });
        found.extend(named.map(|(_, is_source)| (*node, *is_source)));
    }
    found.retain(|(node, _)| *node != script && tree.content(*node).is_some());
    found
}
