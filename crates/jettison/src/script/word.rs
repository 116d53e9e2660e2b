//! A word of the shell, cut into literal text and expansions
//! (POSIX.1-2017, 2.2 "Quoting" and 2.6 "Word Expansions").
//!
//! The parser leaves words as they are written. They are cut here, in linear
//! time and without failing: what is not closed extends to the end.

use super::names::is_variable;

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text that stands for itself.
    Literal {
        text: String,
        /// Whether it was quoted; patterns are only patterns outside of quotes.
        quoted: bool,
    },
    /// `$name`, `${name}`, `${name:-word}` and the like.
    Parameter {
        /// A name, or one of the special parameters, such as `@`.
        name: &'t str,
        /// What follows the name within the braces.
        operation: Operation<'t>,
        quoted: bool,
    },
    /// A command substitution; the script in it.
    Command(String),
    /// An arithmetic expansion; what stands in it may have expansions again.
    Arithmetic(&'t str),
}

/// What is done with the value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation<'t> {
    /// Nothing: the value itself.
    Value,
    /// `:-`, `-`: the word if there is no value.
    Default(&'t str),
    /// `:=`, `=`: the same, and the parameter is set to it.
    Assign(&'t str),
    /// `:+`, `+`: the word if there is a value.
    Alternative(&'t str),
    /// `[@]`, `[*]`: all elements of an array.
    Elements,
    /// Anything else: the result is not followed, its operand may have expansions.
    Other(&'t str),
}

/// Where a word stands, which decides about quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// In a command.
    Word,
    /// In a here-document or in arithmetic, where quotes are characters.
    Document,
}

/// Cuts a word into pieces.
pub(super) fn pieces(word: &str, context: Context) -> Vec<Piece<'_>> {
    let mut cutter = Cutter {
        text: word,
        at: 0,
        pieces: Vec::new(),
        literal: Vec::new(),
        quoted: false,
    };
    cutter.run(context);
    cutter.pieces
}

struct Cutter<'t> {
    text: &'t str,
    at: usize,
    pieces: Vec<Piece<'t>>,
    literal: Vec<u8>,
    /// Whether `literal` was quoted.
    quoted: bool,
}

impl<'t> Cutter<'t> {
    fn run(&mut self, context: Context) {
        let mut double = false;
        let document = context == Context::Document;
        while let Some(byte) = self.peek(0) {
            let inside = double || document;
            match byte {
                b'\\' => {
                    let next = self.peek(1);
                    self.at += 1;
                    match next {
                        Some(b'\n') => self.at += 1,
                        // Within double quotes it is a character unless it has an effect.
                        Some(next) if !inside || b"$`\"\\".contains(&next) => {
                            self.push(next, true);
                            self.at += 1;
                        }
                        _ => self.push(b'\\', inside),
                    }
                }
                b'\'' if !inside => self.single_quoted(1),
                b'$' if !inside && self.peek(1) == Some(b'\'') => self.ansi_quoted(),
                b'$' if !inside && self.peek(1) == Some(b'"') => self.at += 1,
                b'"' if !document => {
                    double = !double;
                    // An empty string is a word as well.
                    self.flush_into(double);
                    self.at += 1;
                }
                b'$' => self.dollar(inside),
                b'`' => self.backquoted(inside),
                _ => {
                    self.push(byte, inside);
                    self.at += 1;
                }
            }
        }
        self.flush();
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn push(&mut self, byte: u8, quoted: bool) {
        self.flush_into(quoted);
        self.literal.push(byte);
    }

    /// Starts a new literal where the quoting changes.
    fn flush_into(&mut self, quoted: bool) {
        if self.quoted != quoted {
            self.flush();
            self.quoted = quoted;
        }
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let bytes = std::mem::take(&mut self.literal);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let quoted = self.quoted;
            self.pieces.push(Piece::Literal { text, quoted });
        }
    }

    fn expansion(&mut self, piece: Piece<'t>) {
        self.flush();
        self.pieces.push(piece);
    }

    fn single_quoted(&mut self, opening: usize) {
        let start = self.at + opening;
        let length = self.text.as_bytes()[start..]
            .iter()
            .position(|&b| b == b'\'');
        let end = length.map_or(self.text.len(), |length| start + length);
        for at in start..end {
            self.push(self.text.as_bytes()[at], true);
        }
        self.at = (end + 1).min(self.text.len());
    }

    /// `$'...'`, of which the usual escapes are known (bash(1), "QUOTING").
    fn ansi_quoted(&mut self) {
        self.at += 2;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\'' => return,
                b'\\' => {
                    let escaped = match self.peek(0) {
                        Some(b'n') => b'\n',
                        Some(b't') => b'\t',
                        Some(other) => other,
                        None => return,
                    };
                    self.push(escaped, true);
                    self.at += 1;
                }
                _ => self.push(byte, true),
            }
        }
    }

    fn backquoted(&mut self, inside: bool) {
        let mut script = Vec::new();
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match (byte, self.peek(0)) {
                (b'`', _) => break,
                (b'\\', Some(next)) if b"$`\\".contains(&next) || (inside && next == b'"') => {
                    script.push(next);
                    self.at += 1;
                }
                _ => script.push(byte),
            }
        }
        self.expansion(Piece::Command(
            String::from_utf8_lossy(&script).into_owned(),
        ));
    }

    fn dollar(&mut self, quoted: bool) {
        let text = self.text;
        let start = self.at + 2;
        match self.peek(1) {
            Some(b'(') => {
                let end = closing(text.as_bytes(), start, b')');
                self.at = (end + 1).min(text.len());
                let inner = &text[start..end];
                let arithmetic = inner
                    .strip_prefix('(')
                    .and_then(|rest| rest.strip_suffix(')'));
                self.expansion(match arithmetic {
                    Some(expression) => Piece::Arithmetic(expression),
                    None => Piece::Command(inner.to_owned()),
                });
            }
            Some(b'[') => {
                let end = closing(text.as_bytes(), start, b']');
                self.at = (end + 1).min(text.len());
                self.expansion(Piece::Arithmetic(&text[start..end]));
            }
            Some(b'{') => {
                let end = closing(text.as_bytes(), start, b'}');
                self.at = (end + 1).min(text.len());
                let (name, operation) = braced(&text[start..end]);
                self.expansion(Piece::Parameter {
                    name,
                    operation,
                    quoted,
                });
            }
            Some(byte) if is_parameter(byte) => {
                let bytes = text.as_bytes();
                let mut end = self.at + 2;
                if byte == b'_' || byte.is_ascii_alphabetic() {
                    let named = |b: &u8| *b == b'_' || b.is_ascii_alphanumeric();
                    end += bytes[end..].iter().take_while(|b| named(b)).count();
                }
                let name = &text[self.at + 1..end];
                self.at = end;
                self.expansion(Piece::Parameter {
                    name,
                    operation: Operation::Value,
                    quoted,
                });
            }
            _ => {
                self.push(b'$', quoted);
                self.at += 1;
            }
        }
    }
}

fn is_parameter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_@*#?-$!".contains(&byte)
}

/// Cuts what stands within `${` and `}`.
fn braced(inner: &str) -> (&str, Operation<'_>) {
    let bytes = inner.as_bytes();
    let named = |b: &&u8| **b == b'_' || b.is_ascii_alphanumeric();
    let mut length = bytes.iter().take_while(named).count();
    if length == 0 && bytes.first().is_some_and(|&b| is_parameter(b)) {
        // `${#name}` and `${!name}` are lengths and references, `${#}` a parameter.
        if bytes.len() > 1 && matches!(bytes[0], b'#' | b'!') && named(&&bytes[1]) {
            return ("", Operation::Other(""));
        }
        length = 1;
    }
    let (name, rest) = inner.split_at(length);
    let rest = match rest
        .strip_prefix("[@]")
        .or_else(|| rest.strip_prefix("[*]"))
    {
        Some("") if is_variable(name) => return (name, Operation::Elements),
        Some(rest) => rest,
        None => rest,
    };
    let operator = rest.strip_prefix(':').unwrap_or(rest);
    let operation = match operator.as_bytes().first() {
        None if rest.is_empty() => Operation::Value,
        Some(b'-') => Operation::Default(&operator[1..]),
        Some(b'=') => Operation::Assign(&operator[1..]),
        Some(b'+') => Operation::Alternative(&operator[1..]),
        _ => Operation::Other(rest),
    };
    (name, operation)
}

/// Returns where the expansion that began before `at` ends: the index of its
/// closing `last`, or the end of the text. Iterative, since nesting is not bounded here.
fn closing(bytes: &[u8], mut at: usize, last: u8) -> usize {
    let mut open = vec![last];
    while at < bytes.len() {
        let Some(&innermost) = open.last() else {
            return at;
        };
        let byte = bytes[at];
        let double = innermost == b'"';
        match byte {
            b'\\' => at += 1,
            b'\'' if !double => {
                let rest = &bytes[at + 1..];
                at += 1 + memchr::memchr(b'\'', rest).unwrap_or(rest.len());
            }
            b'"' if double => {
                open.pop();
            }
            b'"' => open.push(b'"'),
            b'`' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'`' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
            }
            b'$' => match bytes.get(at + 1) {
                Some(b'(') => open.push(b')'),
                Some(b'{') => open.push(b'}'),
                Some(b'[') => open.push(b']'),
                _ => {}
            },
            // The opener after `$` was counted with it.
            b'(' if innermost == b')' && bytes[at - 1] != b'$' => open.push(b')'),
            b'[' if innermost == b']' && bytes[at - 1] != b'$' => open.push(b']'),
            _ if byte == innermost => {
                open.pop();
                if open.is_empty() {
                    return at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(word: &str, context: Context) -> String {
        let pieces = pieces(word, context);
        let shown = pieces.iter().map(|piece| match piece {
            Piece::Literal { text, quoted } => format!("{}{text}", if *quoted { "'" } else { "" }),
            Piece::Parameter {
                name,
                operation,
                quoted,
            } => format!("{}${name}:{operation:?}", if *quoted { "'" } else { "" }),
            Piece::Command(script) => format!("({script})"),
            Piece::Arithmetic(expression) => format!("(({expression}))"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_are_cut() {
        for (word, want) in [
            ("plain", "plain"),
            ("a'b c'd", "a 'b c d"),
            (
                r#""a $x b""#,
                "'a  '$x:Value 'b".replace("'b", "' b").as_str(),
            ),
            (r"a\ b\$c", "a '  b '$ c"),
            ("$x/bin", "$x:Value /bin"),
            ("${x:-/etc/y}z", r#"$x:Default("/etc/y") z"#),
            (r#"${x:="${y:-a}"}"#, r#"$x:Assign("\"${y:-a}\"")"#),
            ("${x+y}", r#"$x:Alternative("y")"#),
            ("${x%/*}", r#"$x:Other("%/*")"#),
            ("${#x}${x[@]}", r#"$:Other("") $x:Elements"#),
            ("$(a $(b) \")\")c", "(a $(b) \")\") c"),
            ("`a \\`b\\``", "(a `b`)"),
            ("$((1 + $(a)))", "((1 + $(a)))"),
            ("$@$1$", "$@:Value $1:Value $"),
            ("$'a\\'b'", "'a'b"),
            ("$(unclosed", "(unclosed)"),
            ("'unclosed", "'unclosed"),
            ("é$x", "é $x:Value"),
        ] {
            assert_eq!(show(word, Context::Word), want, "{word}");
        }
        let document = show("it's \"$x\" \\$y", Context::Document);
        assert_eq!(document, "'it's \" '$x:Value '\" $y");
    }

    #[test]
    fn deep_nesting_takes_linear_time() {
        for opener in ["$(", "${a:-", "$((", "\"$(", "`x"] {
            let word = opener.repeat(100_000);
            assert!(pieces(&word, Context::Word).len() <= 100_000, "{opener}");
        }
    }
}
