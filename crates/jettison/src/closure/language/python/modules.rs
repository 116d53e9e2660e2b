//! Where modules are: the import system's way through directories (Python Language
//! Reference, chapter 5; PEP 420).

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

pub(super) fn is_in_site(tree: &Tree, node: NodeId) -> bool {
    let mut at = node;
    while at != tree.root() {
        if [&b"site-packages"[..], b"dist-packages"].contains(&tree.name(at)) {
            return true;
        }
        at = tree.parent(at);
    }
    false
}

/// Returns the files that importing a module leads to below a directory: the
/// packages on the way, the module, and what is imported from it.
pub(super) fn locate(tree: &Tree, top: NodeId, module: &str, names: &[String]) -> Vec<NodeId> {
    let mut at = top;
    let mut found = Vec::new();
    for part in module.split('.').filter(|part| !part.is_empty()) {
        match step(tree, at, part) {
            Some(Step::Package(directory, init)) => {
                found.extend(init);
                at = directory;
            }
            Some(Step::Module(file)) => {
                found.push(file);
                return found;
            }
            None => return found,
        }
    }
    let before = found.len();
    for name in names {
        match step(tree, at, name) {
            Some(Step::Package(_, Some(file)) | Step::Module(file)) => found.push(file),
            Some(Step::Package(directory, None)) => found.push(directory),
            None => {}
        }
    }
    let is_name_space = at != top && init(tree, at).is_none();
    if is_name_space && found.len() == before {
        found.push(at);
    }
    found
}

enum Step {
    /// A directory, and its `__init__` unless it is a name space (PEP 420).
    Package(NodeId, Option<NodeId>),
    Module(NodeId),
}

fn step(tree: &Tree, at: NodeId, name: &str) -> Option<Step> {
    let directory = tree
        .child(at, name.as_bytes())
        .and_then(|node| match tree.link_target(node) {
            Some(_) => Some(
                tree.resolve_at(at, name.as_bytes(), Lookup::STAT)
                    .ok()?
                    .node,
            ),
            None => Some(node),
        });
    let directory = directory.filter(|node| tree.is_directory(*node));
    if let Some(directory) = directory
        && let Some(init) = init(tree, directory)
    {
        return Some(Step::Package(directory, Some(init)));
    }
    if let Some(file) = file(tree, at, name) {
        return Some(Step::Module(file));
    }
    directory.map(|directory| Step::Package(directory, None))
}

fn init(tree: &Tree, directory: NodeId) -> Option<NodeId> {
    file(tree, directory, "__init__")
}

/// Returns the file of a module: source, byte code without source, or an extension.
fn file(tree: &Tree, at: NodeId, name: &str) -> Option<NodeId> {
    let source = tree.child(at, format!("{name}.py").as_bytes());
    source.or_else(|| {
        tree.unsorted_children(at).find(|node| {
            let rest = tree.name(*node).strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| {
                rest.starts_with(b".") && (rest.ends_with(b".so") || rest == b".pyc")
            })
        })
    })
}
