//! What every command needs: the store, scratch space, and the environment.

use std::path::{Path, PathBuf};

use image::transport::{self, Context, Opened, Remote, Written, engine, registry};
use image::{Image, LoadOptions, Name, Platform, Reference, Spool, Store};
use layer::Limits;
use layer::codec::gzip::Level;

use crate::args::Global;
use crate::error::Usage;
use crate::ui::Ui;

/// The settings of one run.
#[derive(Debug)]
pub(crate) struct Session<'u> {
    pub(crate) ui: &'u Ui,
    pub(crate) store: Store,
    spool: Spool,
    platform: Platform,
    limits: Limits,
    threads: usize,
    registry: registry::Options,
    engine: engine::Options,
}

impl<'u> Session<'u> {
    pub(crate) fn new(global: &Global, ui: &'u Ui) -> anyhow::Result<Self> {
        let root = match &global.store {
            Some(root) => root.clone(),
            None => default_store()?,
        };
        let store = Store::open(&root)?;
        let scratch = global.tmpdir.clone().unwrap_or_else(|| root.join("tmp"));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            ui,
            store,
            spool: Spool::new(scratch)?,
            platform: global.platform.clone().unwrap_or_else(Platform::host),
            limits: Limits {
                entries: global.max_entries,
                bytes: global.max_unpacked,
                ..Limits::default()
            },
            threads: global.threads.unwrap_or(processors).max(1),
            registry: crate::environment::registry(&global.network)?,
            engine: crate::environment::engine(),
        })
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            spool: &self.spool,
            platform: &self.platform,
            limits: self.limits,
            threads: self.threads,
            level: Level::DEFAULT,
            progress: self.ui,
        }
    }

    pub(crate) fn load_options(&self) -> LoadOptions<'_> {
        LoadOptions {
            spool: &self.spool,
            limits: self.limits,
            threads: self.threads,
            progress: self.ui,
        }
    }

    /// Returns the directory for large temporary things.
    pub(crate) fn scratch(&self) -> &Path {
        self.spool.directory()
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Opens the image that `reference` names, wherever it is.
    pub(crate) fn open(&self, reference: &Reference) -> anyhow::Result<Opened> {
        Ok(transport::open(reference, self.remote(), self.context())?)
    }

    /// Writes an image where `reference` says; `name` is what archives call it.
    pub(crate) fn write(
        &self,
        image: &Image,
        reference: &Reference,
        name: Option<&Name>,
    ) -> anyhow::Result<Written> {
        Ok(transport::write(
            image,
            reference,
            name,
            self.remote(),
            self.context(),
        )?)
    }

    /// Writes an image to standard output, as `docker save` does.
    pub(crate) fn write_to_stdout(&self, image: &Image, name: &Name) -> anyhow::Result<()> {
        let output = std::io::BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
        transport::docker_archive::write_to(image, output, Some(name), self.context())?;
        Ok(())
    }

    pub(crate) fn remote(&self) -> Remote<'_> {
        Remote {
            registry: &self.registry,
            engine: &self.engine,
            store: Some(&self.store),
        }
    }
}

/// `$XDG_DATA_HOME/jettison`, `~/.local/share/jettison` (XDG base directory specification).
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where directories are chosen"
)]
fn default_store() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or_else(|| {
            Usage::error(
                "neither XDG_DATA_HOME nor HOME is set",
                "name a directory with --store",
            )
        })?;
    Ok(data.join("jettison"))
}
