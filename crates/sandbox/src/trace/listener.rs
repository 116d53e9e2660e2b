//! The threads that look at stopped system calls.

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::inspect::Inspector;
use super::record::Recorder;
use super::resolve::View;
use super::{Trace, TraceOptions, sorted};
use crate::{Error, sys};

/// The trace of a container while it is being made.
#[derive(Debug)]
pub(crate) struct Tracing {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads of a trace have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: TraceOptions,
    /// What each thread has seen. A thread locks its own for every call, the others never do.
    recorders: Mutex<Vec<Arc<Mutex<Recorder>>>>,
    /// Whether some process may have another root than the container's.
    pub(super) roots_differ: AtomicBool,
    /// When a program last changed something, in milliseconds since `begin`.
    pub(super) last_change: AtomicU32,
    /// When a program last did something that may have moved a directory; 0 is never.
    pub(super) last_move: AtomicU32,
    /// Whether a call could not be understood.
    pub(super) incomplete: AtomicBool,
    begin: Instant,
}

/// Where the calls of a program and all that it starts come from.
pub(crate) struct Origin {
    /// Where they arrive.
    pub(crate) listener: OwnedFd,
    /// The root directory of the container.
    pub(crate) root: OwnedFd,
    /// The first process of the container.
    pub(crate) container: OwnedFd,
    /// The paths where the program is tried, for as long as the process that does so is still a copy of
    /// this one, whose memory not everybody may read.
    pub(crate) candidates: Vec<CString>,
    pub(crate) directory: CString,
}

impl Tracing {
    pub(crate) fn new(options: &TraceOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                options: options.clone(),
                recorders: Mutex::default(),
                roots_differ: AtomicBool::new(false),
                last_change: AtomicU32::new(0),
                last_move: AtomicU32::new(0),
                incomplete: AtomicBool::new(false),
                begin: Instant::now(),
            }),
            threads: Mutex::default(),
        }
    }

    /// Begins to look at the calls of a program.
    pub(crate) fn watch(&self, origin: Origin) -> Result<(), Error> {
        let failed = |source| Error::Supervise {
            action: "trace a program",
            source,
        };
        if let Err(error) = sys::switch_directly(origin.listener.as_fd()) {
            tracing::debug!(%error, "the kernel is old, tracing will be slow");
        }
        let view =
            View::new(origin.root, origin.container).map_err(|errno| failed(errno.into()))?;
        let recorder = Arc::new(Mutex::new(Recorder::new()));
        lock(&self.shared.recorders).push(Arc::clone(&recorder));
        let launch = VecDeque::from(origin.candidates);
        let shared = Arc::clone(&self.shared);
        let inspector = Inspector::new(shared, view, launch, origin.directory);
        let listener = origin.listener;
        let thread = std::thread::Builder::new()
            .name("trace".to_owned())
            .spawn(move || listen(listener.as_fd(), inspector, &recorder))
            .map_err(failed)?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Returns what has been seen so far.
    pub(crate) fn so_far(&self) -> Trace {
        let recorders = lock(&self.shared.recorders).clone();
        let mut trace = Trace::default();
        let accesses: Vec<_> = recorders
            .iter()
            .flat_map(|recorder| {
                let recorder = lock(recorder);
                trace.events += recorder.events;
                recorder.accesses()
            })
            .collect();
        trace.accesses = if recorders.len() == 1 {
            accesses
        } else {
            sorted(accesses)
        };
        trace.complete = !self.shared.incomplete.load(Ordering::Relaxed);
        trace
    }

    /// Waits until no traced process is left, and returns everything.
    pub(crate) fn finish(self) -> Trace {
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                self.shared.incomplete.store(true, Ordering::Relaxed);
            }
        }
        self.so_far()
    }
}

impl Shared {
    /// Returns the time, in milliseconds since the beginning.
    pub(super) fn now(&self) -> u32 {
        // After 49 days answers are looked up more often than necessary.
        u32::try_from(self.begin.elapsed().as_millis()).map_or(u32::MAX, |now| now.max(1))
    }
}

/// A recorder is whole even if a thread has died while it held it: what was added last may be missing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at calls until no process is left that could make any.
fn listen(listener: BorrowedFd<'_>, mut inspector: Inspector, recorder: &Mutex<Recorder>) {
    loop {
        let notification = match sys::next_notification(listener) {
            Ok(notification) => notification,
            Err(Errno::INTR) => continue,
            // The thread was killed before its call was looked at, or was the last one.
            Err(Errno::NOENT) if !finished(listener) => continue,
            Err(Errno::NOENT) => return,
            Err(error) => {
                tracing::debug!(%error, "cannot receive a call to trace");
                inspector.lost();
                return;
            }
        };
        let mut recorder = lock(recorder);
        inspector.look(&recorder, &notification);
        // Only if this succeeds was the thread there all the time, and what was read from it is right.
        // Otherwise it was killed, or was interrupted and will make the call again.
        if sys::let_continue(listener, notification.id).is_ok() {
            inspector.write_down(&mut recorder);
        }
    }
}

/// Returns whether no process has the filter any more.
fn finished(listener: BorrowedFd<'_>) -> bool {
    let mut watched = [PollFd::from_borrowed_fd(listener, PollFlags::IN)];
    let now = rustix::event::Timespec::try_from(Duration::ZERO).ok();
    let [watched] = match poll(&mut watched, now.as_ref()) {
        Ok(_) => watched,
        Err(_) => return false,
    };
    watched.revents().contains(PollFlags::HUP)
}
