//! Which files the dynamic loader of an image would load, decided from the
//! image's tree alone.
//!
//! Followed here: ld.so(8) and `elf/dl-load.c` of glibc, `ldso/dynlink.c` of
//! musl. What depends on the host that will run the image (processor features,
//! hence glibc-hwcaps directories and `$PLATFORM`) is not known, so a library
//! comes with all its variants as [`Found::alternatives`].
//!
//! - [`Loader::find`]: one name, asked for by one object.
//! - [`Loader::closure`]: everything loaded when a program starts.
//! - [`Process`]: the same, with libraries opened later by name.
//!
//! Not modelled: `LD_LIBRARY_PATH` being ignored for set-id programs, audit
//! libraries named in the environment, `ld.so --preload`, `LD_HWCAP_MASK`.

mod cache;
mod config;
mod expand;
mod machine;
mod process;
mod search;
mod system;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use layer::{Contents, InodeId, NodeId, Tree, display};

pub use process::{Closure, Edge, EdgeKind, Process, Unmet};
pub use search::{Found, Missing, Request, Requester, Rule, Search, Variant};
pub use system::Flavour;

use crate::elf::{self, Object, TreeFile};
use system::{SharedSystem, System, SystemKey};

/// What the environment of a process tells the dynamic loader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `LD_LIBRARY_PATH`.
    pub library_path: Option<Vec<u8>>,
    /// `LD_PRELOAD`.
    pub preload: Option<Vec<u8>>,
    /// Where the process starts, for relative search paths; `/` where empty.
    pub working_directory: Vec<u8>,
}

/// The dynamic loaders of one image. Objects and configuration are read once;
/// threads may share it.
#[derive(Debug)]
pub struct Loader<'a> {
    tree: &'a Tree,
    contents: &'a Contents,
    environment: Environment,
    objects: Mutex<HashMap<InodeId, Option<Arc<Object>>>>,
    systems: Mutex<HashMap<SystemKey, SharedSystem>>,
}

/// Why a search could not be done. That a library is missing is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the image could not be read.
    #[error("cannot read `{}`", display(.path))]
    Read {
        /// The file.
        path: Vec<u8>,
        /// The cause.
        source: io::Error,
    },
    /// A program that cannot be started.
    #[error("cannot find what `{}` loads", display(.path))]
    Program {
        /// The program.
        path: Vec<u8>,
        /// What is wrong with it.
        source: elf::Error,
    },
    /// A program that is none.
    #[error("`{}` is not an ELF object", display(.path))]
    NotElf {
        /// The file.
        path: Vec<u8>,
    },
    /// A program that would load more than any real one.
    #[error("`{}` would load more than {limit} objects", display(.path))]
    TooManyObjects {
        /// The program.
        path: Vec<u8>,
        /// The limit in force.
        limit: usize,
    },
}

/// A file that can be loaded.
#[derive(Debug, Clone)]
struct Candidate {
    node: NodeId,
    /// The path by which the loader knows it; `$ORIGIN` is its directory.
    path: Vec<u8>,
    links: Vec<NodeId>,
    object: Arc<Object>,
}

impl<'a> Loader<'a> {
    /// Prepares the loaders of an image.
    pub fn new(tree: &'a Tree, contents: &'a Contents, environment: Environment) -> Self {
        Self {
            tree,
            contents,
            environment,
            objects: Mutex::default(),
            systems: Mutex::default(),
        }
    }

    /// Returns the facts of a file; nothing where it is not an ELF object, or
    /// is one that no loader takes.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn object(&self, node: NodeId) -> Result<Option<Arc<Object>>, Error> {
        let inode = self.tree.inode(node);
        let known = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = known.get(&inode) {
            return Ok(object.clone());
        }
        drop(known);
        let object = match self.parse(node) {
            Ok(object) => object.map(Arc::new),
            Err(elf::Error::Read { source, .. }) => {
                let path = self.tree.absolute(node);
                return Err(Error::Read { path, source });
            }
            Err(error) => {
                let path = display(&self.tree.absolute(node));
                tracing::debug!(%path, %error, "passing over an object as the loader does");
                None
            }
        };
        let mut known = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(inode).or_insert(object).clone())
    }

    /// Returns whose rules the loader of a program follows. For a library, that
    /// of the programs that it is likely made for.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn flavour(&self, root: &Object) -> Result<Flavour, Error> {
        Ok(self.system(root)?.flavour)
    }

    /// Returns everything that is loaded when `program`, or a program that
    /// needs only this library, starts: see [`Process`].
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn closure(&self, program: NodeId) -> Result<Closure, Error> {
        Process::start(self, program).map(Process::into_closure)
    }

    fn tree(&self) -> &'a Tree {
        self.tree
    }

    fn contents(&self) -> &'a Contents {
        self.contents
    }

    fn file(&self, node: NodeId) -> Option<TreeFile<'a>> {
        let contents = self.contents;
        let content = self.tree.content(node)?;
        Some(TreeFile { contents, content })
    }

    fn parse(&self, node: NodeId) -> Result<Option<Object>, elf::Error> {
        self.file(node).map_or(Ok(None), elf::parse)
    }

    fn system(&self, root: &Object) -> Result<SharedSystem, Error> {
        let key = SystemKey::of(root);
        let known = self.systems.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(system) = known.get(&key) {
            return Ok(system.clone());
        }
        drop(known);
        let system = Arc::new(System::of(self, root)?);
        let mut known = self.systems.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(key).or_insert(system).clone())
    }

    /// Returns the file at `path` if an object like `wanted` can load it.
    ///
    /// A file of another class or machine is passed over, as the loader does.
    /// One that is no ELF object at all makes glibc give up; passing over it
    /// finds at most more than the loader would.
    fn candidate(&self, path: &[u8], wanted: Option<&Object>) -> Result<Option<Candidate>, Error> {
        let base = self.tree.resolve(&self.environment.working_directory);
        let base = base.map_or(self.tree.root(), |found| found.node);
        let found = self
            .tree
            .resolve_at(base, path, layer::tree::resolve::Lookup::STAT);
        let Ok(found) = found else {
            return Ok(None);
        };
        let Some(object) = self.object(found.node)? else {
            return Ok(None);
        };
        let loadable = matches!(object.kind, elf::Kind::Executable | elf::Kind::SharedObject);
        if !loadable || wanted.is_some_and(|wanted| !wanted.fits(&object)) {
            return Ok(None);
        }
        Ok(Some(Candidate {
            node: found.node,
            path: path.to_vec(),
            links: found.links,
            object,
        }))
    }
}

/// Returns the part of a path before its last slash; `/` for a file in the root.
fn directory_of(path: &[u8]) -> &[u8] {
    match memchr::memrchr(b'/', path) {
        Some(0) => b"/",
        Some(slash) => &path[..slash],
        None => b".",
    }
}
