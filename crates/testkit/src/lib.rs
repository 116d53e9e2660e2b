//! Builders and dumps for tests: development only.
//!
//! - [`tree`]: an image's file system from a list of paths.
//! - [`elf`]: small ELF objects with the dependencies that a test wants.

pub mod elf;
pub mod tree;
