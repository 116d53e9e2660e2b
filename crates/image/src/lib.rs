//! OCI images as values, and the places that blobs come from and go to.
//!
//! An [`Image`] is a manifest, a config and a source of blobs; it never
//! changes. Every transport (see [`transport`]) turns a reference into such a
//! value or writes one out, so each pair of places works together without code
//! of its own. [`Store`] is the local store, [`FileSystem`] the merged tree of
//! an image's layers.
//!
//! Bytes are checked against their digest as they pass; nothing appears under
//! its final name before it is complete.
//!
//! What is *not* here: what a tar holds (crate `layer`), why a file matters
//! (crate `jettison`), and the environment: credentials, directories and
//! proxies are passed in.

mod ahead;
pub mod blob;
mod build;
pub mod config;
mod convert;
pub mod digest;
mod error;
mod filesystem;
mod image;
pub mod manifest;
pub mod media_type;
pub mod name;
mod packing;
mod plain;
pub mod platform;
pub mod progress;
mod recompress;
pub mod reference;
mod sparse;
mod spool;
pub mod store;
mod survey;
pub mod transport;
mod unchecked;

pub use blob::{BlobSource, Blobs};
pub use build::{NewImage, NewLayer, write_layer};
pub use config::Config;
pub use digest::Digest;
pub use error::{Error, Result};
pub use filesystem::{FileSystem, LoadOptions};
pub use image::{Image, Layer};
pub use manifest::{Descriptor, Manifest};
pub use media_type::MediaType;
pub use name::Name;
pub use plain::{Spooled, SpooledLayer, spool_layer};
pub use platform::Platform;
pub use progress::{Progress, Silent};
pub use recompress::{Compression, recompress};
pub use reference::Reference;
pub use spool::Spool;
pub use store::Store;
pub use survey::{LayerSize, Stages, Survey};
pub use unchecked::Unchecked;
