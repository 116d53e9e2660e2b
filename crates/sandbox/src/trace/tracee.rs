//! Reading from a stopped thread: its memory, and what its descriptors are.

use std::ffi::CStr;
use std::fmt::Arguments;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat_raw};
use rustix::io::Errno;

use crate::sys;

/// Longest path that a system call takes, with the zero byte at its end.
pub(super) const LONGEST: usize = libc::PATH_MAX as usize;
/// How much is read at first. Almost every path is shorter.
const FIRST: usize = 256;

/// A thread that waits for the answer to a notification.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tracee(pub(super) i32);

/// A name in the directory of a thread in `/proc`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link {
    Root,
    Directory,
    Executable,
    Descriptor(i32),
}

impl Tracee {
    /// Reads a string.
    pub(super) fn string(self, address: u64, into: &mut Vec<u8>) -> Result<(), Errno> {
        into.clear();
        let mut size = FIRST;
        while into.len() < LONGEST {
            let start = into.len();
            into.resize(size.min(LONGEST), 0);
            let room = into.get_mut(start..).unwrap_or_default();
            let wanted = room.len();
            let read = sys::read_memory(self.0, address.wrapping_add(start as u64), room)?;
            let part = room.get(..read).unwrap_or_default();
            if let Some(end) = part.iter().position(|&byte| byte == 0) {
                into.truncate(start + end);
                return Ok(());
            }
            if read < wanted {
                return Err(Errno::FAULT);
            }
            size = LONGEST;
        }
        Err(Errno::NAMETOOLONG)
    }

    /// Reads bytes into a buffer. Returns those that could be read.
    pub(super) fn bytes(self, address: u64, buffer: &mut [u8]) -> Result<&[u8], Errno> {
        let read = sys::read_memory(self.0, address, buffer)?;
        Ok(buffer.get(..read).unwrap_or_default())
    }

    /// Reads where a link of the thread points. For files that is a path as the thread's mount namespace
    /// has it.
    pub(super) fn link(self, link: Link, into: &mut Vec<u8>) -> Result<(), Errno> {
        let read = |path: &CStr| read_link(CWD, path, into);
        match link {
            Link::Root => with_path(format_args!("/proc/{}/root", self.0), read),
            Link::Directory => with_path(format_args!("/proc/{}/cwd", self.0), read),
            Link::Executable => with_path(format_args!("/proc/{}/exe", self.0), read),
            Link::Descriptor(number) => {
                with_path(format_args!("/proc/{}/fd/{number}", self.0), read)
            }
        }
    }

    /// Opens its root directory.
    pub(super) fn root(self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        with_path(format_args!("/proc/{}/root", self.0), |path| {
            openat(CWD, path, flags, Mode::empty())
        })
    }
}

/// Reads where a link points.
pub(super) fn read_link(
    directory: impl std::os::fd::AsFd,
    path: &CStr,
    into: &mut Vec<u8>,
) -> Result<(), Errno> {
    into.resize(LONGEST, 0);
    match readlinkat_raw(directory, path, into.as_mut_slice()) {
        Ok(length) => {
            into.truncate(length);
            Ok(())
        }
        Err(errno) => {
            into.clear();
            Err(errno)
        }
    }
}

/// Calls a function with a short path, which is put together without allocating.
pub(super) fn with_path<T>(
    path: Arguments<'_>,
    run: impl FnOnce(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut buffer = [0; 64];
    let end = buffer.len() - 1; // the last byte stays zero
    let mut room = buffer.get_mut(..end).unwrap_or_default();
    room.write_fmt(path).map_err(|_| Errno::NAMETOOLONG)?;
    run(CStr::from_bytes_until_nul(&buffer).map_err(|_| Errno::NAMETOOLONG)?)
}
