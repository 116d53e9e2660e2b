//! Several layers of an image made into one, or rewritten without what upper
//! ones hide; the files that one sees stay exactly the same.
//!
//! - [`Range`]: which layers. [`select`]: from numbers, ids and instructions to that.
//! - `delta`: what the merged layers change of those below, whiteouts included.
//! - `history`: the history, in which the merged instructions keep their names.
//! - [`sharing`]: what is lost when other images have the merged layers too.
//!
//! The result is reproducible: same image, same range, same bytes.

mod delta;
mod history;
pub mod select;
pub mod sharing;

use std::collections::BTreeMap;

use image::media_type::Family;
use image::transport::Context;
use image::{
    Blobs, Descriptor, Digest, Image, LoadOptions, Manifest, MediaType, Spooled, SpooledLayer,
    Stages, spool_layer,
};

use delta::Delta;

/// Annotation of a squashed image's manifest: the id of the image it was made from.
pub const SOURCE_ID: &str = crate::slim::SOURCE_ID;

/// What can go wrong with squashing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An image cannot be read or written.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// What was asked for names no layers.
    #[error("cannot choose the layers: {reason}")]
    Selection {
        /// Why.
        reason: String,
    },
    /// Files cannot be read.
    #[error(transparent)]
    Compare(#[from] crate::diff::Error),
    /// The result is not the same file system. A bug.
    #[error("internal error: the squashed image differs in `{path}`; it was not written")]
    Differs {
        /// The first path that differs.
        path: String,
    },
}

/// Layers of an image, by index, base first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first one that is merged.
    pub first: usize,
    /// One beyond the last.
    pub end: usize,
}

/// How layers are rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which.
    pub range: Range,
    /// Keep them apart, and write each file once, into the layer that first had its bytes.
    pub dedupe: bool,
    /// Comment of the new entry of the history, in place of one that says what was merged.
    pub message: Option<String>,
}

/// A squashed image.
#[derive(Debug)]
pub struct Squashed {
    /// The image; its new layers lie in nameless files.
    pub image: Image,
    /// Bytes of the files of all layers before.
    pub unpacked_before: u64,
    /// And after.
    pub unpacked_after: u64,
    /// Layers that were written anew.
    pub written: usize,
}

/// Rewrites layers of an image.
///
/// # Errors
/// When the image cannot be read, or the result not written.
pub fn squash(
    image: &Image,
    options: &Options,
    load: LoadOptions<'_>,
    context: Context<'_>,
) -> Result<Squashed, Error> {
    let Range { first, end } = options.range;
    let merged = image.truncated(end)?;
    let stages = Stages::load(&merged, first, load)?;
    // Hashing what is read takes as long as hashing what is written: both at once.
    std::thread::scope(|scope| {
        let check = scope.spawn(|| stages.check());
        let squashed = rewrite(image, options, &stages, context)?;
        match check.join() {
            Ok(checked) => checked?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(squashed)
    })
}

/// Writes the new layers and puts the image together.
fn rewrite(
    image: &Image,
    options: &Options,
    stages: &Stages,
    context: Context<'_>,
) -> Result<Squashed, Error> {
    let Range { first, end } = options.range;
    let delta = Delta::new(stages, options)?;
    let mut spooled: Vec<SpooledLayer> = Vec::new();
    let mut layers: Vec<(Descriptor, Digest)> = Vec::new();
    let all: Vec<(Descriptor, Digest)> = image
        .layers()
        .map(|layer| (layer.descriptor.clone(), layer.diff_id))
        .collect();
    layers.extend_from_slice(&all[..first]);
    // Of each layer that there was, whether one stands in its place.
    let mut made: Vec<bool> = vec![false; end - first];
    for group in delta.groups() {
        if delta.keeps(group) {
            layers.push(all[first + group].clone());
            made[group] = true;
            continue;
        }
        if delta.is_empty(group) {
            continue;
        }
        let layer = spool_layer(context.spool, |tar| delta.write(group, stages, tar))?;
        layers.push((layer.descriptor.clone(), layer.diff_id));
        spooled.push(layer);
        made[group] = true;
    }
    if layers.is_empty() && end == all.len() {
        // An image must have a layer: containerd and Docker refuse to unpack one without.
        let layer = spool_layer(context.spool, |_| Ok(()))?;
        layers.push((layer.descriptor.clone(), layer.diff_id));
        spooled.push(layer);
        made[0] = true;
    }
    layers.extend_from_slice(&all[end..]);
    let diff_ids: Vec<Digest> = layers.iter().map(|(_, diff_id)| *diff_id).collect();
    let history = history::rewrite(image, options, &made);
    let config = image.config().with_layers(&diff_ids, &history);
    let family = Family::Oci;
    let descriptor = Descriptor::new(
        MediaType::Config(family),
        config.digest(),
        config.bytes().len() as u64,
    );
    let descriptors = layers
        .into_iter()
        .map(|(descriptor, _)| oci(descriptor))
        .collect();
    let mut annotations: BTreeMap<String, String> = image.manifest().annotations.clone();
    annotations.insert(SOURCE_ID.to_owned(), image.id().to_string());
    let manifest = Manifest::new(family, descriptor, descriptors, annotations);
    let blobs = Blobs::new(Spooled::new(&spooled, image.blobs().clone()));
    let before: u64 = stages.files.unpacked;
    let after = delta.unpacked(stages);
    Ok(Squashed {
        image: Image::new(manifest, config, blobs)?,
        unpacked_before: before,
        unpacked_after: after,
        written: spooled.len(),
    })
}

/// The same layer in OCI's words.
fn oci(descriptor: Descriptor) -> Descriptor {
    match descriptor.kind() {
        Some(MediaType::Layer(_, codec)) => Descriptor {
            media_type: MediaType::Layer(Family::Oci, codec).name().to_owned(),
            ..descriptor
        },
        _ => descriptor,
    }
}

/// Makes sure that two images have the same files.
///
/// # Errors
/// [`Error::Differs`]; when either cannot be read.
pub fn prove(old: &Image, new: &Image, load: LoadOptions<'_>) -> Result<(), Error> {
    let old_files = image::FileSystem::load(old, load)?;
    let new_files = image::FileSystem::load(new, load)?;
    let side = |image, files| crate::diff::Side { image, files };
    let paths = crate::diff::paths(
        side(old, &old_files),
        side(new, &new_files),
        crate::diff::Ignore::default(),
    )?;
    let first = paths
        .changed
        .into_iter()
        .map(|change| change.path)
        .chain(paths.added.into_iter().map(|entry| entry.path))
        .chain(paths.removed.into_iter().map(|entry| entry.path))
        .next();
    first.map_or(Ok(()), |path| Err(Error::Differs { path }))
}
