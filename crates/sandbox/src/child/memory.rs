//! Making a file system in memory, and mounts of it for containers.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::net::RecvFlags;
use rustix::thread::move_into_link_name_space;

use super::Failure;
use super::files::take_hold;
use crate::message::{Message, receive, send};
use crate::plan::Step;
use crate::sys;

/// Makes a file system at a path and sends its root directory to the caller.
pub(crate) fn make(
    path: &CStr,
    options: &CStr,
    control: BorrowedFd<'_>,
    report: BorrowedFd<'_>,
) -> ! {
    // The caller has written the id maps when its message arrives; without one it is gone.
    if !matches!(receive(control, RecvFlags::empty()), Ok(Some(_))) {
        sys::exit_now(125);
    }
    match mount_and_open(path, options, report) {
        Ok(()) => {
            // The caller takes hold of the namespaces, which would end with this process.
            let _ = receive(control, RecvFlags::empty());
            sys::exit_now(0)
        }
        Err(errno) => Failure::at(Step::Memory)(errno).report(report),
    }
}

fn mount_and_open(path: &CStr, options: &CStr, report: BorrowedFd<'_>) -> Result<(), Errno> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(c"/", private)?;
    mount(c"tmpfs", path, c"tmpfs", MountFlags::NODEV, Some(options))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty())?;
    send(report, Message::Root, Some(root.as_fd()))
}

/// Sends a mount of the file system to the caller. Only in the namespaces that it was made in may one be
/// made.
pub(crate) fn share(
    namespaces: [BorrowedFd<'_>; 2],
    root: BorrowedFd<'_>,
    report: BorrowedFd<'_>,
) -> ! {
    let [users, mounts] = namespaces;
    let made = move_into_link_name_space(users, None)
        .and_then(|()| move_into_link_name_space(mounts, None))
        .and_then(|()| take_hold(root, c""))
        .and_then(|mount| send(report, Message::Root, Some(mount.as_fd())));
    match made {
        Ok(()) => sys::exit_now(0),
        Err(errno) => Failure::at(Step::Memory)(errno).report(report),
    }
}
