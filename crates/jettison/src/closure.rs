//! What needs what: which files of an image its programs could ask for, and why.
//!
//! One graph ([`Graph`]): nodes are paths of the image, an edge says why one
//! needs another. [`compute`] begins at the config (`roots`) and looks at
//! every file that it keeps, until nothing new turns up:
//!
//! - programs and libraries: what the loader maps, what they open by name
//!   (`program`), and what the C library reads behind their back (`facts`);
//! - scripts: the commands they may call (`script`), and the run time of their
//!   interpreter (`language`, `runtime`);
//! - settings: the paths that they name (`text`, `mentioned`);
//! - packages: the data of the packages that programs come from (`package`);
//! - what the image's author put there (`authored`, `own`);
//! - what was seen while the image ran (`traced`);
//! - the system: directories, users, what a run time environment expects (`system`).
//!
//! Nothing of the image is run here. No rule asks for the name of a program; rules
//! state facts of a library or a language, true for all who use it.

mod accounts;
mod authored;
mod caches;
mod collector;
mod command;
mod companion;
pub mod decision;
mod directories;
mod dispensable;
mod emptied;
mod facts;
mod gconv;
mod graph;
mod language;
mod level;
mod libraries;
mod locale;
mod login;
mod manifests;
mod mentioned;
mod own;
mod package;
mod program;
mod roots;
mod runtime;
mod script;
mod spoken;
mod started;
mod superseded;
mod system;
mod text;
mod traced;
mod units;
mod wanted;
mod watched;

use std::collections::{BTreeSet, HashSet};

use image::{Config, FileSystem};
use layer::{NodeId, Tree};

use crate::loader;
use crate::packages::{self, PackageDb};

pub use graph::{Edge, Evidence, Graph};
pub use level::Level;
pub use watched::{Run, Watched, Watching};

pub(crate) use package::gone;
pub(crate) use traced::{asks, taken_for_directories};

/// What [`compute`] starts from.
#[derive(Debug)]
pub struct Input<'a> {
    /// The image's files.
    pub files: &'a FileSystem,
    /// The image's config.
    pub config: &'a Config,
    /// The image's packages.
    pub packages: &'a PackageDb,
    /// What the user adds.
    pub options: &'a Options,
    /// What its programs were seen to ask for, if it was run. Most of the search does not wait for it.
    pub trace: Watched<'a>,
    /// Paths to put back because a proof found that they are needed.
    pub repairs: &'a BTreeSet<Vec<u8>>,
}

/// What the user adds to what the image says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further entry points: command lines, split as a shell does.
    pub entries: Vec<String>,
    /// Paths to keep, with everything below; `*`, `?` and `**` are patterns.
    pub include: Vec<String>,
    /// Packages to keep whole.
    pub include_packages: Vec<String>,
    /// Paths to drop, whatever needs them; patterns as in `include`.
    pub exclude: Vec<String>,
    /// Keep a shell and the commands that people type in it.
    pub include_shell: bool,
    /// Paths to keep exactly as they are, with everything below, whatever `exclude` says.
    pub preserve: Vec<String>,
    /// Leave the files that stay as they are, with parts that nothing can read ([`crate::slim::inside`]).
    pub whole_files: bool,
    /// How much is kept.
    pub level: Level,
    /// Paths to overlook until a proof finds that they are needed: for tests of that.
    pub overlook: Vec<String>,
}

/// What can go wrong with finding out what is needed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image does not say what to run.
    #[error("the image has no entry point: neither ENTRYPOINT nor CMD is set")]
    NoEntryPoint,
    /// What it says to run does not exist.
    #[error("entry point `{program}` is not in the image")]
    EntryPointMissing {
        /// The program.
        program: String,
    },
    /// What it says to run is there and may not be executed.
    #[error("entry point `{program}` cannot be executed: {path} has mode {mode:04o}")]
    EntryPointNotExecutable {
        /// The program.
        program: String,
        /// Where it is.
        path: String,
        /// Its permissions.
        mode: u16,
    },
    /// A package that the user named is not installed.
    #[error("package `{0}` is not in the image")]
    NoSuchPackage(String),
    /// A path that the user named matches nothing.
    #[error("`{0}` matches nothing in the image")]
    NothingIncluded(String),
    /// A file cannot be read.
    #[error("cannot read `{path}` of the image")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The loader's settings, or an object, cannot be read.
    #[error("cannot find out which libraries are loaded")]
    Loader(#[source] loader::Error),
    /// The package database cannot be read.
    #[error("cannot read the package database")]
    Packages(#[source] packages::Error),
    /// The run whose trace was awaited has failed.
    #[error("nothing was seen of the image while it ran")]
    NotSeen,
    /// There is no room for the stack of the parser of scripts.
    #[error("cannot start a thread")]
    Stack(#[source] std::io::Error),
}

/// What is needed, and what is needed but not there.
#[derive(Debug)]
pub struct Closure {
    /// The kept files and their reasons.
    pub graph: Graph,
    /// What kept files ask for and the image does not have.
    pub missing: Vec<Missing>,
    /// Files that the user wants exactly as they are.
    pub preserved: HashSet<NodeId>,
}

/// Something that a kept file asks for and the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Who asks.
    pub by: NodeId,
    /// For what.
    pub name: String,
    /// What the lack means: a library, a command, an interpreter.
    pub what: &'static str,
    /// Whether the program may run without.
    pub optional: bool,
}

/// Finds out which files the programs of an image could ask for.
///
/// # Errors
/// When there is no entry point, something the user named does not exist, or a
/// file cannot be read.
pub fn compute(input: &Input<'_>) -> Result<Closure, Error> {
    crate::script::with_deep_stack(|| search(input)).map_err(Error::Stack)?
}

fn search(input: &Input<'_>) -> Result<Closure, Error> {
    let options = input.options;
    let mut collector = collector::Collector::new(input);
    language::prepare(&mut collector);
    let authored = authored::find(&mut collector);
    roots::add(&mut collector)?;
    system::add(&mut collector);
    collector.run()?;
    authored::keep(&mut collector, authored);
    collector.run()?;
    // Afterwards, since a chain of reasons says more than that a file was opened.
    traced::add(&mut collector)?;
    collector.run()?;
    language::settle(&mut collector)?;
    if options.level != Level::Traced {
        text::complete(&mut collector)?;
        companion::asked_for(&mut collector);
        companion::keep_small_data(&mut collector);
    }
    companion::settle(&mut collector)?;
    // What came with packages may be source as well.
    language::settle(&mut collector)?;
    if options.level == Level::Package {
        package::complete(&mut collector)?;
    }
    if options.level != Level::Traced {
        package::other_names(&mut collector)?;
    }
    locale::add(&mut collector);
    emptied::drop(&mut collector);
    Ok(collector.finish())
}

/// Returns whether one of the patterns matches a path or a directory that holds it.
pub(crate) fn matches_any(patterns: &[String], path: &[u8]) -> bool {
    let mut above = path;
    loop {
        if patterns
            .iter()
            .any(|pattern| fast_glob::glob_match(pattern.as_bytes(), above))
        {
            return true;
        }
        match above.iter().rposition(|b| *b == b'/') {
            Some(slash) if slash > 0 => above = &above[..slash],
            _ => return false,
        }
    }
}

/// Returns the paths of what is in a directory that does not belong to everybody.
pub(crate) fn children_of_own(tree: &Tree, directory: &[u8]) -> Vec<Vec<u8>> {
    let Ok(found) = tree.resolve(directory) else {
        return Vec::new();
    };
    if !tree.is_directory(found.node) || directories::is_shared(tree, found.node) {
        return Vec::new();
    }
    tree.children(found.node)
        .into_iter()
        .filter(|node| wanted::is_wanted(tree, *node))
        .map(|node| tree.absolute(node))
        .collect()
}
