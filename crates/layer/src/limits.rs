//! Bounds on what a layer may ask of us.

/// Bounds on one layer. Reading stops with [`crate::Error::LimitExceeded`] past them.
///
/// A tar header costs an attacker 512 bytes, and deflate inflates up to 1032
/// times, so without bounds a small download can fill memory or a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Members in one layer, and names in the tree of all layers.
    pub entries: u64,
    /// Uncompressed bytes of one layer.
    pub bytes: u64,
    /// Bytes of extended headers (names, xattrs) of one member.
    pub metadata: u32,
}

impl Default for Limits {
    /// Twenty million entries, 256 GiB and 2 MiB: several times the largest
    /// images known, and what this program handles in bounded memory.
    fn default() -> Self {
        Self {
            entries: 20_000_000,
            bytes: 256 << 30,
            metadata: 2 << 20,
        }
    }
}
