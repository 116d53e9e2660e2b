//! An image made ready to run.
//!
//! [`plan`] turns an image's config and what a person asks for beyond it into a [`sandbox::Spec`];
//! [`Unpacked`] is the image's file system as a directory. Put together:
//!
//! ```no_run
//! # fn example(image: &image::Image, files: &image::FileSystem) -> Result<(), jettison::container::Error> {
//! use jettison::container::{self, Settings, Unpacked};
//!
//! let ids = sandbox::IdMapping::detect(&sandbox::Caller::current());
//! let mut spec = container::plan(image, files, &Settings::default(), &ids)?;
//! let unpacked = Unpacked::new(files, &spec.ids, "/tmp".as_ref())?;
//! unpacked.prepare(&mut spec);
//! let mut container = sandbox::spawn(&spec)?;
//! container.main.wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! How processes are made is the business of [`sandbox`]; what is asked of a running container, of
//! [`crate::verify`].

mod settings;
mod unpacked;
mod user;

pub use settings::{Settings, check_platform, plan};
pub use unpacked::Unpacked;
pub(crate) use user::{Found, Users};

use std::io;
use std::path::PathBuf;

use image::Platform;

/// What can go wrong between an image and a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Programs for another machine.
    #[error("the image is for {image}, but this machine runs {host}")]
    Platform {
        /// What the image is for.
        image: Box<Platform>,
        /// What this machine is.
        host: Box<Platform>,
    },
    /// Neither the image nor the user says what to run.
    #[error("the image names no command, and none was given")]
    NoCommand,
    /// A user or a group that the image does not know.
    #[error("cannot find {what} `{name}` in the image's `{file}`")]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// Its name, as asked for.
        name: String,
        /// Where it should be.
        file: &'static str,
    },
    /// A path in the container that is not absolute.
    #[error("{what} `{path}` is not an absolute path")]
    Relative {
        /// What it was for.
        what: &'static str,
        /// As given.
        path: String,
    },
    /// A directory for the image's files cannot be made, locked or removed.
    #[error("cannot {verb} `{}`", path.display())]
    Scratch {
        /// What was tried.
        verb: &'static str,
        /// On which path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The image's files cannot be written out.
    #[error("cannot unpack the image")]
    Unpack(#[source] layer::Error),
    /// The container cannot be made, or not watched.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
}
