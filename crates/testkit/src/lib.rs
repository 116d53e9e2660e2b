//! Builders and dumps for tests: development only.
//!
//! - [`tree`]: an image's file system from a list of paths.
//! - [`elf`]: small ELF objects with the dependencies that a test wants.
//! - [`registry`]: a registry in the process, with the faults that a test wants.

pub mod elf;
pub mod registry;
pub mod tree;
