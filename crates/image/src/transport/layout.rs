//! OCI image layout directories (OCI image specification, "Image Layout").
//!
//! Also the form of the local store. Blobs are written under a temporary name,
//! synced and renamed; `index.json` likewise, under a lock on the directory, so
//! that two writers do not lose each other's entry and a crash leaves the old
//! index or the new one.

mod choice;
mod write_behind;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layer::FileSlice;
use layer::codec::gzip::Level;

pub use self::choice::open;
pub(crate) use self::choice::{open_descriptor, open_index};
use self::write_behind::WriteBehind;
use super::{Context, Written};
use crate::blob::BlobSource;
use crate::digest::{Digest, HashingWriter};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::{Descriptor, Index, MAX_SIZE, Manifest};
use crate::name::Name;

/// Annotation of an index entry: the tag.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation that containerd and Docker write beside it: the whole name.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Beginning of the names of files that are not complete.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// A blob that is written but not there yet; dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Pending {
    temporary: tempfile::NamedTempFile,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// A layout on disk.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    /// Where it is noted what compressed blobs contain, if nobody but us writes here.
    notes: Option<PathBuf>,
}

impl Layout {
    fn at(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            notes: None,
        }
    }

    /// Returns the same layout, which nobody but us writes. In directory `notes` it is noted what compressed blobs
    /// contain.
    pub(crate) fn with_notes(self, notes: PathBuf) -> Self {
        Self {
            notes: Some(notes),
            ..self
        }
    }

    /// Returns where it is noted what a blob contains.
    pub(crate) fn note(&self, digest: &Digest) -> Option<PathBuf> {
        let name = format!("contains-{}", digest.hex());
        Some(self.notes.as_ref()?.join(name))
    }

    /// Opens an existing layout.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Archive`] when the directory is something else.
    pub fn open(root: &Path) -> Result<Self> {
        if !root.exists() {
            let subject = root.display().to_string();
            return Err(Error::NotFound {
                subject,
                place: String::new(),
            });
        }
        let layout = Self::at(root);
        if !root.join("index.json").is_file() {
            let reason = "the directory has no index.json".to_owned();
            return Err(Error::Archive {
                path: root.to_path_buf(),
                reason,
            });
        }
        Ok(layout)
    }

    /// Opens a layout, making it if nothing is there.
    ///
    /// # Errors
    /// [`Error::Exists`] when the directory holds something else.
    pub fn create(root: &Path) -> Result<Self> {
        let layout = Self::at(root);
        if root.join("index.json").is_file() {
            return Ok(layout);
        }
        let foreign = match std::fs::read_dir(root) {
            Ok(entries) => entries
                .filter_map(|entry| Some(entry.ok()?.file_name()))
                .filter(|name| !name.to_string_lossy().starts_with(TEMPORARY))
                .any(|name| name != "blobs" && name != "oci-layout"),
            Err(_) => root.exists(),
        };
        if foreign {
            return Err(Error::Exists(root.to_path_buf()));
        }
        std::fs::create_dir_all(root).map_err(Error::file("make", root))?;
        let _lock = layout.lock()?;
        Self::initialise(root)?;
        Ok(layout)
    }

    /// Makes an empty layout, unless there is one; the caller holds the lock.
    pub(crate) fn initialise(root: &Path) -> Result<()> {
        let layout = Self::at(root);
        let blobs = layout.blobs();
        std::fs::create_dir_all(&blobs).map_err(Error::file("make", &blobs))?;
        if !root.join("index.json").exists() {
            layout.replace("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
            layout.write_index(&Index::empty())?;
        }
        Ok(())
    }

    /// Returns the directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory of the blobs.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs").join("sha256")
    }

    /// Returns whether a blob is there.
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        let metadata = std::fs::metadata(self.blob_path(&descriptor.digest));
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() == descriptor.size)
    }

    /// Returns the path of a blob.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    /// Reads the index.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn index(&self) -> Result<Index> {
        let path = self.root.join("index.json");
        let file = File::open(&path).map_err(Error::file("open", &path))?;
        let mut bytes = Vec::new();
        let mut bounded = file.take(MAX_SIZE + 1);
        bounded
            .read_to_end(&mut bytes)
            .map_err(Error::file("read", &path))?;
        if bytes.len() as u64 > MAX_SIZE {
            return Err(Error::TooLarge {
                subject: path.display().to_string(),
                limit: MAX_SIZE,
            });
        }
        serde_json::from_slice(&bytes).map_err(|e| Error::Archive {
            path,
            reason: format!("index.json: {e}"),
        })
    }

    /// Changes the index under the lock.
    ///
    /// # Errors
    /// [`Error::Locked`], or when it cannot be read or written.
    pub fn update<T>(&self, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let _lock = self.lock()?;
        let before = self.index()?;
        let mut index = before.clone();
        let result = change(&mut index)?;
        if index != before {
            self.write_index(&index)?;
        }
        Ok(result)
    }

    /// Stores what `fill` writes as a blob; storing the same bytes again changes nothing.
    ///
    /// # Errors
    /// When `fill` fails or the blob cannot be written.
    pub fn put(&self, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<(Digest, u64)> {
        let pending = self.prepare(fill)?;
        let (digest, size) = (pending.digest, pending.size);
        self.commit(pending)?;
        Ok((digest, size))
    }

    /// Writes what `fill` writes as a blob that is not there yet.
    ///
    /// # Errors
    /// When `fill` fails or the blob cannot be written.
    pub(crate) fn prepare(
        &self,
        fill: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<Pending> {
        let blobs = self.blobs();
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(&blobs)
            .map_err(Error::file("make a file in", &blobs))?;
        let (result, digest, size) = {
            let written = WriteBehind::new(temporary.as_file());
            let mut output = HashingWriter::new(io::BufWriter::with_capacity(1 << 20, written));
            fill(&mut output)?;
            let (mut output, digest, size) = output.finish();
            (output.flush(), digest, size)
        };
        result.map_err(Error::file("write", &blobs))?;
        Ok(Pending {
            temporary,
            digest,
            size,
        })
    }

    /// Gives a blob that was prepared its name. One of the same name and size
    /// that is there already stays.
    ///
    /// # Errors
    /// When it cannot be synced or renamed.
    pub(crate) fn commit(&self, pending: Pending) -> Result<()> {
        let path = self.blob_path(&pending.digest);
        let there = std::fs::metadata(&path).is_ok_and(|there| there.len() == pending.size);
        if there {
            return Ok(());
        }
        finish(pending.temporary, &path)
    }

    /// Stores bytes as a blob.
    ///
    /// # Errors
    /// When the blob cannot be written.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<(Digest, u64)> {
        let path = self.blobs();
        self.put(|output| output.write_all(bytes).map_err(Error::file("write", path)))
    }

    /// Takes the lock of the directory, waiting a while for others.
    ///
    /// # Errors
    /// [`Error::Locked`] when somebody holds it for half a minute.
    pub fn lock(&self) -> Result<File> {
        lock(
            &self.root,
            rustix::fs::FlockOperation::NonBlockingLockExclusive,
        )
    }

    /// Takes back what [`Layout::create`] made, unless somebody uses it by now.
    /// `before` says whether the directory and its index were there before.
    fn undo(&self, [directory, index]: [bool; 2]) {
        let Ok(_lock) = self.lock() else { return };
        let blobs = self.blobs();
        // Fails where there are blobs, and then nothing else is touched.
        if index || std::fs::remove_dir(&blobs).is_err() {
            return;
        }
        let _ = blobs.parent().map(std::fs::remove_dir);
        for name in ["index.json", "oci-layout"] {
            let _ = std::fs::remove_file(self.root.join(name));
        }
        if !directory {
            let _ = std::fs::remove_dir(&self.root);
        }
    }

    fn write_index(&self, index: &Index) -> Result<()> {
        self.replace("index.json", &serde_json::to_vec(index).unwrap_or_default())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let mut temporary = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(&self.root)
            .map_err(Error::file("make a file in", &self.root))?;
        temporary
            .write_all(bytes)
            .map_err(Error::file("write", &path))?;
        finish(temporary, &path)
    }
}

/// Waits up to half a minute for a lock on a directory.
pub(crate) fn lock(path: &Path, operation: rustix::fs::FlockOperation) -> Result<File> {
    let file = File::open(path).map_err(Error::file("open", path))?;
    for _ in 0..600 {
        match rustix::fs::flock(&file, operation) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            Err(errno) => return Err(Error::file("lock", path)(errno.into())),
        }
    }
    Err(Error::Locked(path.to_path_buf()))
}

/// Gives a finished temporary file its name: mode as the umask has it, synced, renamed.
fn finish(temporary: tempfile::NamedTempFile, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o644);
    temporary
        .as_file()
        .set_permissions(permissions)
        .map_err(Error::file("chmod", path))?;
    temporary
        .as_file()
        .sync_all()
        .map_err(Error::file("sync", path))?;
    temporary
        .persist(path)
        .map_err(|e| Error::file("rename", path)(e.error))?;
    Ok(())
}

/// Writes a whole file under a temporary name beside it, and renames it when `fill` is done.
pub(crate) fn write_file<T>(path: &Path, fill: impl FnOnce(&File) -> Result<T>) -> Result<T> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = tempfile::Builder::new()
        .prefix(".jettison-")
        .tempfile_in(directory)
        .map_err(Error::file("make a file in", directory))?;
    let result = fill(temporary.as_file())?;
    finish(temporary, path)?;
    Ok(result)
}

impl BlobSource for Layout {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(open_blob(self, descriptor)?))
    }

    fn local(&self, descriptor: &Descriptor) -> Result<Option<FileSlice>> {
        let file = open_blob(self, descriptor)?;
        let path = self.blob_path(&descriptor.digest);
        let length = file.metadata().map_err(Error::file("read", path))?.len();
        Ok(Some(FileSlice::new(Arc::new(file), 0, length)))
    }

    fn known(&self, descriptor: &Descriptor) -> Option<Digest> {
        let note = self.note(&descriptor.digest)?;
        std::fs::read_to_string(note).ok()?.parse().ok()
    }

    /// Failing to is no failure: it is found out again.
    fn learn(&self, descriptor: &Descriptor, contained: Digest) {
        let Some(note) = self.note(&descriptor.digest) else {
            return;
        };
        // Of what is not compressed its name says it all.
        if contained == descriptor.digest || self.known(descriptor) == Some(contained) {
            return;
        }
        let directory = note.parent().unwrap_or(Path::new("."));
        let written = tempfile::NamedTempFile::new_in(directory).and_then(|mut file| {
            file.write_all(contained.to_string().as_bytes())?;
            Ok(file.persist(&note)?)
        });
        if let Err(error) = written {
            tracing::debug!(%error, "cannot note what a blob contains");
        }
    }
}

fn open_blob(layout: &Layout, descriptor: &Descriptor) -> Result<File> {
    let path = layout.blob_path(&descriptor.digest);
    File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::MissingBlob {
            digest: descriptor.digest,
            place: layout.root.display().to_string(),
        },
        _ => Error::file("open", path)(error),
    })
}

/// Writes an image into a layout, replacing an entry with the same tag.
/// Uncompressed layers are compressed.
///
/// # Errors
/// When a blob cannot be read or written.
pub fn write(
    image: &Image,
    root: &Path,
    tag: Option<&str>,
    context: Context<'_>,
) -> Result<Written> {
    let before = [root.exists(), root.join("index.json").exists()];
    let layout = Layout::create(root)?;
    let written = write_blobs(image, &layout, LOCAL, context);
    let (manifest, bytes) = match written {
        Ok(written) => written,
        Err(error) => {
            layout.undo(before);
            return Err(error);
        }
    };
    let mut descriptor = manifest.descriptor();
    descriptor.platform = Some(image.platform());
    if let Some(tag) = tag {
        descriptor
            .annotations
            .insert(REF_NAME.to_owned(), tag.to_owned());
    }
    add_entry(&layout, descriptor.clone())?;
    Ok(Written {
        manifest: descriptor,
        bytes,
    })
}

/// How hard layers are compressed that are only moved: a disk is faster than the default level, a network is
/// not.
pub(crate) const LOCAL: Level = Level::FAST;

/// Writes everything but the entry of the index. When something fails, no blob
/// is left behind: none gets its name before all are written.
pub(crate) fn write_blobs(
    image: &Image,
    layout: &Layout,
    level: Level,
    context: Context<'_>,
) -> Result<(Manifest, u64)> {
    let mut bytes = 0;
    let mut layers = Vec::new();
    let mut pending = Vec::new();
    for layer in image.layers() {
        let (descriptor, blob) =
            crate::convert::store_layer(image, &layer, layout, level, context)?;
        layers.push(descriptor);
        bytes += blob.as_ref().map_or(0, |blob| blob.size);
        pending.extend(blob);
    }
    for blob in pending {
        layout.commit(blob)?;
    }
    for (layer, stored) in image.layers().zip(&layers) {
        // The blob was made of the tar that this digest was verified of.
        if crate::convert::is_plain(&layer) {
            layout.learn(stored, layer.descriptor.digest);
        }
    }
    layout.put_bytes(image.config().bytes())?;
    let manifest = crate::convert::to_oci(image, layers);
    layout.put_bytes(&manifest.bytes)?;
    Ok((manifest, bytes))
}

/// Adds an entry to the index, in place of one with the same tag.
pub(crate) fn add_entry(layout: &Layout, entry: Descriptor) -> Result<()> {
    layout.update(|index| {
        let tag = entry.annotations.get(REF_NAME).cloned();
        index
            .manifests
            .retain(|other| match (&tag, other.annotations.get(REF_NAME)) {
                (Some(tag), Some(other)) => tag != other,
                (None, None) => other.digest != entry.digest,
                _ => true,
            });
        index.manifests.push(entry);
        Ok(())
    })
}

/// Returns the annotations of an index entry for a name.
pub(crate) fn named(name: &Name) -> BTreeMap<String, String> {
    BTreeMap::from([(REF_NAME.to_owned(), name.familiar())])
}
