//! What differs between two images: paths, settings, packages.
//!
//! Both trees are walked side by side in the order of their names. Bytes are
//! compared only where they can differ: files of one size that do not lie at the
//! same place of the same layer.

mod config;
mod sizes;

use std::collections::HashMap;
use std::io;

use image::{FileSystem, Image};
use layer::{InodeId, NodeId, NodeKind, Tree, display};
use serde::Serialize;

pub use config::ConfigChange;
pub use sizes::{DirectoryChange, PackageChange};

use crate::installed::Installed;
use crate::packages;

/// What can go wrong with comparing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The package database cannot be read.
    #[error("cannot read the package database")]
    Packages(#[source] packages::Error),
    /// A file cannot be read.
    #[error("cannot compare `{path}`")]
    Read {
        /// Which.
        path: String,
        /// The cause.
        source: io::Error,
    },
}

/// What of two files is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ignore {
    /// Modification times.
    pub times: bool,
    /// Owner and group.
    pub owner: bool,
    /// Permission bits.
    pub mode: bool,
    /// Extended attributes.
    pub xattrs: bool,
    /// Which names are of one file.
    pub links: bool,
    /// The bytes of files that have the same size.
    pub content: bool,
}

/// What of a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// File, directory, link and so on.
    Type,
    /// Permission bits.
    Mode,
    /// Owner and group.
    Owner,
    /// Modification time.
    Time,
    /// Size of a file.
    Size,
    /// Bytes of a file of the same size.
    Content,
    /// Where a symbolic link leads.
    Target,
    /// Numbers of a device.
    Device,
    /// Extended attributes.
    Xattrs,
    /// Which names are of one file.
    Links,
}

/// A difference of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// What differs.
    pub field: Field,
    /// In the first image.
    pub old: String,
    /// In the second.
    pub new: String,
}

/// A path that only one image has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathEntry {
    /// From the root; a directory ends in `/`.
    pub path: String,
    /// Bytes of a regular file.
    pub bytes: u64,
}

/// A path that both have, and in what way it differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathChange {
    /// From the root; a directory ends in `/`.
    pub path: String,
    /// What differs.
    pub fields: Vec<FieldChange>,
    /// Bytes in the first image.
    pub old_bytes: u64,
    /// Bytes in the second.
    pub new_bytes: u64,
}

/// What differs between the files of two images.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Paths {
    /// Paths of the second alone.
    pub added: Vec<PathEntry>,
    /// Paths of the first alone.
    pub removed: Vec<PathEntry>,
    /// Paths that differ.
    pub changed: Vec<PathChange>,
}

/// What differs between two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Of the files.
    #[serde(flatten)]
    pub paths: Paths,
    /// Of the config.
    pub config: Vec<ConfigChange>,
    /// Of the packages, those that grew most first.
    pub packages: Vec<PackageChange>,
    /// Of the directories, those that grew most first.
    pub directories: Vec<DirectoryChange>,
}

impl Paths {
    /// Returns whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Difference {
    /// Returns whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.config.is_empty()
    }
}

/// One of two images.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The image.
    pub image: &'a Image,
    /// Its files.
    pub files: &'a FileSystem,
}

/// Compares two images.
///
/// # Errors
/// When files cannot be read.
pub fn compare(old: Side<'_>, new: Side<'_>, ignore: Ignore) -> Result<Difference, Error> {
    let paths = paths(old, new, ignore)?;
    let read = |side: Side<'_>| Installed::read(side.files).map_err(Error::Packages);
    let installed = [read(old)?, read(new)?];
    Ok(Difference {
        config: config::compare(old.image.config(), new.image.config()),
        packages: sizes::packages([old.files, new.files], [&installed[0], &installed[1]]),
        directories: sizes::directories([&old.files.tree, &new.files.tree]),
        paths,
    })
}

/// Compares the files of two images.
///
/// # Errors
/// When files cannot be read.
pub fn paths(old: Side<'_>, new: Side<'_>, ignore: Ignore) -> Result<Paths, Error> {
    let walk = Walk {
        old,
        new,
        ignore,
        first_old: old.files.tree.first_names(),
        first_new: new.files.tree.first_names(),
    };
    let mut paths = Paths::default();
    let mut pending = vec![(old.files.tree.root(), new.files.tree.root())];
    while let Some((a, b)) = pending.pop() {
        walk.pair(a, b, &mut paths)?;
        let (a_dir, b_dir) = (
            old.files.tree.is_directory(a),
            new.files.tree.is_directory(b),
        );
        let a_children = if a_dir {
            old.files.tree.children(a)
        } else {
            Vec::new()
        };
        let b_children = if b_dir {
            new.files.tree.children(b)
        } else {
            Vec::new()
        };
        let first = pending.len();
        let (mut i, mut j) = (0, 0);
        while i < a_children.len() || j < b_children.len() {
            let name_a = a_children.get(i).map(|node| old.files.tree.name(*node));
            let name_b = b_children.get(j).map(|node| new.files.tree.name(*node));
            let order = match (name_a, name_b) {
                (Some(a), Some(b)) => a.cmp(b),
                (Some(_), None) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            match order {
                std::cmp::Ordering::Less => {
                    list(&old.files.tree, a_children[i], &mut paths.removed);
                    i += 1;
                }
                std::cmp::Ordering::Greater => {
                    list(&new.files.tree, b_children[j], &mut paths.added);
                    j += 1;
                }
                std::cmp::Ordering::Equal => {
                    pending.push((a_children[i], b_children[j]));
                    i += 1;
                    j += 1;
                }
            }
        }
        pending[first..].reverse();
    }
    paths.added.sort_by(|a, b| a.path.cmp(&b.path));
    paths.removed.sort_by(|a, b| a.path.cmp(&b.path));
    paths.changed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(paths)
}

fn list(tree: &Tree, top: NodeId, entries: &mut Vec<PathEntry>) {
    entries.extend(tree.walk(top).map(|node| PathEntry {
        path: shown(tree, node),
        bytes: tree.size(node),
    }));
}

fn shown(tree: &Tree, node: NodeId) -> String {
    let mut path = display(&tree.absolute(node)).into_owned();
    if tree.is_directory(node) && node != tree.root() {
        path.push('/');
    }
    path
}

struct Walk<'a> {
    old: Side<'a>,
    new: Side<'a>,
    ignore: Ignore,
    first_old: HashMap<InodeId, NodeId>,
    first_new: HashMap<InodeId, NodeId>,
}

impl Walk<'_> {
    fn pair(&self, a: NodeId, b: NodeId, paths: &mut Paths) -> Result<(), Error> {
        let (old, new) = (&self.old.files.tree, &self.new.files.tree);
        let mut fields = Vec::new();
        let mut differ = |field, old: String, new: String| {
            fields.push(FieldChange { field, old, new });
        };
        let kind = (old.kind(a), new.kind(b));
        if type_name(kind.0) != type_name(kind.1) {
            differ(
                Field::Type,
                type_name(kind.0).to_owned(),
                type_name(kind.1).to_owned(),
            );
        }
        // The kernel has no permissions of symbolic links; tar writers put anything.
        let links = matches!(kind, (NodeKind::Symlink(_), NodeKind::Symlink(_)));
        let (mode_a, mode_b) = (old.mode(a), new.mode(b));
        if !self.ignore.mode && !links && mode_a != mode_b {
            differ(
                Field::Mode,
                format!("{mode_a:04o}"),
                format!("{mode_b:04o}"),
            );
        }
        let owner = |(uid, gid): (u32, u32)| format!("{uid}:{gid}");
        if !self.ignore.owner && old.owner(a) != new.owner(b) {
            differ(Field::Owner, owner(old.owner(a)), owner(new.owner(b)));
        }
        let time = |time: layer::Time| format!("{}.{:09}", time.seconds, time.nanoseconds);
        if !self.ignore.times && old.mtime(a) != new.mtime(b) {
            differ(Field::Time, time(old.mtime(a)), time(new.mtime(b)));
        }
        if !self.ignore.xattrs && old.xattrs(a) != new.xattrs(b) {
            differ(Field::Xattrs, xattrs(old, a), xattrs(new, b));
        }
        match kind {
            (NodeKind::File(x), NodeKind::File(y)) => {
                if x.size != y.size {
                    differ(Field::Size, x.size.to_string(), y.size.to_string());
                } else if !self.ignore.content && !self.same(a, b)? {
                    differ(Field::Content, String::new(), String::new());
                }
            }
            (NodeKind::Symlink(x), NodeKind::Symlink(y)) if x != y => {
                differ(
                    Field::Target,
                    display(x).into_owned(),
                    display(y).into_owned(),
                );
            }
            (x, y) if type_name(x) == type_name(y) && device(x) != device(y) => {
                differ(Field::Device, device(x), device(y));
            }
            _ => {}
        }
        if !self.ignore.links {
            let first = |tree: &Tree, names: &HashMap<InodeId, NodeId>, node| {
                let first = names.get(&tree.inode(node)).filter(|first| **first != node);
                first.map_or_else(String::new, |first| shown(tree, *first))
            };
            let x = first(old, &self.first_old, a);
            let y = first(new, &self.first_new, b);
            if x != y {
                differ(Field::Links, x, y);
            }
        }
        if !fields.is_empty() {
            paths.changed.push(PathChange {
                path: shown(new, b),
                fields,
                old_bytes: old.size(a),
                new_bytes: new.size(b),
            });
        }
        Ok(())
    }

    /// Whether two files of one size have the same bytes.
    fn same(&self, a: NodeId, b: NodeId) -> Result<bool, Error> {
        let (old, new) = (self.old.files, self.new.files);
        let (Some(x), Some(y)) = (old.tree.content(a), new.tree.content(b)) else {
            return Ok(true);
        };
        let diff_id = |side: Side<'_>, layer: u32| {
            let ids = side.image.config().diff_ids();
            ids.get(layer as usize).copied()
        };
        let layers = (diff_id(self.old, x.layer), diff_id(self.new, y.layer));
        if x.extents == y.extents && layers.0.is_some() && layers.0 == layers.1 {
            return Ok(true);
        }
        let same = old.contents.same(x, &new.contents, y);
        same.map_err(|source| Error::Read {
            path: shown(&new.tree, b),
            source,
        })
    }
}

fn type_name(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::File(_) => "file",
        NodeKind::Directory => "directory",
        NodeKind::Symlink(_) => "symbolic link",
        NodeKind::CharDevice { .. } => "character device",
        NodeKind::BlockDevice { .. } => "block device",
        NodeKind::Fifo => "named pipe",
    }
}

fn device(kind: &NodeKind) -> String {
    match kind {
        NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
            format!("{major}:{minor}")
        }
        _ => String::new(),
    }
}

fn xattrs(tree: &Tree, node: NodeId) -> String {
    let one = |xattr: &layer::Xattr| {
        let value: String = xattr.value.iter().map(|b| format!("{b:02x}")).collect();
        format!("{}={value}", display(&xattr.name))
    };
    let all: Vec<String> = tree.xattrs(node).iter().map(one).collect();
    all.join(" ")
}
