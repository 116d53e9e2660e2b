//! An image's file system from a list of paths.

use std::fs::File;
use std::sync::Arc;

use layer::read::TarReader;
use layer::write::TarWriter;
use layer::{Contents, Entry, FileSlice, Kind, Limits, Metadata, NodeId, Time, Tree, Xattr};

/// A merged file system and the bytes of its files.
#[derive(Debug, Clone)]
pub struct TestTree {
    /// The names.
    pub tree: Tree,
    /// The bytes.
    pub contents: Contents,
}

impl TestTree {
    /// Returns what is at `path`, without following a link at its end.
    ///
    /// # Panics
    /// When there is nothing.
    pub fn node(&self, path: &str) -> NodeId {
        let found = self.tree.lookup(path.as_bytes());
        found.unwrap_or_else(|| panic!("`{path}` is not in the test tree"))
    }

    /// Returns everything as text; see [`crate::dump`].
    pub fn dump(&self) -> String {
        crate::dump::tree(&self.tree, &self.contents, crate::dump::Fields::ALL)
    }

    /// Returns the absolute path of a node.
    pub fn path(&self, node: NodeId) -> String {
        String::from_utf8_lossy(&self.tree.absolute(node)).into_owned()
    }
}

/// Collects entries of one layer; parents are made as needed. A leading `/` in
/// a path is ignored.
///
/// ```
/// let image = testkit::tree::Builder::new()
///     .file("etc/hostname", "box\n")
///     .symlink("lib", "usr/lib")
///     .executable("usr/lib/start", "#!/bin/sh\n")
///     .build();
/// assert_eq!(image.path(image.tree.resolve(b"/lib/start").unwrap().node), "/usr/lib/start");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Builder {
    entries: Vec<(Entry, Vec<u8>)>,
}

impl Builder {
    /// Starts with an empty root.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a regular file with mode 0644.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        let size = bytes.len() as u64;
        self.entry(path, Kind::File { size }, 0o644, bytes)
    }

    /// Adds a regular file with mode 0755.
    #[must_use]
    pub fn executable(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        let size = bytes.len() as u64;
        self.entry(path, Kind::File { size }, 0o755, bytes)
    }

    /// Adds a directory with mode 0755.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.entry(path, Kind::Directory, 0o755, Vec::new())
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        let kind = Kind::Symlink(target.as_bytes().to_vec());
        self.entry(path, kind, 0o777, Vec::new())
    }

    /// Adds a further name of the file `target`, which was added before.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        let kind = Kind::HardLink(trimmed(target));
        self.entry(path, kind, 0o644, Vec::new())
    }

    /// Adds a whiteout: what lower layers have at `path` is hidden.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.file(&format!("{parent}/.wh.{name}"), "")
    }

    /// Hides everything that lower layers have in a directory.
    #[must_use]
    pub fn opaque(self, directory: &str) -> Self {
        self.file(&format!("{directory}/.wh..wh..opq"), "")
    }

    /// Adds an entry of any kind without content.
    #[must_use]
    pub fn other(self, path: &str, kind: Kind) -> Self {
        self.entry(path, kind, 0o644, Vec::new())
    }

    /// Sets the modification time of the entry that was added last.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn mtime(mut self, seconds: i64, nanoseconds: u32) -> Self {
        let last = self.entries.last_mut().expect("no entry to date");
        last.0.metadata.mtime = Time {
            seconds,
            nanoseconds,
        };
        self
    }

    /// Adds an extended attribute to the entry that was added last.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn xattr(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let last = self.entries.last_mut().expect("no entry to give it to");
        let xattrs = &mut last.0.metadata.xattrs;
        xattrs.push(Xattr {
            name: name.as_bytes().into(),
            value: value.as_ref().into(),
        });
        xattrs.sort();
        self
    }

    /// Sets the mode of the entry that was added last.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn mode(mut self, mode: u16) -> Self {
        let last = self.entries.last_mut().expect("no entry to set a mode of");
        last.0.metadata.mode = mode;
        self
    }

    /// Sets owner and group of the entry that was added last.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        let last = self
            .entries
            .last_mut()
            .expect("no entry to set an owner of");
        (last.0.metadata.uid, last.0.metadata.gid) = (uid, gid);
        self
    }

    /// Writes the entries as a layer tar and returns it.
    ///
    /// # Panics
    /// When an entry cannot be written.
    pub fn tar(&self) -> Vec<u8> {
        let mut writer = TarWriter::new(Vec::new());
        for (entry, bytes) in &self.entries {
            match entry.kind {
                Kind::File { .. } => writer.write_bytes(&entry.path, &entry.metadata, bytes),
                _ => writer.write_entry(entry),
            }
            .expect("the entry can be written");
        }
        writer.finish().expect("the tar can be written")
    }

    /// Writes the layer to a temporary file, reads it back and merges it.
    ///
    /// # Panics
    /// When the entries are no valid layer.
    pub fn build(&self) -> TestTree {
        merge([self.tar()])
    }

    fn entry(mut self, path: &str, kind: Kind, mode: u16, bytes: Vec<u8>) -> Self {
        let metadata = Metadata {
            mode,
            ..Metadata::default()
        };
        let path = trimmed(path);
        let entry = Entry {
            path,
            kind,
            metadata,
        };
        self.entries.push((entry, bytes));
        self
    }
}

/// Merges layer tars, base first, as they are merged in an image.
///
/// # Panics
/// When one is no valid layer, or there is no room for temporary files.
pub fn merge(layers: impl IntoIterator<Item = Vec<u8>>) -> TestTree {
    try_merge(layers, Limits::default()).expect("the layers are valid")
}

/// Merges layer tars that may be invalid.
///
/// # Errors
/// What is wrong with the first one that is.
///
/// # Panics
/// When there is no room for temporary files.
pub fn try_merge(
    layers: impl IntoIterator<Item = Vec<u8>>,
    limits: Limits,
) -> layer::Result<TestTree> {
    let mut tree = Tree::bounded(limits);
    let mut slices = Vec::new();
    for (layer, tar) in layers.into_iter().enumerate() {
        let mut reader = TarReader::new(&tar[..], layer as u32, limits);
        while let Some(member) = reader.next_member()? {
            tree.apply(layer as u32, member)?;
        }
        slices.push(slice(&tar));
    }
    Ok(TestTree {
        tree,
        contents: Contents::new(slices),
    })
}

fn slice(bytes: &[u8]) -> FileSlice {
    let mut file: File = tempfile::tempfile().expect("a temporary file can be made");
    std::io::Write::write_all(&mut file, bytes).expect("the temporary file can be written");
    FileSlice::new(Arc::new(file), 0, bytes.len() as u64)
}

fn trimmed(path: &str) -> Vec<u8> {
    path.trim_start_matches('/').as_bytes().to_vec()
}
