//! The proof that two images answer the same: flags, and how the result is shown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::{FileSystem, Image, Progress as _, Reference};
use jettison::container::Settings;
use jettison::probe::config::{self, With};
use jettison::probe::{self, Probe, Request, WaitFor, http};
use jettison::verify::{Companion, Outcome, Plan, Subject, Surroundings, Verdict, verify};
use sandbox::{Caller, IdMapping, Mount};

use crate::container_flags::{EnvFlags, parse_volume};
use crate::environment;
use crate::error::Usage;
use crate::session::Session;

/// Where probes are read from when there is no `--config`.
const CONFIG: &str = "jettison.toml";
/// Seconds that starting, and each probe, may take.
const TIMEOUT: f64 = 60.0;

/// What is asked of both images, see docs/verify.md.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Proof")]
pub(crate) struct ProbeFlags {
    /// Make an HTTP request (repeatable): [METHOD] [:PORT]/PATH [BODY] [=> STATUS]; without a port,
    /// to each exposed one that speaks HTTP, one of which has to answer as expected
    #[arg(long, value_name = "REQUEST")]
    http: Vec<http::Request>,
    /// Run a command inside; no shell is needed there (repeatable)
    #[arg(long, value_name = "COMMAND", value_parser = Probe::exec)]
    exec: Vec<Probe>,
    /// Run a command of this machine in the container's network; exit codes are compared (repeatable)
    #[arg(long, value_name = "COMMAND")]
    host: Vec<String>,
    /// Run a test suite of yours in the container's network; it may take half an hour, and JETTISON_IMAGE
    /// says which image it is run against (repeatable)
    #[arg(long, value_name = "COMMAND")]
    probe_suite: Vec<String>,
    /// Connect to a port (repeatable)
    #[arg(long, value_name = "PORT")]
    tcp: Vec<u16>,
    /// Compare what --host commands print, too
    #[arg(long)]
    compare_output: bool,
    /// When it is ready (repeatable): a PORT listens, /PATH answers, a TEXT is printed, or SECONDS
    /// such as 2s have passed [default: its ports listen]
    #[arg(long, value_name = "CONDITION")]
    wait_for: Vec<WaitFor>,
    /// Seconds that starting, and each probe, may take [default: 60]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    #[command(flatten)]
    env: EnvFlags,
    /// Put a directory or file of the host into both containers (repeatable)
    #[arg(long, value_name = "HOST:CONTAINER[:ro]", value_parser = parse_volume)]
    volume: Vec<Mount>,
    /// Run another image beside it, in its network, reached as NAME: the database of a web application (repeatable)
    #[arg(long, value_name = "NAME=IMAGE")]
    with: Vec<With>,
    /// Set a variable of an image of --with (repeatable)
    #[arg(long, value_name = "NAME:VARIABLE=VALUE", value_parser = parse_with_env)]
    with_env: Vec<(String, String, String)>,
    /// Read probes from a file [default: jettison.toml, if there is one here]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ProbeFlags {
    /// Puts together what the file says and what the flags say, the file's first.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let file = self.file()?;
        let mut probes = file.probes;
        probes.extend(self.tcp.iter().map(|port| Probe::tcp(*port)));
        probes.extend(self.http.iter().cloned().map(Probe::http));
        probes.extend(self.exec.iter().cloned());
        probes.extend(self.host.iter().map(|line| Probe::host(line)));
        probes.extend(self.probe_suite.iter().map(|line| Probe::suite(line)));
        if self.compare_output {
            for probe in &mut probes {
                probe.compare = probe::Compare::Output;
            }
        }
        let mut env: Vec<_> = file
            .env
            .into_iter()
            .map(|(name, value)| (name, Some(value)))
            .collect();
        env.extend(self.env.variables()?);
        let mut mounts = Vec::new();
        for text in &file.volumes {
            let mount = parse_volume(text).map_err(|reason| {
                Usage::error(
                    format!("cannot use the volume `{text}`: {reason}"),
                    "paths of the host are relative to the current directory",
                )
            })?;
            mounts.push(mount);
        }
        mounts.extend(self.volume.iter().cloned());
        let mut wait_for = file.wait_for;
        wait_for.extend(self.wait_for.iter().cloned());
        let seconds = self.timeout.or(file.timeout).unwrap_or(TIMEOUT);
        let timeout = Duration::try_from_secs_f64(seconds).map_err(|_| {
            Usage::error(
                format!("`{seconds}` is not a number of seconds"),
                "write for instance --timeout 120",
            )
        })?;
        let settings = Settings {
            env,
            mounts,
            ..Settings::default()
        };
        Ok(Plan {
            settings,
            probes,
            wait_for,
            timeout,
        })
    }

    /// Prepares what runs beside the images, the file's first.
    pub(crate) fn companions(
        &self,
        session: &Session<'_>,
        ids: &IdMapping,
    ) -> anyhow::Result<Vec<Companion>> {
        let mut all = self.file()?.with;
        all.extend(self.with.iter().cloned());
        for (name, variable, value) in &self.with_env {
            let Some(with) = all.iter_mut().find(|with| with.name == *name) else {
                return Err(Usage::error(
                    format!("no image runs beside it as `{name}`"),
                    format!("name the image with --with {name}=IMAGE"),
                ));
            };
            with.env.insert(variable.clone(), value.clone());
        }
        all.iter()
            .map(|with| companion(with, session, ids))
            .collect()
    }

    fn file(&self) -> anyhow::Result<config::File> {
        let (path, required) = match &self.config {
            Some(path) => (path.as_path(), true),
            None => (Path::new(CONFIG), false),
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(config::parse(&text)?),
            Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(config::File::default())
            }
            Err(source) => Err(image::Error::File {
                verb: "read",
                path: path.to_owned(),
                source,
            }
            .into()),
        }
    }
}

fn companion(with: &With, session: &Session<'_>, ids: &IdMapping) -> anyhow::Result<Companion> {
    let opened = session.open(&Reference::parse(&with.image)?)?;
    let image = &opened.image;
    jettison::container::check_platform(image)?;
    let stage = format!("reading {}", with.name);
    session.ui.begin(&stage, Some(image.stored_size()));
    let files = FileSystem::load(image, session.load_options())?;
    let env = with.env.iter();
    let settings = Settings {
        env: env
            .map(|(name, value)| (name.clone(), Some(value.clone())))
            .collect(),
        command: with.command.clone(),
        ..Settings::default()
    };
    let made = Companion::new(&with.name, image, &files, &settings, ids, session.scratch());
    session.ui.end();
    Ok(made?)
}

fn parse_with_env(text: &str) -> Result<(String, String, String), String> {
    let parts = text
        .split_once(':')
        .and_then(|(name, rest)| Some((name, rest.split_once('=')?)));
    let (name, (variable, value)) =
        parts.ok_or("write NAME:VARIABLE=VALUE, as in db:POSTGRES_PASSWORD=x")?;
    Ok((name.to_owned(), variable.to_owned(), value.to_owned()))
}

/// Returns the commands that have to be there because they are run inside.
pub(crate) fn commands(plan: &Plan) -> impl Iterator<Item = String> + '_ {
    plan.probes.iter().filter_map(|probe| match &probe.request {
        Request::Exec(command) => Some(command.line.clone()),
        _ => None,
    })
}

/// One of the two images, and its files if they were read already.
#[derive(Debug)]
pub(crate) struct Side<'a> {
    pub(crate) name: &'a str,
    pub(crate) image: &'a Image,
    pub(crate) files: Option<FileSystem>,
}

/// Asks both images the same.
pub(crate) fn prove(
    session: &Session<'_>,
    original: Side<'_>,
    other: Side<'_>,
    plan: &Plan,
    flags: &ProbeFlags,
) -> anyhow::Result<Verdict> {
    jettison::container::check_platform(original.image)?;
    jettison::container::check_platform(other.image)?;
    let names = (original.name, other.name);
    let images = (original.image, other.image);
    let (first, second) = (read(session, original)?, read(session, other)?);
    let ids = IdMapping::detect(&Caller::current());
    let companions = flags.companions(session, &ids)?;
    let surroundings = surroundings(session, &ids, &companions)?;
    let subject = |name, image, files| Subject { name, image, files };
    let verdict = verify(
        subject(names.0, images.0, &first),
        subject(names.1, images.1, &second),
        plan,
        &surroundings,
    );
    session.ui.end();
    Ok(verdict?)
}

/// Returns where containers run.
pub(crate) fn surroundings<'a>(
    session: &'a Session<'_>,
    ids: &'a IdMapping,
    companions: &'a [Companion],
) -> anyhow::Result<Surroundings<'a>> {
    Ok(Surroundings {
        ids,
        scratch: session.scratch(),
        companions,
        env: environment::all(),
        cwd: std::env::current_dir()?,
        progress: session.ui,
    })
}

fn read(session: &Session<'_>, side: Side<'_>) -> anyhow::Result<FileSystem> {
    if let Some(files) = side.files {
        return Ok(files);
    }
    session.ui.begin("reading", Some(side.image.stored_size()));
    Ok(FileSystem::load(side.image, session.load_options())?)
}

/// Lays a verdict out for people: one line for each probe, differences below.
pub(crate) fn text(verdict: &Verdict) -> String {
    let mut text = String::new();
    for outcome in &verdict.probes {
        let word = if outcome.same { "PASS" } else { "FAIL" };
        text.push_str(&format!("{word}  {}: {}", outcome.probe, outcome.answer));
        if outcome.seconds >= 0.0005 {
            text.push_str(&format!(", {:.2} s", outcome.seconds));
        }
        text.push('\n');
        text.push_str(&details(outcome));
    }
    if !verdict.log.is_empty() {
        text.push_str("last output of the second image:\n");
        for line in &verdict.log {
            text.push_str(&format!("  | {line}\n"));
        }
    }
    text
}

fn details(outcome: &Outcome) -> String {
    let mut text = String::new();
    if !outcome.unstable.is_empty() {
        let parts = outcome.unstable.join(", ");
        text.push_str(&format!(
            "      varies by itself, compared as far as the original repeats it: {parts}\n"
        ));
    }
    for difference in &outcome.differences {
        text.push_str(&format!("      {}:\n", difference.part));
        for line in difference.diff.lines() {
            text.push_str(&format!("        {line}\n"));
        }
    }
    text
}

/// Returns the line that sums a verdict up.
pub(crate) fn summary(verdict: &Verdict, other: &str) -> String {
    let failed = verdict.probes.iter().filter(|outcome| !outcome.same);
    match (failed.count(), verdict.probes.len()) {
        (0, all) => format!("proven: {other} answers the same, {all} of {all} checks"),
        (failed, all) => format!("not proven: {other} differs in {failed} of {all} checks"),
    }
}
