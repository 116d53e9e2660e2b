//! Python: import statements, and literals.
//!
//! Lexical analysis as in the Python Language Reference, chapter 2: physical and
//! logical lines, string prefixes, formatted strings with nested quotes (PEP 701).

mod lexer;

use self::lexer::{Lexer, Token};
use super::{Literal, literal};

/// What a Python source says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Import statements, in order; those for type checkers alone are left out.
    pub imports: Vec<Import>,
    /// Strings that are not documentation.
    pub literals: Vec<Literal>,
    /// Modules are imported or listed whose names are computed.
    pub is_dynamic: bool,
    /// Modules are looked for by listing what is installed (`pkgutil.iter_modules`).
    pub lists_modules: bool,
    /// Libraries of C are looked for by name (`ctypes.util.find_library`).
    pub finds_libraries: bool,
    /// Other programs can be started.
    pub starts_programs: bool,
}

/// `import module`, or `from ..module import names`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Leading dots: 0 for an absolute import.
    pub level: usize,
    /// Dotted name; may be empty after dots.
    pub module: String,
    /// What is imported from it, each of which may be a module.
    pub names: Vec<String>,
    /// It is tried: what follows `except` does without.
    pub is_tried: bool,
}

/// Reads a Python source. Anything is accepted; what makes no sense is passed over.
pub fn scan(text: &[u8]) -> Source {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut scan = Scan {
        lexer: Lexer {
            text,
            at: 0,
            budget: text.len().saturating_mul(4),
        },
        source: Source::default(),
        brackets: Vec::new(),
        assigned: None,
        skip_deeper_than: None,
        tries_deeper_than: None,
    };
    scan.run();
    scan.source
}

/// An open bracket: the function whose arguments it holds, and whether it is a list in which nothing stands yet.
struct Bracket<'t> {
    callee: Option<&'t [u8]>,
    is_empty: bool,
}

struct Scan<'t> {
    lexer: Lexer<'t>,
    source: Source,
    brackets: Vec<Bracket<'t>>,
    /// The variable that a statement sets, if it is one of those that hold a command line by their name.
    assigned: Option<&'t [u8]>,
    /// Statements indented deeper than this are for type checkers.
    skip_deeper_than: Option<usize>,
    /// Statements indented deeper than this, or on its line, are tried.
    tries_deeper_than: Option<usize>,
}

/// Brackets deeper than this are not told apart (CPython's parser allows 200).
const MOST_BRACKETS: usize = 1000;

impl<'t> Scan<'t> {
    fn run(&mut self) {
        let mut begins = true; // a statement
        let mut indent = 0;
        let mut previous = Token::Line;
        let mut token = self.next_line(&mut indent);
        loop {
            let mut next = None;
            match token {
                Token::End => return,
                Token::Line if self.brackets.is_empty() => {
                    begins = true;
                    next = Some(self.next_line(&mut indent));
                }
                Token::Line => {
                    // `import` is no expression: the bracket was none, or is not closed.
                    let ahead = self.lexer.next();
                    if matches!(ahead, Token::Name(b"import" | b"def" | b"class")) {
                        self.brackets.clear();
                        begins = true;
                        previous = Token::Line;
                        token = ahead;
                        continue;
                    }
                    next = Some(ahead);
                }
                Token::Sign(b';') if self.brackets.is_empty() => begins = true,
                Token::Sign(b':') if self.brackets.is_empty() => begins = true,
                Token::Name(name) if begins => {
                    begins = false;
                    let skipped = self.skip_deeper_than.is_some();
                    match name {
                        b"import" => next = Some(self.import(skipped)),
                        b"from" => next = Some(self.import_from(skipped)),
                        b"if" | b"elif" => next = Some(self.condition(indent)),
                        b"try" => _ = self.tries_deeper_than.get_or_insert(indent),
                        _ => self.name(name, previous),
                    }
                }
                Token::Text(text, computed) => {
                    let (token, was_doc) = self.text(text, computed, begins);
                    begins = was_doc && begins;
                    next = Some(token);
                }
                Token::Sign(sign) => {
                    begins = false;
                    self.sign(sign, previous);
                }
                Token::Name(name) => self.name(name, previous),
            }
            if !matches!(token, Token::Sign(b'(' | b'[' | b'{') | Token::Line)
                && let Some(bracket) = self.brackets.last_mut()
            {
                bracket.is_empty = false;
            }
            previous = token;
            token = match next {
                Some(token) => token,
                None => self.lexer.next(),
            };
        }
    }

    /// Returns the first token of the next line that has one, and its column.
    fn next_line(&mut self, indent: &mut usize) -> Token<'t> {
        loop {
            let start = self.lexer.at;
            let token = self.lexer.next();
            if token == Token::Line {
                continue;
            }
            let blank = self.lexer.text[start..]
                .iter()
                .take_while(|b| matches!(b, b' ' | b'\t' | 0x0c));
            *indent = blank.count();
            for ends in [&mut self.skip_deeper_than, &mut self.tries_deeper_than] {
                ends.take_if(|column| *indent <= *column);
            }
            return token;
        }
    }

    fn dotted(&mut self, mut token: Token<'t>) -> (String, Token<'t>) {
        let mut name = String::new();
        loop {
            match token {
                Token::Name(part)
                    if !part.is_empty() && (name.is_empty() || name.ends_with('.')) =>
                {
                    name.push_str(&String::from_utf8_lossy(part));
                }
                Token::Sign(b'.') if !name.is_empty() => name.push('.'),
                _ => return (name, token),
            }
            token = self.lexer.next();
        }
    }

    fn import(&mut self, skipped: bool) -> Token<'t> {
        let mut token = self.lexer.next();
        loop {
            let (module, after) = self.dotted(token);
            token = after;
            if module.is_empty() {
                return token;
            }
            if !skipped {
                self.source.imports.push(Import {
                    level: 0,
                    module,
                    names: Vec::new(),
                    is_tried: self.tries_deeper_than.is_some(),
                });
            }
            if token == Token::Name(b"as") {
                self.lexer.next();
                token = self.lexer.next();
            }
            if token != Token::Sign(b',') {
                return token;
            }
            token = self.lexer.next();
        }
    }

    fn import_from(&mut self, skipped: bool) -> Token<'t> {
        let mut level = 0;
        let mut token = self.lexer.next();
        while token == Token::Sign(b'.') {
            level += 1;
            token = self.lexer.next();
        }
        let (module, after) = match token {
            Token::Name(b"import") if level > 0 => (String::new(), token),
            token => self.dotted(token),
        };
        token = after;
        if token != Token::Name(b"import") {
            return token;
        }
        let mut names = Vec::new();
        token = self.lexer.next();
        let bracket = token == Token::Sign(b'(');
        if bracket {
            token = self.lexer.next();
        }
        loop {
            match token {
                Token::Line if bracket => token = self.lexer.next(),
                Token::Name(b"as") => {
                    self.lexer.next();
                    token = self.lexer.next();
                }
                Token::Name(name) => {
                    self.name(name, Token::Line);
                    names.push(String::from_utf8_lossy(name).into_owned());
                    token = self.lexer.next();
                }
                Token::Sign(b',' | b'*') => token = self.lexer.next(),
                _ => break,
            }
        }
        if !skipped && (level > 0 || !module.is_empty()) {
            self.source.imports.push(Import {
                level,
                module,
                names,
                is_tried: self.tries_deeper_than.is_some(),
            });
        }
        match token {
            Token::Sign(b')') if bracket => self.lexer.next(),
            token => token,
        }
    }

    /// `if TYPE_CHECKING:` is false at run time (typing, "Constant").
    fn condition(&mut self, indent: usize) -> Token<'t> {
        let mut token = self.lexer.next();
        if token == Token::Name(b"typing") {
            token = self.lexer.next();
            if token == Token::Sign(b'.') {
                token = self.lexer.next();
            }
        }
        if token != Token::Name(b"TYPE_CHECKING") {
            return token;
        }
        token = self.lexer.next();
        if token == Token::Sign(b':') && self.skip_deeper_than.is_none() {
            self.skip_deeper_than = Some(indent);
        }
        token
    }

    /// Takes a string, and what decides whether it is documentation: a statement of its own.
    fn text(&mut self, text: &[u8], computed: bool, begins: bool) -> (Token<'t>, bool) {
        let next = self.lexer.next();
        let is_document = begins && matches!(next, Token::Line | Token::End);
        if !is_document && !computed && self.skip_deeper_than.is_none() {
            let assigned = self.assigned.filter(|_| self.brackets.is_empty());
            let first = self
                .brackets
                .last()
                .map_or(assigned.is_some(), |bracket| bracket.is_empty);
            let mut callees = self.brackets.iter().rev().map(|bracket| bracket.callee);
            let callee = callees.find_map(|callee| callee).or(assigned);
            self.source.literals.extend(literal(text, callee, first));
            self.assigned = None;
        }
        if computed {
            let callee = self.brackets.last().and_then(|bracket| bracket.callee);
            self.source.is_dynamic |= callee.is_some_and(imports);
        }
        (next, is_document)
    }

    fn sign(&mut self, sign: u8, previous: Token<'t>) {
        match sign {
            b'(' | b'[' | b'{' => {
                let callee = match previous {
                    Token::Name(name) if sign == b'(' => Some(name),
                    Token::Sign(b'=') if sign == b'[' && self.brackets.is_empty() => self.assigned,
                    _ => None,
                };
                if let Some(bracket) = self.brackets.last_mut() {
                    // `run(["git"])`: the list is the first argument.
                    bracket.is_empty &= callee.is_none();
                }
                // Keys of dictionaries and subscripts are no command lines.
                let is_list = match sign {
                    b'(' => true,
                    b'[' => !previous.ends_expression(),
                    _ => false,
                };
                if self.brackets.len() < MOST_BRACKETS {
                    self.brackets.push(Bracket {
                        callee,
                        is_empty: is_list,
                    });
                }
            }
            b')' | b']' | b'}' => {
                self.brackets.pop();
            }
            b'=' => {
                self.assigned = match previous {
                    Token::Name(name @ (b"cmd" | b"command")) => Some(name),
                    _ => None,
                };
            }
            _ => {}
        }
    }

    fn name(&mut self, name: &'t [u8], previous: Token<'t>) {
        match name {
            b"iter_modules" | b"walk_packages" => self.source.lists_modules = true,
            b"find_library" => self.source.finds_libraries = true,
            b"subprocess"
            | b"Popen"
            | b"system"
            | b"popen"
            | b"create_subprocess_exec"
            | b"create_subprocess_shell"
            | b"spawn"
            | b"execvp" => {
                self.source.starts_programs = true;
            }
            _ => {}
        }
        if previous == Token::Sign(b'(') {
            let bracket = self.brackets.last();
            let computed = bracket
                .and_then(|bracket| bracket.callee)
                .is_some_and(imports);
            self.source.is_dynamic |= computed;
        }
    }
}

/// Functions that import a module by its name (importlib, builtins).
fn imports(callee: &[u8]) -> bool {
    [
        &b"import_module"[..],
        b"__import__",
        b"find_spec",
        b"import_string",
    ]
    .contains(&callee)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports_of(text: &str) -> Vec<String> {
        let shown = |import: Import| {
            let dots = ".".repeat(import.level);
            let names = import.names.join(",");
            format!(
                "{dots}{}{}{}{names}",
                import.module,
                if import.is_tried { "?" } else { "" },
                if names.is_empty() { "" } else { ":" }
            )
        };
        scan(text.as_bytes())
            .imports
            .into_iter()
            .map(shown)
            .collect()
    }

    fn literals_of(text: &str) -> Vec<String> {
        let shown = |found: Literal| {
            let mark = if found.first { "!" } else { "" };
            format!("{}({}{mark})", found.callee.unwrap_or_default(), found.text)
        };
        scan(text.as_bytes())
            .literals
            .into_iter()
            .map(shown)
            .collect()
    }

    #[test]
    fn statements_that_import() {
        for (text, want) in [
            ("import a", vec!["a"]),
            ("import a.b as c, d ; import e", vec!["a.b", "d", "e"]),
            ("from a import b as c, d", vec!["a:b,d"]),
            (
                "from a.b import (c, # x\n  d as e,\n)\nimport f",
                vec!["a.b:c,d", "f"],
            ),
            ("from . import x\nfrom ..y.z import *", vec![".:x", "..y.z"]),
            ("from ...a import b", vec!["...a:b"]),
            ("from \\\n  a import \\\n b\nimport c", vec!["a:b", "c"]),
            ("try: import a\nexcept ImportError: a = None", vec!["a?"]),
            (
                "try:\n  import a\n  if x:\n    from b import c\nexcept E:\n  import d\nimport e",
                vec!["a?", "b?:c", "d", "e"],
            ),
            ("def f():\n\timport a\n\treturn g(from_=1)", vec!["a"]),
            ("x = 1; from a import b; y = (yield)", vec!["a:b"]),
            (
                "def f():\n  yield from g\n  raise A from b\nimport c",
                vec!["c"],
            ),
            ("x = 'import a'\n# import b\n'''\nimport c\n'''\n", vec![]),
            ("x = '\\'' ; import a", vec!["a"]),
            ("r'\\' + 'x'\nimport a", vec!["a"]),
            ("f(\n  import_=1,\n  b=[2])\nimport a", vec!["a"]),
            ("f((\nimport a", vec!["a"]),
            (
                "if TYPE_CHECKING:\n  import a\n  from b import c\nelse:\n  import d\nimport e",
                vec!["d", "e"],
            ),
            ("if typing.TYPE_CHECKING: import a\nimport b", vec!["b"]),
            ("if not TYPE_CHECKING:\n  import a", vec!["a"]),
            (
                "importx = 3\nimport\u{e9} = 2\nimport caf\u{e9}",
                vec!["caf\u{e9}"],
            ),
            ("import a\r\nimport b\r\n", vec!["a", "b"]),
            ("\u{feff}import a", vec!["a"]),
        ] {
            assert_eq!(imports_of(text), want, "{text}");
        }
    }

    #[test]
    fn formatted_strings_end_where_they_end() {
        for text in [
            "f'{a}' ; import x",
            "f'{a[\"b\"]}' ; import x",
            "f'{a['b']}' ; import x",
            "f\"{f\"{f'{1}'}\"}\" ; import x",
            "f'{{' ; import x",
            "f'{x:{w}.{p}}' ; import x",
            "f'{x!r:^10}' ; import x",
            "f'{d[\"}\"]}' ; import x",
            "f'''{\n a # '''\n}''' ; import x",
            "rf'\\{a}' ; import x",
            "f'{a\nimport x",
            "t'{a}' 'import b' ; import x",
        ] {
            assert_eq!(imports_of(text), ["x"], "{text}");
        }
    }

    #[test]
    fn literals_and_who_is_given_them() {
        for (text, want) in [
            ("import_module('a.b')", vec!["import_module(a.b!)"]),
            (
                "subprocess.run(['git', 'log'])",
                vec!["run(git!)", "run(log)"],
            ),
            ("entry_points(group='x.y')", vec!["entry_points(x.y)"]),
            ("X = {'a': ['b', f(1), 'c']}", vec!["(a)", "(b!)", "(c)"]),
            ("cmd = 'rm -f '\nf('x')", vec!["cmd(rm -f !)", "f(x!)"]),
            ("cmd = ['rm', '-f']", vec!["cmd(rm!)", "cmd(-f)"]),
            ("x['a']; return ['b']", vec!["(a)", "(b!)"]),
            ("'''doc'''\nclass A:\n  'doc'\n  x = 'y'", vec!["(y)"]),
            ("f'{a}b' + 'c'", vec!["(c)"]),
            ("'a\\n' 'b'", vec!["(b)"]),
            ("x = b'raw'", vec!["(raw)"]),
        ] {
            assert_eq!(literals_of(text), want, "{text}");
        }
    }

    #[test]
    fn computed_names_make_a_source_dynamic() {
        for (text, want) in [
            ("importlib.import_module(name)", true),
            ("import_module(f'a.{b}')", true),
            ("__import__('a')", false),
            ("import_module('a')", false),
        ] {
            assert_eq!(scan(text.as_bytes()).is_dynamic, want, "{text}");
        }
        let source = scan(
            b"from ctypes.util import find_library\nfind_library('x')\npkgutil.iter_modules()",
        );
        assert!(source.finds_libraries && source.lists_modules && !source.starts_programs);
    }

    #[test]
    fn hostile_sources_take_linear_time() {
        let started = std::time::Instant::now();
        for pattern in [
            "f'{",
            "f'''{'",
            "(",
            "f\"{f'{",
            "if TYPE_CHECKING:\n ",
            "from . import (",
            "\\\n",
            "'",
        ] {
            scan(pattern.repeat((1 << 20) / pattern.len()).as_bytes());
        }
        assert!(started.elapsed().as_secs() < 60);
    }
}
