//! Settings: the paths that they name.

use layer::NodeId;
use layer::tree::resolve::Lookup;

use super::collector::Collector;
use super::command::Caller;
use super::{Error, Evidence, directories};
use crate::script::config;

/// Settings above this size are data.
const LARGEST: u64 = 1 << 20;

/// Endings of settings outside of `/etc`.
const ENDINGS: &[&str] = &[
    ".conf",
    ".cnf",
    ".cfg",
    ".ini",
    ".json",
    ".yaml",
    ".yml",
    ".toml",
    ".xml",
    ".properties",
    ".load",
    ".env",
    ".cache",
];

/// Files whose paths say nothing about what is opened: the shells and homes of
/// users (passwd(5), shells(5)), programs for types of files (mailcap(5)).
const NOT_SETTINGS: &[&str] = &[
    "etc/passwd",
    "etc/passwd-",
    "etc/shells",
    "etc/mailcap",
    "etc/ld.so.cache",
    "etc/adduser.conf",
];

/// Keeps what a kept text file names, if it is a setting.
pub(super) fn examine(
    collector: &mut Collector<'_>,
    node: NodeId,
    first: &[u8],
) -> Result<(), Error> {
    let tree = collector.tree();
    let path = tree.path(node);
    let is_setting = (path.starts_with(b"etc/")
        || ENDINGS
            .iter()
            .any(|ending| path.ends_with(ending.as_bytes())))
        && !NOT_SETTINGS.iter().any(|other| path == other.as_bytes());
    if !is_setting || first.contains(&0) || tree.size(node) > LARGEST {
        return Ok(());
    }
    let text = collector.read(node, LARGEST)?;
    keep_paths(collector, node, &text);
    keep_relative_paths(collector, node, &text);
    Ok(())
}

/// Keeps the files that relative paths in a setting lead to, from the directory of the setting or one
/// above it that is not shared: `load_module modules/x.so` below `/usr/share/nginx`.
fn keep_relative_paths(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    let tree = collector.tree();
    let above = std::iter::successors(Some(tree.parent(node)), |node| Some(tree.parent(*node)));
    let bases: Vec<NodeId> = above
        .take_while(|directory| *directory != tree.root() && !directories::is_shared(tree, *directory))
        .collect();
    for word in text.split(|b| b.is_ascii_whitespace() || b";,=\"'<>()[]{}|".contains(b)) {
        let is_path = word.contains(&b'/')
            && word.first().is_some_and(u8::is_ascii_alphanumeric)
            && word.len() < 256
            && !word.contains(&b':');
        if !is_path {
            continue;
        }
        for base in &bases {
            let Ok(found) = tree.resolve_at(*base, word, Lookup::STAT) else {
                continue;
            };
            if tree.content(found.node).is_some() {
                let detail = String::from_utf8_lossy(word).into_owned();
                let caller = Caller {
                    from: Some(node),
                    evidence: Evidence::Path,
                    detail: &detail,
                };
                directories::keep_mentioned(collector, *base, word, caller);
            }
            break;
        }
    }
}

/// Keeps what the absolute paths and patterns in a text lead to.
pub(super) fn keep_paths(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    let root = collector.tree().root();
    let named = config::paths_in_text(text);
    for path in named.paths.iter().chain(&named.patterns) {
        let detail = String::from_utf8_lossy(path).into_owned();
        let caller = Caller {
            from: Some(node),
            evidence: Evidence::Path,
            detail: &detail,
        };
        directories::keep_mentioned(collector, root, path, caller);
    }
}
