//! The product: what needs what in an image, and what to do about it.
//!
//! - [`elf`]: the facts of one ELF object, read from its program headers alone.
//! - [`loader`]: which files the dynamic loader of an image would load, and why.
//!
//! Nothing of an image is ever run here; everything is decided from its bytes.

pub mod elf;
pub mod loader;
