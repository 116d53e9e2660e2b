//! What an object says: its strings, as names of libraries, paths, commands, and what else they can be.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use layer::NodeId;

use super::commands::{self, Commands, is_word, line_words, piped};
use super::is_of_base;
use crate::closure::collector::Collector;
use crate::closure::{Error, facts, gconv, language};
use crate::elf::{self, Object, TreeFile, pointers, references, strings};

/// Longest string that is taken for a path or a command line; what is longer is text.
const LONGEST: usize = 1024;

/// What the strings of one object say.
#[derive(Debug, Default)]
pub(super) struct Sayings {
    /// Names of libraries, without a slash.
    pub(super) libraries: BTreeSet<Vec<u8>>,
    /// Paths from the root, perhaps with a tail that is computed.
    pub(super) paths: BTreeSet<Vec<u8>>,
    /// Ends of paths in directories that are put in front: `bin/R` of `%s/bin/R`.
    pub(super) ends: BTreeSet<Vec<u8>>,
    /// Paths in a row of strings with nothing between them. A directory among
    /// them says nothing: Go programs carry the one that Go was built in.
    pub(super) places: BTreeSet<Vec<u8>>,
    /// First words of what could be command lines.
    pub(super) commands: BTreeSet<Vec<u8>>,
    /// The same, of an object that starts a shell by its path, and so may have it run what it says.
    pub(super) shell_commands: BTreeSet<Vec<u8>>,
    /// Every command of lines that a shell is given.
    pub(super) line_commands: BTreeSet<Vec<u8>>,
    /// Scripts of packages in PATH that it names, of an object that starts programs.
    pub(super) scripts: BTreeSet<NodeId>,
    /// Words after a pipe, in lines for a shell.
    pub(super) piped: BTreeSet<Vec<u8>>,
    /// Whether it says where a shell is.
    pub(super) has_shell: bool,
    /// Whether it is one: it knows the variable of `getopts` (POSIX, "Shell Command Language").
    pub(super) is_shell: bool,
    /// Variables of the environment that the image sets.
    pub(super) variables: BTreeSet<Vec<u8>>,
    /// What could be names of character sets, of objects that convert between them.
    pub(super) charsets: BTreeSet<Vec<u8>>,
    /// Whether it has prose about those.
    pub(super) is_about_charsets: bool,
    /// Modules of Python that it imports.
    pub(super) modules: BTreeSet<String>,
    /// Facts that it shows.
    pub(super) facts: BTreeSet<usize>,
    /// Languages whose interpreter this is.
    pub(super) languages: BTreeSet<usize>,
}

/// The object that is read.
struct Speaker<'s, 'a> {
    collector: &'s Collector<'a>,
    node: NodeId,
    object: &'s Object,
    file: TreeFile<'a>,
    commands: Commands,
}

impl Speaker<'_, '_> {
    /// Returns the words that begin at these places, inside of strings.
    fn tails(&self, places: &[u64]) -> Result<BTreeSet<Vec<u8>>, elf::Error> {
        let mut words = BTreeSet::new();
        strings::tails(self.file, &self.object.data, places, |tail| {
            if is_word(tail) {
                words.insert(tail.to_vec());
            }
        })?;
        Ok(words)
    }
}

impl Sayings {
    /// Reads them.
    pub(super) fn of(
        collector: &Collector<'_>,
        node: NodeId,
        object: &Object,
    ) -> Result<Self, Error> {
        let mut said = Self::default();
        let Some(content) = collector.content(node) else {
            return Ok(said);
        };
        let contents = &collector.input.files.contents;
        let speaker = Speaker {
            collector,
            node,
            object,
            file: TreeFile { contents, content },
            commands: Commands::of(object),
        };
        let unreadable = |error| collector.unreadable(node, std::io::Error::other(error));
        said.add_strings(&speaker).map_err(unreadable)?;
        said.add_tails(&speaker).map_err(unreadable)?;
        if object.go || object.is_static() {
            said.add_places(&speaker).map_err(unreadable)?;
        }
        Ok(said)
    }

    /// Whether it is one that runs what others write.
    pub(super) fn is_interpreter(&self) -> bool {
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

    /// Adds the whole strings.
    fn add_strings(&mut self, speaker: &Speaker<'_, '_>) -> Result<(), elf::Error> {
        let Speaker {
            collector,
            object,
            commands,
            ..
        } = *speaker;
        let is_libc = facts::is_c_library(object);
        let starts = commands::starts(object);
        let converts = !is_libc && object.imports.contains(b"iconv_open");
        let imports = language::python::imports(collector, speaker.node, object);
        strings::terminated(speaker.file, &object.data, |text| {
            if text.len() > LONGEST {
                return;
            }
            if text.contains(&b'/') {
                if !is_libc && !object.go {
                    self.add_paths(text);
                }
            } else if memchr::memmem::find(text, b".so").is_some()
                && is_word(text)
                && (!is_libc || facts::C_LIBRARY_OPENS.contains(&text))
            {
                self.libraries.insert(text.to_vec());
            }
            if collector.environment.contains_key(text) {
                self.variables.insert(text.to_vec());
            }
            self.languages.extend(language::of_variable(text));
            self.facts.extend(facts::of_string(text));
            if imports {
                self.modules
                    .extend(language::python::module(collector, text).map(str::to_owned));
            }
            if converts && gconv::is_name(text) {
                self.charsets.insert(text.to_vec());
            }
            self.is_about_charsets |= converts && gconv::is_about(text);
            if let Some(word) = commands.word(text) {
                self.commands.insert(word.to_vec());
                if word.len() < text.len() {
                    self.line_commands.extend(line_words(text));
                }
            }
            if starts && is_word(text) {
                self.scripts.extend(collector.script_in_path(text));
            }
            if commands.lines && memchr::memmem::find(text, b"| ").is_some() {
                let pipes = memchr::memmem::find_iter(text, b"| ");
                self.piped.extend(
                    pipes
                        .filter_map(|at| piped(&text[at..]))
                        .map(<[u8]>::to_vec),
                );
            }
            if commands.by_path && is_word(text) {
                self.shell_commands.insert(text.to_vec());
            }
            self.has_shell |= text == b"/bin/sh";
            self.is_shell |= text == b"OPTIND";
        })
    }

    /// Adds names of programs that are the tails of other strings.
    fn add_tails(&mut self, speaker: &Speaker<'_, '_>) -> Result<(), elf::Error> {
        let commands = speaker.commands;
        if commands.by_path && self.has_shell && is_of_base(speaker.collector, speaker.node) {
            let places = pointers(speaker.file)?;
            self.shell_commands.extend(speaker.tails(&places)?);
        }
        if commands.names {
            let places = references(speaker.file)?;
            self.commands.extend(speaker.tails(&places)?);
        }
        Ok(())
    }

    /// Adds what strings without an end between them hold.
    fn add_places(&mut self, speaker: &Speaker<'_, '_>) -> Result<(), elf::Error> {
        let data = &speaker.object.data;
        strings::occurrences(speaker.file, data, b"| ", |place| {
            self.piped.extend(piped(place.from).map(<[u8]>::to_vec));
            ControlFlow::Continue(())
        })?;
        strings::occurrences(speaker.file, data, b"/", |place| {
            if let Some(path) = longest_path(speaker.collector, place.from) {
                self.places.insert(path);
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
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
