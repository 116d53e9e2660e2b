//! Source code as words: its lines, what stands in quotes, what calls a program. Of any language that is interpreted.

/// Parts of names of functions that start programs: of Python's os and subprocess, Node's child_process and zx
/// (`` $`…` ``), Ruby's Kernel and Open3, Perl, PHP and Symfony's Process, Java's ProcessBuilder and Runtime, Lua, Erlang's
/// `os:cmd`, R.
const STARTS: &[&str] = &[
    "exec",
    "spawn",
    "system",
    "popen",
    "Popen",
    "subprocess",
    "Open3",
    "open3",
    "shell",
    "backtick",
    "%x",
    "qx",
    "ProcessBuilder",
    "new Process(",
    "fromShellCommandline",
    "proc_open",
    "passthru",
    "os:cmd",
    "run(",
    "check_output(",
    "check_call(",
    "call(",
    "$`",
];

/// Endings of files that are source of languages which are interpreted.
const SOURCE: &[&str] = &[
    ".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".pm", ".php", ".lua", ".r", ".R", ".tcl",
    ".erl", ".exs", ".ru", ".rake", ".groovy",
];

/// What a comment begins with that fills a line, in any of these languages.
const COMMENTS: &[&str] = &["//", "/*", "* ", "# ", "-- "];

/// What a language has between backticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backtick {
    /// Nothing; prose in comments does.
    Nothing,
    /// A string.
    Quotes,
    /// A line for a shell.
    Runs,
}

impl Backtick {
    /// That of a source, by its ending, or else its `#!` line.
    pub(super) fn of(name: &[u8], first: &[u8]) -> Self {
        let ending = name.rsplit(|b| *b == b'.').next().unwrap_or_default();
        let line = first.split(|b| *b == b'\n').next().unwrap_or_default();
        let is_run_by = |program: &str| {
            line.starts_with(b"#!") && memchr::memmem::find(line, program.as_bytes()).is_some()
        };
        match ending {
            b"js" | b"mjs" | b"cjs" | b"ts" => Self::Quotes,
            b"rb" | b"ru" | b"rake" | b"pl" | b"pm" | b"php" => Self::Runs,
            _ if is_run_by("node") => Self::Quotes,
            _ if is_run_by("python") || !line.starts_with(b"#!") => Self::Nothing,
            _ => Self::Runs,
        }
    }
}

/// As many words on lines of their own are a table.
const MANY_WORDS: usize = 200;

/// Returns whether a source is a table: nearly all of its lines are one word in quotes, and there are many.
pub(super) fn is_list_of_words(text: &[u8]) -> bool {
    let is_word = |line: &[u8]| {
        let word = line.strip_suffix(b",").unwrap_or(line);
        let inside = [b'"', b'\''].iter().find_map(|quote| {
            let inside = word.strip_prefix(&[*quote])?.strip_suffix(&[*quote])?;
            (!inside.contains(quote)).then_some(inside)
        });
        inside.is_some_and(|inside| !inside.contains(&b' '))
    };
    let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let (mut all, mut words) = (0, 0);
    for line in lines.filter(|line| !line.is_empty()) {
        all += 1;
        words += usize::from(is_word(line));
    }
    words >= MANY_WORDS && words * 10 >= all * 9
}

/// Returns whether a line of code calls what starts programs.
pub(super) fn starts_programs(line: &[u8], backtick: Backtick) -> bool {
    let mut starts = STARTS.iter();
    backtick == Backtick::Runs && line.contains(&b'`')
        || starts.any(|part| memchr::memmem::find(line, part.as_bytes()).is_some())
}

pub(super) fn is_source(name: &[u8], first: &[u8]) -> bool {
    let mut endings = SOURCE.iter();
    endings.any(|ending| name.ends_with(ending.as_bytes())) || first.starts_with(b"#!")
}

/// Returns the lines of a source that are no comments, and none of a bundle, in which words mean nothing.
pub(super) fn code(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|b| *b == b'\n');
    lines.filter(|line| line.len() < 4096 && !is_comment(line))
}

fn is_comment(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let mut comments = COMMENTS.iter();
    comments.any(|begin| line.starts_with(begin.as_bytes()))
}

/// Returns what stands between quotes on a line, and where backticks run something between the brackets of `qx(…)`
/// (perlop, "Quote-Like Operators") and `%x(…)` (Ruby documentation, "Literals").
pub(super) fn literals(line: &[u8], backtick: Backtick) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let quote = |at: usize| (at + 1, rest[at]);
        let (start, close) = match backtick {
            Backtick::Nothing => memchr::memchr2(b'"', b'\'', rest).map(quote),
            Backtick::Quotes => memchr::memchr3(b'"', b'\'', b'`', rest).map(quote),
            Backtick::Runs => (0..rest.len()).find_map(|at| opening(&rest[at..], at)),
        }?;
        let inner = &rest[start..];
        let end = inner.iter().position(|b| *b == close)?;
        rest = &inner[end + 1..];
        Some(&inner[..end])
    })
}

/// Returns where the literal begins that a text opens, and what closes it, where backticks run something.
fn opening(text: &[u8], at: usize) -> Option<(usize, u8)> {
    let close = |open: u8| match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        same => same,
    };
    match text {
        [quote @ (b'"' | b'\'' | b'`'), ..] => Some((at + 1, *quote)),
        [
            b'q' | b'%',
            b'x',
            open @ (b'(' | b'[' | b'{' | b'<' | b'/' | b'|'),
            ..,
        ] => Some((at + 3, close(*open))),
        _ => None,
    }
}

pub(super) fn is_command(word: &[u8]) -> bool {
    let begins = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    word.len() > 1
        && word.first().is_some_and(begins)
        && word.iter().any(u8::is_ascii_alphabetic)
        && word
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_stand_between_quotes() {
        let found: Vec<&[u8]> =
            literals(br#"run(["git", 'status'], `a b`, "open)"#, Backtick::Quotes).collect();
        assert_eq!(found, [&b"git"[..], b"status", b"a b"]);
        let found: Vec<&[u8]> =
            literals(b"my $me = qx(id -un); %x{date}", Backtick::Runs).collect();
        assert_eq!(found, [&b"id -un"[..], b"date"]);
        let found: Vec<&[u8]> = literals(b"see `git`, 'a'", Backtick::Nothing).collect();
        assert_eq!(found, [b"a"]);
    }

    #[test]
    fn languages_differ_in_what_backticks_mean() {
        for (name, first, want) in [
            ("a.js", "", Backtick::Quotes),
            ("a.rb", "#!/usr/bin/env ruby\n", Backtick::Runs),
            ("a.py", "", Backtick::Nothing),
            ("run", "#!/usr/bin/env node\n", Backtick::Quotes),
            ("run", "#!/usr/bin/python3\n", Backtick::Nothing),
            ("run", "#!/bin/sh\n", Backtick::Runs),
        ] {
            assert_eq!(
                Backtick::of(name.as_bytes(), first.as_bytes()),
                want,
                "{name}"
            );
        }
    }

    #[test]
    fn comments_fill_their_line() {
        for (line, want) in [
            ("  // `git`", true),
            (" * `npm install`", true),
            ("# git", true),
            ("#git = 'git'", false),
            ("x = '# git'", false),
        ] {
            assert_eq!(is_comment(line.as_bytes()), want, "{line}");
        }
    }

    #[test]
    fn commands_are_lower_case_words() {
        for (word, want) in [
            ("git", true),
            ("x86_64-linux-gnu-gcc", true),
            ("g++", true),
            ("a", false),
            ("Error", false),
            ("-v", false),
            ("a/b", false),
        ] {
            assert_eq!(is_command(word.as_bytes()), want, "{word}");
        }
    }
}
