//! Results remembered, so that slimming the same image again costs nothing.
//!
//! The key covers everything that the result depends on: the id of the image
//! (which covers its layers), the options, and which program computed it. A
//! remembered result counts only while the store still has its image.

use std::path::{Path, PathBuf};

use image::manifest::{Descriptor, Document, MAX_SIZE};
use image::{Blobs, Digest, Image, Store};
use serde::{Deserialize, Serialize};

use super::repair::Repair;
use super::report::Summary;

/// A remembered result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remembered {
    /// The manifest of the slim image.
    pub manifest: Descriptor,
    /// Its sizes.
    pub summary: Summary,
    /// What was put back after a proof.
    pub repaired: Vec<Repair>,
}

/// The place of one result.
#[derive(Debug, Clone)]
pub struct Slot {
    path: PathBuf,
}

impl Slot {
    /// Returns the place of what slimming `source` gives with `options`, a text that tells all that
    /// the result depends on, by `program`, a text that is another one for every build.
    pub fn new(store: &Store, source: &Image, options: &str, program: &str) -> Self {
        let key = format!("{program}\0{}\0{options}", source.id());
        let name = Digest::of(key.as_bytes()).hex();
        Self {
            path: store.cache().join(format!("slim-{name}.json")),
        }
    }

    /// Returns the result, if it is remembered and still in the store.
    pub fn get(&self, store: &Store) -> Option<(Remembered, Image)> {
        let bytes = std::fs::read(&self.path).ok()?;
        let remembered: Remembered = serde_json::from_slice(&bytes).ok()?;
        let blobs = Blobs::new(store.layout().clone());
        let manifest = blobs.read(&remembered.manifest, MAX_SIZE).ok()?;
        let Document::Manifest(manifest) = Document::parse(&manifest, None).ok()? else {
            return None;
        };
        if !manifest
            .layers
            .iter()
            .all(|layer| store.layout().has(layer))
        {
            return None;
        }
        Some((remembered, Image::open(*manifest, blobs).ok()?))
    }

    /// Remembers a result. Failing to is no failure: it is computed again.
    pub fn put(&self, remembered: &Remembered) {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let written = serde_json::to_vec(remembered).ok().and_then(|bytes| {
            let mut file = tempfile::NamedTempFile::new_in(directory).ok()?;
            std::io::Write::write_all(&mut file, &bytes).ok()?;
            file.persist(&self.path).ok()
        });
        if written.is_none() {
            tracing::debug!("cannot remember the result in `{}`", self.path.display());
        }
    }
}
