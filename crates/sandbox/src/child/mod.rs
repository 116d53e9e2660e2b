//! What runs in the new processes, from `clone` until the program takes over.
//!
//! A container has two of them at first. The *monitor* is the first process of the user namespace and of an outer
//! pid namespace. It waits for the id maps, makes the *init* and then watches two things: the init, whose
//! end it reports, and the caller, whose end it follows. When the monitor ends, for whatever reason, the
//! kernel ends everything in its pid namespace: no process outlives the caller, not even one that changed
//! its identity, which would make the kernel forget a parent-death signal. The init builds the file
//! system and becomes the program, as pid 1 of an inner pid namespace. Each further program has a monitor, too.
//!
//! Nothing in this module allocates, locks or panics: the process it runs in is a copy of one that may
//! have had other threads.
#![allow(unsafe_code)] // making processes

mod copy;
mod files;
pub(crate) mod look;
pub(crate) mod memory;
mod path;
mod program;
pub(crate) mod tree;

use std::ffi::c_int;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::{Gid, ThreadNameSpaceType, Uid, move_into_thread_name_spaces};

pub(crate) use program::Streams;

use crate::message::{Message, receive, send};
use crate::plan::{Plan, Program, Step};
use crate::sys::{self, Cloned};

/// A step that failed, and why. Steps are numbered as [`Plan::describe`] understands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    step: u32,
    errno: Errno,
}

impl Failure {
    fn at(step: Step) -> impl Fn(Errno) -> Self {
        move |errno| Self {
            step: step as u32,
            errno,
        }
    }

    /// Tells the parent, which may be gone, and ends this process.
    fn report(self, to: BorrowedFd<'_>) -> ! {
        let message = Message::Failed {
            step: self.step,
            errno: self.errno.raw_os_error(),
        };
        let _ = send(to, message, None);
        sys::exit_now(125)
    }
}

/// The ends of the channels that a new container's processes use.
#[derive(Debug)]
pub(crate) struct Channels {
    /// Between the monitor and the caller, for as long as the container lives.
    pub(crate) control: OwnedFd,
    /// From the init to the caller, until the program runs.
    pub(crate) report: OwnedFd,
}

/// Runs the monitor of a container.
pub(crate) fn monitor(plan: &mut Plan, streams: &Streams, channels: &Channels) -> ! {
    let control = channels.control.as_fd();
    // The caller has written the id maps when its message arrives; without one it is gone.
    if !matches!(receive(control, RecvFlags::empty()), Ok(Some(_))) {
        sys::exit_now(125);
    }
    make_init(plan, streams, channels)
}

/// Makes the monitor of a container that shares the network of another, and waits for it. The monitor is in
/// the outer pid namespace of the other, so that it ends with that, and its container with it.
pub(crate) fn monitor_beside(
    other: Beside<'_>,
    plan: &mut Plan,
    streams: &Streams,
    channels: &Channels,
) -> ! {
    if let Err(errno) = other.join() {
        Failure::at(Step::Join)(errno).report(channels.report.as_fd());
    }
    // Only a process made now is in that pid namespace, and may make another one.
    // SAFETY: the child runs `make_init`, which keeps to the rules of this module and never returns.
    match unsafe { sys::clone(0) } {
        Ok(Cloned::Child) => make_init(plan, streams, channels),
        Ok(Cloned::Parent(pid, _)) => {
            // The channels end when the monitor does.
            sys::close_from(0);
            end_of(pid);
            sys::exit_now(0)
        }
        Err(errno) => Failure::at(Step::Clone)(errno).report(channels.report.as_fd()),
    }
}

/// Makes the first process of a container, and watches it.
fn make_init(plan: &mut Plan, streams: &Streams, channels: &Channels) -> ! {
    // SAFETY: the child runs `init`, which keeps to the rules of this module and never returns.
    let (pid, init) = match unsafe { sys::clone(plan.namespaces) } {
        Ok(Cloned::Child) => init(plan, streams, channels.report.as_fd()),
        Ok(Cloned::Parent(pid, descriptor)) => (pid, descriptor),
        Err(errno) => Failure::at(Step::Clone)(errno).report(channels.report.as_fd()),
    };
    watch(channels.control.as_fd(), pid, &init)
}

/// Introduces a process to the caller, waits for the end of either, and then ends itself.
fn watch(control: BorrowedFd<'_>, pid: i32, process: &OwnedFd) -> ! {
    // The answer means that the caller has found out the number of the process, which must not be reaped
    // before. No answer means that the caller is gone.
    if send(control, Message::Started, Some(process.as_fd())).is_err()
        || !matches!(receive(control, RecvFlags::empty()), Ok(Some(_)))
    {
        sys::exit_now(125);
    }
    keep_only(control, process.as_fd());
    // SAFETY: `keep_only` has put the two descriptors here.
    let (control, process) = unsafe { (BorrowedFd::borrow_raw(0), BorrowedFd::borrow_raw(1)) };
    loop {
        let mut watched = [
            PollFd::from_borrowed_fd(control, PollFlags::IN),
            PollFd::from_borrowed_fd(process, PollFlags::IN),
        ];
        if poll(&mut watched, None).is_err() {
            continue;
        }
        let [caller, program] = watched;
        if !program.revents().is_empty() {
            let _ = send(control, end_of(pid), None);
            sys::exit_now(0);
        }
        if !caller.revents().is_empty() {
            // The end of a container's monitor ends all of it; other programs need this.
            let _ = sys::send_signal(process, libc::SIGKILL);
            sys::exit_now(0);
        }
    }
}

/// Closes every descriptor but two, which become 0 and 1: the monitor must not hold pipes open that
/// belong to the caller, to the program or to another container.
fn keep_only(first: BorrowedFd<'_>, second: BorrowedFd<'_>) {
    // Both are moved out of the way first, because either may be 0 or 1 already.
    let moved = |fd| rustix::io::fcntl_dupfd_cloexec(fd, 3);
    let (Ok(first), Ok(second)) = (moved(first), moved(second)) else {
        sys::exit_now(125)
    };
    let placed = sys::duplicate_to(first.as_fd(), 0).and(sys::duplicate_to(second.as_fd(), 1));
    if placed.is_err() {
        sys::exit_now(125);
    }
    sys::close_from(2);
    std::mem::forget((first, second)); // closed already
}

/// Waits for the end of a child that is about to end.
fn end_of(pid: i32) -> Message {
    loop {
        match waitpid(Pid::from_raw(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(signal) = status.terminating_signal() {
                    return Message::Signalled(signal);
                }
                return Message::Exited(status.exit_status().unwrap_or(125));
            }
            Err(Errno::INTR) | Ok(None) => {}
            Err(_) => return Message::Exited(125),
        }
    }
}

/// Becomes the first process of a container.
fn init(plan: &mut Plan, streams: &Streams, report: BorrowedFd<'_>) -> ! {
    let failure = match prepare(plan, report) {
        Ok(terminal) => match program::run(&plan.program, streams, terminal, report) {
            Ok(never) => match never {},
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    failure.report(report)
}

/// Builds the container around this process. Returns the program's side of its terminal.
fn prepare(plan: &mut Plan, report: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Failure> {
    if plan.become_root {
        let root = (Uid::ROOT, Gid::ROOT);
        rustix::thread::set_thread_groups(&[])
            .and_then(|()| rustix::thread::set_thread_res_gid(root.1, root.1, root.1))
            .and_then(|()| rustix::thread::set_thread_res_uid(root.0, root.0, root.0))
            .map_err(Failure::at(Step::BecomeRoot))?;
    }
    rustix::process::umask(rustix::fs::Mode::empty());
    files::run(&plan.operations, plan.trees, report)
}

/// Namespaces that a process goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joined<'a> {
    /// A process that is in them.
    pub(crate) container: BorrowedFd<'a>,
    /// Their flags. The user namespace is among them, unless it was joined before: it gives the right to join
    /// the others.
    pub(crate) namespaces: c_int,
}

impl<'a> Joined<'a> {
    /// The network of a container and nothing else.
    pub(crate) fn network(container: BorrowedFd<'a>) -> Self {
        Self {
            container,
            namespaces: libc::CLONE_NEWUSER | libc::CLONE_NEWNET,
        }
    }

    fn join(self) -> Result<(), Errno> {
        let flags = ThreadNameSpaceType::from_bits_retain(self.namespaces.cast_unsigned());
        move_into_thread_name_spaces(self.container, flags)
    }
}

/// The container whose network another one shares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside<'a> {
    pub(crate) monitor: BorrowedFd<'a>,
    pub(crate) first: BorrowedFd<'a>,
}

impl Beside<'_> {
    fn join(self) -> Result<(), Errno> {
        let outer = Joined {
            container: self.monitor,
            namespaces: libc::CLONE_NEWUSER | libc::CLONE_NEWPID,
        };
        let network = Joined {
            container: self.first,
            namespaces: libc::CLONE_NEWNET,
        };
        outer.join()?;
        network.join()
    }
}

/// Runs the monitor of a program beside the first one of a container.
pub(crate) fn enter(
    joined: Option<Joined<'_>>,
    program: &Program,
    streams: &Streams,
    channels: &Channels,
) -> ! {
    let report = channels.report.as_fd();
    if let Some(Err(errno)) = joined.map(Joined::join) {
        Failure::at(Step::Join)(errno).report(report);
    }
    // Only a process made now is in the pid namespace.
    // SAFETY: the child runs `start`, which keeps to the rules of this module and never returns.
    match unsafe { sys::clone(0) } {
        Ok(Cloned::Child) => start(program, streams, report),
        Ok(Cloned::Parent(pid, descriptor)) => watch(channels.control.as_fd(), pid, &descriptor),
        Err(errno) => Failure::at(Step::Clone)(errno).report(report),
    }
}

/// Becomes a program beside the first one of a container.
fn start(program: &Program, streams: &Streams, report: BorrowedFd<'_>) -> ! {
    let terminal = if program.terminal {
        files::make_terminal(report)
            .map(Some)
            .map_err(Failure::at(Step::Terminal))
    } else {
        Ok(None)
    };
    match terminal.and_then(|terminal| program::run(program, streams, terminal, report)) {
        Ok(never) => match never {},
        Err(failure) => failure.report(report),
    }
}

/// Makes a socket in the network of a container and sends it to the caller.
pub(crate) fn make_socket(
    container: BorrowedFd<'_>,
    family: rustix::net::AddressFamily,
    report: BorrowedFd<'_>,
) -> ! {
    use rustix::net::{SocketFlags, SocketType, socket_with};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let made = Joined::network(container)
        .join()
        .and_then(|()| socket_with(family, SocketType::STREAM, flags, None))
        .and_then(|socket| send(report, Message::Socket, Some(socket.as_fd())));
    match made {
        Ok(()) => sys::exit_now(0),
        Err(errno) => Failure::at(Step::Join)(errno).report(report),
    }
}
