//! What a child tells its parent: fixed-size messages over a socket pair, with a descriptor where needed.
//!
//! Messages are made and sent between `clone` and `execve`, so sending allocates nothing.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Bytes of one message: three words.
const SIZE: usize = 12;

/// A message of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// A step failed with this error number.
    Failed { step: u32, errno: i32 },
    /// The process that the caller asked for exists; a descriptor for it is attached.
    Started,
    /// The controlling side of the terminal is attached.
    Terminal,
    /// A socket is attached.
    Socket,
    /// The root directory of the container is attached.
    Root,
    /// The descriptor is attached on which system calls arrive.
    Listener,
    /// The process is to be traced by ptrace(2) from now on; a descriptor for it is attached. It waits.
    Tracee,
    /// It is.
    Traced,
    /// A file that was asked for is attached.
    Opened,
    /// The process ended with this code.
    Exited(i32),
    /// The process was ended by this signal.
    Signalled(i32),
}

impl Message {
    fn encode(self) -> [u8; SIZE] {
        let (tag, a, b) = match self {
            Self::Failed { step, errno } => (1, step, errno),
            Self::Started => (2, 0, 0),
            Self::Terminal => (3, 0, 0),
            Self::Socket => (4, 0, 0),
            Self::Exited(code) => (5, 0, code),
            Self::Signalled(signal) => (6, 0, signal),
            Self::Root => (7, 0, 0),
            Self::Listener => (8, 0, 0),
            Self::Opened => (9, 0, 0),
            Self::Tracee => (10, 0, 0),
            Self::Traced => (11, 0, 0),
        };
        let (tag, a, b) = (u32::to_ne_bytes(tag), a.to_ne_bytes(), b.to_ne_bytes());
        let mut bytes = [0; SIZE];
        for (to, from) in bytes.iter_mut().zip(tag.iter().chain(&a).chain(&b)) {
            *to = *from;
        }
        bytes
    }

    fn decode(bytes: [u8; SIZE]) -> Option<Self> {
        let [t0, t1, t2, t3, a0, a1, a2, a3, b0, b1, b2, b3] = bytes;
        let a = u32::from_ne_bytes([a0, a1, a2, a3]);
        let b = i32::from_ne_bytes([b0, b1, b2, b3]);
        Some(match u32::from_ne_bytes([t0, t1, t2, t3]) {
            1 => Self::Failed { step: a, errno: b },
            2 => Self::Started,
            3 => Self::Terminal,
            4 => Self::Socket,
            5 => Self::Exited(b),
            6 => Self::Signalled(b),
            7 => Self::Root,
            8 => Self::Listener,
            9 => Self::Opened,
            10 => Self::Tracee,
            11 => Self::Traced,
            _ => return None,
        })
    }
}

/// Makes the two ends of a channel. Both are closed by `execve`; the receiver sees that as the end.
pub(crate) fn channel() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// Sends a message. A receiver that is gone is the caller's affair: it dies of it or carries on.
pub(crate) fn send(
    to: BorrowedFd<'_>,
    message: Message,
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let bytes = message.encode();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(
        to,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )
    .map(drop)
}

/// Receives the next message, or `None` when every sender is gone.
pub(crate) fn receive(
    from: BorrowedFd<'_>,
    flags: RecvFlags,
) -> Result<Option<(Message, Option<OwnedFd>)>, Errno> {
    let mut bytes = [0; SIZE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match recvmsg(
            from,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            flags,
        ) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            other => break other?.bytes,
        }
    };
    if received == 0 {
        return Ok(None);
    }
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let message = Message::decode(bytes)
        .filter(|_| received == SIZE)
        .ok_or(Errno::BADMSG)?;
    Ok(Some((message, descriptor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn messages_arrive_as_sent_and_with_their_descriptor() {
        let (ours, theirs) = channel().unwrap();
        let sent = [
            Message::Failed { step: 7, errno: 13 },
            Message::Started,
            Message::Terminal,
            Message::Socket,
            Message::Exited(-1),
            Message::Signalled(9),
            Message::Root,
            Message::Listener,
            Message::Opened,
        ];
        for message in sent {
            let attached = (message == Message::Started).then_some(theirs.as_fd());
            send(theirs.as_fd(), message, attached).unwrap();
            let (received, descriptor) =
                receive(ours.as_fd(), RecvFlags::empty()).unwrap().unwrap();
            assert_eq!(received, message);
            assert_eq!(descriptor.is_some(), attached.is_some());
        }
        drop(theirs);
        assert!(receive(ours.as_fd(), RecvFlags::empty()).unwrap().is_none());
    }
}
