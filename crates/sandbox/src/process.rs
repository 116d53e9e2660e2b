//! Programs that run, and how they end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::Error;
use crate::streams::Ends;
use crate::supervise::Supervised;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl ExitStatus {
    /// Returns whether the program says that it succeeded.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// Returns the one number that shells and docker make of it: 128 is added to a signal.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// A program of a container, or beside one. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    pub(crate) supervised: Supervised,
    pub(crate) ends: Ends,
    pub(crate) terminal: Option<OwnedFd>,
}

impl Process {
    /// Returns its number on the host.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.supervised.pid()
    }

    /// Takes the writing end of standard input, if that is piped. Dropping it ends the input.
    pub fn take_stdin(&mut self) -> Option<File> {
        self.ends.stdin.take()
    }

    /// Takes the reading end of standard output, if that is piped.
    pub fn take_stdout(&mut self) -> Option<File> {
        self.ends.stdout.take()
    }

    /// Takes the reading end of standard error, if that is piped.
    pub fn take_stderr(&mut self) -> Option<File> {
        self.ends.stderr.take()
    }

    /// Takes the controlling side of the terminal, if there is one. [`terminal::Session`](crate::terminal::Session)
    /// connects it to the caller's.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// Returns how the program ended, or `None` if it runs.
    ///
    /// # Errors
    /// If its monitor cannot be heard.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.supervised.wait_timeout(Duration::ZERO)
    }

    /// Waits until the program ends. Of the first one of a container, nothing that it started runs any more then either.
    ///
    /// # Errors
    /// If its monitor cannot be heard.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.supervised.wait()
    }

    /// Waits until the program ends, or for so long. `None` means that it runs.
    ///
    /// # Errors
    /// If its monitor cannot be heard.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
        self.supervised.wait_timeout(timeout)
    }

    /// Sends it a signal. One that has ended is left in peace.
    ///
    /// # Errors
    /// If the signal does not exist.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        self.supervised.signal(signal)
    }

    /// Ends it at once and waits for that. What it has started itself may go on, unless it was the first of a container.
    ///
    /// # Errors
    /// If its monitor cannot be heard.
    pub fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.supervised.kill()
    }
}
