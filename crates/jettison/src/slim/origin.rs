//! Where the image that a slim one was made from can be had again.
//!
//! The *id* of the original stands in the slim image, since it is the same
//! wherever the original was read from. Its name, the digest of its manifest and
//! where it was read from stand beside the slim image, in the store's index: the
//! digest of the slim image does not depend on them.
//!
//! What a place gives is believed only if it has the right id, which covers every
//! byte of the image's files. The digest of the manifest says more: that layers
//! are compressed as they were.

use std::collections::BTreeMap;

use image::store::{Entry, HOLDS};
use image::transport::Opened;
use image::{Digest, Image, Name, Platform, Reference, Store};

use super::{SOURCE_ID, SOURCE_NAME};

/// Annotation of a slim image's entry in the store: the reference that the original was read from.
pub const SOURCE_REFERENCE: &str = "dev.jettison.source.reference";

/// What is known of an original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its id.
    pub id: Digest,
    /// The digest of its manifest, where it was read.
    pub digest: Option<Digest>,
    /// Its name.
    pub name: Option<Name>,
    /// Where it was read from.
    pub reference: Option<Reference>,
}

impl Origin {
    /// Returns the origin of what is made from an image that `reference` led to.
    pub fn new(reference: &Reference, opened: &Opened, name: Option<&Name>) -> Self {
        let image = &opened.image;
        // A bare name may lead elsewhere tomorrow.
        let layers = &image.manifest().layers;
        let registry = layers.first().and_then(|layer| image.blobs().origin(layer));
        let reference = match registry {
            Some(place) => Reference::Registry(Name {
                host: place.host,
                repository: place.repository,
                tag: None,
                digest: Some(image.digest()),
            }),
            None => reference.clone(),
        };
        Self {
            id: image.id(),
            digest: Some(image.digest()),
            name: name.cloned(),
            reference: Some(reference),
        }
    }

    /// Returns the annotations for the entry of what was made from it.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let text = [
            (SOURCE_NAME, self.name.as_ref().map(Name::familiar)),
            (
                SOURCE_REFERENCE,
                self.reference.as_ref().map(ToString::to_string),
            ),
            (HOLDS, self.digest.map(|digest| digest.to_string())),
        ];
        text.into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }

    /// Returns the origin of a slim image; nothing if it is none.
    ///
    /// `store` may know more than the image says, whatever place the image is read from.
    pub fn of(slim: &Image, store: &Store, platform: &Platform) -> Option<Self> {
        let made_it = |entry: &Entry| {
            let image = store.open_entry(entry, platform);
            entry.descriptor.annotations.contains_key(HOLDS)
                && image.is_ok_and(|image| image.id() == slim.id())
        };
        // The same can be made of several originals; one that is still here serves best.
        let is_here = |entry: &Entry| {
            let digest = entry.descriptor.annotations[HOLDS].parse().ok();
            digest.is_some_and(|digest| matches!(store.held(&digest), Ok(Some(_))))
        };
        let entry = entries(store).filter(made_it).max_by_key(is_here);
        let noted = |key: &str| {
            let annotations = &entry.as_ref()?.descriptor.annotations;
            annotations.get(key).cloned()
        };
        let id = slim.manifest().annotations.get(SOURCE_ID).cloned();
        Some(Self {
            id: id.or_else(|| from_history(slim))?.parse().ok()?,
            digest: noted(HOLDS).and_then(|digest| digest.parse().ok()),
            name: noted(SOURCE_NAME).and_then(|name| Name::parse(&name).ok()),
            reference: noted(SOURCE_REFERENCE).and_then(|text| Reference::parse(&text).ok()),
        })
    }

    /// Finds the original in the store: by its manifest, or else by its id.
    pub fn find(&self, store: &Store, platform: &Platform) -> Option<Image> {
        let held = self.digest.and_then(|digest| store.held(&digest).ok()?);
        let fits = |image: &Image| image.id() == self.id;
        held.filter(fits).or_else(|| {
            let mut images =
                entries(store).filter_map(|entry| store.open_entry(&entry, platform).ok());
            images.find(fits)
        })
    }

    /// Returns the other places that may have it, the most likely first.
    pub fn places(&self) -> Vec<Reference> {
        let id = image::reference::DaemonImage::Id(self.id.hex());
        // An engine and its archives keep no manifest that a registry could know.
        let has_manifest = !matches!(
            self.reference,
            Some(Reference::DockerArchive { .. } | Reference::DockerDaemon(_))
        );
        let known = self.name.as_ref().zip(self.digest).filter(|_| has_manifest);
        let by_digest = known.map(|(name, digest)| {
            Reference::Registry(Name {
                tag: None,
                digest: Some(digest),
                ..name.clone()
            })
        });
        let mut places: Vec<Reference> = self.reference.iter().cloned().collect();
        places.push(Reference::DockerDaemon(id));
        places.extend(by_digest);
        let mut seen = Vec::new();
        places.retain(|place| {
            let is_new = !seen.contains(place);
            seen.push(place.clone());
            is_new
        });
        places
    }
}

fn entries(store: &Store) -> impl Iterator<Item = Entry> {
    store.entries().unwrap_or_default().into_iter()
}

/// Archives of Docker have no annotations; what [`super::write()`] says in the history survives there.
fn from_history(slim: &Image) -> Option<String> {
    let history = slim.config().history();
    let mut made = history.iter().rev();
    let made = made.find(|entry| entry.created_by == super::CREATED_BY)?;
    let id = made.comment.as_ref()?.strip_prefix(super::MADE_FROM)?;
    Some(id.to_owned())
}
