//! New images from trees.

use std::collections::BTreeMap;
use std::io::{self, Write};

use layer::codec::Codec;
use layer::codec::gzip::ParallelGzip;
use layer::write::TarWriter;

use crate::blob::{BlobSource, Blobs};
use crate::config::Config;
use crate::digest::{Digest, HashingWriter};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::{Descriptor, Manifest};
use crate::media_type::{Family, MediaType};
use crate::transport::Context;
use crate::transport::layout::Layout;

/// A layer that was just written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLayer {
    /// The compressed blob.
    pub descriptor: Descriptor,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Length of the uncompressed tar in bytes.
    pub unpacked: u64,
}

/// The parts of a new image.
#[derive(Debug)]
pub struct NewImage<'a> {
    /// Complete, its `diff_ids` those of the layers.
    pub config: &'a Config,
    /// The layers, base first.
    pub layers: &'a [NewLayer],
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// Writes a layer that `fill` describes, compressed, into a layout.
///
/// # Errors
/// When `fill` fails, or the blob cannot be written.
pub fn write_layer(
    layout: &Layout,
    context: Context<'_>,
    fill: impl FnOnce(&mut TarWriter<&mut dyn Write>) -> layer::Result<()>,
) -> Result<NewLayer> {
    let wrap = |source| Error::WriteLayer { source };
    let mut plain = None;
    let (digest, size) = layout.put(|output| {
        let gzip = ParallelGzip::new(output, context.level, context.threads);
        let mut hashed = HashingWriter::new(io::BufWriter::with_capacity(256 << 10, gzip));
        let mut tar = TarWriter::new(&mut hashed as &mut dyn Write);
        fill(&mut tar).map_err(wrap)?;
        tar.finish().map_err(wrap)?;
        let (buffered, diff_id, unpacked) = hashed.finish();
        let failed = Error::file("write", layout.blobs());
        let gzip = match buffered.into_inner() {
            Ok(gzip) => gzip,
            Err(error) => return Err(failed(error.into_error())),
        };
        gzip.finish().map_err(failed)?;
        plain = Some((diff_id, unpacked));
        Ok(())
    })?;
    let (diff_id, unpacked) = plain.unwrap_or((digest, 0));
    let descriptor = Descriptor::new(MediaType::Layer(Family::Oci, Codec::Gzip), digest, size);
    layout.learn(&descriptor, diff_id);
    Ok(NewLayer {
        descriptor,
        diff_id,
        unpacked,
    })
}

impl NewImage<'_> {
    /// Stores config and manifest, and returns the image. It has no name yet:
    /// see [`crate::Store::tag`].
    ///
    /// # Errors
    /// When a blob cannot be written.
    pub fn store(self, layout: &Layout) -> Result<Image> {
        let (id, size) = layout.put_bytes(self.config.bytes())?;
        let config = Descriptor::new(MediaType::Config(Family::Oci), id, size);
        let layers = self
            .layers
            .iter()
            .map(|layer| layer.descriptor.clone())
            .collect();
        let manifest = Manifest::new(Family::Oci, config, layers, self.annotations);
        layout.put_bytes(&manifest.bytes)?;
        Image::new(manifest, self.config.clone(), Blobs::new(layout.clone()))
    }
}
