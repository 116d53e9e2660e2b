//! Layers whose bytes are used before they are hashed.
//!
//! An uncompressed layer in a local file can be read at random at once: its headers tell what is where. That
//! its bytes are what the config says takes as long as reading them all, and can be found out meanwhile.

use layer::FileSlice;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::filesystem::digest_of;

/// Layers that were taken as they are. Nothing that was made of them may be kept before
/// [`Unchecked::check`] has succeeded.
#[derive(Debug, Default)]
#[must_use]
pub struct Unchecked {
    layers: Vec<(Digest, FileSlice)>,
}

impl Unchecked {
    /// Takes layers and what their digests should be.
    pub(crate) fn new(layers: Vec<(Digest, FileSlice)>) -> Self {
        Self { layers }
    }

    /// Hashes them.
    ///
    /// # Errors
    /// [`Error::DiffId`] for the first that is not what its digest says.
    pub fn check(&self) -> Result<()> {
        for (expected, slice) in &self.layers {
            let (expected, layer) = (*expected, *expected);
            let read = digest_of(slice.reader());
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
        }
        Ok(())
    }
}
