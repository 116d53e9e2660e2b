//! What Python has installed: standard libraries, environments, and the
//! distributions in them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use layer::{NodeId, Tree};

use super::distribution::Requirement;
use super::library::{self, Library};
use super::site::Site;
use crate::closure::collector::Collector;
use crate::closure::units::{Extent, Owner, UnitId};
use crate::packages::PackageId;

/// Where an interpreter looks for what is installed.
#[derive(Debug)]
pub(super) struct Environment {
    /// Directories named `site-packages` or `dist-packages`, in order.
    pub(super) sites: Vec<NodeId>,
    /// Its prefix, if it is a virtual environment (PEP 405).
    pub(super) virtual_prefix: Option<NodeId>,
    /// Whether it also sees what is installed outside.
    pub(super) sees_base: bool,
    /// Its standard library: a number of [`Index::libraries`].
    pub(super) library: usize,
}

/// What is known of a unit.
#[derive(Debug, Default)]
pub(super) struct Distribution {
    pub(super) requires: Vec<Requirement>,
    /// Groups of entry points, and the modules that they lead to.
    pub(super) groups: BTreeMap<String, Vec<String>>,
    pub(super) is_development_tool: bool,
    pub(super) is_packaging_tool: bool,
    /// Somebody named it to the installer (PEP 376, `REQUESTED`).
    pub(super) is_requested: bool,
    /// The package of the system that it is of.
    pub(super) package: Option<PackageId>,
    pub(super) site: Option<NodeId>,
}

/// Everything that is installed.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) libraries: Vec<Library>,
    pub(super) environments: Vec<Environment>,
    pub(super) distributions: HashMap<UnitId, Distribution>,
    /// Tests of distributions.
    pub(super) tests: HashSet<UnitId>,
    /// Distributions by site and normalised name.
    pub(super) names: HashMap<(NodeId, String), UnitId>,
    /// Their names.
    pub(super) installed: HashSet<String>,
    /// Names that can be imported from some site.
    pub(super) tops: HashSet<String>,
    /// Groups of entry points that somebody provides.
    pub(super) groups: BTreeSet<String>,
    /// Parts of standard libraries, by what is imported.
    pub(super) importers: Vec<(String, UnitId)>,
    /// Type stubs, and the units that they are of.
    pub(super) stubs: Vec<(NodeId, UnitId)>,
    /// `.pth` files of sites.
    pub(super) hooks: Vec<NodeId>,
}

/// Finds everything that is installed.
pub(super) fn build(collector: &mut Collector<'_>) -> Index {
    let tree = collector.tree();
    let mut index = Index::default();
    let mut sites = Vec::new();
    let mut virtuals = Vec::new();
    let mut caches = Vec::new();
    for node in tree.walk(tree.root()) {
        let name = tree.name(node);
        if tree.is_directory(node) {
            if [&b"site-packages"[..], b"dist-packages"].contains(&name) {
                sites.push(node);
            } else if name == b"__pycache__" {
                caches.push(node);
            } else if let Some(library) = library::library(tree, node) {
                index.libraries.push(library);
            }
        } else if name == b"pyvenv.cfg" {
            virtuals.push(node);
        }
    }
    if index.libraries.is_empty() {
        return index;
    }
    let never = collector
        .units
        .add(Owner::Python, "nothing", Extent::Single);
    for library in 0..index.libraries.len() {
        index_library(collector, &mut index, library, never);
    }
    for site in &sites {
        Site::new(collector, &mut index, *site, never).index();
    }
    environments(collector, &mut index, &sites, &virtuals);
    for cache in caches {
        pair_bytecode(collector, &index, cache, never);
    }
    index
}

fn index_library(collector: &mut Collector<'_>, index: &mut Index, number: usize, never: UnitId) {
    let tree = collector.tree();
    let directory = index.libraries[number].directory;
    let mut units: HashMap<usize, UnitId> = HashMap::new();
    let mut pending = vec![directory];
    while let Some(at) = pending.pop() {
        for node in tree.children(at) {
            if tree.is_directory(node) {
                if ![&b"site-packages"[..], b"dist-packages"].contains(&tree.name(node)) {
                    pending.push(node);
                }
                continue;
            }
            let unit = match library::part_of(&relative(tree, node, directory)) {
                None => continue,
                Some(None) => never,
                Some(Some(part)) => *units.entry(part).or_insert_with(|| {
                    let part = &library::PARTS[part];
                    let unit = collector.units.add(Owner::Python, part.name, Extent::Whole);
                    index
                        .tops
                        .extend(part.modules.iter().map(|name| (*name).to_owned()));
                    for importer in part.importers {
                        index.importers.push(((*importer).to_owned(), unit));
                    }
                    unit
                }),
            };
            collector.units.assign(node, unit);
        }
    }
}

pub(super) fn relative(tree: &Tree, node: NodeId, top: NodeId) -> Vec<u8> {
    let (path, top) = (tree.path(node), tree.path(top));
    let rest = path.get(top.len()..).unwrap_or_default();
    rest.strip_prefix(b"/").unwrap_or(rest).to_vec()
}

/// Groups sites into what one interpreter sees.
fn environments(
    collector: &Collector<'_>,
    index: &mut Index,
    sites: &[NodeId],
    virtuals: &[NodeId],
) {
    let tree = collector.tree();
    let is_below = |node: NodeId, top: NodeId| {
        let mut at = node;
        while at != tree.root() {
            if at == top {
                return true;
            }
            at = tree.parent(at);
        }
        top == tree.root()
    };
    let mut taken: HashSet<NodeId> = HashSet::new();
    for settings in virtuals {
        let prefix = tree.parent(*settings);
        let own: Vec<NodeId> = sites
            .iter()
            .copied()
            .filter(|site| is_below(*site, prefix))
            .collect();
        taken.extend(&own);
        let text = collector.read(*settings, 64 << 10).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
        let sees_base = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .any(|(key, value)| {
                key.trim() == "include-system-site-packages" && value.trim() == "true"
            });
        let versions = own
            .iter()
            .filter_map(|site| library::version(tree.name(tree.parent(*site))));
        let versions: Vec<String> = versions.collect();
        for (library, found) in index.libraries.iter().enumerate() {
            if versions.is_empty() || versions.contains(&found.version) {
                index.environments.push(Environment {
                    sites: own.clone(),
                    virtual_prefix: Some(prefix),
                    sees_base,
                    library,
                });
            }
        }
    }
    for (library, found) in index.libraries.iter().enumerate() {
        // Debian's `dist-packages` of the system serve all versions; others bear theirs.
        let own = sites
            .iter()
            .copied()
            .filter(|site| !taken.contains(site))
            .filter(
                |site| match library::version(tree.name(tree.parent(*site))) {
                    Some(version) => version == found.version,
                    None => {
                        is_below(*site, found.prefix)
                            || !tree.name(tree.parent(*site)).starts_with(b"python")
                    }
                },
            );
        index.environments.push(Environment {
            sites: own.collect(),
            virtual_prefix: None,
            sees_base: true,
            library,
        });
    }
}

/// Byte code stays beside its source, for this interpreter (PEP 3147).
fn pair_bytecode(collector: &mut Collector<'_>, index: &Index, cache: NodeId, never: UnitId) {
    let tree = collector.tree();
    let optimised = is_optimised(collector);
    let directory = tree.parent(cache);
    for node in tree.children(cache) {
        let name = tree.name(node);
        let Some(stem) = name.strip_suffix(b".pyc") else {
            continue;
        };
        let stem_end = stem.iter().position(|b| *b == b'.').unwrap_or(stem.len());
        let source = tree.child(directory, &[&stem[..stem_end], b".py"].concat());
        let version = library::tagged_version(name);
        let ours =
            version.is_none_or(|version| index.libraries.iter().any(|l| l.version == version));
        let fits = optimised || memchr::memmem::find(stem, b".opt-").is_none();
        match source {
            Some(source) if ours && fits => {
                if let Some(unit) = collector.units.of(source) {
                    collector.units.assign(node, unit);
                }
            }
            _ => collector.units.assign(node, never),
        }
    }
}

/// Returns whether interpreters are told to optimise (`PYTHONOPTIMIZE`, `-O`, `-OO`).
fn is_optimised(collector: &Collector<'_>) -> bool {
    let config = collector.input.config;
    let words = config.entrypoint().into_iter().chain(config.cmd());
    config
        .env_var("PYTHONOPTIMIZE")
        .is_some_and(|value| !value.is_empty())
        || words.into_iter().any(|word| word == "-O" || word == "-OO")
}
