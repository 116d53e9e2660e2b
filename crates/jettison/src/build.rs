//! `jettison build`: Dockerfiles to images, without a daemon and without privilege.
//!
//! [`build()`] works on what is in [`Options`]: a parsed [`dockerfile::Dockerfile`], a context and what the
//! command line says. The stages that the target needs are built at the same time as far as they do not
//! wait for one another ([`graph`]). A stage is a config and a chain of layers ([`stage`]); its files lie in
//! directories that overlayfs puts together ([`snapshot`]). An instruction that touches files writes into
//! a new upper directory, whether it runs a command ([`run`]) or copies ([`copy`]); what is there
//! afterwards becomes the layer ([`pack`]), so that nothing else is looked at. What a step depends on is
//! its key, and steps with the same key are not done again ([`cache`]).
//!
//! The process has to be root, of the host or of a user namespace: files of an image belong to many
//! users. See [`sandbox::run_with_ids`].

mod add;
mod attributes;
mod base;
mod cache;
mod context;
mod copy;
mod digests;
mod error;
pub mod git;
mod graph;
mod in_copy;
mod mode;
mod pack;
mod prune;
mod run;
mod select;
mod settings;
mod snapshot;
mod squash;
mod stage;
mod time;
mod transfer;
mod variables;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dockerfile::{Dockerfile, Ignore, Span};
use image::transport::{Context, Remote};
use image::{Blobs, Image, LoadOptions, NewImage, Platform, Store};
use sandbox::{IdMapping, Limit, Network};

pub use context::{export, export_tar, unpack_archive};
pub use error::Error;
pub use prune::{Part, Record, Selection, prune, records};
pub use squash::Squash;
pub use time::Timestamps;
pub use transfer::import_cache;

use attributes::Owners;
use base::Bases;
use cache::Steps;
use digests::Digests;
use graph::{Graph, Origin};
use select::Tree;
use snapshot::{Load, Snapshots};
use stage::{Done, Stage};
use view::View;

/// What to build, and how. The flags of `docker build`.
#[derive(Debug, Clone)]
pub struct Options {
    /// The Dockerfile.
    pub dockerfile: Dockerfile,
    /// What it is called in messages.
    pub file_name: String,
    /// The directory that `COPY` copies from.
    pub context: PathBuf,
    /// What of it does not take part.
    pub ignore: Ignore,
    /// The stage to build; otherwise the last.
    pub target: Option<String>,
    /// Values of `ARG`s.
    pub build_args: Vec<(String, String)>,
    /// Further contexts, by name: a directory, or the reference of an image.
    pub build_contexts: Vec<(String, NamedContext)>,
    /// Labels of the result.
    pub labels: Vec<(String, String)>,
    /// What the image is for.
    pub platform: Platform,
    /// Do every step anew.
    pub no_cache: bool,
    /// Do the steps of these stages anew.
    pub no_cache_stages: Vec<String>,
    /// Ask registries for newer bases.
    pub pull: bool,
    /// What commands reach.
    pub network: Network,
    /// Names and addresses that commands know.
    pub hosts: Vec<(String, String)>,
    /// Contents of secrets, by id.
    pub secrets: HashMap<String, Vec<u8>>,
    /// Sockets of SSH agents, by id.
    pub ssh: HashMap<String, PathBuf>,
    /// Which times things get.
    pub times: Timestamps,
    /// Which layers become one.
    pub squash: Option<Squash>,
    /// Do without overlayfs, as where the kernel refuses it.
    pub copying: bool,
    /// Open a shell where a command failed.
    pub debug_shell: bool,
    /// Bounds on what commands use.
    pub limits: Vec<Limit>,
    /// Bytes of `/dev/shm`.
    pub shared_memory: u64,
}

/// What `--build-context` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory.
    Directory(PathBuf),
    /// An image.
    Image(String),
}

impl Options {
    fn build_arg(&self, name: &str) -> Option<&str> {
        let found = self
            .build_args
            .iter()
            .rev()
            .find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// Says of an error where in the Dockerfile it happened.
    fn at(&self, span: Span, error: Error) -> Error {
        if matches!(error, Error::At { .. } | Error::Stopped) {
            return error;
        }
        let text = &self.dockerfile.text;
        Error::At {
            file: self.file_name.clone(),
            lines: span.lines(text),
            text: span.text(text).to_owned(),
            source: Box::new(error),
        }
    }
}

/// A step, as it is shown.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// Name of the stage.
    pub stage: String,
    /// Which step of the stage, from 1.
    pub number: usize,
    /// How many it has.
    pub total: usize,
    /// The instruction on one line.
    pub text: &'a str,
}

/// How a step went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Whether it had been done before.
    pub cached: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// Bytes of its layer, as a tar and compressed; none if it made no layer.
    pub layer: Option<(u64, u64)>,
    /// Bytes in the layer that are the same as below it: only their metadata changed, and a layer cannot
    /// say that without the bytes.
    pub copied: u64,
}

/// Told how a build goes. Called from several threads.
pub trait Report: Send + Sync + Debug {
    /// A step begins.
    fn step(&self, step: &Step<'_>);
    /// A command of a stage says something.
    fn output(&self, stage: &str, bytes: &[u8]);
    /// A step is done.
    fn finished(&self, step: &Step<'_>, finished: &Finished);
    /// Something may be wrong.
    fn warning(&self, text: &str);
    /// A command failed, and a shell is wanted where it ran.
    fn shell(&self, spec: &sandbox::Spec);
}

/// What a build made.
#[derive(Debug, Clone)]
pub struct Built {
    /// The image. It is in the store and has no name yet.
    pub image: Image,
    /// The steps that were used, as an image.
    pub cache: Image,
}

/// What a build needs besides what to build.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where images and layers are kept. The caller holds the guard of [`Store::writing`].
    pub store: &'a Store,
    /// Where else images may be.
    pub remote: Remote<'a>,
    /// How they are read and written.
    pub context: Context<'a>,
    /// The ids that commands have.
    pub ids: &'a IdMapping,
    /// Told how it goes.
    pub report: &'a dyn Report,
}

/// A build that goes on.
#[derive(Debug)]
struct Build<'a> {
    options: &'a Options,
    store: &'a Store,
    context: Context<'a>,
    blobs: Blobs,
    bases: Bases<'a>,
    steps: &'a Steps,
    snapshots: Snapshots,
    digests: Digests,
    graph: Graph<'a>,
    ids: &'a IdMapping,
    owners: Owners,
    report: &'a dyn Report,
    /// Set when a stage has failed: the others need not go on.
    stopped: AtomicBool,
    results: Vec<Mutex<Option<Option<Done>>>>,
    used: Mutex<Vec<transfer::Used>>,
}

/// Builds an image.
///
/// # Errors
/// The first step that failed, with its place in the Dockerfile.
pub fn build(options: &Options, surroundings: Surroundings<'_>) -> Result<Built, Error> {
    let Surroundings {
        store,
        remote,
        context,
        ids,
        report,
    } = surroundings;
    let directory = store.cache().join("build");
    let steps = Steps::open(directory.clone()).map_err(Error::file("make", &directory))?;
    let owners = match ids {
        IdMapping::Single { .. } => Owners::Recorded,
        _ => Owners::Real,
    };
    let bases = Bases {
        store,
        remote,
        context,
        steps: &steps,
        pull: options.pull,
        opened: Mutex::new(HashMap::new()),
    };
    let graph = Graph::new(options)?;
    let needed = graph.needed(options);
    let build = Build {
        options,
        store,
        context,
        blobs: Blobs::new(store.layout().clone()),
        bases,
        steps: &steps,
        snapshots: Snapshots::open(store.cache().join("snapshots"), owners)?,
        digests: Digests::open(directory.join("digests"), options.times.now),
        results: graph.file.stages.iter().map(|_| Mutex::new(None)).collect(),
        graph,
        ids,
        owners,
        report,
        stopped: AtomicBool::new(false),
        used: Mutex::new(Vec::new()),
    };
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for stage in &needed {
            let (build, failures) = (&build, &failures);
            scope.spawn(move || {
                if let Err(error) = build.stage(*stage)
                    && let Ok(mut failures) = failures.lock()
                {
                    failures.push(error);
                }
            });
        }
    });
    build.digests.save();
    let failures = failures.into_inner().unwrap_or_default();
    if let Some(error) = failures
        .into_iter()
        .min_by_key(|error| matches!(error, Error::Stopped))
    {
        return Err(error);
    }
    let done = build.stage(build.graph.target)?;
    let done = match options.squash {
        Some(squash) => squash.apply(done, &build, build.load())?,
        None => done,
    };
    let image = build.finish(done)?;
    let used = build
        .used
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let cache = transfer::pack(&used, store, &options.platform)?;
    Ok(Built { image, cache })
}

impl<'a> Build<'a> {
    /// Returns a stage, built now if it is not yet. Whoever comes while it is being built waits.
    fn stage(&'a self, index: usize) -> Result<Done, Error> {
        let mut result = self.results[index]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(done) = &*result {
            return done.clone().ok_or(Error::Stopped);
        }
        let done = Stage::build(self, index);
        *result = Some(done.as_ref().ok().cloned());
        if done.is_err() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        done
    }

    /// Returns an image as what a stage begins with.
    fn base(&self, reference: &str, platform: &Platform) -> Result<Done, Error> {
        let image = self.bases.open(reference, platform)?;
        let layers: Vec<_> = image
            .layers()
            .map(|layer| image::NewLayer {
                descriptor: layer.descriptor.clone(),
                diff_id: layer.diff_id,
                unpacked: 0,
            })
            .collect();
        let config = image.config().clone();
        let created = config.created().map(str::to_owned);
        Ok(Done {
            base: layers.len(),
            layers,
            history: config.history(),
            created,
            config,
        })
    }

    fn named(&self, name: &str) -> Option<&NamedContext> {
        self.options
            .build_contexts
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, context)| context)
    }

    /// Returns the reference of the image that a named context is.
    fn named_image(&self, name: &str) -> Option<&str> {
        match self.named(name) {
            Some(NamedContext::Image(reference)) => Some(reference),
            _ => None,
        }
    }

    /// Returns the files of the context.
    fn context(&self) -> Tree {
        Tree {
            view: View::new(vec![self.options.context.clone()]),
            ignore: self.options.ignore.clone(),
            owners: None,
            name: "the build context".to_owned(),
        }
    }

    /// Returns the files that a name in `--from` means.
    fn tree(&'a self, origin: &Origin, name: &str) -> Result<Tree, Error> {
        let done = match origin {
            Origin::Scratch => return Err(Error::Operand("`scratch` has no files".to_owned())),
            Origin::Stage(stage) => self.stage(*stage)?,
            // A number is never meant for an image.
            Origin::Image(number) if number.parse::<usize>().is_ok() => {
                return Err(self.graph.no_stage(number));
            }
            Origin::Image(reference) => self.base(reference, &self.options.platform)?,
            Origin::Named(name) => match self.named(name) {
                Some(NamedContext::Directory(directory)) => {
                    return Ok(Tree {
                        view: View::new(vec![directory.clone()]),
                        ignore: directory_ignore(directory)?,
                        owners: None,
                        name: format!("the build context `{name}`"),
                    });
                }
                Some(NamedContext::Image(reference)) => {
                    self.base(reference, &self.options.platform)?
                }
                None => {
                    return Err(Error::Operand(format!(
                        "there is no build context `{name}`"
                    )));
                }
            },
        };
        Ok(Tree {
            view: self.view(&done.layers, done.base)?,
            ignore: Ignore::default(),
            owners: Some(self.owners),
            name: format!("`{name}`"),
        })
    }

    fn view(&self, layers: &[image::NewLayer], base: usize) -> Result<View, Error> {
        self.snapshots.view(layers, base, self.load())
    }

    fn load(&self) -> Load<'_> {
        let options = LoadOptions {
            spool: self.context.spool,
            limits: self.context.limits,
            threads: self.context.threads,
            progress: self.context.progress,
        };
        Load {
            blobs: &self.blobs,
            options,
        }
    }

    /// Makes the image of a stage.
    fn finish(&self, done: Done) -> Result<Image, Error> {
        let ids: Vec<_> = done.layers.iter().map(|layer| layer.diff_id).collect();
        let mut config = done.config.with_layers(&ids, &done.history);
        for (name, value) in &self.options.labels {
            config = settings::label(&config, name, value);
        }
        if let Some(created) = &done.created {
            config = config.with_field("created", serde_json::json!(created));
        }
        let image = NewImage {
            config: &config,
            layers: &done.layers,
            annotations: BTreeMap::new(),
        };
        Ok(image.store(self.store.layout())?)
    }
}

/// Reads the `.dockerignore` of a directory.
///
/// # Errors
/// When it cannot be read, or has lines that are no patterns.
pub fn directory_ignore(directory: &Path) -> Result<Ignore, Error> {
    let path = directory.join(".dockerignore");
    match std::fs::read(&path) {
        Ok(bytes) => {
            Ignore::parse(&String::from_utf8_lossy(&bytes)).map_err(|problems| Error::Dockerfile {
                file: path.display().to_string(),
                problems,
            })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Ignore::default()),
        Err(error) => Err(Error::file("read", &path)(error)),
    }
}
