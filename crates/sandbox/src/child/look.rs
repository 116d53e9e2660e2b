//! Opening files of a container with the rights of its root, for a tracer outside that lacks them.

use std::ffi::CStr;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use super::keep_only;
use crate::message::{Message, send};
use crate::{sys, trace};

/// Longest request: whether a link at the end is followed, and a path.
const LONGEST: usize = 1 + libc::PATH_MAX as usize;

/// Answers requests until nobody is left to make any.
pub(crate) fn serve(container: BorrowedFd<'_>, socket: BorrowedFd<'_>) -> ! {
    if move_into_thread_name_spaces(container, ThreadNameSpaceType::USER).is_err() {
        sys::exit_now(125);
    }
    keep_only(socket, container);
    // SAFETY: `keep_only` has put the socket here.
    let socket = unsafe { BorrowedFd::borrow_raw(0) };
    let mut request = [0; LONGEST];
    loop {
        let Ok(Some((root, length))) = next(socket, &mut request) else {
            sys::exit_now(0)
        };
        let opened = answer(root, request.get(..length).unwrap_or_default());
        let sent = match &opened {
            Ok(file) => send(socket, Message::Opened, Some(file.as_fd())),
            Err(errno) => {
                let errno = errno.raw_os_error();
                send(socket, Message::Failed { step: 0, errno }, None)
            }
        };
        if sent.is_err() {
            sys::exit_now(0);
        }
    }
}

fn answer(root: Option<OwnedFd>, request: &[u8]) -> Result<OwnedFd, Errno> {
    let (follow, path) = request.split_first().ok_or(Errno::BADMSG)?;
    let path = CStr::from_bytes_with_nul(path).map_err(|_| Errno::BADMSG)?;
    trace::open_below(root.ok_or(Errno::BADMSG)?.as_fd(), path, *follow != 0)
}

/// Receives a request: the descriptor of a root, and how many bytes came with it.
fn next(
    socket: BorrowedFd<'_>,
    request: &mut [u8],
) -> Result<Option<(Option<OwnedFd>, usize)>, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(request)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?
    .bytes;
    let root = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((received > 0).then_some((root, received)))
}

/// Sends a request, from outside.
pub(crate) fn ask(
    socket: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    path: &CStr,
    follow: bool,
) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [root];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let follow = [u8::from(follow)];
    let request = [
        IoSlice::new(&follow),
        IoSlice::new(path.to_bytes_with_nul()),
    ];
    sendmsg(socket, &request, &mut control, SendFlags::NOSIGNAL).map(drop)
}
