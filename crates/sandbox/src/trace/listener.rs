//! The threads that look at stopped system calls.

use std::collections::VecDeque;
use std::ffi::CString;
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::inspect::Inspector;
use super::record::Recorder;
use super::resolve::View;
use super::{Trace, TraceOptions, sorted};
use crate::identity::{self, Answer, Identities};
use crate::{Error, IdMapping, sys};

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
    /// Whether what is asked for is written down.
    recorded: bool,
    /// The identities of processes, where the kernel has only one.
    identities: Option<Identities>,
    /// What has been seen. It is locked for moments only: whoever holds it asks the kernel nothing.
    pub(super) recorder: Mutex<Recorder>,
    /// A thread locks its own from before a call goes on until it is written down.
    busy: Mutex<Vec<Arc<Mutex<()>>>>,
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

/// The first program of an origin, until it runs.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) candidates: Mutex<VecDeque<CString>>,
    pub(super) directory: CString,
}

/// Most threads that look at the calls of one program.
const MOST_THREADS: usize = 4;

impl Tracing {
    /// Prepares to look at the programs of a container. `None` if nothing there is of interest.
    pub(crate) fn new(options: Option<&TraceOptions>, ids: &IdMapping) -> Option<Self> {
        let identities = Identities::of(ids);
        if options.is_none() && identities.is_none() {
            return None;
        }
        Some(Self {
            shared: Arc::new(Shared {
                options: options.cloned().unwrap_or_default(),
                recorded: options.is_some(),
                identities,
                recorder: Mutex::new(Recorder::new()),
                busy: Mutex::default(),
                roots_differ: AtomicBool::new(false),
                last_change: AtomicU32::new(0),
                last_move: AtomicU32::new(0),
                incomplete: AtomicBool::new(false),
                begin: Instant::now(),
            }),
            threads: Mutex::default(),
        })
    }

    /// Returns whether what programs ask for is written down.
    pub(crate) fn recorded(&self) -> bool {
        self.shared.recorded
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
        let launch = Launch {
            candidates: Mutex::new(origin.candidates.into()),
            directory: origin.directory,
        };
        let (listener, launch) = (Arc::new(origin.listener), Arc::new(launch));
        let own_end = tells_own_end();
        for _ in 0..if own_end { threads() } else { 1 } {
            let root = origin.root.try_clone().map_err(failed)?;
            let container = origin.container.try_clone().map_err(failed)?;
            let view = View::new(root, container).map_err(|errno| failed(errno.into()))?;
            let (shared, launch) = (Arc::clone(&self.shared), Arc::clone(&launch));
            let inspector = Inspector::new(Arc::clone(&shared), view, launch);
            let busy = Arc::<Mutex<()>>::default();
            lock(&self.shared.busy).push(Arc::clone(&busy));
            let listener = Arc::clone(&listener);
            let thread = std::thread::Builder::new()
                .name("trace".to_owned())
                .spawn(move || listen(listener.as_fd(), own_end, &shared, inspector, &busy))
                .map_err(failed)?;
            lock(&self.threads).push(thread);
        }
        Ok(())
    }

    /// Returns what has been seen so far.
    pub(crate) fn so_far(&self) -> Trace {
        // What a program has been let do by now is in the trace.
        let busy = lock(&self.shared.busy).clone();
        for call in &busy {
            drop(lock(call));
        }
        let recorder = lock(&self.shared.recorder);
        let (events, accesses) = (recorder.events, recorder.accesses());
        drop(recorder);
        Trace {
            accesses: sorted(accesses),
            events,
            complete: !self.shared.incomplete.load(Ordering::Relaxed),
        }
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
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns how many threads look at the calls of one program. More than a few are in each other's way.
fn threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    processors.min(MOST_THREADS)
}

/// Returns whether the kernel ends the wait for a call when no process is left that could make one. Since
/// 6.11 it does.
fn tells_own_end() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(11))
}

/// Looks at calls until no process is left that could make any.
fn listen(
    listener: BorrowedFd<'_>,
    own_end: bool,
    shared: &Shared,
    mut inspector: Inspector,
    busy: &Mutex<()>,
) {
    loop {
        if !own_end && matches!(events(listener, None), Ok(events) if ended(events)) {
            return;
        }
        let notification = match sys::next_notification(listener) {
            Ok(notification) => notification,
            Err(Errno::INTR) => continue,
            // A thread was killed before its call was looked at, or no process is left.
            Err(Errno::NOENT) => match events(listener, Some(Duration::ZERO)) {
                Ok(events) if ended(events) => return,
                _ => continue,
            },
            Err(error) => {
                tracing::debug!(%error, "cannot receive a call to trace");
                inspector.lost();
                return;
            }
        };
        let _busy = lock(busy);
        let looks = shared.recorded && !identity::knows(&notification);
        if looks {
            inspector.look(&notification);
        }
        let identities = shared.identities.as_ref();
        let answer = identities.map_or(Answer::Continue, |all| all.answer(&notification));
        // Only if this succeeds was the thread there all the time, and what was read from it is right.
        // Otherwise it was killed, or was interrupted and will make the call again.
        let id = notification.id;
        let answered = match answer {
            Answer::Continue => sys::let_continue(listener, id),
            Answer::Value(value) => sys::respond(listener, id, Ok(value)),
            Answer::Error(errno) => sys::respond(listener, id, Err(errno)),
        };
        if answered.is_ok() && looks {
            inspector.write_down();
        }
    }
}

/// Waits until something happens to a listener, or for so long.
fn events(listener: BorrowedFd<'_>, timeout: Option<Duration>) -> Result<PollFlags, Errno> {
    let mut watched = [PollFd::from_borrowed_fd(listener, PollFlags::IN)];
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    poll(&mut watched, timeout.as_ref())?;
    let [watched] = watched;
    Ok(watched.revents())
}

/// Returns whether no process has the filter any more.
fn ended(events: PollFlags) -> bool {
    events.contains(PollFlags::HUP) && !events.contains(PollFlags::IN)
}
