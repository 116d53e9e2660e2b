//! A file system as data.
//!
//! An image layer is a tar stream of changes. This crate reads such streams
//! ([`read`]), merges them into a [`Tree`] with whiteouts, hard links and
//! symlinked directories resolved as a container runtime resolves them, and
//! writes trees back as tar ([`mod@write`]) or as files ([`unpack`]).
//!
//! What is *not* here: JSON, digests, media types and the network (crate
//! `image`), and any opinion on which files matter (crate `jettison`).
//!
//! The rules followed are those of the OCI image specification, "Image Layer
//! Filesystem Changeset", and, where it is silent, what containerd and umoci do.
//! Start reading at [`tree`]; the hostile cases are in `tests/hostile.rs`.

pub mod codec;
mod content;
mod entry;
mod error;
mod limits;
mod path;
pub mod read;
pub mod tree;
pub mod unpack;
pub mod write;

pub use content::{Content, Contents, Extent, Extents, FileSlice, FileSliceReader};
pub use entry::{Entry, Kind, Metadata, Time, Xattr};
pub use error::{Error, Result};
pub use limits::Limits;
pub use path::{clean_member_name, components, display};
pub use tree::{InodeId, NodeId, NodeKind, Tree};
