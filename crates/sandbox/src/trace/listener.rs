//! The threads that look at stopped system calls.

use std::collections::VecDeque;
use std::ffi::CString;
use std::io;
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::crew::{Crew, Leader};
use super::follow::follow;
use super::inspect::Inspector;
use super::record::Recorder;
use super::resolve::View;
use super::{Trace, TraceOptions, sorted};
use crate::identity::{self, Answer, Identities};
use crate::supervise::pid_of;
use crate::sys::{self, Notification};
use crate::{Error, IdMapping};

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
    /// How they arrive.
    pub(crate) calls: Calls,
    /// The root directory of the container.
    pub(crate) root: OwnedFd,
    /// The first process of the container.
    pub(crate) container: OwnedFd,
    /// The paths where the program is tried, for as long as the process that does so is still a copy of
    /// this one, whose memory not everybody may read.
    pub(crate) candidates: Vec<CString>,
    pub(crate) directory: CString,
}

/// How the calls of a program arrive.
pub(crate) enum Calls {
    /// At a listener.
    Listener(OwnedFd),
    /// At the tracer of a process, which waits for one.
    Tracee(OwnedFd),
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

    /// Returns what is written down of what programs ask for, if anything is.
    pub(crate) fn options(&self) -> Option<&TraceOptions> {
        self.shared.recorded.then_some(&self.shared.options)
    }

    /// Begins to look at the calls of a program.
    pub(crate) fn watch(&self, origin: Origin) -> Result<(), Error> {
        let failed = |source| Error::Supervise {
            action: "trace a program",
            source,
        };
        let launch = Arc::new(Launch {
            candidates: Mutex::new(origin.candidates.into()),
            directory: origin.directory,
        });
        let inspector = || {
            let root = origin.root.try_clone().map_err(failed)?;
            let container = origin.container.try_clone().map_err(failed)?;
            let view = View::new(root, container).map_err(|errno| failed(errno.into()))?;
            let (shared, launch) = (Arc::clone(&self.shared), Arc::clone(&launch));
            Ok(Inspector::new(shared, view, launch))
        };
        match origin.calls {
            Calls::Listener(listener) => {
                if let Err(error) = sys::switch_directly(listener.as_fd()) {
                    tracing::debug!(%error, "the kernel is old, tracing will be slow");
                }
                let listener = Arc::new(listener);
                let own_end = tells_own_end();
                let crew = Arc::<Crew>::default();
                for number in 0..if own_end { threads() } else { 1 } {
                    let inspector = inspector()?;
                    let (listener, crew) = (Arc::clone(&listener), Arc::clone(&crew));
                    self.start(move |shared, busy| {
                        let calls = Incoming {
                            listener: listener.as_fd(),
                            own_end,
                        };
                        if number == 0 {
                            lead(&calls, shared, inspector, busy, &crew);
                        } else {
                            help(&calls, shared, inspector, busy, &crew);
                        }
                    })
                    .map_err(failed)?;
                }
            }
            Calls::Tracee(process) => {
                tracing::debug!("no listener, but ptrace: tracing will be slow");
                let process = pid_of(process.as_fd()).map_err(failed)?;
                let inspector = inspector()?;
                let (begun, begins) = mpsc::channel();
                self.start(move |shared, busy| follow(process, &begun, shared, inspector, busy))
                    .map_err(failed)?;
                let seized = begins.recv().unwrap_or(Err(Errno::SRCH));
                seized.map_err(|errno| failed(errno.into()))?;
            }
        }
        Ok(())
    }

    /// Starts a thread that looks at calls.
    fn start(&self, run: impl FnOnce(&Shared, &Mutex<()>) + Send + 'static) -> io::Result<()> {
        let busy = Arc::<Mutex<()>>::default();
        lock(&self.shared.busy).push(Arc::clone(&busy));
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("trace".to_owned())
            .spawn(move || run(&shared, &busy))?;
        lock(&self.threads).push(thread);
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

    /// Looks at a call, has it answered, and writes it down.
    pub(super) fn handle(
        &self,
        call: &Notification,
        inspector: &mut Inspector,
        busy: &Mutex<()>,
        reply: impl FnOnce(Answer) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let _busy = lock(busy);
        let looks = self.recorded && !identity::knows(call);
        if looks {
            inspector.look(call);
        }
        let identities = self.identities.as_ref();
        let answer = identities.map_or(Answer::Continue, |all| all.answer(call));
        // Only if this succeeds was the thread there all the time, and what was read from it is right.
        reply(answer)?;
        if looks {
            inspector.write_down();
        }
        Ok(())
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

/// Returns whether the kernel ends the wait for a call when no process is left that could make one.
fn tells_own_end() -> bool {
    kernel() >= (6, 11)
}

/// Returns whether the kernel can let a call go on that it gave notice of.
pub(crate) fn can_listen() -> bool {
    kernel() >= (5, 5)
}

/// Returns the version of the kernel.
fn kernel() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let mut next = || numbers.next().unwrap_or_default();
    (next(), next())
}

/// The calls of one program.
struct Incoming<'l> {
    listener: BorrowedFd<'l>,
    /// Whether the kernel tells when there will be none any more.
    own_end: bool,
}

/// Looks at all calls that no other thread of the crew does, until no process is left that could make any.
fn lead(
    calls: &Incoming<'_>,
    shared: &Shared,
    mut inspector: Inspector,
    busy: &Mutex<()>,
    crew: &Crew,
) {
    let mut leader = Leader::of(crew);
    while let Some(call) = calls.next(&inspector) {
        calls.answer(&call, shared, &mut inspector, busy);
        leader.note(call.thread);
    }
}

/// Looks at calls whenever there are many.
fn help(
    calls: &Incoming<'_>,
    shared: &Shared,
    mut inspector: Inspector,
    busy: &Mutex<()>,
    crew: &Crew,
) {
    while crew.wait_until_needed() {
        let Some(call) = calls.next(&inspector) else {
            return;
        };
        calls.answer(&call, shared, &mut inspector, busy);
    }
}

impl Incoming<'_> {
    /// Waits for a call. `None` if no process is left that could make any, or the trace cannot go on.
    fn next(&self, inspector: &Inspector) -> Option<Notification> {
        loop {
            if !self.own_end && matches!(events(self.listener, None), Ok(events) if ended(events)) {
                return None;
            }
            match sys::next_notification(self.listener) {
                Ok(notification) => return Some(notification),
                Err(Errno::INTR) => {}
                // A thread was killed before its call was looked at, or no process is left.
                Err(Errno::NOENT) => match events(self.listener, Some(Duration::ZERO)) {
                    Ok(events) if ended(events) => return None,
                    _ => {}
                },
                Err(error) => {
                    tracing::debug!(%error, "cannot receive a call to trace");
                    inspector.lost();
                    return None;
                }
            }
        }
    }

    /// Looks at a call, answers it, and writes it down.
    fn answer(
        &self,
        call: &Notification,
        shared: &Shared,
        inspector: &mut Inspector,
        busy: &Mutex<()>,
    ) {
        let (listener, id) = (self.listener, call.id);
        // `ENOENT` means that the thread was killed, or was interrupted and will make the call again.
        let _gone = shared.handle(call, inspector, busy, |answer| match answer {
            Answer::Continue => sys::let_continue(listener, id),
            Answer::Value(value) => sys::respond(listener, id, Ok(value)),
            Answer::Error(errno) => sys::respond(listener, id, Err(errno)),
        });
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
