//! `--flag=value` between the name of an instruction and its operands.

use super::{Parser, Rest};
use crate::ast::Word;
use crate::suggest::closest;

/// The flags of an instruction, in order: name, value, both together.
#[derive(Debug, Default)]
pub(super) struct Flags(Vec<(String, Option<Word>, Word)>);

/// Which flags an instruction has; those that end in `?` need no value, those in `*` may be repeated.
fn known(name: &str) -> &'static [&'static str] {
    match name {
        "ADD" => &[
            "chown",
            "chmod",
            "link?",
            "checksum",
            "keep-git-dir?",
            "exclude*",
            "unpack?",
        ],
        "COPY" => &["from", "chown", "chmod", "link?", "parents?", "exclude*"],
        "FROM" => &["platform"],
        "HEALTHCHECK" => &[
            "interval",
            "timeout",
            "start-period",
            "start-interval",
            "retries",
        ],
        "RUN" => &["mount*", "network", "security"],
        _ => &[],
    }
}

impl Flags {
    pub(super) fn take(&mut self, name: &str) -> Option<Word> {
        let at = self.0.iter().position(|flag| flag.0 == name)?;
        self.0.remove(at).1
    }

    pub(super) fn take_all(&mut self, name: &str) -> Vec<Word> {
        let (taken, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|flag| flag.0 == name);
        self.0 = left;
        let taken: Vec<(String, Option<Word>, Word)> = taken;
        taken.into_iter().filter_map(|flag| flag.1).collect()
    }
}

impl Parser {
    /// Takes the flags off a line. Whatever is wrong with one is reported, and then nothing is returned.
    pub(super) fn flags(&mut self, rest: &mut Rest<'_>) -> Option<Flags> {
        let known = known(rest.name);
        let mut flags = Flags::default();
        let mut fine = true;
        while rest.text().starts_with("--") {
            let (length, value) = flag_word(rest.text(), self.escape);
            let raw = rest.word(0, &rest.text()[..length]);
            let after = rest.text()[length..].trim_start();
            rest.start = rest.line.text.len() - after.len();
            if value == "--" {
                break;
            }
            let (name, operand) = match value[2..].split_once('=') {
                Some((name, operand)) => (name.to_owned(), Some(operand.to_owned())),
                None => (value[2..].to_owned(), None),
            };
            let Some(kind) = known
                .iter()
                .find(|known| known.trim_end_matches(['?', '*']) == name)
            else {
                let names: Vec<&str> = known
                    .iter()
                    .map(|known| known.trim_end_matches(['?', '*']))
                    .collect();
                let hint = match (closest(&name, &names), &names[..]) {
                    (Some(near), _) => format!("did you mean --{near}?"),
                    (None, []) => format!("{} takes no flags", rest.name),
                    (None, names) => format!("{} takes --{}", rest.name, names.join(", --")),
                };
                self.report(
                    raw.span,
                    format!("{} has no flag --{name}", rest.name),
                    Some(hint),
                );
                fine = false;
                continue;
            };
            if operand.is_none() && !kind.ends_with('?') {
                self.report(
                    raw.span,
                    format!("--{name} needs a value"),
                    Some(format!("write --{name}=VALUE")),
                );
                fine = false;
                continue;
            }
            if !kind.ends_with('*') && flags.0.iter().any(|flag| flag.0 == name) {
                self.report(raw.span, format!("--{name} is given twice"), None);
                fine = false;
                continue;
            }
            let text = operand.unwrap_or_else(|| "true".to_owned());
            flags.0.push((
                name,
                Some(Word {
                    text,
                    span: raw.span,
                }),
                raw,
            ));
        }
        fine.then_some(flags)
    }

    /// Reads the value of a flag that is on or off.
    pub(super) fn switch(&mut self, word: Option<Word>) -> Option<Option<bool>> {
        let Some(word) = word else { return Some(None) };
        match &*word.text.to_lowercase() {
            "true" | "1" | "t" => Some(Some(true)),
            "false" | "0" | "f" => Some(Some(false)),
            _ => {
                self.report(
                    word.span,
                    format!("`{}` is neither true nor false", word.text),
                    None,
                );
                None
            }
        }
    }
}

/// Reads a word whose quotes only hold it together. Returns its length in the text and what it says.
fn flag_word(text: &str, escape: char) -> (usize, String) {
    let mut value = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            None if c.is_whitespace() => return (at, value),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ if c == escape => value.extend(chars.next().map(|(_, c)| c)),
            _ => value.push(c),
        }
    }
    (text.len(), value)
}
