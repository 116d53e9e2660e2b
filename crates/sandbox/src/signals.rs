//! Passing on the signals that this process gets.
#![allow(unsafe_code)] // installing signal handlers

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::thread::JoinHandle;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::supervise::send_signal;
use crate::{Container, Error};

/// The signals that `docker run` passes on to a program without a terminal, as far as they mean something
/// to programs.
const FORWARDED: [c_int; 7] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
];

/// For each signal the pipe that its number is written to, or -1. A handler can reach nothing but globals.
static PIPES: [AtomicI32; 65] = [const { AtomicI32::new(-1) }; 65];
/// How many handlers run at the moment, in whatever thread. While one does no pipe may be closed.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// The handler of every watched signal.
extern "C" fn note(signal: c_int) {
    let pipe = usize::try_from(signal)
        .ok()
        .and_then(|signal| PIPES.get(signal));
    let Some(pipe) = pipe else { return };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 1 to 64
    let byte = signal as u8;
    RUNNING.fetch_add(1, Ordering::SeqCst);
    // SAFETY: writing is allowed in a handler, and the interrupted code gets its errno back. The pipe does
    // not block; when it is full, enough signals are on their way.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(pipe.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
        *errno = before;
    }
    RUNNING.fetch_sub(1, Ordering::SeqCst);
}

/// Turns signals into bytes that can be read, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Where the numbers of signals can be read.
    pub(crate) read: OwnedFd,
    /// Where the handler writes them.
    write: OwnedFd,
    before: Vec<(c_int, libc::sigaction)>,
}

impl Watch {
    /// Starts to watch. A signal can be watched once at a time.
    pub(crate) fn new(signals: &[c_int]) -> Result<Self, Errno> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let mut watch = Self {
            read,
            write,
            before: Vec::new(),
        };
        for &signal in signals {
            watch.add(signal)?;
        }
        Ok(watch)
    }

    fn add(&mut self, signal: c_int) -> Result<(), Errno> {
        let pipe = usize::try_from(signal)
            .ok()
            .and_then(|signal| PIPES.get(signal));
        let write = self.write.as_raw_fd();
        pipe.ok_or(Errno::INVAL)?
            .compare_exchange(-1, write, Ordering::SeqCst, Ordering::SeqCst)
            .map_err(|_| Errno::BUSY)?;
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: a zeroed sigaction is valid; the handler does only what handlers may; the old action is
        // written before it is read.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as extern "C" fn(c_int) as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, before.as_mut_ptr());
            self.before.push((signal, before.assume_init()));
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: the action is the one that the kernel gave us.
            unsafe { libc::sigaction(*signal, &raw const *before, ptr::null_mut()) };
            if let Some(pipe) = usize::try_from(*signal).ok().and_then(|at| PIPES.get(at)) {
                pipe.store(-1, Ordering::SeqCst);
            }
        }
        while RUNNING.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
    }
}

/// Passes signals on to a container until it is dropped.
#[derive(Debug)]
pub struct Forwarding {
    watch: Option<Watch>,
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// Signals that are held until there is a container to pass them on to.
#[derive(Debug)]
pub struct WatchedSignals(Watch);

/// Watches HUP, INT, QUIT, TERM, USR1, USR2 and WINCH, which would end this process otherwise. Begun
/// before a container is made, no signal falls into the gap between its start and the forwarding.
/// For programs without a terminal; with one, keys become signals inside.
///
/// # Errors
/// If signals are being watched already.
pub fn watch_signals() -> Result<WatchedSignals, Error> {
    let failed = Error::supervise::<io::Error>("watch signals");
    Watch::new(&FORWARDED)
        .map(WatchedSignals)
        .map_err(|errno| failed(errno.into()))
}

impl WatchedSignals {
    /// Passes the signals on to the first process of a container, those that came before among them.
    ///
    /// # Errors
    /// When a thread or a descriptor cannot be had.
    pub fn forward_to(self, container: &Container) -> Result<Forwarding, Error> {
        let failed = || Error::supervise::<io::Error>("pass on signals");
        let watch = self.0;
        let init = container
            .main
            .supervised
            .process()
            .try_clone()
            .map_err(failed())?;
        let read = watch.read.try_clone().map_err(failed())?;
        let (stopped, stop) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed()(errno.into()))?;
        let thread = std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || forward(read.as_fd(), stopped.as_fd(), init.as_fd()))
            .map_err(failed())?;
        Ok(Forwarding {
            watch: Some(watch),
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn forward(signals: BorrowedFd<'_>, stopped: BorrowedFd<'_>, init: BorrowedFd<'_>) {
    use rustix::event::{PollFd, PollFlags, poll};
    loop {
        let mut watched = [
            PollFd::from_borrowed_fd(signals, PollFlags::IN),
            PollFd::from_borrowed_fd(stopped, PollFlags::IN),
        ];
        if poll(&mut watched, None).is_err() {
            continue; // interrupted
        }
        let [_, stop] = &watched;
        if !stop.revents().is_empty() {
            return;
        }
        let mut numbers = [0; 16];
        let count = rustix::io::read(signals, &mut numbers).unwrap_or(0);
        for &signal in numbers.iter().take(count) {
            if let Err(error) = send_signal(init, i32::from(signal)) {
                tracing::debug!(signal, %error, "cannot pass on a signal");
            }
        }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.watch = None;
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing to tell
        }
    }
}
