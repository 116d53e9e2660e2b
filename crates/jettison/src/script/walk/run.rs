//! Commands that a script runs, and scripts in their arguments.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::names::{self, Wrapper};
use super::super::{parse, tokens};
use super::value::{Field, Value, single, split};
use super::{MAX_DEPTH, Walker};

impl Walker {
    /// Notes that a command is run. Builtins and functions are meant only if `internal`.
    pub(super) fn run(&mut self, fields: &[Field], internal: bool, input: Option<&str>) {
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

    pub(super) fn run_named(
        &mut self,
        name: &str,
        operands: &[&Field],
        internal: bool,
        input: Option<&str>,
    ) {
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
                    if let Some(end) = value.end() {
                        self.found.source_ends.insert(end.to_owned());
                    } else if !value.open && !value.pattern {
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
    pub(super) fn run_shell(&mut self, operands: &[&Field], input: Option<&str>) {
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
    pub(super) fn scripts(&mut self, operand: &[Value]) {
        for value in operand {
            self.script(&value.script());
        }
    }

    /// Walks over a script that is inside of this one.
    pub(super) fn script(&mut self, text: &str) {
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

    pub(super) fn words_only(&mut self, text: &str) {
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
}

/// `-c` alone or among other options of one letter: `-lc`, `-euc`.
fn is_option_c(operand: &str) -> bool {
    let letters = operand.strip_prefix('-').unwrap_or_default();
    letters.ends_with('c') && letters.chars().all(|c| c.is_ascii_alphabetic()) && letters.len() <= 6
}
