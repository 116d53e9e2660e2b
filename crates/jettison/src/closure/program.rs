//! ELF programs: their libraries, what they open by name, and what they say.
//!
//! A program is looked at as the process that it becomes: the loader's work is
//! redone ([`crate::loader`]), and every name of a library that stands in one of
//! its objects is tried as dlopen(3) would. Other strings are read as paths,
//! names of variables, and commands.

mod commands;
mod sayings;

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use layer::NodeId;

use self::sayings::Sayings;
use super::collector::Collector;
use super::directories::is_shared;
use super::{Edge, Error, Evidence, facts, gconv, language, mentioned};
use crate::elf::Object;
use crate::loader::{Closure, EdgeKind, Process};
use crate::packages::Format;

/// Shortest name of a program that is no word of a language by chance.
const LONG_NAME: usize = 8;

/// Keeps what a program or library needs.
pub(super) fn examine(collector: &mut Collector<'_>, node: NodeId) -> Result<(), Error> {
    if collector.glanced.contains(&node) {
        return start(collector, node);
    }
    // Once when it comes along, and once more when it is needed for certain.
    let certain = collector.is_kept_for_certain(node) && collector.certain.insert(node);
    if !collector.loaded.insert(node) && !certain {
        return Ok(());
    }
    let mut sayings = HashMap::new();
    let closure = match load(collector, node, &mut sayings)? {
        Some(closure) => closure,
        None => return Ok(()),
    };
    keep_edges(collector, &closure);
    // A name in a string that no library has is no lack.
    for unmet in closure
        .missing
        .iter()
        .filter(|unmet| unmet.kind != EdgeKind::Opened)
    {
        collector.lacks(unmet.from, &unmet.name, "library", unmet.optional);
    }
    for object_node in closure.objects {
        let first_time = object_node == node || collector.loaded.insert(object_node);
        let Some(object) = collector
            .loader
            .object(object_node)
            .map_err(Error::Loader)?
        else {
            continue;
        };
        if first_time {
            let said = sayings.remove(&object_node).unwrap_or_default();
            super::login::examine(collector, object_node, &object, said.is_interpreter());
            follow(collector, object_node, &object, &said)?;
        }
    }
    Ok(())
}

/// Keeps what it takes to start a program.
fn start(collector: &mut Collector<'_>, node: NodeId) -> Result<(), Error> {
    let closure = process(collector, node)?.map(Process::into_closure);
    if let Some(closure) = closure {
        keep_edges(collector, &closure);
    }
    Ok(())
}

fn keep_edges(collector: &mut Collector<'_>, closure: &Closure) {
    for edge in &closure.edges {
        let name = String::from_utf8_lossy(&edge.name).into_owned();
        let evidence = match edge.kind {
            EdgeKind::Interpreter => Evidence::Interpreter,
            EdgeKind::Opened => Evidence::Dlopen,
            _ => Evidence::Needed,
        };
        collector.keep_links(&edge.links, Some(edge.from), &name);
        collector.keep(edge.to, Edge::new(Some(edge.from), evidence, name));
    }
}

/// Loads the process, and what its objects open by name. What the program says, and objects that are met for the
/// first time, is put into `sayings`.
fn load(
    collector: &Collector<'_>,
    program: NodeId,
    sayings: &mut HashMap<NodeId, Sayings>,
) -> Result<Option<Closure>, Error> {
    let Some(mut process) = process(collector, program)? else {
        return Ok(None);
    };
    let mut next = 0;
    while let Some(node) = process.closure().objects.get(next).copied() {
        next += 1;
        let Some(object) = collector.loader.object(node).map_err(Error::Loader)? else {
            continue;
        };
        let known = collector.named_libraries.borrow().get(&node).cloned();
        let libraries = match known.filter(|_| node != program) {
            Some(known) => known,
            None => {
                let said = Sayings::of(collector, node, &object)?;
                let libraries = Rc::new(said.libraries.clone());
                let mut known = collector.named_libraries.borrow_mut();
                known.insert(node, Rc::clone(&libraries));
                sayings.insert(node, said);
                libraries
            }
        };
        // What came along opens what it names itself; what its libraries could open besides is for
        // other programs that have them.
        let is_root = node == program || collector.is_kept_for_certain(program);
        for name in libraries.iter().filter(|_| is_root) {
            process.open(node, name).map_err(Error::Loader)?;
        }
        let noted = object.dlopen.iter().filter(|_| is_root);
        let noted = noted.flat_map(|note| note.sonames.iter());
        for name in noted {
            process.open(node, name.as_ref()).map_err(Error::Loader)?;
        }
    }
    Ok(Some(process.into_closure()))
}

/// Returns the process that a program becomes, if it is one that can be loaded.
fn process<'c, 'a>(
    collector: &'c Collector<'a>,
    program: NodeId,
) -> Result<Option<Process<'c, 'a>>, Error> {
    let object = collector.loader.object(program).map_err(Error::Loader)?;
    if object.is_none() {
        return Ok(None);
    }
    match collector.process(program) {
        Ok(process) => Ok(Some(process)),
        Err(Error::Loader(error)) => {
            tracing::debug!("passed over: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Keeps the files whose ends an object names in directories that it names, and which are not everybody's.
fn keep_put_together(collector: &mut Collector<'_>, node: NodeId, said: &Sayings) {
    let tree = collector.tree();
    let directories = said.paths.iter();
    let directories = directories.filter_map(|path| Some(tree.resolve(path).ok()?.node));
    let directories: BTreeSet<NodeId> = directories
        .filter(|found| tree.is_directory(*found) && !is_shared(tree, *found))
        .collect();
    for directory in directories {
        for end in &said.ends {
            collector.keep_path(directory, end, Some(node), Evidence::Path);
        }
    }
}

/// Keeps the list of installed packages for what names the directory that it is in: entry points ask `dpkg-query` for the
/// version of their server, and which of its settings were changed. What the list says is made true of what remains.
fn keep_databases(collector: &mut Collector<'_>, node: NodeId, said: &Sayings) {
    let tree = collector.tree();
    for database in collector.input.packages.databases() {
        let directory = tree.absolute(tree.parent(database.node));
        let is_named = said.paths.contains(&directory);
        if database.format == Format::Dpkg && is_named {
            let edge = Edge::new(Some(node), Evidence::Path, directory);
            collector.keep(database.node, edge);
        }
    }
}

/// Acts on what an object says.
fn follow(
    collector: &mut Collector<'_>,
    node: NodeId,
    object: &Object,
    said: &Sayings,
) -> Result<(), Error> {
    facts::examine(collector, node, object, &said.facts);
    let root = collector.tree().root();
    for path in &said.places {
        match collector.tree().resolve(path) {
            Ok(found) if !collector.tree().is_directory(found.node) => {}
            _ => continue,
        }
        let edge = Edge::new(Some(node), Evidence::Path, path);
        mentioned::keep_mentioned(collector, root, path, &edge);
    }
    for path in &said.paths {
        let edge = Edge::new(Some(node), Evidence::Path, path);
        mentioned::keep_mentioned(collector, root, path, &edge);
    }
    keep_put_together(collector, node, said);
    if collector.is_kept_for_certain(node) {
        keep_databases(collector, node, said);
    }
    // A string is weak evidence: too weak for what merely came along. An interpreter starts what its scripts
    // say; its own words are those of a language.
    let is_interpreter = said.is_interpreter();
    let speaks = collector.is_kept_for_certain(node) && !is_interpreter;
    // Of a long name that somebody installed a program by, that is not to be feared.
    let is_long = |name: &&Vec<u8>| name.len() >= LONG_NAME;
    let commands: Vec<&Vec<u8>> = match (speaks, collector.is_kept_for_certain(node)) {
        (true, _) => said.commands.iter().collect(),
        (false, true) => {
            let long = said.commands.iter().filter(is_long);
            long.filter(|name| collector.asked_for(name)).collect()
        }
        (false, false) => Vec::new(),
    };
    let is_base = is_of_base(collector, node);
    // Such as `tar`, which has a shell start what it compresses with.
    let by_shell = speaks && is_base && said.has_shell;
    let shell_commands = by_shell.then_some(&said.shell_commands);
    let strong = commands.into_iter().map(|name| (name, is_base));
    let cheap = shell_commands
        .into_iter()
        .chain(speaks.then_some(&said.piped))
        // What a whole line asks of a shell is meant, even by what merely came along.
        .chain((!is_interpreter).then_some(&said.line_commands));
    let cheap = cheap.flatten().map(|name| (name, true));
    for (name, cheap_only) in strong.chain(cheap) {
        let edge = Edge::new(Some(node), Evidence::Spawn, name);
        // The tools of the base system know many words: only next to nothing stays by them.
        super::companion::word_found(collector, name, &edge, cheap_only);
    }
    if collector.is_kept_for_certain(node) && !is_interpreter {
        for script in &said.scripts {
            super::script::named(collector, *script)?;
        }
    }
    for name in &said.variables {
        let Some(value) = collector.environment.get(name).cloned() else {
            continue;
        };
        let edge = Edge::new(
            Some(node),
            Evidence::ConfigUser,
            format!("ENV {}", String::from_utf8_lossy(name)),
        );
        for part in value.split(|b| *b == b':') {
            mentioned::keep_mentioned(collector, root, part, &edge);
        }
    }
    if object.imports.contains(b"iconv_open") {
        gconv::keep(
            collector,
            node,
            object,
            &said.charsets,
            said.is_about_charsets,
        );
    }
    for module in &said.modules {
        language::python::wanted_by(collector, node, module);
    }
    super::package::library_found(collector, node);
    for language in &said.languages {
        language::keep(collector, *language, node);
    }
    Ok(())
}

/// Returns whether a file is of a package that every system has.
fn is_of_base(collector: &Collector<'_>, node: NodeId) -> bool {
    let owner = collector.input.packages.owner(node);
    owner.is_some_and(|owner| collector.base.contains(&owner))
}
