//! Manifests and indexes, as written and as read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::media_type::{Family, MediaType};
use crate::platform::Platform;

/// Manifests and configs above this are refused: registries accept at most
/// 4 MiB (distribution specification, "Pushing Manifests").
pub const MAX_SIZE: u64 = 4 << 20;

/// What a blob is, which one, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// As written; see [`MediaType::parse`].
    pub media_type: String,
    /// Digest of the blob's bytes.
    pub digest: Digest,
    /// Length of the blob in bytes.
    pub size: u64,
    /// Where else it may be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free-form.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// In an index, the machine that the image is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Returns the descriptor of a blob.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.name().to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
        }
    }

    /// Returns what the blob is, if that is known here.
    pub fn kind(&self) -> Option<MediaType> {
        MediaType::parse(&self.media_type)
    }
}

/// A manifest, with the very bytes that its digest covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bytes as read, or as they will be written.
    pub bytes: Vec<u8>,
    /// Digest of the bytes.
    pub digest: Digest,
    /// OCI or Docker.
    pub family: Family,
    /// The config.
    pub config: Descriptor,
    /// The layers, base first.
    pub layers: Vec<Descriptor>,
    /// Free-form.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestJson {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// A list of manifests: of several platforms, or of an OCI layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// As written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// Free-form.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a registry or layout answers for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Box<Manifest>),
    /// Several.
    Index(Index),
}

impl Document {
    /// Parses a manifest or an index. What it is, its own `mediaType` says, or
    /// else `declared`, or else its shape.
    ///
    /// # Errors
    /// [`Error::Document`] when it is neither, or is a schema 1 manifest.
    pub fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Self> {
        let invalid = |reason: String| Error::Document {
            digest: Digest::of(bytes),
            reason,
        };
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|e| invalid(e.to_string()))?;
        if value["schemaVersion"] == 1 {
            return Err(invalid(
                "schema 1 manifests are obsolete and not supported".to_owned(),
            ));
        }
        let kind = value["mediaType"]
            .as_str()
            .or(declared)
            .map(MediaType::parse);
        let is_index = match kind {
            Some(Some(MediaType::Index(_))) => true,
            Some(Some(MediaType::Manifest(_))) => false,
            _ => value.get("manifests").is_some(),
        };
        if is_index {
            let index: Index = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
            return Ok(Self::Index(index));
        }
        Manifest::parse(bytes, declared).map(|manifest| Self::Manifest(Box::new(manifest)))
    }
}

impl Manifest {
    /// Parses a manifest.
    ///
    /// # Errors
    /// [`Error::Document`].
    pub fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Self> {
        let digest = Digest::of(bytes);
        let invalid = |reason: String| Error::Document { digest, reason };
        let json: ManifestJson =
            serde_json::from_slice(bytes).map_err(|e| invalid(e.to_string()))?;
        let declared = json.media_type.as_deref().or(declared);
        let family = match declared.and_then(MediaType::parse) {
            Some(MediaType::Manifest(family)) => family,
            _ => match json.config.kind() {
                Some(MediaType::Config(family)) => family,
                _ => Family::Oci,
            },
        };
        Ok(Self {
            bytes: bytes.to_vec(),
            digest,
            family,
            config: json.config,
            layers: json.layers,
            annotations: json.annotations,
        })
    }

    /// Makes a manifest. Same parts, same bytes.
    pub fn new(
        family: Family,
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        let json = ManifestJson {
            schema_version: 2,
            media_type: Some(MediaType::Manifest(family).name().to_owned()),
            config,
            layers,
            annotations,
        };
        let bytes = serde_json::to_vec(&json).unwrap_or_default();
        let ManifestJson {
            config,
            layers,
            annotations,
            ..
        } = json;
        Self {
            digest: Digest::of(&bytes),
            bytes,
            family,
            config,
            layers,
            annotations,
        }
    }

    /// Returns the descriptor of the manifest itself.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(
            MediaType::Manifest(self.family),
            self.digest,
            self.bytes.len() as u64,
        )
    }
}

impl Index {
    /// Returns an index with nothing in it.
    pub fn empty() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::Index(Family::Oci).name().to_owned()),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// Chooses the manifest for `wanted`. Entries that are no images
    /// (attestations have platform `unknown/unknown`) are passed over.
    ///
    /// # Errors
    /// [`Error::NoSuchPlatform`] with what there is.
    pub fn choose(&self, subject: &str, wanted: &Platform) -> Result<&Descriptor> {
        let fits = |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| p.matches(wanted));
        let image = |d: &&Descriptor| {
            matches!(d.kind(), Some(MediaType::Manifest(_) | MediaType::Index(_)))
        };
        let images: Vec<&Descriptor> = self.manifests.iter().filter(image).collect();
        if let Some(found) = images.iter().find(|d| fits(d)) {
            return Ok(found);
        }
        match images[..] {
            [only] if only.platform.is_none() => Ok(only),
            _ => Err(Error::NoSuchPlatform {
                subject: subject.to_owned(),
                wanted: wanted.clone(),
                available: images
                    .iter()
                    .filter_map(|d| d.platform.clone())
                    .filter(|p| p.os != "unknown")
                    .collect(),
            }),
        }
    }
}
