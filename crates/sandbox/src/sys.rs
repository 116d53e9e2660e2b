//! The raw system calls that have no safe wrapper, and nothing else.
//!
//! Everything here may be called between `clone` and `execve`: no function allocates, takes a lock or
//! touches a global of the C library other than `errno`. What is done with the calls is decided in
//! `child`; what is prepared for them, in `plan`.
#![allow(unsafe_code)] // this module is where the crate's system calls are made

mod filter;
mod peek;
mod ptrace;

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::Errno;

pub(crate) use self::filter::{
    Notification, install_filter, install_listener, let_continue, next_notification, respond,
    switch_directly,
};
pub(crate) use self::peek::{read_memory, write_memory};
pub(crate) use self::ptrace::{Stop, answer, go_on, next_stop, seize, stay_stopped, stopped_call};

/// Highest signal number of Linux (`_NSIG`).
const LAST_SIGNAL: c_int = 64;
/// Size of a set of signals in the kernel.
const SIGNAL_SET: usize = 8;
/// `MOUNT_ATTR_RDONLY` of `mount_setattr(2)`.
const MOUNT_ATTR_RDONLY: u64 = 1;

/// Turns the result of `libc::syscall` into a value or the error number.
fn checked(result: c_long) -> Result<c_long, Errno> {
    if result >= 0 {
        Ok(result)
    } else {
        Err(last_error())
    }
}

/// Returns the error number that the last failing call of this thread left.
fn last_error() -> Errno {
    // SAFETY: the location of errno is valid for the life of the thread.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// One of the two processes that [`clone`] returns in.
pub(crate) enum Cloned {
    /// The new process.
    Child,
    /// The old process: number of the new one, and a descriptor for it.
    Parent(i32, OwnedFd),
}

/// Makes a copy of this process, as `fork` does, in new namespaces (`CLONE_NEW*`).
///
/// The C library's `fork` is gone round on purpose: it runs handlers that other code registered.
///
/// # Safety
/// Other threads do not exist in the child, whatever locks they held stay locked there. Until it runs
/// another program the child must not allocate, lock, or return to code that might.
pub(crate) unsafe fn clone(namespaces: c_int) -> Result<Cloned, Errno> {
    let flags = c_long::from(namespaces | libc::SIGCHLD | libc::CLONE_PIDFD);
    let mut descriptor: RawFd = -1;
    let none: *const u8 = ptr::null();
    // SAFETY: without CLONE_VM and with a null stack this is fork. The kernel writes the descriptor to
    // the third argument, in the parent's memory. The fourth and fifth differ in order between
    // architectures, but both are null.
    let pid = checked(unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            none,
            &raw mut descriptor,
            none,
            none,
        )
    })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    #[allow(clippy::cast_possible_truncation)] // process numbers are ints
    Ok(Cloned::Parent(pid as i32, descriptor))
}

/// Ends this process at once, running nothing of the program that it is a copy of.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// The signals that a thread held back before [`block_signals`].
pub(crate) struct BlockedSignals(libc::sigset_t);

/// Holds back every signal of this thread, so that a child never runs a handler of its parent.
pub(crate) fn block_signals() -> BlockedSignals {
    // SAFETY: a sigset_t is plain data, and both calls only write to the sets given.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        BlockedSignals(before)
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set was filled in by pthread_sigmask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// Gives every signal its default action.
///
/// Needed because Rust programs ignore SIGPIPE and an ignored signal stays ignored across `execve`; and
/// because a caller that ignores SIGCHLD would keep a monitor from waiting.
pub(crate) fn reset_signal_actions() {
    // The kernel's own structure, which is all zeroes for the default action on every architecture and at
    // most this long. The C libraries refuse to touch the signals that they keep for themselves, and those
    // may be ignored too.
    let default = [0_u64; 8];
    let no_answer: *const u8 = ptr::null();
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the kernel reads the structure. Signals that cannot be changed give EINVAL, which is fine.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                no_answer,
                SIGNAL_SET,
            )
        };
    }
}

/// Lets all signals through, as a fresh program expects.
pub(crate) fn unblock_signals() {
    // SAFETY: as in `block_signals`.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Sends a signal to a process. Unlike the wrapper of rustix it takes real-time signals, which images
/// have as their stop signal.
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: c_int) -> Result<(), Errno> {
    let no_details: *const u8 = ptr::null();
    // SAFETY: without details the kernel reads nothing from this process.
    checked(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            no_details,
            0,
        )
    })
    .map(drop)
}

/// Sets the attribute "read-only" of a mount, and of all below it if so asked.
///
/// Unlike a remount this needs no knowledge of the other attributes, which may be locked in a user
/// namespace.
pub(crate) fn make_read_only(mount: BorrowedFd<'_>, recursive: bool) -> Result<(), Errno> {
    let attributes = libc::mount_attr {
        attr_set: MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the path is empty and nul-terminated; the structure lives across the call and its size is given.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })?;
    Ok(())
}

/// Makes a descriptor with the number `to` that stays open across `execve`.
pub(crate) fn duplicate_to(from: BorrowedFd<'_>, to: RawFd) -> Result<(), Errno> {
    // SAFETY: only called in a child, which does not use what it had at this number any more.
    checked(c_long::from(unsafe { libc::dup2(from.as_raw_fd(), to) })).map(drop)
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: RawFd) {
    // SAFETY: only called in a child that uses none of these descriptors any more.
    unsafe { libc::syscall(libc::SYS_close_range, first, c_int::MAX, 0) };
}

/// Closes the caller's ends of channels in a child. While a child has them, it never sees their end,
/// and waits for ever for a caller that died.
pub(crate) fn close_inherited(descriptors: [RawFd; 2]) {
    for descriptor in descriptors {
        // SAFETY: only called in a child, which uses the other ends only.
        unsafe { libc::close(descriptor) };
    }
}

/// Marks every descriptor from `first` on to be closed by `execve`.
pub(crate) fn close_from_on_exec(first: RawFd) {
    // SAFETY: changes flags of descriptors only.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            c_int::MAX,
            libc::CLOSE_RANGE_CLOEXEC as c_int,
        )
    };
}

/// A list of strings as `execve` wants it, made before the child exists.
#[derive(Debug)]
pub(crate) struct StringList {
    pointers: Vec<*const c_char>,
    _owned: Vec<CString>,
}

impl StringList {
    /// Keeps the strings and a null-terminated array of pointers to them.
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([ptr::null()])
            .collect();
        Self {
            pointers,
            _owned: strings,
        }
    }
}

/// Becomes another program. Returns only on failure.
pub(crate) fn execute(program: &CStr, arguments: &StringList, environment: &StringList) -> Errno {
    // SAFETY: both arrays are null-terminated and point to strings that the lists own.
    unsafe {
        libc::execve(
            program.as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        );
    }
    last_error()
}

/// Sets the interface `lo` of this network namespace up.
pub(crate) fn bring_loopback_up() -> Result<(), Errno> {
    use rustix::net::{AddressFamily, SocketType, socket};
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    // SAFETY: an ifreq is plain data for which all zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        #[allow(clippy::cast_possible_wrap)] // ASCII
        let from = *from as c_char;
        *to = from;
    }
    #[allow(clippy::cast_possible_truncation)] // 0x41
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: SIOCSIFFLAGS reads the request and writes nothing.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    checked(c_long::from(result)).map(drop)
}

/// Asks for the attributes of an open file, as the kernel lays them out for programs of this architecture.
pub(crate) fn attributes(file: BorrowedFd<'_>, into: &mut [u8; 256]) -> Result<(), Errno> {
    // SAFETY: the path is empty and nul-terminated; no architecture's structure is longer than the buffer.
    checked(unsafe {
        libc::syscall(
            libc::SYS_newfstatat,
            file.as_raw_fd(),
            c"".as_ptr(),
            into.as_mut_ptr(),
            libc::AT_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// As [`attributes`], in the layout of `statx`.
pub(crate) fn extended_attributes(
    file: BorrowedFd<'_>,
    flags: c_int,
    mask: libc::c_uint,
    into: &mut [u8; 256],
) -> Result<(), Errno> {
    // SAFETY: the path is empty and nul-terminated; the structure has 256 bytes.
    checked(unsafe {
        libc::syscall(
            libc::SYS_statx,
            file.as_raw_fd(),
            c"".as_ptr(),
            flags | libc::AT_EMPTY_PATH,
            mask,
            into.as_mut_ptr(),
        )
    })
    .map(drop)
}
