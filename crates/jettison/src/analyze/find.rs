//! One file that could be saved.

use layer::NodeId;

use super::cause::Cause;

/// A file, or a part of one, that could be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Find {
    /// The file.
    pub node: NodeId,
    /// The bytes that would be saved.
    pub bytes: u64,
    /// Why they could be.
    pub cause: Cause,
    /// The layer that hid the file.
    pub by: Option<u32>,
    /// The file that it is a copy of, that stands in its place, or that it became.
    pub other: Option<NodeId>,
}
