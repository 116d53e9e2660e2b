//! One image, running.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sandbox::{Container, ExitStatus, Spec, Stdio, Streams, Trace, TraceOptions};

use super::companion::Companions;
use super::output::Stream;
use super::{Subject, Surroundings};
use crate::container::{self, Settings, Unpacked};

/// How many lines of a container's output are shown when it fails.
const LAST_LINES: usize = 20;

/// An image, unpacked, and a container of it.
#[derive(Debug)]
pub(super) struct Side {
    /// What reports call the image.
    pub(super) name: String,
    /// How the container was made; further ones are made like it.
    pub(super) spec: Spec,
    run: Run,
    pub(super) started: Instant,
    /// What programs asked for in containers that have ended.
    past: Option<Trace>,
    /// What runs beside it.
    pub(super) companions: Companions,
    // Dropped last, when nothing uses it any more.
    _unpacked: Unpacked,
}

#[derive(Debug)]
enum Run {
    /// A container was started.
    Started(Box<Running>),
    /// The image has no command of its own; further commands can be run all the same.
    Nothing,
    /// Its command cannot be started, for this reason.
    Failed(String),
}

/// A container and what it writes.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) container: Container,
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It runs.
    Up,
    /// It ended.
    Ended(ExitStatus),
    /// It was never there.
    Nothing,
}

impl Side {
    /// Unpacks an image and starts its container. That its program cannot be started is a finding, not
    /// an error.
    pub(super) fn start(
        subject: Subject<'_>,
        settings: &Settings,
        surroundings: &Surroundings<'_>,
        companions: Companions,
        trace: Option<TraceOptions>,
    ) -> Result<Self, container::Error> {
        let Subject { name, image, files } = subject;
        let settings = Settings {
            streams: Streams {
                stdin: Stdio::Null,
                ..Streams::all(Stdio::Piped)
            },
            ..settings.clone()
        };
        let (mut spec, unfit) = match container::plan(image, files, &settings, surroundings.ids) {
            Ok(spec) => (spec, None),
            // Without a command, or as a user that is not there, nothing can be started; the rest of the
            // image can still be asked about.
            Err(error @ (container::Error::NoCommand | container::Error::Unknown { .. })) => {
                let stand_in = Settings {
                    command: vec!["/".to_owned()],
                    user: Some("0:0".to_owned()),
                    ..settings
                };
                let spec = container::plan(image, files, &stand_in, surroundings.ids)?;
                let reason = match error {
                    container::Error::NoCommand => Run::Nothing,
                    error => Run::Failed(error.to_string()),
                };
                (spec, Some(reason))
            }
            Err(error) => return Err(error),
        };
        let unpacked = Unpacked::new(files, &spec.ids, surroundings.scratch)?;
        unpacked.prepare(&mut spec);
        spec.trace = trace;
        let run = match unfit {
            Some(unfit) => unfit,
            None => match spawn(&companions, &spec)? {
                Ok(running) => Run::Started(Box::new(running)),
                Err(reason) => Run::Failed(reason),
            },
        };
        Ok(Self {
            name: name.to_owned(),
            spec,
            run,
            started: Instant::now(),
            past: None,
            companions,
            _unpacked: unpacked,
        })
    }

    /// Returns why the image's command could not be started.
    pub(super) fn failure(&self) -> Option<String> {
        match &self.run {
            Run::Failed(reason) => Some(reason.clone()),
            Run::Started(_) | Run::Nothing => None,
        }
    }

    /// Returns the container, if there was one; it may have ended.
    pub(super) fn running(&self) -> Option<&Running> {
        match &self.run {
            Run::Started(running) => Some(running),
            Run::Nothing | Run::Failed(_) => None,
        }
    }

    /// Returns the container if it runs now.
    pub(super) fn alive(&mut self) -> Option<&Running> {
        (self.state() == State::Up).then(|| self.running())?
    }

    /// Returns what the container is doing.
    pub(super) fn state(&mut self) -> State {
        self.wait(Duration::ZERO)
    }

    /// Waits until the container ends, or for so long.
    pub(super) fn wait(&mut self, timeout: Duration) -> State {
        match &mut self.run {
            Run::Started(running) => match running.container.main.wait_timeout(timeout) {
                Ok(None) => State::Up,
                Ok(Some(status)) => State::Ended(status),
                Err(_) => State::Ended(ExitStatus::Signal(9)), // its monitor is gone, and it with it
            },
            Run::Nothing | Run::Failed(_) => State::Nothing,
        }
    }

    /// Adds what was asked for in a container that has ended.
    pub(super) fn remember(&mut self, trace: Option<Trace>) {
        match (&mut self.past, trace) {
            (Some(past), Some(trace)) => past.merge(trace),
            (past @ None, trace) => *past = trace,
            (Some(_), None) => {}
        }
    }

    /// Returns what programs have asked for so far, if that is recorded.
    pub(super) fn trace_so_far(&self) -> Option<Trace> {
        let now = self.running().and_then(|it| it.container.trace());
        match (now, self.past.clone()) {
            (Some(mut now), Some(past)) => {
                now.merge(past);
                Some(now)
            }
            (now, past) => now.or(past),
        }
    }

    /// Ends the container, and returns what its programs asked for, if that was recorded.
    pub(super) fn take_trace(&mut self) -> Option<Trace> {
        self.stop();
        if let Run::Started(running) = &mut self.run {
            let trace = running.container.take_trace();
            self.remember(trace);
        }
        self.past.take()
    }

    /// Ends the container, if it runs.
    pub(super) fn stop(&mut self) {
        if let Run::Started(running) = &mut self.run {
            // If its monitor cannot be heard it is gone already.
            let _ = running.container.main.kill();
        }
    }

    /// Returns the last lines that the container wrote.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let Some(running) = self.running() else {
            return Vec::new();
        };
        running.last_lines()
    }
}

/// A container that is being ended, and whose files are being removed. Dropping it waits for that.
#[derive(Debug, Default)]
pub(super) struct Ending(Option<JoinHandle<()>>);

impl Ending {
    /// Ends a container and removes its files, which takes a tenth of a second for thousands of them.
    pub(super) fn of(mut side: Side) -> Self {
        side.stop();
        Self(Some(std::thread::spawn(move || drop(side))))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // What could not be removed is swept later.
            let _ = thread.join();
        }
    }
}

impl Running {
    /// Returns the last lines that it wrote.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let mut lines = self.stdout.last_lines(LAST_LINES);
        lines.extend(self.stderr.last_lines(LAST_LINES));
        let from = lines.len().saturating_sub(LAST_LINES);
        lines.split_off(from)
    }
}

/// Starts a container beside companions. The inner error is that its program cannot be executed, which is
/// the image's fault.
pub(super) fn spawn(
    companions: &Companions,
    spec: &Spec,
) -> Result<Result<Running, String>, container::Error> {
    let spawned = match companions.spawn(spec) {
        // An old kernel, or one that refuses: then what programs ask for is not known.
        Err(error) if spec.trace.is_some() && !matches!(error.exit_code(), 126 | 127) => {
            tracing::debug!(%error, "cannot trace");
            let plain = Spec {
                trace: None,
                ..spec.clone()
            };
            companions.spawn(&plain)
        }
        other => other,
    };
    match spawned {
        Ok(mut container) => Ok(Ok(Running {
            stdout: Stream::read(container.main.take_stdout()),
            stderr: Stream::read(container.main.take_stderr()),
            container,
        })),
        Err(error) => blame(error).map(Err),
    }
}

/// Tells what is the fault of an image from what is not.
pub(super) fn blame(error: sandbox::Error) -> Result<String, container::Error> {
    match error.exit_code() {
        126 | 127 => Ok(error.to_string()),
        _ => Err(error.into()),
    }
}
