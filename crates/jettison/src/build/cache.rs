//! Steps remembered: from everything that a step depends on to the layer that it made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::{Digest, NewLayer, Store};
use serde::{Deserialize, Serialize};

/// Changes whenever steps of the same key would give other layers.
const VERSION: &str = "1";

/// How names of files begin that say which image of the store a base from elsewhere is.
const BASE: &str = "base-";
/// How long something may have been in use without its time saying so.
const PRECISION: Duration = Duration::from_secs(60);

/// Something remembered, as a file.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) speaks: Speaks,
}

/// Which blobs of the store something remembered is about.
#[derive(Debug)]
pub(super) enum Speaks {
    /// The layer of a step.
    Step(Option<image::Descriptor>),
    /// The manifest of a base.
    Base(image::Descriptor),
}

/// Makes a file's time that of its last use, which decides what is pruned first.
pub(super) fn mark_used(path: &Path) {
    let recent = std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|time| time.elapsed().ok())
        .is_some_and(|elapsed| elapsed < PRECISION);
    if !recent {
        let now = rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        let times = rustix::fs::Timestamps {
            last_access: now,
            last_modification: now,
        };
        let flags = rustix::fs::AtFlags::empty();
        let _ = rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags);
    }
}

/// What a step made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    layer: Option<LayerRecord>,
    /// When it was made, RFC 3339: the same image comes of a build that finds everything here.
    created: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LayerRecord {
    descriptor: image::Descriptor,
    diff_id: Digest,
    unpacked: u64,
}

/// The remembered steps.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    directory: PathBuf,
}

/// Collects what a step depends on.
#[derive(Debug, Clone)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// Begins the key of a step of one kind.
    pub(super) fn new(kind: &str) -> Self {
        let mut key = Self(Vec::new());
        key.add(VERSION).add(kind);
        key
    }

    /// Adds a value; its length is part of it, so that neighbours cannot be mistaken.
    pub(super) fn add(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        self.0.extend((value.len() as u64).to_le_bytes());
        self.0.extend(value);
        self
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl Steps {
    pub(super) fn open(directory: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    fn path(&self, key: Digest) -> PathBuf {
        self.directory.join(format!("{}.json", key.hex()))
    }

    /// Returns the layer that a step made, if any, and when, if it is remembered and still in the store.
    pub(super) fn get(&self, key: Digest, store: &Store) -> Option<(Option<NewLayer>, String)> {
        let path = self.path(key);
        let bytes = std::fs::read(&path).ok()?;
        mark_used(&path);
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        let Some(layer) = record.layer else {
            return Some((None, record.created));
        };
        let there = store.layout().has(&layer.descriptor);
        let LayerRecord {
            descriptor,
            diff_id,
            unpacked,
        } = layer;
        let layer = NewLayer {
            descriptor,
            diff_id,
            unpacked,
        };
        there.then_some((Some(layer), record.created))
    }

    /// Lists what is remembered: files, what they are called, and which blobs they speak of.
    pub(super) fn list(&self) -> std::io::Result<Vec<Remembered>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.directory)?.flatten() {
            let path = entry.path();
            let file_name = entry.file_name().to_string_lossy().into_owned();
            let Some(id) = file_name.strip_suffix(".json") else {
                continue;
            };
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let blob = if file_name.starts_with(BASE) {
                serde_json::from_slice(&bytes).ok().map(Speaks::Base)
            } else {
                let record = serde_json::from_slice::<Record>(&bytes).ok();
                record.map(|record| Speaks::Step(record.layer.map(|layer| layer.descriptor)))
            };
            all.push(Remembered {
                id: id.to_owned(),
                path,
                speaks: blob.unwrap_or(Speaks::Step(None)),
            });
        }
        Ok(all)
    }

    /// Remembers a step. Failing to is no failure: it is done again.
    pub(super) fn put(&self, key: Digest, layer: Option<&NewLayer>, created: &str) {
        let layer = layer.map(|layer| LayerRecord {
            descriptor: layer.descriptor.clone(),
            diff_id: layer.diff_id,
            unpacked: layer.unpacked,
        });
        let created = created.to_owned();
        write(&self.path(key), &Record { layer, created });
    }

    /// Returns the manifest, in the store, of an image that came from elsewhere.
    pub(super) fn imported(&self, id: &str) -> Option<image::Descriptor> {
        let bytes = std::fs::read(self.directory.join(format!("{BASE}{}.json", name(id)))).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn remember_import(&self, id: &str, manifest: &image::Descriptor) {
        write(
            &self.directory.join(format!("{BASE}{}.json", name(id))),
            manifest,
        );
    }
}

fn name(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

fn write(path: &Path, value: &impl Serialize) {
    let written = serde_json::to_vec(value).ok().and_then(|bytes| {
        let mut file = tempfile::NamedTempFile::new_in(path.parent()?).ok()?;
        std::io::Write::write_all(&mut file, &bytes).ok()?;
        file.persist(path).ok()
    });
    if written.is_none() {
        tracing::debug!("cannot remember a step in `{}`", path.display());
    }
}
