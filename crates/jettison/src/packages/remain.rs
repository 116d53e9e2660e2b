//! The package database of a slim image: true about what is left, nothing more.
//!
//! Scanners look up vulnerabilities by package, so a package that is gone must
//! not be listed, and one that is left must be. A package *remains* if one of its
//! files or symbolic links does, its licence text aside: keeping `copyright` of
//! a library that is gone does not make the library present.
//!
//! - dpkg: one stanza a package in `var/lib/dpkg/status.d`, and beside it the
//!   checksums of the files that remain: the layout of distroless images, which
//!   scanners know, and which says that this is no complete system. Where
//!   `var/lib/dpkg/status` itself is needed, because a program asks dpkg's tools for a
//!   package, that file with the same stanzas, and lists of the files that remain.
//! - apk: the same file with fewer records, and records with fewer files.
//! - rpm: the same SQLite file without the rows of packages that are gone. A header
//!   that remains is unchanged and lists all files of its package, since it is signed.
//! - The older databases of rpm are not written; [`Remains::left_out`] says so.

use std::collections::{BTreeMap, BTreeSet};

use layer::{Contents, NodeId, Tree};

use super::classes::Class;
use super::owners::Paths;
use super::{Error, Format, PackageDb, PackageId, State, apk, dpkg, read_node, rpm};

/// The package metadata of a slim image; see [`remains`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remains {
    /// The packages of which something is left, in ascending order.
    pub packages: Vec<PackageId>,
    /// The files to put into the image, sorted by path.
    pub files: Vec<MetadataFile>,
    /// The files of the original databases, which would now tell untruths, sorted.
    pub replaced: Vec<NodeId>,
    /// The databases for which there is nothing in `files`, as indexes into
    /// [`PackageDb::databases`], and why.
    pub left_out: Vec<(usize, State)>,
}

/// A file to put into the image, owned by root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataFile {
    /// Path relative to the root.
    pub path: Vec<u8>,
    /// Permission bits.
    pub mode: u16,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Returns the package metadata for an image with the nodes for which `keep` answers yes. Of those for which `changed`
/// does, the checksums of their packages are not true any more.
///
/// The same arguments give the same bytes.
///
/// # Errors
/// When the original databases cannot be read from their layers.
pub fn remains(
    tree: &Tree,
    contents: &Contents,
    db: &PackageDb,
    keep: impl Fn(NodeId) -> bool,
    changed: impl Fn(NodeId) -> bool,
) -> Result<Remains, Error> {
    let present = |id: PackageId| {
        let files = db.files(id);
        files.iter().any(|&node| {
            // Looking at the path is dear, and rarely needed.
            keep(node) && Class::of(&tree.path(node)) != Class::License
        })
    };
    let same = |node: NodeId| keep(node) && !changed(node);
    let mut kept = Kept {
        tree,
        contents,
        db,
        paths: Paths::new(tree),
        files: BTreeMap::new(),
    };
    let packages: Vec<PackageId> = db.packages().map(|(id, _)| id).collect();
    let packages: Vec<PackageId> = packages.into_iter().filter(|&id| present(id)).collect();
    let mut replaced = BTreeSet::new();
    let mut left_out = Vec::new();
    for (at, database) in db.databases().iter().enumerate() {
        let mut of_database = packages.iter().copied();
        let of_database: Vec<PackageId> = of_database
            .by_ref()
            .filter(|&id| db.package(id).database == at)
            .collect();
        let parent = tree.parent(database.node);
        match database.format {
            Format::Dpkg => {
                replaced.extend(dpkg::tells(tree, database.node));
                if keep(database.node) {
                    kept.write_status(database.node, &of_database, &keep, &same)?;
                } else {
                    kept.write_stanzas(&of_database, &same)?;
                }
            }
            Format::DpkgSplit => {
                replaced.extend(files_below(tree, database.node));
                kept.write_stanzas(&of_database, &same)?;
            }
            Format::Apk => {
                replaced.insert(database.node);
                kept.write_apk(database.node, &of_database, &keep, &same);
            }
            Format::Rpm => {
                replaced.extend(siblings(tree, database.node));
                if let Err(reason) = kept.write_rpm(database.node, &of_database)? {
                    left_out.push((at, State::Damaged { reason }));
                }
            }
            Format::RpmNdb | Format::RpmBerkeley => {
                replaced.extend(files_below(tree, parent));
                left_out.push((at, State::Unsupported));
            }
        }
    }
    let files = kept.files.into_iter();
    Ok(Remains {
        packages,
        files: files
            .map(|(path, bytes)| MetadataFile {
                path,
                mode: 0o644,
                bytes,
            })
            .collect(),
        replaced: replaced.into_iter().collect(),
        left_out,
    })
}

struct Kept<'a> {
    tree: &'a Tree,
    contents: &'a Contents,
    db: &'a PackageDb,
    paths: Paths<'a>,
    files: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Kept<'_> {
    fn write_stanzas(
        &mut self,
        packages: &[PackageId],
        same: &impl Fn(NodeId) -> bool,
    ) -> Result<(), Error> {
        for &id in packages {
            let package = self.db.package(id);
            // Two architectures of one package need two files.
            let several = self.db.named(&package.name).len() > 1;
            let mut name = package.name.clone();
            if several {
                name = format!("{name}:{}", package.architecture);
            }
            if !is_file_name(&name) {
                continue;
            }
            let path = [dpkg::STATUS_DIRECTORY, b"/", name.as_bytes()].concat();
            if let Some(sums) = self.remaining_sums(id, same)? {
                self.files.insert([&path, dpkg::SUMS].concat(), sums);
            }
            self.files.insert(path, self.stanza(id));
        }
        Ok(())
    }

    /// Writes all stanzas into one file, and beside it what dpkg(1) knows of the files of each package.
    fn write_status(
        &mut self,
        status: NodeId,
        packages: &[PackageId],
        keep: &impl Fn(NodeId) -> bool,
        same: &impl Fn(NodeId) -> bool,
    ) -> Result<(), Error> {
        let mut stanzas = Vec::new();
        for &id in packages {
            stanzas.extend(self.stanza(id));
            stanzas.push(b'\n');
            let record = self.db.package(id).record.clone();
            if let Some(list) = record.list {
                let mut remaining = Vec::new();
                let listed = read_node(self.tree, self.contents, list)?;
                let paths = listed.split(|&b| b == b'\n');
                for path in paths.filter(|path| !path.is_empty()) {
                    let node = self.paths.node(path, b"");
                    if node.is_some_and(keep) {
                        remaining.extend_from_slice(path);
                        remaining.push(b'\n');
                    }
                }
                self.files.insert(self.tree.path(list), remaining);
            }
            if let Some((node, sums)) = record.sums.zip(self.remaining_sums(id, same)?) {
                self.files.insert(self.tree.path(node), sums);
            }
        }
        // Which says how the lists are called.
        let format = [&self.tree.path(self.tree.parent(status)), dpkg::FORMAT].concat();
        if let Some(node) = self.tree.lookup(&format) {
            let bytes = read_node(self.tree, self.contents, node)?;
            self.files.insert(format, bytes);
        }
        self.files.insert(self.tree.path(status), stanzas);
        Ok(())
    }

    fn stanza(&self, id: PackageId) -> Vec<u8> {
        let mut stanza = self.db.record(id).to_vec();
        if stanza.last() != Some(&b'\n') {
            stanza.push(b'\n');
        }
        stanza
    }

    /// Returns the lines of the checksums of a package that are true of what remains, if it has any.
    fn remaining_sums(
        &mut self,
        id: PackageId,
        same: &impl Fn(NodeId) -> bool,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(sums) = self.db.package(id).record.sums else {
            return Ok(None);
        };
        let list = read_node(self.tree, self.contents, sums)?;
        let mut remaining = Vec::new();
        for (line, listed) in dpkg::checksums(&list) {
            if self.is_kept(listed, id, same) {
                remaining.extend_from_slice(line);
                remaining.push(b'\n');
            }
        }
        Ok(Some(remaining))
    }

    fn write_apk(
        &mut self,
        node: NodeId,
        packages: &[PackageId],
        keep: &impl Fn(NodeId) -> bool,
        same: &impl Fn(NodeId) -> bool,
    ) {
        let mut out = Vec::new();
        for &id in packages {
            self.push_record(id, keep, same, &mut out);
            out.push(b'\n');
        }
        self.files.insert(self.tree.path(node), out);
    }

    /// Copies a record: fields, then directories (`F:`, and their mode), each
    /// with its files (`R:`, and their mode and checksum).
    fn push_record(
        &mut self,
        id: PackageId,
        keep: &impl Fn(NodeId) -> bool,
        same: &impl Fn(NodeId) -> bool,
        out: &mut Vec<u8>,
    ) {
        let record = self.db.record(id);
        let mut directory: &[u8] = b"";
        let (mut copying, mut summing) = (true, true);
        for whole in record
            .split(|&b| b == b'\n')
            .filter(|line| !line.is_empty())
        {
            match apk::line(whole) {
                Some((b'F', value)) => {
                    directory = value;
                    copying = self.paths.node(value, b"").is_some_and(keep);
                }
                Some((b'R', value)) => {
                    let path = apk::join(directory, value);
                    copying = self.is_kept(&path, id, keep);
                    summing = self.is_kept(&path, id, same);
                }
                Some((b'Z', _)) if !summing => continue,
                _ => {}
            }
            if copying {
                out.extend_from_slice(whole);
                out.push(b'\n');
            }
        }
    }

    fn write_rpm(
        &mut self,
        node: NodeId,
        packages: &[PackageId],
    ) -> Result<Result<(), &'static str>, Error> {
        let bytes = read_node(self.tree, self.contents, node)?;
        let log = rpm::log(self.tree, node);
        let log = log
            .map(|log| read_node(self.tree, self.contents, log))
            .transpose()?;
        let rows: BTreeSet<i64> = packages
            .iter()
            .map(|&id| self.db.package(id).record.row)
            .collect();
        let reduced = rpm::reduce(&bytes, &log.unwrap_or_default(), &rows);
        Ok(reduced.map(|bytes| {
            self.files.insert(self.tree.path(node), bytes);
        }))
    }

    /// Returns whether a listed path is a file of the package that is kept.
    fn is_kept(&mut self, path: &[u8], id: PackageId, keep: &impl Fn(NodeId) -> bool) -> bool {
        self.paths
            .node(path, b"")
            .is_some_and(|node| keep(node) && self.db.owners(node).contains(&id))
    }
}

/// Returns whether a name from a database can be the name of a file.
fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

fn files_below(tree: &Tree, directory: NodeId) -> impl Iterator<Item = NodeId> {
    tree.walk(directory)
        .filter(|&node| !tree.is_directory(node))
}

/// Returns a database and what SQLite puts beside it.
fn siblings(tree: &Tree, database: NodeId) -> impl Iterator<Item = NodeId> {
    let endings: [&[u8]; 4] = [b"", b"-wal", b"-shm", b"-journal"];
    endings.into_iter().filter_map(move |ending| {
        let name = [tree.name(database), ending].concat();
        tree.child(tree.parent(database), &name)
    })
}
