//! What is wrong with a Dockerfile, and where.

use std::fmt;

/// A range of bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// Returns line and column of the beginning, both from 1; columns count characters.
    pub fn position(self, text: &str) -> (usize, usize) {
        let before = text.get(..self.start).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[line_start..].chars().count() + 1)
    }

    /// Returns the first and the last line that the range touches, from 1.
    pub fn lines(self, text: &str) -> (usize, usize) {
        let count = |end: usize| {
            let before = text.get(..end).unwrap_or(text);
            before.bytes().filter(|byte| *byte == b'\n').count() + 1
        };
        // A line end that belongs to the range does not begin a further line of it.
        let part = text.get(self.start..self.end).unwrap_or_default();
        let end = self.start + part.trim_end_matches(['\r', '\n']).len();
        (count(self.start), count(end))
    }

    /// Returns the text of the range.
    pub fn text(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What, as one lower-case phrase.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Everything that is wrong with a Dockerfile, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The problems; never empty.
    pub list: Vec<Problem>,
    text: String,
}

impl Problems {
    /// Takes problems of a text.
    pub fn new(text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.span.start);
        Self {
            list,
            text: text.to_owned(),
        }
    }

    /// Shows every problem with its line, `name` being what the file is called:
    ///
    /// ```text
    /// Dockerfile:3:1: unknown instruction `RUNN`
    ///    3 | RUNN make
    ///      | ^^^^ did you mean RUN?
    /// ```
    pub fn render(&self, name: &str) -> String {
        let shown = self
            .list
            .iter()
            .map(|problem| self.render_one(problem, name));
        shown.collect::<Vec<_>>().join("\n")
    }

    fn render_one(&self, problem: &Problem, name: &str) -> String {
        let (line, column) = problem.span.position(&self.text);
        let content = self.text.lines().nth(line - 1).unwrap_or_default();
        let width = problem.span.text(&self.text).lines().next();
        let width = width.map_or(1, |text| text.chars().count()).max(1);
        // Tabs stay, so that the marks stand below what they mark.
        let indent: String = content
            .chars()
            .take(column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let hint = problem
            .hint
            .as_ref()
            .map_or(String::new(), |hint| format!(" {hint}"));
        let gutter = line.to_string().len().max(4);
        format!(
            "{name}:{line}:{column}: {}\n{line:>gutter$} | {content}\n{:gutter$} | {indent}{}{hint}",
            problem.message,
            "",
            "^".repeat(width)
        )
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render("Dockerfile"))
    }
}

impl std::error::Error for Problems {}
