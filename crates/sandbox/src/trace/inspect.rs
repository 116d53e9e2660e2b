//! Understanding one system call.

mod flags;
mod look_up;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use flags::{
    DONT_FOLLOW, FOLLOW, IN_ROOT, NO_FOLLOW, NO_LINKS, Opened, descriptor, of_kernel, opened,
    table, words,
};
use rustix::io::Errno;

use super::calls::{self, ARCHITECTURES, Asks, CALLS, Call, Last, Place};
use super::listener::{Launch, Shared, lock};
use super::paths::{DELETED, squeeze};
use super::record::{Answer, Known, Question};
use super::resolve::View;
use super::tracee::{self, Link, Tracees};
use super::{AccessKind, Outcome};
use crate::sys::Notification;

/// Looks at the calls of one listener.
pub(super) struct Inspector {
    shared: Arc<Shared>,
    view: View,
    tracees: Tracees,
    /// Since when the view knows what it knows about directories.
    plain_since: u32,
    /// Where each call is in [`CALLS`], by architecture and number.
    tables: [Vec<u8>; 3],
    launch: Arc<Launch>,
    own_executable: Vec<u8>,
    /// What the current call asks.
    found: Vec<Found>,
    // Kept to save allocations.
    path: Vec<u8>,
    base: Vec<u8>,
    asked: Vec<u8>,
}

/// A question of the current call.
enum Found {
    Known(Known, u32),
    New {
        asked: Vec<u8>,
        kind: AccessKind,
        follow: bool,
        answer: Answer,
        /// When that was found to be so.
        checked: u32,
    },
}

/// A path to look up.
struct Ask<'a> {
    path: &'a [u8],
    /// Where a relative path starts from.
    directory: Directory<'a>,
    kind: AccessKind,
    /// Whether names may come or go.
    makes: bool,
    follow: bool,
    /// The file whose interpreter it is.
    by: Option<&'a [u8]>,
    depth: u32,
}

/// Where a relative path starts from.
#[derive(Clone, Copy)]
enum Directory<'a> {
    Of(Link),
    Known(&'a [u8]),
}

impl Inspector {
    pub(super) fn new(shared: Arc<Shared>, view: View, launch: Arc<Launch>) -> Self {
        let own_executable = std::fs::read_link("/proc/self/exe").unwrap_or_default();
        Self {
            shared,
            view,
            tracees: Tracees::default(),
            plain_since: 0,
            tables: [0, 1, 2].map(table),
            launch,
            own_executable: own_executable.into_os_string().into_encoded_bytes(),
            found: Vec::new(),
            path: Vec::new(),
            base: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Notes that the trace has a gap.
    pub(super) fn lost(&self) {
        self.shared.incomplete.store(true, Ordering::Relaxed);
    }

    /// Writes the call that was last looked at down.
    pub(super) fn write_down(&mut self) {
        let mut recorder = lock(&self.shared.recorder);
        recorder.events += 1;
        for found in self.found.drain(..) {
            match found {
                Found::Known(known, checked) => recorder.again(known, checked),
                Found::New {
                    asked,
                    kind,
                    follow,
                    answer,
                    checked,
                } => {
                    let question = Question {
                        path: &asked,
                        kind,
                        follow,
                    };
                    match recorder.last(&question) {
                        // The same call may ask twice for one thing.
                        Some((known, _))
                            if recorder
                                .same(known, answer.outcome, Some(&answer.path))
                                .is_some() =>
                        {
                            recorder.again(known, checked);
                        }
                        _ => {
                            recorder.add(&question, &answer, checked);
                        }
                    }
                }
            }
        }
    }

    /// Looks at a call.
    pub(super) fn look(&mut self, notification: &Notification) {
        self.found.clear();
        let Some(call) = self.call(notification) else {
            self.lost();
            return;
        };
        let thread = notification.thread;
        match self.questions(call, notification, thread) {
            // The program gave an address that is not its own, or is gone.
            Ok(()) | Err(Errno::FAULT | Errno::SRCH | Errno::NOENT | Errno::NAMETOOLONG) => {}
            Err(error) => {
                tracing::debug!(thread, %error, "cannot read from a traced program");
                self.lost();
            }
        }
    }

    fn call(&self, notification: &Notification) -> Option<&'static Call> {
        let column = ARCHITECTURES
            .iter()
            .position(|&architecture| architecture == notification.architecture)?;
        let number = usize::try_from(notification.number).ok()?;
        let at = self.tables.get(column)?.get(number)?;
        CALLS.get(usize::from(at.checked_sub(1)?))
    }

    fn questions(
        &mut self,
        call: &Call,
        notification: &Notification,
        thread: i32,
    ) -> Result<(), Errno> {
        let argument = |number: usize| notification.arguments.get(number).copied().unwrap_or(0);
        match call.asks {
            Asks::Path(place) => self.place(place, notification, thread),
            Asks::Paths(first, second) => {
                self.place(first, notification, thread)?;
                self.place(second, notification, thread)
            }
            Asks::PathAndRoot(place) => {
                self.moved();
                self.shared.roots_differ.store(true, Ordering::Relaxed);
                self.place(place, notification, thread)
            }
            Asks::Root => {
                self.moved();
                self.shared.roots_differ.store(true, Ordering::Relaxed);
                Ok(())
            }
            Asks::Clone3 => {
                let mut flags = [0; 8];
                tracee::bytes(thread, argument(0), &mut flags)?;
                if u64::from_ne_bytes(flags) & u64::from(calls::NEW_ROOT) != 0 {
                    self.shared.roots_differ.store(true, Ordering::Relaxed);
                }
                Ok(())
            }
            Asks::Entries => self.entries(descriptor(argument(0)), thread),
            Asks::Address { argument: at, kind } => {
                self.address(argument(at), argument(at + 1), kind, thread)
            }
            Asks::SocketCall => {
                let kind = if argument(0) == u64::from(calls::BIND) {
                    AccessKind::Write
                } else {
                    AccessKind::Connect
                };
                // Descriptor, address, length: words of 32 bits.
                let mut words = [0; 12];
                tracee::bytes(thread, argument(1), &mut words)?;
                let word = |at: usize| {
                    let bytes = words.get(at..at + 4).and_then(|four| four.try_into().ok());
                    u64::from(bytes.map_or(0, u32::from_ne_bytes))
                };
                self.address(word(4), word(8), kind, thread)
            }
            Asks::Nothing => Ok(()),
        }
    }

    /// Looks up a path among the arguments.
    fn place(
        &mut self,
        place: Place,
        notification: &Notification,
        thread: i32,
    ) -> Result<(), Errno> {
        let argument = |number: usize| notification.arguments.get(number).copied().unwrap_or(0);
        let mut kind = place.kind;
        let bit = |number: usize, mask: u32| argument(number) & u64::from(mask) != 0;
        let mut in_root = false;
        let mut makes = kind == AccessKind::Write;
        let mut open = |opened: Opened| {
            if opened.written {
                kind = AccessKind::Write;
            }
            makes = opened.made;
            opened.follow
        };
        let follow = match place.last {
            Last::Followed => true,
            Last::NotFollowed => false,
            Last::Moved => {
                self.moved();
                false
            }
            Last::NoFollowFlag(number) => !bit(number, NO_FOLLOW),
            Last::FollowFlag(number) => bit(number, FOLLOW),
            Last::WatchMask(number) => !bit(number, DONT_FOLLOW),
            Last::OpenFlags(number) => open(opened(argument(number))),
            Last::OpenHow(number) => {
                // Flags, mode, and how to resolve.
                let mut how = [0; 24];
                tracee::bytes(thread, argument(number), &mut how)?;
                let [flags, _, resolve] = words(how);
                in_root = resolve & IN_ROOT != 0;
                open(opened(flags)) && resolve & NO_LINKS == 0
            }
        };
        if argument(place.path) == 0 {
            return Ok(()); // of `utimensat`: an open file is meant
        }
        let mut path = std::mem::take(&mut self.path);
        let read = match tracee::string(thread, argument(place.path), &mut path) {
            Err(Errno::PERM | Errno::ACCESS) if kind == AccessKind::Execute => {
                self.launched(&mut path)
            }
            Err(Errno::PERM | Errno::ACCESS) if !lock(&self.launch.candidates).is_empty() => {
                path.clear(); // what is left to be tried does not run yet
                Ok(())
            }
            other => other,
        };
        let directory = match place.directory {
            Some(number) if descriptor(argument(number)) != libc::AT_FDCWD => {
                Link::Descriptor(descriptor(argument(number)))
            }
            _ => Link::Directory,
        };
        let looked = read.and_then(|()| {
            if path.is_empty() {
                // With AT_EMPTY_PATH an open file is meant.
                return match (kind, directory) {
                    (AccessKind::Execute, Link::Descriptor(_)) => {
                        self.executed_descriptor(directory, thread)
                    }
                    _ => Ok(()),
                };
            }
            let mut start = 0;
            if in_root {
                start = path.iter().take_while(|&&byte| byte == b'/').count();
            }
            let ask = Ask {
                path: path.get(start..).unwrap_or_default(),
                directory: Directory::Of(directory),
                kind,
                makes,
                follow,
                by: None,
                depth: 0,
            };
            self.look_up(&ask, thread)
        });
        self.path = path;
        if kind == AccessKind::Execute {
            self.tracees.executes(thread);
        }
        looked
    }

    /// Notes that a directory may soon be somewhere else.
    fn moved(&self) {
        let now = self.shared.now();
        self.shared.last_move.store(now, Ordering::Relaxed);
        self.shared.last_change.store(now, Ordering::Relaxed);
    }

    /// Returns the next path where the first program is tried. The process that does so is a copy of this
    /// one, and its memory may be out of reach.
    fn launched(&mut self, path: &mut Vec<u8>) -> Result<(), Errno> {
        let next = lock(&self.launch.candidates).pop_front();
        let next = next.ok_or(Errno::PERM)?;
        squeeze(self.launch.directory.to_bytes(), next.to_bytes(), path);
        Ok(())
    }

    /// Records that a directory is listed.
    fn entries(&mut self, number: i32, thread: i32) -> Result<(), Errno> {
        let mut path = Vec::new();
        self.tracees
            .link(thread, Link::Descriptor(number), &mut path)?;
        self.known_file(AccessKind::List, &path, thread);
        Ok(())
    }

    /// Records that a file is executed which a descriptor is for.
    fn executed_descriptor(&mut self, descriptor: Link, thread: i32) -> Result<(), Errno> {
        let mut path = Vec::new();
        self.tracees.link(thread, descriptor, &mut path)?;
        if path.first() == Some(&b'/') && !path.ends_with(DELETED) {
            let ask = Ask {
                path: &path,
                directory: Directory::Known(b"/"),
                kind: AccessKind::Execute,
                makes: false,
                follow: false,
                by: None,
                depth: 0,
            };
            self.look_up(&ask, thread)?;
        }
        Ok(())
    }

    /// Records a file whose path is known.
    fn known_file(&mut self, kind: AccessKind, path: &[u8], thread: i32) {
        let kernel = of_kernel(path) && !self.shared.options.kernel_files;
        if path.first() != Some(&b'/') || path.ends_with(DELETED) || kernel {
            return;
        }
        let question = Question {
            path,
            kind,
            follow: false,
        };
        let now = self.shared.now();
        let last = lock(&self.shared.recorder).last(&question);
        if let Some((known, _)) = last {
            self.found.push(Found::Known(known, now));
            return;
        }
        let by = self.executable(thread, now);
        self.found.push(Found::New {
            asked: path.to_vec(),
            kind,
            follow: false,
            answer: Answer {
                outcome: Outcome::Found,
                path: path.to_vec(),
                links: Vec::new(),
                by,
            },
            checked: now,
        });
    }

    /// Looks up the path in the address of a socket, if it has one.
    fn address(
        &mut self,
        address: u64,
        length: u64,
        kind: AccessKind,
        thread: i32,
    ) -> Result<(), Errno> {
        let mut buffer = [0; size_of::<libc::sockaddr_un>()];
        let length = usize::try_from(length).unwrap_or(0).min(buffer.len());
        let bytes = tracee::bytes(
            thread,
            address,
            buffer.get_mut(..length).unwrap_or_default(),
        )?;
        let Some((family, path)) = bytes.split_at_checked(2) else {
            return Ok(());
        };
        let family = family.try_into().map_or(0, u16::from_ne_bytes);
        let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
        // Without a path the name is not in the file system.
        if i32::from(family) != libc::AF_UNIX || path.is_empty() {
            return Ok(());
        }
        let ask = Ask {
            path,
            directory: Directory::Of(Link::Directory),
            kind,
            makes: kind == AccessKind::Write,
            follow: true,
            by: None,
            depth: 0,
        };
        self.look_up(&ask, thread)
    }
}
