//! Everything that can go wrong, with the subject it went wrong for.

use std::io;
use std::path::PathBuf;

/// Why a command could not be run, or watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel, or a security policy, refuses user namespaces or one of the others.
    #[error("cannot create namespaces")]
    Namespaces {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The ids of the container could not be mapped to ids of the host.
    #[error("cannot map ids by {method}")]
    MapIds {
        /// The file or the program that the map was written with.
        method: String,
        /// The kernel's answer, or what the program printed.
        source: io::Error,
    },
    /// The user asked for has no id on the host, see [`IdMapping`](crate::IdMapping).
    #[error("cannot run as user {uid}, group {gid}: the container's ids do not include them")]
    UnmappedUser {
        /// User asked for.
        uid: u32,
        /// Group asked for.
        gid: u32,
    },
    /// Two containers cannot share a network.
    #[error("cannot share the network of another container: {reason}")]
    Apart {
        /// Why not.
        reason: &'static str,
    },
    /// A step between the new process and the program failed.
    #[error("cannot {step}")]
    Setup {
        /// What was being done, as a phrase that follows "cannot".
        step: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The program does not exist. A shell would answer 127.
    #[error("cannot find program `{program}`")]
    NotFound {
        /// The first argument, as given.
        program: String,
    },
    /// The program exists, but the interpreter that it names does not: the dynamic loader of an ELF
    /// file, or the program after `#!`. The kernel calls both "no such file or directory".
    #[error("cannot start program `{program}`: its interpreter is missing")]
    MissingInterpreter {
        /// Path of the program inside the root.
        program: String,
    },
    /// The program exists and cannot be executed. A shell would answer 126.
    #[error("cannot execute program `{program}`")]
    NotExecutable {
        /// The first argument, as given.
        program: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A value contains a zero byte, which no system call can take.
    #[error("cannot use {what}: it contains a zero byte")]
    ZeroByte {
        /// Which value.
        what: &'static str,
    },
    /// No program was given.
    #[error("cannot run an empty command")]
    EmptyCommand,
    /// A path of the host could not be used.
    #[error("cannot {action} `{}`", path.display())]
    Path {
        /// What was being done.
        action: &'static str,
        /// The path on the host.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A running process could not be watched or told something.
    #[error("cannot {action}")]
    Supervise {
        /// What was being done.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    /// Returns the exit code that `docker run` and shells give for this failure: 127 for a program that
    /// is missing, 126 for one that cannot be executed, 125 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } | Self::MissingInterpreter { .. } => 127,
            Self::NotExecutable { .. } => 126,
            _ => 125,
        }
    }

    /// Returns a function that wraps a failure of watching a process.
    pub(crate) fn supervise<E: Into<io::Error>>(action: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::Supervise {
            action,
            source: source.into(),
        }
    }
}
