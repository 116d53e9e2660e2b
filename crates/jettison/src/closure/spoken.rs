//! Commands that stand in source code: what an application starts.
//!
//! Whatever the language, the name of a program that is started is nearly always a
//! literal: `spawn("git", …)`, `subprocess.run(["ffmpeg", …])`, `` `date` ``. Two kinds are
//! told from ordinary words: the programs of packages that somebody installed by
//! name, wherever they are quoted; and others on a line that calls what starts programs.
//! An application that has its commands in a file of settings names them there as values.

use std::collections::BTreeSet;
use std::rc::Rc;

use layer::NodeId;

use super::collector::{Collector, Script};
use super::directories::is_shared;
use super::{Edge, Error, Evidence, companion, manifests};
use crate::packages::{PackageDb, PackageId};

/// Larger files are data, or bundles in which words mean nothing.
const LARGEST: u64 = 4 << 20;

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
enum Backtick {
    /// Nothing; prose in comments does.
    Nothing,
    /// A string.
    Quotes,
    /// A line for a shell.
    Runs,
}

impl Backtick {
    /// That of a source, by its ending, or else its `#!` line.
    fn of(name: &[u8], first: &[u8]) -> Self {
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

/// Endings of files of settings and data.
const SETTINGS: &[&str] = &[
    ".json",
    ".yaml",
    ".yml",
    ".toml",
    ".ini",
    ".cfg",
    ".conf",
    ".properties",
    ".xml",
    ".env",
];

/// Larger ones are data, in which every word comes up.
const LARGEST_SETTING: u64 = 256 << 10;

/// As many words on lines of their own are a table.
const MANY_WORDS: usize = 200;

/// Fewer letters begin too much.
const SHORTEST_BEGIN: usize = 4;

/// Keeps the programs that a source file of the user's starts. `own` is whether it is part of the
/// application, and not of something that was installed for it.
pub(super) fn examine(
    collector: &mut Collector<'_>,
    node: NodeId,
    first: &[u8],
    own: bool,
) -> Result<(), Error> {
    let tree = collector.tree();
    let name = tree.name(node);
    let mut settings = SETTINGS.iter();
    if settings.any(|ending| name.ends_with(ending.as_bytes())) {
        return examine_settings(collector, node, own);
    }
    if !is_source(name, first) || tree.size(node) > LARGEST {
        return Ok(());
    }
    let text = collector.read(node, LARGEST)?;
    if !own && is_list_of_words(&text) {
        return Ok(());
    }
    let backtick = Backtick::of(name, first);
    for line in code(&text) {
        let starts = own && starts_programs(line, backtick);
        for literal in literals(line, backtick) {
            let word = literal
                .split(u8::is_ascii_whitespace)
                .next()
                .unwrap_or_default();
            if is_command(word) && collector.asked_for(word) {
                keep(collector, node, word, certain_if(own));
            }
            if starts {
                keep_line(collector, node, literal);
                keep_begun(collector, node, literal);
            }
        }
    }
    Ok(())
}

/// Returns whether a source is a table: nearly all of its lines are one word in quotes, and there are many.
fn is_list_of_words(text: &[u8]) -> bool {
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
fn starts_programs(line: &[u8], backtick: Backtick) -> bool {
    let mut starts = STARTS.iter();
    backtick == Backtick::Runs && line.contains(&b'`')
        || starts.any(|part| memchr::memmem::find(line, part.as_bytes()).is_some())
}

/// Packages whose programs the sources of one may name.
#[derive(Debug)]
pub(super) struct Partners {
    /// Asked for by somebody, and used by it as its packager says.
    used: Vec<PackageId>,
    /// What it depends on.
    needed: Vec<PackageId>,
    /// What it suggests and was not made from the same source.
    suggested: Vec<PackageId>,
}

impl Partners {
    fn of(
        packages: &PackageDb,
        id: PackageId,
        asked: &BTreeSet<PackageId>,
        base: &BTreeSet<PackageId>,
    ) -> Self {
        let is_strange = |other: &PackageId| !packages.are_siblings(id, *other);
        let used = asked.iter().copied();
        let used = used.filter(|other| packages.uses(id, *other) && is_strange(other));
        let needed = packages.dependencies(id).iter().copied();
        let needed = needed.filter(|other| !base.contains(other) && *other != id);
        let suggests = packages.package(id).suggests.iter();
        let suggested = suggests.flat_map(|name| packages.named(name)).copied();
        Self {
            used: used.collect(),
            needed: needed.collect(),
            suggested: suggested.filter(is_strange).collect(),
        }
    }
}

/// Keeps the programs that a source of a package names, if its package depends on theirs, or if somebody installed them by
/// name and its packager says that it uses them: a filter of mail has `pyzor` checked for, which it suggests. What is
/// merely suggested stays if it costs little. Of a command that is run, also what its lines for a shell start.
pub(super) fn examine_packaged(
    collector: &mut Collector<'_>,
    node: NodeId,
    first: &[u8],
) -> Result<(), Error> {
    let (tree, packages) = (collector.tree(), collector.input.packages);
    let Some(owner) = packages.owner(node) else {
        return Ok(());
    };
    let name = tree.name(node);
    let backtick = Backtick::of(name, first);
    // JavaScript comes in tens of thousands of files, and its packages hold what they use.
    let is_searched = is_source(name, first) && backtick != Backtick::Quotes;
    if !is_searched || tree.size(node) > LARGEST {
        return Ok(());
    }
    let partners = collector.partners.entry(owner);
    let partners = partners
        .or_insert_with(|| Partners::of(packages, owner, &collector.asked, &collector.base).into());
    let partners = Rc::clone(partners);
    let used = &partners.used;
    // A command that came along is seldom run: it serves who maintains the system.
    let is_idle = super::package::is_in_path(tree, node) && !collector.is_kept_for_certain(node);
    let (needed, suggested) = match is_idle {
        true => (&[][..], &[][..]),
        false => (&partners.needed[..], &partners.suggested[..]),
    };
    // A command that is run for certain starts what it starts, as the shell scripts beside it do, which are parsed.
    let is_run = backtick == Backtick::Runs
        && !super::script::is_shell(first)
        && collector.is_kept_for_certain(node)
        && collector.reached.contains_key(&node);
    let is_alone = used.is_empty() && needed.is_empty() && suggested.is_empty();
    if is_alone && !is_run {
        return Ok(());
    }
    let text = collector.read(node, LARGEST)?;
    if is_run {
        let lines = code(&text).filter(|line| starts_programs(line, backtick));
        for literal in lines.flat_map(|line| literals(line, backtick)) {
            keep_line(collector, node, literal);
        }
    }
    let literals = code(&text).flat_map(|line| literals(line, backtick));
    let words: BTreeSet<&[u8]> = literals.filter(|word| is_command(word)).collect();
    let is_used = collector.is_kept_for_certain(node)
        || collector.asked.contains(&owner)
        || super::package::runs(collector, owner);
    for word in words {
        let Some((_, found)) = collector.find_command(word) else {
            continue;
        };
        let Some(id) = packages.owner(found.node) else {
            continue;
        };
        let is_needed = needed.contains(&id);
        if used.contains(&id) || is_needed && is_used {
            keep(collector, node, word, Evidence::ScriptCommand);
        } else if is_needed || suggested.contains(&id) {
            // A module of many may be there for what nobody asks of it.
            let edge = Edge::new(Some(node), Evidence::Spawn, word);
            companion::started_by_others(collector, word, &edge);
        }
    }
    Ok(())
}

/// Keeps the programs of a whole line for a shell, which may be several. Those that begin a command are started for certain;
/// after a `)` none begins.
fn keep_line(collector: &mut Collector<'_>, node: NodeId, line: &[u8]) {
    let mut begins = true;
    for command in line.split_inclusive(|b| b"|&;()$".contains(b)) {
        let end = command.last().copied();
        let words = command.split(|b| b.is_ascii_whitespace() || b"|&;()$".contains(b));
        let words = words.filter(|word| !word.is_empty());
        for (at, word) in words.enumerate().filter(|(_, word)| is_command(word)) {
            let is_program = begins && at == 0 && is_compiled(collector, word);
            // What compiles is called by words that mean other things: SQL has an `as`.
            let found = collector.find_command(word);
            let develops = |node| super::package::is_for_development(collector, node);
            if is_program || !found.is_some_and(|(_, found)| develops(found.node)) {
                keep(collector, node, word, certain_if(is_program));
            }
        }
        begins = end != Some(b')');
    }
}

fn is_source(name: &[u8], first: &[u8]) -> bool {
    let mut endings = SOURCE.iter();
    endings.any(|ending| name.ends_with(ending.as_bytes())) || first.starts_with(b"#!")
}

/// Returns the lines of a source that are no comments, and none of a bundle, in which words mean nothing.
fn code(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|b| *b == b'\n');
    lines.filter(|line| line.len() < 4096 && !is_comment(line))
}

fn is_comment(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let mut comments = COMMENTS.iter();
    comments.any(|begin| line.starts_with(begin.as_bytes()))
}

/// Returns whether a name is that of a program that is no script. What those start in their turn is known at once.
fn is_compiled(collector: &Collector<'_>, name: &[u8]) -> bool {
    let found = collector.find_command(name);
    found.is_some_and(|(_, found)| collector.interpreter(found.node) == Script::No)
}

/// Keeps the programs that were asked for and begin a value of a setting, or are its name.
fn examine_settings(collector: &mut Collector<'_>, node: NodeId, own: bool) -> Result<(), Error> {
    let tree = collector.tree();
    let name = tree.name(node);
    let directory = tree.parent(node);
    // Of those in /etc, what one application has to itself.
    let is_own = own || tree.path(node).starts_with(b"etc/") && !is_shared(tree, directory);
    let is_for_tools = manifests::is_manifest(name) || name.starts_with(b".");
    if !is_own || is_for_tools || tree.size(node) > LARGEST_SETTING {
        return Ok(());
    }
    let text = collector.read(node, LARGEST_SETTING)?;
    let words: BTreeSet<&[u8]> = text.split(|b| *b == b'\n').flat_map(values).collect();
    for word in words {
        if is_command(word) && collector.asked_for(word) {
            keep(collector, node, word, Evidence::ScriptCommand);
        }
    }
    Ok(())
}

/// Keeps the programs that were asked for and whose names begin with a literal, if it is the whole name of none: the rest
/// of `"pdfto" + kind` is found when it runs.
fn keep_begun(collector: &mut Collector<'_>, node: NodeId, literal: &[u8]) {
    let is_begin = literal.len() >= SHORTEST_BEGIN
        && is_command(literal)
        && collector.find_command(literal).is_none();
    if is_begin {
        for name in collector.asked_for_with(literal) {
            keep(collector, node, &name, Evidence::Spawn);
        }
    }
}

/// Returns the first words of the values on a line, and the names: of JSON, YAML, TOML, INI and XML.
fn values(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let comment = line.trim_ascii_start().first();
    let line = match comment {
        Some(b'#' | b';') => &[],
        _ => line,
    };
    line.split(|b| b":=>,[]{}\"'".contains(b))
        .filter_map(|value| {
            let value = value.trim_ascii_start();
            let value = value.strip_prefix(b"- ").unwrap_or(value);
            value.split(|b| b" \t\r<".contains(b)).next()
        })
}

/// Keeps the programs that a literal of compiled code names which starts programs: all of a command line, which begins
/// with a program of the image, if the code is the application's `own`; of other code those that somebody installed by
/// name.
pub(super) fn keep_literal(collector: &mut Collector<'_>, node: NodeId, literal: &[u8], own: bool) {
    let words = literal.split(|b| b" |&;()$\t\n".contains(b));
    let mut words = words.filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return };
    if !own && !collector.asked_for(first) {
        return;
    }
    let may_be = is_command(first) || first.starts_with(b"/");
    if !may_be || collector.find_command(first).is_none() {
        return;
    }
    keep(collector, node, first, Evidence::Spawn);
    for word in words.filter(|word| is_command(word)) {
        keep(collector, node, word, Evidence::Spawn);
    }
}

fn certain_if(is_certain: bool) -> Evidence {
    match is_certain {
        true => Evidence::ScriptCommand,
        false => Evidence::Spawn,
    }
}

/// Keeps a program that a file names. For certain, `ScriptCommand`, if the application names what was installed for it or
/// begins a command line with it.
fn keep(collector: &mut Collector<'_>, node: NodeId, word: &[u8], evidence: Evidence) {
    let edge = Edge::new(Some(node), evidence, word);
    collector.keep_command(word, &edge);
}

fn is_command(word: &[u8]) -> bool {
    let begins = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    word.len() > 1
        && word.first().is_some_and(begins)
        && word.iter().any(u8::is_ascii_alphabetic)
        && word
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(b))
}

/// Returns what stands between quotes on a line, and where backticks run something between the brackets of `qx(…)`
/// (perlop, "Quote-Like Operators") and `%x(…)` (Ruby documentation, "Literals").
fn literals(line: &[u8], backtick: Backtick) -> impl Iterator<Item = &[u8]> {
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

    #[test]
    fn settings_name_programs_as_values() {
        let words = |line: &str| -> String {
            let words = values(line.as_bytes()).filter(|word| is_command(word));
            let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
            words.join(" ")
        };
        for (line, want) in [
            (
                r#""tag": { "tool": "exiftool", "args": ["-o", "{out}"] },"#,
                "tag tool exiftool args out",
            ),
            ("  - ffmpeg -i in.wav", "ffmpeg"),
            ("tool: 'sox --norm'", "tool sox"),
            ("convert = gs -q", "convert gs"),
            ("<run command=\"zip -r\">unzip</run>", "zip unzip"),
            ("# sox", ""),
            ("about: this is no sox", "about this"),
        ] {
            assert_eq!(words(line), want, "{line}");
        }
    }
}
