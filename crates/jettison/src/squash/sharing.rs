//! What merging layers costs where other images have them too.
//!
//! A registry, a store and a machine keep a layer once, however many images
//! have it. A merged layer is nobody else's.

use image::Image;

use super::Range;

/// What is shared now and would not be any more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// Bytes of the layers, as they are stored.
    pub bytes: u64,
    /// Layers.
    pub layers: usize,
    /// The other images.
    pub images: Vec<String>,
}

/// Returns what merging the layers of a range loses; nothing where no other image has any.
pub fn lost(image: &Image, range: Range, others: &[(String, Image)]) -> Option<Lost> {
    let mut lost = Lost {
        bytes: 0,
        layers: 0,
        images: Vec::new(),
    };
    let id = image.id();
    for layer in image
        .layers()
        .skip(range.first)
        .take(range.end - range.first)
    {
        let mut shared = None;
        for (name, other) in others.iter().filter(|(_, other)| other.id() != id) {
            let same = other.layers().find(|other| other.diff_id == layer.diff_id);
            if let Some(same) = same {
                shared = Some(same.descriptor.size);
                if !lost.images.contains(name) {
                    lost.images.push(name.clone());
                }
            }
        }
        if let Some(bytes) = shared {
            lost.bytes += bytes;
            lost.layers += 1;
        }
    }
    (lost.layers > 0).then_some(lost)
}
