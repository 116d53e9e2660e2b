//! One stage, instruction by instruction. Those that touch files are in [`files`]; how a step is
//! remembered and told is in [`step`].

mod files;
mod step;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use dockerfile::{Argument, Dockerfile, Expander, Instruction, Kind, Pair};
use image::config::HistoryEntry;
use image::{Config, NewLayer};
use serde_json::json;

use super::graph::Origin;
use super::select::Tree;
use super::settings;
use super::variables::{PROXIES, Variables, look_up};
use super::view::View;
use super::{Build, Error};

/// A stage that is done: what others begin with or copy from.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) config: Config,
    pub(super) layers: Vec<NewLayer>,
    /// How many of the layers came with an image.
    pub(super) base: usize,
    pub(super) history: Vec<HistoryEntry>,
    /// When the last layer was made.
    pub(super) created: Option<String>,
}

/// A stage that is being built.
#[derive(Debug)]
pub(super) struct Stage<'b> {
    pub(super) build: &'b Build<'b>,
    index: usize,
    pub(super) label: String,
    pub(super) config: Config,
    layers: Vec<NewLayer>,
    base: usize,
    history: Vec<HistoryEntry>,
    created: Option<String>,
    args: Variables,
    /// Whether this stage has a `CMD` of its own.
    has_cmd: bool,
    number: usize,
    total: usize,
}

impl<'b> Stage<'b> {
    /// Builds a stage.
    pub(super) fn build(build: &'b Build<'b>, index: usize) -> Result<Done, Error> {
        let stage = &build.graph.file.stages[index];
        let at_from = |error| build.options.at(stage.from.span, error);
        let done = Self::begin(build, index).map_err(at_from)?;
        let label = stage
            .name
            .clone()
            .unwrap_or_else(|| format!("stage-{index}"));
        let triggers = on_build(&done.config);

        // As with docker, there is always a PATH.
        let config = match done.config.env_var("PATH") {
            Some(_) => done.config,
            None => settings::env(&done.config, "PATH", settings::PATH),
        };
        let mut building = Self {
            build,
            index,
            label,
            config: config.without_setting("OnBuild"),
            layers: done.layers,
            base: done.base,
            history: done.history,
            created: done.created,
            args: Variables::default(),
            has_cmd: false,
            number: 0,
            total: triggers.len() + stage.instructions.len(),
        };
        for trigger in &triggers {
            let instruction = Dockerfile::parse_instruction(trigger).map_err(|problems| {
                at_from(Error::Trigger {
                    text: trigger.clone(),
                    problems,
                })
            })?;
            building
                .instruction(&instruction, trigger)
                .map_err(at_from)?;
        }
        for instruction in &stage.instructions {
            let text = instruction.span.text(&build.graph.file.text);
            building
                .instruction(instruction, text)
                .map_err(|error| build.options.at(instruction.span, error))?;
        }
        Ok(Done {
            config: building.config,
            layers: building.layers,
            base: building.base,
            history: building.history,
            created: building.created,
        })
    }

    /// What the `FROM` gives.
    fn begin(build: &'b Build<'b>, index: usize) -> Result<Done, Error> {
        let stage = &build.graph.file.stages[index];
        let platform = match &stage.from.platform {
            Some(word) => {
                let text = build.graph.expand(&word.text)?;
                text.parse()
                    .map_err(|error: image::platform::NotAPlatform| {
                        Error::Operand(error.to_string())
                    })?
            }
            None => build.options.platform.clone(),
        };
        match &build.graph.origins[index] {
            Origin::Scratch => {
                let config = Config::empty(&platform, "1970-01-01T00:00:00Z")
                    .with_setting("WorkingDir", json!("/"));
                Ok(Done {
                    config,
                    layers: Vec::new(),
                    base: 0,
                    history: Vec::new(),
                    created: None,
                })
            }
            Origin::Stage(before) => build.stage(*before),
            Origin::Named(name) => match build.named_image(name) {
                Some(image) => build.base(image, &platform),
                None => Err(Error::Operand(format!(
                    "the build context `{name}` is a directory, not an image"
                ))),
            },
            Origin::Image(name) => build.base(name, &platform),
        }
    }

    /// Expands a word as this instruction sees its variables.
    pub(super) fn expand(&self, text: &str) -> Result<String, Error> {
        let lookup = |name: &str| look_up(&self.config, &self.args, name);
        let escape = self.build.graph.file.directives.escape;
        Expander::new(escape, &lookup)
            .expand(text)
            .map_err(|error| Error::Operand(error.0))
    }

    fn expand_words(&self, text: &str) -> Result<Vec<String>, Error> {
        let lookup = |name: &str| look_up(&self.config, &self.args, name);
        let escape = self.build.graph.file.directives.escape;
        Expander::new(escape, &lookup)
            .expand_words(text)
            .map_err(|error| Error::Operand(error.0))
    }

    /// The environment of a command: that of the image, and the arguments that are in force.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let mut variables = Variables::default();
        variables.set("PATH", settings::PATH);
        for (name, value) in self.args.iter() {
            variables.set(name, value);
        }
        for proxy in PROXIES {
            if let Some(value) = self.build.options.build_arg(proxy) {
                variables.set(proxy, value);
            }
        }
        for line in self.config.env() {
            let (name, value) = line.split_once('=').unwrap_or((&line, ""));
            variables.set(name, value);
        }
        variables
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Returns whether a variable is a proxy that nobody declared.
    pub(super) fn is_proxy(&self, name: &str) -> bool {
        PROXIES.contains(&name)
            && self.args.get(name).is_none()
            && self.config.env_var(name).is_none()
    }

    /// Returns the files that `--from` names; without it the context's.
    pub(super) fn tree(&self, from: Option<&str>) -> Result<Tree, Error> {
        let Some(from) = from else {
            return Ok(self.build.context());
        };
        let origin = self
            .build
            .graph
            .origin(from, self.index, self.build.options, true);
        self.build.tree(&origin, from)
    }

    pub(super) fn view(&self) -> Result<View, Error> {
        self.build.view(&self.layers, self.base)
    }

    fn instruction(&mut self, instruction: &Instruction, text: &str) -> Result<(), Error> {
        if self.build.stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        self.number += 1;
        let summary = one_line(text);
        match &instruction.kind {
            Kind::Run(run) => return self.run(run, &summary),
            Kind::Copy(copy) => return self.copy(copy, &summary, false),
            Kind::Add(copy) => return self.copy(copy, &summary, true),
            Kind::Workdir(path) => return self.workdir(&path.text, &summary),
            Kind::Arg(arguments) => self.arguments(arguments)?,
            Kind::Env(pairs) => {
                // All words see the variables as they were before the instruction.
                for (name, value) in self.pairs(pairs)? {
                    self.config = settings::env(&self.config, &name, &value);
                }
            }
            Kind::Label(pairs) => {
                for (name, value) in self.pairs(pairs)? {
                    self.config = settings::label(&self.config, &name, &value);
                }
            }
            Kind::Cmd(command) => {
                let argv = settings::argv(&self.config, command);
                self.config = self.config.with_setting("Cmd", json!(argv));
                self.has_cmd = true;
            }
            Kind::Entrypoint(command) => {
                let argv = settings::argv(&self.config, command);
                self.config = self.config.with_setting("Entrypoint", json!(argv));
                if !self.has_cmd {
                    // A command that came with the base was meant for its entry point.
                    self.config = self.config.without_setting("Cmd");
                }
            }
            Kind::Shell(words) => self.config = self.config.with_setting("Shell", json!(words)),
            Kind::User(user) => {
                let user = self.expand(&user.text)?;
                self.config = self.config.with_setting("User", json!(user));
            }
            Kind::Volume(paths) => {
                let paths = paths
                    .iter()
                    .map(|path| self.expand(&path.text))
                    .collect::<Result<Vec<_>, _>>()?;
                if paths.iter().any(String::is_empty) {
                    return Err(Error::Operand("VOLUME needs a path".to_owned()));
                }
                self.config = settings::add(&self.config, "Volumes", &paths);
            }
            Kind::Expose(words) => {
                let mut ports = Vec::new();
                for word in words {
                    for port in self.expand_words(&word.text)? {
                        ports.extend(settings::ports(&port).map_err(Error::Operand)?);
                    }
                }
                self.config = settings::add(&self.config, "ExposedPorts", &ports);
            }
            Kind::Stopsignal(signal) => {
                let signal = self.expand(&signal.text)?;
                let known = signal
                    .parse::<u8>()
                    .is_ok_and(|number| (1..=64).contains(&number))
                    || is_signal(&signal);
                if !known {
                    return Err(Error::Operand(format!("`{signal}` is not a signal")));
                }
                self.config = self.config.with_setting("StopSignal", json!(signal));
            }
            Kind::Healthcheck(check) => self.config = settings::healthcheck(&self.config, check),
            Kind::Onbuild(_, trigger) => {
                let mut triggers = on_build(&self.config);
                triggers.push(trigger.clone());
                self.config = self.config.with_setting("OnBuild", json!(triggers));
            }
            Kind::Maintainer(name) => {
                self.config = self.config.with_field("author", json!(name.text))
            }
        }
        self.report(&summary).settled();
        self.remember(&summary, None);
        Ok(())
    }

    fn pairs(&self, pairs: &[Pair]) -> Result<Vec<(String, String)>, Error> {
        pairs
            .iter()
            .map(|pair| {
                Ok((
                    self.expand(&pair.name.text)?,
                    self.expand(&pair.value.text)?,
                ))
            })
            .collect()
    }

    fn arguments(&mut self, arguments: &[Argument]) -> Result<(), Error> {
        // All words see the variables as they were before the instruction.
        let mut values = Vec::new();
        for argument in arguments {
            let name = self.expand(&argument.name.text)?;
            let given = self.build.options.build_arg(&name).map(str::to_owned);
            let value = match (given, &argument.default) {
                (Some(value), _) => Some(value),
                (None, Some(default)) => Some(self.expand(&default.text)?),
                (None, None) => self.build.graph.globals.get(&name).map(str::to_owned),
            };
            values.extend(value.map(|value| (name, value)));
        }
        for (name, value) in values {
            self.args.set(&name, &value);
        }
        Ok(())
    }
}

/// An instruction's text on one line, as histories show it.
fn one_line(text: &str) -> String {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let joined: Vec<&str> = lines
        .map(|line| line.trim_end_matches('\\').trim_end())
        .collect();
    joined.join(" ")
}

fn on_build(config: &Config) -> Vec<String> {
    let triggers = config.value()["config"]["OnBuild"].as_array();
    triggers
        .into_iter()
        .flatten()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

fn is_signal(text: &str) -> bool {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known: BTreeSet<&str> = NAMES.into_iter().collect();
    known.contains(name) || name.starts_with("RTMIN") || name.starts_with("RTMAX")
}
