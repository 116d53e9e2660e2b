//! The slim image as it is written: one layer with what stays, and the config of its source.

use std::collections::{BTreeMap, HashSet};

use image::config::HistoryEntry;
use image::media_type::Family;
use image::transport::Context;
use image::transport::layout::Layout;
use image::{
    Blobs, Config, Descriptor, Digest, Image, Manifest, MediaType, NewImage, NewLayer, Spool,
    Spooled, SpooledLayer,
};
use layer::{Entry, Kind, Metadata, Time};

use super::{CREATED_BY, Error, MADE_FROM, Plan, SOURCE_ID};

/// An image that was made, without a name yet.
#[derive(Debug)]
pub struct Slimmed {
    /// The image.
    pub image: Image,
    /// Its layer.
    pub layer: NewLayer,
}

/// Makes the slim image: one layer with what stays, and the config of `source`
/// with nothing changed but layers and history.
///
/// # Errors
/// When a content cannot be read or a blob not written.
pub fn write(
    source: &Image,
    plan: &Plan<'_>,
    layout: &Layout,
    context: Context<'_>,
) -> Result<Slimmed, Error> {
    let layer = image::write_layer(layout, context, |tar| write_files(plan, tar))?;
    store(source, layer, layout)
}

/// A slim image whose layer is not compressed yet. It can be run, and compressed meanwhile.
#[derive(Debug)]
pub struct Draft {
    source: Image,
    layer: SpooledLayer,
}

impl Draft {
    /// Writes the layer of what stays of `source` into a nameless file.
    ///
    /// # Errors
    /// When a content cannot be read or the file not written.
    pub fn new(source: &Image, plan: &Plan<'_>, spool: &Spool) -> Result<Self, Error> {
        let layer = image::spool_layer(spool, |tar| write_files(plan, tar))?;
        let source = source.clone();
        Ok(Self { source, layer })
    }

    /// Returns the image, its layer a plain tar.
    ///
    /// # Errors
    /// When config and layer do not fit together.
    pub fn image(&self) -> Result<Image, Error> {
        let (config, annotations) = describe(&self.source, self.layer.diff_id);
        let kind = MediaType::Config(Family::Oci);
        let length = config.bytes().len() as u64;
        let descriptor = Descriptor::new(kind, config.digest(), length);
        let layers = vec![self.layer.descriptor.clone()];
        let manifest = Manifest::new(Family::Oci, descriptor, layers, annotations);
        let blobs = Spooled::new([&self.layer], self.source.blobs().clone());
        Ok(Image::new(manifest, config, Blobs::new(blobs))?)
    }

    /// Compresses it into a layout: the same image that [`write()`] makes.
    ///
    /// # Errors
    /// When a blob cannot be written.
    pub fn pack(&self, layout: &Layout, context: Context<'_>) -> Result<Slimmed, Error> {
        let layer = image::pack_layer(layout, context, &self.layer)?;
        store(&self.source, layer, layout)
    }
}

fn store(source: &Image, layer: NewLayer, layout: &Layout) -> Result<Slimmed, Error> {
    let (config, annotations) = describe(source, layer.diff_id);
    let image = NewImage {
        config: &config,
        layers: std::slice::from_ref(&layer),
        annotations,
    }
    .store(layout)?;
    Ok(Slimmed { image, layer })
}

/// Returns the config of the slim image, and the annotations of its manifest.
fn describe(source: &Image, diff_id: Digest) -> (Config, BTreeMap<String, String>) {
    let config = source.config();
    let mut history: Vec<HistoryEntry> = config
        .history()
        .into_iter()
        .map(|entry| HistoryEntry {
            empty_layer: true,
            ..entry
        })
        .collect();
    history.push(HistoryEntry {
        created: config.created().map(str::to_owned),
        created_by: CREATED_BY.to_owned(),
        comment: Some(format!("{MADE_FROM}{}", source.id())),
        empty_layer: false,
    });
    let config = config.with_layers(&[diff_id], &history);
    let annotations = BTreeMap::from([(SOURCE_ID.to_owned(), source.id().to_string())]);
    (config, annotations)
}

fn write_files<W: std::io::Write>(
    plan: &Plan<'_>,
    tar: &mut layer::write::TarWriter<W>,
) -> layer::Result<()> {
    let files = plan.files;
    tar.write_tree(&files.tree, &files.contents, |node| plan.keeps(node))?;
    write_metadata(plan, tar)
}

/// Writes the files of package metadata, and directories for them where those do not stay.
pub(super) fn write_metadata<W: std::io::Write>(
    plan: &Plan<'_>,
    tar: &mut layer::write::TarWriter<W>,
) -> layer::Result<()> {
    let tree = &plan.files.tree;
    let mut made: HashSet<Vec<u8>> = HashSet::new();
    for file in &plan.remains.files {
        let mtime = plan
            .remains
            .replaced
            .first()
            .map_or(Time::default(), |node| tree.mtime(*node));
        let slashes = file.path.iter().enumerate().filter(|(_, b)| **b == b'/');
        for (slash, _) in slashes {
            let directory = &file.path[..slash];
            let stays = tree.lookup(directory).is_some_and(|node| plan.keeps(node));
            if stays || !made.insert(directory.to_vec()) {
                continue;
            }
            let metadata = tree.lookup(directory).map_or(
                Metadata {
                    mode: 0o755,
                    mtime,
                    ..Metadata::default()
                },
                |n| tree.metadata(n),
            );
            let path = directory.to_vec();
            tar.write_entry(&Entry {
                path,
                kind: Kind::Directory,
                metadata,
            })?;
        }
        let metadata = Metadata {
            mode: file.mode,
            mtime,
            ..Metadata::default()
        };
        tar.write_bytes(&file.path, &metadata, &file.bytes)?;
    }
    Ok(())
}
