//! What `docker save` writes and `docker load` reads.
//!
//! `manifest.json` lists for each image its config, its names and its layers by
//! member name. Before Engine 25 layers were `ID/layer.tar` and there was no
//! OCI layout beside; since then they are `blobs/sha256/…`. Both are read by
//! the same code. Written is the older form, since Engine 20.10 and podman load
//! nothing else (moby, image/tarexport).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

use layer::codec::Codec;
use layer::write::TarWriter;
use layer::{FileSlice, Metadata};
use serde::{Deserialize, Serialize};

use super::tar_file::TarFile;
use super::{Context, Opened, Written};
use crate::blob::{BlobSource, Blobs};
use crate::config::Config;
use crate::digest::{Digest, HashingReader};
use crate::error::{Error, Result};
use crate::image::{Image, Layer};
use crate::manifest::{Descriptor, MAX_SIZE, Manifest};
use crate::media_type::{Family, MediaType};
use crate::name::Name;
use crate::progress::Counted;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Opens an image of an archive: the one called `wanted`, or else the only one.
///
/// # Errors
/// [`Error::Archive`], [`Error::NotFound`], [`Error::Ambiguous`].
pub fn open(path: &Path, wanted: Option<&Name>) -> Result<Opened> {
    open_archive(TarFile::open(path)?, wanted)
}

/// Opens an image of an indexed archive.
///
/// # Errors
/// As [`open`].
pub fn open_archive(archive: TarFile, wanted: Option<&Name>) -> Result<Opened> {
    let refuse = |reason: String| Error::Archive {
        path: archive.path().to_path_buf(),
        reason,
    };
    let items: Vec<Item> = serde_json::from_slice(&archive.read("manifest.json", MAX_SIZE)?)
        .map_err(|e| refuse(format!("manifest.json: {e}")))?;
    let (item, name) = choose(&archive, items, wanted)?;
    let config_bytes = archive.read(&item.config, MAX_SIZE)?;
    let config = Config::parse(config_bytes)?;
    let promised = item
        .config
        .trim_end_matches(".json")
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if let Ok(promised) = format!("sha256:{promised}").parse::<Digest>()
        && promised != config.digest()
    {
        return Err(refuse(format!(
            "the config `{}` has digest {}",
            item.config,
            config.digest()
        )));
    }
    if item.layers.len() != config.diff_ids().len() {
        let (layers, diff_ids) = (item.layers.len(), config.diff_ids().len());
        return Err(Error::LayerCount { layers, diff_ids });
    }
    let mut slices = BTreeMap::new();
    let mut descriptors = Vec::new();
    for (member, diff_id) in item.layers.iter().zip(config.diff_ids()) {
        let slice = archive
            .find(member.as_bytes())
            .ok_or_else(|| refuse(format!("layer `{member}` is missing")))?;
        let descriptor = describe(slice, *diff_id).map_err(Error::file("read", archive.path()))?;
        slices.insert(descriptor.digest, slice.clone());
        descriptors.push(descriptor);
    }
    let config_type = MediaType::Config(Family::Docker);
    let descriptor = Descriptor::new(config_type, config.digest(), config.bytes().len() as u64);
    let manifest = Manifest::new(Family::Docker, descriptor, descriptors, BTreeMap::new());
    let place = archive.path().display().to_string();
    let image = Image::new(manifest, config, Blobs::new(Members { slices, place }))?;
    Ok(Opened { image, name })
}

fn choose(
    archive: &TarFile,
    mut items: Vec<Item>,
    wanted: Option<&Name>,
) -> Result<(Item, Option<Name>)> {
    let names = |item: &Item| -> Vec<Name> {
        let tags = item.repo_tags.as_deref().unwrap_or_default();
        tags.iter()
            .filter_map(|tag| Name::parse(tag).ok())
            .collect()
    };
    let subject = archive.path().display().to_string();
    let available: Vec<String> = items
        .iter()
        .flat_map(&names)
        .map(|n| n.familiar())
        .collect();
    match wanted {
        Some(wanted) => {
            let found = items.iter().position(|item| names(item).contains(wanted));
            let Some(found) = found else {
                let place = format!("{subject} (it has {})", available.join(", "));
                return Err(Error::NotFound {
                    subject: wanted.familiar(),
                    place,
                });
            };
            Ok((items.swap_remove(found), Some(wanted.clone())))
        }
        None if items.len() > 1 => Err(Error::Ambiguous { subject, available }),
        None => match items.pop() {
            Some(item) => {
                let name = names(&item).into_iter().next();
                Ok((item, name))
            }
            None => {
                let reason = "manifest.json lists no image".to_owned();
                Err(Error::Archive {
                    path: archive.path().to_path_buf(),
                    reason,
                })
            }
        },
    }
}

/// Layers are stored plain as a rule; then their digest is the diff_id, and is
/// checked when they are read. Compressed ones must be hashed to be named.
fn describe(slice: &FileSlice, diff_id: Digest) -> io::Result<Descriptor> {
    let mut first = [0; 6];
    let known = slice.len().min(6) as usize;
    slice.read_exact_at(&mut first[..known], 0)?;
    let codec = Codec::detect(&first[..known]).unwrap_or(Codec::None);
    let digest = match codec {
        Codec::None => diff_id,
        _ => crate::filesystem::digest_of(slice.reader())?.0,
    };
    Ok(Descriptor::new(
        MediaType::Layer(Family::Docker, codec),
        digest,
        slice.len(),
    ))
}

/// The layers of an archive, by digest.
#[derive(Debug)]
struct Members {
    slices: BTreeMap<Digest, FileSlice>,
    place: String,
}

impl BlobSource for Members {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        match self.slices.get(&descriptor.digest) {
            Some(slice) => Ok(Box::new(slice.reader())),
            None => Err(Error::MissingBlob {
                digest: descriptor.digest,
                place: self.place.clone(),
            }),
        }
    }

    fn local(&self, descriptor: &Descriptor) -> Result<Option<FileSlice>> {
        Ok(self.slices.get(&descriptor.digest).cloned())
    }
}

/// Writes an archive with one image, under a temporary name until it is complete.
///
/// # Errors
/// When a layer cannot be read or the file not written.
pub fn write(
    image: &Image,
    path: &Path,
    name: Option<&Name>,
    context: Context<'_>,
) -> Result<Written> {
    super::layout::write_file(path, |file| {
        let output = io::BufWriter::with_capacity(1 << 20, file);
        let (output, written) = write_to(image, output, name, context)?;
        let (_, left) = output.into_parts();
        debug_assert!(left.is_ok_and(|left| left.is_empty()));
        Ok(written)
    })
}

/// Writes an archive with one image to a stream.
///
/// # Errors
/// As [`write()`].
pub fn write_to<W: Write>(
    image: &Image,
    output: W,
    name: Option<&Name>,
    context: Context<'_>,
) -> Result<(W, Written)> {
    // As `docker save` spells them.
    write_spelled(image, output, name, Name::familiar, context)
}

/// As [`write_to`], with names spelled by `spell`. Podman takes short names in
/// an archive for `localhost/…`, Docker for its Hub's; whole ones are the same to both.
pub(crate) fn write_spelled<W: Write>(
    image: &Image,
    output: W,
    name: Option<&Name>,
    spell: fn(&Name) -> String,
    context: Context<'_>,
) -> Result<(W, Written)> {
    let wrap = |source| Error::WriteLayer { source };
    let mut tar = TarWriter::new(output);
    let file = Metadata {
        mode: 0o644,
        ..Metadata::default()
    };
    let config_name = format!("{}.json", image.id().hex());
    tar.write_bytes(config_name.as_bytes(), &file, image.config().bytes())
        .map_err(wrap)?;
    let mut members = Vec::new();
    let mut bytes = 0;
    for layer in image.layers() {
        let member = format!("{}.tar", layer.diff_id.hex());
        if !members.contains(&member) {
            let slice = plain(image, &layer, context)?;
            let verified = crate::digest::VerifyingReader::new(
                Counted {
                    inner: slice.reader(),
                    progress: context.progress,
                },
                layer.diff_id,
                slice.len(),
            );
            tar.write_stream(member.as_bytes(), &file, slice.len(), verified)
                .map_err(wrap)?;
            bytes += slice.len();
        }
        members.push(member);
    }
    let tag = name.and_then(|name| name.tag.as_ref());
    let untagged = |name: &Name| Name {
        tag: None,
        digest: None,
        ..name.clone()
    };
    let repo_tags = name.map(|name| {
        let tagged = Name {
            tag: tag.cloned(),
            ..untagged(name)
        };
        vec![spell(&tagged)]
    });
    if let (Some(name), Some(tag)) = (name, tag) {
        let top = members
            .last()
            .map_or("", |name| name.trim_end_matches(".tar"));
        let tags = BTreeMap::from([(tag, top)]);
        let repositories = BTreeMap::from([(spell(&untagged(name)), tags)]);
        let json = serde_json::to_vec(&repositories).unwrap_or_default();
        tar.write_bytes(b"repositories", &file, &json)
            .map_err(wrap)?;
    }
    let items = [Item {
        config: config_name,
        repo_tags,
        layers: members,
    }];
    let json = serde_json::to_vec(&items).unwrap_or_default();
    tar.write_bytes(b"manifest.json", &file, &json)
        .map_err(wrap)?;
    let mut output = tar.finish().map_err(wrap)?;
    output.flush().map_err(Error::file("write", "archive"))?;
    Ok((
        output,
        Written {
            manifest: image.manifest().descriptor(),
            bytes,
        },
    ))
}

/// Returns a layer's uncompressed bytes, with their length known.
fn plain(image: &Image, layer: &Layer<'_>, context: Context<'_>) -> Result<FileSlice> {
    let descriptor = layer.descriptor;
    if descriptor.digest == layer.diff_id
        && let Some(slice) = image.blobs().local(descriptor)?
    {
        return Ok(slice);
    }
    let digest = descriptor.digest;
    let blob = image.blobs().open(descriptor)?;
    let (_, inflated) =
        layer::codec::decompress(blob).map_err(|source| Error::Layer { digest, source })?;
    let spooled = context.spool.file()?;
    let bounded = inflated.take(context.limits.bytes.saturating_add(1));
    let mut hashed = HashingReader::new(bounded);
    io::copy(&mut hashed, &mut &spooled).map_err(|source| Error::Blob { digest, source })?;
    let (actual, length) = hashed.finish();
    if length > context.limits.bytes {
        let (what, limit) = ("uncompressed bytes", context.limits.bytes);
        return Err(Error::Layer {
            digest,
            source: layer::Error::LimitExceeded { what, limit },
        });
    }
    if actual != layer.diff_id {
        return Err(Error::DiffId {
            layer: digest,
            expected: layer.diff_id,
            actual,
        });
    }
    Ok(FileSlice::new(std::sync::Arc::new(spooled), 0, length))
}
