//! Builders and dumps for tests: development only.
//!
//! - [`tree`]: an image's file system from a list of paths.
//! - [`dump`]: trees and directories as text, to be compared.
//! - [`tar`]: tar streams that no writer would make.
//! - [`elf`]: small ELF objects with the dependencies that a test wants.
//! - [`registry`]: a registry in the process, with the faults that a test wants.

pub mod dump;
pub mod elf;
pub mod registry;
pub mod tar;
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

/// Says that a test was not run for want of a program.
///
/// # Panics
/// When the environment says that all programs must be there
/// (`JETTISON_REQUIRE_TOOLS=1`, as `./test` does).
#[allow(clippy::print_stderr, clippy::disallowed_methods)] // tests only
pub fn skip(tool: &str) {
    let required = std::env::var_os("JETTISON_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "`{tool}` is required but cannot be used");
    eprintln!("skipped: `{tool}` cannot be used here");
}
