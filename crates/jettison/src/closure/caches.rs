//! Caches of builds and of installing, which may be thrown away: they are found by what is in them, since people put
//! them anywhere.

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

/// A cache that is known by its name and by what is in it.
struct Cache {
    name: &'static [u8],
    /// The directory that it is in; any, if it is empty.
    above: &'static [u8],
    /// One of these is in it; no matter what, if there is none.
    holds: &'static [&'static [u8]],
}

const CACHES: &[Cache] = &[
    // What npm has fetched (npm-cache(1), "a directory named `_cacache`"), in cacache's layout.
    Cache {
        name: b"_cacache",
        above: b"",
        holds: &[b"content-v2", b"index-v5"],
    },
    // What it did (npm documentation, "Logging", `logs-dir`).
    Cache {
        name: b"_logs",
        above: b".npm",
        holds: &[],
    },
    // pip documentation, "Caching", "What is cached".
    Cache {
        name: b"pip",
        above: b".cache",
        holds: &[b"http", b"http-v2", b"wheels", b"selfcheck"],
    },
    // Yarn 1 documentation, `yarn cache`: a directory for the version of its format.
    Cache {
        name: b"yarn",
        above: b".cache",
        holds: &[b"v4", b"v6"],
    },
    // Composer documentation, "Config", `cache-dir`.
    Cache {
        name: b"composer",
        above: b".cache",
        holds: &[b"files", b"repo", b"vcs"],
    },
    Cache {
        name: b"cache",
        above: b".composer",
        holds: &[b"files", b"repo", b"vcs"],
    },
    // `go help cache`: a directory for each first byte of a hash.
    Cache {
        name: b"go-build",
        above: b"",
        holds: &[b"00"],
    },
    // `GOPATH/pkg/mod` (Go Modules Reference, "Module cache"), which holds source only.
    Cache {
        name: b"mod",
        above: b"",
        holds: &[b"cache/download"],
    },
];

/// Returns whether a directory is a cache of builds, or of what was installed. Some say so themselves (`CACHEDIR.TAG`,
/// bford.info/cachedir).
pub(super) fn is_cache(tree: &Tree, node: NodeId) -> bool {
    if !tree.is_directory(node) {
        return false;
    }
    let has = |path: &[u8]| tree.resolve_at(node, path, Lookup::LSTAT).is_ok();
    let above = tree.name(tree.parent(node));
    let is_known = |cache: &Cache| {
        cache.name == tree.name(node)
            && (cache.above.is_empty() || cache.above == above)
            && (cache.holds.is_empty() || cache.holds.iter().any(|path| has(path)))
    };
    has(b"CACHEDIR.TAG") || CACHES.iter().any(is_known) || is_webpack_cache(tree, node)
}

/// Webpack's (its documentation, "cache", `cacheDirectory`): packs and nothing else.
fn is_webpack_cache(tree: &Tree, directory: NodeId) -> bool {
    let above = tree.name(tree.parent(directory));
    if tree.name(directory) != b"webpack" || ![&b"cache"[..], b".cache"].contains(&above) {
        return false;
    }
    let below = tree.walk(directory);
    let mut files = below.filter(|node| !tree.is_directory(*node)).peekable();
    let is_pack = |node| memchr::memmem::find(tree.name(node), b".pack").is_some();
    files.peek().is_some() && files.all(is_pack)
}
