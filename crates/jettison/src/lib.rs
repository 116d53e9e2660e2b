//! The product: what needs what in an image, and what to do about it.
//!
//! - [`elf`]: the facts of one ELF object, read from its program headers alone.
//! - [`loader`]: which files the dynamic loader of an image would load, and why.
//! - [`packages`]: who owns what, and what is truthfully left of it.
//! - [`script`]: what a shell script may run and read.
//! - [`source`]: what sources of languages that are read at run time import and say.
//! - [`closure`]: all of these together: which files are needed, and the reason for each.
//!
//! - [`seccomp`]: which system calls the programs of an image can make.
//! - [`slim`]: the main job, made of all of these.
//! - [`analyze`]: where the bytes are and which are there for nothing.
//! - [`diff`], [`squash`]: two images compared; layers merged.
//! - [`installed`], [`instructions`]: packages of all kinds; what made each layer.
//!
//! - [`container`], [`probe`], [`verify`]: an image running, what it is asked, answers compared.
//! - [`trace`]: what its programs were seen to ask for, as a file.

pub mod analyze;
pub mod build;
pub mod closure;
pub mod container;
pub mod diff;
pub mod elf;
pub mod installed;
pub mod instructions;
pub mod loader;
pub mod packages;
pub mod probe;
pub mod script;
pub mod seccomp;
pub mod slim;
pub mod source;
pub mod squash;
pub mod trace;
pub mod verify;
