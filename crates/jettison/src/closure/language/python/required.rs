//! What distributions require: by their own metadata, and by the packages of the system that they are of.

use std::collections::BTreeSet;

use layer::NodeId;

use super::environments::run_hook;
use super::marker::{Platform, holds};
use super::settle::{choose, sites};
use super::{Place, Want, What, library};
use crate::closure::collector::Collector;
use crate::closure::package;
use crate::closure::units::UnitId;
use crate::packages::PackageId;

/// Keeps what a distribution requires.
pub(super) fn require(collector: &mut Collector<'_>, unit: UnitId) {
    let hooks: Vec<NodeId> = collector.python.index.hooks.clone();
    for hook in hooks {
        if collector.units.of(hook) == Some(unit) {
            run_hook(collector, hook);
        }
    }
    let mut pending = vec![unit];
    while let Some(unit) = pending.pop() {
        let python = &collector.python;
        let Some(known) = python.index.distributions.get(&unit) else {
            continue;
        };
        let (Some(site), package) = (known.site, known.package) else {
            continue;
        };
        let extras: Vec<String> = python
            .extras
            .get(&unit)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let version = library::version(collector.tree().name(collector.tree().parent(site)));
        let version = version.or_else(|| Some(python.index.libraries.first()?.version.clone()));
        let version = version.unwrap_or_default();
        let machine = match collector.input.config.platform().architecture.as_str() {
            "amd64" => "x86_64".to_owned(),
            "arm64" => "aarch64".to_owned(),
            other => other.to_owned(),
        };
        let platform = Platform {
            version: &version,
            machine: &machine,
            extras: &extras,
        };
        let met: Vec<_> = known
            .requires
            .iter()
            .filter(|r| holds(&r.marker, platform))
            .cloned()
            .collect();
        let from = collector.units.files(unit).first().copied().unwrap_or(site);
        let want = Want {
            from,
            place: Place::Site(site),
            what: What::Name(String::new()),
        };
        let visible = sites(collector, &want);
        let detail = format!("required by {}", collector.units.name(unit));
        for requirement in met {
            let named = visible.iter().find_map(|(site, _)| {
                collector
                    .python
                    .index
                    .names
                    .get(&(*site, requirement.name.clone()))
                    .copied()
            });
            let Some(other) = named else { continue };
            let wanted = collector.python.extras.entry(other).or_default();
            let before = wanted.len();
            wanted.extend(requirement.extras);
            if wanted.len() > before && collector.units.is_selected(other) {
                pending.push(other);
            }
            choose(collector, other, from, &detail);
        }
        if let Some(package) = package {
            require_packages(collector, package, from, &detail);
        }
    }
}

/// Returns whether the distribution that a source is of says that it requires another.
pub(super) fn requires(collector: &Collector<'_>, source: NodeId, other: UnitId) -> bool {
    let index = &collector.python.index;
    let unit = collector.units.of(source);
    let Some(known) = unit.and_then(|unit| index.distributions.get(&unit)) else {
        return false;
    };
    let named = |name: &String| {
        let mut names = index.names.iter();
        names.any(|((_, known), unit)| known == name && *unit == other)
    };
    let packages = collector.input.packages;
    let owner = index.distributions.get(&other).and_then(|it| it.package);
    known.requires.iter().any(|it| named(&it.name))
        || (known.package.zip(owner))
            .is_some_and(|(id, other)| packages.dependencies(id).contains(&other))
}

/// A package of the system says what its modules need, libraries that they load by name among it.
fn require_packages(collector: &mut Collector<'_>, package: PackageId, from: NodeId, detail: &str) {
    let packages = collector.input.packages;
    let tree = collector.tree();
    for dependency in packages.dependencies(package) {
        let python = &collector.python;
        let units: BTreeSet<UnitId> = python
            .index
            .distributions
            .iter()
            .filter(|(_, known)| known.package == Some(*dependency))
            .map(|(unit, _)| *unit)
            .collect();
        for unit in &units {
            choose(collector, *unit, from, detail);
        }
        if units.is_empty() && !collector.base.contains(dependency) {
            package::keep_data(collector, *dependency, from, |node| {
                memchr::memmem::find(tree.name(node), b".so").is_some()
                    && tree.name(node).starts_with(b"lib")
            });
        }
    }
}
