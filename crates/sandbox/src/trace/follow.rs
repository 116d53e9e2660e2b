//! Looking at system calls without the kernel's notifications, by ptrace(2).
//!
//! Kernels before 5.5 cannot let a call go on that they gave notice of, and a process has one listener only: in a
//! container whose run time listens itself, ours cannot. There one thread of this process traces all programs. It
//! costs several times as much, and a program that traces others itself, such as a debugger, fails. What that other
//! listener takes is not seen: if it takes the call that starts a program the trace says that it has a gap
//! (seccomp(2): of the answers of several filters, that of a listener goes before that of a tracer).

use std::collections::HashSet;
use std::sync::{Mutex, mpsc};

use rustix::io::Errno;

use super::inspect::Inspector;
use super::listener::Shared;
use crate::identity::Answer;
use crate::sys::{self, Stop};

/// Traces a process and all that it starts, until none of them is left. Tells through `begun` whether that works.
pub(super) fn follow(
    process: i32,
    begun: &mpsc::Sender<Result<(), Errno>>,
    shared: &Shared,
    mut inspector: Inspector,
    busy: &Mutex<()>,
) {
    let seized = sys::seize(process);
    let fails = seized.is_err();
    if begun.send(seized).is_err() || fails {
        return;
    }
    // This thread may have made processes that are not traced: there is no other way to know when it is over.
    let mut left = HashSet::from([process]);
    let mut seen = false;
    while !left.is_empty() {
        let stop = match sys::next_stop() {
            Ok(stop) => stop,
            Err(Errno::INTR) => continue,
            Err(Errno::CHILD) => return,
            Err(error) => {
                tracing::debug!(%error, "cannot wait for the programs that are traced");
                inspector.lost();
                return;
            }
        };
        // A thread that was killed meanwhile cannot be told anything; its end is the next thing that is heard of it.
        let _gone = match stop {
            Stop::Call(thread) => {
                seen = true;
                look(thread, shared, &mut inspector, busy)
            }
            Stop::Signal(thread, signal) => sys::go_on(thread, signal),
            Stop::Stopped(thread) => sys::stay_stopped(thread),
            Stop::Made(thread, made) => {
                left.insert(made);
                sys::go_on(thread, 0)
            }
            Stop::Became(thread, former) => {
                // Somebody else's listener is shown what both ask for, and nothing is left for us.
                if !seen {
                    inspector.lost();
                }
                left.remove(&former);
                left.insert(thread);
                sys::go_on(thread, 0)
            }
            Stop::Passing(thread) => sys::go_on(thread, 0),
            Stop::Ended(thread) => {
                left.remove(&thread);
                Ok(())
            }
        };
    }
}

/// Looks at a call and lets the thread go on.
fn look(
    thread: i32,
    shared: &Shared,
    inspector: &mut Inspector,
    busy: &Mutex<()>,
) -> Result<(), Errno> {
    let call = match sys::stopped_call(thread) {
        Ok(call) => call,
        Err(error) => {
            if error != Errno::SRCH {
                inspector.lost();
            }
            return sys::go_on(thread, 0);
        }
    };
    shared.handle(&call, inspector, busy, |answer| {
        match answer {
            Answer::Continue => {}
            Answer::Value(value) => sys::answer(thread, value)?,
            Answer::Error(errno) => sys::answer(thread, -i64::from(errno.raw_os_error()))?,
        }
        sys::go_on(thread, 0)
    })
}
