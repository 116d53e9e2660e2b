//! Which packages the sources of a package speak of.

use std::collections::BTreeSet;

use crate::packages::{PackageDb, PackageId};

/// Packages whose programs the sources of one may name.
#[derive(Debug)]
pub(in crate::closure) struct Partners {
    /// Asked for by somebody, and used by it as its packager says.
    pub(super) used: Vec<PackageId>,
    /// What it depends on.
    pub(super) needed: Vec<PackageId>,
    /// What it suggests and was not made from the same source.
    pub(super) suggested: Vec<PackageId>,
}

impl Partners {
    pub(super) fn of(
        packages: &PackageDb,
        id: PackageId,
        asked: &BTreeSet<PackageId>,
        base: &BTreeSet<PackageId>,
    ) -> Self {
        let is_strange = |other: &PackageId| !packages.are_siblings(id, *other);
        let used = asked.iter().copied();
        let used = used.filter(|other| packages.uses(id, *other) && is_strange(other));
        let needed = packages.dependencies(id).iter().copied();
        let needed = needed.filter(|other| !base.contains(other) && *other != id);
        let suggests = packages.package(id).suggests.iter();
        let suggested = suggests.flat_map(|name| packages.named(name)).copied();
        Self {
            used: used.collect(),
            needed: needed.collect(),
            suggested: suggested.filter(is_strange).collect(),
        }
    }
}
