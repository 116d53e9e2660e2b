//! What can go wrong with a build.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use dockerfile::Problems;
use sandbox::ExitStatus;

/// What can go wrong with a build.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A Dockerfile or `.dockerignore` that cannot be understood.
    #[error("cannot understand `{file}`\n{}", problems.render(file))]
    Dockerfile {
        /// What the file is called.
        file: String,
        /// What is wrong with it.
        problems: Problems,
    },
    /// An `ONBUILD` trigger of a base that cannot be understood.
    #[error("cannot understand the base's trigger `{text}`\n{}", problems.render("ONBUILD"))]
    Trigger {
        /// The trigger.
        text: String,
        /// What is wrong with it.
        problems: Problems,
    },
    /// An instruction failed.
    #[error("{}", Place { file, lines, text })]
    At {
        /// What the Dockerfile is called.
        file: String,
        /// First and last line.
        lines: (usize, usize),
        /// The instruction as it stands there.
        text: String,
        /// Why.
        source: Box<Error>,
    },
    /// A command of a `RUN` failed.
    #[error("the command ended with {}", status_text(status))]
    Command {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        output: String,
    },
    /// An operand that makes no sense.
    #[error("{0}")]
    Operand(String),
    /// A stage that does not exist.
    #[error("there is no stage `{name}`{}", if known.is_empty() { String::new() } else { format!("; there are {known}") })]
    NoStage {
        /// Its name.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A file to copy that is not there.
    #[error("`{path}` {} {place}", if *.ignored { "is left out by the .dockerignore of" } else { "is not in" })]
    Source {
        /// What was looked for.
        path: String,
        /// Where.
        place: String,
        /// Whether it is there, but does not take part.
        ignored: bool,
    },
    /// A file where a directory has to be.
    #[error("`/{}` is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// A directory where a file has to be.
    #[error("`/{}` is a directory and cannot be replaced by a file", .0.display())]
    IsADirectory(PathBuf),
    /// Something fetched that is not what was promised.
    #[error("`{url}` has the checksum {actual}, not {expected}")]
    Checksum {
        /// From where.
        url: String,
        /// What was promised.
        expected: String,
        /// What came.
        actual: String,
    },
    /// A repository that cannot be fetched.
    #[error("cannot fetch `{url}`: {reason}")]
    Git {
        /// Which.
        url: String,
        /// What git says.
        reason: String,
    },
    /// A program of this machine that is needed.
    #[error("cannot run `{program}`")]
    Program {
        /// Its name.
        program: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A file of the host.
    #[error("cannot {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Files that cannot be unpacked.
    #[error("cannot unpack files")]
    Unpack(#[source] layer::Error),
    /// Files that cannot be written as a tar.
    #[error("cannot write files as a tar")]
    Pack(#[source] layer::Error),
    /// The end of a tar.
    #[error("cannot write the end of a tar")]
    Flush(#[source] io::Error),
    /// Images.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// A user that is not there.
    #[error(transparent)]
    Container(#[from] crate::container::Error),
    /// A container that cannot be made.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// Another stage failed.
    #[error("the build was stopped")]
    Stopped,
}

impl Error {
    /// Returns a function that wraps a failure with a file of the host.
    pub(super) fn file(verb: &'static str, path: impl AsRef<Path>) -> impl Fn(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File {
            verb,
            path: path.clone(),
            source,
        }
    }
}

/// Where an instruction stands, and what it says.
struct Place<'a> {
    file: &'a str,
    lines: &'a (usize, usize),
    text: &'a str,
}

/// Most lines of an instruction that are shown.
const SHOWN: usize = 20;

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = *self.lines;
        let name = self
            .text
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_uppercase();
        if first == last {
            write!(f, "{name} failed ({}:{first})", self.file)?;
        } else {
            write!(f, "{name} failed ({}:{first}-{last})", self.file)?;
        }
        for (number, line) in (first..).zip(self.text.lines()).take(SHOWN) {
            write!(f, "\n{number:>4} | {line}")?;
        }
        if self.text.lines().count() > SHOWN {
            write!(f, "\n     | …")?;
        }
        Ok(())
    }
}

fn status_text(status: &ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exit code {code}"),
        ExitStatus::Signal(signal) => format!("signal {signal}"),
    }
}
