//! An image's file system as a directory, for as long as it is needed.
//!
//! Each lies in a directory of its own in the scratch space, and whoever uses it holds a lock on that
//! directory. A lock goes with its process however that ends, so a directory that can be locked belongs
//! to nobody any more; the next one who comes along removes it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use image::FileSystem;
use layer::tree::NodeKind;
use layer::unpack::{Options, unpack};
use layer::{NodeId, Tree};
use sandbox::{IdMapping, Ownership, apply_ownership, remove_tree};

use super::Error;

/// Beginning of the names of these directories.
const PREFIX: &str = "container-";

/// An image's files, unpacked. Dropping it removes them.
#[derive(Debug)]
pub struct Unpacked {
    directory: PathBuf,
    root: PathBuf,
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
        sweep(scratch, ids);
        let (directory, lock) = make(scratch)?;
        let root = directory.join("root");
        let unpacked = Self {
            directory,
            root,
            ids: ids.clone(),
            _lock: lock,
        };
        let error = |source| Error::Scratch {
            verb: "make directory",
            path: unpacked.root.clone(),
            source,
        };
        fs::create_dir(&unpacked.root).map_err(error)?;
        let options = Options {
            owners: *ids == IdMapping::Identity,
            devices: false,
        };
        let (tree, contents) = (&files.tree, &files.contents);
        unpack(tree, contents, &unpacked.root, options, |_| true).map_err(Error::Unpack)?;
        if matches!(ids, IdMapping::SubIds { .. }) {
            apply_ownership(ids, &unpacked.root, owners(tree, ids))?;
        }
        Ok(unpacked)
    }

    /// Returns the directory that is the image's root.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        if let Err(error) = remove_tree(&self.ids, &self.directory) {
            tracing::debug!(%error, "cannot remove unpacked files");
        }
    }
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
