//! Run times of languages in general: an interpreter needs its modules.
//!
//! The rule for languages of which nothing better is known ([`super::language`]). The
//! modules of an interpreter are the data of its package and of the packages of data that it depends on, and the directories below a
//! `lib`, `share` or `etc` that bear its name, which is where every one of these
//! languages looks.

use layer::NodeId;

use super::collector::Collector;
use super::directories::is_shared;
use super::wanted::is_wanted;
use super::{Edge, Evidence, package};

/// Keeps the modules of an interpreter, or of the library that is one.
pub(super) fn keep(collector: &mut Collector<'_>, interpreter: NodeId) {
    if !collector
        .facts
        .insert(super::facts::Fact::Runtime(interpreter))
    {
        return;
    }
    let packages = collector.input.packages;
    let tree = collector.tree();
    if let Some(owner) = packages.owner(interpreter) {
        for id in packages.depends_closure([owner]) {
            // Data is in packages of data, or in others of the same source.
            let package = packages.package(id);
            let is_data = matches!(package.architecture.as_str(), "all" | "noarch");
            let is_own = packages.are_siblings(id, owner);
            if id != owner && (collector.base.contains(&id) || !is_data && !is_own) {
                continue;
            }
            package::keep_data(collector, id, interpreter, |node| {
                !is_shared(tree, tree.parent(node))
            });
        }
    }
    keep_named_directories(collector, interpreter);
}

/// Keeps `lib/python3.11`, `share/perl5`, `etc/php` and the like, below the
/// prefix of the interpreter, `/usr`, `/usr/local` and the root.
fn keep_named_directories(collector: &mut Collector<'_>, interpreter: NodeId) {
    let tree = collector.tree();
    let name = tree.name(interpreter);
    let name = name.strip_prefix(b"lib").unwrap_or(name);
    let stem: Vec<u8> = name
        .iter()
        .copied()
        .take_while(u8::is_ascii_alphabetic)
        .collect();
    if stem.len() < 2 {
        return;
    }
    let prefix = tree.parent(tree.parent(interpreter));
    let known = ["/usr", "/usr/local", "/"].map(|path| tree.resolve(path.as_bytes()));
    let mut prefixes: Vec<NodeId> = known
        .into_iter()
        .filter_map(|found| Some(found.ok()?.node))
        .collect();
    if !prefixes.contains(&prefix) {
        prefixes.push(prefix);
    }
    for prefix in prefixes {
        for place in ["lib", "lib64", "share", "etc"] {
            let Some(place) = tree.child(prefix, place.as_bytes()) else {
                continue;
            };
            let multiarch = tree
                .children(place)
                .into_iter()
                .filter(|node| memchr::memmem::find(tree.name(*node), b"-linux-").is_some());
            for place in multiarch.chain([place]) {
                let named = tree
                    .children(place)
                    .into_iter()
                    .filter(|node| tree.is_directory(*node) && tree.name(*node).starts_with(&stem));
                for directory in named.collect::<Vec<_>>() {
                    let edge = Edge::new(
                        Some(interpreter),
                        Evidence::Module,
                        tree.absolute(directory),
                    );
                    collector.keep_below(directory, &edge, |node| is_wanted(tree, node));
                }
            }
        }
    }
}
