//! `RUN` where the kernel refuses overlayfs: in a copy of all files, and what changed is found by looking.
//!
//! Every file is listed before and after. A file is the same if its inode, its size, its owner and mode
//! and the time of its last change are; that time cannot be set back. What differs is moved to where
//! overlayfs would have put it, so that the rest of a build sees no difference.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode};
use sandbox::{Mount, Spec, Writes};

use super::attributes::Owners;
use super::copy::{Writer, materialise};
use super::select::Tree;
use super::snapshot::Work;
use super::stage::Stage;
use super::view::{View, parts};
use super::{Error, Timestamps};

/// Longer than the times of the file system are coarse.
const TICK: Duration = Duration::from_millis(20);

/// What of a file cannot stay the same when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: (u64, u64),
    size: u64,
    mode: u32,
    owner: (u32, u32),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        let is_dir = metadata.is_dir();
        Self {
            inode: (metadata.dev(), metadata.ino()),
            // Those of directories change with their entries, which are looked at themselves.
            size: if is_dir { 0 } else { metadata.size() },
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            changed: if is_dir {
                (0, 0)
            } else {
                (metadata.ctime(), metadata.ctime_nsec())
            },
        }
    }
}

/// A copy of the files of a stage, ready to be changed.
#[derive(Debug)]
pub(super) struct Copied {
    root: PathBuf,
    before: BTreeMap<PathBuf, Identity>,
    /// What was made for mounts, innermost first.
    made: Vec<PathBuf>,
}

impl Copied {
    /// Copies all files, and points a container at them.
    pub(super) fn new(
        stage: &Stage<'_>,
        view: &View,
        work: &Work,
        spec: &mut Spec,
    ) -> Result<Self, Error> {
        let root = work.path().join("root");
        let owners = stage.build.owners;
        let tree = Tree {
            view: view.clone(),
            ignore: dockerfile::Ignore::default(),
            owners: Some(owners),
            name: "the stage".to_owned(),
        };
        let item = tree.select("/", &dockerfile::Ignore::default())?.remove(0);
        materialise(&tree, &item, &root, owners, stage.build.options.times)?;
        let mut copied = Self {
            before: list(&root)?,
            root,
            made: Vec::new(),
        };
        let system = ["proc", "dev", "sys"].map(|name| (Path::new("/").join(name), true));
        let names =
            ["hostname", "hosts", "resolv.conf"].map(|name| (Path::new("/etc").join(name), false));
        let mounts = spec.mounts.iter().map(|mount| {
            let is_dir = match mount {
                Mount::Bind { source, .. } => source.is_dir(),
                Mount::Tmpfs { .. } => true,
            };
            (mount.target().clone(), is_dir)
        });
        for (target, is_dir) in system
            .into_iter()
            .chain(names)
            .chain(mounts.collect::<Vec<_>>())
        {
            copied.mount_point(&target, is_dir)?;
        }
        spec.root.clone_from(&copied.root);
        spec.below = Vec::new();
        spec.writes = Writes::InPlace;
        std::thread::sleep(TICK);
        Ok(copied)
    }

    /// Makes a mount point unless it is there.
    fn mount_point(&mut self, target: &Path, is_dir: bool) -> Result<(), Error> {
        let mut path = self.root.clone();
        let parts = parts(target);
        for (at, name) in parts.iter().enumerate() {
            path.push(name);
            if fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            if at + 1 < parts.len() || is_dir {
                fs::create_dir(&path).map_err(Error::file("make", &path))?;
            } else {
                fs::write(&path, b"").map_err(Error::file("make", &path))?;
            }
            self.made.insert(0, path.clone());
        }
        Ok(())
    }

    /// Moves what changed into the upper directory.
    pub(super) fn settle(
        self,
        view: &View,
        upper: &Path,
        owners: Owners,
        times: Timestamps,
    ) -> Result<(), Error> {
        for path in &self.made {
            // Whatever the command left in it makes it the command's.
            let removed = if path.is_dir() {
                fs::remove_dir(path)
            } else {
                Ok(())
            };
            let empty =
                fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
            if removed.is_ok() && empty {
                fs::remove_file(path).map_err(Error::file("remove", path))?;
            }
        }
        let mut writer = Writer::new(upper, view, owners, times);
        writer.begin(view)?;
        let after = list(&self.root)?;
        let mut directories = Vec::new();
        for (path, identity) in &after {
            if self.before.get(path) == Some(identity) {
                continue;
            }
            let from = self.root.join(path);
            let metadata = fs::symlink_metadata(&from).map_err(Error::file("read", &from))?;
            if metadata.is_dir() {
                writer.directory(path)?;
                directories.push((from, upper.join(path)));
                continue;
            }
            if let Some(parent) = path.parent() {
                writer.directory(parent)?;
            }
            let to = upper.join(path);
            fs::rename(&from, &to).map_err(Error::file("move", &from))?;
        }
        for path in self.before.keys().filter(|path| !after.contains_key(*path)) {
            // With its directory, everything below is gone; so it is where a file has taken its place.
            let parent = path.parent().unwrap_or(Path::new(""));
            let parent_stays = after.contains_key(parent) || parent.as_os_str().is_empty();
            if !parent_stays || !self.root.join(parent).is_dir() {
                continue;
            }
            writer.directory(parent)?;
            let to = upper.join(path);
            rustix::fs::mknodat(CWD, &to, FileType::CharacterDevice, Mode::empty(), 0)
                .map_err(|errno| Error::file("make", &to)(errno.into()))?;
        }
        writer.finish()?;
        for (from, to) in directories.into_iter().rev() {
            let metadata = fs::symlink_metadata(&from).map_err(Error::file("read", &from))?;
            let attributes = super::attributes::Attributes::of(&from, &metadata)
                .map_err(Error::file("read", &from))?;
            let owner = owners.of(&from, &metadata);
            attributes
                .set(&to, owners, owner, false)
                .map_err(Error::file("set the attributes of", &to))?;
        }
        Ok(())
    }
}

/// Lists everything below a directory.
fn list(root: &Path) -> Result<BTreeMap<PathBuf, Identity>, Error> {
    let mut found = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        let path = root.join(&directory);
        for entry in fs::read_dir(&path).map_err(Error::file("read", &path))? {
            let entry = entry.map_err(Error::file("read", &path))?;
            let relative = directory.join(entry.file_name());
            let metadata =
                fs::symlink_metadata(entry.path()).map_err(Error::file("read", entry.path()))?;
            if metadata.is_dir() {
                pending.push(relative.clone());
            }
            found.insert(relative, Identity::of(&metadata));
        }
    }
    Ok(found)
}
