//! The local store: an OCI layout, plus what may be forgotten.
//!
//! ```text
//! oci-layout  index.json  blobs/sha256/…   an image layout; other tools read it
//! cache/                                   results that can be computed again
//! ```
//!
//! Writers hold a shared lock on `blobs` from their first blob to their entry in
//! the index; removing takes it exclusively and then deletes what no entry
//! reaches, leftovers of killed processes among it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use layer::codec::gzip::Level;
use rustix::fs::FlockOperation;

use crate::blob::Blobs;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::{Descriptor, Document, MAX_SIZE};
use crate::media_type::{Family, MediaType};
use crate::name::Name;
use crate::platform::Platform;
use crate::transport::layout::{self, Layout};
use crate::transport::{Context, Written};

/// Annotation of an entry: the digest of another manifest, which stays in the
/// store as long as the entry does, unless it is removed by its own name.
pub const HOLDS: &str = "dev.jettison.source.digest";

/// The local store of images.
#[derive(Debug, Clone)]
pub struct Store {
    layout: Layout,
}

/// Allows blobs to be written; see [`Store::writing`].
#[derive(Debug)]
pub struct WriteGuard {
    _lock: File,
}

/// An image of the store.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, unless it lost it to another image.
    pub name: Option<Name>,
    /// Its manifest.
    pub descriptor: Descriptor,
}

/// Nobody else writes while this is there; see [`Store::alone`].
#[derive(Debug)]
pub struct Alone {
    _lock: File,
}

/// What stays although no entry reaches it.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Manifests that are there, with all that they name.
    pub manifests: Vec<Descriptor>,
    /// Single blobs.
    pub blobs: BTreeSet<Digest>,
}

/// What [`Store::remove`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Names that are gone.
    pub names: Vec<String>,
    /// Blobs that nothing needs any more.
    pub blobs: Vec<Digest>,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Opens the store in `root`, making it if need be.
    ///
    /// # Errors
    /// When it cannot be made, or something else is there.
    pub fn open(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(Error::file("make", root))?;
        std::fs::create_dir_all(root.join("cache")).map_err(Error::file("make", root))?;
        if !root.join("index.json").exists() {
            Self::initialise(root)?;
        }
        Ok(Self {
            layout: Layout::open(root)?.with_notes(root.join("cache")),
        })
    }

    fn initialise(root: &Path) -> Result<()> {
        let _lock = layout::lock(root, FlockOperation::NonBlockingLockExclusive)?;
        Layout::initialise(root)
    }

    /// Returns the layout behind the store.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the directory of what can be computed again.
    pub fn cache(&self) -> PathBuf {
        self.layout.root().join("cache")
    }

    /// Announces that blobs will be written; until the guard is dropped nothing is removed.
    ///
    /// # Errors
    /// [`Error::Locked`] while images are being removed for long.
    pub fn writing(&self) -> Result<WriteGuard> {
        let lock = layout::lock(&self.layout.blobs(), FlockOperation::NonBlockingLockShared)?;
        Ok(WriteGuard { _lock: lock })
    }

    /// Lists the images.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let index = self.layout.index()?;
        let entry = |descriptor: Descriptor| Entry {
            name: descriptor
                .annotations
                .get(layout::REF_NAME)
                .and_then(|name| Name::parse(name).ok()),
            descriptor,
        };
        Ok(index.manifests.into_iter().map(entry).collect())
    }

    /// Finds an image by name; nothing if the store has none.
    ///
    /// # Errors
    /// When the index or the image cannot be read.
    pub fn find(&self, name: &Name, platform: &Platform) -> Result<Option<Image>> {
        let digest_fits = |entry: &Entry| {
            name.digest
                .is_none_or(|digest| entry.descriptor.digest == digest)
        };
        let wanted = Name {
            digest: None,
            ..name.clone()
        };
        let named = |entry: &Entry| {
            let own = entry.name.as_ref();
            own.is_some_and(|own| *own == wanted)
                || wanted.tag.is_none()
                    && own.is_some_and(|own| {
                        (&own.host, &own.repository) == (&wanted.host, &wanted.repository)
                    })
        };
        let found = self
            .entries()?
            .into_iter()
            .find(|entry| named(entry) && digest_fits(entry));
        found
            .map(|entry| self.open_entry(&entry, platform))
            .transpose()
    }

    /// Finds an image by the beginning of its id or digest.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] when several begin like that.
    pub fn find_id(&self, prefix: &str, platform: &Platform) -> Result<Option<Image>> {
        let mut found: BTreeMap<Digest, Image> = BTreeMap::new();
        for entry in self.entries()? {
            let image = match self.open_entry(&entry, platform) {
                Ok(image) => image,
                // A damaged image is no reason not to find another.
                Err(error) if !entry.descriptor.digest.hex().starts_with(prefix) => {
                    tracing::debug!(%error, "an image of the store is damaged");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let digests = [entry.descriptor.digest, image.id()];
            if digests
                .iter()
                .any(|digest| digest.hex().starts_with(prefix))
            {
                found.insert(image.digest(), image);
            }
        }
        if found.len() > 1 {
            let available = found.values().map(|image| image.id().to_string()).collect();
            return Err(Error::Ambiguous {
                subject: prefix.to_owned(),
                available,
            });
        }
        Ok(found.into_values().next())
    }

    /// Opens an image that [`Store::entries`] listed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open_entry(&self, entry: &Entry, platform: &Platform) -> Result<Image> {
        let subject = entry
            .name
            .as_ref()
            .map_or_else(|| entry.descriptor.digest.to_string(), Name::familiar);
        let blobs = Blobs::new(self.layout.clone());
        layout::open_descriptor(&entry.descriptor, &subject, &blobs, platform)
    }

    /// Copies an image into the store under a name.
    ///
    /// # Errors
    /// When a blob cannot be read or written.
    pub fn add(&self, image: &Image, name: &Name, context: Context<'_>) -> Result<Written> {
        let _guard = self.writing()?;
        let (manifest, bytes) = layout::write_blobs(image, &self.layout, layout::LOCAL, context)?;
        let stored = Image::new(
            manifest,
            image.config().clone(),
            Blobs::new(self.layout.clone()),
        )?;
        let manifest = self.tag(&stored, name, BTreeMap::new())?;
        Ok(Written { manifest, bytes })
    }

    /// Copies the blobs of an image into the store without giving it a name, and returns the image that
    /// has them there. The caller holds the guard of [`Store::writing`].
    ///
    /// # Errors
    /// When a blob cannot be read or written.
    pub fn import(&self, image: &Image, context: Context<'_>) -> Result<Image> {
        self.import_at(layout::LOCAL, image, context)
    }

    /// The same for an image that is to stay: its plain layers are compressed as hard as `level` says.
    ///
    /// # Errors
    /// As [`Store::import`].
    pub fn import_at(&self, level: Level, image: &Image, context: Context<'_>) -> Result<Image> {
        let (manifest, _) = layout::write_blobs(image, &self.layout, level, context)?;
        let blobs = Blobs::new(self.layout.clone());
        Image::new(manifest, image.config().clone(), blobs)
    }

    /// Gives an image whose blobs are in the store a name. An image that had
    /// the name before loses it and is removed with the next [`Store::remove`].
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn tag(
        &self,
        image: &Image,
        name: &Name,
        annotations: BTreeMap<String, String>,
    ) -> Result<Descriptor> {
        let mut descriptor = image.manifest().descriptor();
        descriptor.platform = Some(image.platform());
        descriptor.annotations = annotations;
        descriptor.annotations.extend(layout::named(&Name {
            digest: None,
            ..name.clone()
        }));
        layout::add_entry(&self.layout, descriptor.clone())?;
        Ok(descriptor)
    }

    /// Keeps an image whose blobs are in the store although it has no name.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn keep(&self, image: &Image) -> Result<()> {
        let mut descriptor = image.manifest().descriptor();
        descriptor.platform = Some(image.platform());
        layout::add_entry(&self.layout, descriptor)
    }

    /// Removes the entries that `doomed` answers yes for, and every blob that
    /// none of the others reaches.
    ///
    /// # Errors
    /// [`Error::Locked`] while others write; when the index cannot be written.
    pub fn remove(&self, doomed: impl Fn(&Descriptor) -> bool) -> Result<Removed> {
        self.remove_but(&self.alone()?, doomed, &Kept::default())
    }

    /// Waits until nobody writes, and keeps it so.
    ///
    /// # Errors
    /// [`Error::Locked`] while others write.
    pub fn alone(&self) -> Result<Alone> {
        let lock = layout::lock(
            &self.layout.blobs(),
            FlockOperation::NonBlockingLockExclusive,
        )?;
        Ok(Alone { _lock: lock })
    }

    /// [`Store::remove`], with blobs that stay although no entry reaches them.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn remove_but(
        &self,
        _alone: &Alone,
        doomed: impl Fn(&Descriptor) -> bool,
        kept: &Kept,
    ) -> Result<Removed> {
        let mut removed = Removed::default();
        let needed = self.layout.update(|index| {
            let (gone, left): (Vec<_>, Vec<_>) = index.manifests.drain(..).partition(|d| doomed(d));
            let label = |d: Descriptor| {
                d.annotations
                    .get(layout::REF_NAME)
                    .cloned()
                    .unwrap_or(d.digest.to_string())
            };
            removed.names = gone.iter().cloned().map(label).collect();
            let mut held = self.held_by(&left);
            held.retain(|held| !gone.iter().any(|gone| gone.digest == held.digest));
            held.extend(left.iter().cloned());
            held.extend(kept.manifests.iter().cloned());
            let mut needed = self.reachable(&held)?;
            needed.extend(&kept.blobs);
            index.manifests = left;
            Ok(needed)
        })?;
        let directory = self.layout.blobs();
        for path in files_of(&directory)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let digest = format!("sha256:{name}").parse::<Digest>().ok();
            if !digest.is_some_and(|digest| needed.contains(&digest)) {
                removed.bytes += remove_file(&path)?;
                if let Some(note) = digest.and_then(|digest| self.layout.note(&digest)) {
                    let _ = std::fs::remove_file(note); // few have one
                }
                removed.blobs.extend(digest);
            }
        }
        removed.bytes += self.sweep_root()?;
        removed.blobs.sort();
        Ok(removed)
    }

    /// Removes what writers of the index left behind when they were killed.
    /// Returns the bytes freed.
    fn sweep_root(&self) -> Result<u64> {
        let root = self.layout.root();
        let _lock = self.layout.lock()?;
        let leftovers = files_of(root)?.into_iter().filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(layout::TEMPORARY)
        });
        leftovers.map(|path| remove_file(&path)).sum()
    }

    /// Opens an image that an entry holds, or that has an entry, by the digest of its manifest.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn held(&self, digest: &Digest) -> Result<Option<Image>> {
        let Some(descriptor) = self.descriptor(digest) else {
            return Ok(None);
        };
        let blobs = Blobs::new(self.layout.clone());
        let bytes = blobs.read(&descriptor, MAX_SIZE)?;
        match Document::parse(&bytes, Some(&descriptor.media_type))? {
            Document::Manifest(manifest) => {
                let complete = manifest.layers.iter().all(|layer| self.layout.has(layer));
                complete.then(|| Image::open(*manifest, blobs)).transpose()
            }
            Document::Index(_) => Ok(None),
        }
    }

    /// Returns the manifests that entries hold, as far as they are there.
    fn held_by(&self, entries: &[Descriptor]) -> Vec<Descriptor> {
        let blobs = Blobs::new(self.layout.clone());
        let held = entries.iter().filter_map(|entry| {
            let digest = entry.annotations.get(HOLDS)?.parse().ok()?;
            // A damaged one is of no use to anybody.
            self.descriptor(&digest)
                .filter(|held| blobs.read(held, MAX_SIZE).is_ok())
        });
        held.collect()
    }

    /// Returns the descriptor of a manifest whose blob is there.
    fn descriptor(&self, digest: &Digest) -> Option<Descriptor> {
        let size = self.layout.blob_path(digest).metadata().ok()?.len();
        let kind = MediaType::Manifest(Family::Oci);
        Some(Descriptor::new(kind, *digest, size))
    }

    fn reachable(&self, entries: &[Descriptor]) -> Result<BTreeSet<Digest>> {
        let blobs = Blobs::new(self.layout.clone());
        let mut needed = BTreeSet::new();
        let mut pending: Vec<Descriptor> = entries.to_vec();
        while let Some(descriptor) = pending.pop() {
            if !needed.insert(descriptor.digest) {
                continue;
            }
            let bytes = blobs.read(&descriptor, MAX_SIZE)?;
            match Document::parse(&bytes, Some(&descriptor.media_type))? {
                Document::Index(index) => pending.extend(index.manifests),
                Document::Manifest(manifest) => {
                    needed.insert(manifest.config.digest);
                    needed.extend(manifest.layers.iter().map(|layer| layer.digest));
                }
            }
        }
        Ok(needed)
    }
}

fn files_of(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).map_err(Error::file("read", directory))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Returns the bytes freed.
fn remove_file(path: &Path) -> Result<u64> {
    let size = path.symlink_metadata().map_or(0, |metadata| metadata.len());
    std::fs::remove_file(path).map_err(Error::file("remove", path))?;
    Ok(size)
}
