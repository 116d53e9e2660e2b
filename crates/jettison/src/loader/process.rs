//! Everything that one process loads.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use layer::{InodeId, NodeId};

use super::search::{Found, Request, Requester, Rule, Search, Variant};
use super::system::SharedSystem;
use super::{Error, Flavour, Loader, directory_of};
use crate::elf::Object;

/// Objects of one process. The largest desktop programs have a few hundred.
/// The cost of a search grows with the number of ancestors, so this bounds that too.
const MAX_OBJECTS: usize = 5_000;

/// Why an object of a process needs another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// `PT_INTERP`: the kernel starts it.
    Interpreter,
    /// `DT_NEEDED`.
    Needed,
    /// `DT_FILTER`, or `DT_AUXILIARY` where optional.
    Filter,
    /// `DT_AUDIT` or `DT_DEPAUDIT`.
    Audit,
    /// `LD_PRELOAD` or `/etc/ld.so.preload`.
    Preload,
    /// dlopen(3), as said by the caller of [`Process::open`].
    Opened,
}

/// One object needs another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The one that needs.
    pub from: NodeId,
    /// The file that is needed.
    pub to: NodeId,
    /// Why.
    pub kind: EdgeKind,
    /// The name or path asked for.
    pub name: Vec<u8>,
    /// How it was found.
    pub rule: Rule,
    /// Symbolic links on the way, which are needed too.
    pub links: Vec<NodeId>,
    /// Only hosts with certain processors load this file for the name.
    pub alternative: bool,
}

/// One object needs what is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The one that needs.
    pub from: NodeId,
    /// Why.
    pub kind: EdgeKind,
    /// The name or path asked for.
    pub name: Vec<u8>,
    /// Whether it can do without.
    pub optional: bool,
    /// Directories that were searched.
    pub searched: Vec<Vec<u8>>,
}

/// What one process loads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// Every object in the order in which it is loaded, the program first.
    pub objects: Vec<NodeId>,
    /// Why each one is loaded.
    pub edges: Vec<Edge>,
    /// What is missing.
    pub missing: Vec<Unmet>,
}

impl Closure {
    /// Returns the symbolic links that loading crosses, sorted.
    pub fn links(&self) -> Vec<NodeId> {
        let links = self.edges.iter().flat_map(|edge| &edge.links);
        let mut links: Vec<NodeId> = links.copied().collect();
        links.sort_unstable();
        links.dedup();
        links
    }
}

/// An object of the process.
#[derive(Debug)]
struct Loaded {
    node: NodeId,
    object: Arc<Object>,
    origin: Vec<u8>,
    /// Which object it was loaded for; none for the program.
    by: Option<usize>,
}

/// The objects of one process, loaded breadth first as the loader does. An
/// object is loaded once: by the name asked for, by its `DT_SONAME`, and by
/// its file.
#[derive(Debug)]
pub struct Process<'l, 'a> {
    loader: &'l Loader<'a>,
    system: SharedSystem,
    loaded: Vec<Loaded>,
    names: HashMap<Vec<u8>, usize>,
    inodes: HashMap<InodeId, usize>,
    pending: VecDeque<usize>,
    closure: Closure,
}

/// A name asked for by an object of the process.
struct Want<'w> {
    by: usize,
    name: &'w [u8],
    kind: EdgeKind,
    optional: bool,
}

impl<'l, 'a> Process<'l, 'a> {
    /// Loads a program with everything that it needs from the start.
    ///
    /// # Errors
    /// [`Error::NotElf`] and [`Error::Program`] for the program itself,
    /// [`Error::TooManyObjects`], and [`Error::Read`] for any file. What is
    /// missing is no error.
    pub fn start(loader: &'l Loader<'a>, program: NodeId) -> Result<Self, Error> {
        let path = || loader.tree().absolute(program);
        let object = match loader.object(program)? {
            Some(object) => object,
            // Read once more for the reason; a library like this is passed over.
            None => {
                return Err(match loader.parse(program) {
                    Err(source) => Error::Program {
                        path: path(),
                        source,
                    },
                    Ok(_) => Error::NotElf { path: path() },
                });
            }
        };
        let mut process = Self {
            loader,
            system: loader.system(&object)?,
            loaded: Vec::new(),
            names: HashMap::new(),
            inodes: HashMap::new(),
            pending: VecDeque::new(),
            closure: Closure::default(),
        };
        let interpreted = object.interpreter.is_some();
        let variant = Variant {
            node: program,
            // The kernel tells the loader the path behind all links.
            path: path(),
            links: Vec::new(),
            object,
        };
        process.add(variant, None);
        if interpreted {
            process.start_interpreter();
            process.preload()?;
        }
        process.settle()?;
        Ok(process)
    }

    /// Loads a library that the object `by` opens by name, with everything that
    /// it needs. The result is the file; nothing where it, or `by`, is not there.
    ///
    /// # Errors
    /// [`Error::TooManyObjects`] and [`Error::Read`].
    pub fn open(&mut self, by: NodeId, name: &[u8]) -> Result<Option<NodeId>, Error> {
        let Some(by) = self.inodes.get(&self.loader.tree().inode(by)).copied() else {
            return Ok(None);
        };
        let opened = self.load(&Want {
            by,
            name,
            kind: EdgeKind::Opened,
            optional: true,
        })?;
        self.settle()?;
        Ok(opened)
    }

    /// Returns what has been loaded so far.
    pub fn closure(&self) -> &Closure {
        &self.closure
    }

    /// Returns what has been loaded.
    pub fn into_closure(self) -> Closure {
        self.closure
    }

    fn start_interpreter(&mut self) {
        let system = self.system.clone();
        let path = system.path.clone().unwrap_or_default();
        let from = self.loaded[0].node;
        let Some(found) = &system.interpreter else {
            self.closure.missing.push(Unmet {
                from,
                kind: EdgeKind::Interpreter,
                name: path,
                optional: false,
                searched: Vec::new(),
            });
            return;
        };
        self.closure.edges.push(Edge {
            from,
            to: found.node,
            kind: EdgeKind::Interpreter,
            name: path.clone(),
            rule: Rule::Path,
            links: found.links.clone(),
            alternative: false,
        });
        let index = self.add(found.clone().into(), Some(0));
        self.names.insert(path, index);
    }

    fn preload(&mut self) -> Result<(), Error> {
        let system = self.system.clone();
        let environment = self.loader.environment.preload.as_deref();
        // glibc takes spaces and colons, musl any white space and colons.
        let names = environment
            .unwrap_or_default()
            .split(|byte| b" \t\n:".contains(byte));
        let names = names.chain(system.preload.iter().map(Vec::as_slice));
        for name in names.filter(|name| !name.is_empty()) {
            self.load(&Want {
                by: 0,
                name,
                kind: EdgeKind::Preload,
                optional: true,
            })?;
        }
        Ok(())
    }

    /// Loads what loaded objects need until nothing is left.
    fn settle(&mut self) -> Result<(), Error> {
        while let Some(index) = self.pending.pop_front() {
            let object = self.loaded[index].object.clone();
            let needed = object.needed.iter();
            let needed = needed.map(|name| (&name[..], EdgeKind::Needed, false));
            let filters = object.filters.iter();
            let filters =
                filters.map(|filter| (&filter.name[..], EdgeKind::Filter, filter.optional));
            let audit = object.audit.iter();
            let audit = audit.flat_map(|list| list.split(|byte| *byte == b':'));
            let audit = audit.map(|name| (name, EdgeKind::Audit, true));
            for (name, kind, optional) in needed.chain(filters).chain(audit) {
                self.load(&Want {
                    by: index,
                    name,
                    kind,
                    optional,
                })?;
            }
        }
        Ok(())
    }

    fn load(&mut self, want: &Want<'_>) -> Result<Option<NodeId>, Error> {
        let from = self.loaded[want.by].node;
        if let Some(index) = self.names.get(want.name) {
            let to = self.loaded[*index].node;
            self.closure.edges.push(Edge {
                from,
                to,
                kind: want.kind.clone(),
                name: want.name.to_vec(),
                rule: Rule::Loaded,
                links: Vec::new(),
                alternative: false,
            });
            return Ok(Some(to));
        }
        match self.search(want)? {
            Search::Found(_) if self.loaded.len() >= MAX_OBJECTS => Err(Error::TooManyObjects {
                path: self.loader.tree().absolute(self.loaded[0].node),
                limit: MAX_OBJECTS,
            }),
            Search::Found(found) => Ok(Some(self.take(want, found))),
            Search::Missing(missing) => {
                self.closure.missing.push(Unmet {
                    from,
                    kind: want.kind.clone(),
                    name: want.name.to_vec(),
                    optional: want.optional,
                    searched: missing.searched,
                });
                Ok(None)
            }
        }
    }

    fn search(&self, want: &Want<'_>) -> Result<Search, Error> {
        let requester = |index: usize| Requester {
            object: &self.loaded[index].object,
            origin: &self.loaded[index].origin,
        };
        let next = |index: &usize| self.loaded[*index].by;
        let ancestors: Vec<Requester<'_>> = std::iter::successors(next(&want.by), next)
            .map(requester)
            .collect();
        self.loader.find(&Request {
            name: want.name,
            requester: requester(want.by),
            ancestors: &ancestors,
        })
    }

    fn take(&mut self, want: &Want<'_>, found: Found) -> NodeId {
        let from = self.loaded[want.by].node;
        let to = found.file.node;
        let files = std::iter::once(found.file).chain(found.alternatives);
        for (position, file) in files.enumerate() {
            self.closure.edges.push(Edge {
                from,
                to: file.node,
                kind: want.kind.clone(),
                name: want.name.to_vec(),
                rule: found.rule,
                links: file.links.clone(),
                alternative: position > 0,
            });
            let index = self.add(file, Some(want.by));
            if position == 0 {
                self.names.insert(want.name.to_vec(), index);
            }
        }
        to
    }

    /// Adds a file unless it is there already, and returns its place.
    fn add(&mut self, file: Variant, by: Option<usize>) -> usize {
        let inode = self.loader.tree().inode(file.node);
        if let Some(index) = self.inodes.get(&inode) {
            return *index;
        }
        let index = self.loaded.len();
        // musl compares the names asked for and the files, but not DT_SONAME.
        if self.system.flavour != Flavour::Musl
            && let Some(soname) = &file.object.soname
        {
            self.names.entry(soname.clone()).or_insert(index);
        }
        self.closure.objects.push(file.node);
        self.loaded.push(Loaded {
            node: file.node,
            origin: directory_of(&file.path).to_vec(),
            object: file.object,
            by,
        });
        self.inodes.insert(inode, index);
        self.pending.push_back(index);
        index
    }
}
