//! A process that opens what this one may not.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::child;
use crate::launch::start;
use crate::message::{Message, channel, receive};
use crate::supervise::Child;

/// A process with the rights of the container's root, which opens what this one may not.
///
/// A thread cannot go into a user namespace, so it has to be a process. It is made when it is first needed,
/// and never for root.
#[derive(Debug)]
pub(super) struct Helper {
    socket: OwnedFd,
    _child: Child,
}

impl Helper {
    pub(super) fn start(container: BorrowedFd<'_>) -> Result<Self, Errno> {
        let (socket, theirs) = channel()?;
        let child = start(0, || child::look::serve(container, theirs.as_fd()))?;
        Ok(Self {
            socket,
            _child: child,
        })
    }

    pub(super) fn open(
        &self,
        root: BorrowedFd<'_>,
        path: &CStr,
        follow: bool,
    ) -> Result<OwnedFd, Errno> {
        child::look::ask(self.socket.as_fd(), root, path, follow)?;
        match receive(self.socket.as_fd(), RecvFlags::empty())? {
            Some((Message::Opened, Some(file))) => Ok(file),
            Some((Message::Failed { errno, .. }, _)) => Err(Errno::from_raw_os_error(errno)),
            _ => Err(Errno::ACCESS),
        }
    }
}
