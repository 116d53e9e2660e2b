//! What `why` and `why-not` are asked about: a path of an image, and what would be kept of that image.

use image::{FileSystem, Image, Reference};
use layer::NodeId;
use layer::tree::resolve::Lookup;

use crate::error::Usage;
use crate::session::Session;

/// The arguments of both.
#[derive(Debug, clap::Args)]
pub(super) struct Subject {
    /// The image before slimming
    image: String,
    /// A path of the image
    path: String,
    #[command(flatten)]
    pub(super) keep: super::slim::Keep,
}

/// The image, read, and the path, found.
pub(super) struct Found {
    pub(super) source: Reference,
    pub(super) image: Image,
    pub(super) files: FileSystem,
    pub(super) node: NodeId,
}

impl Subject {
    pub(super) fn find(&self, session: &Session<'_>) -> anyhow::Result<Found> {
        let source = Reference::parse(&self.image)?;
        let image = session.open(&source)?.image;
        let files = FileSystem::load(&image, session.load_options())?;
        let tree = &files.tree;
        let found = tree.resolve_at(tree.root(), self.path.as_bytes(), Lookup::LSTAT);
        let Ok(found) = found else {
            return Err(Usage::error(
                format!("`{}` is not in `{source}`", self.path),
                "paths are those of the image before slimming",
            ));
        };
        Ok(Found {
            node: found.node,
            source,
            image,
            files,
        })
    }
}
