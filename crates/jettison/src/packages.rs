//! Which package every file of an image came from, and what packages need of each other.
//!
//! [`PackageDb::read`] finds the databases of dpkg (that of Debian and the
//! split one of distroless images), apk and rpm in a tree and reads them with
//! our own parsers; nothing of the image is run. Files are matched to packages
//! by *resolved* path: on a merged-/usr system dpkg lists `/bin/sh`, the tree
//! has `/usr/bin/sh`, and both mean the same node.
//!
//! - [`remain`]: the database to put into a slim image, so that scanners see what is left.
//! - [`classes`]: what a path is for, by the conventions of distributions.
//!
//! What is *not* here: versions are not compared and packages are not fetched.
//! A database is input from outside: every parser is bounded, text that makes no
//! sense is skipped, and a database that cannot be read is reported in
//! [`Database::state`] instead of failing the whole image.

mod apk;
pub mod classes;
mod dpkg;
mod owners;
pub mod remain;
mod rpm;
mod sqlite;

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::sync::OnceLock;

use layer::{Contents, NodeId, Tree, display};

use owners::{Claims, Owners};

/// Largest database file that is read. Those of full desktop systems stay below 200 MB.
const MAX_DATABASE: u64 = 512 << 20;

/// Bytes of all database files together. A sparse file is large for nothing,
/// and there may be one for each package.
const MAX_DATABASES: u64 = 1 << 30;

/// What can go wrong with reading package databases.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The content of a database file could not be read from its layer.
    #[error("cannot read the package database `{}`", display(.path))]
    Read {
        /// The file in the image.
        path: Vec<u8>,
        /// The cause.
        source: io::Error,
    },
    /// A database file of a size that no system has.
    #[error("the package database `{}` has {size} bytes, over the limit of {limit}", display(.path))]
    TooLarge {
        /// The file in the image.
        path: Vec<u8>,
        /// Its size.
        size: u64,
        /// The limit in force.
        limit: u64,
    },
}

/// A package manager's way to store what is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `/var/lib/dpkg/status` and `/var/lib/dpkg/info`.
    Dpkg,
    /// `/var/lib/dpkg/status.d`, one file a package, as distroless images have it.
    DpkgSplit,
    /// `/lib/apk/db/installed`.
    Apk,
    /// The SQLite database of rpm 4.16 and later.
    Rpm,
    /// The "ndb" database of rpm, as SUSE has it (`Packages.db`).
    RpmNdb,
    /// The Berkeley database of rpm before 4.16 (`Packages`).
    RpmBerkeley,
}

/// How far a database was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// All of it.
    Complete,
    /// The format is known, but this program does not read it.
    Unsupported,
    /// It could be read up to here; packages read before are listed.
    Damaged {
        /// What is wrong, for a person.
        reason: &'static str,
    },
}

/// A package database found in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its format.
    pub format: Format,
    /// The file, or the directory of [`Format::DpkgSplit`].
    pub node: NodeId,
    /// Whether its packages are known.
    pub state: State,
}

/// A package of a [`PackageDb`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(u32);

impl PackageId {
    /// Returns a dense index, below the length of [`PackageDb::packages`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An installed package. Text that is not UTF-8 is replaced as `from_utf8_lossy` does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// Name, without architecture.
    pub name: String,
    /// Version as the package manager prints it; of rpm `[epoch:]version-release`.
    pub version: String,
    /// Architecture in the distribution's words; may be empty.
    pub architecture: String,
    /// What it was built from.
    pub source: Source,
    /// What it needs: every element is a list of alternatives of which one is
    /// enough. Names only, of packages or of what packages provide.
    pub depends: Vec<Vec<String>>,
    /// Names of what it recommends or suggests.
    pub suggests: Vec<String>,
    /// What it provides besides its own name: virtual packages, `so:` names, rpm capabilities.
    pub provides: Vec<String>,
    /// Whether somebody asked for it by name, as far as the package manager knows: it was not installed
    /// because others need it.
    pub manual: bool,
    /// Whether the distribution declares that no system works without it.
    pub essential: bool,
    /// Priority of dpkg.
    pub priority: Option<String>,
    /// Section of dpkg, group of rpm.
    pub section: Option<String>,
    /// Who maintains it.
    pub maintainer: Option<String>,
    /// Licence expression, where the database has one (apk, rpm).
    pub license: Option<String>,
    /// Home page.
    pub homepage: Option<String>,
    /// Bytes that it says to occupy when installed.
    pub installed_size: u64,
    /// Which database it is from: an index into [`PackageDb::databases`].
    pub database: usize,
    /// Where its record is; see [`PackageDb::record`].
    record: Record,
}

impl Package {
    /// Returns whether it is of one of these sections of dpkg (Debian policy 2.4), whatever the area: `utils` and
    /// `contrib/utils` are one.
    pub(crate) fn is_of_section(&self, sections: &[&str]) -> bool {
        let section = self.section.as_deref().unwrap_or_default();
        let name = section.rsplit('/').next().unwrap_or_default();
        sections.contains(&name)
    }
}

/// What a package was built from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// Source package; of apk the origin.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Where the record of a package is in [`PackageDb::text`], and which row it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Record {
    range: Range<usize>,
    /// Row of an SQLite database.
    row: i64,
    /// Checksums of the files of a dpkg package.
    sums: Option<NodeId>,
    /// The list of those files, where there is one beside it.
    list: Option<NodeId>,
}

/// The installed packages of an image, and which files are theirs.
#[derive(Debug, Clone, Default)]
pub struct PackageDb {
    databases: Vec<Database>,
    packages: Vec<Package>,
    /// The records of all packages, of text databases one after another.
    text: Vec<u8>,
    owners: Owners,
    /// For each package, the installed packages that satisfy its dependencies.
    needs: Vec<Vec<PackageId>>,
    /// For each package, what it depends on, directly or not, once somebody asks.
    closures: Vec<OnceLock<BTreeSet<PackageId>>>,
    by_name: HashMap<String, Vec<PackageId>>,
}

impl PackageDb {
    /// Finds and reads every package database of the image.
    ///
    /// An image without any gives an empty result.
    ///
    /// # Errors
    /// Only when the layers cannot be read; see [`Database::state`] for the rest.
    pub fn read(tree: &Tree, contents: &Contents) -> Result<Self, Error> {
        let mut reading = Reading {
            tree,
            contents,
            bytes_left: Cell::new(MAX_DATABASES),
            db: Self::default(),
            claims: Claims::new(tree),
        };
        dpkg::read(&mut reading)?;
        apk::read(&mut reading)?;
        rpm::read(&mut reading)?;
        let Reading { mut db, claims, .. } = reading;
        db.owners = claims.finish();
        db.link(tree);
        Ok(db)
    }

    /// Returns the databases that were found, readable or not.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// Returns all installed packages in the order of their databases.
    pub fn packages(&self) -> impl ExactSizeIterator<Item = (PackageId, &Package)> {
        let numbered = self.packages.iter().enumerate();
        numbered.map(|(at, package)| (PackageId(at as u32), package))
    }

    /// Returns a package.
    pub fn package(&self, id: PackageId) -> &Package {
        &self.packages[id.index()]
    }

    /// Returns the packages of this name; several with multi-arch and of rpm kernels.
    pub fn named(&self, name: &str) -> &[PackageId] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the record of a package as its database has it: a stanza of dpkg
    /// or of apk, the header blob of rpm.
    pub fn record(&self, id: PackageId) -> &[u8] {
        &self.text[self.package(id).record.range.clone()]
    }

    /// Returns the package that a file or symbolic link is from.
    ///
    /// Where several packages share a file (multi-arch documentation), it is the
    /// first in the order of [`PackageDb::packages`]. Directories have no owner here;
    /// see [`PackageDb::owners_of_directory`].
    pub fn owner(&self, node: NodeId) -> Option<PackageId> {
        self.owners.of_file(node).first().copied()
    }

    /// Returns all packages that a file or symbolic link is from.
    pub fn owners(&self, node: NodeId) -> &[PackageId] {
        self.owners.of_file(node)
    }

    /// Returns the name of what the package of a file was built from, if both are known.
    pub fn source_of(&self, node: NodeId) -> Option<&str> {
        let source = &self.package(self.owner(node)?).source.name;
        Some(source.as_str()).filter(|name| !name.is_empty())
    }

    /// Returns whether two packages were built from the same source, or are the same.
    pub fn are_siblings(&self, id: PackageId, other: PackageId) -> bool {
        let source = &self.package(id).source.name;
        id == other || !source.is_empty() && *source == self.package(other).source.name
    }

    /// Returns the packages that ship the directory, in ascending order.
    pub fn owners_of_directory(&self, node: NodeId) -> &[PackageId] {
        self.owners.of_directory(node)
    }

    /// Returns whether some package ships the directory and no package outside of `packages` does.
    pub fn is_private_to(&self, directory: NodeId, packages: &BTreeSet<PackageId>) -> bool {
        let owners = self.owners_of_directory(directory);
        !owners.is_empty() && owners.iter().all(|owner| packages.contains(owner))
    }

    /// Returns the files and symbolic links of a package that are in the image,
    /// in the order of its list. Directories are left out.
    pub fn files(&self, id: PackageId) -> &[NodeId] {
        self.owners.files(id)
    }

    /// Returns the installed packages that satisfy the dependencies of a package:
    /// for each, the first alternative that anything installed satisfies.
    pub fn dependencies(&self, id: PackageId) -> &[PackageId] {
        &self.needs[id.index()]
    }

    /// Returns whether a package says that it uses another one: it depends on it, directly or not, or recommends or
    /// suggests it.
    pub fn uses(&self, id: PackageId, other: PackageId) -> bool {
        let package = self.package(other);
        let is_other = |name: &String| *name == package.name || package.provides.contains(name);
        let closure = self.closures[id.index()].get_or_init(|| self.depends_closure([id]));
        closure.contains(&other) || self.package(id).suggests.iter().any(is_other)
    }

    /// Returns `packages` and everything that they depend on, directly or not.
    pub fn depends_closure(
        &self,
        packages: impl IntoIterator<Item = PackageId>,
    ) -> BTreeSet<PackageId> {
        let mut pending: Vec<PackageId> = packages.into_iter().collect();
        let mut closure = BTreeSet::new();
        while let Some(id) = pending.pop() {
            if closure.insert(id) {
                pending.extend(self.dependencies(id));
            }
        }
        closure
    }

    /// Indexes names and finds what satisfies each dependency.
    fn link(&mut self, tree: &Tree) {
        let mut providers: HashMap<&str, Vec<PackageId>> = HashMap::new();
        for (id, package) in self.packages() {
            let provided = package.provides.iter().map(String::as_str);
            for name in provided.chain([package.name.as_str()]) {
                let ids = providers.entry(name).or_default();
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
        }
        let satisfied = |name: &str| -> Vec<PackageId> {
            if let Some(ids) = providers.get(name) {
                return ids.clone();
            }
            // rpm packages depend on files as well (`/bin/sh`).
            if !name.starts_with('/') {
                return Vec::new();
            }
            let resolved = tree.resolve(name.as_bytes());
            resolved.map_or_else(
                |_| Vec::new(),
                |found| self.owners.of_file(found.node).to_vec(),
            )
        };
        let needs = self
            .packages()
            .map(|(id, package)| {
                let mut needs: Vec<PackageId> = package
                    .depends
                    .iter()
                    .filter_map(|alternatives| {
                        let mut found = alternatives.iter().map(|name| satisfied(name));
                        found.find(|ids| !ids.is_empty())
                    })
                    .flatten()
                    .filter(|&other| other != id)
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            })
            .collect();
        let mut by_name: HashMap<String, Vec<PackageId>> = HashMap::new();
        for (id, package) in self.packages() {
            by_name.entry(package.name.clone()).or_default().push(id);
        }
        self.needs = needs;
        self.closures = vec![OnceLock::new(); self.packages.len()];
        self.by_name = by_name;
    }
}

/// A [`PackageDb`] being read.
struct Reading<'t> {
    tree: &'t Tree,
    contents: &'t Contents,
    bytes_left: Cell<u64>,
    db: PackageDb,
    claims: Claims<'t>,
}

impl Reading<'_> {
    fn add_database(&mut self, format: Format, node: NodeId, state: State) -> usize {
        self.db.databases.push(Database {
            format,
            node,
            state,
        });
        self.db.databases.len() - 1
    }

    /// Adds a package with its record; its files are claimed afterwards.
    fn add_package(&mut self, mut package: Package, record: &[u8]) -> PackageId {
        let start = self.db.text.len();
        self.db.text.extend_from_slice(record);
        package.record.range = start..self.db.text.len();
        if package.source.name.is_empty() {
            package.source.name.clone_from(&package.name);
        }
        if package.source.version.is_empty() {
            package.source.version.clone_from(&package.version);
        }
        self.db.packages.push(package);
        PackageId(self.db.packages.len() as u32 - 1)
    }

    /// Returns the node of a regular file, links followed.
    fn find_file(&self, path: &[u8]) -> Option<NodeId> {
        let node = self.tree.resolve(path).ok()?.node;
        self.tree.content(node).map(|_| node)
    }

    fn read_node(&self, node: NodeId) -> Result<Vec<u8>, Error> {
        let size = self.tree.size(node);
        let left = self.bytes_left.get().checked_sub(size);
        self.bytes_left.set(left.ok_or_else(|| Error::TooLarge {
            path: self.tree.absolute(node),
            size,
            limit: self.bytes_left.get(),
        })?);
        read_node(self.tree, self.contents, node)
    }
}

/// Reads a file of the image whole; anything but a regular file is empty.
fn read_node(tree: &Tree, contents: &Contents, node: NodeId) -> Result<Vec<u8>, Error> {
    let Some(content) = tree.content(node) else {
        return Ok(Vec::new());
    };
    if content.size > MAX_DATABASE {
        return Err(Error::TooLarge {
            path: tree.absolute(node),
            size: content.size,
            limit: MAX_DATABASE,
        });
    }
    contents
        .read(content, MAX_DATABASE)
        .map_err(|source| Error::Read {
            path: tree.absolute(node),
            source,
        })
}

/// Iterates over the paragraphs of a text, as ranges: runs of lines without an empty one.
fn paragraphs(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while text.get(at) == Some(&b'\n') {
            at += 1;
        }
        if at >= text.len() {
            return None;
        }
        let start = at;
        let end = memchr::memmem::find(&text[start..], b"\n\n")
            .map_or(text.len(), |length| start + length + 1);
        at = end;
        Some(start..end)
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn optional_text(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| text(bytes))
}
