//! Builders and dumps for tests: development only.
//!
//! - [`tree`]: an image's file system from a list of paths.
//! - [`check`]: written images, every digest computed again.
//! - [`cli`]: a clean place to run the program in.
//! - [`fixture`]: one image in every format.
//! - [`dump`]: trees and directories as text, to be compared.
//! - [`tar`]: tar streams that no writer would make.
//! - [`elf`]: small ELF objects with the dependencies that a test wants.
//! - [`tools`]: programs of the machine that tests take for witnesses.
//! - [`registry`]: a registry in the process, with the faults that a test wants.

pub mod check;
pub mod cli;
pub mod dump;
pub mod elf;
pub mod fixture;
pub mod registry;
pub mod tar;
pub mod tools;
pub mod tree;

/// Returns what an error says, causes included, as one line. As on the
/// terminal, a cause that the error itself tells already is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
