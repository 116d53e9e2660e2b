//! The main job: an image with what its programs could ask for, and nothing else.
//!
//! [`plan`] finds out what stays and why; [`write()`] makes the image, [`draft`] one that is proven while it
//! is compressed; [`mod@report`] says what became of every path. Proving the result is [`crate::verify`]'s work.

pub mod cache;
pub mod inside;
pub mod jlink;
pub mod job;
pub mod origin;
mod owner;
pub mod recipe;
pub mod repair;
pub mod report;
pub mod why_not;
mod write;

pub use write::{draft, write};

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;

use image::{FileSystem, Image, Spool};
use layer::{NodeId, display};

use crate::closure::{self, Closure, Evidence, Watched};
use crate::packages::{self, PackageDb};

/// Annotation of a slim image's manifest: the id of the image it was made from.
pub const SOURCE_ID: &str = "dev.jettison.source.id";
/// Annotation of its entry in the store: the name of that image.
pub const SOURCE_NAME: &str = "dev.jettison.source.name";

/// What a slim image's history says of its layer; where annotations are lost, it is how the original is known.
const CREATED_BY: &str = "jettison slim";
const MADE_FROM: &str = "made from ";

/// What can go wrong with slimming.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What is needed cannot be found out.
    #[error(transparent)]
    Closure(#[from] closure::Error),
    /// The package database cannot be read.
    #[error("cannot read the package database")]
    Packages(#[source] packages::Error),
    /// An image cannot be read or written.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// A file of the image cannot be read.
    #[error("cannot read `{path}`")]
    File {
        /// Its path.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    fn unreadable(files: &FileSystem, node: NodeId) -> impl FnOnce(io::Error) -> Self {
        let path = display(&files.tree.absolute(node)).into_owned();
        move |source| Self::File { path, source }
    }
}

/// What is known from running an image.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What its programs asked for.
    pub trace: Watched<'a>,
    /// What the slim image was found to lack.
    pub repairs: &'a BTreeSet<Vec<u8>>,
}

impl Seen<'_> {
    /// It was not run.
    pub const NOTHING: Seen<'static> = Seen {
        trace: Watched::Never,
        repairs: &BTreeSet::new(),
    };
}

/// What stays of an image, and why.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The image's files, those that stay without what goes of their inside.
    pub files: Cow<'a, FileSystem>,
    /// Files of which a part goes.
    pub lighter: BTreeMap<NodeId, inside::Lighter>,
    /// Their packages.
    pub packages: PackageDb,
    /// The kept files and their reasons.
    pub closure: Closure,
    /// Package metadata that is true of what stays.
    pub remains: packages::remain::Remains,
    replaced: HashSet<NodeId>,
}

/// Finds out what stays of an image.
///
/// # Errors
/// When there is no entry point, or files of the image cannot be read.
pub fn plan<'a>(
    image: &Image,
    files: &'a FileSystem,
    options: &closure::Options,
    seen: &Seen<'_>,
) -> Result<Plan<'a>, Error> {
    let (tree, contents) = (&files.tree, &files.contents);
    let packages = PackageDb::read(tree, contents).map_err(Error::Packages)?;
    let config = image.config();
    let input = closure::Input {
        files,
        config,
        packages: &packages,
        options,
        trace: seen.trace,
        repairs: seen.repairs,
    };
    let closure = closure::compute(&input)?;
    let remains = remains(files, &packages, &closure, &BTreeMap::new())?;
    let replaced = remains
        .replaced
        .iter()
        .copied()
        .filter(|node| !closure.preserved.contains(node))
        .collect();
    Ok(Plan {
        files: Cow::Borrowed(files),
        lighter: BTreeMap::new(),
        packages,
        closure,
        remains,
        replaced,
    })
}

/// Returns the package metadata that is true of what stays.
fn remains(
    files: &FileSystem,
    packages: &PackageDb,
    closure: &Closure,
    lighter: &BTreeMap<NodeId, inside::Lighter>,
) -> Result<packages::remain::Remains, Error> {
    let (tree, contents) = (&files.tree, &files.contents);
    let keep = |node| closure.graph.keeps(node);
    let changed = |node| lighter.contains_key(&node);
    let mut remains = packages::remain::remains(tree, contents, packages, keep, changed)
        .map_err(Error::Packages)?;
    let preserved = |path: &[u8]| {
        let node = tree.lookup(path);
        node.is_some_and(|node| closure.preserved.contains(&node))
    };
    remains.files.retain(|file| !preserved(&file.path));
    Ok(remains)
}

impl Plan<'_> {
    /// Takes out of the files that stay what nothing that stays can read: see [`inside`]. Not if the user wants whole
    /// files, or whole packages.
    ///
    /// # Errors
    /// When a file cannot be read, or the spool not be written.
    pub fn lighten(mut self, options: &closure::Options, spool: &Spool) -> Result<Self, Error> {
        if options.whole_files || options.level == closure::Level::Package {
            return Ok(self);
        }
        if let Some(lightened) = inside::lighten(&self, spool)? {
            let inside::Lightened { files, lighter } = lightened;
            self.remains = remains(&files, &self.packages, &self.closure, &lighter)?;
            (self.files, self.lighter) = (Cow::Owned(files), lighter);
        }
        Ok(self)
    }

    /// Returns whether a file stays.
    pub fn keeps(&self, node: NodeId) -> bool {
        self.closure.graph.keeps(node) && !self.replaced.contains(&node)
    }

    /// Returns the reason for a file that stays.
    pub fn evidence(&self, node: NodeId) -> Option<Evidence> {
        self.closure.graph.reason(node).map(|edge| edge.evidence)
    }
}
