//! Source of languages that are read at run time: what it imports, and what it says.
//!
//! A small tokenizer for each language, which knows strings, comments and whatever
//! else could be mistaken for code. None understands a program: they find the
//! statements and calls that load modules, and the literals that could name one.
//! Sources are input from outside: every scan is linear in its length (a part
//! that turns out to be no string is read at most twice) and nothing recurses
//! deeper than a constant.

pub mod javascript;
pub mod python;

/// Largest source that is scanned. What is longer is data, or a bundle of many modules.
pub const MAX_SOURCE: u64 = 16 << 20;

/// Longest literal that is looked at; no name of a module, command or file is longer.
const LONGEST: usize = 1024;

/// A string of a source, if it has no escapes and could name something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The text between the quotes.
    pub text: String,
    /// Name of the function that it is an argument of, however deep in a list or dictionary; in Python also `cmd` or
    /// `command`, a variable that is set to it or to the list.
    pub callee: Option<String>,
    /// Whether it comes first between its brackets.
    pub first: bool,
}

/// Returns a literal for the bytes between quotes, if they could name something.
fn literal(bytes: &[u8], callee: Option<&[u8]>, first: bool) -> Option<Literal> {
    let fits = !bytes.is_empty() && bytes.len() <= LONGEST;
    let plain = bytes
        .iter()
        .all(|b| (b' '..0x7f).contains(b) && *b != b'\\');
    (fits && plain).then(|| Literal {
        text: String::from_utf8_lossy(bytes).into_owned(),
        callee: callee.map(|name| String::from_utf8_lossy(name).into_owned()),
        first,
    })
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
