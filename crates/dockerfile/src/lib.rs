//! Dockerfiles as values.
//!
//! [`Dockerfile::parse`] turns text into stages of typed instructions, each with its place in the text,
//! or into *all* the [`Problems`] that it finds. [`Expander`] does what a Dockerfile's `$VARIABLE` words
//! mean once their values are known, [`Ignore`] decides what a `.dockerignore` leaves out, and
//! [`Pattern`] matches the globs of `COPY` and `ADD`.
//!
//! ```
//! use dockerfile::{Dockerfile, Kind};
//!
//! let file = Dockerfile::parse("FROM debian AS base\nWORKDIR /app\n")?;
//! assert_eq!(file.stages[0].name.as_deref(), Some("base"));
//! assert!(matches!(file.stages[0].instructions[0].kind, Kind::Workdir(_)));
//! # Ok::<(), dockerfile::Problems>(())
//! ```
//!
//! The language is that of docker/dockerfile 1. Nothing here reads a file, knows an image or runs
//! anything; what an instruction does is the business of whoever builds.

mod ast;
mod ignore;
mod lines;
mod parse;
mod pattern;
mod problem;
mod suggest;
mod word;

pub use ast::{
    Argument, Command, CopyArgs, Directives, Dockerfile, From, Healthcheck, Heredoc, Instruction,
    Kind, Mount, MountKind, Pair, Run, Sharing, Stage, Word,
};
pub use ignore::Ignore;
pub use parse::parse_duration;
pub use pattern::{Pattern, PatternError};
pub use problem::{Problem, Problems, Span};
pub use suggest::closest;
pub use word::{Expander, WordError};
