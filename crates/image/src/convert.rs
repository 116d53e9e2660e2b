//! Layers brought into the form that a place wants, contents unchanged.

use std::io::{self, Write};

use layer::codec::Codec;
use layer::codec::gzip::{Level, ParallelGzip};

use crate::error::{Error, Result};
use crate::image::{Image, Layer};
use crate::manifest::{Descriptor, Manifest};
use crate::media_type::{Family, MediaType};
use crate::progress::Counted;
use crate::transport::Context;
use crate::transport::layout::{Layout, Pending};

/// Writes a layer as a compressed blob. Returns its descriptor, and the blob
/// unless it was there already.
pub(crate) fn store_layer(
    image: &Image,
    layer: &Layer<'_>,
    layout: &Layout,
    level: Level,
    context: Context<'_>,
) -> Result<(Descriptor, Option<Pending>)> {
    let source = layer.descriptor;
    let declared = codec(layer)?;
    let plain = is_plain(layer);
    let codec = if plain { Codec::Gzip } else { declared };
    let describe = |digest, size| Descriptor {
        annotations: source.annotations.clone(),
        ..Descriptor::new(MediaType::Layer(Family::Oci, codec), digest, size)
    };
    if !plain && layout.has(source) {
        return Ok((describe(source.digest, source.size), None));
    }
    let digest = source.digest;
    let failed = |source| Error::Blob { digest, source };
    let blob = image.blobs().open_to_copy(source)?;
    let mut input = Counted {
        inner: blob,
        progress: context.progress,
    };
    let blob = layout.prepare(|output| {
        if plain {
            let mut gzip = ParallelGzip::new(output, level, context.threads);
            copy(&mut input, &mut gzip).map_err(failed)?;
            gzip.finish().map_err(failed)?;
        } else {
            copy(&mut input, output).map_err(failed)?;
        }
        Ok(())
    })?;
    Ok((describe(blob.digest, blob.size), Some(blob)))
}

/// Returns whether a layer's blob is the tar itself, whatever it is declared as.
pub(crate) fn is_plain(layer: &Layer<'_>) -> bool {
    codec(layer).is_ok_and(|codec| codec == Codec::None) || layer.descriptor.digest == layer.diff_id
}

/// Returns the descriptor of a compressed layer, in OCI's media types.
pub(crate) fn describe_oci(layer: &Layer<'_>) -> Result<Descriptor> {
    let kind = MediaType::Layer(Family::Oci, codec(layer)?);
    Ok(Descriptor {
        media_type: kind.name().to_owned(),
        ..layer.descriptor.clone()
    })
}

fn codec(layer: &Layer<'_>) -> Result<Codec> {
    match layer.descriptor.kind() {
        Some(MediaType::Layer(_, codec)) => Ok(codec),
        _ => Err(Error::UnsupportedLayer {
            digest: layer.descriptor.digest,
            media_type: layer.descriptor.media_type.clone(),
        }),
    }
}

/// Returns the manifest of the same image with these layers, in OCI's media types.
pub(crate) fn to_oci(image: &Image, layers: Vec<Descriptor>) -> Manifest {
    let manifest = image.manifest();
    if manifest.family == Family::Oci && manifest.layers == layers {
        return manifest.clone();
    }
    let config = Descriptor::new(
        MediaType::Config(Family::Oci),
        image.id(),
        image.config().bytes().len() as u64,
    );
    Manifest::new(Family::Oci, config, layers, manifest.annotations.clone())
}

fn copy(input: &mut impl io::Read, output: &mut (impl Write + ?Sized)) -> io::Result<()> {
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
