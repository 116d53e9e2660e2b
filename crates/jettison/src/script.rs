//! What a shell script may run and read, found out without running it.
//!
//! [`analyze`] parses a script, walks all of it, whatever branch would be taken,
//! and returns [`ScriptFacts`]: commands, other words, sourced files, patterns.
//! Variables that the script itself sets to constants are followed, every value
//! that a variable may have counts. Facts err on the side of too much: a word
//! that is no path of the image costs nothing, a command that is missed costs
//! the image.
//!
//! - [`config`]: paths in configuration files of any syntax.
//! - [`shebang()`]: which interpreter a script has.
//!
//! What is *not* here: files. Which of the names and paths exist in an image is
//! for the caller to look up.
//!
//! Scripts are input from outside. Text is cut at [`MAX_SCRIPT`], nesting is
//! measured before the parser sees it, and what cannot be parsed (zsh, broken
//! text) is cut into words by `tokens`, with [`Parse::Fallback`] to say so.

pub mod config;
mod names;
mod parse;
mod shebang;
mod tokens;
mod walk;
mod word;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use shebang::{Shebang, shebang};

/// Bytes of a script that are looked at. Installers that carry an archive are
/// larger; their text is at the beginning.
pub const MAX_SCRIPT: usize = 1 << 20;

/// Stack of the thread that parses: the parser and its tokenizer are recursive.
/// It has to hold [`parse::MAX_EXPANSIONS`] levels of some 6 kB in a debug build.
const STACK: usize = 128 << 20;

/// The shell that a script is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The POSIX shell: dash, BusyBox ash.
    Sh,
    /// GNU Bash, and as the next best thing any other shell that is a superset of `sh`.
    Bash,
}

impl Dialect {
    /// Returns the dialect of an interpreter, by its path or name; nothing if it is no shell.
    pub fn of(interpreter: &[u8]) -> Option<Self> {
        let name = interpreter.rsplit(|&b| b == b'/').next()?;
        match name {
            b"sh" | b"dash" | b"ash" | b"posh" | b"busybox" => Some(Self::Sh),
            b"bash" | b"rbash" | b"ksh" | b"ksh93" | b"mksh" | b"lksh" | b"zsh" | b"yash" => {
                Some(Self::Bash)
            }
            _ => None,
        }
    }
}

/// What a script may run and read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScriptFacts {
    /// Names and paths in command position, also behind `exec`, `gosu`, `xargs`
    /// and their like, and in strings that a shell is to run. Builtins and the
    /// script's own functions are left out.
    pub commands: BTreeSet<Vec<u8>>,
    /// All other literal words: arguments, values, operands of tests; paths
    /// inside of longer words; and of words that end in something unknown the
    /// constant beginning, if it has a slash: `/etc/nginx/` of `/etc/nginx/$x`.
    pub words: BTreeSet<Vec<u8>>,
    /// Operands of `.` and `source`.
    pub sources: BTreeSet<Vec<u8>>,
    /// Ends of those operands whose beginning is unknown: `/lib/common` of `. "$HOME/lib/common"`.
    pub source_ends: BTreeSet<Vec<u8>>,
    /// Ends of other words that begin with something unknown.
    pub ends: BTreeSet<Vec<u8>>,
    /// Patterns of file names with a constant beginning, such as
    /// `/docker-entrypoint.d/*.sh`; of a directory given to `run-parts`, `DIRECTORY/*`.
    pub globs: BTreeSet<Vec<u8>>,
    /// Values that are assigned to `PATH`, with references to variables of
    /// unknown value as written: `/opt/app/bin:$PATH`.
    pub assigned_path: BTreeSet<Vec<u8>>,
    /// Whether a command position holds something unknown, such as `"$@"`.
    pub dynamic: bool,
    /// Whether the script could be parsed.
    pub parse: Parse,
}

/// How a script was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Parse {
    /// With the grammar of its shell.
    #[default]
    Parsed,
    /// Word by word, since it could not be parsed.
    Fallback {
        /// Why.
        error: String,
    },
}

/// Returns what a script may run and read.
///
/// Any bytes are accepted, and the time is bounded.
pub fn analyze(text: &[u8], dialect: Dialect) -> ScriptFacts {
    analyze_with(text, dialect, &[])
}

/// Returns what a script may run and read when it starts with these environment
/// variables, names and values. They count as further values of a variable.
pub fn analyze_with(
    text: &[u8],
    dialect: Dialect,
    environment: &[(Vec<u8>, Vec<u8>)],
) -> ScriptFacts {
    // What follows a zero byte is an archive, not text.
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    let text = &text[..end.min(MAX_SCRIPT)];
    let (script, encoding) = Encoding::decode(text);
    let work = || {
        // A panic of the parser is its bug, not that of the image's owner.
        let facts = AssertUnwindSafe(|| walk::facts(&script, dialect, environment, encoding));
        catch_unwind(facts).unwrap_or_else(|_| Err("the parser failed".to_owned()))
    };
    let facts = match IS_DEEP.get() {
        true => work(),
        false => with_deep_stack(work).unwrap_or_else(|error| Err(error.to_string())),
    };
    facts.unwrap_or_else(|error| tokens::facts(text, error))
}

thread_local! {
    /// Whether this thread's stack is large enough for the parser.
    static IS_DEEP: Cell<bool> = const { Cell::new(false) };
}

/// Does something on a stack that is large enough for the parser. Whoever has many scripts analyzed does all of that here:
/// a stack for each costs more than most scripts.
///
/// # Errors
/// When there is no room for it.
pub fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let deep = || {
        IS_DEEP.set(true);
        work()
    };
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        let handle = builder.spawn_scoped(scope, deep)?;
        Ok(handle.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// How the bytes of a script became characters, which the parser wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    /// A byte a character, for scripts that are not UTF-8.
    Latin1,
}

impl Encoding {
    fn decode(bytes: &[u8]) -> (String, Self) {
        match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), Self::Utf8),
            Err(_) => (bytes.iter().map(|&b| char::from(b)).collect(), Self::Latin1),
        }
    }

    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Latin1 => text
                .chars()
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect(),
        }
    }
}
