//! The images that stages begin with, brought into the store.

use std::collections::HashMap;
use std::sync::Mutex;

use image::manifest::{Document, MAX_SIZE};
use image::reference::DaemonImage;
use image::transport::{self, Context, Remote, engine};
use image::{Blobs, Image, Name, Platform, Reference, Store};

use super::Error;
use super::cache::Steps;

/// Where images come from.
#[derive(Debug)]
pub(super) struct Bases<'a> {
    pub(super) store: &'a Store,
    pub(super) remote: Remote<'a>,
    pub(super) context: Context<'a>,
    pub(super) steps: &'a Steps,
    /// Ask the registry even for what is here.
    pub(super) pull: bool,
    pub(super) opened: Mutex<HashMap<String, Image>>,
}

impl Bases<'_> {
    /// Returns an image, all of it in the store.
    pub(super) fn open(&self, text: &str, platform: &Platform) -> Result<Image, Error> {
        let key = format!("{platform} {text}");
        // Held while it is fetched: two stages on one base fetch it once.
        let mut opened = self
            .opened
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(image) = opened.get(&key) {
            return Ok(image.clone());
        }
        let image = self.find(text, platform)?;
        opened.insert(key, image.clone());
        Ok(image)
    }

    fn find(&self, text: &str, platform: &Platform) -> Result<Image, Error> {
        let reference = Reference::parse(text)?;
        let context = Context {
            platform,
            ..self.context
        };
        let daemon = match &reference {
            Reference::Name(name) => {
                if !self.pull
                    && let Some(image) = self.store.find(name, platform)?
                {
                    return Ok(image);
                }
                Some(DaemonImage::Name(name.clone())).filter(|_| !self.pull)
            }
            Reference::DockerDaemon(image) => Some(image.clone()),
            _ => None,
        };
        // An engine sends whole images only, so it is asked for the id first.
        if let Some(found) =
            daemon.and_then(|image| engine::find(&image, self.remote.engine).ok().flatten())
        {
            if let Some(image) = self.imported(found.id()) {
                return Ok(image);
            }
            let image = engine::open_found(&found, context)?.image;
            return self.import(&image, found.id(), context);
        }
        let reference = match reference {
            Reference::Name(name) if self.pull => Reference::Registry(name),
            other => other,
        };
        let opened = transport::open(&reference, self.remote, context)?;
        if let Reference::Name(name) | Reference::Registry(name) = &reference {
            // As a pull: it is there the next time, and `images` shows it.
            return self.keep(&opened.image, name, context);
        }
        let id = opened.image.id().to_string();
        match self.imported(&id) {
            Some(image) => Ok(image),
            None => self.import(&opened.image, &id, context),
        }
    }

    fn keep(&self, image: &Image, name: &Name, context: Context<'_>) -> Result<Image, Error> {
        self.store.add(image, name, context)?;
        let found = self.store.find(name, context.platform)?;
        found.map_or_else(|| Ok(image.clone()), Ok)
    }

    fn import(&self, image: &Image, id: &str, context: Context<'_>) -> Result<Image, Error> {
        let image = self.store.import(image, context)?;
        self.steps
            .remember_import(id, &image.manifest().descriptor());
        Ok(image)
    }

    fn imported(&self, id: &str) -> Option<Image> {
        let descriptor = self.steps.imported(id)?;
        let blobs = Blobs::new(self.store.layout().clone());
        let Document::Manifest(manifest) =
            Document::parse(&blobs.read(&descriptor, MAX_SIZE).ok()?, None).ok()?
        else {
            return None;
        };
        let there = manifest
            .layers
            .iter()
            .all(|layer| self.store.layout().has(layer));
        there.then(|| Image::open(*manifest, blobs).ok()).flatten()
    }
}
