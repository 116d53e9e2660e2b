//! The work list: files are kept with a reason, and each is looked at once.

mod keep;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use layer::{Content, NodeId, NodeKind, Tree};

use super::{Closure, Edge, Error, Evidence, Graph, Input, Missing};
use crate::closure::facts::Fact;
use crate::loader::{Environment, Loader, Process};
use crate::packages::PackageId;
use crate::packages::classes::Class;
use crate::script::Dialect;

/// What a file needs if it is a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// It is none.
    No,
    /// This interpreter.
    Of(NodeId),
    /// An interpreter that the image does not have.
    Broken,
}

/// A script that came along.
#[derive(Debug)]
pub(super) struct Optional {
    pub(super) node: NodeId,
    pub(super) interpreter: NodeId,
    pub(super) edge: Edge,
    /// The programs that it stands for, once it matters: it may have to wait for long.
    pub(super) wrapped: OnceCell<Vec<NodeId>>,
}

/// A program that stays if it costs next to nothing.
#[derive(Debug, Default)]
pub(super) struct Companion {
    /// Other names for it.
    pub(super) links: BTreeSet<NodeId>,
    /// Who speaks of it; nothing if it merely is of the same package.
    pub(super) edge: Option<Edge>,
    /// Whether source that is kept starts it, which is more than a word.
    pub(super) is_started: bool,
}

/// Directories of commands, with their paths, for so many directories in PATH.
pub(super) type CommandPlaces = (Option<usize>, Rc<Vec<(Vec<u8>, NodeId)>>);

/// What is known so far.
pub(super) struct Collector<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) graph: Graph,
    queue: VecDeque<NodeId>,
    pub(super) missing: BTreeSet<Missing>,
    pub(super) loader: Loader<'a>,
    /// Directories of PATH, in order, and those that scripts add.
    pub(super) path: Vec<Vec<u8>>,
    /// Values of ENV that are paths of the image, by variable.
    pub(super) environment: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Facts that have been acted upon.
    pub(super) facts: HashSet<Fact>,
    /// Packages that every system has.
    pub(super) base: BTreeSet<PackageId>,
    /// Packages that programs come from.
    pub(super) program_packages: BTreeSet<PackageId>,
    /// Packages of which a library has been found, and whether it was needed for certain.
    pub(super) library_packages: HashSet<(PackageId, bool)>,
    /// Where commands are, by how many directories PATH had then.
    pub(super) command_places: RefCell<CommandPlaces>,
    /// Of packages whose sources are read, those whose programs they may name.
    pub(super) partners: HashMap<PackageId, Rc<super::spoken::Partners>>,
    /// Scripts kept only if their interpreter is kept for a better reason.
    pub(super) optional: Vec<Optional>,
    /// Files that are needed for certain.
    strong: HashSet<NodeId>,
    /// Other programs of the packages of kept programs.
    pub(super) companions: BTreeMap<NodeId, Companion>,
    /// Programs that stayed because they cost next to nothing.
    pub(super) cheap: HashSet<NodeId>,
    /// Directories of applications that users put there.
    pub(super) applications: HashSet<NodeId>,
    /// Files that the author put there by name.
    pub(super) authored: HashSet<NodeId>,
    /// Files that stay exactly as they are, and the directories that hold them.
    pub(super) preserved: HashSet<NodeId>,
    /// Names of programs of packages that somebody installed by name, once it matters.
    asked_for: OnceCell<HashSet<Vec<u8>>>,
    /// Those packages.
    pub(super) asked: BTreeSet<PackageId>,
    /// Scripts of packages that PATH leads to, once it matters.
    path_scripts: OnceCell<HashMap<Vec<u8>, NodeId>>,
    /// Those of them that something which starts programs names.
    pub(super) named_scripts: HashSet<NodeId>,
    /// Parts of shell scripts, read with `.` or `source`.
    pub(super) sourced: HashMap<NodeId, Dialect>,
    /// Files whose text says nothing of what this image needs.
    pub(super) unread: HashSet<NodeId>,
    /// Shared objects of the image by their names, once somebody wants to know.
    pub(super) objects: Option<HashMap<Vec<u8>, Vec<NodeId>>>,
    /// Programs that were only asked about: of what they say nothing is needed.
    pub(super) glanced: HashSet<NodeId>,
    /// What a proof found missing.
    pub(super) repaired: HashSet<NodeId>,
    /// Interpreters of scripts that are no shell's.
    pub(super) interpreters: BTreeSet<NodeId>,
    /// Interpreters, and libraries that are one, whose language is known.
    pub(super) runtimes: HashSet<NodeId>,
    /// What is known of those who log in.
    pub(super) login: super::login::State,
    /// What is known of the image's Perl.
    pub(super) perl: super::language::perl::State,
    /// What is known of the image's Ruby.
    pub(super) ruby: super::language::ruby::State,
    /// What is known of the image's Java.
    pub(super) jvm: super::language::jvm::State,
    /// Programs that are run, and the links by which each was reached.
    pub(super) reached: BTreeMap<NodeId, BTreeSet<Vec<NodeId>>>,
    /// What languages install together.
    pub(super) units: super::units::Units,
    /// What is known of Python.
    pub(super) python: super::language::python::State,
    /// What is known of Node.js.
    pub(super) node: super::language::node::State,
    /// Objects that were looked at as needed for certain.
    pub(super) certain: HashSet<NodeId>,
    /// Objects whose libraries were found as part of some program.
    pub(super) loaded: HashSet<NodeId>,
    /// The names of libraries that objects say: all that is needed of an object again, by each program that loads it.
    pub(super) named_libraries: RefCell<HashMap<NodeId, Rc<BTreeSet<Vec<u8>>>>>,
    /// Of directories of state, whether the run that was seen made it anew elsewhere.
    pub(super) superseded: RefCell<HashMap<NodeId, bool>>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(input: &'a Input<'a>) -> Self {
        let config = input.config;
        let path = config
            .env_var("PATH")
            .unwrap_or_else(|| super::command::DEFAULT_PATH.to_owned());
        let path = path.split(':').map(|dir| dir.as_bytes().to_vec()).collect();
        let environment = config
            .env()
            .iter()
            .filter_map(|line| line.split_once('='))
            .filter(|(name, value)| *name != "PATH" && value.starts_with('/'))
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let loader_environment = Environment {
            library_path: config.env_var("LD_LIBRARY_PATH").map(String::into_bytes),
            preload: config.env_var("LD_PRELOAD").map(String::into_bytes),
            working_directory: config.working_dir().as_bytes().to_vec(),
        };
        let files = input.files;
        let base = super::package::base(input.packages, &files.tree);
        let asked = super::package::asked_for(input.packages, &files.tree, &base);
        Self {
            input,
            graph: Graph::default(),
            queue: VecDeque::new(),
            missing: BTreeSet::new(),
            loader: Loader::new(&files.tree, &files.contents, loader_environment),
            path,
            environment,
            facts: HashSet::new(),
            base,
            program_packages: BTreeSet::new(),
            library_packages: HashSet::new(),
            command_places: RefCell::default(),
            partners: HashMap::new(),
            optional: Vec::new(),
            strong: HashSet::new(),
            companions: BTreeMap::new(),
            cheap: HashSet::new(),
            applications: HashSet::new(),
            authored: HashSet::new(),
            preserved: HashSet::new(),
            asked_for: OnceCell::new(),
            asked,
            path_scripts: OnceCell::new(),
            named_scripts: HashSet::new(),
            sourced: HashMap::new(),
            unread: HashSet::new(),
            glanced: HashSet::new(),
            objects: None,
            repaired: HashSet::new(),
            interpreters: BTreeSet::new(),
            runtimes: HashSet::new(),
            login: super::login::State::default(),
            perl: super::language::perl::State::default(),
            ruby: super::language::ruby::State::default(),
            jvm: super::language::jvm::State::default(),
            reached: BTreeMap::new(),
            units: super::units::Units::default(),
            python: super::language::python::State::default(),
            node: super::language::node::State::default(),
            certain: HashSet::new(),
            loaded: HashSet::new(),
            named_libraries: RefCell::default(),
            superseded: RefCell::default(),
        }
    }

    pub(super) fn tree(&self) -> &'a Tree {
        &self.input.files.tree
    }

    /// Returns whether a file is needed for certain.
    pub(super) fn is_kept_for_certain(&self, node: NodeId) -> bool {
        self.strong.contains(&node)
    }

    /// Returns whether a file is the user's own and needed for certain: part of the application.
    pub(super) fn is_own(&self, node: NodeId) -> bool {
        let is_setting = self.tree().path(node).starts_with(b"etc/");
        let is_installed = self.units.of(node).is_some();
        self.strong.contains(&node) && self.is_unpackaged(node) && !is_setting && !is_installed
    }

    /// Returns whether a name is that of a program of a package that somebody installed by name.
    pub(super) fn asked_for(&self, name: &[u8]) -> bool {
        self.names_asked_for().contains(name)
    }

    /// Returns the names of such programs that begin so.
    pub(super) fn asked_for_with(&self, begin: &[u8]) -> BTreeSet<Vec<u8>> {
        let names = self.names_asked_for().iter();
        names
            .filter(|name| name.starts_with(begin))
            .cloned()
            .collect()
    }

    fn names_asked_for(&self) -> &HashSet<Vec<u8>> {
        self.asked_for.get_or_init(|| {
            let (packages, tree) = (self.input.packages, self.tree());
            let files = self.asked.iter().flat_map(|id| packages.files(*id));
            let in_path = |node: &&NodeId| super::package::is_in_path(tree, **node);
            let files = files.filter(in_path).copied();
            // Names that update-alternatives(1) makes are of no package.
            let directories = self.command_directories();
            let links = directories
                .iter()
                .flat_map(|(_, node)| tree.children(*node));
            let links = links.filter(|link| tree.link_target(*link).is_some());
            let links = links.filter(|link| {
                let found = tree.resolve(&tree.absolute(*link)).ok();
                let owner = found.and_then(|found| packages.owner(found.node));
                owner.is_some_and(|owner| self.asked.contains(&owner))
            });
            let names = files.chain(links).map(|node| tree.name(node).to_vec());
            names.collect()
        })
    }

    /// Returns the script of that name, if it is one of a package that not every system has, and PATH leads to it.
    pub(super) fn script_in_path(&self, name: &[u8]) -> Option<NodeId> {
        let scripts = self.path_scripts.get_or_init(|| {
            let tree = self.tree();
            let directories = self.command_directories();
            // The first of a name is found: it replaces the others.
            let directories = directories.iter().rev();
            let names = directories.flat_map(|(_, node)| tree.children(*node));
            let packages = self.input.packages;
            let script = |name: NodeId| {
                let found = tree.resolve(&tree.absolute(name)).ok()?.node;
                let owner = packages.owner(found)?;
                let is_script = tree.mode(found) & 0o111 != 0
                    && !self.base.contains(&owner)
                    && self.read(found, 2).is_ok_and(|first| first == b"#!");
                is_script.then(|| (tree.name(name).to_vec(), found))
            };
            names.filter_map(script).collect()
        });
        scripts.get(name).copied()
    }

    /// Returns whether the user put a file there: no package owns it, and there are packages.
    pub(super) fn is_unpackaged(&self, node: NodeId) -> bool {
        let packages = self.input.packages;
        packages.packages().len() > 0 && packages.owner(node).is_none()
    }

    /// Returns what a file needs if it is a script.
    pub(super) fn interpreter(&self, node: NodeId) -> Script {
        let tree = self.tree();
        if let Some(needed) = super::dispensable::reader_of(self, node) {
            return needed.map_or(Script::Broken, Script::Of);
        }
        if tree.mode(node) & 0o111 == 0 || tree.content(node).is_none() {
            return Script::No;
        }
        let Ok(first) = self.read(node, 256) else {
            return Script::No;
        };
        let Some(shebang) = crate::script::shebang(&first) else {
            return Script::No;
        };
        // Debian's cgi.py is for `/usr/local/bin/python`, where it is not.
        if super::language::is_module(self, node) {
            return Script::No;
        }
        let found = self.find_command(&shebang.program());
        found.map_or(Script::Broken, |(_, found)| Script::Of(found.node))
    }

    /// Reads at most `limit` bytes of a file.
    pub(super) fn read(&self, node: NodeId, limit: u64) -> Result<Vec<u8>, Error> {
        let Some(content) = self.tree().content(node) else {
            return Ok(Vec::new());
        };
        self.input
            .files
            .contents
            .read(content, limit)
            .map_err(|source| self.unreadable(node, source))
    }

    pub(super) fn content(&self, node: NodeId) -> Option<&'a Content> {
        self.tree().content(node)
    }

    pub(super) fn unreadable(&self, node: NodeId, source: std::io::Error) -> Error {
        let path = String::from_utf8_lossy(&self.tree().absolute(node)).into_owned();
        Error::Read { path, source }
    }

    pub(super) fn lacks(&mut self, by: NodeId, name: &[u8], what: &'static str, optional: bool) {
        let name = String::from_utf8_lossy(name).into_owned();
        self.missing.insert(Missing {
            by,
            name,
            what,
            optional,
        });
    }

    /// Looks at every kept file, until none is new.
    pub(super) fn run(&mut self) -> Result<(), Error> {
        while let Some(node) = self.queue.pop_front() {
            self.examine(node)?;
        }
        Ok(())
    }

    fn examine(&mut self, node: NodeId) -> Result<(), Error> {
        let tree = self.tree();
        // What goes has nothing to say.
        let exclude = &self.input.options.exclude;
        if super::matches_any(exclude, &tree.absolute(node)) && !self.preserved.contains(&node) {
            return Ok(());
        }
        match tree.kind(node) {
            NodeKind::Symlink(target) => {
                let target = target.to_vec();
                let found =
                    self.keep_path(tree.parent(node), &target, Some(node), Evidence::Symlink);
                if let Some(found) = found {
                    super::own::keep_linked(self, node, found);
                }
                Ok(())
            }
            NodeKind::File(content) if content.size > 0 && !self.unread.contains(&node) => {
                let first = self.read(node, 256)?;
                if first.starts_with(b"\x7fELF") {
                    return super::program::examine(self, node);
                }
                if !first.starts_with(b"#!") && says_nothing(&tree.path(node)) {
                    return Ok(());
                }
                if self.is_unpackaged(node) && !first.contains(&0) {
                    if super::manifests::is_recipe(tree.name(node)) {
                        return Ok(());
                    }
                    let own = self.is_own(node);
                    if own {
                        super::text::examine_own(self, node)?;
                    }
                    super::spoken::examine(self, node, &first, own)?;
                } else {
                    super::spoken::examine_packaged(self, node, &first)?;
                }
                if super::language::examine(self, node, &first)? {
                    Ok(())
                } else if first.starts_with(b"#!") {
                    super::script::examine(self, node, &first)
                } else if super::script::examine_part(self, node)? {
                    Ok(())
                } else {
                    super::text::examine(self, node, &first)
                }
            }
            _ => Ok(()),
        }
    }

    /// Starts the loader's work for a program.
    pub(super) fn process(&self, program: NodeId) -> Result<Process<'_, 'a>, Error> {
        Process::start(&self.loader, program).map_err(Error::Loader)
    }

    pub(super) fn finish(self) -> Closure {
        let mut graph = self.graph;
        let tree = &self.input.files.tree;
        let options = self.input.options;
        for (patterns, spared) in [
            (&options.exclude, &self.preserved),
            (&options.overlook, &self.repaired),
        ] {
            if patterns.is_empty() {
                continue;
            }
            let kept = graph.nodes().iter().copied();
            let excluded = kept.filter(|node| {
                super::matches_any(patterns, &tree.absolute(*node)) && !spared.contains(node)
            });
            let excluded: HashSet<NodeId> = excluded.collect();
            graph.drop_all(&excluded);
        }
        Closure {
            graph,
            missing: self.missing.into_iter().collect(),
            preserved: self.preserved,
        }
    }
}

/// Returns whether the text of a file that is no script names things without asking for them: what is installed, which a package
/// manager reads, and what has happened (FHS 3.0, 5.10 "/var/log").
fn says_nothing(path: &[u8]) -> bool {
    path.starts_with(b"var/log/") || Class::of(path) == Class::PackageDatabase
}
