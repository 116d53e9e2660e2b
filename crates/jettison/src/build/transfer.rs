//! Remembered steps as an image, so that other machines can have them.
//!
//! The image has the layers that steps made, and its config lists the keys of the steps with the layers
//! that belong to them. It goes wherever an image can go; as every image it is checked on the way.

use std::collections::BTreeMap;

use image::config::HistoryEntry;
use image::transport::Context;
use image::{Config, Digest, Image, NewImage, NewLayer, Platform, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Error;
use super::cache::Steps;

/// Key of the config that has the steps.
const FIELD: &str = "dev.jettison.steps";

/// A step that a build has used.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub(super) key: Digest,
    pub(super) layer: Option<NewLayer>,
    pub(super) created: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    key: Digest,
    layer: Option<usize>,
    created: String,
}

/// Puts steps together as an image.
pub(super) fn pack(used: &[Used], store: &Store, platform: &Platform) -> Result<Image, Error> {
    let mut layers: Vec<NewLayer> = Vec::new();
    let mut steps = BTreeMap::new();
    for used in used {
        let layer = used.layer.as_ref().map(|layer| {
            let known = layers
                .iter()
                .position(|known| known.diff_id == layer.diff_id);
            known.unwrap_or_else(|| {
                layers.push(layer.clone());
                layers.len() - 1
            })
        });
        steps.insert(
            used.key,
            Listed {
                key: used.key,
                layer,
                created: used.created.clone(),
            },
        );
    }
    let ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
    let line = |_| HistoryEntry {
        created_by: "jettison build --cache-to".to_owned(),
        ..HistoryEntry::default()
    };
    let history: Vec<HistoryEntry> = ids.iter().map(line).collect();
    let config = Config::empty(platform, "1970-01-01T00:00:00Z")
        .with_layers(&ids, &history)
        .with_field(FIELD, json!(steps.into_values().collect::<Vec<_>>()));
    let image = NewImage {
        config: &config,
        layers: &layers,
        annotations: BTreeMap::new(),
    };
    Ok(image.store(store.layout())?)
}

/// Remembers the steps that an image lists. Returns how many there are.
///
/// # Errors
/// When a layer cannot be had.
pub fn import_cache(image: &Image, store: &Store, context: Context<'_>) -> Result<usize, Error> {
    let Ok(listed) = serde_json::from_value::<Vec<Listed>>(image.config().value()[FIELD].clone())
    else {
        return Ok(0); // an image that is none of ours has no steps
    };
    let directory = store.cache().join("build");
    let steps = Steps::open(directory.clone()).map_err(Error::file("make", &directory))?;
    let image = store.import(image, context)?;
    let layers: Vec<NewLayer> = image
        .layers()
        .map(|layer| NewLayer {
            descriptor: layer.descriptor.clone(),
            diff_id: layer.diff_id,
            unpacked: layer.descriptor.size,
        })
        .collect();
    for step in &listed {
        match step.layer {
            None => steps.put(step.key, None, &step.created),
            Some(at) => {
                let Some(layer) = layers.get(at) else {
                    continue;
                };
                steps.put(step.key, Some(layer), &step.created);
            }
        }
    }
    Ok(listed.len())
}
