//! What a directory is for, as far as that makes its files superfluous.
//!
//! Conventions of standards and of package managers, each with its source. A
//! walk asks at each directory; what a directory is for holds for all below.

use layer::{NodeId, Tree};

use super::cause::Cause;

/// Directories by their path from the root, and what they are for.
const PATHS: &[(&str, Cause)] = &[
    // FHS 3.0, 5.5 "/var/cache": "must be able to be regenerated".
    ("var/cache", Cause::Cache),
    // apt(8), "FILES"; `apt-get update` fetches them again.
    ("var/lib/apt/lists", Cause::Cache),
    // FHS 3.0, 5.10 "/var/log".
    ("var/log", Cause::Log),
    // FHS 3.0, 3.18 "/tmp" and 5.15 "/var/tmp".
    ("tmp", Cause::Temporary),
    ("var/tmp", Cause::Temporary),
    ("usr/tmp", Cause::Temporary),
];

/// Directories by their name and that of the one above, wherever they are.
const NAMES: &[(&str, &str, Cause)] = &[
    // XDG base directory specification, `$XDG_CACHE_HOME`.
    ("", ".cache", Cause::Cache),
    // npm-config(7) `cache`, `logs-dir`.
    (".npm", "_cacache", Cause::Cache),
    (".npm", "_logs", Cause::Log),
    // The Cargo Book, "Cargo Home".
    (".cargo", "registry", Cause::Cache),
    ("cargo", "registry", Cause::Cache),
    // Gradle user manual, "Gradle User Home".
    (".gradle", "caches", Cause::Cache),
    // Maven, "Settings Reference", `localRepository`.
    (".m2", "repository", Cause::Cache),
    // Go, "Module cache": downloads, beside the sources that were unpacked.
    ("mod", "cache", Cause::Cache),
    // Composer, "COMPOSER_CACHE_DIR".
    (".composer", "cache", Cause::Cache),
    // Bundler and RubyGems: packages as they were downloaded.
    (".bundle", "cache", Cause::Cache),
    (".gem", "specs", Cause::Cache),
    // node-gyp README, "devdir".
    ("", ".node-gyp", Cause::Cache),
];

/// Version control: a directory, and an entry that it must have to be one.
const VERSION_CONTROL: &[(&str, &str)] = &[
    (".git", "HEAD"),          // gitrepository-layout(5)
    (".hg", "requires"),       // Mercurial wiki, "RequiresFile"
    (".svn", "wc.db"),         // Subversion 1.7 release notes
    (".bzr", "branch-format"), // Bazaar developer guide
];

/// First bytes of a cache directory's tag (bford.info/cachedir).
const TAG: &[u8] = b"CACHEDIR.TAG";

/// Returns what a directory is for; `path` is relative to the root.
pub(super) fn of_directory(tree: &Tree, node: NodeId, path: &[u8]) -> Option<Cause> {
    if let Some((_, cause)) = PATHS.iter().find(|(known, _)| known.as_bytes() == path) {
        return Some(*cause);
    }
    let name = tree.name(node);
    let above = tree.name(tree.parent(node));
    let named = |(parent, own, cause): &(&str, &str, Cause)| {
        (own.as_bytes() == name && (parent.is_empty() || parent.as_bytes() == above))
            .then_some(*cause)
    };
    if let Some(cause) = NAMES.iter().find_map(named) {
        return Some(cause);
    }
    let repository = |(own, mark): &(&str, &str)| {
        own.as_bytes() == name && tree.child(node, mark.as_bytes()).is_some()
    };
    if VERSION_CONTROL.iter().any(repository) {
        return Some(Cause::VersionControl);
    }
    // RubyGems keeps the downloaded packages beside the unpacked ones.
    let gems = name == b"cache" && tree.child(tree.parent(node), b"specifications").is_some();
    (gems || tree.child(node, TAG).is_some()).then_some(Cause::Cache)
}
