//! Python: the standard library of an interpreter, and the distributions that
//! are imported.
//!
//! - `index`, `site`: what is installed, and which files are of what;
//! - `distribution`, `marker`: the formats in which distributions describe themselves;
//! - `library`: which parts of the standard library few programs need;
//! - `environments`: which interpreters and virtual environments are used;
//! - `modules`, `settle`: which distributions are needed, by what is imported and required;
//! - `requested`: and by what was named to the installer.
//!
//! This module looks at sources: each says what it imports, what it names, and
//! which programs and libraries it asks for.

mod distribution;
mod environments;
mod index;
mod library;
mod marker;
mod modules;
mod requested;
mod required;
mod settle;
mod site;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use layer::NodeId;

use super::{Language, application};
use crate::closure::collector::{Collector, Script};
use crate::closure::units::{Owner, UnitId};
use crate::closure::{Error, Evidence, libraries};
use crate::elf::Object;
use crate::source::{self, python as source_python};
use index::Index;

/// CPython, PyPy, and whatever embeds them.
pub(super) struct Python;

/// What is known so far.
#[derive(Debug, Default)]
pub(in crate::closure) struct State {
    index: Index,
    /// Interpreters, and libraries that are one.
    interpreters: BTreeSet<NodeId>,
    scanned: HashSet<NodeId>,
    wants: Vec<Want>,
    /// Names in texts of the application, as long as no interpreter is needed for certain: a word in a script for a
    /// shell is no module where Python merely came along with a library.
    words: Vec<Want>,
    /// How many of the wants were looked at, with which environments.
    done: usize,
    active: BTreeSet<usize>,
    /// Groups of entry points, and from where somebody looks them up.
    groups: BTreeMap<(String, Place), NodeId>,
    /// Wanted extras of distributions.
    extras: HashMap<UnitId, BTreeSet<String>>,
    /// Units that work by hooks at the start of the interpreter, by what they provide.
    hooked: HashMap<String, Vec<UnitId>>,
    seen_hooks: HashSet<NodeId>,
    reads_stubs: bool,
}

/// Returns whether a file is of a distribution.
pub(in crate::closure) fn is_installed(collector: &Collector<'_>, node: NodeId) -> bool {
    let distributions = &collector.python.index.distributions;
    let unit = collector.units.of(node);
    unit.is_some_and(|unit| distributions.contains_key(&unit))
}

/// Returns whether an object has to do with Python (Python/C API: "all user visible names" begin with `Py`), and is not of
/// a distribution, which says itself what it requires: a plug-in of a server, which has what its strings name imported.
pub(in crate::closure) fn imports(
    collector: &Collector<'_>,
    node: NodeId,
    object: &Object,
) -> bool {
    let mut names = object.imports.iter();
    names.any(|name| name.starts_with(b"Py")) && collector.units.of(node).is_none()
}

/// Returns the installed module that a string names, if it does.
pub(in crate::closure) fn module<'t>(collector: &Collector<'_>, text: &'t [u8]) -> Option<&'t str> {
    let text = std::str::from_utf8(text).ok()?;
    let top = text.split('.').next()?;
    let is_module = is_dotted_name(text) && collector.python.index.tops.contains(top);
    is_module.then_some(text)
}

/// Notes that a program or library imports a module.
pub(in crate::closure) fn wanted_by(collector: &mut Collector<'_>, from: NodeId, module: &str) {
    collector.python.wants.push(Want {
        from,
        place: Place::System,
        what: What::Module {
            base: None,
            module: module.to_owned(),
            names: Vec::new(),
            how: How::Imports,
        },
    });
}

/// Something that a source asks for.
#[derive(Debug, Clone)]
struct Want {
    from: NodeId,
    place: Place,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// A module and what is imported from it; relative ones from a directory.
    Module {
        base: Option<NodeId>,
        module: String,
        names: Vec<String>,
        how: How,
    },
    /// A module or distribution that is named in a text.
    Name(String),
    /// Modules whose names begin so.
    Prefix(String),
}

/// How a source asks for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum How {
    /// By a statement.
    Imports,
    /// By a statement after `try`.
    Tries,
    /// A text names it.
    Names,
}

/// Where a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    /// In the standard library.
    Library,
    /// In a directory of distributions.
    Site(NodeId),
    /// Of the application.
    Application,
    /// Of a package of the system.
    System,
}

impl Language for Python {
    fn variables(&self) -> &'static [&'static str] {
        &["PYTHONPATH", "PYTHONHASHSEED"]
    }

    fn prepare(&self, collector: &mut Collector<'_>) {
        collector.python.index = index::build(collector);
        environments::index_hooks(collector);
    }

    fn keep(&self, collector: &mut Collector<'_>, interpreter: NodeId) {
        environments::keep_library(collector, interpreter);
    }

    fn examine(
        &self,
        collector: &mut Collector<'_>,
        node: NodeId,
        first: &[u8],
    ) -> Result<bool, Error> {
        if collector.python.index.libraries.is_empty() {
            return Ok(false);
        }
        if !is_source(collector, node, first) {
            examine_text(collector, node, first)?;
            return Ok(false);
        }
        let place = place(collector, node);
        if matches!(place, Place::Application) && super::is_entry(collector, node) {
            crate::closure::own::keep_application(collector, node);
        }
        if collector.python.scanned.insert(node) {
            let text = collector.read(node, source::MAX_SOURCE)?;
            let said = source_python::scan(&text);
            follow(collector, node, place, &said);
        }
        Ok(!first.starts_with(b"#!"))
    }

    fn settle(&self, collector: &mut Collector<'_>) -> Result<bool, Error> {
        settle::settle(collector)
    }

    fn has_module(&self, collector: &Collector<'_>, node: NodeId) -> bool {
        collector.tree().name(node).ends_with(b".py")
            && matches!(place(collector, node), Place::Library | Place::Site(_))
    }

    fn owner(&self) -> Option<Owner> {
        Some(Owner::Python)
    }
}

fn is_source(collector: &Collector<'_>, node: NodeId, first: &[u8]) -> bool {
    let name = collector.tree().name(node);
    if name.ends_with(b".py") || name.ends_with(b".pyw") {
        return true;
    }
    if first.starts_with(b"#!") {
        let interpreter = match collector.interpreter(node) {
            Script::Of(interpreter) => collector.tree().name(interpreter),
            _ => return false,
        };
        return interpreter.starts_with(b"python") || interpreter.starts_with(b"pypy");
    }
    false
}

fn place(collector: &Collector<'_>, node: NodeId) -> Place {
    let tree = collector.tree();
    let index = &collector.python.index;
    let mut at = node;
    while at != tree.root() {
        let name = tree.name(at);
        if [&b"site-packages"[..], b"dist-packages"].contains(&name) {
            return Place::Site(at);
        }
        if index
            .libraries
            .iter()
            .any(|library| library.directory == at)
        {
            return Place::Library;
        }
        at = tree.parent(at);
    }
    match collector.input.packages.owner(node).is_some() || collector.units.of(node).is_some() {
        true => Place::System,
        false => Place::Application,
    }
}

/// Takes what a source says.
fn follow(collector: &mut Collector<'_>, node: NodeId, place: Place, said: &source_python::Source) {
    follow_literals(collector, node, place, said);
    if place == Place::Application && said.starts_programs {
        // subprocess with `shell=True` (subprocess.py, `unix_shell`), os.system, os.popen.
        application::keep_command(collector, node, "/bin/sh", true);
    }
    if place == Place::Library {
        return; // it imports itself, and stays but for what is set apart
    }
    let tree = collector.tree();
    if is_installer_script(collector, node, place)
        || place == Place::Application && is_test(tree.name(node))
    {
        return;
    }
    for import in &said.imports {
        let mut base = None;
        for _ in 0..import.level.min(64) {
            base = Some(tree.parent(base.unwrap_or(node)));
        }
        let (module, names) = (import.module.clone(), import.names.clone());
        collector.python.wants.push(Want {
            from: node,
            place,
            what: What::Module {
                base,
                module,
                names,
                how: match import.is_tried {
                    true => How::Tries,
                    false => How::Imports,
                },
            },
        });
    }
}

/// Tests of an application are run where it is built; the names are those that pytest looks for.
fn is_test(name: &[u8]) -> bool {
    name.starts_with(b"test_") && name.ends_with(b".py")
        || name.ends_with(b"_test.py")
        || name == b"conftest.py"
}

/// `setup.py` beside no package is run by installers (setuptools, "setup.py").
fn is_installer_script(collector: &Collector<'_>, node: NodeId, place: Place) -> bool {
    let tree = collector.tree();
    place == Place::Application
        && tree.name(node) == b"setup.py"
        && tree.child(tree.parent(node), b"__init__.py").is_none()
}

/// "pip is a command line program" and has no interface for import (pip documentation, "Using pip from your
/// program"): what others name by this word is a command that installs.
const INSTALLER: &str = "pip";

fn follow_literals(
    collector: &mut Collector<'_>,
    node: NodeId,
    place: Place,
    said: &source_python::Source,
) {
    let ours = matches!(place, Place::Application);
    for found in &said.literals {
        let text = found.text.as_str();
        if text.starts_with('/') {
            // The library names its own build; what it reads are files, and lists of directories.
            if place != Place::Library
                || text.contains(':')
                || application::is_file(collector, text)
            {
                application::keep_path(collector, node, text, ours);
            }
            continue;
        }
        if place == Place::Library {
            continue;
        }
        let callee = found.callee.as_deref().unwrap_or_default();
        if found.first
            && (COMMANDS.contains(&callee) || ours && callee.is_empty() && said.starts_programs)
        {
            application::keep_command(collector, node, text, ours);
        }
        if text.starts_with("lib") && text.contains(".so") {
            libraries::keep(collector, node, text.as_bytes());
        } else if callee == "find_library" && !text.contains('/') {
            libraries::keep(collector, node, format!("lib{text}.so").as_bytes());
        }
        if ours && !text.contains(' ') {
            name_words(collector, node, text);
        }
        let python = &mut collector.python;
        if python.index.groups.contains(text) && !GROUPS_OF_PROGRAMS.contains(&text) {
            let key = (text.to_owned(), place);
            python.groups.entry(key).or_insert(node);
        }
        python.reads_stubs |= text.ends_with(".pyi") && text.len() < 64;
        let mut want = |what| {
            python.wants.push(Want {
                from: node,
                place,
                what,
            })
        };
        if said.lists_modules && text.len() > 2 && text.ends_with(['_', '-']) {
            want(What::Prefix(text.to_owned()));
        }
        if found.first && callee == LOADS_ENTRY_POINT {
            if let Some(required) = distribution::requirement(text) {
                want(What::Name(required.name));
            }
            continue;
        }
        if ours {
            continue;
        }
        let module = text.split(':').next().unwrap_or_default();
        let dotted = module.contains('.') && is_dotted_name(module);
        let loaded = LOADERS
            .iter()
            .any(|part| callee.to_ascii_lowercase().contains(part));
        if module == INSTALLER {
            continue;
        }
        if dotted || is_dotted_name(module) && (loaded || said.is_dynamic) {
            let module = module.to_owned();
            want(What::Module {
                base: None,
                module,
                names: Vec::new(),
                how: How::Names,
            });
        }
    }
    if said.finds_libraries && place != Place::Library {
        // ctypes.util.find_library asks it (ctypes/util.py, `_findSoname_ldconfig`).
        application::keep_command(collector, node, "/sbin/ldconfig", true);
    }
}

/// Functions that start a program, of subprocess, os, shutil, asyncio and pexpect, and that look one up, of distutils
/// and Ansible; and what lists are called that are given to one elsewhere.
const COMMANDS: &[&str] = &[
    "run",
    "Popen",
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "system",
    "popen",
    "which",
    "find_executable",
    "get_bin_path",
    "cmd",
    "command",
    "execv",
    "execvp",
    "execvpe",
    "execlp",
    "spawnv",
    "spawnvp",
    "spawnlp",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "posix_spawnp",
    "spawn",
];

/// What programs call that setuptools wrote: `load_entry_point('csvkit==1.0.7', 'console_scripts', 'csvsql')`.
const LOADS_ENTRY_POINT: &str = "load_entry_point";

/// Parts of names of functions that take the name of a module.
const LOADERS: &[&str] = &[
    "import", "module", "spec", "package", "lazy", "plugin", "load",
];

/// Entry points of these groups are programs, which installers wrote to `bin` (entry points specification).
const GROUPS_OF_PROGRAMS: &[&str] = &["console_scripts", "gui_scripts"];

fn is_dotted_name(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Words of a text that could be names of modules or distributions.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c));
    text.split(outside)
        .map(|word| word.trim_matches(['.', '-']))
        .filter(|word| !word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()))
}

/// Settings and scripts of an application name what it loads: `worker_class: gevent`.
fn examine_text(collector: &mut Collector<'_>, node: NodeId, first: &[u8]) -> Result<(), Error> {
    if !application::is_text(collector, node, first) || !collector.python.scanned.insert(node) {
        return Ok(());
    }
    if place(collector, node) != Place::Application {
        return Ok(());
    }
    let text = collector.read(node, application::MAX_TEXT)?;
    let text = String::from_utf8_lossy(&text);
    name_words(collector, node, &text);
    Ok(())
}

fn name_words(collector: &mut Collector<'_>, node: NodeId, text: &str) {
    for word in words(text) {
        let python = &mut collector.python;
        let top = word.split('.').next().unwrap_or_default();
        let known = python.index.tops.contains(top)
            || python
                .index
                .installed
                .contains(&distribution::normalise(word));
        if known {
            let what = What::Name(word.to_owned());
            python.wants.push(Want {
                from: node,
                place: Place::Application,
                what,
            });
        }
    }
}

/// Returns whether a file is kept for a reason that says it is used.
fn is_used(collector: &Collector<'_>, node: NodeId) -> bool {
    let reason = collector.graph.reason(node);
    reason.is_some_and(|edge| edge.evidence != Evidence::Directory)
}
