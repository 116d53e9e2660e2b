//! File systems of steps, kept as directories from build to build.
//!
//! ```text
//! CHAIN.full    all files of an image, merged
//! CHAIN.diff    what the last layer of a chain changed, as overlayfs wrote it
//! NAME.used     says with its time when the directory NAME was last used
//! work-…        a step that runs, or what is left of one that was killed
//! ```
//!
//! CHAIN is the chain id of the OCI image specification: it covers every byte of every layer, so a
//! directory with that name is right whoever made it. A directory gets its name by a rename when it is
//! complete. Who works in a `work-…` directory holds a lock on it, which goes with the process.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use image::config::Config;
use image::manifest::Manifest;
use image::media_type::Family;
use image::{Blobs, Digest, FileSystem, Image, LoadOptions, NewLayer, Platform};
use layer::read::TarReader;
use layer::unpack::{Options, unpack};
use layer::{Limits, NodeId};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, XattrFlags};

use super::Error;
use super::attributes::{Owner, Owners};
use super::cache::mark_used;
use super::view::{OPAQUE, View};

const WORK: &str = "work-";
/// What the name of a mark ends with.
const USED: &str = ".used";

/// Where the directories are.
#[derive(Debug, Clone)]
pub(super) struct Snapshots {
    root: PathBuf,
    owners: Owners,
}

/// A directory to work in. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Work {
    path: PathBuf,
    _lock: File,
}

impl Work {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where overlayfs puts changes.
    pub(super) fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::debug!(%error, "cannot remove a working directory");
        }
    }
}

/// Takes the lock of a directory in which nobody works.
fn lock_of_abandoned(path: &Path) -> Option<File> {
    let lock = File::open(path).ok()?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(lock)
}

/// Returns the chain id of layers.
pub(super) fn chain(diff_ids: impl IntoIterator<Item = Digest>) -> Option<Digest> {
    diff_ids.into_iter().fold(None, |chain, diff_id| {
        Some(match chain {
            None => diff_id,
            Some(chain) => Digest::of(format!("{chain} {diff_id}").as_bytes()),
        })
    })
}

impl Snapshots {
    /// Opens the directory of directories, and removes what killed builds left in it.
    pub(super) fn open(root: PathBuf, owners: Owners) -> Result<Self, Error> {
        fs::create_dir_all(&root).map_err(Error::file("make", &root))?;
        let entries = fs::read_dir(&root).map_err(Error::file("read", &root))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if !entry.file_name().to_string_lossy().starts_with(WORK) {
                continue;
            }
            // Held until it is gone: who has just made it waits for the lock, and then sees that.
            let Some(_lock) = lock_of_abandoned(&path) else {
                continue;
            };
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::debug!(%error, "cannot remove what a killed build left");
            }
        }
        Ok(Self { root, owners })
    }

    /// Makes a directory to work in.
    pub(super) fn work(&self) -> Result<Work, Error> {
        let failed = Error::file("make a directory in", &self.root);
        loop {
            let path = tempfile::Builder::new()
                .prefix(WORK)
                .tempdir_in(&self.root)
                .map_err(&failed)?
                .keep();
            let lock = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(&failed)?,
            };
            rustix::fs::flock(&lock, FlockOperation::LockExclusive)
                .map_err(|errno| failed(errno.into()))?;
            // Without a lock as yet, it may have been taken for abandoned.
            if path.exists() {
                return Ok(Work { path, _lock: lock });
            }
        }
    }

    fn full(&self, chain: Digest) -> PathBuf {
        self.root.join(format!("{}.full", chain.hex()))
    }

    fn diff(&self, chain: Digest) -> PathBuf {
        self.root.join(format!("{}.diff", chain.hex()))
    }

    /// Keeps the changes of a step that is done as those of a chain.
    pub(super) fn keep(&self, work: Work, chain: Digest) -> Result<(), Error> {
        settle(&work.upper(), &self.diff(chain))
    }

    /// Returns the file system of a chain of layers, of which the first `base` came with an image.
    pub(super) fn view(
        &self,
        layers: &[NewLayer],
        base: usize,
        load: Load<'_>,
    ) -> Result<View, Error> {
        let diff_ids = |count: usize| layers[..count].iter().map(|layer| layer.diff_id);
        let mut found = Vec::new();
        for count in (base + 1..=layers.len()).rev() {
            let Some(id) = chain(diff_ids(count)) else {
                continue;
            };
            let path = self.diff(id);
            if !path.exists() {
                self.unpack_layer(&layers[count - 1], &path, load)?;
            }
            found.push(path);
        }
        found.extend(self.base(&layers[..base], load)?);
        found.iter().for_each(|path| mark(path));
        Ok(View::new(found))
    }

    /// The directories of a base: what earlier builds left of it, or all of it unpacked.
    fn base(&self, layers: &[NewLayer], load: Load<'_>) -> Result<Vec<PathBuf>, Error> {
        let mut diffs = Vec::new();
        for count in (0..=layers.len()).rev() {
            let Some(id) = chain(layers[..count].iter().map(|layer| layer.diff_id)) else {
                // From scratch.
                let empty = self.root.join("empty");
                fs::create_dir_all(&empty).map_err(Error::file("make", &empty))?;
                diffs.push(empty);
                return Ok(diffs);
            };
            if self.full(id).exists() {
                diffs.push(self.full(id));
                return Ok(diffs);
            }
            if !self.diff(id).exists() {
                break;
            }
            diffs.push(self.diff(id));
        }
        let id = chain(layers.iter().map(|layer| layer.diff_id));
        let path = id.map(|id| self.full(id)).unwrap_or_default();
        self.unpack_all(layers, &path, load)?;
        Ok(vec![path])
    }

    fn unpack_all(&self, layers: &[NewLayer], target: &Path, load: Load<'_>) -> Result<(), Error> {
        let work = self.work()?;
        let root = work.path().join("root");
        fs::create_dir(&root).map_err(Error::file("make", &root))?;
        let files = load.load(layers)?;
        self.unpack(&files, &root)?;
        settle(&root, target)
    }

    fn unpack(&self, files: &FileSystem, root: &Path) -> Result<(), Error> {
        let options = Options {
            owners: self.owners == Owners::Real,
            devices: false,
            threads: layer::unpack::processors(),
        };
        unpack(&files.tree, &files.contents, root, options, |_| true).map_err(Error::Unpack)?;
        if self.owners == Owners::Recorded {
            let tree = &files.tree;
            for node in tree.walk(tree.root()) {
                self.record(files, root, node)?;
            }
        }
        Ok(())
    }

    fn record(&self, files: &FileSystem, root: &Path, node: NodeId) -> Result<(), Error> {
        use std::os::unix::ffi::OsStringExt;
        let (uid, gid) = files.tree.owner(node);
        if (uid, gid) == (0, 0) {
            return Ok(());
        }
        let path = root.join(std::ffi::OsString::from_vec(files.tree.path(node)));
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            return Ok(());
        }; // a device
        let owner = Owner { uid, gid };
        self.owners
            .set(&path, owner, metadata.is_symlink())
            .map_err(Error::file("record the owner of", &path))
    }

    /// Unpacks a layer of our own, which holds the directories above every file, as overlayfs wants it.
    fn unpack_layer(&self, layer: &NewLayer, target: &Path, load: Load<'_>) -> Result<(), Error> {
        let work = self.work()?;
        let upper = work.upper();
        fs::create_dir(&upper).map_err(Error::file("make", &upper))?;
        let files = load.load(std::slice::from_ref(layer))?;
        self.unpack(&files, &upper)?;
        for name in load.whiteouts(layer)? {
            use std::os::unix::ffi::OsStringExt;
            let path = upper.join(std::ffi::OsString::from_vec(name));
            let parent = path.parent().unwrap_or(&upper);
            fs::create_dir_all(parent).map_err(Error::file("make", parent))?;
            let file_name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if file_name.as_bytes() == layer::tree::merge::OPAQUE {
                rustix::fs::lsetxattr(parent, OPAQUE, b"y", XattrFlags::empty())
                    .map_err(|errno| Error::file("mark", parent)(errno.into()))?;
            } else if let Some(hidden) = file_name.strip_prefix(".wh.") {
                let hidden = parent.join(hidden);
                rustix::fs::mknodat(CWD, &hidden, FileType::CharacterDevice, Mode::empty(), 0)
                    .map_err(|errno| Error::file("make", &hidden)(errno.into()))?;
            }
        }
        settle(&upper, target)
    }
}

/// Where the time of a directory's last use is kept; its own is that of the image's root.
pub(super) fn mark_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(USED);
    path.with_file_name(name)
}

/// Says that a directory is in use now. Failing to is no failure.
fn mark(path: &Path) {
    let mark = mark_of(path);
    if mark.exists() {
        mark_used(&mark);
    } else {
        let _ = File::create(mark);
    }
}

/// Gives a complete directory its name. If somebody else was faster, theirs is as good.
fn settle(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::rename(from, to) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(Error::file("rename", from)(error)),
    }
}

/// How layers are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) blobs: &'a Blobs,
    pub(super) options: LoadOptions<'a>,
}

impl Load<'_> {
    /// Reads layers as if they were an image.
    pub(super) fn load(&self, layers: &[NewLayer]) -> Result<FileSystem, Error> {
        let ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
        let config = Config::empty(&Platform::host(), "").with_layers(&ids, &[]);
        let descriptor = image::Descriptor::new(
            image::MediaType::Config(Family::Oci),
            config.digest(),
            config.bytes().len() as u64,
        );
        let descriptors = layers
            .iter()
            .map(|layer| layer.descriptor.clone())
            .collect();
        let manifest = Manifest::new(Family::Oci, descriptor, descriptors, Default::default());
        let image = Image::new(manifest, config, self.blobs.clone())?;
        Ok(FileSystem::load(&image, self.options)?)
    }

    /// Lists the names in a layer that say what is removed.
    fn whiteouts(&self, layer: &NewLayer) -> Result<Vec<Vec<u8>>, Error> {
        let blob = self.blobs.open(&layer.descriptor)?;
        let wrap = |source| {
            Error::Image(image::Error::Layer {
                digest: layer.descriptor.digest,
                source,
            })
        };
        let (_, plain) = layer::codec::decompress(blob).map_err(wrap)?;
        let mut reader = TarReader::new(plain, 0, Limits::default());
        let mut names = Vec::new();
        while let Some(member) = reader.next_member().map_err(wrap)? {
            let name = member
                .entry
                .path
                .rsplit(|byte| *byte == b'/')
                .next()
                .unwrap_or_default();
            if name.starts_with(layer::tree::merge::WHITEOUT) {
                names.push(member.entry.path);
            }
        }
        Ok(names)
    }
}
