//! Scripts: the interpreter, and for shells the commands that they may call.

mod hooks;
mod parts;

use layer::NodeId;

pub(super) use self::hooks::SHELL_COMMANDS;
use super::collector::Collector;
use super::package::is_program_in_path;
use super::{Edge, Error, Evidence, mentioned};
use crate::script::{self, Dialect, ScriptFacts};

/// Longest script that is taken for one that merely starts something else.
const LONGEST_WRAPPER: u64 = 16 << 10;

/// Keeps what a script (`#!`) needs.
pub(super) fn examine(
    collector: &mut Collector<'_>,
    node: NodeId,
    first: &[u8],
) -> Result<(), Error> {
    let Some(shebang) = script::shebang(first) else {
        return Ok(());
    };
    if !collector.is_kept_for_certain(node) {
        if may_be_run(collector, node)
            && let Some(dialect) = Dialect::of(&shebang.program())
        {
            offer_commands(collector, node, dialect)?;
        }
        // The kernel starts `env`, and that the interpreter for whose sake the script stays.
        if shebang.program() != shebang.interpreter && is_program_in_path(collector, node) {
            let edge = Edge::new(Some(node), Evidence::Interpreter, &shebang.interpreter);
            collector.keep_command(&shebang.interpreter, &edge);
        }
        return Ok(()); // it came along with its interpreter, or is only read
    }
    let edge = Edge::new(Some(node), Evidence::Interpreter, &shebang.interpreter);
    let mut interpreter = collector.keep_command(&shebang.interpreter, &edge);
    if interpreter.is_none() {
        collector.lacks(node, &shebang.interpreter, "interpreter", false);
    }
    let name = shebang.program();
    // `env` is not the interpreter, it finds it.
    if name != shebang.interpreter {
        interpreter = collector.keep_command(&name, &edge);
        if interpreter.is_none() {
            collector.lacks(node, &name, "interpreter", false);
        }
    }
    match Dialect::of(&name) {
        Some(dialect) => read(collector, node, dialect)?,
        None => {
            if let Some(interpreter) = interpreter {
                collector.interpreters.insert(interpreter);
            }
            let text = collector.read(node, script::MAX_SCRIPT as u64)?;
            super::text::keep_paths(collector, node, &text);
        }
    }
    Ok(())
}

/// Variables that the image sets, for scripts that use them.
fn environment(collector: &Collector<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let lines = collector.input.config.env();
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    pairs
        .filter(|(name, _)| *name != "PATH")
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

/// Keeps what a part of a script needs: a file that a shell reads with `.` or `source`, or one of a program's
/// own that has the ending of shell scripts. Returns whether it is one.
pub(super) fn examine_part(collector: &mut Collector<'_>, node: NodeId) -> Result<bool, Error> {
    let name = collector.tree().name(node);
    let dialect = match collector.sourced.get(&node) {
        Some(dialect) => *dialect,
        None if name.ends_with(b".bash") => Dialect::Bash,
        None if name.ends_with(b".sh") => Dialect::Sh,
        None => return Ok(false),
    };
    if collector.is_kept_for_certain(node) {
        read(collector, node, dialect)?;
    }
    Ok(true)
}

/// Returns whether a script that came along may be run by something that finds it by itself: the author's, as a hook,
/// one that a library names, one in a directory that the application names, or a command that was built with a program
/// that is run, which half working does harm.
fn may_be_run(collector: &Collector<'_>, node: NodeId) -> bool {
    let reason = collector.graph.reason(node);
    let is_of_application =
        |from: NodeId| collector.is_kept_for_certain(from) && collector.is_unpackaged(from);
    let is_found = reason.is_some_and(|edge| match edge.evidence {
        Evidence::Authored => true,
        Evidence::PluginDir => edge.from.is_some_and(is_of_application),
        _ => false,
    });
    let packages = collector.input.packages;
    let is_command = || {
        let made_from = packages.source_of(node);
        let mut run = collector.reached.keys();
        is_program_in_path(collector, node)
            && made_from.is_some()
            && run.any(|program| {
                collector.is_kept_for_certain(*program) && packages.source_of(*program) == made_from
            })
    };
    is_found || collector.named_scripts.contains(&node) || is_command()
}

/// Returns the programs of its own package that a shell script starts by their paths: one that came along does nothing
/// without what it stands for.
pub(super) fn wrapped(collector: &Collector<'_>, node: NodeId) -> Result<Vec<NodeId>, Error> {
    let packages = collector.input.packages;
    let Some(owner) = packages.owner(node) else {
        return Ok(Vec::new());
    };
    let text = collector.read(node, LONGEST_WRAPPER)?;
    let Some(dialect) = script::shebang(&text).and_then(|shebang| Dialect::of(&shebang.program()))
    else {
        return Ok(Vec::new());
    };
    let facts = script::analyze_with(&text, dialect, &environment(collector));
    let tree = collector.tree();
    let paths = facts.commands.iter().filter(|name| name.starts_with(b"/"));
    let programs = paths.filter_map(|path| tree.resolve(path).ok().map(|found| found.node));
    Ok(programs
        .filter(|program| packages.owner(*program) == Some(owner) && *program != node)
        .collect())
}

/// Returns the kept program of its own package that a small shell script runs, if it runs nothing that goes: `zcat` is
/// another name of `gzip`.
pub(super) fn stands_for(collector: &Collector<'_>, node: NodeId) -> Result<Option<NodeId>, Error> {
    if collector.tree().size(node) > LONGEST_WRAPPER {
        return Ok(None);
    }
    let text = collector.read(node, LONGEST_WRAPPER)?;
    let Some(dialect) = script::shebang(&text).and_then(|shebang| Dialect::of(&shebang.program()))
    else {
        return Ok(None);
    };
    let facts = script::analyze_with(&text, dialect, &environment(collector));
    let packages = collector.input.packages;
    let mut program = None;
    for name in &facts.commands {
        match collector.find_command(name) {
            Some((_, found)) if collector.graph.keeps(found.node) => {
                let is_of_one = packages.owner(found.node) == packages.owner(node);
                program = program.or(Some(found.node).filter(|_| is_of_one));
            }
            _ => return Ok(None),
        }
    }
    Ok(program)
}

/// Returns whether a file is a script of a shell.
pub(super) fn is_shell(first: &[u8]) -> bool {
    let shebang = script::shebang(first);
    shebang.is_some_and(|shebang| Dialect::of(&shebang.program()).is_some())
}

/// Notes that something which starts programs names a script: if it stays, commands that cost next to nothing stay
/// with it.
pub(super) fn named(collector: &mut Collector<'_>, node: NodeId) -> Result<(), Error> {
    let is_new = collector.named_scripts.insert(node);
    if !is_new || !collector.graph.keeps(node) || collector.is_kept_for_certain(node) {
        return Ok(());
    }
    let first = collector.read(node, 256)?;
    match script::shebang(&first).and_then(|shebang| Dialect::of(&shebang.program())) {
        Some(dialect) => offer_commands(collector, node, dialect),
        None => Ok(()),
    }
}

/// Commands that cost next to nothing stay with a script that may be run, and with parts of it that stay.
fn offer_commands(
    collector: &mut Collector<'_>,
    node: NodeId,
    dialect: Dialect,
) -> Result<(), Error> {
    let text = collector.read(node, script::MAX_SCRIPT as u64)?;
    let facts = script::analyze_with(&text, dialect, &environment(collector));
    for name in &facts.commands {
        let edge = Edge::new(Some(node), Evidence::Spawn, name);
        super::companion::word_found(collector, name, &edge, true);
    }
    for (part, is_source) in parts::found_at_run_time(collector, node, &facts) {
        if !collector.graph.keeps(part) {
            continue;
        }
        if is_source && collector.sourced.insert(part, dialect).is_none() {
            offer_commands(collector, part, dialect)?;
        } else if !is_source {
            named(collector, part)?;
        }
    }
    Ok(())
}

fn read(collector: &mut Collector<'_>, node: NodeId, dialect: Dialect) -> Result<(), Error> {
    let text = collector.read(node, script::MAX_SCRIPT as u64)?;
    let facts = script::analyze_with(&text, dialect, &environment(collector));
    parts::keep_siblings(collector, node, &text);
    hooks::keep_for_hooks(collector, node, &text);
    super::login::note_script(collector, node, &facts);
    let edge = Edge::new(Some(node), Evidence::ScriptCommand, "");
    parts::note_sources(collector, &facts, dialect);
    parts::keep_found_at_run_time(collector, node, &facts, dialect);
    follow(collector, &facts, &edge);
    Ok(())
}

/// Keeps what the text of `sh -c` needs.
pub(super) fn keep_shell_text(
    collector: &mut Collector<'_>,
    text: &[u8],
    caller: &Edge,
) -> Result<(), Error> {
    let facts = script::analyze_with(text, Dialect::Sh, &environment(collector));
    parts::note_sources(collector, &facts, Dialect::Sh);
    follow(collector, &facts, caller);
    Ok(())
}

/// Splits a command line into its literal words, quotes removed.
pub(super) fn split_words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = line.iter();
    while let Some(&byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', None | Some(b'"')) => {
                word.get_or_insert_default().extend(bytes.next());
            }
            (byte, Some(open)) if byte == open => quote = None,
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (b' ' | b'\t' | b'\n', None) => words.extend(word.take()),
            (byte, _) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

fn follow(collector: &mut Collector<'_>, facts: &ScriptFacts, caller: &Edge) {
    for directory in &facts.assigned_path {
        if directory.starts_with(b"/") && !collector.path.contains(directory) {
            collector.path.push(directory.clone());
        }
    }
    for name in &facts.commands {
        let found = collector.keep_command(name, &caller.saying(name));
        if let (None, Some(from)) = (found, caller.from) {
            collector.lacks(from, name, "command", true);
        }
    }
    let base = collector.working_directory();
    let is_packaged = caller
        .from
        .is_some_and(|from| collector.input.packages.owner(from).is_some());
    let mentioned = facts.words.iter().chain(&facts.sources).chain(&facts.globs);
    for word in mentioned {
        if word.contains(&b'/') {
            // The image's own command line is no script among others.
            let evidence = caller.from.map_or(caller.evidence, |_| Evidence::Path);
            let edge = Edge::new(caller.from, evidence, word);
            mentioned::keep_mentioned(collector, base, word, &edge);
        } else if word.len() > 1 && !word.starts_with(b"-") {
            // An argument may be a command for `exec`, `env`, `xargs`, `su`, …. In a script of a package it is more often
            // another thing, and the package says what it needs.
            let edge = Edge::new(caller.from, Evidence::ScriptCommand, word);
            if is_packaged {
                super::companion::word_found(collector, word, &edge, false);
            } else {
                collector.keep_command(word, &edge);
            }
        }
    }
    for (name, value) in collector.environment.clone() {
        let used = facts
            .words
            .iter()
            .any(|word| memchr::memmem::find(word, &name).is_some());
        if used {
            let words = [b"ENV ", name.as_slice()].concat();
            let edge = Edge::new(caller.from, Evidence::ConfigUser, words);
            mentioned::keep_mentioned(collector, base, &value, &edge);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn command_lines_are_split_as_a_shell_does() {
        let words = super::split_words(br#"redis-cli -h "a b" 'c d' e\ f ''"#);
        assert_eq!(
            words,
            ["redis-cli", "-h", "a b", "c d", "e f", ""].map(|w| w.as_bytes().to_vec())
        );
    }
}
