//! What Node.js has installed: packages in directories named `node_modules`, and
//! where Debian puts its own (Debian JavaScript policy, "Node.js modules").

use std::collections::{BTreeMap, HashMap};

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

use super::manifest::{self, Manifest};
use crate::closure::collector::Collector;
use crate::closure::units::{Extent, Owner, UnitId};
use crate::closure::wanted::is_wanted;
use fast_glob::glob_match;

/// An installed package.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) directory: NodeId,
    pub(super) manifest: Manifest,
    /// Documentation, which some programs show.
    documents: Vec<NodeId>,
    /// Types, which only compilers read.
    types: Vec<NodeId>,
}

/// Everything that is installed.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) packages: BTreeMap<UnitId, Package>,
    pub(super) by_directory: HashMap<NodeId, UnitId>,
    /// Directories of packages that are found from anywhere.
    pub(super) everywhere: Vec<NodeId>,
}

/// Where Debian's Node.js looks besides.
const EVERYWHERE: &[&str] = &[
    "usr/share/nodejs",
    "usr/lib/nodejs",
    "usr/lib/*-linux-*/nodejs",
];

/// Finds everything that is installed.
pub(super) fn build(collector: &mut Collector<'_>) -> Index {
    let tree = collector.tree();
    let mut index = Index::default();
    let mut tops = Vec::new();
    for node in tree
        .walk(tree.root())
        .filter(|node| tree.is_directory(*node))
    {
        let everywhere = || {
            let path = tree.path(node);
            path.ends_with(b"/nodejs")
                && EVERYWHERE
                    .iter()
                    .any(|pattern| glob_match(pattern.as_bytes(), &path))
        };
        if tree.name(node) == b"node_modules" {
            // Yarn's Plug'n'Play has its own ways into what it unpacked (`.pnp.cjs`).
            if !tree
                .path(node)
                .split(|b| *b == b'/')
                .any(|part| part == b".yarn")
            {
                tops.push(node);
            }
        } else if everywhere() {
            tops.push(node);
            index.everywhere.push(node);
        }
    }
    let node_path = collector
        .input
        .config
        .env_var("NODE_PATH")
        .unwrap_or_default();
    for path in node_path.split(':').filter(|path| !path.is_empty()) {
        if let Ok(found) = tree.resolve(path.as_bytes()) {
            index.everywhere.push(found.node);
        }
    }
    if tops.is_empty() {
        return index;
    }
    let never = collector.units.add(Owner::Node, "nothing", Extent::Single);
    for top in &tops {
        for (name, directory) in packages(tree, *top) {
            if tree.is_directory(directory) {
                add(collector, &mut index, &name, directory, never);
            }
        }
        for file in own_files(tree, *top) {
            collector.units.assign(file, never);
        }
    }
    for top in &tops {
        let links = packages(tree, *top).into_iter().map(|(_, node)| node);
        let programs = tree
            .child(*top, b".bin")
            .map(|bin| tree.children(bin))
            .unwrap_or_default();
        for link in links
            .chain(programs)
            .filter(|node| tree.link_target(*node).is_some())
        {
            assign_link(collector, &index, link);
        }
    }
    index
}

/// Returns the entries of a directory of packages, those of scopes among them.
fn packages(tree: &Tree, top: NodeId) -> Vec<(String, NodeId)> {
    let mut found = Vec::new();
    for entry in tree.children(top) {
        let name = String::from_utf8_lossy(tree.name(entry)).into_owned();
        if name.starts_with('@') && tree.is_directory(entry) {
            let scoped = tree.children(entry).into_iter();
            found.extend(scoped.map(|node| {
                (
                    format!("{name}/{}", String::from_utf8_lossy(tree.name(node))),
                    node,
                )
            }));
        } else if ![".bin", ".cache", ".pnpm", ".store", ".vite"].contains(&name.as_str()) {
            found.push((name, entry));
        }
    }
    found
}

/// What installers note for themselves, and caches of build tools.
fn own_files(tree: &Tree, top: NodeId) -> Vec<NodeId> {
    let notes = tree
        .children(top)
        .into_iter()
        .filter(|node| !tree.is_directory(*node) && tree.name(*node).starts_with(b"."));
    let caches = [&b".cache"[..], b".vite"]
        .into_iter()
        .filter_map(|name| tree.child(top, name));
    let caches = caches
        .flat_map(|cache| tree.walk(cache))
        .filter(|node| !tree.is_directory(*node));
    notes
        .filter(|node| tree.link_target(*node).is_none())
        .chain(caches)
        .collect()
}

fn assign_link(collector: &mut Collector<'_>, index: &Index, link: NodeId) {
    let tree = collector.tree();
    let Some(target) = tree.link_target(link) else {
        return;
    };
    let Ok(found) = tree.resolve_at(tree.parent(link), target, Lookup::STAT) else {
        return;
    };
    let unit = index.by_directory.get(&found.node).copied();
    if let Some(unit) = unit.or_else(|| collector.units.of(found.node)) {
        collector.units.assign(link, unit);
    }
}

fn add(
    collector: &mut Collector<'_>,
    index: &mut Index,
    name: &str,
    directory: NodeId,
    never: UnitId,
) {
    let tree = collector.tree();
    let text = tree
        .child(directory, b"package.json")
        .and_then(|node| collector.read(node, manifest::MAX_MANIFEST).ok());
    let manifest = text.map(|text| manifest::parse(&text)).unwrap_or_default();
    let unit = collector.units.add(Owner::Node, name, Extent::Whole);
    let mut tests = None;
    let mut package = Package {
        directory,
        manifest,
        documents: Vec::new(),
        types: Vec::new(),
    };
    let mut pending = vec![(directory, false)];
    while let Some((at, in_tests)) = pending.pop() {
        for node in tree.children(at) {
            let name = tree.name(node);
            if tree.is_directory(node) {
                if name != b"node_modules" {
                    let is_top = at == directory;
                    let is_tests =
                        name == b"__tests__" || is_top && matches!(name, b"test" | b"tests");
                    pending.push((node, in_tests || is_tests));
                }
                continue;
            }
            let kind = match in_tests {
                true => Kind::Test,
                false => kind(collector, node, directory),
            };
            let unit = match kind {
                Kind::Code => unit,
                Kind::Test => *tests.get_or_insert_with(|| {
                    let name = format!("tests of {}", collector.units.name(unit));
                    collector.units.add(Owner::Node, &name, Extent::Whole)
                }),
                Kind::Document => {
                    package.documents.push(node);
                    never
                }
                Kind::Types => {
                    package.types.push(node);
                    never
                }
                Kind::Never => never,
            };
            collector.units.assign(node, unit);
        }
    }
    index.by_directory.insert(directory, unit);
    index.packages.insert(unit, package);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Test,
    Document,
    Types,
    Never,
}

/// Returns what a file of a package is for.
fn kind(collector: &Collector<'_>, node: NodeId, package: NodeId) -> Kind {
    let tree = collector.tree();
    let name = tree.name(node);
    let ends = |endings: &[&str]| {
        endings
            .iter()
            .any(|ending| name.ends_with(ending.as_bytes()))
    };
    if ends(&[".md", ".markdown"]) {
        return Kind::Document;
    }
    // Node.js refuses to strip types below `node_modules` (its documentation, "Modules: TypeScript").
    if ends(&[".ts", ".mts", ".cts", ".tsx", ".flow"]) {
        return Kind::Types;
    }
    // Positions in sources for debuggers; and records of compilers.
    if ends(&[
        ".js.map",
        ".mjs.map",
        ".cjs.map",
        ".ts.map",
        ".css.map",
        ".tsbuildinfo",
    ]) {
        return Kind::Never;
    }
    if !is_wanted(tree, node) || is_foreign_build(collector, node, package) {
        return Kind::Never;
    }
    Kind::Code
}

/// Addons for other platforms (node-gyp-build: `prebuilds/PLATFORM-ARCH`), and
/// what node-gyp leaves of a build (`build/Release/obj.target`, and `build/node_gyp_bins` with a link to Python, which it
/// puts on the path of what it runs), or node-pre-gyp of one for another version of Node-API (`build-tmp-napi-v3`).
fn is_foreign_build(collector: &Collector<'_>, node: NodeId, package: NodeId) -> bool {
    let tree = collector.tree();
    let (path, top) = (tree.path(node), tree.path(package));
    let rest = path.get(top.len() + 1..).unwrap_or_default();
    let parts: Vec<&[u8]> = rest.split(|b| *b == b'/').collect();
    match parts.as_slice() {
        [b"prebuilds", platform, ..] => {
            let text = String::from_utf8_lossy(platform);
            let Some((system, machine)) = text.split_once('-') else {
                return false;
            };
            let machine = machine.split('+');
            let ours = super::cpu(collector);
            if ours.is_empty() {
                return false;
            }
            let systems = [
                "darwin", "win32", "freebsd", "openbsd", "android", "sunos", "aix", "ios",
            ];
            let machines = [
                "x64", "arm64", "ia32", "arm", "ppc64", "s390x", "riscv64", "loong64", "mips64el",
            ];
            let mut machine = machine.filter(|name| machines.contains(name)).peekable();
            systems.contains(&system)
                || system == "linux"
                    && machine.peek().is_some()
                    && !machine.any(|name| name == ours)
        }
        [b"build", _, b"obj.target" | b".deps" | b"obj", _, ..] => true,
        [b"build", b"Makefile" | b"config.gypi"] => true,
        [b"build", b"node_gyp_bins", ..] => true,
        [first, _, ..] => first.starts_with(b"build-tmp-napi-"),
        _ => false,
    }
}

impl Index {
    /// Gives the documents of a package back to it.
    pub(super) fn take_documents(&mut self, unit: UnitId) -> Vec<NodeId> {
        self.packages
            .get_mut(&unit)
            .map(|p| std::mem::take(&mut p.documents))
            .unwrap_or_default()
    }

    /// Gives the types of a package back to it.
    pub(super) fn take_types(&mut self, unit: UnitId) -> Vec<NodeId> {
        self.packages
            .get_mut(&unit)
            .map(|p| std::mem::take(&mut p.types))
            .unwrap_or_default()
    }

    /// Gives the types of all packages back to them.
    pub(super) fn take_all_types(&mut self) -> Vec<(NodeId, UnitId)> {
        let packages = self.packages.iter_mut();
        packages
            .flat_map(|(unit, package)| {
                std::mem::take(&mut package.types)
                    .into_iter()
                    .map(|file| (file, *unit))
            })
            .collect()
    }
}
