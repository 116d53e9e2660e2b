//! Analyses remembered: of an image whose layers are known nothing is read again.

use std::path::{Path, PathBuf};

use image::{Digest, Image, Store};

use super::Options;
use super::report::{Analysis, SCHEMA};

/// The place of one analysis.
#[derive(Debug, Clone)]
pub struct Slot {
    path: PathBuf,
}

impl Slot {
    /// Returns the place of the analysis of `image` by `program`: a text that is
    /// another one for every build.
    pub fn new(store: &Store, image: &Image, options: &Options, program: &str) -> Self {
        let most = options.most;
        let key = format!(
            "{program}\0{SCHEMA}\0{}\0{}\0{most}",
            image.id(),
            image.digest()
        );
        let name = Digest::of(key.as_bytes()).hex();
        Self {
            path: store.cache().join(format!("analyze-{name}.json")),
        }
    }

    /// Returns the analysis, if it is remembered.
    pub fn get(&self, options: &Options) -> Option<Analysis> {
        let bytes = std::fs::read(&self.path).ok()?;
        let mut analysis: Analysis = serde_json::from_slice(&bytes).ok()?;
        analysis.image.name.clone_from(&options.name);
        Some(analysis)
    }

    /// Remembers an analysis. Failing to is no failure: it is made again.
    pub fn put(&self, analysis: &Analysis) {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let written = serde_json::to_vec(analysis).ok().and_then(|bytes| {
            let mut file = tempfile::NamedTempFile::new_in(directory).ok()?;
            std::io::Write::write_all(&mut file, &bytes).ok()?;
            file.persist(&self.path).ok()
        });
        if written.is_none() {
            tracing::debug!("cannot remember the analysis in `{}`", self.path.display());
        }
    }
}
