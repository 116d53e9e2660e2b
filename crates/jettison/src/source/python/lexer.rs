//! The words of a Python source (Python Language Reference, chapter 2).

use crate::source::is_name;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Name(&'t [u8]),
    /// The text between the quotes; whether it has parts that are computed.
    Text(&'t [u8], bool),
    Sign(u8),
    /// End of a physical line.
    Line,
    End,
}

/// Keywords that an expression follows (Python reference, 2.3.1).
const BEFORE_EXPRESSIONS: &[&[u8]] = &[
    b"and", b"assert", b"await", b"del", b"elif", b"else", b"for", b"from", b"if", b"in", b"is",
    b"lambda", b"not", b"or", b"raise", b"return", b"while", b"with", b"yield",
];

impl Token<'_> {
    /// Returns whether an expression could end with it, so that `[` behind it is a subscript.
    pub(super) fn ends_expression(self) -> bool {
        match self {
            Self::Name(name) => !BEFORE_EXPRESSIONS.contains(&name),
            Self::Sign(sign) => b")]}".contains(&sign),
            Self::Text(..) => true,
            Self::Line | Self::End => false,
        }
    }
}

/// Splits a text into tokens.
pub(super) struct Lexer<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
    /// Bytes that may still be read a second time.
    pub(super) budget: usize,
}

/// Deepest nesting of formatted strings; CPython allows 150 and nobody uses 4.
const DEEPEST: usize = 16;

impl<'t> Lexer<'t> {
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn next(&mut self) -> Token<'t> {
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Token::End;
            };
            match byte {
                b'\n' => {
                    self.at += 1;
                    return Token::Line;
                }
                b'\\' if self.peek(1) == b'\n' => self.at += 2,
                b'\\' if self.peek(1) == b'\r' && self.peek(2) == b'\n' => self.at += 3,
                b'#' => {
                    let rest = &self.text[self.at..];
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                b'"' | b'\'' => return self.string(b""),
                byte if is_name(byte) => {
                    let start = self.at;
                    while is_name(self.peek(0)) {
                        self.at += 1;
                    }
                    let name = &self.text[start..self.at];
                    let quoted = matches!(self.peek(0), b'"' | b'\'');
                    let prefix = name.len() <= 2 && name.iter().all(|b| b"rRbBuUfFtT".contains(b));
                    if quoted && prefix {
                        return self.string(name);
                    }
                    return Token::Name(name);
                }
                b' ' | b'\t' | b'\r' | 0x0c => self.at += 1,
                byte => {
                    self.at += 1;
                    return Token::Sign(byte);
                }
            }
        }
    }

    fn string(&mut self, prefix: &[u8]) -> Token<'t> {
        let quote = self.peek(0);
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        let width = if triple { 3 } else { 1 };
        let formatted = prefix.iter().any(|b| b"fFtT".contains(b));
        let start = self.at + width;
        if formatted && self.budget > 0 {
            let mut end = None;
            let last = formatted_end(self.text, start, quote, triple, DEEPEST, &mut end);
            if let Some((inner, computed)) = end {
                self.at = last;
                return Token::Text(&self.text[start..inner], computed);
            }
            self.budget = self.budget.saturating_sub(last - start);
        }
        let (inner, last) = plain_end(self.text, start, quote, triple);
        self.at = last;
        Token::Text(
            &self.text[start..inner],
            formatted && self.text[start..inner].contains(&b'{'),
        )
    }
}

/// Returns where the text of a string ends, and where what follows it begins.
fn plain_end(text: &[u8], start: usize, quote: u8, triple: bool) -> (usize, usize) {
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' if !triple => return (at, at),
            byte if byte == quote && !triple => return (at, at + 1),
            byte if byte == quote && text[at..].starts_with(&[quote; 3]) => return (at, at + 3),
            _ => at += 1,
        }
    }
    (text.len(), text.len())
}

/// Finds the end of a formatted string. Returns how far was read; `end` is set to
/// where the text ends, and whether it has computed parts, if it is well-formed.
fn formatted_end(
    text: &[u8],
    start: usize,
    quote: u8,
    triple: bool,
    deepest: usize,
    end: &mut Option<(usize, bool)>,
) -> usize {
    // One element for each replacement field that is open: the brackets open in
    // it, and whether its format specification has begun.
    let mut fields: Vec<(usize, bool)> = Vec::new();
    let mut computed = false;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        let in_text = fields
            .last()
            .is_none_or(|(_, specification)| *specification);
        if in_text {
            match byte {
                b'\\' => at += 1,
                b'\n' if !triple => return at,
                b'{' if text.get(at + 1) == Some(&b'{') && fields.is_empty() => at += 1,
                b'{' if fields.len() >= deepest => return at,
                b'{' => {
                    computed = true;
                    fields.push((0, false));
                }
                b'}' => {
                    fields.pop();
                }
                byte if byte == quote && (!triple || text[at..].starts_with(&[quote; 3])) => {
                    *end = Some((at, computed));
                    return at + if triple { 3 } else { 1 };
                }
                _ => {}
            }
            at += 1;
            continue;
        }
        let Some((open, specification)) = fields.last_mut() else {
            return at;
        };
        match byte {
            b'(' | b'[' | b'{' => *open += 1,
            b')' | b']' => *open = open.saturating_sub(1),
            b'}' if *open > 0 => *open -= 1,
            b'}' => {
                fields.pop();
            }
            b':' if *open == 0 => *specification = true,
            b'#' => {
                at += memchr::memchr(b'\n', &text[at..]).unwrap_or(text.len() - at);
                continue;
            }
            b'"' | b'\'' => {
                let triple = text[at..].starts_with(&[byte; 3]);
                let inner = at + if triple { 3 } else { 1 };
                let before = text[..at].iter().rev().take(2);
                let formatted = before.clone().take_while(|b| b.is_ascii_alphabetic());
                let formatted = formatted.clone().any(|b| b"fFtT".contains(b));
                if formatted && deepest > 0 {
                    let mut nested = None;
                    at = formatted_end(text, inner, byte, triple, deepest - 1, &mut nested);
                    if nested.is_none() {
                        return at;
                    }
                } else {
                    at = plain_end(text, inner, byte, triple).1;
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}
