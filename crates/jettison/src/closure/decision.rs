//! Which rule decided that a path goes.
//!
//! What stays has a reason that was written down when it was kept. What goes was
//! never thought of, as a rule; this module finds out afterwards which rule would
//! have had to keep it and did not. The order is that of the rules: what the user
//! says, what a path is for, what its package is to the image.

use layer::NodeId;

use super::caches::is_cache;
use super::collector::{Collector, Script};
use super::directories::is_shared;
pub use super::dispensable::Dispensable;
use super::dispensable::why_dispensable;
use super::wanted::is_wanted;
use super::{Closure, Error, Evidence, Graph, Input, companion, package, wanted};
use crate::packages::PackageId;
use crate::packages::classes::Class;

/// Why a path goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// The user excludes it with this pattern.
    Excluded(String),
    /// It is for something that does not happen at run time: documentation, building, …
    Purpose(Class),
    /// History of version control.
    VersionControl,
    /// Source of a language that is compiled ahead of time, or what its compiler left.
    CompiledSource,
    /// What it belongs to stays, and does without it.
    Dispensable(Dispensable),
    /// It repeats what is kept elsewhere.
    Repeated,
    /// A cache that says so, or that a language's manual says may be thrown away.
    BuildCache,
    /// A script whose interpreter does not stay.
    InterpreterGoes(NodeId),
    /// A script whose interpreter the image does not have.
    InterpreterMissing,
    /// A program in the package of a kept one, too large to stay for that alone.
    LargeCompanion {
        /// A kept program of its package.
        beside: Option<NodeId>,
        /// Bytes that it and its libraries would add.
        cost: u64,
    },
    /// Of the base that every system has, single files stay, and nothing kept asks for this one.
    Base(PackageId),
    /// Nothing of its package is used.
    UnusedPackage(PackageId),
    /// Of its package only libraries are used, and it lies in no directory of the package's own.
    LibrariesOnly(PackageId),
    /// A program could ask for it, but was not seen to, and no more than what was seen stays.
    Unseen,
    /// No package has it, and nothing kept asks for it.
    Unnamed,
}

impl Rule {
    /// Returns the name used in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Excluded(_) => "excluded",
            Self::Purpose(class) => purpose(class),
            Self::VersionControl => "version-control",
            Self::CompiledSource => "compiled-source",
            Self::Dispensable(Dispensable::Accelerator) => "accelerator",
            Self::Dispensable(Dispensable::IdleDriver) => "idle-driver",
            Self::Dispensable(Dispensable::Superseded) => "superseded",
            Self::Repeated => "repeated",
            Self::BuildCache => "build-cache",
            Self::InterpreterGoes(_) => "interpreter-goes",
            Self::InterpreterMissing => "interpreter-missing",
            Self::LargeCompanion { .. } => "large-companion",
            Self::Base(_) => "base",
            Self::UnusedPackage(_) => "unused-package",
            Self::LibrariesOnly(_) => "libraries-only",
            Self::Unseen => "unseen",
            Self::Unnamed => "unnamed",
        }
    }
}

fn purpose(class: &Class) -> &'static str {
    match class {
        Class::License => "license",
        Class::Documentation | Class::Man | Class::Info => "documentation",
        Class::Locale(_) => "locale",
        Class::Header | Class::StaticLibrary | Class::PkgConfig => "building",
        Class::DebugSymbols => "debugging",
        Class::ShellCompletion => "shell-completion",
        Class::Lintian => "package-checks",
        Class::SystemdUnit | Class::InitScript => "service-manager",
        Class::CronJob | Class::Logrotate => "housekeeping",
        Class::SecurityPolicy => "security-policy",
        Class::Desktop => "desktop",
        Class::Device => "devices",
        Class::PackageDatabase => "package-database",
        _ => "purpose",
    }
}

/// Tells which rule decided.
pub struct Judge<'a> {
    collector: Collector<'a>,
    graph: &'a Graph,
    wider: Option<&'a Graph>,
}

impl std::fmt::Debug for Judge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").finish_non_exhaustive()
    }
}

impl<'a> Judge<'a> {
    /// Prepares for questions about what `input` came to. `wider` is what it would have come to at the
    /// usual level, where it was a narrower one.
    pub fn new(input: &'a Input<'a>, closure: &'a Closure, wider: Option<&'a Closure>) -> Self {
        Self {
            collector: Collector::new(input),
            graph: &closure.graph,
            wider: wider.map(|closure| &closure.graph),
        }
    }

    /// Returns the rule by which a path goes. Of a path that stays the answer means nothing.
    ///
    /// # Errors
    /// When a program cannot be read.
    pub fn rule(&self, node: NodeId) -> Result<Rule, Error> {
        let tree = self.collector.tree();
        let packages = self.collector.input.packages;
        if let Some(pattern) = self.excluded(node) {
            return Ok(Rule::Excluded(pattern));
        }
        if self.wider.is_some_and(|graph| graph.keeps(node)) {
            return Ok(Rule::Unseen);
        }
        if !is_wanted(tree, node) {
            return Ok(self.unwanted(node));
        }
        if self.is_in_cache(node) {
            return Ok(Rule::BuildCache);
        }
        if let Some(reason) = why_dispensable(&self.collector, node) {
            return Ok(Rule::Dispensable(reason));
        }
        let Some(owner) = packages.owner(node) else {
            return Ok(match self.collector.interpreter(node) {
                Script::Broken => Rule::InterpreterMissing,
                _ => Rule::Unnamed,
            });
        };
        if self.collector.base.contains(&owner) {
            return Ok(Rule::Base(owner));
        }
        let used: Vec<NodeId> = self.kept_files(owner);
        if used.is_empty() {
            return Ok(Rule::UnusedPackage(owner));
        }
        match self.collector.interpreter(node) {
            Script::Of(interpreter) if !self.graph.keeps(interpreter) => {
                return Ok(Rule::InterpreterGoes(interpreter));
            }
            Script::Broken => return Ok(Rule::InterpreterMissing),
            _ => {}
        }
        let beside = used
            .iter()
            .find(|other| package::is_program_in_path(&self.collector, **other));
        let is_companion = package::is_program_in_path(&self.collector, node)
            || package::public_library(tree, node).is_some();
        if is_companion {
            let kept = self.graph.nodes().iter();
            let inodes = kept.map(|node| tree.inode(*node)).collect();
            let cost = companion::cost(&self.collector, node, &inodes)?;
            if cost > companion::LIMIT {
                let beside = beside.copied();
                return Ok(Rule::LargeCompanion { beside, cost });
            }
        }
        Ok(match beside {
            None if is_shared(tree, tree.parent(node)) => Rule::LibrariesOnly(owner),
            _ => Rule::Unnamed,
        })
    }

    /// Returns the interpreter of a script, if the image has it.
    pub fn interpreter(&self, node: NodeId) -> Option<NodeId> {
        match self.collector.interpreter(node) {
            Script::Of(interpreter) => Some(interpreter),
            Script::No | Script::Broken => None,
        }
    }

    /// Returns whether a file could be an entry point: an ELF program or a script that can be executed.
    pub fn is_program(&self, node: NodeId) -> bool {
        let tree = self.collector.tree();
        if tree.content(node).is_none() || tree.mode(node) & 0o111 == 0 {
            return false;
        }
        let name = tree.name(node);
        let is_library = memchr::memmem::find(name, b".so").is_some();
        let first = self.collector.read(node, 4).unwrap_or_default();
        first.starts_with(b"#!") || first == b"\x7fELF" && !is_library
    }

    /// Returns the files of a package that stay for more than being what every image has.
    pub fn kept_files(&self, id: PackageId) -> Vec<NodeId> {
        let files = self.collector.input.packages.files(id).iter();
        let used = |node: &&NodeId| {
            let reason = self.graph.reason(**node);
            reason.is_some_and(|edge| edge.evidence != Evidence::System)
        };
        files.filter(used).copied().collect()
    }

    fn excluded(&self, node: NodeId) -> Option<String> {
        let tree = self.collector.tree();
        let mut patterns = self.collector.input.options.exclude.iter();
        let matches = |pattern: &&String| {
            let mut above = std::iter::successors(Some(node), |node| {
                (*node != tree.root()).then(|| tree.parent(*node))
            });
            above.any(|node| fast_glob::glob_match(pattern.as_bytes(), tree.absolute(node)))
        };
        patterns.find(matches).cloned()
    }

    /// Which part of [`is_wanted`] said no.
    fn unwanted(&self, node: NodeId) -> Rule {
        let tree = self.collector.tree();
        let path = tree.path(node);
        if path.split(|b| *b == b'/').any(wanted::is_version_control) {
            Rule::VersionControl
        } else if wanted::is_repeated(&path) {
            Rule::Repeated
        } else if wanted::is_compiled_source(&path)
            || path.starts_with(wanted::LOCALE_SOURCES.as_bytes())
        {
            Rule::CompiledSource
        } else {
            Rule::Purpose(Class::of(&path))
        }
    }

    fn is_in_cache(&self, node: NodeId) -> bool {
        let tree = self.collector.tree();
        let mut above = std::iter::successors(Some(node), |node| {
            (*node != tree.root()).then(|| tree.parent(*node))
        });
        above.any(|node| is_cache(tree, node))
    }
}
