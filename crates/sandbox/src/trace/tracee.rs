//! Reading from a stopped thread: its memory, and what its descriptors are.

use std::ffi::CStr;
use std::fmt::Arguments;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat_raw};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::sys;

/// Longest path that a system call takes, with the zero byte at its end.
pub(super) const LONGEST: usize = libc::PATH_MAX as usize;
/// How much is read at first. Almost every path is shorter.
const FIRST: usize = 256;
/// Of how many threads the directory in `/proc` is kept open.
const KEPT: usize = 64;
/// For so long the executable of a thread that does not call `execve` is known, in milliseconds. Its
/// number cannot be that of another thread in that time.
const SAME: u32 = 50;

/// The threads that have asked lately.
#[derive(Debug, Default)]
pub(super) struct Tracees {
    known: Vec<Known>,
    /// Which of `known` is replaced next.
    next: usize,
}

#[derive(Debug)]
struct Known {
    thread: i32,
    /// Its directory in `/proc`. Looking names up there takes half the time that it takes from `/`; and it is of
    /// no use any more when the thread has ended, even if another has its number.
    directory: OwnedFd,
    /// The directory of its descriptors, from the first time that one is asked about: for most programs that
    /// ask so, such as those that walk through trees, it is not the last time.
    descriptors: Option<OwnedFd>,
    executable: Vec<u8>,
    /// When that was read.
    read: Option<u32>,
}

/// A name in the directory of a thread in `/proc`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link {
    Root,
    Directory,
    Executable,
    Descriptor(i32),
}

impl Tracees {
    /// Reads where a link of a thread points. For files that is a path as the thread's mount namespace
    /// has it.
    pub(super) fn link(
        &mut self,
        thread: i32,
        link: Link,
        into: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let at = self.position(thread)?;
        let known = self.known.get_mut(at).ok_or(Errno::SRCH)?;
        let result = match known.link(link, into) {
            // The one that is known has ended.
            Err(Errno::SRCH | Errno::NOENT) => {
                self.known.remove(at);
                let at = self.position(thread)?;
                self.known.get_mut(at).ok_or(Errno::SRCH)?.link(link, into)
            }
            other => other,
        };
        match (result, link) {
            // The directory `fd` belongs to whom the thread runs as, which with sub-ids is not the caller.
            (Err(Errno::ACCESS), Link::Descriptor(number)) => {
                let at = self.position(thread)?;
                let known = self.known.get(at).ok_or(Errno::SRCH)?;
                borrowed_link(&known.directory, number, into)
            }
            (result, _) => result,
        }
    }

    /// Opens the root directory of a thread.
    pub(super) fn root(&mut self, thread: i32) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        with_path(format_args!("/proc/{thread}/root"), |path| {
            openat(CWD, path, flags, Mode::empty())
        })
    }

    /// Reads the executable of a thread. It is empty if it cannot be found out.
    pub(super) fn executable(&mut self, thread: i32, now: u32) -> &[u8] {
        let at = self.position(thread).ok().and_then(|at| self.known.get(at));
        let fresh = at
            .and_then(|known| known.read)
            .is_some_and(|read| now.wrapping_sub(read) < SAME);
        if !fresh {
            let mut path = Vec::new();
            let _ = self.link(thread, Link::Executable, &mut path);
            if let Ok(at) = self.position(thread)
                && let Some(known) = self.known.get_mut(at)
            {
                known.executable = path;
                known.read = Some(now);
            }
        }
        let at = self.position(thread).ok();
        at.and_then(|at| self.known.get(at))
            .map(|known| known.executable.as_slice())
            .unwrap_or_default()
    }

    /// Notes that a thread is about to become another program.
    pub(super) fn executes(&mut self, thread: i32) {
        if let Some(known) = self.known.iter_mut().find(|known| known.thread == thread) {
            known.read = None;
        }
    }

    fn position(&mut self, thread: i32) -> Result<usize, Errno> {
        if let Some(at) = self.known.iter().position(|known| known.thread == thread) {
            return Ok(at);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = with_path(format_args!("/proc/{thread}"), |path| {
            openat(CWD, path, flags, Mode::empty())
        })?;
        let known = Known {
            thread,
            directory,
            descriptors: None,
            executable: Vec::new(),
            read: None,
        };
        if self.known.len() < KEPT {
            self.known.push(known);
            return Ok(self.known.len() - 1);
        }
        let at = self.next % KEPT;
        self.next = at + 1;
        if let Some(place) = self.known.get_mut(at) {
            *place = known;
        }
        Ok(at)
    }
}

impl Known {
    /// Reads where a link points.
    fn link(&mut self, link: Link, into: &mut Vec<u8>) -> Result<(), Errno> {
        let name = match link {
            Link::Root => c"root",
            Link::Directory => c"cwd",
            Link::Executable => c"exe",
            Link::Descriptor(number) => {
                let descriptors = self.descriptors()?;
                return with_path(format_args!("{number}"), |name| {
                    read_link(descriptors, name, into)
                });
            }
        };
        read_link(&self.directory, name, into)
    }

    fn descriptors(&mut self) -> Result<&OwnedFd, Errno> {
        if self.descriptors.is_none() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            self.descriptors = Some(openat(&self.directory, c"fd", flags, Mode::empty())?);
        }
        self.descriptors.as_ref().ok_or(Errno::SRCH)
    }
}

/// Reads where a descriptor of a thread points through a copy of it. A copy can be had by whoever may trace the
/// thread (pidfd_getfd(2)), whoever that thread runs as.
fn borrowed_link(thread: &OwnedFd, number: i32, into: &mut Vec<u8>) -> Result<(), Errno> {
    let process = process_of(thread)?;
    let process = pidfd_open(process, PidfdFlags::empty())?;
    let copy = pidfd_getfd(process, number, PidfdGetfdFlags::empty())?;
    with_path(format_args!("/proc/self/fd/{}", copy.as_raw_fd()), |path| {
        read_link(CWD, path, into)
    })
}

/// Returns the process that a thread belongs to, from `Tgid` of proc_pid_status(5).
fn process_of(thread: &OwnedFd) -> Result<Pid, Errno> {
    let status = openat(
        thread,
        c"status",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut text = [0; 512];
    let length = rustix::io::read(&status, &mut text)?;
    let text = text.get(..length).unwrap_or_default();
    let number = text.split(|&byte| byte == b'\n').find_map(|line| {
        let number = line.strip_prefix(b"Tgid:")?.trim_ascii();
        std::str::from_utf8(number).ok()?.parse().ok()
    });
    number.and_then(Pid::from_raw).ok_or(Errno::SRCH)
}

/// Reads a string of a thread.
pub(super) fn string(thread: i32, address: u64, into: &mut Vec<u8>) -> Result<(), Errno> {
    into.clear();
    let mut size = FIRST;
    while into.len() < LONGEST {
        let start = into.len();
        into.resize(size.min(LONGEST), 0);
        let room = into.get_mut(start..).unwrap_or_default();
        let wanted = room.len();
        let read = sys::read_memory(thread, address.wrapping_add(start as u64), room)?;
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

/// Reads bytes of a thread into a buffer. Returns those that could be read.
pub(super) fn bytes(thread: i32, address: u64, buffer: &mut [u8]) -> Result<&[u8], Errno> {
    let read = sys::read_memory(thread, address, buffer)?;
    Ok(buffer.get(..read).unwrap_or_default())
}

/// Reads where a link points.
pub(super) fn read_link(
    directory: impl AsFd,
    path: &CStr,
    into: &mut Vec<u8>,
) -> Result<(), Errno> {
    into.clear();
    let mut buffer = [const { MaybeUninit::uninit() }; LONGEST];
    let (target, _) = readlinkat_raw(directory, path, &mut buffer)?;
    into.extend_from_slice(target);
    Ok(())
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
