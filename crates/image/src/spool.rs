//! Scratch space for what must be read at random but comes as a stream.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A directory for nameless files, which vanish with the process.
#[derive(Debug, Clone)]
pub struct Spool {
    directory: PathBuf,
}

impl Spool {
    /// Takes the directory; it is made when it does not exist.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        std::fs::create_dir_all(&directory).map_err(Error::file("make", &directory))?;
        Ok(Self { directory })
    }

    /// Returns a new file without a name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn file(&self) -> Result<File> {
        tempfile::tempfile_in(&self.directory)
            .map_err(Error::file("make a temporary file in", &self.directory))
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
