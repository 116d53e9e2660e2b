//! From logical lines to typed instructions.
//!
//! A line with a problem is left out and parsing goes on, so that one run finds all problems.

mod copy;
mod flags;
mod health;
mod mount;
mod values;

pub use health::parse_duration;

use crate::ast::{Command, Dockerfile, From, Instruction, Kind, Run, Stage, Word};
use crate::lines::{self, Line};
use crate::problem::{Problem, Problems, Span};
use crate::suggest::closest;
use flags::Flags;

/// All instructions.
const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Dockerfile {
    /// Parses the text of a Dockerfile.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let found = lines::read(text);
        let mut file = Self {
            directives: found.directives,
            args: Vec::new(),
            stages: Vec::new(),
            text: text.to_owned(),
        };
        let mut parser = Parser {
            escape: file.directives.escape,
            problems: found.problems,
            begun: false,
        };
        for line in &found.lines {
            parser.line(line, &mut file);
        }
        if parser.problems.is_empty() && file.stages.is_empty() {
            let span = Span {
                start: text.len(),
                end: text.len(),
            };
            parser.report(
                span,
                "the Dockerfile has no FROM",
                Some("begin with FROM scratch for an empty base".to_owned()),
            );
        }
        if parser.problems.is_empty() {
            Ok(file)
        } else {
            Err(Problems::new(text, parser.problems))
        }
    }

    /// Parses one instruction that stands alone: a trigger of a base image's `OnBuild`.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn parse_instruction(text: &str) -> Result<Instruction, Problems> {
        let found = lines::read(text);
        let mut parser = Parser {
            escape: '\\',
            problems: found.problems,
            begun: false,
        };
        let instruction = match &found.lines[..] {
            [line] => parser.instruction(line, true),
            _ => {
                let span = Span {
                    start: 0,
                    end: text.len(),
                };
                parser.report(span, "exactly one instruction is expected here", None);
                None
            }
        };
        match instruction {
            Some(instruction) if parser.problems.is_empty() => Ok(instruction),
            _ => Err(Problems::new(text, parser.problems)),
        }
    }
}

struct Parser {
    escape: char,
    problems: Vec<Problem>,
    /// Whether there was a `FROM`, or what looks like one: one problem is reported once.
    begun: bool,
}

/// What follows the name of an instruction, its flags taken off.
struct Rest<'l> {
    line: &'l Line,
    /// Where in the line it begins.
    start: usize,
    /// Name of the instruction, in upper case.
    name: &'static str,
    name_span: Span,
}

impl<'l> Rest<'l> {
    fn text(&self) -> &'l str {
        &self.line.text[self.start..]
    }

    fn span(&self) -> Span {
        if self.text().is_empty() {
            self.name_span
        } else {
            self.line.span_of(self.start..self.line.text.len())
        }
    }

    /// A part of [`Rest::text`] as a word.
    fn word(&self, start: usize, text: &str) -> Word {
        let start = self.start + start;
        Word {
            text: text.to_owned(),
            span: self.line.span_of(start..start + text.len()),
        }
    }
}

impl Parser {
    fn report(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            span,
            message: message.into(),
            hint,
        });
    }

    fn line(&mut self, line: &Line, file: &mut Dockerfile) {
        let name = line.text.split_whitespace().next().unwrap_or_default();
        let known = NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
        self.begun |=
            name.eq_ignore_ascii_case("FROM") || !known && closest(name, &NAMES) == Some("FROM");
        if name.eq_ignore_ascii_case("FROM") {
            if let Some(stage) = self.from(line) {
                file.stages.push(stage);
            }
            return;
        }
        let instruction = self.instruction(line, false);
        match (instruction, file.stages.last_mut()) {
            (Some(instruction), Some(stage)) => stage.instructions.push(instruction),
            (
                Some(
                    instruction @ Instruction {
                        kind: Kind::Arg(_), ..
                    },
                ),
                None,
            ) => file.args.push(instruction),
            (Some(instruction), None) if !self.begun => {
                let span = line.span_of(0..name.len());
                let hint = Some("begin with FROM, or FROM scratch for an empty base".to_owned());
                self.report(
                    span,
                    format!("{} comes before the first FROM", instruction.kind.name()),
                    hint,
                );
            }
            (None, _) | (Some(_), None) => {} // what is wrong has been reported
        }
    }

    /// Takes name and flags off a line.
    fn open<'l>(&mut self, line: &'l Line) -> Option<(Rest<'l>, Flags)> {
        let text = &line.text;
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let name_span = line.span_of(0..end);
        let Some(name) = NAMES
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(&text[..end]))
        else {
            let hint = closest(&text[..end], &NAMES).map_or_else(
                || "a command is run with RUN; a line goes on after a \\ at its end".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            self.report(
                name_span,
                format!("unknown instruction `{}`", &text[..end]),
                Some(hint),
            );
            return None;
        };
        let start = text.len() - text[end..].trim_start().len();
        let mut rest = Rest {
            line,
            start,
            name,
            name_span,
        };
        let flags = self.flags(&mut rest)?;
        Some((rest, flags))
    }

    fn from(&mut self, line: &Line) -> Option<Stage> {
        let (rest, mut flags) = self.open(line)?;
        let words = rest.words();
        let is_as = |word: &Word| word.text.eq_ignore_ascii_case("AS");
        let (image, name) = match &words[..] {
            [image] => (image, None),
            [image, between, name] if is_as(between) => (image, Some(name)),
            [] => {
                self.report(
                    rest.span(),
                    "FROM needs the name of an image",
                    Some("FROM scratch is an empty base".to_owned()),
                );
                return None;
            }
            _ => {
                self.report(rest.span(), "FROM takes one image, or IMAGE AS NAME", None);
                return None;
            }
        };
        let name = match name {
            None => None,
            Some(word) => {
                let lower = word.text.to_lowercase();
                let valid = lower.starts_with(|c: char| c.is_ascii_lowercase())
                    && lower.chars().all(|c| {
                        c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.')
                    });
                if !valid {
                    let hint =
                        "a name begins with a letter; letters, digits, `-`, `_` and `.` may follow"
                            .to_owned();
                    self.report(
                        word.span,
                        format!("`{}` cannot be the name of a stage", word.text),
                        Some(hint),
                    );
                    return None;
                }
                Some(lower)
            }
        };
        let from = From {
            span: line.span,
            image: image.clone(),
            platform: flags.take("platform"),
        };
        Some(Stage {
            name,
            from,
            instructions: Vec::new(),
        })
    }

    fn instruction(&mut self, line: &Line, triggered: bool) -> Option<Instruction> {
        let (rest, mut flags) = self.open(line)?;
        if rest.text().is_empty() && rest.name != "SHELL" && rest.name != "HEALTHCHECK" {
            // An empty command is one: it takes the base's away.
            if !matches!(rest.name, "CMD" | "ENTRYPOINT") {
                self.report(rest.span(), format!("{} needs an operand", rest.name), None);
                return None;
            }
        }
        let kind = match rest.name {
            "ADD" => Kind::Add(self.copy(&rest, flags)?),
            "COPY" => Kind::Copy(self.copy(&rest, flags)?),
            "ARG" => Kind::Arg(self.arguments(&rest)?),
            "CMD" => Kind::Cmd(self.command(&rest)?),
            "ENTRYPOINT" => Kind::Entrypoint(self.command(&rest)?),
            "ENV" => Kind::Env(self.pairs(&rest)?),
            "LABEL" => Kind::Label(self.pairs(&rest)?),
            "EXPOSE" => Kind::Expose(rest.words()),
            "HEALTHCHECK" => Kind::Healthcheck(self.healthcheck(&rest, flags)?),
            "MAINTAINER" => Kind::Maintainer(rest.word(0, rest.text())),
            "RUN" => {
                let mounts = flags.take_all("mount");
                let mounts = mounts
                    .iter()
                    .map(|flag| self.mount(flag))
                    .collect::<Vec<_>>();
                Kind::Run(Run {
                    mounts: mounts.into_iter().collect::<Option<_>>()?,
                    network: flags.take("network"),
                    security: flags.take("security"),
                    command: self.command(&rest)?,
                    heredocs: line.heredocs.clone(),
                })
            }
            "SHELL" => match self.strings(&rest)? {
                Some(words) if !words.is_empty() => {
                    Kind::Shell(words.into_iter().map(|word| word.text).collect())
                }
                _ => {
                    let hint = Some("write SHELL [\"/bin/bash\", \"-c\"]".to_owned());
                    self.report(rest.span(), "SHELL needs a JSON array", hint);
                    return None;
                }
            },
            "STOPSIGNAL" => Kind::Stopsignal(rest.word(0, rest.text())),
            "USER" => Kind::User(rest.word(0, rest.text())),
            "WORKDIR" => Kind::Workdir(rest.word(0, rest.text())),
            "VOLUME" => {
                let words = self.strings(&rest)?.unwrap_or_else(|| rest.words());
                if words.is_empty() || words.iter().any(|word| word.text.is_empty()) {
                    self.report(rest.span(), "VOLUME needs a path", None);
                    return None;
                }
                Kind::Volume(words)
            }
            "ONBUILD" if triggered => {
                self.report(rest.name_span, "ONBUILD cannot be used in ONBUILD", None);
                return None;
            }
            "ONBUILD" => {
                let inner = line.part(rest.start..line.text.len());
                let name = inner
                    .text
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_uppercase();
                if matches!(&*name, "FROM" | "MAINTAINER") {
                    self.report(
                        inner.span_of(0..name.len()),
                        format!("{name} cannot be used in ONBUILD"),
                        None,
                    );
                    return None;
                }
                // The trigger is stored as text, its here-documents with it.
                let mut text = inner.text.clone();
                for heredoc in &inner.heredocs {
                    text.push('\n');
                    text.push_str(&heredoc.content);
                    text.push_str(&heredoc.name);
                }
                Kind::Onbuild(Box::new(self.instruction(&inner, true)?), text)
            }
            name => {
                self.report(rest.name_span, format!("{name} cannot be used here"), None);
                return None;
            }
        };
        Some(Instruction {
            span: line.span,
            kind,
        })
    }

    /// The exec form if it is a JSON array of strings, else the shell form.
    fn command(&mut self, rest: &Rest<'_>) -> Option<Command> {
        Some(match self.strings(rest)? {
            Some(words) => Command::Exec(words.into_iter().map(|word| word.text).collect()),
            None => Command::Shell(rest.text().to_owned()),
        })
    }
}
