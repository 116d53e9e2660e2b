//! Which image of an index is meant.

use std::path::Path;

use super::super::{Context, Opened};
use super::{CONTAINERD_NAME, Layout, REF_NAME};
use crate::blob::Blobs;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::{Descriptor, Document, Index, MAX_SIZE};
use crate::name::Name;
use crate::platform::Platform;

/// Opens the image `tag` of a layout, or its only image.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Ambiguous`], [`Error::NoSuchPlatform`].
pub fn open(root: &Path, tag: Option<&str>, context: Context<'_>) -> Result<Opened> {
    let layout = Layout::open(root)?;
    let index = layout.index()?;
    open_index(
        &index,
        tag,
        &root.display().to_string(),
        &Blobs::new(layout),
        context.platform,
    )
}

/// Opens an image through an index: shared by directories and archives.
pub(crate) fn open_index(
    index: &Index,
    tag: Option<&str>,
    subject: &str,
    blobs: &Blobs,
    platform: &Platform,
) -> Result<Opened> {
    let entry = choose(index, tag, subject, platform)?;
    let name = [CONTAINERD_NAME, REF_NAME]
        .iter()
        .find_map(|key| Name::parse(entry.annotations.get(*key)?).ok());
    let image = open_descriptor(entry, subject, blobs, platform)?;
    Ok(Opened { image, name })
}

/// Follows indexes down to a manifest. Indexes may nest; four levels are plenty.
pub(crate) fn open_descriptor(
    entry: &Descriptor,
    subject: &str,
    blobs: &Blobs,
    platform: &Platform,
) -> Result<Image> {
    let mut entry = entry.clone();
    for _ in 0..4 {
        let bytes = blobs.read(&entry, MAX_SIZE)?;
        match Document::parse(&bytes, Some(&entry.media_type))? {
            Document::Manifest(manifest) => return Image::open(*manifest, blobs.clone()),
            Document::Index(index) => entry = index.choose(subject, platform)?.clone(),
        }
    }
    Err(Error::Document {
        digest: entry.digest,
        reason: "indexes nest too deeply".to_owned(),
    })
}

fn choose<'i>(
    index: &'i Index,
    tag: Option<&str>,
    subject: &str,
    platform: &Platform,
) -> Result<&'i Descriptor> {
    let label = |d: &Descriptor| d.annotations.get(REF_NAME).cloned();
    let Some(tag) = tag else {
        return match &index.manifests[..] {
            [only] => Ok(only),
            [] => {
                let place = String::new();
                Err(Error::NotFound {
                    subject: format!("in `{subject}`"),
                    place,
                })
            }
            several
                if several
                    .iter()
                    .all(|d| d.platform.is_some() && label(d).is_none()) =>
            {
                index.choose(subject, platform)
            }
            several => {
                let mut available: Vec<String> = several.iter().filter_map(label).collect();
                available.dedup();
                Err(Error::Ambiguous {
                    subject: subject.to_owned(),
                    available,
                })
            }
        };
    };
    let wanted = Name::parse(tag).ok();
    let same = |d: &&Descriptor| {
        let names = [REF_NAME, CONTAINERD_NAME].map(|key| d.annotations.get(key));
        names
            .iter()
            .flatten()
            .any(|name| *name == tag || wanted.is_some() && Name::parse(name).ok() == wanted)
    };
    let mut found = index.manifests.iter().filter(same).peekable();
    let first = found.peek().copied();
    let fits = |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| p.matches(platform));
    found.find(fits).or(first).ok_or_else(|| {
        let available: Vec<String> = index.manifests.iter().filter_map(label).collect();
        let place = format!("`{subject}` (it has {})", available.join(", "));
        Error::NotFound {
            subject: tag.to_owned(),
            place,
        }
    })
}
