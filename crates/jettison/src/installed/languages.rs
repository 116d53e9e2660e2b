//! Packages of languages, found by the files that their installers leave.

use image::FileSystem;
use layer::{NodeId, Tree};

use super::{Installed, InstalledPackage, Manager};

/// Largest description of a package that is read.
const MAX_DESCRIPTION: u64 = 8 << 20;

/// Finds packages of all languages and claims their files.
pub(super) fn read(files: &FileSystem, installed: &mut Installed) {
    let tree = &files.tree;
    let mut found = Vec::new();
    for node in tree.all_nodes().filter(|node| !tree.is_removed(*node)) {
        let name = tree.name(node);
        let is_directory = tree.is_directory(node);
        if is_directory && (name.ends_with(b".dist-info") || name.ends_with(b".egg-info")) {
            found.push((Manager::Pip, node));
        } else if !is_directory && name == b"package.json" {
            found.push((Manager::Npm, node));
        } else if !is_directory && name.ends_with(b".gemspec") {
            found.push((Manager::Gem, node));
        } else if !is_directory && name.ends_with(b".jar") {
            found.push((Manager::Maven, node));
        }
    }
    // Packages within packages first, so that what is nested is its own.
    found.sort_by_cached_key(|(_, node)| std::cmp::Reverse(tree.path(*node)));
    for (manager, node) in found {
        let package = match manager {
            Manager::Pip => wheel(files, node),
            Manager::Npm => npm(files, node),
            Manager::Gem => gem(tree, node),
            _ => jar(tree, node),
        };
        let Some(Described {
            name,
            version,
            place,
            nodes,
        }) = package
        else {
            continue;
        };
        let added = installed.add(InstalledPackage {
            manager,
            name,
            version,
            place: Some(place),
            purpose: None,
        });
        let mut own = 0;
        for node in nodes {
            own += usize::from(installed.claim(added, node));
        }
        if own == 0 {
            installed.packages.pop(); // the distribution's, or another's
        }
    }
}

struct Described {
    name: String,
    version: String,
    place: NodeId,
    nodes: Vec<NodeId>,
}

/// Python: core metadata and the record of files (PEP 376, PEP 627); of an egg
/// (setuptools) the modules that `top_level.txt` names.
fn wheel(files: &FileSystem, info: NodeId) -> Option<Described> {
    let tree = &files.tree;
    let site = tree.parent(info);
    let metadata = text(files, tree.child(info, b"METADATA"))
        .or_else(|| text(files, tree.child(info, b"PKG-INFO")))?;
    let field = |key: &str| {
        let mut lines = metadata.lines().take_while(|line| !line.is_empty());
        lines.find_map(|line| line.strip_prefix(key).map(|value| value.trim().to_owned()))
    };
    let mut nodes = below(tree, info, None);
    if let Some(record) = text(files, tree.child(info, b"RECORD")) {
        for line in record.lines() {
            // `path,hash,size`; a path with a comma or a quote is quoted (RFC 4180).
            let path = match line.strip_prefix('"') {
                Some(quoted) => quoted.split_once("\",").map_or(quoted, |(path, _)| path),
                None => line.split(',').next().unwrap_or_default(),
            };
            let path = path.replace("\"\"", "\"");
            let how = layer::tree::resolve::Lookup::LSTAT;
            if let Ok(found) = tree.resolve_at(site, path.as_bytes(), how) {
                nodes.push(found.node);
            }
        }
    } else {
        let modules = text(files, tree.child(info, b"top_level.txt")).unwrap_or_default();
        for module in modules.lines().map(str::trim).filter(|m| !m.is_empty()) {
            if let Some(directory) = tree.child(site, module.as_bytes()) {
                nodes.extend(below(tree, directory, None));
            }
            nodes.extend(tree.child(site, format!("{module}.py").as_bytes()));
        }
    }
    nodes.retain(|node| !tree.is_directory(*node));
    Some(Described {
        name: field("Name:")?,
        version: field("Version:").unwrap_or_default(),
        place: site,
        nodes,
    })
}

/// npm: `node_modules/NAME` or `node_modules/@SCOPE/NAME`, without what is nested.
fn npm(files: &FileSystem, description: NodeId) -> Option<Described> {
    let tree = &files.tree;
    let directory = tree.parent(description);
    let above = tree.parent(directory);
    let own = String::from_utf8_lossy(tree.name(directory));
    let name = if tree.name(above) == b"node_modules" {
        own.into_owned()
    } else if tree.name(above).starts_with(b"@") && tree.name(tree.parent(above)) == b"node_modules"
    {
        format!("{}/{own}", String::from_utf8_lossy(tree.name(above)))
    } else {
        return None;
    };
    let json: serde_json::Value = serde_json::from_str(&text(files, Some(description))?).ok()?;
    Some(Described {
        name,
        version: json["version"].as_str().unwrap_or_default().to_owned(),
        place: directory,
        nodes: below(tree, directory, Some(b"node_modules")),
    })
}

/// RubyGems: `specifications/NAME-VERSION.gemspec` beside `gems/NAME-VERSION`.
fn gem(tree: &Tree, specification: NodeId) -> Option<Described> {
    let specifications = tree.parent(specification);
    if tree.name(specifications) != b"specifications" {
        return None;
    }
    let full = tree.name(specification).strip_suffix(b".gemspec")?;
    let gems = tree.child(tree.parent(specifications), b"gems")?;
    let directory = tree.child(gems, full)?;
    let (name, version) = named_version(full)?;
    let mut nodes = below(tree, directory, None);
    nodes.push(specification);
    Some(Described {
        name,
        version,
        place: directory,
        nodes,
    })
}

/// Java: `NAME-VERSION.jar`, as Maven and Gradle name archives.
fn jar(tree: &Tree, archive: NodeId) -> Option<Described> {
    let (name, version) = named_version(tree.name(archive).strip_suffix(b".jar")?)?;
    Some(Described {
        name,
        version,
        place: tree.parent(archive),
        nodes: vec![archive],
    })
}

/// Splits `NAME-VERSION` before the first part that begins with a digit.
fn named_version(full: &[u8]) -> Option<(String, String)> {
    let full = std::str::from_utf8(full).ok()?;
    let at = full
        .match_indices('-')
        .find(|(at, _)| full[at + 1..].starts_with(|c: char| c.is_ascii_digit()))?
        .0;
    Some((full[..at].to_owned(), full[at + 1..].to_owned()))
}

/// Returns the files below a directory, leaving out directories of one name.
fn below(tree: &Tree, directory: NodeId, without: Option<&[u8]>) -> Vec<NodeId> {
    let mut nodes = Vec::new();
    let mut pending = vec![directory];
    while let Some(node) = pending.pop() {
        if !tree.is_directory(node) {
            nodes.push(node);
            continue;
        }
        let wanted = |child: &NodeId| Some(tree.name(*child)) != without;
        pending.extend(tree.unsorted_children(node).filter(wanted));
    }
    nodes
}

fn text(files: &FileSystem, node: Option<NodeId>) -> Option<String> {
    let content = files.tree.content(node?)?;
    let bytes = files.contents.read(content, MAX_DESCRIPTION).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
