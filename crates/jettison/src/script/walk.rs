//! A walk over the syntax tree of a script, all branches, that gathers facts.
//!
//! The walk is repeated until the values of variables no longer grow: a function
//! may use what is set further down. Nothing is executed, so a variable has a
//! set of values rather than one, and a value may be known up to a point only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use brush_parser::ast::{
    AndOr, AndOrList, Assignment, AssignmentName, AssignmentValue, Command,
    CommandPrefixOrSuffixItem as Item, CompoundCommand, CompoundList, ExtendedTestExpr,
    IoFileRedirectTarget, IoRedirect, Program, SimpleCommand,
};

use super::names::{self, Wrapper};
use super::word::{Context, Operation, Piece, pieces};
use super::{Dialect, Encoding, Parse, ScriptFacts, config, parse, tokens};

/// Values of one variable, and of one word, that are followed.
const MAX_VALUES: usize = 32;

/// Bytes of one value; longer ones are no path and no command line.
const MAX_VALUE: usize = 16 << 10;

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

/// What a word or a variable may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Value {
    text: String,
    /// Something unknown follows.
    open: bool,
    /// What follows the first unknown part, with `$_` for what is unknown.
    rest: String,
    /// It is not the first element of an array.
    later: bool,
    /// It has characters of a pattern that are not quoted.
    pattern: bool,
    /// It is to be split at blanks.
    split: bool,
}

impl Value {
    fn complete(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }

    fn unknown() -> Self {
        Self {
            open: true,
            rest: "$_".to_owned(),
            ..Self::default()
        }
    }

    fn push(&mut self, text: &str, quoted: bool) {
        if self.text.len() + self.rest.len() + text.len() > MAX_VALUE {
            self.open = true;
        } else if self.open {
            self.rest.push_str(text);
        } else {
            self.text.push_str(text);
            self.pattern |= !quoted && text.contains(['*', '?', '[']);
        }
    }

    fn append(&mut self, end: &Self) {
        self.push(&end.text, true);
        let closed = !self.open;
        self.open |= end.open;
        if self.text.len() + self.rest.len() + end.rest.len() <= MAX_VALUE {
            self.rest.push_str(&end.rest);
        }
        self.pattern |= end.pattern && closed;
        self.split |= end.split;
        self.later |= end.later;
    }

    /// Returns the value as a script that a shell is given.
    fn script(&self) -> String {
        format!("{}{}", self.text, self.rest)
    }
}

/// A word of a command: each of its values.
type Field = Vec<Value>;

/// [`ScriptFacts`] as text.
#[derive(Debug, Default)]
struct Found {
    commands: BTreeSet<String>,
    words: BTreeSet<String>,
    sources: BTreeSet<String>,
    globs: BTreeSet<String>,
    assigned_path: BTreeSet<String>,
    dynamic: bool,
}

impl Found {
    fn encode(self, encoding: Encoding) -> ScriptFacts {
        let encode = |set: BTreeSet<String>| set.iter().map(|text| encoding.encode(text)).collect();
        ScriptFacts {
            commands: encode(self.commands),
            words: encode(self.words),
            sources: encode(self.sources),
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
            for command in &pipeline.seq {
                self.command(command);
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
                            if !value.pattern {
                                self.mention(&value);
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
        for field in fields.iter().skip(1) {
            for value in field {
                self.mention(value);
            }
        }
        self.run(&fields, true, input.as_deref());
    }

    /// Notes that a command is run. Builtins and functions are meant only if `internal`.
    fn run(&mut self, fields: &[Field], internal: bool, input: Option<&str>) {
        let Some((name, operands)) = fields.split_first() else {
            return;
        };
        // Many values in many words of wrappers would multiply.
        let cost: usize = fields.iter().map(Vec::len).sum();
        let left = self.pieces_left.checked_sub(cost);
        let Some(left) = left.filter(|_| self.depth < MAX_DEPTH) else {
            self.found.dynamic = true;
            return;
        };
        self.pieces_left = left;
        self.depth += 1;
        let first = name.iter().any(|value| !value.later);
        for value in name.iter().filter(|value| !value.later || !first) {
            if value.open {
                self.found.dynamic = true;
                self.mention(value);
                continue;
            }
            // `$COMMAND` may be a whole command line.
            let mut parts = split(value.clone()).into_iter();
            let Some(command) = parts.next() else {
                continue;
            };
            let rest: Vec<Field> = parts.map(|part| vec![part]).collect();
            for field in &rest {
                self.mention(&field[0]);
            }
            let operands: Vec<&Field> = rest.iter().chain(operands).collect();
            self.run_named(&command.text, &operands, internal, input);
        }
        self.depth -= 1;
    }

    fn run_named(&mut self, name: &str, operands: &[&Field], internal: bool, input: Option<&str>) {
        let own = names::is_builtin(name) || self.functions.contains(name);
        // `-` is what is left of options, `"${x#-}"` and the like.
        let option = name.is_empty() || name.starts_with('-');
        if !(option || internal && own) {
            self.found.commands.insert(name.to_owned());
        }
        let base = name.rsplit('/').next().unwrap_or(name);
        let run_from = |walker: &mut Self, at: usize, internal: bool| {
            let fields: Vec<Field> = operands[at..]
                .iter()
                .map(|field| (*field).clone())
                .collect();
            walker.run(&fields, internal, input);
        };
        let texts: Vec<Option<&str>> = operands.iter().map(|field| single(field)).collect();
        match base {
            "." | "source" => {
                for value in operands.first().into_iter().copied().flatten() {
                    if !value.open && !value.pattern {
                        self.found.sources.insert(value.text.clone());
                    }
                }
            }
            "eval" => {
                let first = operands.iter().filter_map(|field| field.first());
                let script: Vec<String> = first.map(Value::script).collect();
                self.script(&script.join(" "));
            }
            "trap" => {
                if let Some(action) = operands.first() {
                    self.scripts(action);
                }
            }
            "set" => {
                let at = texts.iter().position(|text| *text == Some("--"));
                if let Some(at) = at.map(|at| at + 1).filter(|&at| at < texts.len()) {
                    // The command itself runs where `"$@"` stands.
                    let dynamic = self.found.dynamic;
                    run_from(self, at, true);
                    self.found.dynamic = dynamic;
                }
            }
            "run-parts" => {
                for value in operands.iter().copied().flatten() {
                    if !value.open && value.text.contains('/') {
                        let directory = value.text.trim_end_matches('/');
                        self.found.globs.insert(format!("{directory}/*"));
                    }
                }
            }
            "find" => {
                for (at, text) in texts.iter().enumerate() {
                    let runs = matches!(text, Some("-exec" | "-execdir" | "-ok" | "-okdir"));
                    if runs && at + 1 < texts.len() {
                        run_from(self, at + 1, false);
                    }
                }
            }
            "start-stop-daemon" => {
                for (at, text) in texts.iter().enumerate() {
                    let runs = matches!(text, Some("--exec" | "-x" | "--startas" | "-a"));
                    if runs && at + 1 < texts.len() {
                        let command = operands[at + 1].clone();
                        self.run(&[command], false, None);
                    }
                }
            }
            _ => {}
        }
        if names::is_shell(base) {
            self.run_shell(operands, input);
        }
        if base == "env" {
            let split = texts
                .iter()
                .position(|text| matches!(text, Some("-S" | "--split-string")));
            if let Some(operand) = split.and_then(|at| operands.get(at + 1)) {
                self.scripts(operand);
            }
        }
        if let Some(wrapper) = Wrapper::of(base)
            && let Some(at) = wrapper.command(&texts)
        {
            run_from(self, at, wrapper.internal);
        }
    }

    /// A shell: the operand of `-c`, or what it reads.
    fn run_shell(&mut self, operands: &[&Field], input: Option<&str>) {
        for (at, operand) in operands.iter().enumerate() {
            let option = operand.first().map_or("", |value| value.text.as_str());
            if let Some(script) = option.strip_prefix("--command=") {
                self.script(script);
            } else if (option == "--command" || is_option_c(option))
                && let Some(operand) = operands.get(at + 1)
            {
                self.scripts(operand);
            }
        }
        if let Some(input) = input {
            self.script(input);
        }
    }

    /// Walks over each value of an operand as a script.
    fn scripts(&mut self, operand: &[Value]) {
        for value in operand {
            self.script(&value.script());
        }
    }

    /// Walks over a script that is inside of this one.
    fn script(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let left = self.inner_left.checked_sub(text.len());
        let Some(left) = left.filter(|_| self.depth < MAX_DEPTH) else {
            self.found.dynamic = true;
            return;
        };
        self.inner_left = left;
        let program = match self.programs.get(text) {
            Some(program) => program.clone(),
            None => {
                let program = parse::parse(text, self.dialect).ok().map(Rc::new);
                self.programs.insert(text.to_owned(), program.clone());
                program
            }
        };
        self.depth += 1;
        match program {
            Some(program) => self.program(&program),
            None => self.words_only(text),
        }
        self.depth -= 1;
    }

    fn words_only(&mut self, text: &str) {
        let facts = tokens::facts(text.as_bytes(), String::new());
        let decode = |set: BTreeSet<Vec<u8>>| {
            let texts = set
                .into_iter()
                .map(|word| String::from_utf8_lossy(&word).into_owned());
            texts.collect::<Vec<_>>()
        };
        self.found.commands.extend(decode(facts.commands));
        self.found.words.extend(decode(facts.words));
        self.found.globs.extend(decode(facts.globs));
        self.found.dynamic = true;
    }

    fn assign(&mut self, assignment: &Assignment) {
        let name = match &assignment.name {
            AssignmentName::VariableName(name) => name,
            AssignmentName::ArrayElementName(name, index) => {
                self.arithmetic(index);
                name
            }
        };
        let words: Vec<&str> = match &assignment.value {
            AssignmentValue::Scalar(word) => vec![&word.value],
            AssignmentValue::Array(elements) => elements
                .iter()
                .map(|(_, word)| word.value.as_str())
                .collect(),
        };
        if name == "PATH" {
            for word in &words {
                let rendered = self.render(word, Context::Word);
                self.found.assigned_path.insert(rendered);
            }
        }
        let array = matches!(assignment.value, AssignmentValue::Array(_));
        if assignment.append && !array {
            self.add_value(name, Value::unknown());
        }
        for (at, word) in words.into_iter().enumerate() {
            let outer = self.assigning.replace(name.clone());
            let values = self.expand(word);
            self.assigning = outer;
            for mut value in values {
                self.mention(&value);
                // The blanks of an assigned value split it where it is used.
                value.split = false;
                value.later = array && (assignment.append || at > 0);
                self.add_value(name, value);
            }
        }
    }

    fn add_value(&mut self, name: &str, value: Value) {
        let values = self.variables.entry(name.to_owned()).or_default();
        if values.len() < MAX_VALUES {
            values.insert(value);
        } else {
            values.insert(Value::unknown());
        }
    }

    /// Walks over the command substitutions of an arithmetic expression.
    fn arithmetic(&mut self, expression: &str) {
        self.substitutions(expression);
    }

    fn substitutions(&mut self, text: &str) {
        for piece in pieces(text, Context::Document) {
            self.values(&piece);
        }
    }

    /// Returns the values that a word may have, at least one.
    fn expand(&mut self, word: &str) -> Field {
        let mut values = vec![Value::default()];
        for (at, piece) in pieces(word, Context::Word).iter().enumerate() {
            let next = match piece {
                // A home directory is not known.
                Piece::Literal {
                    text,
                    quoted: false,
                } if at == 0 && text.starts_with('~') => vec![Value::unknown()],
                Piece::Literal { text, quoted } => {
                    for value in &mut values {
                        value.push(text, *quoted);
                    }
                    continue;
                }
                _ => self.values(piece),
            };
            values = combine(&values, &next);
        }
        values
    }

    /// Returns the values of a piece, at least one, and walks over what is inside of it.
    fn values(&mut self, piece: &Piece<'_>) -> Vec<Value> {
        let left = self.pieces_left.checked_sub(1);
        let Some(left) = left.filter(|_| self.depth < MAX_DEPTH) else {
            self.found.dynamic = true;
            return vec![Value::unknown()];
        };
        self.pieces_left = left;
        self.depth += 1;
        let values = match piece {
            Piece::Literal { text, .. } => vec![Value::complete(text.clone())],
            Piece::Command(script) => {
                self.script(script);
                vec![named_by(script).map_or_else(Value::unknown, Value::complete)]
            }
            Piece::Arithmetic(expression) => {
                self.arithmetic(expression);
                vec![Value::unknown()]
            }
            Piece::Parameter {
                name,
                operation,
                quoted,
            } => {
                let mut values = self.parameter(name, *operation);
                for value in &mut values {
                    value.pattern &= !quoted;
                    value.split |= !quoted && value.text.contains(char::is_whitespace);
                    value.split &= !quoted;
                }
                values
            }
        };
        self.depth -= 1;
        values
    }

    fn parameter(&mut self, name: &str, operation: Operation<'_>) -> Vec<Value> {
        let own = self.assigning.as_deref() == Some(name);
        let mut values: Vec<Value> = match self.variables.get(name).filter(|_| !own) {
            Some(values) => values.iter().cloned().collect(),
            None => vec![Value::unknown()],
        };
        match operation {
            Operation::Value | Operation::Elements => values,
            Operation::Default(word) | Operation::Assign(word) => {
                let defaults = self.expand(word);
                for value in &defaults {
                    self.mention(value);
                    if matches!(operation, Operation::Assign(_)) {
                        self.add_value(name, value.clone());
                        // The environment may have set it.
                        self.add_value(name, Value::unknown());
                    }
                }
                values.extend(defaults);
                values.sort();
                values.dedup();
                values
            }
            Operation::Alternative(word) => {
                let mut values = self.expand(word);
                values.push(Value::default());
                values
            }
            Operation::Other(operand) => {
                self.substitutions(operand);
                vec![Value::unknown()]
            }
        }
    }

    /// Returns a word as text, with what is unknown as it is written.
    fn render(&mut self, word: &str, context: Context) -> String {
        let mut text = String::new();
        for piece in pieces(word, context) {
            match &piece {
                Piece::Literal { text: literal, .. } => text += literal,
                Piece::Parameter { name, .. } => {
                    let values = self.variables.get(*name).filter(|_| *name != "PATH");
                    let known = values.and_then(|values| values.iter().find(|value| !value.open));
                    match known {
                        Some(value) => text += &value.text,
                        None => text += &format!("${name}"),
                    }
                }
                Piece::Command(_) | Piece::Arithmetic(_) => text.push('$'),
            }
        }
        text
    }

    fn mention_word(&mut self, word: &str) {
        for value in self.expand(word) {
            self.mention(&value);
        }
    }

    fn mention(&mut self, value: &Value) {
        if value.split {
            for part in split(value.clone()) {
                self.mention(&part);
            }
            return;
        }
        let text = &value.text;
        if text.is_empty() {
            return;
        }
        if value.pattern {
            // What is unknown behind a pattern is any name as well.
            let any = if value.open && !text.ends_with('*') {
                "*"
            } else {
                ""
            };
            if text.contains('/') {
                self.found.globs.insert(format!("{text}{any}"));
            }
        } else if !value.open {
            self.found.words.insert(text.clone());
            // Paths within: `--config=/etc/x`, `a:/b`, whole command lines.
            if text.contains('/') && text.contains(|c: char| !c.is_alphanumeric() && c != '/') {
                self.mention_paths(text);
            }
        } else if text.contains('/') {
            self.found.words.insert(text.clone());
        }
    }

    fn mention_paths(&mut self, text: &str) {
        let paths = config::paths_in_text(text.as_bytes());
        let decode = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        self.found.words.extend(paths.paths.iter().map(decode));
        self.found.globs.extend(paths.patterns.iter().map(decode));
    }
}

/// Every beginning with every end.
fn combine(beginnings: &[Value], ends: &[Value]) -> Vec<Value> {
    let mut values = Vec::new();
    for beginning in beginnings {
        // Behind something unknown, one way to go on is enough.
        let count = if beginning.open { 1 } else { ends.len() };
        for end in &ends[..count] {
            let mut value = beginning.clone();
            value.append(end);
            values.push(value);
        }
    }
    values.sort();
    values.dedup();
    if values.len() > MAX_VALUES {
        values.truncate(MAX_VALUES);
        values.push(Value::unknown());
    }
    values
}

/// Splits a value at blanks if that is what the shell does with it.
fn split(value: Value) -> Vec<Value> {
    if !value.split {
        return vec![value];
    }
    let mut parts: Vec<Value> = value
        .text
        .split_whitespace()
        .map(|part| Value {
            text: part.to_owned(),
            pattern: part.contains(['*', '?', '[']) && value.pattern,
            ..Value::default()
        })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.open = value.open;
        last.rest = value.rest;
    }
    parts
}

/// Returns what a pattern may become: names with its constant beginning.
fn matched(value: Value) -> Value {
    let Some(end) = value.text.find(['*', '?', '[']).filter(|_| value.pattern) else {
        return value;
    };
    Value {
        text: value.text[..end].to_owned(),
        ..Value::unknown()
    }
}

/// Returns the text of a field that has one value, and that known.
fn single(field: &[Value]) -> Option<&str> {
    match field {
        [value] if !value.open => Some(&value.text),
        _ => None,
    }
}

/// `-c` alone or among other options of one letter: `-lc`, `-euc`.
fn is_option_c(operand: &str) -> bool {
    let letters = operand.strip_prefix('-').unwrap_or_default();
    letters.ends_with('c') && letters.chars().all(|c| c.is_ascii_alphabetic()) && letters.len() <= 6
}

/// Returns the name that a script only looks up: `command -v NAME`, `which NAME`.
fn named_by(script: &str) -> Option<String> {
    let script = script.split(['|', ';']).next()?;
    let words: Vec<&str> = script
        .split_whitespace()
        .filter(|w| !w.contains('>'))
        .collect();
    let name = match words.as_slice() {
        ["command", "-v", name] | ["which", name] | ["type", "-p" | "-P", name] => *name,
        _ => return None,
    };
    let plain = |c: char| c.is_alphanumeric() || "/._+-".contains(c);
    name.chars().all(plain).then(|| name.to_owned())
}
