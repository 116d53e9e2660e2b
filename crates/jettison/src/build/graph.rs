//! Stages, and which of them a target needs.

use dockerfile::{Dockerfile, Expander, Kind, Stage};

use super::variables::Variables;
use super::{Error, Options};

/// What a stage begins with, or files are copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// What `--build-context` says.
    Named(String),
    /// An image.
    Image(String),
}

/// A Dockerfile's stages with the images that they begin with.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    pub(super) file: &'a Dockerfile,
    /// Values of the `ARG`s before the first `FROM`, and what every build knows.
    pub(super) globals: Variables,
    /// Of each stage what it begins with.
    pub(super) origins: Vec<Origin>,
    pub(super) target: usize,
}

impl<'a> Graph<'a> {
    pub(super) fn new(options: &'a Options) -> Result<Self, Error> {
        let file = &options.dockerfile;
        let target = target(file, options.target.as_deref())?;
        let name = options.target.clone().or(file.stages[target].name.clone());
        let mut globals =
            Variables::of_platforms(&options.platform, name.as_deref().unwrap_or("default"));
        for instruction in &file.args {
            let Kind::Arg(arguments) = &instruction.kind else {
                continue;
            };
            for argument in arguments {
                let given = options.build_arg(&argument.name.text);
                let value = match (given, &argument.default) {
                    (Some(value), _) => Some(value.to_owned()),
                    (None, Some(default)) => {
                        Some(expand(file, &globals, &default.text).map_err(|reason| {
                            options.at(instruction.span, Error::Operand(reason))
                        })?)
                    }
                    (None, None) => None,
                };
                if let Some(value) = value {
                    globals.set(&argument.name.text, &value);
                }
            }
        }
        let mut graph = Self {
            file,
            globals,
            origins: Vec::new(),
            target,
        };
        for (at, stage) in file.stages.iter().enumerate() {
            let origin = graph.begin(stage, at, options);
            graph
                .origins
                .push(origin.map_err(|error| options.at(stage.from.span, error))?);
        }
        Ok(graph)
    }

    fn begin(&self, stage: &Stage, at: usize, options: &Options) -> Result<Origin, Error> {
        let image = self.expand(&stage.from.image.text)?;
        if image.is_empty() {
            let text = &stage.from.image.text;
            return Err(Error::Operand(format!(
                "`{text}` is empty: its variables have no value before the first FROM"
            )));
        }
        if image == "scratch" {
            return Ok(Origin::Scratch);
        }
        Ok(self.origin(&image, at, options, false))
    }

    /// Decides what a name means in stage `at`: a stage before it, something named on the command line, or
    /// an image. Numbers mean stages where files come from.
    pub(super) fn origin(&self, name: &str, at: usize, options: &Options, numbers: bool) -> Origin {
        let before = &self.file.stages[..at];
        let named = before
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(&name.to_lowercase()));
        let numbered = name
            .parse::<usize>()
            .ok()
            .filter(|number| numbers && *number < at);
        if options
            .build_contexts
            .iter()
            .any(|(known, _)| known == name)
        {
            return Origin::Named(name.to_owned());
        }
        match named.or(numbered) {
            Some(stage) => Origin::Stage(stage),
            None => Origin::Image(name.to_owned()),
        }
    }

    /// Says that a stage does not exist.
    pub(super) fn no_stage(&self, name: &str) -> Error {
        no_stage(self.file, name)
    }

    pub(super) fn expand(&self, text: &str) -> Result<String, Error> {
        expand(self.file, &self.globals, text).map_err(Error::Operand)
    }

    /// The stages that a target needs, in order; the target is the last.
    pub(super) fn needed(&self, options: &Options) -> Vec<usize> {
        let mut needed = vec![false; self.file.stages.len()];
        let mut pending = vec![self.target];
        while let Some(at) = pending.pop() {
            if std::mem::replace(&mut needed[at], true) {
                continue;
            }
            if let Origin::Stage(stage) = self.origins[at] {
                pending.push(stage);
            }
            for instruction in &self.file.stages[at].instructions {
                for name in sources(&instruction.kind) {
                    let name = self.expand(name).unwrap_or_default();
                    if let Origin::Stage(stage) = self.origin(&name, at, options, true) {
                        pending.push(stage);
                    }
                }
            }
        }
        (0..needed.len()).filter(|at| needed[*at]).collect()
    }
}

/// The places that an instruction takes files from.
fn sources(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Copy(copy) => copy.from.iter().map(|from| &*from.text).collect(),
        Kind::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| mount.from.as_deref())
            .collect(),
        _ => Vec::new(),
    }
}

fn expand(file: &Dockerfile, variables: &Variables, text: &str) -> Result<String, String> {
    let lookup = |name: &str| variables.get(name).map(str::to_owned);
    Expander::new(file.directives.escape, &lookup)
        .expand(text)
        .map_err(|error| error.0)
}

fn target(file: &Dockerfile, name: Option<&str>) -> Result<usize, Error> {
    let Some(name) = name else {
        return Ok(file.stages.len() - 1);
    };
    let lower = name.to_lowercase();
    let named = file
        .stages
        .iter()
        .rposition(|stage| stage.name.as_deref() == Some(&*lower));
    let numbered = || {
        name.parse::<usize>()
            .ok()
            .filter(|number| *number < file.stages.len())
    };
    named.or_else(numbered).ok_or_else(|| no_stage(file, name))
}

fn no_stage(file: &Dockerfile, name: &str) -> Error {
    let names = file.stages.iter().filter_map(|stage| stage.name.as_deref());
    Error::NoStage {
        name: name.to_owned(),
        known: names.collect::<Vec<_>>().join(", "),
    }
}
