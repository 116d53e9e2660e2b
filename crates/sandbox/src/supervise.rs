//! Watching a process from outside: the caller's side of a monitor.
//!
//! Every program has a monitor, a process that waits for it and reports how it ended; what a monitor does
//! is in `child`. The program cannot be a child of the caller itself: a pid namespace ends only when all
//! its processes have been waited for, so a caller that waits for a container while it has not yet waited
//! for a further command in it would wait for ever.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};

use crate::message::{Message, receive, send};
use crate::{Error, ExitStatus, sys};

/// A process that this one made itself. Dropping it kills and reaps it.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: i32,
    descriptor: OwnedFd,
    reaped: bool,
}

impl Child {
    pub(crate) fn new(pid: i32, descriptor: OwnedFd) -> Self {
        Self {
            pid,
            descriptor,
            reaped: false,
        }
    }

    /// Waits until it ends by itself. Returns whether it says that it succeeded.
    pub(crate) fn wait(mut self) -> bool {
        self.reap().and_then(|status| status.exit_status()) == Some(0)
    }

    /// Waits until it ends by itself, and returns how.
    pub(crate) fn status(mut self) -> Result<ExitStatus, Error> {
        let ended = self.reap().ok_or(Error::Supervise {
            action: "wait for a program",
            source: Errno::CHILD.into(),
        })?;
        Ok(match (ended.exit_status(), ended.terminating_signal()) {
            (Some(code), _) => ExitStatus::Code(code),
            (None, signal) => ExitStatus::Signal(signal.unwrap_or(libc::SIGKILL)),
        })
    }

    fn reap(&mut self) -> Option<WaitStatus> {
        self.reaped = true;
        loop {
            match waitpid(Pid::from_raw(self.pid), WaitOptions::empty()) {
                Ok(ended) => return ended.map(|(_, status)| status),
                Err(Errno::INTR) => {}
                Err(_) => return None, // something else in this process has waited for it
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = sys::send_signal(self.descriptor.as_fd(), libc::SIGKILL); // it may have ended
            self.reap();
        }
    }
}

/// A program with its monitor. Dropping it kills both.
#[derive(Debug)]
pub(crate) struct Supervised {
    pid: i32,
    process: OwnedFd,
    control: OwnedFd,
    monitor: Option<Child>,
    ended: Option<ExitStatus>,
}

impl Supervised {
    /// Waits until a monitor has made its process. Returns `None` if it did not; the monitor has sent the
    /// reason on its other channel.
    pub(crate) fn new(monitor: Child, control: OwnedFd) -> io::Result<Option<Self>> {
        let started = receive(control.as_fd(), RecvFlags::empty())?;
        let Some(process) = started.and_then(|(_, process)| process) else {
            return Ok(None);
        };
        let pid = pid_of(process.as_fd())?;
        // The number is known; from now on the monitor may reap the process.
        let _ = send(control.as_fd(), Message::Started, None);
        Ok(Some(Self {
            pid,
            process,
            control,
            monitor: Some(monitor),
            ended: None,
        }))
    }

    /// Returns the number of the program, on the host.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Returns a descriptor for the program.
    pub(crate) fn process(&self) -> &OwnedFd {
        &self.process
    }

    /// Returns a descriptor for its monitor, unless the program has ended.
    pub(crate) fn monitor(&self) -> Option<BorrowedFd<'_>> {
        self.monitor
            .as_ref()
            .map(|monitor| monitor.descriptor.as_fd())
    }

    /// Waits until the program ends, or for so long.
    pub(crate) fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
        let failed = |source| Error::Supervise {
            action: "wait for a program",
            source,
        };
        if self.ended.is_none()
            && ready(self.control.as_fd(), PollFlags::IN, timeout).map_err(failed)?
        {
            let message = receive(self.control.as_fd(), RecvFlags::empty());
            self.ended = Some(match message.map_err(|errno| failed(errno.into()))? {
                Some((Message::Exited(code), _)) => ExitStatus::Code(code),
                Some((Message::Signalled(signal), _)) => ExitStatus::Signal(signal),
                // The monitor was killed, and its program with it.
                _ => ExitStatus::Signal(libc::SIGKILL),
            });
            if let Some(monitor) = self.monitor.take() {
                monitor.wait();
            }
        }
        Ok(self.ended)
    }

    /// Waits until the program ends.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus, Error> {
        loop {
            if let Some(status) = self.wait_timeout(Duration::MAX)? {
                return Ok(status);
            }
        }
    }

    /// Sends the program a signal, unless it has ended.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), Error> {
        if self.ended.is_some() {
            Ok(())
        } else {
            send_signal(self.process.as_fd(), signal)
        }
    }

    /// Ends the program at once and waits for that.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.signal(libc::SIGKILL)?;
        self.wait()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if self.ended.is_none()
            && let Err(error) = self.kill()
        {
            tracing::debug!(pid = self.pid, %error, "cannot end a program");
        }
    }
}

/// Sends a signal to a process. One that has ended already is not an error.
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: i32) -> Result<(), Error> {
    match sys::send_signal(process, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(Error::Supervise {
            action: "send a signal",
            source: errno.into(),
        }),
    }
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
