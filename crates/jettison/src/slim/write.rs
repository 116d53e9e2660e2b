//! The slim image as it is written: one layer with what stays, and the config of its source.

use std::collections::{BTreeMap, HashSet};

use image::config::HistoryEntry;
use image::media_type::Family;
use image::transport::Context;
use image::transport::layout::Layout;
use image::{
    Blobs, Config, Descriptor, Digest, Image, Manifest, MediaType, NewImage, Spool, Spooled,
};
use layer::{Entry, Kind, Metadata, Time};

use super::{CREATED_BY, Error, MADE_FROM, Plan, SOURCE_ID};

/// Makes the slim image, without a name yet: one layer with what stays, and the config of `source`
/// with nothing changed but layers and history.
///
/// # Errors
/// When a content cannot be read or a blob not written.
pub fn write(
    source: &Image,
    plan: &Plan<'_>,
    layout: &Layout,
    context: Context<'_>,
) -> Result<Image, Error> {
    let layer = image::write_layer(layout, context, |tar| write_files(plan, tar))?;
    let (config, annotations) = describe(source, layer.diff_id);
    let image = NewImage {
        config: &config,
        layers: &[layer],
        annotations,
    };
    Ok(image.store(layout)?)
}

/// Makes the same image with its layer in a nameless file, not compressed yet: it can be run, and imported
/// into a store meanwhile.
///
/// # Errors
/// When a content cannot be read or the file not written.
pub fn draft(source: &Image, plan: &Plan<'_>, spool: &Spool) -> Result<Image, Error> {
    let layer = image::spool_layer(spool, |tar| write_files(plan, tar))?;
    let (config, annotations) = describe(source, layer.diff_id);
    let length = config.bytes().len() as u64;
    let descriptor = Descriptor::new(MediaType::Config(Family::Oci), config.digest(), length);
    let layers = vec![layer.descriptor.clone()];
    let manifest = Manifest::new(Family::Oci, descriptor, layers, annotations);
    let blobs = Spooled::new([&layer], source.blobs().clone());
    Ok(Image::new(manifest, config, Blobs::new(blobs))?)
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
    let files = &plan.files;
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
