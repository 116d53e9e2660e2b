//! What can go wrong with images, each with its subject.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::platform::Platform;

/// The result of an operation on images.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A reference that makes no sense.
    #[error("`{reference}` is not an image reference: {reason}")]
    Reference {
        /// What was given.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing there under that name.
    #[error("no image `{subject}`{}", if .place.is_empty() { String::new() } else { format!(" in {}", .place) })]
    NotFound {
        /// What was looked for.
        subject: String,
        /// Where it was looked for.
        place: String,
    },
    /// Several images there, and no word which.
    #[error("`{subject}` holds several images: {}", .available.join(", "))]
    Ambiguous {
        /// The archive or layout.
        subject: String,
        /// Their names.
        available: Vec<String>,
    },
    /// No image for that machine.
    #[error("`{subject}` has no image for {wanted}{}", list_platforms(.available))]
    NoSuchPlatform {
        /// The index.
        subject: String,
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        available: Vec<Platform>,
    },
    /// A manifest, index or config that cannot be understood.
    #[error("cannot understand {digest}: {reason}")]
    Document {
        /// Its digest.
        digest: Digest,
        /// Why not.
        reason: String,
    },
    /// A manifest, index, config or small file above its bound.
    #[error("`{subject}` is larger than the {limit} bytes allowed")]
    TooLarge {
        /// What.
        subject: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// A layer of a kind that this program cannot read.
    #[error("layer {digest} has the unsupported media type `{media_type}`")]
    UnsupportedLayer {
        /// The layer.
        digest: Digest,
        /// What its descriptor says.
        media_type: String,
    },
    /// The manifest and the config disagree on the layers.
    #[error("the image has {layers} layers but its config lists {diff_ids}")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the config.
        diff_ids: usize,
    },
    /// A blob cannot be read, or is not what its descriptor promises.
    #[error("cannot read blob {digest}")]
    Blob {
        /// Which.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// A blob that should be there is not.
    #[error("blob {digest} is missing from {place}")]
    MissingBlob {
        /// Which.
        digest: Digest,
        /// Where it should be.
        place: String,
    },
    /// A layer's uncompressed bytes are not what the config promises.
    #[error("layer {layer} unpacks to {actual}, but the config says {expected}")]
    DiffId {
        /// Digest of the layer's blob.
        layer: Digest,
        /// From the config.
        expected: Digest,
        /// Computed.
        actual: Digest,
    },
    /// Something wrong inside a layer.
    #[error("cannot read layer {digest}")]
    Layer {
        /// Digest of the layer's blob.
        digest: Digest,
        /// What.
        source: layer::Error,
    },
    /// Something wrong while writing a layer.
    #[error("cannot write the layer")]
    WriteLayer {
        /// What.
        source: layer::Error,
    },
    /// An archive that is not one.
    #[error("`{}` is not an image archive: {reason}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file of the host failed.
    #[error("cannot {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Something exists already and would be lost.
    #[error("`{}` exists and is not an image of this kind", .0.display())]
    Exists(PathBuf),
    /// The store is in use.
    #[error("the store `{}` is locked by another process", .0.display())]
    Locked(PathBuf),
    /// A registry or an engine answered with an error, or not at all.
    #[error("{service} cannot {action}: {reason}")]
    Remote {
        /// Host name of the registry, or socket of the engine.
        service: String,
        /// What was asked of it.
        action: String,
        /// Its answer.
        reason: String,
        /// The HTTP status, if there was one.
        status: Option<u16>,
    },
    /// A registry that asks for credentials, or refuses those it was given.
    #[error("{service} denies access to `{subject}`: {reason}")]
    Denied {
        /// Host name of the registry.
        service: String,
        /// What was asked for.
        subject: String,
        /// Its answer.
        reason: String,
    },
}

fn list_platforms(available: &[Platform]) -> String {
    let names: Vec<String> = available.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(" (it has {})", names.join(", "))
    }
}

impl Error {
    /// Returns a function that wraps an I/O error with the file and what was tried.
    pub(crate) fn file(
        verb: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { verb, path, source }
    }
}
