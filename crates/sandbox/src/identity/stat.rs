//! The attributes of a file, as a process with another identity than the real one shall see them.
//!
//! The caller looks at the same file and puts other owners into the answer. Whatever goes wrong with that is
//! left to the kernel, which then tells the truth or the right error.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2, readlink};
use rustix::io::Errno;

use super::calls::{EMPTY_PATH, Look};
use super::ids::Ids;
use super::{Answer, Real};
use crate::sys::{self, Notification, read_memory, write_memory};

/// What the kernel shows where an id has no number in a container.
const NOBODY: u32 = 65534;
/// Room for either answer.
const LONGEST: usize = 256;
/// `AT_SYMLINK_NOFOLLOW` and the bits of `AT_STATX_SYNC_TYPE`.
const NO_FOLLOW: u64 = 0x100;
const SYNC: u64 = 0x6000;

/// Where an answer has the two ids, and how long it is.
struct Layout {
    user: usize,
    group: usize,
    length: usize,
}

/// `struct stat` of the kernel's `asm/stat.h`, which differs between architectures, and `struct statx`.
const STAT: Layout = if cfg!(target_arch = "x86_64") {
    Layout {
        user: 28,
        group: 32,
        length: 144,
    }
} else {
    Layout {
        user: 24,
        group: 28,
        length: 128,
    }
};
const STATX: Layout = Layout {
    user: 20,
    group: 24,
    length: LONGEST,
};

/// A file to look at.
struct Target {
    /// Descriptor that a relative path starts from; `None` is the working directory.
    directory: Option<i32>,
    /// Address of the path, unless the descriptor itself is meant.
    path: Option<u64>,
    follow: bool,
    empty_is_directory: bool,
}

/// Answers a call that asks for attributes.
pub(super) fn answer(look: Look, call: &Notification, real: Real, ids: &Ids) -> Answer {
    match try_answer(look, call, real, ids) {
        Ok(()) => Answer::Value(0),
        Err(_) => Answer::Continue,
    }
}

fn try_answer(look: Look, call: &Notification, real: Real, ids: &Ids) -> Result<(), Errno> {
    let [first, second, third, fourth, fifth, _] = call.arguments;
    #[allow(clippy::cast_possible_truncation)] // descriptors are ints
    let descriptor = (first as u32).cast_signed();
    let directory = (descriptor != libc::AT_FDCWD).then_some(descriptor);
    let (target, into) = match look {
        Look::Path | Look::Link => (
            Target {
                directory: None,
                path: Some(first),
                follow: look == Look::Path,
                empty_is_directory: false,
            },
            second,
        ),
        Look::Descriptor => (
            Target {
                directory: Some(descriptor),
                path: None,
                follow: true,
                empty_is_directory: true,
            },
            second,
        ),
        Look::At | Look::Extended => {
            let (flags, into) = if look == Look::At {
                (fourth, third)
            } else {
                (third, fifth)
            };
            let target = Target {
                directory,
                path: Some(second),
                follow: flags & NO_FOLLOW == 0,
                empty_is_directory: flags & EMPTY_PATH != 0,
            };
            (target, into)
        }
    };
    let file = open(&target, call.thread)?;
    let mut bytes = [0; LONGEST];
    let layout = if look == Look::Extended {
        #[allow(clippy::cast_possible_truncation)] // both are 32 bits wide
        let (flags, mask) = ((third & SYNC) as i32, fourth as u32);
        sys::extended_attributes(file.as_fd(), flags, mask, &mut bytes)?;
        &STATX
    } else {
        sys::attributes(file.as_fd(), &mut bytes)?;
        &STAT
    };
    let (user, group) = ids.files();
    replace(&mut bytes, layout.user, real.outside.0, user)?;
    replace(&mut bytes, layout.group, real.outside.1, group)?;
    write_memory(
        call.thread,
        into,
        bytes.get(..layout.length).ok_or(Errno::INVAL)?,
    )
}

/// Puts the id that is seen in the place of the real one.
fn replace(bytes: &mut [u8], at: usize, real: u32, seen: u32) -> Result<(), Errno> {
    let place = bytes.get_mut(at..at + 4).ok_or(Errno::INVAL)?;
    let shown = if *place == real.to_ne_bytes() {
        seen
    } else {
        NOBODY
    };
    place.copy_from_slice(&shown.to_ne_bytes());
    Ok(())
}

/// Opens what a call names, below the root that the thread has.
fn open(target: &Target, thread: i32) -> Result<OwnedFd, Errno> {
    let path = target
        .path
        .map(|path| read_path(thread, path))
        .transpose()?;
    let start = match target.directory {
        Some(descriptor) => format!("/proc/{thread}/fd/{descriptor}"),
        None => format!("/proc/{thread}/cwd"),
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let path = match path {
        Some(path) if !path.is_empty() => path,
        _ if target.empty_is_directory => return rustix::fs::open(start, flags, Mode::empty()),
        _ => return Err(Errno::NOENT),
    };
    let path = if path.starts_with(b"/") {
        path
    } else {
        // As the container has it. What is not a directory of its, is not found below its root.
        let mut whole = readlink(start, Vec::new())?.into_bytes();
        whole.push(b'/');
        whole.extend(path);
        whole
    };
    let root = rustix::fs::open(format!("/proc/{thread}/root"), flags, Mode::empty())?;
    let last = if target.follow {
        OFlags::empty()
    } else {
        OFlags::NOFOLLOW
    };
    let path = CString::new(path).map_err(|_| Errno::INVAL)?;
    openat2(
        root,
        path,
        flags | last,
        Mode::empty(),
        ResolveFlags::IN_ROOT,
    )
}

/// Reads a path from the memory of a thread.
fn read_path(thread: i32, address: u64) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; libc::PATH_MAX as usize];
    let mut length = 0;
    while let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) {
        let piece = room.len().min(256);
        let room = room.get_mut(..piece).ok_or(Errno::FAULT)?;
        let read = read_memory(thread, address.wrapping_add(length as u64), room)?;
        let end = room.iter().take(read).position(|byte| *byte == 0);
        if let Some(end) = end {
            buffer.truncate(length + end);
            return Ok(buffer);
        }
        if read == 0 {
            return Err(Errno::FAULT);
        }
        length += read;
    }
    Err(Errno::NAMETOOLONG)
}
