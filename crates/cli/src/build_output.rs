//! What is shown of a build while it goes on, and where its result goes.

use std::collections::HashMap;
use std::fmt;
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use image::{Image, Name, Reference};
use jettison::build::{Finished, Report, Step};

use crate::commands::build::ProgressFlag;
use crate::error::Usage;
use crate::session::Session;
use crate::size::human;
use crate::ui::Ui;

/// Bytes written at once.
const BUFFER: usize = 1 << 20;

/// A place for the result.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// As an image.
    Image(Reference),
    /// As an archive of docker on standard output.
    Stdout(Name),
    /// Its files, in a directory.
    Directory(PathBuf),
    /// Its files, as a tar; without a path on standard output.
    Tar(Option<PathBuf>),
    /// Nowhere: the steps are remembered.
    Nowhere,
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
            // As docker has it: a minus is a tar on standard output, anything else a directory.
            return Ok(match text.trim_start_matches("dest=") {
                "-" => Self::Tar(None),
                path => Self::Directory(path.into()),
            });
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
                ("tar", path) => Self::Tar(path.filter(|path| path.as_os_str() != "-")),
                ("cacheonly", _) => Self::Nowhere,
                ("oci", path) if fields.get("tar") == Some(&"false") => {
                    Self::Image(Reference::OciLayout {
                        path: path.ok_or_else(no_path)?,
                        tag: name.map(|name| name.familiar()),
                    })
                }
                ("docker", Some(path)) if path.as_os_str() == "-" => {
                    Self::Stdout(name.ok_or_else(no_name)?)
                }
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
                        "there are local, tar, oci, docker, registry, image and cacheonly",
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
            Self::Stdout(name) => session.write_to_stdout(image, name)?,
            Self::Directory(path) => jettison::build::export(image, path, session.load_options())?,
            Self::Tar(None) => {
                let output = BufWriter::with_capacity(BUFFER, std::io::stdout().lock());
                jettison::build::export_tar(image, output, session.load_options())?;
            }
            Self::Tar(Some(path)) => write_tar(session, image, path)?,
            Self::Nowhere => {}
        }
        Ok(())
    }

    /// Returns whether it is written where results are otherwise told.
    pub(crate) fn takes_stdout(&self) -> bool {
        matches!(self, Self::Stdout(_) | Self::Tar(None))
    }
}

/// Writes a tar under a temporary name first, so that half of it is never found.
fn write_tar(session: &Session<'_>, image: &Image, path: &Path) -> anyhow::Result<()> {
    let failed = |source| image::Error::File {
        verb: "write",
        path: path.to_owned(),
        source,
    };
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(failed)?;
    let file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(parent)
        .map_err(failed)?;
    let output = BufWriter::with_capacity(BUFFER, file.as_file());
    jettison::build::export_tar(image, output, session.load_options())?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(reference) => reference.fmt(f),
            Self::Directory(path) | Self::Tar(Some(path)) => path.display().fmt(f),
            Self::Stdout(_) | Self::Tar(None) => f.write_str("standard output"),
            Self::Nowhere => f.write_str("nothing but the remembered steps"),
        }
    }
}

/// Shows steps and what commands say, line by line.
#[derive(Debug)]
pub(crate) struct Show<'u> {
    ui: &'u Ui,
    quiet: bool,
    /// Whether a line at the bottom says what is being done.
    live: bool,
    /// Of each stage the beginning of a line that is not complete.
    lines: Mutex<HashMap<String, Vec<u8>>>,
    /// Steps that go on: stage and text.
    running: Mutex<Vec<(String, String)>>,
}

impl<'u> Show<'u> {
    pub(crate) fn new(ui: &'u Ui, progress: ProgressFlag) -> Self {
        Self {
            ui,
            quiet: progress == ProgressFlag::Quiet,
            live: matches!(progress, ProgressFlag::Auto | ProgressFlag::Tty),
            lines: Mutex::new(HashMap::new()),
            running: Mutex::new(Vec::new()),
        }
    }

    /// Changes what goes on, and shows it.
    fn running(&self, change: impl FnOnce(&mut Vec<(String, String)>)) {
        let Ok(mut running) = self.running.lock() else {
            return;
        };
        change(&mut running);
        if self.live {
            let texts: Vec<&str> = running.iter().map(|(_, text)| &**text).collect();
            self.ui.busy(&texts.join("  "));
        }
    }

    /// What stands before what a stage says: its name, if others speak too.
    fn speaker(&self, stage: &str) -> String {
        match self.running.lock() {
            Ok(running) if running.len() > 1 => format!("  [{stage}] "),
            _ => "  ".to_owned(),
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
        let text = format!(
            "[{} {}/{}] {}",
            step.stage, step.number, step.total, step.text
        );
        self.line(&text);
        self.running(|running| running.push((step.stage.clone(), text)));
    }

    fn output(&self, stage: &str, bytes: &[u8]) {
        let speaker = self.speaker(stage);
        let Ok(mut lines) = self.lines.lock() else {
            return;
        };
        let line = lines.entry(stage.to_owned()).or_default();
        line.extend_from_slice(bytes);
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let whole: Vec<u8> = line.drain(..=end).collect();
            self.line(&format!("{speaker}{}", shown(&whole)));
        }
    }

    fn finished(&self, step: &Step<'_>, finished: &Finished) {
        let speaker = self.speaker(&step.stage);
        self.running(|running| running.retain(|(stage, _)| *stage != step.stage));
        if let Ok(mut lines) = self.lines.lock()
            && let Some(rest) = lines.remove(&step.stage).filter(|rest| !rest.is_empty())
        {
            self.line(&format!("{speaker}{}", shown(&rest)));
        }
        if finished.cached {
            self.line(&format!("{speaker}cached"));
        } else if let Some((unpacked, compressed)) = finished.layer {
            let seconds = finished.elapsed.as_secs_f64();
            self.line(&format!(
                "{speaker}{}, {} compressed, {seconds:.1} s",
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
        self.running(Vec::clear);
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
    if let Some(controller) = container.main.take_terminal() {
        let (input, output) = (std::io::stdin(), std::io::stdout());
        let session = sandbox::terminal::Session::start(controller, input.as_fd(), output.as_fd())?;
        container.main.wait()?;
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
