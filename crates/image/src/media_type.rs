//! Media types of manifests, configs and layers, of OCI and of Docker.

use layer::codec::Codec;

/// What a blob is, as its descriptor says.
///
/// Sources: OCI image specification, "Media Types"; Docker's "Image Manifest
/// Version 2, Schema 2".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// A list of manifests.
    Index(Family),
    /// A manifest.
    Manifest(Family),
    /// An image config.
    Config(Family),
    /// A layer of changes.
    Layer(Family, Codec),
}

/// Whose names are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `application/vnd.oci.…`
    Oci,
    /// `application/vnd.docker.…`
    Docker,
}

const NAMES: &[(MediaType, &str)] = &[
    (
        MediaType::Index(Family::Oci),
        "application/vnd.oci.image.index.v1+json",
    ),
    (
        MediaType::Index(Family::Docker),
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ),
    (
        MediaType::Manifest(Family::Oci),
        "application/vnd.oci.image.manifest.v1+json",
    ),
    (
        MediaType::Manifest(Family::Docker),
        "application/vnd.docker.distribution.manifest.v2+json",
    ),
    (
        MediaType::Config(Family::Oci),
        "application/vnd.oci.image.config.v1+json",
    ),
    (
        MediaType::Config(Family::Docker),
        "application/vnd.docker.container.image.v1+json",
    ),
    (
        MediaType::Layer(Family::Oci, Codec::None),
        "application/vnd.oci.image.layer.v1.tar",
    ),
    (
        MediaType::Layer(Family::Oci, Codec::Gzip),
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    (
        MediaType::Layer(Family::Oci, Codec::Zstd),
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ),
    (
        MediaType::Layer(Family::Docker, Codec::None),
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
    (
        MediaType::Layer(Family::Docker, Codec::Gzip),
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
    (
        MediaType::Layer(Family::Docker, Codec::Zstd),
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ),
];

/// Names that mean the same as one above, for reading only.
const ALIASES: &[(MediaType, &str)] = &[
    (
        MediaType::Layer(Family::Oci, Codec::None),
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
    ),
    (
        MediaType::Layer(Family::Oci, Codec::Gzip),
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ),
    (
        MediaType::Layer(Family::Oci, Codec::Zstd),
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ),
    (
        MediaType::Layer(Family::Docker, Codec::Gzip),
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ),
];

impl MediaType {
    /// Recognises a media type; parameters after `;` do not count.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split(';').next().unwrap_or_default().trim();
        NAMES
            .iter()
            .chain(ALIASES)
            .find(|(_, name)| *name == text)
            .map(|(kind, _)| *kind)
    }

    /// Returns the name that is written.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("application/octet-stream", |(_, n)| n)
    }
}
