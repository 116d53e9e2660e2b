//! Shell words: quotes, escapes and `$VARIABLE`s as Dockerfiles have them.
//!
//! This is a part of what a shell does, with differences of its own (no command substitution, an escape
//! character that a directive can change). The forms of `${…}` are those of the Dockerfile reference:
//! `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`.

use crate::pattern::shell_match;

/// A word that cannot be expanded, and why, as a lower-case phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordError(pub String);

impl std::fmt::Display for WordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WordError {}

type Result<T> = std::result::Result<T, WordError>;

fn fail<T>(reason: impl Into<String>) -> Result<T> {
    Err(WordError(reason.into()))
}

/// Deepest nesting of `${a:-${b:-…}}`.
const DEPTH: usize = 100;

/// Expands words. The lookup answers for variables; what it does not know is empty.
pub struct Expander<'a> {
    /// `\`, or what the directive `escape` says.
    pub escape: char,
    /// Values of variables.
    pub lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Quotes mean nothing and stay, as in the content of a here-document.
    pub plain_quotes: bool,
    /// Quotes and escapes do their work and stay all the same: the word's raw text is wanted.
    pub raw: bool,
    /// A variable without a value stays as it is written.
    pub keep_unset: bool,
}

impl std::fmt::Debug for Expander<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expander")
            .field("escape", &self.escape)
            .finish_non_exhaustive()
    }
}

impl<'a> Expander<'a> {
    /// Returns the expander of ordinary instructions.
    pub fn new(escape: char, lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            escape,
            lookup,
            plain_quotes: false,
            raw: false,
            keep_unset: false,
        }
    }

    /// Expands a text to one word; spaces stay.
    ///
    /// # Errors
    /// Unbalanced quotes and braces, and forms of `${…}` that do not exist.
    pub fn expand(&self, text: &str) -> Result<String> {
        Ok(self.scan(text)?.0)
    }

    /// Expands a text to words, divided at spaces outside of quotes; those of values divide, too.
    ///
    /// # Errors
    /// As [`Expander::expand`].
    pub fn expand_words(&self, text: &str) -> Result<Vec<String>> {
        Ok(self.scan(text)?.1)
    }

    fn scan(&self, text: &str) -> Result<(String, Vec<String>)> {
        let mut scanner = Scanner {
            rules: self,
            text: text.chars().collect(),
            at: 0,
            depth: 0,
        };
        let (whole, words) = scanner.until(None, false)?;
        Ok((whole, words.finish()))
    }
}

/// Words being collected.
#[derive(Default)]
struct Words {
    word: String,
    inside: bool,
    done: Vec<String>,
}

impl Words {
    fn dividing(&mut self, c: char) {
        if !c.is_whitespace() {
            self.literal(c);
        } else if self.inside && !self.word.is_empty() {
            self.done.push(std::mem::take(&mut self.word));
            self.inside = false;
        }
    }

    fn literal(&mut self, c: char) {
        self.word.push(c);
        self.inside = true;
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.done.push(self.word);
        }
        self.done
    }
}

struct Scanner<'s, 'a> {
    rules: &'s Expander<'a>,
    text: Vec<char>,
    at: usize,
    depth: usize,
}

impl Scanner<'_, '_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Reads until `stop`, or to the end. With `raw_escapes` the escape character stays, for patterns.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<(String, Words)> {
        let mut whole = String::new();
        let mut words = Words::default();
        while let Some(c) = self.peek() {
            if Some(c) == stop {
                self.at += 1;
                return Ok((whole, words));
            }
            match c {
                '\'' | '"' if !self.rules.plain_quotes => {
                    let quoted = if c == '"' {
                        self.double_quoted()?
                    } else {
                        self.single_quoted()?
                    };
                    whole.push_str(&quoted);
                    words.word.push_str(&quoted);
                    words.inside = true;
                }
                '$' => {
                    let value = self.dollar()?;
                    whole.push_str(&value);
                    value.chars().for_each(|c| words.dividing(c));
                }
                c if c == self.rules.escape => {
                    self.at += 1;
                    if self.rules.raw || raw_escapes {
                        whole.push(c);
                        words.literal(c);
                    }
                    // At the end it is nothing.
                    let Some(c) = self.next() else { break };
                    whole.push(c);
                    words.literal(c);
                }
                c => {
                    self.at += 1;
                    whole.push(c);
                    words.dividing(c);
                }
            }
        }
        match stop {
            Some(stop) => fail(format!("`{stop}` is missing")),
            None => Ok((whole, words)),
        }
    }

    fn single_quoted(&mut self) -> Result<String> {
        let mut text = String::new();
        self.quote(&mut text);
        loop {
            match self.peek() {
                None => return fail("a single quote is not closed"),
                Some('\'') => {
                    self.quote(&mut text);
                    return Ok(text);
                }
                Some(c) => {
                    self.at += 1;
                    text.push(c);
                }
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String> {
        let mut text = String::new();
        self.quote(&mut text);
        loop {
            match self.peek() {
                None => return fail("a double quote is not closed"),
                Some('"') => {
                    self.quote(&mut text);
                    return Ok(text);
                }
                Some('$') => text.push_str(&self.dollar()?),
                Some(c) if c == self.rules.escape => {
                    self.at += 1;
                    let escapable = |c: char| matches!(c, '"' | '$') || c == self.rules.escape;
                    match self.peek() {
                        None => {}
                        Some(next) if escapable(next) => {
                            self.at += 1;
                            if self.rules.raw {
                                text.push(c);
                            }
                            text.push(next);
                        }
                        Some(_) => text.push(c),
                    }
                }
                Some(c) => {
                    self.at += 1;
                    text.push(c);
                }
            }
        }
    }

    /// Passes a quote, which stays where the raw text is wanted.
    fn quote(&mut self, text: &mut String) {
        if let Some(quote) = self.next().filter(|_| self.rules.raw) {
            text.push(quote);
        }
    }

    fn dollar(&mut self) -> Result<String> {
        self.at += 1;
        if self.peek() != Some('{') {
            let name = self.name();
            return Ok(match (&*name, (self.rules.lookup)(&name)) {
                ("", _) => "$".to_owned(),
                (_, Some(value)) => value,
                (_, None) if self.rules.keep_unset => format!("${name}"),
                (_, None) => String::new(),
            });
        }
        self.at += 1;
        if self.depth == DEPTH {
            return fail("`${` is nested too deeply");
        }
        self.depth += 1;
        let value = self.braces();
        self.depth -= 1;
        value
    }

    /// What stands between `${` and `}`.
    fn braces(&mut self) -> Result<String> {
        match self.peek() {
            None => return fail("`${` is not closed with `}`"),
            Some('{' | '}' | ':') => return fail("`${` is not followed by a name"),
            Some(_) => {}
        }
        let start = self.at - 2;
        let name = self.name();
        let value = (self.rules.lookup)(&name);
        let mut modifier = self.next();
        let empty_is_unset = modifier == Some(':');
        if empty_is_unset {
            modifier = self.next();
        }
        let written = |it: &Self| it.text[start..it.at].iter().collect::<String>();
        let unset = value.is_none() || (empty_is_unset && value.as_deref() == Some(""));
        match modifier {
            None => fail("`${` is not closed with `}`"),
            Some('}') if !empty_is_unset => match value {
                Some(value) => Ok(value),
                None if self.rules.keep_unset => Ok(written(self)),
                None => Ok(String::new()),
            },
            Some('-') => {
                let (word, _) = self.until(Some('}'), false)?;
                Ok(value.filter(|_| !unset).unwrap_or(word))
            }
            Some('+') => {
                let (word, _) = self.until(Some('}'), false)?;
                Ok(if unset { String::new() } else { word })
            }
            Some('?') => {
                let (word, _) = self.until(Some('}'), false)?;
                match value {
                    _ if unset && !word.is_empty() => fail(format!("{name}: {word}")),
                    None => fail(format!("variable `{name}` is not set")),
                    Some(_) if unset => fail(format!("variable `{name}` is empty")),
                    Some(value) => Ok(value),
                }
            }
            Some(end @ ('#' | '%')) if !empty_is_unset => {
                let (word, _) = self.until(Some('}'), true)?;
                let (longest, pattern) = match word.strip_prefix(end) {
                    Some(rest) => (true, rest),
                    None => (false, &*word),
                };
                let value = value.unwrap_or_default();
                Ok(trim(&value, pattern, end == '#', longest))
            }
            Some('/') if !empty_is_unset => {
                let all = self.peek() == Some('/');
                self.at += usize::from(all);
                let (pattern, _) = self.until(Some('/'), true)?;
                let (replacement, _) = self.until(Some('}'), true)?;
                match value {
                    Some(value) => Ok(replace(&value, &pattern, &replacement, all)),
                    None if self.rules.keep_unset => Ok(written(self)),
                    None => Ok(String::new()),
                }
            }
            Some(other) => {
                let colon = if empty_is_unset { ":" } else { "" };
                fail(format!("`{colon}{other}` does not exist in `${{{name}…}}`"))
            }
        }
    }

    /// Letters, digits and `_`; a number; or one of the special parameters, which are never set.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.peek() {
            Some(c) if c.is_ascii_digit() => {
                while let Some(c) = self.peek().filter(char::is_ascii_digit) {
                    name.push(c);
                    self.at += 1;
                }
            }
            Some(c @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                name.push(c);
                self.at += 1;
            }
            _ => {
                while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(c);
                    self.at += 1;
                }
            }
        }
        name
    }
}

/// Takes the shortest or longest match of a pattern from one end of a value.
fn trim(value: &str, pattern: &str, from_start: bool, longest: bool) -> String {
    let mut cuts: Vec<usize> = value.char_indices().map(|(at, _)| at).collect();
    cuts.push(value.len());
    // From the shortest piece to the longest.
    if !from_start {
        cuts.reverse();
    }
    if longest {
        cuts.reverse();
    }
    for cut in cuts {
        let (start, end) = value.split_at(cut);
        let (piece, rest) = if from_start {
            (start, end)
        } else {
            (end, start)
        };
        if shell_match(pattern, piece) {
            return rest.to_owned();
        }
    }
    value.to_owned()
}

/// Replaces the first match of a pattern, or all: leftmost, longest.
fn replace(value: &str, pattern: &str, with: &str, all: bool) -> String {
    let cuts: Vec<usize> = value
        .char_indices()
        .map(|(at, _)| at)
        .chain([value.len()])
        .collect();
    let mut result = String::new();
    let mut at = 0;
    while at < cuts.len() - 1 {
        let found = (at + 1..cuts.len())
            .rev()
            .find(|end| shell_match(pattern, &value[cuts[at]..cuts[*end]]));
        match found {
            Some(end) => {
                result.push_str(with);
                at = end;
                if !all {
                    break;
                }
            }
            None => {
                result.push_str(&value[cuts[at]..cuts[at + 1]]);
                at += 1;
            }
        }
    }
    result.push_str(&value[cuts[at]..]);
    result
}
