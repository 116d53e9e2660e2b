//! From text to logical lines: directives, comments, continuations and here-documents.

use std::ops::Range;

use crate::ast::{Directives, Heredoc};
use crate::problem::{Problem, Span};
use crate::suggest::closest;
use crate::word::Expander;

/// An instruction as one line, continuations taken out.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) heredocs: Vec<Heredoc>,
    /// From a place in `text` to the place in the source where that piece begins.
    pieces: Vec<(usize, usize)>,
}

impl Line {
    /// Returns the part of a line as a line of its own, such as what follows `ONBUILD`.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let before = self
            .pieces
            .iter()
            .rposition(|(at, _)| *at <= range.start)
            .unwrap_or(0);
        let moved = |(at, source): &(usize, usize)| match at.checked_sub(range.start) {
            Some(at) => (at, *source),
            None => (0, source + (range.start - at)),
        };
        Self {
            text: self.text[range.clone()].to_owned(),
            span: Span {
                start: self.source(range.start),
                end: self.span.end,
            },
            heredocs: self.heredocs.clone(),
            pieces: self.pieces[before..].iter().map(moved).collect(),
        }
    }

    /// Returns where in the source a part of the line is.
    pub(crate) fn span_of(&self, range: Range<usize>) -> Span {
        let start = self.source(range.start);
        let end = if range.end > range.start {
            self.source(range.end - 1) + 1
        } else {
            start
        };
        Span { start, end }
    }

    fn source(&self, at: usize) -> usize {
        let piece = self.pieces.iter().rev().find(|(start, _)| *start <= at);
        piece.map_or(self.span.start, |(start, source)| source + (at - start))
    }
}

/// Everything between the beginning and the end of a text.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) directives: Directives,
    pub(crate) lines: Vec<Line>,
    pub(crate) problems: Vec<Problem>,
}

/// A physical line: where it is and where the next begins.
#[derive(Clone, Copy)]
struct Physical<'t> {
    text: &'t str,
    start: usize,
    next: usize,
}

fn physical(text: &str) -> Vec<Physical<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for raw in text.split_inclusive('\n') {
        let next = start + raw.len();
        lines.push(Physical {
            text: raw.trim_end_matches(['\r', '\n']),
            start,
            next,
        });
        start = next;
    }
    // A byte order mark belongs to no word.
    if let Some(first) = lines.first_mut()
        && let Some(rest) = first.text.strip_prefix('\u{feff}')
    {
        first.start += first.text.len() - rest.len();
        first.text = rest;
    }
    lines
}

/// Divides a Dockerfile into its instructions.
pub(crate) fn read(text: &str) -> Lines {
    let physical = physical(text);
    let mut found = Lines::default();
    let mut at = directives(&physical, &mut found);
    while at < physical.len() {
        let first = physical[at];
        if is_comment(first.text) || first.text.trim().is_empty() {
            at += 1;
            continue;
        }
        let (line, next) = logical(&physical, at, found.directives.escape);
        at = next;
        if let Some(mut line) = line {
            at = heredocs(text, &physical, at, &mut line, &mut found);
            found.lines.push(line);
        }
    }
    found
}

/// Reads the comments at the very top that are directives. Returns the line after them.
fn directives(lines: &[Physical<'_>], found: &mut Lines) -> usize {
    let mut seen: Vec<String> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.text.trim_start().strip_prefix('#').and_then(directive)
        else {
            return at;
        };
        let span = Span {
            start: line.start,
            end: line.start + line.text.len(),
        };
        let problem = |message: String, hint: &str| Problem {
            span,
            message,
            hint: Some(hint.to_owned()),
        };
        if seen.contains(&key) {
            found.problems.push(problem(
                format!("the directive `{key}` is given twice"),
                "keep one of them",
            ));
        }
        match &*key {
            "syntax" => found.directives.syntax = Some(value),
            "check" => found.directives.check = Some(value),
            "escape" => match &*value {
                "\\" => found.directives.escape = '\\',
                "`" => found.directives.escape = '`',
                _ => found.problems.push(problem(
                    format!("`{value}` cannot be the escape character"),
                    "it is \\ or `",
                )),
            },
            // An ordinary comment that happens to have a `=`.
            _ => return at,
        }
        seen.push(key);
    }
    lines.len()
}

fn directive(comment: &str) -> Option<(String, String)> {
    let (key, value) = comment.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric());
    (is_key && !value.is_empty()).then(|| (key.to_lowercase(), value.to_owned()))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// Puts an instruction together from its lines. Returns it and the number of the line after it.
fn logical(lines: &[Physical<'_>], first: usize, escape: char) -> (Option<Line>, usize) {
    let mut text = String::new();
    let mut pieces = Vec::new();
    let mut end = lines[first].start + lines[first].text.len();
    let mut at = first;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        let continuing = at - 1 > first;
        // Comments and empty lines between continued ones are passed over.
        if continuing && (is_comment(line.text) || line.text.trim().is_empty()) {
            continue;
        }
        let skipped = if continuing {
            0
        } else {
            line.text.len() - line.text.trim_start().len()
        };
        let (content, continues) = continued(&line.text[skipped..], escape);
        pieces.push((text.len(), line.start + skipped));
        text.push_str(content);
        end = line.start + line.text.len();
        if !continues {
            break;
        }
    }
    let start = pieces.first().map_or(lines[first].start, |piece| piece.1);
    text.truncate(text.trim_end().len());
    let line = Line {
        text,
        span: Span { start, end },
        heredocs: Vec::new(),
        pieces,
    };
    ((!line.text.is_empty()).then_some(line), at)
}

/// Takes the escape character from the end of a line. One that is escaped itself does not count.
fn continued(line: &str, escape: char) -> (&str, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest, true),
        _ => (line, false),
    }
}

/// Reads the here-documents that a line announces. Returns the number of the line after them.
fn heredocs(
    text: &str,
    lines: &[Physical<'_>],
    mut at: usize,
    line: &mut Line,
    found: &mut Lines,
) -> usize {
    for (mut heredoc, word) in announced(&line.text) {
        let start = lines.get(at).map_or(text.len(), |line| line.start);
        let mut end = start;
        let mut closed = false;
        while let Some(next) = lines.get(at) {
            at += 1;
            let candidate = if heredoc.strip_tabs {
                next.text.trim_start_matches('\t')
            } else {
                next.text
            };
            line.span.end = next.start + next.text.len();
            if candidate == heredoc.name {
                closed = true;
                break;
            }
            end = next.next;
        }
        heredoc.content = text[start..end].to_owned();
        heredoc.span = Span { start, end };
        if !closed {
            let at = line.text.find(&word).unwrap_or(0);
            // Perhaps the end is there, with a slip.
            let near = text[start..].lines().map(str::trim).collect::<Vec<_>>();
            let near = near
                .iter()
                .copied()
                .find(|line| *line == heredoc.name)
                .or_else(|| closest(&heredoc.name, &near));
            let hint = near.map_or_else(
                || {
                    format!(
                        "it ends with a line that is `{}` and nothing else",
                        heredoc.name
                    )
                },
                |near| {
                    format!(
                        "a line `{near}` does not end it: the line must be `{}` and nothing else",
                        heredoc.name
                    )
                },
            );
            found.problems.push(Problem {
                span: line.span_of(at..at + word.len()),
                message: format!("the here-document `{}` does not end", heredoc.name),
                hint: Some(hint),
            });
        }
        line.heredocs.push(heredoc);
    }
    at
}

/// Returns the here-documents of a line, with the words that stand for them.
fn announced(line: &str) -> Vec<(Heredoc, String)> {
    let mut words = line.split_whitespace().map(str::to_uppercase);
    let mut name = words.next();
    if name.as_deref() == Some("ONBUILD") {
        name = words.next();
    }
    let has_heredocs = matches!(name.as_deref(), Some("RUN" | "COPY" | "ADD"));
    if !has_heredocs || !line.contains("<<") {
        return Vec::new();
    }
    let unset = |_: &str| None;
    let raw = Expander {
        raw: true,
        keep_unset: true,
        ..Expander::new('\\', &unset)
    };
    // What no shell would understand has no here-documents either; the error is found later.
    let words = raw.expand_words(line).unwrap_or_default();
    words
        .into_iter()
        .filter_map(|word| Some((heredoc(&word)?, word)))
        .collect()
}

/// Reads a word such as `<<EOF`, `<<-"EOF"` or `3<<EOF`; the content is empty as yet.
pub(crate) fn heredoc(word: &str) -> Option<Heredoc> {
    let rest = word
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix("<<")?;
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let unset = |_: &str| None;
    let plain = Expander {
        keep_unset: true,
        ..Expander::new('\\', &unset)
    };
    let names = plain.expand_words(rest).ok()?;
    let raw = Expander { raw: true, ..plain }.expand_words(rest).ok()?;
    let [name] = &names[..] else { return None };
    Some(Heredoc {
        name: name.clone(),
        content: String::new(),
        expand: raw.first() == Some(name),
        strip_tabs,
        word: word.to_owned(),
        span: Span::default(),
    })
}
