//! Commands that stand in source code: what an application starts.
//!
//! Whatever the language, the name of a program that is started is nearly always a
//! literal: `spawn("git", …)`, `subprocess.run(["ffmpeg", …])`, `` `date` ``. Two kinds are
//! told from ordinary words: the programs of packages that somebody installed by
//! name, wherever they are quoted; and others on a line that calls what starts programs.
//! An application that has its commands in a file of settings names them there as values.

mod partners;
mod source;

use std::collections::BTreeSet;
use std::rc::Rc;

use layer::NodeId;

pub(super) use self::partners::Partners;
use self::source::{
    Backtick, code, is_command, is_list_of_words, is_source, literals, starts_programs,
};
use super::collector::{Collector, Script};
use super::directories::is_shared;
use super::{Edge, Error, Evidence, companion, manifests};

/// Larger files are data, or bundles in which words mean nothing.
const LARGEST: u64 = 4 << 20;

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

#[cfg(test)]
mod tests {
    use super::*;

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
