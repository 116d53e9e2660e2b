//! A walk over the syntax tree of a script, all branches, that gathers facts.
//!
//! The walk is repeated until the values of variables no longer grow: a function
//! may use what is set further down. Nothing is executed, so a variable has a
//! set of values rather than one, and a value may be known up to a point only.

mod run;
mod value;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use brush_parser::ast::{
    AndOr, AndOrList, Command, CommandPrefixOrSuffixItem as Item, CompoundCommand, CompoundList,
    ExtendedTestExpr, IoFileRedirectTarget, IoRedirect, Program, SimpleCommand,
};

use value::{Field, Value, matched, split};

use super::names;
use super::word::Context;
use super::{Dialect, Encoding, Parse, ScriptFacts, parse};

/// Values of one variable, and of one word, that are followed.
const MAX_VALUES: usize = 32;

/// Walks over a script until the values of its variables are taken as found.
const MAX_WALKS: usize = 5;

/// Scripts inside of one another (`$(...)`, `eval`, `sh -c`), and default values
/// of parameters inside of one another.
const MAX_DEPTH: usize = 16;

/// Bytes of inner scripts in one walk, each level counted again.
const MAX_INNER: usize = 8 << 20;

/// Pieces of words in all walks over a script; the largest scripts of Debian need a tenth.
const MAX_PIECES: usize = 2_000_000;

/// Parses a script and gathers facts of all of it.
pub(super) fn facts(
    text: &str,
    dialect: Dialect,
    environment: &[(Vec<u8>, Vec<u8>)],
    encoding: Encoding,
) -> Result<ScriptFacts, String> {
    let program = parse::parse(text, dialect)?;
    let mut walker = Walker {
        dialect,
        programs: HashMap::new(),
        variables: BTreeMap::new(),
        functions: HashSet::new(),
        found: Found::default(),
        assigning: None,
        captured: false,
        depth: 0,
        inner_left: MAX_INNER,
        pieces_left: MAX_PIECES,
    };
    for (name, value) in environment {
        let name = String::from_utf8_lossy(name).into_owned();
        let text = String::from_utf8_lossy(value).into_owned();
        walker.add_value(&name, Value::complete(text));
    }
    for _ in 0..MAX_WALKS {
        let before = (walker.variables.clone(), walker.functions.len());
        walker.found = Found::default();
        walker.inner_left = MAX_INNER;
        walker.program(&program);
        if before == (walker.variables.clone(), walker.functions.len()) {
            break;
        }
    }
    Ok(walker.found.encode(encoding))
}

/// [`ScriptFacts`] as text.
#[derive(Debug, Default)]
struct Found {
    commands: BTreeSet<String>,
    words: BTreeSet<String>,
    sources: BTreeSet<String>,
    source_ends: BTreeSet<String>,
    ends: BTreeSet<String>,
    globs: BTreeSet<String>,
    assigned_path: BTreeSet<String>,
    /// Words that `case` compares with. They are names of programs where one is run whose name is a value.
    patterns: BTreeSet<String>,
    dynamic: bool,
}

impl Found {
    fn encode(mut self, encoding: Encoding) -> ScriptFacts {
        if self.dynamic {
            self.words.append(&mut self.patterns);
        }
        let encode = |set: BTreeSet<String>| set.iter().map(|text| encoding.encode(text)).collect();
        ScriptFacts {
            commands: encode(self.commands),
            words: encode(self.words),
            sources: encode(self.sources),
            source_ends: encode(self.source_ends),
            ends: encode(self.ends),
            globs: encode(self.globs),
            assigned_path: encode(self.assigned_path),
            dynamic: self.dynamic,
            parse: Parse::Parsed,
        }
    }
}

struct Walker {
    dialect: Dialect,
    /// Inner scripts, parsed once; nothing where that failed.
    programs: HashMap<String, Option<Rc<Program>>>,
    variables: BTreeMap<String, BTreeSet<Value>>,
    functions: HashSet<String>,
    found: Found,
    /// The variable being set, whose own value would otherwise grow with each walk.
    assigning: Option<String>,
    /// Something reads what commands print, so that it may be a command line.
    captured: bool,
    depth: usize,
    inner_left: usize,
    pieces_left: usize,
}

impl Walker {
    fn program(&mut self, program: &Program) {
        for list in &program.complete_commands {
            self.list(list);
        }
    }

    fn list(&mut self, list: &CompoundList) {
        for item in &list.0 {
            self.and_or(&item.0);
        }
    }

    fn and_or(&mut self, list: &AndOrList) {
        let additional = list.additional.iter().map(|item| match item {
            AndOr::And(pipeline) | AndOr::Or(pipeline) => pipeline,
        });
        for pipeline in std::iter::once(&list.first).chain(additional) {
            if let Some((last, others)) = pipeline.seq.split_last() {
                let outer = std::mem::replace(&mut self.captured, true);
                others.iter().for_each(|command| self.command(command));
                self.captured = outer;
                self.command(last);
            }
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                self.compound(compound);
                self.redirects(redirects.iter().flat_map(|list| &list.0));
            }
            Command::Function(function) => {
                self.functions.insert(function.fname.value.clone());
                self.compound(&function.body.0);
                self.redirects(function.body.1.iter().flat_map(|list| &list.0));
            }
            Command::ExtendedTest(test, redirects) => {
                self.test(&test.expr);
                self.redirects(redirects.iter().flat_map(|list| &list.0));
            }
        }
    }

    fn compound(&mut self, command: &CompoundCommand) {
        match command {
            CompoundCommand::Arithmetic(arithmetic) => self.arithmetic(&arithmetic.expr.value),
            CompoundCommand::ArithmeticForClause(clause) => {
                let parts = [&clause.initializer, &clause.condition, &clause.updater];
                for part in parts.into_iter().flatten() {
                    self.arithmetic(&part.value);
                }
                self.list(&clause.body.list);
            }
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.list(&subshell.list),
            CompoundCommand::ForClause(clause) => {
                for word in clause.values.iter().flatten() {
                    for value in self.expand(&word.value) {
                        for value in split(value) {
                            self.mention(&value);
                            self.add_value(&clause.variable_name, matched(value));
                        }
                    }
                }
                if clause.values.is_none() {
                    self.add_value(&clause.variable_name, Value::unknown());
                }
                self.list(&clause.body.list);
            }
            CompoundCommand::CaseClause(clause) => {
                self.mention_word(&clause.value.value);
                for case in &clause.cases {
                    for pattern in &case.patterns {
                        for value in self.expand(&pattern.value) {
                            if value.pattern {
                                continue;
                            }
                            if value.open || value.split || value.text.contains('/') {
                                self.mention(&value);
                            } else {
                                self.found.patterns.insert(value.text);
                            }
                        }
                    }
                    if let Some(list) = &case.cmd {
                        self.list(list);
                    }
                }
            }
            CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition);
                self.list(&clause.then);
                for other in clause.elses.iter().flatten() {
                    if let Some(condition) = &other.condition {
                        self.list(condition);
                    }
                    self.list(&other.body);
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.list(&clause.0);
                self.list(&clause.1.list);
            }
            CompoundCommand::Coprocess(coprocess) => self.command(&coprocess.body),
        }
    }

    fn test(&mut self, test: &ExtendedTestExpr) {
        match test {
            ExtendedTestExpr::And(left, right) | ExtendedTestExpr::Or(left, right) => {
                self.test(left);
                self.test(right);
            }
            ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => {
                self.test(inner);
            }
            ExtendedTestExpr::UnaryTest(_, word) => self.mention_word(&word.value),
            ExtendedTestExpr::BinaryTest(_, left, right) => {
                self.mention_word(&left.value);
                for value in self.expand(&right.value) {
                    if !value.pattern {
                        self.mention(&value);
                    }
                }
            }
        }
    }

    fn redirects<'a>(&mut self, redirects: impl IntoIterator<Item = &'a IoRedirect>) {
        for redirect in redirects {
            self.redirect(redirect);
        }
    }

    /// Returns the text that a here-document or here-string feeds to the command.
    fn redirect(&mut self, redirect: &IoRedirect) -> Option<String> {
        match redirect {
            IoRedirect::File(_, _, target) => match target {
                IoFileRedirectTarget::Filename(word) | IoFileRedirectTarget::Duplicate(word) => {
                    self.mention_word(&word.value);
                }
                IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                    self.list(&subshell.list);
                }
                IoFileRedirectTarget::Fd(_) => {}
            },
            IoRedirect::OutputAndError(word, _) => self.mention_word(&word.value),
            IoRedirect::HereString(_, word) => {
                self.mention_word(&word.value);
                return Some(self.render(&word.value, Context::Word));
            }
            IoRedirect::HereDocument(_, document) => {
                let mut text = document.doc.value.clone();
                if document.requires_expansion {
                    self.substitutions(&text);
                    text = self.render(&text, Context::Document);
                }
                self.mention_paths(&text);
                return Some(text);
            }
        }
        None
    }

    fn simple(&mut self, command: &SimpleCommand) {
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = command.suffix.iter().flat_map(|suffix| &suffix.0);
        let mut input = None;
        for item in prefix {
            match item {
                Item::IoRedirect(redirect) => input = self.redirect(redirect).or(input),
                Item::AssignmentWord(assignment, _) => self.assign(assignment),
                Item::Word(word) => self.mention_word(&word.value),
                Item::ProcessSubstitution(_, subshell) => self.list(&subshell.list),
            }
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut declares = false;
        if let Some(word) = &command.word_or_name {
            let values = self.expand(&word.value);
            declares = values.iter().any(|value| names::declares(&value.text));
            fields.push(values);
        }
        for item in suffix {
            match item {
                Item::IoRedirect(redirect) => input = self.redirect(redirect).or(input),
                Item::AssignmentWord(assignment, _) if declares => self.assign(assignment),
                Item::AssignmentWord(_, word) | Item::Word(word) => {
                    fields.push(self.expand(&word.value));
                }
                Item::ProcessSubstitution(_, subshell) => self.list(&subshell.list),
            }
        }
        let name = fields.first().and_then(|field| value::single(field));
        let text = !self.captured && name.is_some_and(names::takes_text);
        for value in fields.iter().skip(1).flatten() {
            if !text || value.text.contains('/') {
                self.mention(value);
            }
        }
        self.run(&fields, true, input.as_deref());
    }
}
