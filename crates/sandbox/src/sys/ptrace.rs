//! Stopping other processes at system calls (ptrace(2)).

use std::ffi::{c_int, c_long, c_uint, c_ulong};
use std::ptr;

use rustix::io::Errno;

use super::{Notification, checked};

/// `PTRACE_GET_SYSCALL_INFO`, since kernel 5.3.
const GET_SYSCALL_INFO: c_uint = 0x420e;
/// `PTRACE_SYSCALL_INFO_SECCOMP`: the thread is stopped by a filter.
const BY_FILTER: u8 = 3;

/// What a traced thread did. Threads are named as this process counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A filter stopped it at a system call.
    Call(i32),
    /// It is about to get a signal.
    Signal(i32, c_int),
    /// It was stopped with its process, and stays so until that is continued.
    Stopped(i32),
    /// It has made another one, which is traced as well.
    Made(i32, i32),
    /// It runs another program, and was this thread before.
    Became(i32, i32),
    /// Something else, after which it goes on.
    Passing(i32),
    /// It has ended, or was no traced one.
    Ended(i32),
}

/// Begins to trace a process and all that it will start, from this thread on. They end with this process.
pub(crate) fn seize(process: i32) -> Result<(), Errno> {
    let options = libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SEIZE as c_uint, process, 0, options as usize)
}

/// Waits until something happens to a process that this thread traces, or has made.
pub(crate) fn next_stop() -> Result<Stop, Errno> {
    let mut status = 0;
    // SAFETY: the status lives across the call.
    let thread = checked(c_long::from(unsafe {
        libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD)
    }))?;
    let thread = i32::try_from(thread).map_err(|_| Errno::RANGE)?;
    if !libc::WIFSTOPPED(status) {
        return Ok(Stop::Ended(thread));
    }
    let signal = libc::WSTOPSIG(status);
    let stops = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
    Ok(match status >> 16 {
        0 => Stop::Signal(thread, signal),
        libc::PTRACE_EVENT_SECCOMP => Stop::Call(thread),
        // Whoever is killed at that moment is killed with the one that it has made.
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            other(thread).map_or(Stop::Passing(thread), |made| Stop::Made(thread, made))
        }
        libc::PTRACE_EVENT_EXEC => {
            other(thread).map_or(Stop::Passing(thread), |former| Stop::Became(thread, former))
        }
        libc::PTRACE_EVENT_STOP if stops.contains(&signal) => Stop::Stopped(thread),
        _ => Stop::Passing(thread),
    })
}

/// Returns the other thread that a stop is about.
fn other(thread: i32) -> Option<i32> {
    let mut number: c_ulong = 0;
    let into = (&raw mut number).expose_provenance();
    request(libc::PTRACE_GETEVENTMSG as c_uint, thread, 0, into).ok()?;
    i32::try_from(number).ok()
}

/// Returns the call at which a filter has stopped a thread.
pub(crate) fn stopped_call(thread: i32) -> Result<Notification, Errno> {
    /// `struct ptrace_syscall_info` of the kernel's `linux/ptrace.h`, for this kind of stop.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        kind: u8,
        _reserved: [u8; 3],
        architecture: u32,
        _pointers: [u64; 2],
        number: u64,
        arguments: [u64; 6],
        _data: u64,
    }
    let mut info = Info::default();
    let (size, into) = (size_of::<Info>(), (&raw mut info).expose_provenance());
    request(GET_SYSCALL_INFO, thread, size, into)?;
    if info.kind != BY_FILTER {
        return Err(Errno::INVAL);
    }
    Ok(Notification {
        id: 0,
        thread,
        architecture: info.architecture,
        number: u32::try_from(info.number).map_err(|_| Errno::RANGE)?,
        arguments: info.arguments,
    })
}

/// Lets a stopped thread go on, with a signal or with none (0).
pub(crate) fn go_on(thread: i32, signal: c_int) -> Result<(), Errno> {
    request(libc::PTRACE_CONT as c_uint, thread, 0, signal as usize)
}

/// Leaves a thread stopped with its process, until that is continued.
pub(crate) fn stay_stopped(thread: i32) -> Result<(), Errno> {
    request(libc::PTRACE_LISTEN as c_uint, thread, 0, 0)
}

/// Has a thread that is stopped at a call not make it, and get this result.
#[cfg(target_arch = "x86_64")]
pub(crate) fn answer(thread: i32, result: i64) -> Result<(), Errno> {
    let put = |at: usize, value: i64| {
        let value = usize::from_ne_bytes(value.to_ne_bytes());
        request(libc::PTRACE_POKEUSER as c_uint, thread, at, value)
    };
    put(std::mem::offset_of!(libc::user_regs_struct, orig_rax), -1)?;
    put(std::mem::offset_of!(libc::user_regs_struct, rax), result)
}

/// Has a thread that is stopped at a call not make it, and get this result.
#[cfg(target_arch = "aarch64")]
pub(crate) fn answer(thread: i32, result: i64) -> Result<(), Errno> {
    /// `NT_ARM_SYSTEM_CALL` of the kernel's `linux/elf.h`.
    const SYSTEM_CALL: usize = 0x404;
    let registers = |direction: c_uint, kind: usize, address: usize, length: usize| {
        let part = libc::iovec {
            iov_base: ptr::with_exposed_provenance_mut(address),
            iov_len: length,
        };
        request(
            direction,
            thread,
            kind,
            (&raw const part).expose_provenance(),
        )
    };
    let get = libc::PTRACE_GETREGSET as c_uint;
    let set = libc::PTRACE_SETREGSET as c_uint;
    let none: c_int = -1;
    let address = (&raw const none).expose_provenance();
    registers(set, SYSTEM_CALL, address, size_of_val(&none))?;
    // SAFETY: plain data, for which all zeroes is valid.
    let mut all: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let kind = libc::NT_PRSTATUS as usize;
    let length = size_of_val(&all);
    registers(get, kind, (&raw mut all).expose_provenance(), length)?;
    all.regs[0] = u64::from_ne_bytes(result.to_ne_bytes());
    registers(set, kind, (&raw const all).expose_provenance(), length)
}

/// Makes the raw call: the wrapper of the C library treats some requests in its own way.
fn request(what: c_uint, thread: i32, address: usize, data: usize) -> Result<(), Errno> {
    // SAFETY: the requests made here read and write what `data` points to, of the size that the kernel is told or
    // that goes with the request, and it outlives the call; in other processes the kernel checks addresses.
    checked(unsafe {
        libc::syscall(
            libc::SYS_ptrace,
            c_ulong::from(what),
            c_long::from(thread),
            address,
            ptr::with_exposed_provenance_mut::<libc::c_void>(data),
        )
    })
    .map(drop)
}
