//! Settings: the paths that they name.

use std::collections::{BTreeSet, HashMap};

use layer::NodeId;
use layer::tree::resolve::Lookup;
use memchr::memmem;

use super::collector::Collector;
use super::{Edge, Error, Evidence, directories, manifests, mentioned, script, wanted};
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
        || path.starts_with(b"var/spool/cron/")
        || tree.name(node) == b"Procfile"
        || ENDINGS
            .iter()
            .any(|ending| path.ends_with(ending.as_bytes())))
        && !NOT_SETTINGS.iter().any(|other| path == other.as_bytes())
        && !manifests::is_lock(tree.name(node))
        && !is_for_its_developers(collector, node)
        && !super::started::looks_after_system(collector, node);
    if !is_setting || first.contains(&0) || tree.size(node) > LARGEST {
        return Ok(());
    }
    let text = collector.read(node, LARGEST)?;
    keep_paths(collector, node, &text);
    keep_relative_paths(collector, node, &text);
    super::started::examine(collector, node, &text)
}

/// Returns whether a file of a library that was installed is a setting of what its developers work with, who are not here:
/// `tsconfig.json`, `.eslintrc.json`.
fn is_for_its_developers(collector: &Collector<'_>, node: NodeId) -> bool {
    let name = collector.tree().name(node);
    let is_of_tool = name.starts_with(b".") || manifests::is_manifest(name);
    is_of_tool && collector.units.of(node).is_some()
}

/// Keeps the files that relative paths in a setting lead to, from the directory of the setting or one
/// above it that is not shared: `load_module modules/x.so` below `/usr/share/nginx`.
fn keep_relative_paths(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    let tree = collector.tree();
    let above = std::iter::successors(Some(tree.parent(node)), |node| Some(tree.parent(*node)));
    let bases: Vec<NodeId> = above
        .take_while(|directory| {
            *directory != tree.root() && !directories::is_shared(tree, *directory)
        })
        .collect();
    for word in text.split(|b| b.is_ascii_whitespace() || b";,=\"'<>()[]{}|".contains(b)) {
        let could_be = word.first().is_some_and(u8::is_ascii_alphanumeric)
            && (2..256).contains(&word.len())
            && !word.contains(&b':');
        if !could_be {
            continue;
        }
        // A word alone is a name only of a directory beside the setting: `include_dir 'conf.d'`.
        let is_path = word.contains(&b'/');
        let bases = if is_path {
            &bases[..]
        } else {
            &bases[..bases.len().min(1)]
        };
        for base in bases {
            let Ok(found) = tree.resolve_at(*base, word, Lookup::STAT) else {
                continue;
            };
            if tree.content(found.node).is_some() == is_path {
                let edge = Edge::new(Some(node), Evidence::Path, word);
                mentioned::keep_mentioned(collector, *base, word, &edge);
            }
            break;
        }
    }
}

/// Keeps what the source of an application names, in whatever language it is: paths in it stand for files
/// that it reads (`STATIC_ROOT = "/srv/static"`).
pub(super) fn examine_own(collector: &mut Collector<'_>, node: NodeId) -> Result<(), Error> {
    if collector.tree().size(node) <= LARGEST {
        let text = collector.read(node, LARGEST)?;
        keep_paths(collector, node, &text);
        keep_server_side(collector, node, &text)?;
    }
    Ok(())
}

/// Keeps what pages have a web server run when they are asked for: `<!--#exec cmd="date" -->` (Apache HTTP Server,
/// "mod_include"; lighttpd, "mod_ssi"). It gives the line to a shell.
fn keep_server_side(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) -> Result<(), Error> {
    const COMMAND: &[u8] = b"cmd=";
    for at in memmem::find_iter(text, b"<!--#exec") {
        let directive = &text[at..];
        let end = memmem::find(directive, b"-->").unwrap_or(0);
        let directive = &directive[..end];
        let Some(at) = memmem::find(directive, COMMAND) else {
            continue;
        };
        let Some((quote, line)) = directive[at + COMMAND.len()..]
            .split_first()
            .filter(|(quote, _)| b"\"'".contains(quote))
        else {
            continue;
        };
        let line = line.split(|byte| byte == quote).next().unwrap_or_default();
        let edge = Edge::new(Some(node), Evidence::ScriptCommand, line);
        collector.keep_command(b"sh", &edge);
        script::keep_shell_text(collector, line, &edge)?;
    }
    Ok(())
}

/// Keeps what the absolute paths and patterns in a text lead to.
pub(super) fn keep_paths(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    let root = collector.tree().root();
    let named = config::paths_in_text(text);
    for path in named.paths.iter().chain(&named.patterns) {
        let edge = Edge::new(Some(node), Evidence::Path, path);
        mentioned::keep_mentioned(collector, root, path, &edge);
    }
    for name in &named.objects {
        keep_object(collector, node, name);
    }
}

/// Keeps the shared objects that a setting names without saying where they are: a program looks in a
/// directory that is compiled in.
fn keep_object(collector: &mut Collector<'_>, node: NodeId, name: &[u8]) {
    let tree = collector.tree();
    let index = collector.objects.get_or_insert_with(|| {
        let mut index: HashMap<Vec<u8>, Vec<NodeId>> = HashMap::new();
        for node in tree.walk(tree.root()) {
            if tree.name(node).ends_with(b".so") && !tree.is_directory(node) {
                index
                    .entry(tree.name(node).to_vec())
                    .or_default()
                    .push(node);
            }
        }
        index
    });
    let last = name.rsplit(|b| *b == b'/').next().unwrap_or(name);
    let found = index.get(last).cloned().unwrap_or_default();
    let tail = [b"/", name].concat();
    let exact = found
        .iter()
        .any(|object| tree.absolute(*object).ends_with(&tail));
    for object in found {
        if exact && !tree.absolute(object).ends_with(&tail) {
            continue;
        }
        let edge = Edge::new(Some(node), Evidence::Path, name);
        collector.keep(object, edge);
    }
}

/// Keeps the settings beside those that are kept: a program's own directory below `/etc` is small, and read
/// by patterns that stand in it (`!include conf.d/*.conf`).
pub(super) fn complete(collector: &mut Collector<'_>) -> Result<(), Error> {
    let tree = collector.tree();
    let Ok(etc) = tree.resolve(b"/etc") else {
        return Ok(());
    };
    let own = tree.children(etc.node).into_iter().filter(|directory| {
        tree.is_directory(*directory) && !directories::is_shared(tree, *directory)
    });
    let mut done = BTreeSet::new();
    loop {
        let used = |directory: &NodeId| {
            let files = tree.walk(*directory).skip(1);
            files
                .into_iter()
                .any(|node| !tree.is_directory(node) && collector.graph.keeps(node))
        };
        let new: Vec<NodeId> = own
            .clone()
            .filter(|directory| !done.contains(directory) && used(directory))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        for directory in new {
            done.insert(directory);
            let edge = Edge::new(
                Some(directory),
                Evidence::Directory,
                "settings beside those that are kept",
            );
            for node in tree
                .walk(directory)
                .skip(1)
                .filter(|node| wanted::is_wanted(tree, *node))
            {
                collector.keep(node, edge.clone());
            }
        }
        collector.run()?;
    }
}
