//! Layers that were just written and have no place yet: plain tars in nameless files.
//!
//! A new layer is written once, uncompressed, and hashed on the way. Where the
//! image goes decides what becomes of it: archives of Docker take it as it is,
//! layouts and registries compress it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use layer::FileSlice;
use layer::codec::Codec;
use layer::write::TarWriter;

use crate::blob::{BlobSource, Blobs, Origin};
use crate::digest::{Digest, HashingBeside};
use crate::error::{Error, Result};
use crate::manifest::Descriptor;
use crate::media_type::{Family, MediaType};
use crate::sparse::SparseWriter;
use crate::spool::Spool;

/// A layer in a nameless file.
#[derive(Debug, Clone)]
pub struct SpooledLayer {
    /// What it is: the digest is that of the file's bytes.
    pub descriptor: Descriptor,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The file.
    pub slice: FileSlice,
}

/// Writes the tar that `fill` describes into a nameless file.
///
/// # Errors
/// When `fill` fails, or the file cannot be written.
pub fn spool_layer(
    spool: &Spool,
    fill: impl FnOnce(&mut TarWriter<&mut dyn Write>) -> layer::Result<()>,
) -> Result<SpooledLayer> {
    let wrap = |source| Error::WriteLayer { source };
    let file = spool.file()?;
    let mut hashed = HashingBeside::new(SparseWriter::new(&file));
    let mut tar = TarWriter::new(&mut hashed as &mut dyn Write);
    fill(&mut tar).map_err(wrap)?;
    tar.finish().map_err(wrap)?;
    let (_, diff_id, size) = hashed
        .finish()
        .map_err(Error::file("write", spool.directory()))?;
    Ok(SpooledLayer {
        descriptor: Descriptor::new(MediaType::Layer(Family::Oci, Codec::None), diff_id, size),
        diff_id,
        slice: FileSlice::new(Arc::new(file), 0, size),
    })
}

/// Layers in nameless files, and all other blobs from elsewhere.
#[derive(Debug)]
pub struct Spooled {
    layers: BTreeMap<Digest, SpooledLayer>,
    rest: Blobs,
}

impl Spooled {
    /// Returns a source of these layers, and for all other blobs of `rest`.
    pub fn new<'a>(layers: impl IntoIterator<Item = &'a SpooledLayer>, rest: Blobs) -> Self {
        let layers = layers
            .into_iter()
            .map(|layer| (layer.descriptor.digest, layer.clone()))
            .collect();
        Self { layers, rest }
    }
}

impl BlobSource for Spooled {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        match self.layers.get(&descriptor.digest) {
            Some(layer) => Ok(Box::new(layer.slice.reader())),
            None => self.rest.source().open(descriptor),
        }
    }

    fn local(&self, descriptor: &Descriptor) -> Result<Option<FileSlice>> {
        match self.layers.get(&descriptor.digest) {
            Some(layer) => Ok(Some(layer.slice.clone())),
            None => self.rest.local(descriptor),
        }
    }

    fn known(&self, descriptor: &Descriptor) -> Option<Digest> {
        match self.layers.get(&descriptor.digest) {
            Some(layer) => Some(layer.diff_id), // computed when it was written
            None => self.rest.known(descriptor),
        }
    }

    fn learn(&self, descriptor: &Descriptor, contained: Digest) {
        self.rest.learn(descriptor, contained);
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Origin> {
        match self.layers.get(&descriptor.digest) {
            Some(_) => None,
            None => self.rest.origin(descriptor),
        }
    }
}
