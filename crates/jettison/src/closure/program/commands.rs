//! Strings of objects that could be commands.

use crate::closure::facts;
use crate::elf::Object;

/// Functions that start programs, in libraries too (exec(3), posix_spawn(3), system(3), popen(3)).
const STARTS: &[&[u8]] = &[
    b"execv",
    b"execve",
    b"execvp",
    b"execvpe",
    b"execl",
    b"execle",
    b"execlp",
    b"posix_spawn",
    b"posix_spawnp",
    b"system",
    b"popen",
];

/// Returns whether an object starts programs, in whatever way.
pub(super) fn starts(object: &Object) -> bool {
    !facts::is_c_library(object) && STARTS.iter().any(|name| object.imports.contains(name))
}

/// Which strings of an object could be commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commands {
    /// It can have a shell run a line.
    pub(super) lines: bool,
    /// It can start a program that PATH leads to.
    pub(super) names: bool,
    /// It can start a program by its path, such as a shell.
    pub(super) by_path: bool,
}

impl Commands {
    pub(super) fn of(object: &Object) -> Self {
        let any = |names: &[&str]| {
            !facts::is_c_library(object)
                && names
                    .iter()
                    .any(|name| object.imports.contains(name.as_bytes()))
        };
        Self {
            lines: any(&["system", "popen", "wordexp"]),
            // Libraries are full of words, and seldom start programs.
            names: object.interpreter.is_some()
                && any(&["execvp", "execlp", "execvpe", "posix_spawnp"]),
            by_path: object.interpreter.is_some() && any(&["execv", "execl", "execve", "execle"]),
        }
    }

    /// Returns the program that a string would start: that of `stty -a`, or `less`.
    pub(super) fn word(self, text: &[u8]) -> Option<&[u8]> {
        let word = text.split(|b| *b == b' ').next()?;
        let is_line = text.get(word.len() + 1) == Some(&b'-');
        let fits = self.lines && is_line || self.names && word.len() == text.len();
        (fits && is_word(word)).then_some(word)
    }
}

/// Returns the program of `| program …`, which a shell would start.
pub(super) fn piped(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"| ")?;
    let end = text
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || *b == b'-'))?;
    let word = &text[..end];
    (is_word(word) && b" |\0\n".contains(&text[end])).then_some(word)
}

/// Returns the commands of a line that a shell is given: `rm` and `mkdir` of `rm -rf %s ; mkdir -p %s`.
pub(super) fn line_words(line: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let commands = line.split(|b| b";&|".contains(b));
    commands.filter_map(|command| {
        let word = command.trim_ascii().split(|b| *b == b' ').next()?;
        is_word(word).then(|| word.to_vec())
    })
}

/// Returns whether a text could be the name of a file.
pub(super) fn is_word(text: &[u8]) -> bool {
    text.len() > 1
        && text.first().is_some_and(u8::is_ascii_alphanumeric)
        && text
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(b))
}
