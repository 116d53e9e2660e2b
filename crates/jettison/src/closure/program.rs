//! ELF programs: their libraries, what they open by name, and what they say.
//!
//! A program is looked at as the process that it becomes: the loader's work is
//! redone ([`crate::loader`]), and every name of a library that stands in one of
//! its objects is tried as dlopen(3) would. Other strings are read as paths,
//! names of variables, and commands.

mod commands;

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::rc::Rc;

use layer::NodeId;

use self::commands::{Commands, is_word, line_words, piped};
use super::collector::Collector;
use super::directories::is_shared;
use super::{Edge, Error, Evidence, facts, gconv, language, mentioned};
use crate::elf::{self, Object, TreeFile, pointers, references, strings};
use crate::loader::{Closure, EdgeKind, Process};

/// Longest string that is taken for a path or a command line; what is longer is text.
const LONGEST: usize = 1024;

/// Shortest name of a program that is no word of a language by chance.
const LONG_NAME: usize = 8;

/// What the strings of one object say.
#[derive(Debug, Default)]
pub(super) struct Sayings {
    /// Names of libraries, without a slash.
    libraries: BTreeSet<Vec<u8>>,
    /// Paths from the root, perhaps with a tail that is computed.
    paths: BTreeSet<Vec<u8>>,
    /// Ends of paths in directories that are put in front: `bin/R` of `%s/bin/R`.
    ends: BTreeSet<Vec<u8>>,
    /// Paths in a row of strings with nothing between them. A directory among
    /// them says nothing: Go programs carry the one that Go was built in.
    places: BTreeSet<Vec<u8>>,
    /// First words of what could be command lines.
    commands: BTreeSet<Vec<u8>>,
    /// The same, of an object that starts a shell by its path, and so may have it run what it says.
    shell_commands: BTreeSet<Vec<u8>>,
    /// Every command of lines that a shell is given.
    line_commands: BTreeSet<Vec<u8>>,
    /// Scripts of packages in PATH that it names, of an object that starts programs.
    scripts: BTreeSet<NodeId>,
    /// Words after a pipe, in lines for a shell.
    piped: BTreeSet<Vec<u8>>,
    /// Whether it says where a shell is.
    has_shell: bool,
    /// Whether it is one: it knows the variable of `getopts` (POSIX, "Shell Command Language").
    is_shell: bool,
    /// Variables of the environment that the image sets.
    variables: BTreeSet<Vec<u8>>,
    /// What could be names of character sets, of objects that convert between them.
    charsets: BTreeSet<Vec<u8>>,
    /// Whether it has prose about those.
    is_about_charsets: bool,
    /// Modules of Python that it imports.
    modules: BTreeSet<String>,
    /// Facts that it shows.
    facts: BTreeSet<usize>,
    /// Languages whose interpreter this is.
    languages: BTreeSet<usize>,
}

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
                let said = read_sayings(collector, node, &object)?;
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

fn read_sayings(
    collector: &Collector<'_>,
    node: NodeId,
    object: &Object,
) -> Result<Sayings, Error> {
    let mut said = Sayings::default();
    let Some(content) = collector.content(node) else {
        return Ok(said);
    };
    let file = TreeFile {
        contents: &collector.input.files.contents,
        content,
    };
    let commands = Commands::of(object);
    let is_libc = facts::is_c_library(object);
    let starts = commands::starts(object);
    let converts = !is_libc && object.imports.contains(b"iconv_open");
    let imports = language::python::imports(collector, node, object);
    let outcome = strings::terminated(file, &object.data, |text| {
        if text.len() > LONGEST {
            return;
        }
        if text.contains(&b'/') {
            if !is_libc && !object.go {
                said.add_paths(text);
            }
        } else if memchr::memmem::find(text, b".so").is_some()
            && is_word(text)
            && (!is_libc || facts::C_LIBRARY_OPENS.contains(&text))
        {
            said.libraries.insert(text.to_vec());
        }
        if collector.environment.contains_key(text) {
            said.variables.insert(text.to_vec());
        }
        said.languages.extend(language::of_variable(text));
        said.facts.extend(facts::of_string(text));
        if imports {
            said.modules
                .extend(language::python::module(collector, text).map(str::to_owned));
        }
        if converts && gconv::is_name(text) {
            said.charsets.insert(text.to_vec());
        }
        said.is_about_charsets |= converts && gconv::is_about(text);
        if let Some(word) = commands.word(text) {
            said.commands.insert(word.to_vec());
            if word.len() < text.len() {
                said.line_commands.extend(line_words(text));
            }
        }
        if starts && is_word(text) {
            said.scripts.extend(collector.script_in_path(text));
        }
        if commands.lines && memchr::memmem::find(text, b"| ").is_some() {
            let pipes = memchr::memmem::find_iter(text, b"| ");
            said.piped.extend(
                pipes
                    .filter_map(|at| piped(&text[at..]))
                    .map(<[u8]>::to_vec),
            );
        }
        if commands.by_path && is_word(text) {
            said.shell_commands.insert(text.to_vec());
        }
        said.has_shell |= text == b"/bin/sh";
        said.is_shell |= text == b"OPTIND";
    });
    outcome.map_err(|error| collector.unreadable(node, std::io::Error::other(error)))?;
    let unreadable = |error| collector.unreadable(node, std::io::Error::other(error));
    if commands.by_path && said.has_shell && is_of_base(collector, node) {
        let places = pointers(file).map_err(unreadable)?;
        let words = tails_of(file, object, &places).map_err(unreadable)?;
        said.shell_commands.extend(words);
    }
    if commands.names {
        let places = references(file).map_err(unreadable)?;
        let words = tails_of(file, object, &places).map_err(unreadable)?;
        said.commands.extend(words);
    }
    if object.go || object.is_static() {
        let outcome = strings::occurrences(file, &object.data, b"| ", |place| {
            said.piped.extend(piped(place.from).map(<[u8]>::to_vec));
            ControlFlow::Continue(())
        });
        outcome.map_err(|error| collector.unreadable(node, std::io::Error::other(error)))?;
        let outcome = strings::occurrences(file, &object.data, b"/", |place| {
            if let Some(path) = longest_path(collector, place.from) {
                said.places.insert(path);
            }
            ControlFlow::Continue(())
        });
        outcome.map_err(|error| collector.unreadable(node, std::io::Error::other(error)))?;
    }
    Ok(said)
}

/// Returns the words that begin at these places, inside of strings.
fn tails_of(
    file: TreeFile<'_>,
    object: &Object,
    places: &[u64],
) -> Result<BTreeSet<Vec<u8>>, elf::Error> {
    let mut words = BTreeSet::new();
    strings::tails(file, &object.data, places, |tail| {
        if is_word(tail) {
            words.insert(tail.to_vec());
        }
    })?;
    Ok(words)
}

impl Sayings {
    /// Whether it is one that runs what others write.
    fn is_interpreter(&self) -> bool {
        self.is_shell || !self.languages.is_empty()
    }

    /// Adds the paths of a string: `/etc/a`, `/etc/a:/etc/b`, `prefix=/etc/a`, `/etc/%s.conf`.
    fn add_paths(&mut self, text: &[u8]) {
        for part in text.split(|b| b":;, =\"'<>()\t\n".contains(b)) {
            let end = part.strip_prefix(b"%s/").unwrap_or_default();
            if !end.is_empty() && !end.contains(&b'%') {
                self.ends.insert(end.to_vec());
            }
            let fixed = match part.iter().position(|b| *b == b'%') {
                // What precedes the last slash is a directory.
                Some(percent) => match part[..percent].iter().rposition(|b| *b == b'/') {
                    Some(slash) => &part[..slash],
                    None => continue,
                },
                None => part,
            };
            if fixed.starts_with(b"/") && fixed.len() > 2 {
                self.paths.insert(fixed.to_vec());
            }
        }
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

/// Returns the path of the image that stands at the beginning of `bytes`, in a
/// row of strings with nothing between them. Its first component must match
/// whole; of the others the longest that exists counts.
fn longest_path(collector: &Collector<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    let tree = collector.tree();
    let plain = |b: &u8| b.is_ascii_graphic() && *b != b'/';
    let mut at = tree.root();
    let mut length = 0;
    let mut depth = 0;
    while bytes.get(length) == Some(&b'/') {
        let rest = &bytes[length + 1..];
        let end = rest
            .iter()
            .take(256)
            .position(|b| !plain(b))
            .unwrap_or(rest.len().min(256));
        let exact =
            (rest.get(end) == Some(&b'/') || depth > 0).then(|| tree.child(at, &rest[..end]));
        let (child, taken) = match exact.flatten() {
            Some(child) => (child, end),
            None if depth == 0 => return None,
            None => {
                let shorter = (1..end)
                    .rev()
                    .find_map(|to| Some((tree.child(at, &rest[..to])?, to)));
                match shorter {
                    Some(found) => found,
                    None => break,
                }
            }
        };
        length += 1 + taken;
        depth += 1;
        at = match tree.link_target(child) {
            Some(_) => tree.resolve(&bytes[..length]).ok()?.node,
            None => child,
        };
    }
    (depth > 1).then(|| bytes[..length].to_vec())
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
