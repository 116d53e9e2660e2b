//! The file system of an image with all that its layers hide: what an analysis needs.

use layer::{Content, Extents, Tree};

use crate::error::Result;
use crate::filesystem::{FileSystem, Hashing, LoadOptions, Manner};
use crate::image::Image;
use crate::packing::Packing;
use crate::unchecked::Unchecked;

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
    packings: Vec<Option<Packing>>,
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
            snapshot: None,
            hashing: Hashing::Inflated,
        };
        let loaded = FileSystem::load_so(image, options, manner)?;
        Ok(Self {
            files: loaded.files,
            layers: loaded.sizes,
            packings: loaded.packings,
        })
    }

    /// Returns the bytes that a file takes of its layer's blob: measured while the
    /// layer was inflated, so that what packs well counts little. The headers of
    /// the tar are nobody's.
    pub fn stored(&self, content: &Content) -> f64 {
        let packing = self.packings.get(content.layer as usize);
        let packing = packing.and_then(Option::as_ref);
        let run = |start: u64, length: u64| match packing {
            Some(packing) => packing.between(start, length),
            None => length as f64,
        };
        match &content.extents {
            Extents::Whole(start) => run(*start, content.size),
            Extents::Sparse(extents) => extents
                .iter()
                .map(|extent| run(extent.stored, extent.length))
                .sum(),
        }
    }
}

/// The file system of an image before one of its layers and after the last.
#[derive(Debug)]
pub struct Stages {
    /// All layers merged, [recorded](layer::Tree::record).
    pub files: FileSystem,
    /// The layers below the border merged; of the same contents.
    pub lower: Tree,
    unchecked: Unchecked,
}

impl Stages {
    /// Reads all layers as [`FileSystem::load`] does, and keeps the tree as it
    /// is before layer `border`. They are not hashed yet: [`Stages::check`] does that,
    /// while the caller works.
    ///
    /// # Errors
    /// As [`FileSystem::load`].
    pub fn load(image: &Image, border: usize, options: LoadOptions<'_>) -> Result<Self> {
        let manner = Manner {
            record: true,
            snapshot: Some(border),
            hashing: Hashing::Later,
        };
        let loaded = FileSystem::load_so(image, options, manner)?;
        Ok(Self {
            files: loaded.files,
            lower: loaded.before.unwrap_or_default(),
            unchecked: loaded.unchecked,
        })
    }

    /// Hashes the layers that [`Stages::load`] took as they are. What was made of
    /// them must not be used before this has succeeded.
    ///
    /// # Errors
    /// [`Error::DiffId`](crate::Error::DiffId) for the first that is not what its digest says.
    pub fn check(&self) -> Result<()> {
        self.unchecked.check()
    }
}
