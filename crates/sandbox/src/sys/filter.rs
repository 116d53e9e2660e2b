//! System call filters, and the calls that they stop (seccomp(2), seccomp_unotify(2)).

use std::ffi::{c_long, c_ulong};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use super::checked;

/// Puts a system call filter on this process and on all that it will start.
pub(crate) fn install_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    set_filter(program, 0).map(drop)
}

fn set_filter(program: &[libc::sock_filter], flags: c_ulong) -> Result<c_long, Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads `len` instructions from the slice and keeps a copy.
    checked(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
            flags,
            &raw const program,
        )
    })
}

/// Puts a system call filter on this process and on all that it will start, and returns the descriptor
/// on which the calls arrive that the filter stops.
pub(crate) fn install_listener(program: &[libc::sock_filter]) -> Result<OwnedFd, Errno> {
    // A call that is being looked at is not interrupted by signals that it would have to be repeated for;
    // kernels before 5.19 do not know that.
    let wait = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let descriptor = match set_filter(program, listen | wait) {
        Err(Errno::INVAL) => set_filter(program, listen),
        other => other,
    }?;
    #[allow(clippy::cast_possible_truncation)] // descriptors are ints
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
}

/// A system call that waits to be looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notification {
    /// What to answer to.
    pub(crate) id: u64,
    /// The thread, as this process counts.
    pub(crate) thread: i32,
    pub(crate) architecture: u32,
    pub(crate) number: u32,
    pub(crate) arguments: [u64; 6],
}

/// Asks the kernel to switch directly between a stopped thread and whoever answers it
/// (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`, which libc does not have). Kernels before 6.6 cannot.
pub(crate) fn switch_directly(listener: BorrowedFd<'_>) -> Result<(), Errno> {
    const SYNC_WAKE_UP: c_ulong = 1;
    // SAFETY: the argument is a number.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _,
            SYNC_WAKE_UP,
        )
    };
    checked(c_long::from(result)).map(drop)
}

/// Waits for the next stopped call. `ENOENT` means that its thread has been killed, or, since kernel 6.11,
/// that no process with the filter is left.
pub(crate) fn next_notification(listener: BorrowedFd<'_>) -> Result<Notification, Errno> {
    // The kernel writes a structure of its own size, which may be longer than the one known here, and
    // refuses memory that is not zero.
    #[repr(C)]
    struct Buffer {
        notification: libc::seccomp_notif,
        _more: [u64; 16],
    }
    // SAFETY: plain data, for which all zeroes is valid.
    let mut buffer: Buffer = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer is large enough and lives across the call.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV as _,
            &raw mut buffer,
        )
    };
    checked(c_long::from(result))?;
    let libc::seccomp_notif { id, pid, data, .. } = buffer.notification;
    Ok(Notification {
        id,
        thread: pid.cast_signed(),
        architecture: data.arch,
        number: data.nr.cast_unsigned(),
        arguments: data.args,
    })
}

/// Lets a stopped call go on. `ENOENT` means that its thread has been killed or interrupted, so that
/// nothing that was read from it since the notification can be relied on.
pub(crate) fn let_continue(listener: BorrowedFd<'_>, id: u64) -> Result<(), Errno> {
    #[allow(clippy::cast_possible_truncation)] // 1
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    reply(listener, id, (0, 0), flags)
}

/// Answers a stopped call in the kernel's place. `ENOENT` as in [`let_continue`].
pub(crate) fn respond(
    listener: BorrowedFd<'_>,
    id: u64,
    result: Result<i64, Errno>,
) -> Result<(), Errno> {
    let result = match result {
        Ok(value) => (value, 0),
        Err(errno) => (0, -errno.raw_os_error()),
    };
    reply(listener, id, result, 0)
}

fn reply(
    listener: BorrowedFd<'_>,
    id: u64,
    (val, error): (i64, i32),
    flags: u32,
) -> Result<(), Errno> {
    let response = libc::seccomp_notif_resp {
        id,
        val,
        error,
        flags,
    };
    // SAFETY: the kernel reads the structure.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND as _,
            &raw const response,
        )
    };
    checked(c_long::from(result)).map(drop)
}
