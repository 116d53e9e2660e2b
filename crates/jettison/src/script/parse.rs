//! Text to syntax tree, with the parser kept from going where it would not return.
//!
//! The parser (brush-parser) is recursive and backtracks without memory. Both
//! are harmless for what people write and fatal for what an attacker writes, so
//! the nesting is measured on the text and on the tokens first.

use brush_parser::ast::Program;
use brush_parser::{ParserOptions, Token, parse_tokens, uncached_tokenize_str};

use super::Dialect;
use super::names::is_variable;

/// Longest text that is parsed. The largest scripts of Debian are below;
/// what is above is generated, or carries data.
const MAX_TEXT: usize = 512 << 10;

/// Expansions (`$(`, `${`, backquotes) in one text. Each may be a level of
/// recursion of the tokenizer, and every level copies its text.
pub(super) const MAX_EXPANSIONS: usize = 4000;

/// Here-documents in one text, which the tokenizer handles in quadratic time.
const MAX_HERE_DOCUMENTS: usize = 1000;

/// Compound commands inside of one another.
const MAX_NESTING: usize = 64;

/// Steps that the parser may take, one a token. It tries `(` as arithmetic, as a
/// subshell and, behind `<`, as a file name, and the last item of `case` twice, so
/// each level of these multiplies them.
const MAX_STEPS: u64 = 1 << 26;
const FACTOR: u64 = 3;

/// Negations in a row, which are levels of recursion in `[[`.
const MAX_NEGATIONS: usize = 32;

/// Parses a script.
///
/// # Errors
/// Why it could not be parsed, for a person.
pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Program, String> {
    check_text(text)?;
    let sh = options(true);
    let bash = options(false);
    // Much that says `sh` is bash, and some that says bash is only valid without extensions.
    let (first, second) = match dialect {
        Dialect::Sh => (sh, bash),
        Dialect::Bash => (bash, sh),
    };
    parse_as(text, &first).or_else(|error| parse_as(text, &second).map_err(|_| error))
}

fn options(sh: bool) -> ParserOptions {
    ParserOptions {
        enable_extended_globbing: !sh,
        posix_mode: sh,
        sh_mode: sh,
        ..ParserOptions::default()
    }
}

fn parse_as(text: &str, options: &ParserOptions) -> Result<Program, String> {
    let tokens = uncached_tokenize_str(text, &options.tokenizer_options());
    let tokens = tokens.map_err(|error| error.to_string())?;
    check_tokens(&tokens)?;
    parse_tokens(&tokens, options).map_err(|error| error.to_string())
}

fn check_text(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let pairs = |first: u8, second: &[u8]| {
        let found = memchr::memchr_iter(first, bytes);
        found
            .filter(|&at| bytes.get(at + 1).is_some_and(|b| second.contains(b)))
            .count()
    };
    let expansions = pairs(b'$', b"({[") + memchr::memchr_iter(b'`', bytes).count() / 2;
    for (what, count, limit) in [
        ("bytes", bytes.len(), MAX_TEXT),
        ("expansions", expansions, MAX_EXPANSIONS),
        ("here-documents", pairs(b'<', b"<"), MAX_HERE_DOCUMENTS),
    ] {
        if count > limit {
            return Err(format!("more than {limit} {what}"));
        }
    }
    Ok(())
}

/// Measures nesting as the grammar will find it, and refuses what the parser panics on.
fn check_tokens(tokens: &[Token]) -> Result<(), String> {
    let mut nesting = Nesting::default();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Operator(operator, _) => nesting.operator(operator),
            Token::Word(word, _) => {
                let redirection = |next: &Token| next.to_str().starts_with(['<', '>']);
                check_word(word, tokens.get(at + 1).is_some_and(redirection))?;
                nesting.word(word);
            }
        }
    }
    if nesting.deepest > MAX_NESTING {
        return Err(format!("more than {MAX_NESTING} levels of nesting"));
    }
    let steps = FACTOR.checked_pow(nesting.repeating as u32);
    let steps = steps.and_then(|steps| steps.checked_mul(tokens.len() as u64));
    if steps.is_none_or(|steps| steps > MAX_STEPS) {
        return Err("parentheses are nested too deeply".to_owned());
    }
    if nesting.most_negations > MAX_NEGATIONS {
        return Err(format!("more than {MAX_NEGATIONS} negations"));
    }
    Ok(())
}

/// The compound commands that are open, token by token.
///
/// The parser's recursion must never be more than a small multiple of what this
/// says, or a script could overflow the stack, which ends the process. Hence an
/// opener is not counted only where the grammar has no command: behind an
/// ordinary word, until the next operator or reserved word. Where this says more
/// than the parser would do, a script is merely read word by word.
#[derive(Default)]
struct Nesting {
    /// `(`, and the first letter of `if`, `case`, `do`, `while`, `coproc` (as `=`), `{` and `[[`.
    open: Vec<u8>,
    deepest: usize,
    /// The most openers at once that make the parser try things again.
    repeating: usize,
    /// An ordinary word was seen, so that the next word is not reserved.
    in_command: bool,
    /// The next word is the name that `for` or `function` wants.
    name_follows: bool,
    /// Words that belong to a redirection and change nothing.
    targets: usize,
    negations: usize,
    most_negations: usize,
}

impl Nesting {
    fn operator(&mut self, operator: &str) {
        self.name_follows = false;
        self.targets = 0;
        if operator.starts_with(['<', '>']) || operator.starts_with("&>") {
            // A here-document is its tag, its text and its tag again.
            self.targets = if matches!(operator, "<<" | "<<-") {
                3
            } else {
                1
            };
            return;
        }
        match operator {
            "(" => self.push(b'('),
            ")" => self.pop(b'('),
            _ => {}
        }
        self.in_command = false;
    }

    fn word(&mut self, word: &str) {
        self.negations = if word == "!" { self.negations + 1 } else { 0 };
        self.most_negations = self.most_negations.max(self.negations);
        if self.targets > 0 {
            self.targets -= 1;
            return;
        }
        if word == "]]" {
            self.pop(b'[');
            self.in_command = false;
            return;
        }
        if std::mem::take(&mut self.name_follows) || word == "in" {
            self.in_command = false;
            return;
        }
        if self.in_command {
            return;
        }
        match word {
            "if" | "case" | "{" | "[[" => self.push(word.as_bytes()[0]),
            "while" | "until" => self.push(b'w'),
            "do" => {
                self.pop(b'w');
                self.push(b'd');
            }
            "coproc" => {
                self.push(b'=');
                self.name_follows = true;
            }
            "fi" => self.pop(b'i'),
            "esac" => self.pop(b'c'),
            "done" => self.pop(b'd'),
            "}" => self.pop(b'{'),
            "for" | "select" | "function" => self.name_follows = true,
            "then" | "else" | "elif" | "!" | "time" | "-p" => {}
            // A number may belong to a redirection.
            _ => self.in_command = !word.bytes().all(|b| b.is_ascii_digit()),
        }
    }

    fn push(&mut self, opener: u8) {
        self.open.push(opener);
        self.deepest = self.deepest.max(self.open.len());
        // Counting deeper ones would be quadratic, and they are refused anyway.
        if self.open.len() <= MAX_NESTING {
            let repeating = |opener: &&u8| matches!(opener, b'(' | b'c');
            let count = self.open.iter().filter(repeating).count();
            self.repeating = self.repeating.max(count);
        }
    }

    fn pop(&mut self, opener: u8) {
        if self.open.last() == Some(&opener) {
            self.open.pop();
        }
    }
}

fn check_word(word: &str, before_redirection: bool) -> Result<(), String> {
    // brush-parser 0.4.0 unwraps the number of a redirection, which is an i32.
    let number = word.bytes().all(|b| b.is_ascii_digit());
    if before_redirection && number && !(1..=9).contains(&word.len()) {
        return Err("the number of a redirection is impossible".to_owned());
    }
    // It parses subscripts as arithmetic, with backtracking.
    if let Some((name, rest)) = word.split_once('[')
        && is_variable(name)
        && rest.bytes().filter(|b| b"([{$`\"".contains(b)).count() > 12
    {
        return Err("the subscript of an array is nested too deeply".to_owned());
    }
    Ok(())
}
