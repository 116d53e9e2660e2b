//! Identities in containers that have a single id.
//!
//! Where only one user exists, `setuid` to another fails, and a program that drops its privileges cannot
//! go on; if it only seems to succeed, a program that refuses to run as root refuses. So the calls that
//! change or tell an identity arrive at the caller, as those of a trace do, and are answered from a table
//! of processes ([`table`]) by the kernel's own rules ([`ids`]). To a process that has another identity
//! than the real one, the files of the single id seem to be its own ([`stat`]), which is what it may do
//! with them: `chown` succeeds without happening ([`crate::pretend`]).
//!
//! As long as no process has changed its identity every call goes on to the kernel, and only the calls
//! named in here pay for being looked at.
//!
//! What is not kept: an identity for each thread (a process has one), what a descendant should have
//! inherited whose ancestors have all ended before it was seen first, and the credentials that a socket
//! tells (`SO_PEERCRED`), which are the kernel's.

mod calls;
mod ids;
mod stat;
mod table;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::IdMapping;
use crate::sys::{Notification, write_memory};
use crate::trace::lock;
use calls::{Call, Which};
use ids::Ids;
use table::Table;

pub(crate) use calls::{filter, knows};

/// The identities of a container's processes.
#[derive(Debug)]
pub(crate) struct Identities {
    real: Real,
    table: Mutex<Table>,
    /// Whether any process has another identity than the real one.
    differ: AtomicBool,
}

/// The single user and group.
#[derive(Debug, Clone, Copy)]
struct Real {
    /// As the container counts.
    inside: (u32, u32),
    /// As the caller counts.
    outside: (u32, u32),
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The kernel answers.
    Continue,
    /// This value.
    Value(i64),
    /// This error.
    Error(Errno),
}

impl Identities {
    /// Returns the identities of a container, if it has a single id.
    pub(crate) fn of(mapping: &IdMapping) -> Option<Self> {
        let IdMapping::Single {
            inside_uid,
            inside_gid,
        } = *mapping
        else {
            return None;
        };
        let outside = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        Some(Self {
            real: Real {
                inside: (inside_uid, inside_gid),
                outside,
            },
            table: Mutex::default(),
            differ: AtomicBool::new(false),
        })
    }

    /// Answers a call. One that this module does not know goes on.
    pub(crate) fn answer(&self, notification: &Notification) -> Answer {
        let Some(call) = calls::find(notification.architecture, notification.number) else {
            return Answer::Continue;
        };
        let [first, second, ..] = notification.arguments;
        let about_capabilities = matches!(call, Call::Control | Call::Capabilities);
        if call == Call::Control && first != KEEP_CAPABILITIES {
            return Answer::Continue;
        }
        let changes = about_capabilities || matches!(call, Call::Set(..) | Call::SetGroups);
        if !changes && !self.differ.load(Ordering::Acquire) {
            return Answer::Continue;
        }
        let mut table = lock(&self.table);
        // A process that is gone needs no answer.
        let Ok(process) = table.process(notification.thread) else {
            return Answer::Continue;
        };
        let mut ids = table.ids(process, Ids::of(self.real.inside));
        if (ids.keeps_capabilities || ids.capable.is_some()) && ids.capable != process.program() {
            // Before they are taken up, the program that will do so is not known.
            ids.keeps_capabilities &= ids.capable.is_none();
            ids.capable = None;
        }
        let answer = match call {
            Call::Stat(look) => {
                drop(table);
                return if ids.is(self.real.inside) {
                    Answer::Continue
                } else {
                    stat::answer(look, notification, self.real, &ids)
                };
            }
            Call::Control => {
                ids.keeps_capabilities = second & 1 == 1 && ids.privileged();
                Ok(0)
            }
            Call::Capabilities => {
                if ids.keeps_capabilities && !ids.privileged() {
                    ids.capable = process.program();
                }
                Ok(0)
            }
            Call::Set(which, how) => ids.set(which, how, notification.arguments),
            Call::SetGroups => set_groups(&mut ids, notification),
            Call::Get(which, at) => Ok(ids.get(which, at)),
            Call::GetThree(which) => get_three(&ids, which, notification),
            Call::GetGroups => get_groups(&ids, notification),
        };
        if changes && answer.is_ok() {
            if !ids.is(self.real.inside) {
                self.differ.store(true, Ordering::Release);
            }
            table.put(process, ids);
        }
        match answer {
            // The kernel does as it is told; here it was only noted.
            Ok(_) if about_capabilities => Answer::Continue,
            Ok(value) => Answer::Value(value),
            Err(errno) => Answer::Error(errno),
        }
    }
}

/// `PR_SET_KEEPCAPS`.
const KEEP_CAPABILITIES: u64 = 8;
/// Most supplementary groups that a process may have (`NGROUPS_MAX`).
const MOST_GROUPS: u64 = 65536;

fn set_groups(ids: &mut Ids, call: &Notification) -> Result<i64, Errno> {
    if !ids.privileged() {
        return Err(Errno::PERM);
    }
    let [count, address, ..] = call.arguments;
    let count = count & u64::from(u32::MAX);
    if count > MOST_GROUPS {
        return Err(Errno::INVAL);
    }
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0) * 4];
    read_all(call.thread, address, &mut bytes)?;
    let four = |four: &[u8]| four.try_into().map(u32::from_ne_bytes).unwrap_or_default();
    ids.groups = bytes.chunks_exact(4).map(four).collect();
    Ok(0)
}

fn get_groups(ids: &Ids, call: &Notification) -> Result<i64, Errno> {
    let [room, address, ..] = call.arguments;
    let room = (room & u64::from(u32::MAX)) as u32;
    let count = i64::try_from(ids.groups.len()).unwrap_or(0);
    if room == 0 {
        return Ok(count);
    }
    if i64::from(room.cast_signed()) < count {
        return Err(Errno::INVAL);
    }
    let bytes: Vec<u8> = ids.groups.iter().flat_map(|id| id.to_ne_bytes()).collect();
    write_memory(call.thread, address, &bytes)?;
    Ok(count)
}

/// Writes real, effective and saved id to where the arguments point.
fn get_three(ids: &Ids, which: Which, call: &Notification) -> Result<i64, Errno> {
    for (at, address) in (0..3).zip(call.arguments) {
        let id = ids.one_of(which, at);
        write_memory(call.thread, address, &id.to_ne_bytes())?;
    }
    Ok(0)
}

/// Fills a buffer from the memory of a thread, page by page.
fn read_all(thread: i32, address: u64, buffer: &mut [u8]) -> Result<(), Errno> {
    const PIECE: usize = 4096;
    let mut at = address;
    for piece in buffer.chunks_mut(PIECE) {
        if crate::sys::read_memory(thread, at, piece)? != piece.len() {
            return Err(Errno::FAULT);
        }
        at = at.wrapping_add(piece.len() as u64);
    }
    Ok(())
}
