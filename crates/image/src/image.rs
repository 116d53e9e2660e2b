//! An image: a manifest, a config, and where its blobs are.

use crate::blob::Blobs;
use crate::config::Config;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Descriptor, MAX_SIZE, Manifest};
use crate::platform::Platform;

/// An image. Immutable: changes give new values.
#[derive(Debug, Clone)]
pub struct Image {
    manifest: Manifest,
    config: Config,
    blobs: Blobs,
}

/// One layer of an image.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'i> {
    /// Position, base first, from 0.
    pub index: u32,
    /// The blob as stored.
    pub descriptor: &'i Descriptor,
    /// Digest of the uncompressed bytes.
    pub diff_id: Digest,
}

impl Image {
    /// Reads the config that `manifest` names.
    ///
    /// # Errors
    /// When the config is missing, wrong or too large, or lists other layers.
    pub fn open(manifest: Manifest, blobs: Blobs) -> Result<Self> {
        let config = Config::parse(blobs.read(&manifest.config, MAX_SIZE)?)?;
        Self::new(manifest, config, blobs)
    }

    /// Puts an image together.
    ///
    /// # Errors
    /// [`Error::LayerCount`] when manifest and config disagree.
    pub fn new(manifest: Manifest, config: Config, blobs: Blobs) -> Result<Self> {
        let (layers, diff_ids) = (manifest.layers.len(), config.diff_ids().len());
        if layers != diff_ids {
            return Err(Error::LayerCount { layers, diff_ids });
        }
        Ok(Self {
            manifest,
            config,
            blobs,
        })
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the config.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the source of the blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Returns the digest of the config: the image id of `docker images`. The
    /// same image has the same id in every place, however it is compressed.
    pub fn id(&self) -> Digest {
        self.config.digest()
    }

    /// Returns the digest of the manifest.
    pub fn digest(&self) -> Digest {
        self.manifest.digest
    }

    /// Returns the machine that the image is for.
    pub fn platform(&self) -> Platform {
        self.config.platform()
    }

    /// Iterates over the layers, base first.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = Layer<'_>> {
        self.manifest
            .layers
            .iter()
            .zip(self.config.diff_ids())
            .enumerate()
            .map(|(index, (descriptor, diff_id))| Layer {
                index: index as u32,
                descriptor,
                diff_id: *diff_id,
            })
    }

    /// Returns the image as it was after its first `layers` layers, with the config it has now.
    ///
    /// # Errors
    /// [`Error::LayerCount`] when it has fewer.
    pub fn truncated(&self, layers: usize) -> Result<Self> {
        let diff_ids = self.config.diff_ids();
        if layers > diff_ids.len() {
            let (layers, diff_ids) = (layers, diff_ids.len());
            return Err(Error::LayerCount { layers, diff_ids });
        }
        let config = self
            .config
            .with_layers(&diff_ids[..layers], &self.config.history());
        let mut manifest = self.manifest.clone();
        manifest.layers.truncate(layers);
        Self::new(manifest, config, self.blobs.clone())
    }

    /// Returns the bytes of all layer blobs, as they are stored.
    pub fn stored_size(&self) -> u64 {
        self.manifest.layers.iter().map(|layer| layer.size).sum()
    }
}
