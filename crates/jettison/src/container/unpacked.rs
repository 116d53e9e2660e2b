//! An image's file system as a directory, for as long as it is needed.
//!
//! In memory, if it takes only a part of what is there; otherwise on disk, where writing and removing
//! thousands of files takes longer than most programs take to start.
//!
//! Each has a directory of its own in the scratch space, and whoever uses it holds a lock on that
//! directory. A lock goes with its process however that ends, so a directory that can be locked belongs
//! to nobody any more; the next one who comes along removes it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::FileSystem;
use layer::tree::NodeKind;
use layer::unpack::{Options, unpack};
use layer::{NodeId, Tree};
use sandbox::{IdMapping, Memory, Ownership, Spec, apply_ownership, available_memory, remove_tree};

use super::Error;

/// Beginning of the names of these directories.
const PREFIX: &str = "container-";
/// One image takes at most the available memory divided by this. A proof has two of them, and their
/// programs need memory too.
const SHARE: u64 = 4;
/// What a file costs in memory besides its content, rounded up.
const PER_FILE: u64 = 2 << 10;
/// Memory is given out in pieces of this size.
const PAGE: u64 = 4 << 10;

/// An image's files, unpacked. Dropping it removes them.
#[derive(Debug)]
pub struct Unpacked {
    directory: PathBuf,
    root: PathBuf,
    memory: Option<Arc<Memory>>,
    ids: IdMapping,
    _lock: File,
}

impl Unpacked {
    /// Unpacks an image below the existing directory `scratch`, for containers with these ids. Devices are
    /// left out: in a user namespace they could not be opened.
    ///
    /// # Errors
    /// When there is no space, or no right to it.
    pub fn new(files: &FileSystem, ids: &IdMapping, scratch: &Path) -> Result<Self, Error> {
        let most = available_memory().map_or(0, |bytes| bytes / SHARE);
        Self::within(most, files, ids, scratch)
    }

    /// Unpacks an image, in memory if it takes no more than so many bytes.
    fn within(
        most: u64,
        files: &FileSystem,
        ids: &IdMapping,
        scratch: &Path,
    ) -> Result<Self, Error> {
        sweep(scratch, ids);
        let (directory, lock) = make(scratch)?;
        let root = directory.join("root");
        let mut unpacked = Self {
            directory,
            root,
            memory: None,
            ids: ids.clone(),
            _lock: lock,
        };
        fs::create_dir(&unpacked.root).map_err(|source| Error::Scratch {
            verb: "make directory",
            path: unpacked.root.clone(),
            source,
        })?;
        let bytes = bytes_in_memory(&files.tree);
        if bytes <= most {
            match Memory::new(ids, &unpacked.root, bytes) {
                Ok(memory) => unpacked.memory = Some(Arc::new(memory)),
                Err(error) => tracing::debug!(%error, "unpacking to disk"),
            }
        }
        unpacked.fill(files)?;
        Ok(unpacked)
    }

    fn fill(&self, files: &FileSystem) -> Result<(), Error> {
        let (tree, contents, ids) = (&files.tree, &files.contents, &self.ids);
        let root = match &self.memory {
            Some(memory) => memory.path(),
            None => self.root.clone(),
        };
        let options = Options {
            owners: *ids == IdMapping::Identity,
            devices: false,
            threads: layer::unpack::processors(),
        };
        unpack(tree, contents, &root, options, |_| true).map_err(Error::Unpack)?;
        if matches!(ids, IdMapping::SubIds { .. }) {
            apply_ownership(ids, &root, owners(tree, ids))?;
        }
        Ok(())
    }

    /// Makes a directory outside of the root that lasts as long.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn beside(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.directory.join(name);
        fs::create_dir(&path).map_err(|source| Error::Scratch {
            verb: "make directory",
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    /// Makes it the root of a container to come, which must have the ids that it was unpacked for.
    pub fn prepare(&self, spec: &mut Spec) {
        self.root.clone_into(&mut spec.root);
        spec.memory.clone_from(&self.memory);
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // With the files in memory these are empty.
        let empty = fs::remove_dir(&self.root).and_then(|()| fs::remove_dir(&self.directory));
        if empty.is_ok() {
            return;
        }
        // What cannot be removed now is swept later.
        if let Err(error) = remove_tree(&self.ids, &self.directory) {
            tracing::debug!(%error, "cannot remove unpacked files");
        }
    }
}

/// Returns how much memory the files of a tree take, at most.
fn bytes_in_memory(tree: &Tree) -> u64 {
    let cost = |node: NodeId| {
        let size = match tree.kind(node) {
            // Names of the same file share its content.
            NodeKind::File(content) => content.size / u64::from(tree.links(node).max(1)),
            _ => 0,
        };
        (size.div_ceil(PAGE).saturating_mul(PAGE)).saturating_add(PER_FILE)
    };
    tree.walk(tree.root())
        .map(cost)
        .fold(0, u64::saturating_add)
}

/// The owners that differ from the caller, who is root and root's group inside.
fn owners<'t>(tree: &'t Tree, ids: &'t IdMapping) -> impl Iterator<Item = Ownership> + 't {
    use std::os::unix::ffi::OsStringExt;
    let ownership = |node: NodeId| {
        let (uid, gid) = tree.owner(node);
        let capability = tree
            .xattrs(node)
            .iter()
            .find(|xattr| &*xattr.name == b"security.capability")
            .map(|xattr| xattr.value.to_vec());
        let (link, device) = match tree.kind(node) {
            NodeKind::Symlink(_) => (true, false),
            NodeKind::CharDevice { .. } | NodeKind::BlockDevice { .. } => (false, true),
            _ => (false, false),
        };
        let foreign = (uid, gid) != (0, 0) && ids.contains(uid, gid);
        (!device && (foreign || capability.is_some())).then(|| Ownership {
            path: std::ffi::OsString::from_vec(tree.path(node)).into(),
            uid: if foreign { uid } else { 0 },
            gid: if foreign { gid } else { 0 },
            mode: (!link).then(|| tree.mode(node).into()),
            capability,
        })
    };
    // Entries before their directories: one without rights for its owner is not entered any more.
    let mut nodes: Vec<NodeId> = tree.walk(tree.root()).collect();
    nodes.reverse();
    nodes.into_iter().filter_map(ownership)
}

/// Makes a directory and locks it.
fn make(scratch: &Path) -> Result<(PathBuf, File), Error> {
    let error = |verb| {
        move |source| Error::Scratch {
            verb,
            path: scratch.to_owned(),
            source,
        }
    };
    loop {
        let made = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(scratch)
            .map_err(error("make a directory in"))?;
        // Between making and locking, another process may have taken it for a leftover.
        if let Some(lock) = lock(made.path()).map_err(error("lock a directory in"))? {
            return Ok((made.keep(), lock));
        }
    }
}

/// Locks a directory, if nobody has locked or removed it.
fn lock(directory: &Path) -> io::Result<Option<File>> {
    let file = match File::open(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    let same = fs::symlink_metadata(directory).is_ok_and(|now| {
        file.metadata()
            .is_ok_and(|locked| (locked.dev(), locked.ino()) == (now.dev(), now.ino()))
    });
    Ok(same.then_some(file))
}

/// Removes what killed processes of this user have left behind.
fn sweep(scratch: &Path, ids: &IdMapping) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(scratch).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && fs::symlink_metadata(&path).is_ok_and(|it| it.is_dir() && it.uid() == own);
        if !ours {
            continue;
        }
        let Ok(Some(_lock)) = lock(&path) else {
            continue;
        };
        if let Err(error) = remove_tree(ids, &path) {
            tracing::debug!(%error, "cannot remove what an earlier run has left");
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::dump::{self, Fields};

    use super::*;

    fn fixture() -> FileSystem {
        let built = testkit::tree::Builder::new()
            .file("bin/program", "text")
            .hard_link("bin/other", "bin/program")
            .file("etc/deep/er/file", "x")
            .symlink("etc/link", "/etc/passwd")
            .build();
        FileSystem {
            tree: built.tree,
            contents: built.contents,
            unpacked: 0,
        }
    }

    #[test]
    fn files_are_the_same_in_memory_and_on_disk_and_gone_afterwards() {
        let (files, scratch) = (fixture(), tempfile::tempdir().unwrap());
        let ids = IdMapping::detect(&sandbox::Caller::current());
        let fields = Fields {
            owners: ids == IdMapping::Identity,
            ..Fields::ALL
        };
        let want = dump::tree(&files.tree, &files.contents, fields);
        for most in [0, u64::MAX] {
            let unpacked = Unpacked::within(most, &files, &ids, scratch.path()).unwrap();
            assert_eq!(unpacked.memory.is_some(), most > 0);
            let path = unpacked.memory.as_ref().map(|memory| memory.path());
            let path = path.unwrap_or_else(|| unpacked.root.clone());
            // The path of what is in memory is a link.
            assert_eq!(dump::directory(&path.join("."), fields), want);
            drop(unpacked);
            assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn memory_is_counted_in_pages_and_once_for_all_names_of_a_file() {
        let files = fixture();
        let entries = files.tree.walk(files.tree.root()).count() as u64;
        // The content with two names is less than a page under either.
        assert_eq!(bytes_in_memory(&files.tree), entries * PER_FILE + 3 * PAGE);
    }
}
