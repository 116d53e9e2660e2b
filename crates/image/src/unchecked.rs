//! Layers whose bytes are used before they are hashed.
//!
//! A layer in a local file can be read at random as soon as it is uncompressed, and its headers tell what is where.
//! That its bytes are what the config says takes as long as reading them all, and can be found out meanwhile.

use layer::FileSlice;

use crate::blob::Blobs;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::filesystem::digest_of;
use crate::manifest::Descriptor;

/// Layers that were taken as they are. Nothing that was made of them may be kept before
/// [`Unchecked::check`] has succeeded.
#[derive(Debug, Default)]
#[must_use]
pub struct Unchecked {
    layers: Vec<Layered>,
}

/// A layer that has not been hashed.
#[derive(Debug)]
pub(crate) struct Layered {
    /// Its blob.
    pub(crate) descriptor: Descriptor,
    /// Where the blob is.
    pub(crate) blobs: Blobs,
    /// What the digest of its bytes should be.
    pub(crate) diff_id: Digest,
    /// Its bytes.
    pub(crate) slice: FileSlice,
}

impl Unchecked {
    /// Takes layers.
    pub(crate) fn new(layers: Vec<Layered>) -> Self {
        Self { layers }
    }

    /// Hashes them.
    ///
    /// # Errors
    /// [`Error::DiffId`] for the first that is not what its digest says.
    pub fn check(&self) -> Result<()> {
        for unchecked in &self.layers {
            let layer = unchecked.descriptor.digest;
            let expected = unchecked.diff_id;
            let read = digest_of(unchecked.slice.reader());
            let (actual, _) = read.map_err(|source| Error::Blob {
                digest: layer,
                source,
            })?;
            if actual != expected {
                return Err(Error::DiffId {
                    layer,
                    expected,
                    actual,
                });
            }
            unchecked.blobs.learn(&unchecked.descriptor, actual);
        }
        Ok(())
    }
}
