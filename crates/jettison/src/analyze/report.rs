//! What an analysis says, as plain values; docs/analyze.md describes each field.

use image::{Digest, Platform};
use serde::{Deserialize, Serialize};

use super::cause::Cause;
use crate::installed::Manager;

/// Version of the form; it changes when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// Where the bytes of an image are, and which of them are there for nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which image.
    pub image: Subject,
    /// Its sizes.
    pub sizes: Sizes,
    /// Share of the unpacked bytes that can be seen in the image.
    pub efficiency: f64,
    /// Bytes that ship but cannot be seen.
    pub wasted: u64,
    /// The wasted bytes as a share of what layers above the first one bring.
    pub wasted_of_user: f64,
    /// Bytes of all causes together.
    pub reclaimable: u64,
    /// The layers, base first.
    pub layers: Vec<Layer>,
    /// Causes that apply, each byte counted once.
    pub causes: Vec<CauseBytes>,
    /// All packages, largest first.
    pub packages: Vec<PackageBytes>,
    /// Largest directories with all that is below.
    pub directories: Vec<DirectoryBytes>,
    /// Largest files.
    pub files: Vec<FileBytes>,
}

/// Which image was analysed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// As the user named it.
    pub name: String,
    /// Digest of the config.
    pub id: Digest,
    /// Digest of the manifest.
    pub digest: Digest,
    /// The machine that it is for.
    pub platform: Platform,
}

/// Sizes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sizes {
    /// Bytes of the files of all layers: what `docker images` prints.
    pub unpacked: u64,
    /// Bytes of the files that can be seen, each once.
    pub visible: u64,
    /// Bytes of the layers as they are stored; nothing where they are not compressed.
    pub compressed: Option<u64>,
    /// Names that can be seen.
    pub entries: u64,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Position, base first, from 0.
    pub index: u32,
    /// Digest of the blob.
    pub digest: Digest,
    /// Digest of its uncompressed bytes.
    pub diff_id: Digest,
    /// What made it, as in a Dockerfile; empty where it is not known.
    pub instruction: String,
    /// When.
    pub created: Option<String>,
    /// Bytes of its files.
    pub unpacked: u64,
    /// Bytes of the blob where it is compressed.
    pub compressed: Option<u64>,
    /// Members of its tar.
    pub entries: u64,
    /// Files that it adds; directories do not count.
    pub added: u64,
    /// Files of lower layers that it replaces.
    pub changed: u64,
    /// Files of lower layers that it removes, those in removed directories among them.
    pub removed: u64,
    /// Bytes of this layer that upper layers hide.
    pub hidden: u64,
    /// Bytes of lower layers that this layer hides.
    pub hides: u64,
}

/// What one cause costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CauseBytes {
    /// Which.
    pub cause: Cause,
    /// What is wrong.
    pub title: String,
    /// Whether the bytes cannot be seen in the image.
    pub hidden: bool,
    /// Bytes that would be saved.
    pub bytes: u64,
    /// What they take of the compressed layers; nothing where those are not compressed.
    #[serde(default)]
    pub compressed: Option<u64>,
    /// Files.
    pub files: u64,
    /// What saves them.
    pub remedy: String,
    /// The files by place, largest first.
    pub places: Vec<Place>,
    /// The largest files.
    pub items: Vec<Item>,
    /// Files that are not listed in `items`.
    pub omitted: u64,
}

/// A directory with files of one cause, or one such file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// A directory ends in `/`.
    pub path: String,
    /// Bytes that would be saved there.
    pub bytes: u64,
    /// What they take of the compressed layers; nothing where those are not compressed.
    #[serde(default)]
    pub compressed: Option<u64>,
    /// Files.
    pub files: u64,
    /// The layer that brought most of the bytes.
    pub layer: u32,
}

/// A file that could be saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// From the root.
    pub path: String,
    /// Bytes that would be saved.
    pub bytes: u64,
    /// The layer that brought them.
    pub layer: u32,
    /// The layer that hides them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<u32>,
    /// The file that stands in its place, or that it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageBytes {
    /// Who installed it.
    pub manager: Manager,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it is, for packages of languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Bytes of its files that can be seen.
    pub bytes: u64,
    /// Such files.
    pub files: u64,
    /// The layer that brought most of the bytes.
    pub layer: u32,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryBytes {
    /// From the root.
    pub path: String,
    /// Bytes of the files below.
    pub bytes: u64,
    /// Files below.
    pub files: u64,
    /// The layer that brought most of the bytes.
    pub layer: u32,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileBytes {
    /// From the root.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// The layer that brought it.
    pub layer: u32,
    /// The package that it is from, as `NAME VERSION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}
