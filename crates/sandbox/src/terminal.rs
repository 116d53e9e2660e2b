//! Connecting the caller's terminal to a container's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use crate::Error;
use crate::signals::Watch;

/// A caller's terminal that belongs to a container for a while. Dropping it gives the terminal back.
///
/// Keys are passed on as they are, so that Ctrl-C becomes a signal inside and not here. Changes of the
/// window's size are passed on too.
#[derive(Debug)]
pub struct Session {
    input: OwnedFd,
    before: Option<Termios>,
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Begins to copy between the caller's terminal and the controlling side of the container's, which is
    /// to be had from [`Process::take_terminal`](crate::Process::take_terminal). An input that is not
    /// a terminal is copied just the same.
    ///
    /// # Errors
    /// If the terminal cannot be changed, or if another session lasts.
    pub fn start(
        controller: OwnedFd,
        input: BorrowedFd<'_>,
        output: BorrowedFd<'_>,
    ) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Supervise {
            action: "connect the terminal",
            source,
        };
        let watch = Watch::new(&[libc::SIGWINCH]).map_err(|errno| failed(errno.into()))?;
        let (stopped, stop) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
        let input = input.try_clone_to_owned().map_err(failed)?;
        let copy = Copy {
            controller,
            input: input.try_clone().map_err(failed)?,
            output: output.try_clone_to_owned().map_err(failed)?,
            watch,
            stopped,
        };
        let mut session = Self {
            input,
            before: None,
            stop: Some(stop),
            thread: None,
        };
        session.make_raw().map_err(|errno| failed(errno.into()))?;
        let thread = std::thread::Builder::new().name("terminal".to_owned());
        session.thread = Some(thread.spawn(move || copy.run()).map_err(failed)?);
        Ok(session)
    }

    /// Waits until everything that the program wrote is copied, and gives the terminal back. To be called
    /// when the container has ended.
    pub fn finish(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing to tell
        }
    }

    fn make_raw(&mut self) -> Result<(), Errno> {
        if isatty(&self.input) {
            let before = tcgetattr(&self.input)?;
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(&self.input, OptionalActions::Drain, &raw)?;
            self.before = Some(before);
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing to tell
        }
        if let Some(before) = &self.before
            && let Err(error) = tcsetattr(&self.input, OptionalActions::Drain, before)
        {
            tracing::debug!(%error, "cannot restore the terminal");
        }
    }
}

/// What the copying thread owns.
struct Copy {
    controller: OwnedFd,
    input: OwnedFd,
    output: OwnedFd,
    watch: Watch,
    stopped: OwnedFd,
}

impl Copy {
    /// Copies until the container's side is closed or the session is dropped.
    fn run(self) {
        self.copy_size();
        let mut input_open = true;
        loop {
            let input_events = if input_open {
                PollFlags::IN
            } else {
                PollFlags::empty()
            };
            let mut watched = [
                PollFd::new(&self.controller, PollFlags::IN),
                PollFd::new(&self.watch.read, PollFlags::IN),
                PollFd::new(&self.stopped, PollFlags::IN),
                PollFd::new(&self.input, input_events),
            ];
            // A closed input would be reported for ever.
            let count = if input_open { 4 } else { 3 };
            let Some(polled) = watched.get_mut(..count) else {
                return;
            };
            if poll(polled, None).is_err() {
                continue; // interrupted
            }
            let [controller, resized, stopped, input] = watched.map(|it| !it.revents().is_empty());
            // The last output comes before the end.
            if controller && !copy(self.controller.as_fd(), self.output.as_fd()) {
                return;
            }
            if stopped {
                return;
            }
            if resized {
                let _ = rustix::io::read(&self.watch.read, &mut [0; 64]);
                self.copy_size();
            }
            if input {
                input_open = copy(self.input.as_fd(), self.controller.as_fd());
            }
        }
    }

    fn copy_size(&self) {
        // An input that is not a terminal has no size.
        let _ = tcgetwinsize(&self.input).and_then(|size| tcsetwinsize(&self.controller, size));
    }
}

/// Copies what there is to read. Returns whether there may be more.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 4096];
    let count = match rustix::io::read(from, &mut buffer) {
        Ok(0) => return false,
        Ok(count) => count,
        // A terminal whose other side is closed answers EIO.
        Err(errno) => return matches!(errno, Errno::INTR | Errno::AGAIN),
    };
    let mut rest = buffer.get(..count).unwrap_or_default();
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
