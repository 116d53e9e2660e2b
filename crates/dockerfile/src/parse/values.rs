//! Operands: words, JSON arrays, names with values.

use super::{Parser, Rest};
use crate::ast::{Argument, Pair, Word};

impl Rest<'_> {
    /// Divides at white space and nothing else.
    pub(super) fn words(&self) -> Vec<Word> {
        let text = self.text();
        let mut words = Vec::new();
        let mut start = None;
        for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
            match (start, c.is_whitespace()) {
                (None, false) => start = Some(at),
                (Some(from), true) => {
                    words.push(self.word(from, &text[from..at]));
                    start = None;
                }
                _ => {}
            }
        }
        words
    }

    /// Divides at white space outside of quotes; quotes and escapes stay in the words.
    fn quoted_words(&self, escape: char) -> Vec<Word> {
        let text = self.text();
        let mut words = Vec::new();
        let (mut start, mut quote) = (None, None);
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            if quote.is_none() && c.is_whitespace() {
                if let Some(from) = start.take() {
                    words.push(self.word(from, &text[from..at]));
                }
                continue;
            }
            start.get_or_insert(at);
            match quote {
                None if matches!(c, '"' | '\'') => quote = Some(c),
                Some(open) if c == open => quote = None,
                Some('\'') => {}
                _ if c == escape => drop(chars.next()),
                _ => {}
            }
        }
        if let Some(from) = start {
            words.push(self.word(from, &text[from..]));
        }
        words
    }
}

impl Parser {
    /// Reads a JSON array of strings. What is no JSON array is `Some(None)`; one of other things is a
    /// problem.
    pub(super) fn strings(&mut self, rest: &Rest<'_>) -> Option<Option<Vec<Word>>> {
        let text = rest.text();
        if !text.starts_with('[') {
            return Some(None);
        }
        let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(text) else {
            return Some(None);
        };
        let span = rest.span();
        let words: Option<Vec<Word>> = values
            .iter()
            .map(|value| {
                Some(Word {
                    text: value.as_str()?.to_owned(),
                    span,
                })
            })
            .collect();
        if words.is_none() {
            let hint = Some("write every element in double quotes".to_owned());
            self.report(
                span,
                format!(
                    "the JSON array of {} has an element that is no string",
                    rest.name
                ),
                hint,
            );
            return None;
        }
        Some(words)
    }

    /// `NAME=value …`, or the old `NAME value`.
    pub(super) fn pairs(&mut self, rest: &Rest<'_>) -> Option<Vec<Pair>> {
        let words = rest.quoted_words(self.escape);
        let first = words.first()?;
        if !first.text.contains('=') {
            let text = rest.text();
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            let value = text[end..].trim_start();
            if value.is_empty() {
                let hint = Some(format!("write {} {}=VALUE", rest.name, first.text));
                self.report(
                    first.span,
                    format!("{} `{}` has no value", rest.name, first.text),
                    hint,
                );
                return None;
            }
            let name = rest.word(0, &text[..end]);
            return Some(vec![Pair {
                name,
                value: rest.word(text.len() - value.len(), value),
            }]);
        }
        let mut pairs = Vec::new();
        let mut fine = true;
        for word in words {
            match split(&word) {
                Some((name, _)) if name.text.is_empty() => {
                    self.report(
                        word.span,
                        format!("{} has a value without a name", rest.name),
                        None,
                    );
                    fine = false;
                }
                Some((name, value)) => pairs.push(Pair { name, value }),
                None => {
                    let hint =
                        "every word is NAME=VALUE; a value with spaces is put in quotes".to_owned();
                    self.report(word.span, format!("`{}` has no `=`", word.text), Some(hint));
                    fine = false;
                }
            }
        }
        fine.then_some(pairs)
    }

    /// `NAME` or `NAME=default`, several.
    pub(super) fn arguments(&mut self, rest: &Rest<'_>) -> Option<Vec<Argument>> {
        let mut arguments = Vec::new();
        let mut fine = true;
        for word in rest.quoted_words(self.escape) {
            let (name, default) = match split(&word) {
                Some((name, default)) => (name, Some(default)),
                None => (word, None),
            };
            if name.text.is_empty() {
                self.report(rest.span(), "ARG has a value without a name", None);
                fine = false;
            }
            arguments.push(Argument { name, default });
        }
        fine.then_some(arguments)
    }
}

/// Divides a word at its first `=`.
fn split(word: &Word) -> Option<(Word, Word)> {
    let (name, value) = word.text.split_once('=')?;
    // Inside of one word nothing was taken out, unless it was continued on another line.
    let middle = (word.span.start + name.len() + 1).min(word.span.end);
    let part = |text: &str, start, end| Word {
        text: text.to_owned(),
        span: crate::problem::Span { start, end },
    };
    Some((
        part(name, word.span.start, middle - 1),
        part(value, middle, word.span.end),
    ))
}
