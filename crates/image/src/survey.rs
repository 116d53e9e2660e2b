//! The file system of an image with all that its layers hide: what an analysis needs.

use crate::error::Result;
use crate::filesystem::{FileSystem, LoadOptions, Manner};
use crate::image::Image;

/// What one layer brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerSize {
    /// Members of the tar, whiteouts among them.
    pub entries: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// The merged file system of an image, with a record of what each layer did.
#[derive(Debug)]
pub struct Survey {
    /// The tree, [recorded](layer::Tree::record), and the contents of all layers.
    pub files: FileSystem,
    /// The layers, base first.
    pub layers: Vec<LayerSize>,
}

impl Survey {
    /// Reads all layers as [`FileSystem::load`] does, and records what each did.
    ///
    /// Layers that lie uncompressed in a local file are not hashed: nothing is
    /// made of them, and their headers alone are read much faster. All others
    /// pass through this program anyway and are checked.
    ///
    /// # Errors
    /// As [`FileSystem::load`].
    pub fn load(image: &Image, options: LoadOptions<'_>) -> Result<Self> {
        let manner = Manner {
            record: true,
            trust_local: true,
        };
        let (files, layers) = FileSystem::load_so(image, options, manner)?;
        Ok(Self { files, layers })
    }
}
