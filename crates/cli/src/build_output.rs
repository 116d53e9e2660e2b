//! What is shown of a build while it goes on, and where its result goes.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

use image::{Image, Name, Reference};
use jettison::build::{Finished, Report, Step};

use crate::error::Usage;
use crate::session::Session;
use crate::size::human;
use crate::ui::Ui;

/// A place for the result.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// As an image.
    Image(Reference),
    /// Its files, in a directory.
    Directory(PathBuf),
}

impl Output {
    /// Parses `TRANSPORT:REF`, a directory, or what `docker build --output` takes.
    pub(crate) fn parse(text: &str, names: &[Name]) -> anyhow::Result<Self> {
        if !text.starts_with("type=") {
            let transports = [
                "oci:",
                "oci-archive:",
                "docker-archive:",
                "docker-daemon:",
                "docker://",
            ];
            if transports
                .iter()
                .any(|transport| text.starts_with(transport))
            {
                return Ok(Self::Image(Reference::parse(text)?));
            }
            return Ok(Self::Directory(text.trim_start_matches("dest=").into()));
        }
        let fields: HashMap<&str, &str> = text
            .split(',')
            .filter_map(|field| field.split_once('='))
            .collect();
        let path = fields.get("dest").or(fields.get("path")).map(PathBuf::from);
        let no_path = || Usage::error(format!("`{text}` has no place"), "add dest=PATH");
        let name = match fields.get("name") {
            Some(name) => Some(Name::parse(name)?),
            None => names.first().cloned(),
        };
        let no_name = || {
            Usage::error(
                format!("`{text}` has no name"),
                "add name=NAME, or name the result with -t",
            )
        };
        Ok(
            match (fields.get("type").copied().unwrap_or_default(), path) {
                ("local", path) => Self::Directory(path.ok_or_else(no_path)?),
                ("oci", path) => Self::Image(Reference::OciArchive {
                    path: path.ok_or_else(no_path)?,
                    tag: name.map(|name| name.familiar()),
                }),
                ("docker", Some(path)) => Self::Image(Reference::DockerArchive { path, name }),
                ("docker", None) => Self::Image(Reference::DockerDaemon(
                    image::reference::DaemonImage::Name(name.ok_or_else(no_name)?),
                )),
                ("registry", _) => Self::Image(Reference::Registry(name.ok_or_else(no_name)?)),
                ("image", _) if fields.get("push") == Some(&"true") => {
                    Self::Image(Reference::Registry(name.ok_or_else(no_name)?))
                }
                ("image", _) => Self::Image(Reference::Name(name.ok_or_else(no_name)?)),
                (other, _) => {
                    return Err(Usage::error(
                        format!("there is no output of type `{other}`"),
                        "there are local, oci, docker, registry and image",
                    ));
                }
            },
        )
    }

    pub(crate) fn write(
        &self,
        session: &Session<'_>,
        image: &Image,
        name: Option<&Name>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Image(reference) => drop(session.write(image, reference, name)?),
            Self::Directory(path) => jettison::build::export(image, path, session.load_options())?,
        }
        Ok(())
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(reference) => reference.fmt(f),
            Self::Directory(path) => path.display().fmt(f),
        }
    }
}

/// Shows steps and what commands say, line by line.
#[derive(Debug)]
pub(crate) struct Show<'u> {
    ui: &'u Ui,
    quiet: bool,
    /// Of each stage the beginning of a line that is not complete.
    lines: Mutex<HashMap<String, Vec<u8>>>,
}

impl<'u> Show<'u> {
    pub(crate) fn new(ui: &'u Ui, quiet: bool) -> Self {
        Self {
            ui,
            quiet,
            lines: Mutex::new(HashMap::new()),
        }
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            self.ui.status(text);
        }
    }
}

impl Report for Show<'_> {
    fn step(&self, step: &Step<'_>) {
        self.line(&format!(
            "[{} {}/{}] {}",
            step.stage, step.number, step.total, step.text
        ));
    }

    fn output(&self, stage: &str, bytes: &[u8]) {
        let Ok(mut lines) = self.lines.lock() else {
            return;
        };
        let line = lines.entry(stage.to_owned()).or_default();
        line.extend_from_slice(bytes);
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let whole: Vec<u8> = line.drain(..=end).collect();
            self.line(&format!("  {}", shown(&whole)));
        }
    }

    fn finished(&self, step: &Step<'_>, finished: &Finished) {
        if let Ok(mut lines) = self.lines.lock()
            && let Some(rest) = lines.remove(&step.stage).filter(|rest| !rest.is_empty())
        {
            self.line(&format!("  {}", shown(&rest)));
        }
        if finished.cached {
            self.line("  cached");
        } else if let Some((unpacked, compressed)) = finished.layer {
            let seconds = finished.elapsed.as_secs_f64();
            self.line(&format!(
                "  {}, {} compressed, {seconds:.1} s",
                human(unpacked),
                human(compressed)
            ));
        }
        if finished.copied > 0 {
            self.line(&format!(
                "  of these, {} are in the image twice: only their owner or mode changed; set it where they are copied",
                human(finished.copied)
            ));
        }
    }

    fn warning(&self, text: &str) {
        self.ui.warning(text);
    }

    fn shell(&self, spec: &sandbox::Spec) {
        self.ui
            .status("a shell where the command failed; the build ends with it");
        if let Err(error) = attach(spec) {
            self.ui.warning(&format!("no shell: {error}"));
        }
    }
}

/// Runs a container on this terminal.
fn attach(spec: &sandbox::Spec) -> Result<(), sandbox::Error> {
    use std::os::fd::AsFd;
    let mut container = sandbox::spawn(spec)?;
    if let Some(controller) = container.take_terminal() {
        let (input, output) = (std::io::stdin(), std::io::stdout());
        let session = sandbox::terminal::Session::start(controller, input.as_fd(), output.as_fd())?;
        container.wait()?;
        session.finish();
    }
    Ok(())
}

/// A line as it may be shown: what a progress bar has overwritten is left out.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    text.rsplit('\r').next().unwrap_or_default().to_owned()
}
