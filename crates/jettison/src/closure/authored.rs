//! What the author of an image put there: files that COPY and ADD brought, what RUN made under a
//! name that it says, and data that RUN made where data belongs.
//!
//! Who copies a file in means it for the application, however that puts the name together at
//! run time: from a string of a Go program, a variable that an orchestrator sets, a
//! command that somebody runs in the container. So these files stay, but for what builds need.
//! They came along: what they name is not followed, unless they are
//! commands, in a directory of PATH, or settings, below `/etc`. Scripts that can be executed
//! wait to be: their interpreter stays, and what they import.
//!
//! The history tells which layer is whose (OCI image configuration, `history`). A layer
//! that brings a system is a base, whoever copied it.

mod named;

use std::collections::{BTreeSet, HashSet};

use layer::NodeId;

use super::caches::is_cache;
use super::collector::Collector;
use super::wanted::{is_version_control, is_wanted};
use super::{Edge, Evidence, Level};
use crate::instructions;
use crate::packages::classes::Class;
use crate::script::{self, Dialect};

/// What a layer is to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// COPY or ADD.
    Copied,
    /// RUN, and it says the name.
    Named,
    /// RUN.
    Ran,
    /// A base, or nobody knows.
    Unknown,
}

/// "Data for services provided by this system", "variable data of add-on packages" (FHS 3.0, 3.17 and 5.12),
/// and what web servers serve (Debian policy 11.5).
const FOR_DATA: &[&[u8]] = &[b"srv/", b"var/opt/", b"var/www/"];

/// Directories for what is thrown away (FHS 3.0, 3.18, 5.5 and 5.15), for building (4.5), and
/// for installing: apt(8) "FILES", and the trust in its sources.
const FOR_OTHERS: &[&[u8]] = &[
    b"tmp/",
    b"var/tmp/",
    b"var/cache/",
    b"run/",
    b"dev/",
    b"proc/",
    b"sys/",
    b"usr/include/",
    b"etc/apt/",
    b"usr/share/keyrings/",
];

/// Directories in which even those that were made by name are of no use at run time: a runtime
/// mounts its own there (OCI runtime specification, "Default Filesystems"), or they are for installing.
const BUILDS_OWN: &[&[u8]] = &[
    b"dev/",
    b"proc/",
    b"sys/",
    b"tmp/",
    b"var/tmp/",
    b"var/cache/apt/",
    b"var/lib/apt/",
    b"etc/apt/",
    b"usr/share/keyrings/",
];

/// A file that the author put there, and the instruction that did.
pub(super) struct Put {
    node: NodeId,
    origin: Origin,
    instruction: String,
}

/// Finds what the author put there, and notes what has a name there.
pub(super) fn find(collector: &mut Collector<'_>) -> Vec<Put> {
    if collector.input.options.level == Level::Traced {
        return Vec::new();
    }
    let config = collector.input.config;
    let layers = instructions::of_config(config);
    let mut origins: Vec<Origin> = layers.iter().map(|made| origin(&made.text)).collect();
    for base in systems(collector) {
        if let Some(origin) = origins.get_mut(base as usize) {
            *origin = Origin::Unknown;
        }
    }
    if origins.iter().all(|origin| *origin == Origin::Unknown) {
        return Vec::new();
    }
    let tree = collector.tree();
    let environment: Vec<(Vec<u8>, Vec<u8>)> = collector.environment.clone().into_iter().collect();
    let named: Vec<BTreeSet<NodeId>> = layers
        .iter()
        .zip(&origins)
        .map(|(made, origin)| match made.text.strip_prefix("RUN ") {
            Some(command) if *origin == Origin::Ran => named::named_by(tree, command, &environment),
            _ => BTreeSet::new(),
        })
        .collect();
    let mut found = Vec::new();
    for node in tree.walk(tree.root()) {
        let of = |layer: usize| origins.get(layer).copied().unwrap_or(Origin::Unknown);
        // `RUN chmod` copies what COPY brought to another layer.
        let layers_of = [tree.since(node), tree.layer(node)].map(|layer| layer as usize);
        let mut both = layers_of.into_iter();
        let copied = both.clone().find(|layer| of(*layer) == Origin::Copied);
        let says = both.find(|layer| named.get(*layer).is_some_and(|all| all.contains(&node)));
        let (layer, origin) = match (copied, says) {
            (Some(layer), _) => (layer, Origin::Copied),
            (None, Some(layer)) => (layer, Origin::Named),
            (None, None) => (layers_of[1], of(layers_of[1])),
        };
        if origin == Origin::Unknown || !is_of_application(collector, node, origin) {
            continue;
        }
        found.push(Put {
            node,
            origin,
            instruction: layers[layer].text.chars().take(200).collect(),
        });
    }
    let by_name = found.iter().filter(|put| put.origin != Origin::Ran);
    collector.authored = by_name.map(|put| put.node).collect();
    found
}

/// Keeps it.
pub(super) fn keep(collector: &mut Collector<'_>, found: Vec<Put>) {
    let tree = collector.tree();
    for put in found {
        let node = put.node;
        let script = match put.origin {
            Origin::Copied | Origin::Named => executable_script(collector, node),
            Origin::Ran | Origin::Unknown => None,
        };
        // The author's commands, and settings of the system, are meant to be used. Of a shell's
        // scripts many are for other places: where it is built, where it is deployed.
        let is_meant = is_command(collector, node)
            || tree.path(node).starts_with(b"etc/")
            || script
                .as_ref()
                .is_some_and(|name| Dialect::of(name).is_none());
        let evidence = match is_meant && put.origin != Origin::Ran {
            true => Evidence::Application,
            false => Evidence::Authored,
        };
        collector.keep(node, Edge::new(None, evidence, put.instruction));
        // Of what is needed for certain it stays anyway.
        if let Some(interpreter) = script.filter(|_| evidence == Evidence::Authored) {
            let edge = Edge::new(Some(node), Evidence::Interpreter, &interpreter);
            collector.keep_command(&interpreter, &edge);
        }
    }
}

/// Returns the interpreter of a script that can be executed as it is, and is not part of what a
/// language installed.
fn executable_script(collector: &Collector<'_>, node: NodeId) -> Option<Vec<u8>> {
    let tree = collector.tree();
    if tree.mode(node) & 0o111 == 0
        || tree.content(node).is_none()
        || collector.units.of(node).is_some()
    {
        return None;
    }
    let first = collector.read(node, 256).ok()?;
    script::shebang(&first).map(|first| first.program())
}

fn origin(instruction: &str) -> Origin {
    let word = instruction.split_ascii_whitespace().next();
    match word.unwrap_or_default().to_ascii_uppercase().as_str() {
        "COPY" | "ADD" => Origin::Copied,
        "RUN" => Origin::Ran,
        _ => Origin::Unknown,
    }
}

/// Returns the layers that bring a system: os-release(5), a shell, or packages that every system has.
fn systems(collector: &Collector<'_>) -> HashSet<u32> {
    let tree = collector.tree();
    let packages = collector.input.packages;
    let mut found: HashSet<u32> = [
        "etc/os-release",
        "usr/lib/os-release",
        "bin/sh",
        "usr/bin/sh",
    ]
    .iter()
    .filter_map(|path| tree.lookup(path.as_bytes()))
    .flat_map(|node| [tree.since(node), tree.layer(node)])
    .collect();
    for id in &collector.base {
        let files = packages.files(*id).iter();
        found.extend(
            files
                .filter(|node| !tree.is_directory(**node))
                .flat_map(|node| [tree.since(*node), tree.layer(*node)]),
        );
    }
    found
}

fn is_of_application(collector: &Collector<'_>, node: NodeId, origin: Origin) -> bool {
    let tree = collector.tree();
    if collector.input.packages.owner(node).is_some()
        || tree.is_directory(node) && !tree.children(node).is_empty()
        || !is_wanted(tree, node) && !is_housekeeping(Class::of(&tree.path(node)))
    {
        return false;
    }
    let path = tree.path(node);
    let is_below = |places: &[&[u8]]| places.iter().any(|place| path.starts_with(place));
    let is_in_place = match origin {
        // A directory that was made is there to be written to.
        Origin::Named if tree.is_directory(node) => !is_below(BUILDS_OWN),
        Origin::Copied | Origin::Named => !is_below(FOR_OTHERS),
        Origin::Ran => is_below(FOR_DATA),
        Origin::Unknown => false,
    };
    let mut above = std::iter::successors(Some(node), |node| {
        (*node != tree.root()).then(|| tree.parent(*node))
    });
    is_in_place && !above.any(|node| is_version_control(tree.name(node)) || is_cache(tree, node))
}

/// Returns whether files of a class are for what runs from time to time: of the author's own, that is in the container.
fn is_housekeeping(class: Class) -> bool {
    matches!(class, Class::CronJob | Class::Logrotate)
}

/// Returns whether people could run it by its name.
fn is_command(collector: &Collector<'_>, node: NodeId) -> bool {
    let tree = collector.tree();
    let directory = tree.absolute(tree.parent(node));
    let in_path = |entry: &Vec<u8>| {
        *entry == directory
            || tree
                .resolve(entry)
                .is_ok_and(|found| found.node == tree.parent(node))
    };
    tree.content(node).is_some()
        && tree.mode(node) & 0o111 != 0
        && collector.path.iter().any(in_path)
}
