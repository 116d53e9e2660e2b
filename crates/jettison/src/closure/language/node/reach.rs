//! Which modules of an application its entry points lead to.

use std::collections::BTreeSet;

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

use crate::closure::collector::Collector;

/// Returns what a path to a module could lead to (Node.js documentation, "LOAD_AS_FILE").
pub(super) fn modules(tree: &Tree, base: NodeId, path: &str) -> Vec<NodeId> {
    let at = |path: &str| {
        let found = tree.resolve_at(base, path.as_bytes(), Lookup::STAT).ok()?;
        Some(found.node)
    };
    let mut found = Vec::new();
    match at(path) {
        Some(node) if tree.is_directory(node) => {
            for name in [
                "index.js",
                "index.cjs",
                "index.mjs",
                "index.json",
                "index.node",
                "index.ts",
            ] {
                found.extend(tree.child(node, name.as_bytes()));
            }
        }
        Some(node) => found.push(node),
        None => {}
    }
    for ending in [
        ".js", ".cjs", ".mjs", ".json", ".node", ".ts", ".tsx", ".jsx",
    ] {
        found.extend(at(&format!("{path}{ending}")));
    }
    // TypeScript sources name what they are compiled to.
    if let Some(stem) = path.strip_suffix(".js") {
        found.extend(at(&format!("{stem}.ts")));
    }
    found
}

/// Modules of the application that its entry points lead to.
pub(super) struct Reached {
    files: BTreeSet<NodeId>,
    /// One of them loads modules by names that nobody knows.
    is_dynamic: bool,
}

impl Reached {
    pub(super) fn new(collector: &Collector<'_>) -> Self {
        let tree = collector.tree();
        let sources = &collector.node.sources;
        let mut pending: Vec<NodeId> = sources
            .keys()
            .copied()
            .filter(|file| crate::closure::language::is_entry(collector, *file))
            .collect();
        let bases = [collector.working_directory()];
        let manifests = collector.node.manifests.keys().copied();
        let bases: Vec<NodeId> = bases.into_iter().chain(manifests).collect();
        for base in bases {
            for word in &collector.node.words {
                pending.extend(
                    modules(tree, base, word)
                        .into_iter()
                        .filter(|node| sources.contains_key(node)),
                );
            }
            if let Some(manifest) = collector.node.manifests.get(&base) {
                let mains = manifest
                    .entries
                    .iter()
                    .flat_map(|entry| modules(tree, base, entry));
                pending.extend(mains.filter(|node| sources.contains_key(node)));
            }
        }
        let mut reached = Self {
            files: BTreeSet::new(),
            is_dynamic: false,
        };
        while let Some(file) = pending.pop() {
            if !reached.files.insert(file) {
                continue;
            }
            let Some(links) = sources.get(&file) else {
                continue;
            };
            reached.is_dynamic |= links.is_dynamic;
            for path in &links.relative {
                pending.extend(modules(tree, tree.parent(file), path));
            }
            for prefix in &links.prefixes {
                let directory = prefix
                    .rsplit_once('/')
                    .map_or(".", |(directory, _)| directory);
                let found = tree.resolve_at(tree.parent(file), directory.as_bytes(), Lookup::STAT);
                let below = found
                    .map(|found| tree.walk(found.node).collect())
                    .unwrap_or_else(|_| Vec::new());
                pending.extend(
                    below
                        .into_iter()
                        .filter(|node| sources.contains_key(node) && !is_test(tree, *node)),
                );
            }
        }
        if reached.is_dynamic || reached.files.is_empty() {
            reached.files.extend(
                sources
                    .keys()
                    .filter(|file| !is_for_developing(tree, **file)),
            );
        }
        reached
    }

    pub(super) fn has(&self, file: NodeId) -> bool {
        self.files.contains(&file)
    }
}

/// Test runners find tests by these names (Jest, `testMatch`; Mocha; node:test).
fn is_test(tree: &Tree, node: NodeId) -> bool {
    let path = tree.path(node);
    let mut parts = path.split(|b| *b == b'/').rev();
    let name = parts.next().unwrap_or_default();
    let marked = [&b".test."[..], b".spec."]
        .iter()
        .any(|mark| memchr::memmem::find(name, mark).is_some());
    marked || parts.any(|part| [&b"__tests__"[..], b"__mocks__", b"test", b"tests"].contains(&part))
}

/// Settings of tools bear the name of the tool and `config` or `rc`.
fn is_for_developing(tree: &Tree, node: NodeId) -> bool {
    let name = tree.name(node);
    let settings = [
        &b".config.js"[..],
        b".config.cjs",
        b".config.mjs",
        b".config.ts",
        b"rc.js",
        b"rc.cjs",
    ];
    is_test(tree, node)
        || name.starts_with(b".")
        || settings.iter().any(|ending| name.ends_with(ending))
}
