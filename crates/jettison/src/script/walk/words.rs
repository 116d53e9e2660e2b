//! Words of a script: the values that they may have, and what they mention.

use brush_parser::ast::{Assignment, AssignmentName, AssignmentValue};

use super::super::config;
use super::super::word::{Context, Operation, Piece, pieces};
use super::value::{Field, Value, combine, split};
use super::{MAX_DEPTH, MAX_VALUES, Walker};

impl Walker {
    pub(super) fn assign(&mut self, assignment: &Assignment) {
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

    pub(super) fn add_value(&mut self, name: &str, value: Value) {
        let values = self.variables.entry(name.to_owned()).or_default();
        if values.len() < MAX_VALUES {
            values.insert(value);
        } else {
            values.insert(Value::unknown());
        }
    }

    /// Walks over the command substitutions of an arithmetic expression.
    pub(super) fn arithmetic(&mut self, expression: &str) {
        self.substitutions(expression);
    }

    pub(super) fn substitutions(&mut self, text: &str) {
        for piece in pieces(text, Context::Document) {
            self.values(&piece);
        }
    }

    /// Returns the values that a word may have, at least one.
    pub(super) fn expand(&mut self, word: &str) -> Field {
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
    pub(super) fn values(&mut self, piece: &Piece<'_>) -> Vec<Value> {
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
                let outer = std::mem::replace(&mut self.captured, true);
                self.script(script);
                self.captured = outer;
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

    pub(super) fn parameter(&mut self, name: &str, operation: Operation<'_>) -> Vec<Value> {
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
    pub(super) fn render(&mut self, word: &str, context: Context) -> String {
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

    pub(super) fn mention_word(&mut self, word: &str) {
        for value in self.expand(word) {
            self.mention(&value);
        }
    }

    pub(super) fn mention(&mut self, value: &Value) {
        if value.split {
            for part in split(value.clone()) {
                self.mention(&part);
            }
            return;
        }
        if let Some(end) = value.end() {
            self.found.ends.insert(end.to_owned());
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

    pub(super) fn mention_paths(&mut self, text: &str) {
        let paths = config::paths_in_text(text.as_bytes());
        let decode = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        self.found.words.extend(paths.paths.iter().map(decode));
        self.found.globs.extend(paths.patterns.iter().map(decode));
    }
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
