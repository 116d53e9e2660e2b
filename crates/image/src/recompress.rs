//! The same image with its layers compressed in another way.
//!
//! The config, and with it the image id, stays the same: it names the
//! uncompressed layers.

use std::io::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use layer::FileSlice;
use layer::codec::Codec;
use layer::codec::gzip::{Level, ParallelGzip};
use layer::codec::zstd::{self, ParallelZstd};

use crate::blob::Blobs;
use crate::digest::{HashingReader, HashingWriter};
use crate::error::{Error, Result};
use crate::image::{Image, Layer};
use crate::manifest::{Descriptor, Manifest};
use crate::media_type::{Family, MediaType};
use crate::plain::{Spooled, SpooledLayer};
use crate::progress::Counted;
use crate::transport::Context;

/// How to compress layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, in libdeflate's levels, 1 to 12.
    Gzip(Level),
    /// zstd, levels 1 to 22.
    Zstd(zstd::Level),
}

impl FromStr for Compression {
    type Err = String;

    /// Parses `zstd`, `zstd:19`, `gzip`, `gzip:9`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (codec, level) = match text.split_once(':') {
            Some((codec, level)) => (codec, Some(level)),
            None => (text, None),
        };
        let number = level.map(str::parse::<i32>).transpose().ok();
        let parsed = match (codec, number) {
            ("gzip", Some(None)) => Some(Self::Gzip(Level::DEFAULT)),
            ("gzip", Some(Some(level))) => Level::new(level).map(Self::Gzip),
            ("zstd", Some(None)) => Some(Self::Zstd(zstd::Level::DEFAULT)),
            ("zstd", Some(Some(level))) => zstd::Level::new(level).map(Self::Zstd),
            _ => None,
        };
        parsed.ok_or_else(|| format!("`{text}` is no compression: gzip[:1-12] and zstd[:1-22] are"))
    }
}

/// Compresses all layers anew, into nameless files.
///
/// # Errors
/// When a layer cannot be read, is not what its digests say, or a file cannot be written.
pub fn recompress(image: &Image, how: Compression, context: Context<'_>) -> Result<Image> {
    let layers = image
        .layers()
        .map(|layer| compress(image, &layer, how, context))
        .collect::<Result<Vec<_>>>()?;
    let config = Descriptor::new(
        MediaType::Config(Family::Oci),
        image.id(),
        image.config().bytes().len() as u64,
    );
    let descriptors = layers
        .iter()
        .map(|layer| layer.descriptor.clone())
        .collect();
    let annotations = image.manifest().annotations.clone();
    let manifest = Manifest::new(Family::Oci, config, descriptors, annotations);
    let blobs = Blobs::new(Spooled::new(&layers, image.blobs().clone()));
    Image::new(manifest, image.config().clone(), blobs)
}

fn compress(
    image: &Image,
    layer: &Layer<'_>,
    how: Compression,
    context: Context<'_>,
) -> Result<SpooledLayer> {
    let digest = layer.descriptor.digest;
    let failed = |source| Error::Blob { digest, source };
    let counted = Counted {
        inner: image.blobs().open(layer.descriptor)?,
        progress: context.progress,
    };
    let (_, plain) =
        layer::codec::decompress(counted).map_err(|source| Error::Layer { digest, source })?;
    let mut plain = HashingReader::new(io::Read::take(
        plain,
        context.limits.bytes.saturating_add(1),
    ));
    let file = context.spool.file()?;
    let mut output = HashingWriter::new(io::BufWriter::with_capacity(1 << 20, &file));
    let codec = match how {
        Compression::Gzip(level) => {
            let mut gzip = ParallelGzip::new(&mut output, level, context.threads);
            copy(&mut plain, &mut gzip).map_err(failed)?;
            gzip.finish().map_err(failed)?;
            Codec::Gzip
        }
        Compression::Zstd(level) => {
            let mut zstd =
                ParallelZstd::new(&mut output, level, context.threads).map_err(failed)?;
            copy(&mut plain, &mut zstd).map_err(failed)?;
            zstd.finish().map_err(failed)?;
            Codec::Zstd
        }
    };
    let (actual, length) = plain.finish();
    if length > context.limits.bytes {
        let (what, limit) = ("uncompressed bytes", context.limits.bytes);
        let source = layer::Error::LimitExceeded { what, limit };
        return Err(Error::Layer { digest, source });
    }
    if actual != layer.diff_id {
        return Err(Error::DiffId {
            layer: digest,
            expected: layer.diff_id,
            actual,
        });
    }
    let (mut buffered, compressed, size) = output.finish();
    buffered.flush().map_err(failed)?;
    drop(buffered);
    let descriptor = Descriptor {
        annotations: layer.descriptor.annotations.clone(),
        ..Descriptor::new(MediaType::Layer(Family::Oci, codec), compressed, size)
    };
    Ok(SpooledLayer {
        descriptor,
        diff_id: layer.diff_id,
        slice: FileSlice::new(Arc::new(file), 0, size),
    })
}

fn copy(input: &mut impl io::Read, output: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => output.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_parsed() {
        let gzip = |level| Ok(Compression::Gzip(Level::new(level).unwrap()));
        assert_eq!("gzip".parse(), Ok(Compression::Gzip(Level::DEFAULT)));
        assert_eq!("gzip:9".parse::<Compression>(), gzip(9));
        assert_eq!("zstd".parse(), Ok(Compression::Zstd(zstd::Level::DEFAULT)));
        let zstd = zstd::Level::new(19).unwrap();
        assert_eq!("zstd:19".parse(), Ok(Compression::Zstd(zstd)));
        for wrong in ["", "xz", "zstd:0", "zstd:23", "gzip:13", "gzip:x", "zstd:"] {
            assert!(wrong.parse::<Compression>().is_err(), "{wrong}");
        }
    }
}
