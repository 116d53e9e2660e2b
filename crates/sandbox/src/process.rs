//! Processes as their maker sees them, and how they end.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid,
};

use crate::Error;
use crate::streams::Ends;

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

/// A program that was started beside the first one of a container. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    descriptor: OwnedFd,
    ends: Ends,
    ended: Option<ExitStatus>,
}

impl Process {
    pub(crate) fn new(pid: i32, descriptor: OwnedFd, ends: Ends) -> Self {
        Self {
            pid,
            descriptor,
            ends,
            ended: None,
        }
    }

    /// Returns its number on the host.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
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

    /// Returns how the program ended, or `None` if it runs.
    ///
    /// # Errors
    /// If something else in this process has waited for it.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.wait_with(WaitIdOptions::NOHANG)
    }

    /// Waits until the program ends.
    ///
    /// # Errors
    /// If something else in this process has waited for it.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        loop {
            if let Some(status) = self.wait_with(WaitIdOptions::empty())? {
                return Ok(status);
            }
        }
    }

    /// Waits until the program ends, or for so long. `None` means that it runs.
    ///
    /// # Errors
    /// If something else in this process has waited for it.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            readable(self.descriptor.as_fd(), timeout)
                .map_err(Error::supervise("wait for a process"))?;
        }
        self.try_wait()
    }

    /// Sends it a signal. One that has ended is left in peace.
    ///
    /// # Errors
    /// If the signal does not exist.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        if self.ended.is_some() {
            Ok(())
        } else {
            send_signal(self.descriptor.as_fd(), signal)
        }
    }

    /// Ends it at once and waits for that.
    ///
    /// # Errors
    /// If something else in this process has waited for it.
    pub fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.signal(libc::SIGKILL)?;
        self.wait()
    }

    fn wait_with(&mut self, options: WaitIdOptions) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            let options = options | WaitIdOptions::EXITED;
            let status = loop {
                match waitid(WaitId::PidFd(self.descriptor.as_fd()), options) {
                    Err(Errno::INTR) => {}
                    other => break other.map_err(Error::supervise("wait for a process"))?,
                }
            };
            self.ended = status.as_ref().map(exit_status);
        }
        Ok(self.ended)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none()
            && let Err(error) = self.kill()
        {
            tracing::debug!(pid = self.pid, %error, "cannot end a process");
        }
    }
}

fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::Code(code),
        (None, signal) => ExitStatus::Signal(signal.unwrap_or(libc::SIGKILL)),
    }
}

/// Sends a signal to a process. One that has ended already is not an error.
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: i32) -> Result<(), Error> {
    let failed = Error::supervise::<Errno>("send a signal");
    let Some(signal) = Signal::from_named_raw(signal) else {
        return Err(failed(Errno::INVAL));
    };
    match pidfd_send_signal(process, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(failed(errno)),
    }
}

/// Waits until there is something to be read, or for so long. Returns whether there is.
pub(crate) fn readable(descriptor: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    ready(descriptor, PollFlags::IN, timeout)
}

/// Waits until a descriptor is ready, or for so long. Returns whether it is.
pub(crate) fn ready(
    descriptor: BorrowedFd<'_>,
    event: PollFlags,
    timeout: Duration,
) -> io::Result<bool> {
    // A deadline that cannot be expressed never comes.
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(
            &mut [PollFd::from_borrowed_fd(descriptor, event)],
            left.as_ref(),
        ) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Waits for a process that is not interesting any more.
pub(crate) fn reap(pid: i32) {
    let options = rustix::process::WaitOptions::empty();
    while let Err(Errno::INTR) = rustix::process::waitpid(Pid::from_raw(pid), options) {}
}

/// Returns the number, on the host, of the process that a descriptor is for.
pub(crate) fn pid_of(descriptor: BorrowedFd<'_>) -> io::Result<i32> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
    let text = std::fs::read_to_string(path)?;
    let pid = text
        .lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.ok_or_else(|| io::Error::other("the kernel does not tell the number of a process"))
}
