//! One directory of distributions: which of its files are of what.

use std::collections::HashMap;

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

use super::distribution::{self, Metadata};
use super::index::{Distribution, Index, relative};
use super::library;
use crate::closure::collector::{Collector, Script};
use crate::closure::package::{is_development, is_program_in_path};
use crate::closure::units::{Extent, Owner, UnitId};
use crate::closure::wanted::is_wanted;
use crate::packages::PackageId;

/// Largest file of metadata that is read.
const MAX_METADATA: u64 = 8 << 20;

/// One directory of distributions.
pub(super) struct Site<'s, 'a> {
    collector: &'s mut Collector<'a>,
    index: &'s mut Index,
    site: NodeId,
    never: UnitId,
    /// Units by the directory that has a file of theirs.
    directories: HashMap<NodeId, UnitId>,
    packages: HashMap<PackageId, UnitId>,
}

impl<'s, 'a> Site<'s, 'a> {
    pub(super) fn new(
        collector: &'s mut Collector<'a>,
        index: &'s mut Index,
        site: NodeId,
        never: UnitId,
    ) -> Self {
        let (directories, packages) = (HashMap::new(), HashMap::new());
        Self {
            collector,
            index,
            site,
            never,
            directories,
            packages,
        }
    }

    pub(super) fn index(&mut self) {
        let tree = self.collector.tree();
        let entries = tree.children(self.site);
        for entry in &entries {
            let name = tree.name(*entry).to_vec();
            if let Some(top) = module_name(&name, tree.is_directory(*entry)) {
                self.index.tops.insert(top);
            }
            if name.ends_with(b".pth") {
                self.index.hooks.push(*entry);
            }
            if name.ends_with(b".dist-info")
                || name.ends_with(b".egg-info")
                || name.ends_with(b".egg")
            {
                self.distribution(*entry);
            }
        }
        self.rest();
        self.waste();
    }

    /// Reads what one distribution consists of, if it says so.
    fn distribution(&mut self, info: NodeId) {
        let tree = self.collector.tree();
        if self.collector.input.packages.owner(info).is_some() || self.is_packaged(info) {
            return; // the package says what is of it
        }
        let egg = tree.name(info).ends_with(b".egg");
        let metadata_directory = if egg {
            tree.child(info, b"EGG-INFO")
        } else {
            Some(info)
        };
        let Some(metadata_directory) = metadata_directory else {
            return;
        };
        let metadata = self.metadata(metadata_directory);
        let name = String::from_utf8_lossy(tree.name(info)).into_owned();
        let name = if metadata.name.is_empty() {
            name
        } else {
            metadata.name.clone()
        };
        let unit = self
            .collector
            .units
            .add(Owner::Python, &name, Extent::Whole);
        let read = |file: &[u8]| {
            let node = tree.child(metadata_directory, file)?;
            let text = self.collector.read(node, MAX_METADATA).ok()?;
            (!text.is_empty()).then_some(text)
        };
        let mut files: Vec<NodeId> = Vec::new();
        if egg {
            files.extend(tree.walk(info));
        } else if let Some(text) = read(b"RECORD") {
            files.extend(self.listed(self.site, &distribution::record(&text)));
        } else if let Some(text) = read(b"installed-files.txt") {
            let lines: Vec<Vec<u8>> = text
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            files.extend(self.listed(metadata_directory, &lines));
        }
        if files.is_empty() {
            let text =
                read(b"top_level.txt").unwrap_or_else(|| name.replace('-', "_").into_bytes());
            let tops = text
                .split(|b| *b == b'\n')
                .map(<[u8]>::trim_ascii)
                .filter(|top| !top.is_empty());
            for top in tops {
                let found = tree.children(self.site).into_iter().filter(|entry| {
                    let name = tree.name(*entry);
                    name == top
                        || name
                            .strip_prefix(top)
                            .is_some_and(|rest| rest.starts_with(b"."))
                });
                files.extend(found.flat_map(|entry| tree.walk(entry)));
            }
        }
        files.extend(tree.walk(metadata_directory));
        for file in files {
            self.assign(file, unit);
        }
        self.describe(unit, metadata, metadata_directory);
    }

    fn is_packaged(&self, directory: NodeId) -> bool {
        let tree = self.collector.tree();
        let files = tree.children(directory);
        files
            .iter()
            .any(|file| self.collector.input.packages.owner(*file).is_some())
    }

    /// Returns the files of a list, as far as they are of this installation.
    fn listed(&self, base: NodeId, paths: &[Vec<u8>]) -> Vec<NodeId> {
        let tree = self.collector.tree();
        let prefix = tree.parent(tree.parent(tree.parent(self.site)));
        let prefix = [tree.path(prefix), b"/".to_vec()].concat();
        let found = paths.iter().filter_map(|path| {
            let node = tree.resolve_at(base, path, Lookup::LSTAT).ok()?.node;
            let inside = prefix == b"/" || tree.path(node).starts_with(&prefix);
            let ours = inside && self.collector.input.packages.owner(node).is_none();
            (ours && !tree.is_directory(node)).then_some(node)
        });
        found.collect()
    }

    fn metadata(&self, directory: NodeId) -> Metadata {
        let tree = self.collector.tree();
        let read = |file: &[u8]| {
            let node = match tree.is_directory(directory) {
                true => tree.child(directory, file)?,
                false => (file == b"PKG-INFO").then_some(directory)?,
            };
            self.collector.read(node, MAX_METADATA).ok()
        };
        let text = read(b"METADATA")
            .or_else(|| read(b"PKG-INFO"))
            .unwrap_or_default();
        let mut metadata = distribution::metadata(&text);
        if let Some(text) = read(b"requires.txt") {
            metadata.requires.extend(distribution::requires_txt(&text));
        }
        metadata
    }

    /// Notes what a distribution says of itself.
    fn describe(&mut self, unit: UnitId, metadata: Metadata, directory: NodeId) {
        let tree = self.collector.tree();
        let groups = tree
            .child(directory, b"entry_points.txt")
            .and_then(|node| self.collector.read(node, MAX_METADATA).ok())
            .map(|text| distribution::entry_points(&text))
            .unwrap_or_default();
        for node in tree.walk(directory) {
            self.collector.units.mark_metadata(node);
        }
        self.index.groups.extend(groups.keys().cloned());
        self.index.installed.insert(metadata.name.clone());
        self.index.names.insert((self.site, metadata.name), unit);
        let known = self.index.distributions.entry(unit).or_default();
        known.requires.extend(metadata.requires);
        known.groups.extend(groups);
        known.is_development_tool |= metadata.is_development_tool;
        known.is_packaging_tool |= metadata.is_packaging_tool;
        known.is_requested |= tree.child(directory, b"REQUESTED").is_some()
            || is_asked_for(self.collector, directory);
        known.site = Some(self.site);
    }

    fn assign(&mut self, file: NodeId, unit: UnitId) {
        let tree = self.collector.tree();
        if tree.is_directory(file) {
            return;
        }
        self.collector.units.assign(file, unit);
        let mut at = tree.parent(file);
        while at != self.site && at != tree.root() && !self.directories.contains_key(&at) {
            self.directories.insert(at, unit);
            at = tree.parent(at);
        }
    }

    /// Files that no distribution lists: of a package of the system, made at run
    /// time beside those of a distribution, or put there by hand.
    fn rest(&mut self) {
        let tree = self.collector.tree();
        let packages = self.collector.input.packages;
        let files: Vec<NodeId> = tree
            .walk(self.site)
            .filter(|node| !tree.is_directory(*node))
            .filter(|node| self.collector.units.of(*node).is_none())
            .collect();
        let mut by_hand: HashMap<String, UnitId> = HashMap::new();
        for file in files {
            if let Some(package) = packages.owner(file) {
                let unit = match self.packages.get(&package) {
                    Some(unit) => *unit,
                    None => self.of_package(package),
                };
                self.assign(file, unit);
                continue;
            }
            let (mut top, mut owner) = (file, None);
            while tree.parent(top) != self.site {
                top = tree.parent(top);
                owner = owner.or_else(|| self.directories.get(&top).copied());
            }
            let name = String::from_utf8_lossy(tree.name(top)).into_owned();
            let stem = name.split('.').next().unwrap_or_default().to_owned();
            let unit = owner.unwrap_or_else(|| {
                *by_hand.entry(stem.clone()).or_insert_with(|| {
                    self.collector
                        .units
                        .add(Owner::Python, &stem, Extent::Whole)
                })
            });
            self.collector.units.assign(file, unit);
            self.index.distributions.entry(unit).or_default().site = Some(self.site);
        }
        let infos = tree.children(self.site).into_iter().filter(|entry| {
            let name = tree.name(*entry);
            name.ends_with(b".dist-info") || name.ends_with(b".egg-info")
        });
        for info in infos {
            let file = tree.walk(info).find(|node| !tree.is_directory(*node));
            let Some(unit) = file.and_then(|file| self.collector.units.of(file)) else {
                continue;
            };
            let known = self.index.distributions.get(&unit);
            if known.is_none_or(|known| known.package.is_some()) {
                let metadata = self.metadata(info);
                self.describe(unit, metadata, info);
            }
        }
    }

    fn of_package(&mut self, package: PackageId) -> UnitId {
        let name = &self.collector.input.packages.package(package).name;
        let unit = self.collector.units.add(Owner::Python, name, Extent::Whole);
        let known = Distribution {
            package: Some(package),
            site: Some(self.site),
            ..Distribution::default()
        };
        self.index.distributions.insert(unit, known);
        self.packages.insert(package, unit);
        // Its programs are of no use without its modules.
        let files = self.collector.input.packages.files(package).iter().copied();
        let programs = files.filter(|file| {
            let collector = &self.collector;
            let is_script = || !matches!(collector.interpreter(*file), Script::No);
            is_program_in_path(collector, *file) && is_script()
        });
        for program in programs.collect::<Vec<_>>() {
            self.collector.units.assign(program, unit);
        }
        unit
    }

    /// Sets apart what distributions have and no run time needs.
    fn waste(&mut self) {
        let tree = self.collector.tree();
        let versions: Vec<String> = self
            .index
            .libraries
            .iter()
            .map(|l| l.version.clone())
            .collect();
        let version = library::version(tree.name(tree.parent(self.site)));
        let mut pending: Vec<(NodeId, Option<UnitId>)> = tree
            .children(self.site)
            .into_iter()
            .map(|node| (node, None))
            .collect();
        while let Some((node, tests)) = pending.pop() {
            if tree.is_directory(node) {
                let tests = tests.or_else(|| {
                    let named = [&b"tests"[..], b"test"].contains(&tree.name(node));
                    (named && has_tests(tree, node)).then(|| {
                        let name =
                            String::from_utf8_lossy(&relative(tree, node, self.site)).into_owned();
                        let units = &mut self.collector.units;
                        let unit = units.add(Owner::Python, &name, Extent::Whole);
                        self.index.tests.insert(unit);
                        unit
                    })
                });
                pending.extend(tree.children(node).into_iter().map(|node| (node, tests)));
                continue;
            }
            let name = tree.name(node);
            let foreign = library::tagged_version(name).is_some_and(|tag| match &version {
                Some(version) => tag != *version,
                None => !versions.contains(&tag),
            });
            if foreign && name.ends_with(b".so")
                || !is_wanted(tree, node)
                || name == b"conftest.py"
                || is_message_source(tree, node)
            {
                self.collector.units.assign(node, self.never);
            } else if name.ends_with(b".pyi") {
                if let Some(unit) = self.collector.units.of(node) {
                    self.index.stubs.push((node, unit));
                }
                self.collector.units.assign(node, self.never);
            } else if let Some(tests) = tests {
                self.collector.units.assign(node, tests);
            }
        }
    }
}

/// Returns whether a directory holds tests, by the names that unittest and pytest look for.
fn has_tests(tree: &Tree, directory: NodeId) -> bool {
    tree.walk(directory).any(|node| {
        let name = tree.name(node);
        let stem = name.strip_suffix(b".py").unwrap_or_default();
        stem.starts_with(b"test_") || stem.ends_with(b"_test") || stem == b"tests"
    })
}

/// Returns whether a file is the text that the messages beside it were compiled from (msgfmt(1)); `gettext` reads those.
fn is_message_source(tree: &Tree, node: NodeId) -> bool {
    let stem = tree.name(node).strip_suffix(b".po");
    let compiled = stem.map(|stem| [stem, b".mo"].concat());
    compiled.is_some_and(|name| tree.child(tree.parent(node), &name).is_some())
}

/// Returns the name by which an entry of a site is imported.
fn module_name(name: &[u8], is_directory: bool) -> Option<String> {
    let stem = match is_directory {
        true => name,
        false => {
            let dot = name.iter().position(|b| *b == b'.')?;
            let ending = [&b".py"[..], b".so", b".pyc"]
                .iter()
                .any(|ending| name.ends_with(ending));
            ending.then(|| &name[..dot])?
        }
    };
    let identifier = stem
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80);
    (identifier && !stem.is_empty() && stem != b"__pycache__")
        .then(|| String::from_utf8_lossy(stem).into_owned())
}

/// Returns whether what describes a distribution is of a package of the system that somebody asked for.
fn is_asked_for(collector: &Collector<'_>, description: NodeId) -> bool {
    let packages = collector.input.packages;
    let owners = match collector.tree().is_directory(description) {
        true => packages.owners_of_directory(description),
        false => packages.owners(description),
    };
    let mut owners = owners.iter();
    owners.any(|id| collector.asked.contains(id) && !is_development(packages.package(*id)))
}
