//! What can go wrong with a layer, each with its subject.

use std::io;
use std::path::PathBuf;

use crate::path::display;

/// The result of an operation on layers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream could not be read.
    #[error("cannot read the layer at byte {offset}")]
    Read {
        /// Position in the uncompressed stream.
        offset: u64,
        /// What the reader said.
        source: io::Error,
    },
    /// The tar stream ends inside a header or inside a file's content.
    #[error("the layer is truncated: it ends at byte {offset}, {missing} bytes early")]
    Truncated {
        /// Position in the uncompressed stream.
        offset: u64,
        /// Bytes known to be missing.
        missing: u64,
    },
    /// A header that is not tar.
    #[error("the layer is not a valid tar stream at byte {offset}")]
    Tar {
        /// Position in the uncompressed stream.
        offset: u64,
        /// What the parser said.
        source: tar_core::parse::ParseError,
    },
    /// A member that leaves the root directory.
    #[error("layer entry `{}` {how}", display(.path))]
    Escapes {
        /// The member's name.
        path: Vec<u8>,
        /// In which way it leaves.
        how: &'static str,
    },
    /// A member below something that is not a directory.
    #[error("layer entry `{}` lies below `{}`, which is not a directory", display(.path), display(.parent))]
    NotADirectory {
        /// The member's name.
        path: Vec<u8>,
        /// What stands in the way.
        parent: Vec<u8>,
    },
    /// A member below a symlink that leads in a circle.
    #[error("layer entry `{}` lies below a loop of symbolic links", display(.path))]
    SymlinkLoop {
        /// The member's name.
        path: Vec<u8>,
    },
    /// A hard link to nothing.
    #[error("hard link `{}` names `{}`, which is not in the image", display(.path), display(.target))]
    DanglingHardLink {
        /// The member's name.
        path: Vec<u8>,
        /// What it should link to.
        target: Vec<u8>,
    },
    /// A hard link to a directory.
    #[error("hard link `{}` names the directory `{}`", display(.path), display(.target))]
    HardLinkToDirectory {
        /// The member's name.
        path: Vec<u8>,
        /// What it should link to.
        target: Vec<u8>,
    },
    /// A member of a type that no layer may have.
    #[error("layer entry `{}` has the unknown tar type {kind:?}", display(.path))]
    UnknownType {
        /// The member's name.
        path: Vec<u8>,
        /// The type flag of the header.
        kind: char,
    },
    /// An extended header with something else where a number should be.
    #[error("layer entry `{}` has the record `{key}` with the value `{}`", display(.path), display(.value.as_bytes()))]
    Record {
        /// The member's name.
        path: Vec<u8>,
        /// Which record.
        key: String,
        /// Its value.
        value: String,
    },
    /// A number that cannot be represented.
    #[error("layer entry `{}` has an impossible {field}: {value}", display(.path))]
    OutOfRange {
        /// The member's name.
        path: Vec<u8>,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// More than the limits allow.
    #[error("the layer exceeds the limit of {limit} {what}")]
    LimitExceeded {
        /// What was counted.
        what: &'static str,
        /// The limit in force.
        limit: u64,
    },
    /// A compression that this program does not know.
    #[error("cannot decompress the layer: {reason}")]
    Codec {
        /// What is wrong.
        reason: String,
    },
    /// Writing the result failed.
    #[error("cannot write `{}`", display(.path))]
    Write {
        /// The entry being written.
        path: Vec<u8>,
        /// The cause.
        source: io::Error,
    },
    /// Reading the content of a file of the tree failed.
    #[error("cannot read the content of `{}`", display(.path))]
    Content {
        /// The entry being read.
        path: Vec<u8>,
        /// The cause.
        source: io::Error,
    },
    /// A file of the host failed.
    #[error("cannot {verb} `{}`", path.display())]
    Host {
        /// What was tried.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}
