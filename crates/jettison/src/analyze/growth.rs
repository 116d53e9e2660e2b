//! What grew from one image to the next: by package, instruction and directory.

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::Analysis;

/// An image against an older one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// What the older one is called.
    pub against: String,
    /// Unpacked bytes.
    pub unpacked: Change,
    /// Bytes that ship but cannot be seen.
    pub wasted: Change,
    /// Packages of other size or version, those that grew most first.
    pub packages: Vec<PackageChange>,
    /// Instructions whose layers are of other size, those that grew most first.
    pub instructions: Vec<Named>,
    /// Directories of other size. Those that only contain another one that
    /// changed by as much are left out.
    pub directories: Vec<Named>,
}

/// Bytes before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Change {
    /// Before.
    pub old: u64,
    /// After.
    pub new: u64,
}

/// Something with a name that grew or shrank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its bytes.
    #[serde(flatten)]
    pub bytes: Change,
}

/// A package that grew or shrank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageChange {
    /// Who installed it, and its name.
    pub name: String,
    /// Its versions before; several where it was there several times.
    pub old_version: Option<String>,
    /// And after.
    pub new_version: Option<String>,
    /// Its bytes.
    #[serde(flatten)]
    pub bytes: Change,
}

impl Change {
    /// Returns how much was added; negative for less.
    pub fn delta(self) -> i64 {
        self.new.cast_signed() - self.old.cast_signed()
    }
}

/// Compares two analyses.
pub fn compare(old: &Analysis, new: &Analysis) -> Growth {
    Growth {
        against: old.image.name.clone(),
        unpacked: Change {
            old: old.sizes.unpacked,
            new: new.sizes.unpacked,
        },
        wasted: Change {
            old: old.wasted,
            new: new.wasted,
        },
        packages: packages(old, new),
        instructions: named(
            old.layers.iter().map(|l| (&l.instruction, l.unpacked)),
            new.layers.iter().map(|l| (&l.instruction, l.unpacked)),
        ),
        directories: directories(old, new),
    }
}

fn named<'a>(
    old: impl Iterator<Item = (&'a String, u64)>,
    new: impl Iterator<Item = (&'a String, u64)>,
) -> Vec<Named> {
    let mut sums: BTreeMap<&str, Change> = BTreeMap::new();
    for (name, bytes) in old {
        sums.entry(name).or_default().old += bytes;
    }
    for (name, bytes) in new {
        sums.entry(name).or_default().new += bytes;
    }
    let mut named: Vec<Named> = sums
        .into_iter()
        .filter(|(_, bytes)| bytes.delta() != 0)
        .map(|(name, bytes)| Named {
            name: name.to_owned(),
            bytes,
        })
        .collect();
    named.sort_by_key(|named| std::cmp::Reverse(named.bytes.delta()));
    named
}

fn packages(old: &Analysis, new: &Analysis) -> Vec<PackageChange> {
    let mut sums: BTreeMap<String, PackageChange> = BTreeMap::new();
    for (analysis, is_new) in [(old, false), (new, true)] {
        for package in &analysis.packages {
            let name = format!("{} {}", package.manager.name(), package.name);
            let change = sums.entry(name.clone()).or_insert_with(|| PackageChange {
                name,
                old_version: None,
                new_version: None,
                bytes: Change::default(),
            });
            let (version, bytes) = if is_new {
                (&mut change.new_version, &mut change.bytes.new)
            } else {
                (&mut change.old_version, &mut change.bytes.old)
            };
            *bytes += package.bytes;
            *version = Some(match version.take() {
                Some(others) => format!("{others}, {}", package.version),
                None => package.version.clone(),
            });
        }
    }
    let mut changes: Vec<PackageChange> = sums
        .into_values()
        .filter(|change| change.bytes.delta() != 0 || change.old_version != change.new_version)
        .collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.bytes.delta()));
    changes
}

fn directories(old: &Analysis, new: &Analysis) -> Vec<Named> {
    let all = named(
        old.directories.iter().map(|d| (&d.path, d.bytes)),
        new.directories.iter().map(|d| (&d.path, d.bytes)),
    );
    let deltas: BTreeMap<&str, i64> = all.iter().map(|d| (&*d.name, d.bytes.delta())).collect();
    let within = |name: &str| {
        let prefix = if name == "/" {
            "/".to_owned()
        } else {
            format!("{name}/")
        };
        let delta = deltas.get(name);
        deltas
            .range::<&str, _>(&*prefix..)
            .take_while(|(below, _)| below.starts_with(&prefix))
            .any(|(below, other)| *below != name && Some(other) == delta)
    };
    let hidden: Vec<bool> = all.iter().map(|d| within(&d.name)).collect();
    all.iter()
        .zip(hidden)
        .filter(|(_, hidden)| !hidden)
        .map(|(named, _)| named.clone())
        .collect()
}
