//! What can be said of a script that cannot be parsed: its words.

use super::names::{declares, is_assignment, is_builtin};
use super::{Parse, ScriptFacts, config};

/// Bytes that end a word whatever the quoting.
const DELIMITERS: &[u8] = b" \t\r\n;|&()<>\"'`";

/// Longest word that is looked at; paths are shorter (`PATH_MAX`).
const MAX_WORD: usize = 4096;

/// Returns every word of the text, those that begin a command as commands.
pub(super) fn facts(text: &[u8], error: String) -> ScriptFacts {
    let mut facts = ScriptFacts {
        parse: Parse::Fallback { error },
        // Nothing is known, so anything may be run.
        dynamic: true,
        ..ScriptFacts::default()
    };
    for line in text.split(|&b| b == b'\n') {
        add_line(line, &mut facts);
    }
    facts
}

fn add_line(line: &[u8], facts: &mut ScriptFacts) {
    let mut at_command = true;
    let mut start = 0;
    for end in 0..=line.len() {
        let delimiter = line.get(end);
        if delimiter.is_some_and(|b| !DELIMITERS.contains(b)) {
            continue;
        }
        let word = &line[start..end];
        start = end + 1;
        if word.starts_with(b"#") {
            return;
        }
        if !word.is_empty() && word.len() <= MAX_WORD {
            add_word(word, &mut at_command, facts);
        }
        if delimiter.is_some_and(|b| b";|&(`".contains(b)) {
            at_command = true;
        }
    }
}

fn add_word(word: &[u8], at_command: &mut bool, facts: &mut ScriptFacts) {
    let text = String::from_utf8_lossy(word);
    if *at_command && is_assignment(&text) {
        if let Some(path) = word.strip_prefix(b"PATH=") {
            facts.assigned_path.insert(path.to_vec());
        }
    } else if *at_command && (is_builtin(&text) || declares(&text)) {
        // `if`, `then`, `exec` and their like have a command behind them.
        return;
    } else if *at_command && is_command(word) {
        facts.commands.insert(word.to_vec());
        *at_command = false;
    } else {
        *at_command = false;
    }
    let paths = config::paths_in_text(word);
    facts.words.extend(paths.paths);
    facts.globs.extend(paths.patterns);
    if let Some(cut) = memchr::memchr(b'$', word) {
        if word[..cut].contains(&b'/') {
            facts.words.insert(word[..cut].to_vec());
        }
    } else {
        facts.words.insert(word.to_vec());
    }
}

fn is_command(word: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._+-[".contains(b) || *b >= 0x80;
    word.iter().all(plain) && !word.starts_with(b"-")
}
