//! Stages, and which of them a target needs.

use dockerfile::{Dockerfile, Expander, Kind, Span, Stage};

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
        graph.check_order(options)?;
        Ok(graph)
    }

    /// Refuses stages that wait for one another.
    fn check_order(&self, options: &Options) -> Result<(), Error> {
        let mut left = self.needed(options);
        loop {
            let ready = left.iter().position(|at| {
                let wanted = self.wanted(*at, options);
                !wanted.iter().any(|(stage, _)| left.contains(stage))
            });
            match (ready, left.first()) {
                (Some(ready), _) => drop(left.remove(ready)),
                (None, None) => return Ok(()),
                (None, Some(at)) => {
                    let wanted = self.wanted(*at, options);
                    let by = wanted.iter().find(|(stage, _)| left.contains(stage));
                    let span = by.map_or(self.file.stages[*at].from.span, |(_, span)| *span);
                    let reason = "the stage needs files that are made of its own".to_owned();
                    return Err(options.at(span, Error::Operand(reason)));
                }
            }
        }
    }

    /// The stages that a stage needs, and which instruction says so.
    fn wanted(&self, at: usize, options: &Options) -> Vec<(usize, Span)> {
        let stage = &self.file.stages[at];
        let mut wanted = Vec::new();
        if let Origin::Stage(before) = self.origins[at] {
            wanted.push((before, stage.from.span));
        }
        for instruction in &stage.instructions {
            for name in sources(&instruction.kind) {
                let name = self.expand(name).unwrap_or_default();
                if let Origin::Stage(stage) = self.origin(&name, at, options, true) {
                    wanted.push((stage, instruction.span));
                }
            }
        }
        wanted
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

    /// Decides what a name means in stage `at`: a stage, something named on the command line, or an image.
    /// A stage begins with one before it; files may come from any, and then numbers mean stages.
    pub(super) fn origin(&self, name: &str, at: usize, options: &Options, numbers: bool) -> Origin {
        let within = if numbers { self.file.stages.len() } else { at };
        let before = &self.file.stages[..within];
        let named = before
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(&name.to_lowercase()));
        let numbered = name
            .parse::<usize>()
            .ok()
            .filter(|number| numbers && *number < within);
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
            let wanted = self.wanted(at, options);
            pending.extend(wanted.into_iter().map(|(stage, _)| stage));
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
