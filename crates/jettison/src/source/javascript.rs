//! JavaScript: what is required or imported, and literals.
//!
//! Lexical grammar as in ECMA-262, clause 12: comments, strings, templates with
//! nested code, and regular expressions, which are told from divisions by what
//! precedes them. TypeScript and JSX are read as far as they agree.

use super::{Literal, literal};

/// What a JavaScript source says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Specifiers of `import`, `export … from`, `require` and their kin, in order.
    pub imports: Vec<String>,
    /// Other strings, and templates with nothing computed.
    pub literals: Vec<Literal>,
    /// Fixed beginnings of specifiers whose rest is computed: `require("./a/" + b)`.
    pub prefixes: Vec<String>,
    /// Modules are loaded whose whole name is computed.
    pub is_dynamic: bool,
    /// Other programs can be started: `child_process`, or what is made of it, is loaded or spoken of.
    pub starts_programs: bool,
}

/// Reads a JavaScript source. Anything is accepted; what makes no sense is passed over.
pub fn scan(text: &[u8]) -> Source {
    let mut scan = Scan {
        text: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
        at: 0,
        source: Source::default(),
        brackets: Vec::new(),
        before: Before::Start,
        word: b"",
        was_dot: false,
        regex_budget: text.len().saturating_mul(4),
    };
    scan.run();
    let mut source = scan.source;
    source.starts_programs |= source.imports.iter().any(|name| {
        let name = name.strip_prefix("node:").unwrap_or(name);
        matches!(name, "child_process" | "execa" | "cross-spawn")
    });
    source
}

/// What precedes a token, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Start,
    /// An identifier that is no keyword, or `this`, `super`.
    Name,
    /// A keyword after which an expression follows: `return`, `typeof`, ….
    Keyword,
    /// A number, string, template or regular expression.
    Value,
    /// `)`; whether it closes the head of `if`, `while`, `for` or `with`.
    Round(bool),
    Square,
    /// `}`; whether it closes a block.
    Curly(bool),
    Sign(u8),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Round,
    Square,
    /// Whether it is a block.
    Curly(bool),
    /// `${` of a template.
    Template,
}

struct Bracket<'t> {
    kind: Kind,
    /// The function that is called.
    callee: Option<&'t [u8]>,
    /// The keyword before a round bracket: `if`, `while`, ….
    head: bool,
    is_empty: bool,
}

struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    source: Source,
    brackets: Vec<Bracket<'t>>,
    before: Before,
    /// The last identifier or keyword.
    word: &'t [u8],
    /// Whether a dot stood before it.
    was_dot: bool,
    /// Bytes that may still be read as a regular expression that turns out to be none.
    regex_budget: usize,
}

/// Brackets deeper than this are not told apart.
const MOST_BRACKETS: usize = 10_000;

impl<'t> Scan<'t> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) {
        if self.text.starts_with(b"#!") {
            self.skip_line();
        }
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => self.at += 1,
                b'/' if self.peek(1) == b'/' => self.skip_line(),
                b'/' if self.peek(1) == b'*' => {
                    let rest = &self.text[self.at + 2..];
                    let end = memchr::memmem::find(rest, b"*/").map_or(rest.len(), |end| end + 2);
                    self.at += 2 + end;
                }
                b'/' if self.expects_expression() && self.regular_expression() => {
                    self.follow(Before::Value);
                }
                b'"' | b'\'' => self.string(byte),
                b'`' => {
                    self.at += 1;
                    self.template(true);
                }
                byte if is_word(byte) => self.name(),
                b'(' | b'[' | b'{' => self.open(byte),
                b')' | b']' | b'}' => self.close(byte),
                byte => {
                    self.at += 1;
                    self.follow(Before::Sign(byte));
                }
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    /// Notes that a token was read.
    fn follow(&mut self, token: Before) {
        self.before = token;
        if let Some(bracket) = self.brackets.last_mut() {
            bracket.is_empty = false;
        }
    }

    /// Returns whether an expression may begin here, so that `/` opens a regular expression.
    fn expects_expression(&self) -> bool {
        match self.before {
            Before::Start | Before::Keyword => true,
            Before::Name | Before::Value | Before::Square => false,
            Before::Round(head) => head,
            Before::Curly(block) => block,
            Before::Sign(_) => true,
        }
    }

    /// Passes over a regular expression; one that does not end on its line is none.
    fn regular_expression(&mut self) -> bool {
        if self.regex_budget == 0 {
            return false;
        }
        let mut at = self.at + 1;
        let mut class = false;
        while let Some(&byte) = self.text.get(at) {
            match byte {
                b'\\' => at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'\n' | b'\r' => break,
                b'/' if !class => {
                    at += 1;
                    while self.text.get(at).is_some_and(|b| is_word(*b)) {
                        at += 1;
                    }
                    self.at = at;
                    return true;
                }
                _ => {}
            }
            at += 1;
        }
        self.regex_budget = self.regex_budget.saturating_sub(at - self.at);
        false
    }

    fn string(&mut self, quote: u8) {
        let start = self.at + 1;
        let mut at = start;
        while let Some(&byte) = self.text.get(at) {
            match byte {
                b'\\' => at += 1,
                b'\n' => break,
                byte if byte == quote => break,
                _ => {}
            }
            at += 1;
        }
        let end = at.min(self.text.len());
        self.at = (at + usize::from(self.text.get(at) == Some(&quote))).min(self.text.len());
        self.literal(start, end);
    }

    /// Reads a template from after its opening quote, or from after `}` of a computed part.
    fn template(&mut self, whole: bool) {
        let start = self.at;
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'`' => {
                    let end = self.at;
                    self.at += 1;
                    if whole {
                        self.literal(start, end);
                    }
                    self.follow(Before::Value);
                    return;
                }
                b'$' if self.peek(1) == b'{' => {
                    if whole && self.loads_computed() {
                        self.computed(start, self.at);
                    }
                    self.at += 2;
                    if self.brackets.len() < MOST_BRACKETS {
                        self.brackets.push(Bracket {
                            kind: Kind::Template,
                            callee: None,
                            head: false,
                            is_empty: true,
                        });
                    }
                    self.before = Before::Start;
                    return;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.text.len();
    }

    /// Returns whether the token at hand is the first argument of what loads modules.
    fn loads(&self) -> bool {
        let bracket = self.brackets.last();
        bracket.is_some_and(|bracket| bracket.is_empty && bracket.callee.is_some_and(loads))
    }

    /// Returns whether what is computed there is a specifier. Of the many functions that
    /// are called `resolve` few find modules.
    fn loads_computed(&self) -> bool {
        let bracket = self.brackets.last();
        let callee = bracket.and_then(|bracket| bracket.callee);
        self.loads() && callee != Some(b"resolve")
    }

    fn computed(&mut self, start: usize, end: usize) {
        match literal(&self.text[start..end], None, true) {
            Some(prefix) => self.source.prefixes.push(prefix.text),
            None => self.source.is_dynamic = true,
        }
    }

    fn literal(&mut self, start: usize, end: usize) {
        let from = self.before == Before::Name && self.word == b"from" && !self.was_dot;
        let import = self.before == Before::Keyword && self.word == b"import" && !self.was_dot;
        let first = self.brackets.last().is_some_and(|bracket| bracket.is_empty);
        let (loads, loads_computed) = (self.loads(), self.loads_computed());
        self.follow(Before::Value);
        let text = &self.text[start..end];
        // `require("a" + b)`: the argument goes on.
        let rest = &self.text[self.at..];
        let next = rest.iter().find(|b| !b.is_ascii_whitespace());
        if loads && !matches!(next, Some(b')' | b',') | None) {
            if loads_computed {
                self.computed(start, end);
            }
            return;
        }
        let callee = self
            .brackets
            .iter()
            .rev()
            .find_map(|bracket| bracket.callee);
        let Some(found) = literal(text, callee, first) else {
            return;
        };
        if loads || from || import {
            self.source.imports.push(found.text);
        } else {
            self.source.literals.push(found);
        }
    }

    fn name(&mut self) {
        let start = self.at;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        self.was_dot = self.before == Before::Sign(b'.') || self.before == Before::Sign(b'#');
        self.word = word;
        self.source.starts_programs |= matches!(word, b"child_process" | b"execa");
        let value = !self.was_dot && is_keyword_before_expression(word);
        let kind = match word.first() {
            Some(b'0'..=b'9') => Before::Value,
            _ if value => Before::Keyword,
            _ => Before::Name,
        };
        if self.loads_computed() {
            // `require(name)`; what is passed on whole is no name of a module.
            self.source.is_dynamic |= kind == Before::Name;
        }
        self.follow(kind);
    }

    fn open(&mut self, sign: u8) {
        self.at += 1;
        let keyword = !self.was_dot && matches!(self.word, b"if" | b"while" | b"for" | b"with");
        let called = matches!(self.before, Before::Name)
            || self.before == Before::Keyword && self.word == b"import";
        let (kind, callee, head) = match sign {
            b'(' => {
                let head = keyword && self.before == Before::Keyword;
                (Kind::Round, called.then_some(self.word), head)
            }
            b'[' => (Kind::Square, None, false),
            _ => (Kind::Curly(self.opens_block()), None, false),
        };
        if let Some(bracket) = self.brackets.last_mut() {
            bracket.is_empty &= callee.is_none() && sign == b'[';
        }
        if self.brackets.len() < MOST_BRACKETS {
            self.brackets.push(Bracket {
                kind,
                callee,
                head,
                is_empty: true,
            });
        }
        self.before = Before::Sign(sign);
    }

    /// Returns whether `{` opens a block, and not an object.
    fn opens_block(&self) -> bool {
        match self.before {
            Before::Start | Before::Round(_) | Before::Curly(_) | Before::Name => true,
            Before::Keyword => matches!(self.word, b"else" | b"do" | b"try" | b"finally"),
            // `=>`, `;`, `{`; after `:` it may be a case or a property.
            Before::Sign(sign) => matches!(sign, b';' | b'{' | b'}' | b'>'),
            Before::Value | Before::Square => false,
        }
    }

    fn close(&mut self, sign: u8) {
        self.at += 1;
        let Some(bracket) = self.brackets.pop() else {
            self.before = Before::Sign(b';');
            return;
        };
        match bracket.kind {
            Kind::Template if sign == b'}' => self.template(false),
            Kind::Curly(block) if sign == b'}' => self.follow(Before::Curly(block)),
            _ if sign == b')' => self.follow(Before::Round(bracket.head)),
            _ if sign == b']' => self.follow(Before::Square),
            _ => self.follow(Before::Curly(true)),
        }
    }
}

fn is_word(byte: u8) -> bool {
    super::is_name(byte) || byte == b'$'
}

fn loads(callee: &[u8]) -> bool {
    // `require`, `module.require`, `require.resolve`, `import.meta.resolve`, `import()`.
    [
        &b"require"[..],
        b"import",
        b"resolve",
        b"__require",
        b"requireOptional",
    ]
    .contains(&callee)
}

fn is_keyword_before_expression(word: &[u8]) -> bool {
    [
        &b"return"[..],
        b"typeof",
        b"instanceof",
        b"in",
        b"of",
        b"new",
        b"delete",
        b"void",
        b"throw",
        b"case",
        b"do",
        b"else",
        b"yield",
        b"await",
        b"import",
        b"export",
        b"if",
        b"while",
        b"for",
        b"with",
        b"try",
        b"finally",
        b"default",
        b"extends",
    ]
    .contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports_of(text: &str) -> Vec<String> {
        scan(text.as_bytes()).imports
    }

    #[test]
    fn what_is_required_and_imported() {
        for (text, want) in [
            ("require('a')", vec!["a"]),
            (
                "const {b} = require(\"a/b\"), c = require(`c`)",
                vec!["a/b", "c"],
            ),
            (
                "import a from 'a'; import {b as c} from \"b\"\nimport 'd'",
                vec!["a", "b", "d"],
            ),
            ("import * as x from 'a' with { type: 'json' }", vec!["a"]),
            (
                "export * from 'a'; export { b } from './b.js'",
                vec!["a", "./b.js"],
            ),
            (
                "await import('a'); import.meta.resolve('b'); require.resolve('c')",
                vec!["a", "b", "c"],
            ),
            (
                "module.require('a'); __importStar(require('b'))",
                vec!["a", "b"],
            ),
            (
                "// require('a')\n/* import 'b' */ \"require('c')\"; `require('d')`",
                vec![],
            ),
            (
                "`${require('a')} ${`${require('b')}`}` + require('c')",
                vec!["a", "b", "c"],
            ),
            ("x = /require('a')/; require('b')", vec!["b"]),
            ("x = a / require('b') / 2", vec!["b"]),
            ("if (x) /['\"]/.test(y); require('a')", vec!["a"]),
            ("f(x) / 2; require('a') / 3", vec!["a"]),
            ("return /[/'\"]/g.test(x) && require('a')", vec!["a"]),
            ("x = {} / 1; require('a')", vec!["a"]),
            ("function f() {} /'/.test(x); require('a')", vec!["a"]),
            ("() => {}\n/'/.test(x); require('a')", vec!["a"]),
            ("a = b[1] / 2; c = '/'; require('a')", vec!["a"]),
            ("`a\\`${'}'}` ; require('a')", vec!["a"]),
            ("'it\\'s' ; require('a')", vec!["a"]),
            ("#!/usr/bin/env node 'x\nrequire('a')", vec!["a"]),
            ("class A { #from = 'x' }; x.from('y')", vec![]),
            ("type A = import('a').B", vec!["a"]),
            ("'unterminated\nrequire('a')", vec!["a"]),
        ] {
            assert_eq!(imports_of(text), want, "{text}");
        }
    }

    #[test]
    fn computed_names() {
        let source = scan(b"require('./routes/' + name); require(`./x/${y}`); import('@a/' + b)");
        assert_eq!(source.prefixes, ["./routes/", "./x/", "@a/"]);
        assert!(!source.is_dynamic && source.imports.is_empty());
        for (text, want) in [
            ("require(name)", true),
            ("import(`${x}`)", true),
            ("require(path.join(__dirname, x))", true),
            ("require('a')(b)", false),
            ("f(require)", false),
        ] {
            assert_eq!(scan(text.as_bytes()).is_dynamic, want, "{text}");
        }
    }

    #[test]
    fn what_starts_programs_is_loaded_or_spoken_of() {
        for (text, want) in [
            ("require('child_process').exec(x)", true),
            ("import { spawn } from 'node:child_process'", true),
            ("child_process.exec(x)", true),
            ("require('cross-spawn')(x)", true),
            ("say('child_process')", false),
            ("regex.exec(x)", false),
        ] {
            assert_eq!(scan(text.as_bytes()).starts_programs, want, "{text}");
        }
    }

    #[test]
    fn literals_and_who_is_given_them() {
        let source = scan(b"app.set('view engine', 'pug'); spawn(['git']); x = {a: 'b'}; `c`");
        let shown: Vec<String> = source
            .literals
            .into_iter()
            .map(|found| {
                format!(
                    "{}({}) {}",
                    found.callee.unwrap_or_default(),
                    found.text,
                    found.first
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "set(view engine) true",
                "set(pug) false",
                "spawn(git) true",
                "(b) false",
                "(c) false"
            ]
        );
    }

    #[test]
    fn hostile_sources_take_linear_time() {
        let started = std::time::Instant::now();
        for pattern in ["`${", "/[", "(/", "{", "'\\", "/*", "require(", "x=/a[\n"] {
            scan(pattern.repeat((1 << 20) / pattern.len()).as_bytes());
        }
        assert!(started.elapsed().as_secs() < 60);
    }
}
