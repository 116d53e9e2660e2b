//! Understanding one system call.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::calls::{self, ARCHITECTURES, Asks, CALLS, Call, Last, Place};
use super::listener::{Launch, Shared, lock};
use super::paths::{DELETED, squeeze};
use super::record::{Answer, Known, Question, Recorder};
use super::resolve::{Glance, View};
use super::tracee::{self, Link, Tracees};
use super::walk::Start;
use super::{AccessKind, Outcome, interpreter};
use crate::sys::Notification;

/// For so long after a change by a program no answer is taken for granted, in milliseconds: the call that
/// makes the change has been seen before it was carried out.
const CHANGES_TAKE: u32 = 100;
/// For so long an answer is taken for granted if no program changes anything: somebody outside may.
const FRESH: u32 = 1000;
/// Most interpreters of interpreters, as in the kernel (`exec_binprm`).
const MOST_INTERPRETERS: u32 = 5;

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
    },
}

/// A path to look up.
struct Ask<'a> {
    path: &'a [u8],
    /// Where a relative path starts from.
    directory: Directory<'a>,
    kind: AccessKind,
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
    pub(super) fn write_down(&mut self, recorder: &mut Recorder) {
        recorder.events += 1;
        let now = self.shared.now();
        for found in self.found.drain(..) {
            match found {
                Found::Known(known, checked) => recorder.again(known, checked),
                Found::New {
                    asked,
                    kind,
                    follow,
                    answer,
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
                            recorder.again(known, now);
                        }
                        _ => {
                            let order = self.shared.answers.fetch_add(1, Ordering::Relaxed);
                            recorder.add(&question, &answer, now, order);
                        }
                    }
                }
            }
        }
    }

    /// Looks at a call.
    pub(super) fn look(&mut self, recorder: &Recorder, notification: &Notification) {
        self.found.clear();
        let Some(call) = self.call(notification) else {
            self.lost();
            return;
        };
        let thread = notification.thread;
        match self.questions(recorder, call, notification, thread) {
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
        recorder: &Recorder,
        call: &Call,
        notification: &Notification,
        thread: i32,
    ) -> Result<(), Errno> {
        let argument = |number: usize| notification.arguments.get(number).copied().unwrap_or(0);
        match call.asks {
            Asks::Path(place) => self.place(recorder, place, notification, thread),
            Asks::Paths(first, second) => {
                self.place(recorder, first, notification, thread)?;
                self.place(recorder, second, notification, thread)
            }
            Asks::PathAndRoot(place) => {
                self.moved();
                self.shared.roots_differ.store(true, Ordering::Relaxed);
                self.place(recorder, place, notification, thread)
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
            Asks::Entries => self.entries(recorder, descriptor(argument(0)), thread),
            Asks::Address { argument: at, kind } => {
                self.address(recorder, argument(at), argument(at + 1), kind, thread)
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
                self.address(recorder, word(4), word(8), kind, thread)
            }
            Asks::Nothing => Ok(()),
        }
    }

    /// Looks up a path among the arguments.
    fn place(
        &mut self,
        recorder: &Recorder,
        place: Place,
        notification: &Notification,
        thread: i32,
    ) -> Result<(), Errno> {
        let argument = |number: usize| notification.arguments.get(number).copied().unwrap_or(0);
        let mut kind = place.kind;
        let bit = |number: usize, mask: u32| argument(number) & u64::from(mask) != 0;
        let mut in_root = false;
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
            Last::OpenFlags(number) => opened(argument(number), &mut kind),
            Last::OpenHow(number) => {
                // Flags, mode, and how to resolve.
                let mut how = [0; 24];
                tracee::bytes(thread, argument(number), &mut how)?;
                let [flags, _, resolve] = words(how);
                in_root = resolve & IN_ROOT != 0;
                opened(flags, &mut kind) && resolve & NO_LINKS == 0
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
                        self.executed_descriptor(recorder, directory, thread)
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
                follow,
                by: None,
                depth: 0,
            };
            self.look_up(recorder, &ask, thread)
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

    /// Looks up a path.
    fn look_up(&mut self, recorder: &Recorder, ask: &Ask<'_>, thread: i32) -> Result<(), Errno> {
        let now = self.shared.now();
        if ask.kind == AccessKind::Write {
            self.shared.last_change.store(now, Ordering::Relaxed);
        }
        let moved = self.shared.last_move.load(Ordering::Relaxed);
        if moved > 0 && self.plain_since <= moved.saturating_add(CHANGES_TAKE) {
            self.view.forget();
            self.plain_since = now;
        }
        let absolute = ask.path.first() == Some(&b'/');
        let mut base = std::mem::take(&mut self.base);
        base.clear();
        if !absolute {
            match ask.directory {
                Directory::Known(path) => base.extend_from_slice(path),
                Directory::Of(link) => self.tracees.link(thread, link, &mut base)?,
            }
        }
        // The directory has been removed, or the descriptor is of something else.
        let lost = !absolute && (base.first() != Some(&b'/') || base.ends_with(DELETED));
        let other_root = if self.shared.roots_differ.load(Ordering::Relaxed) && !lost {
            self.other_root(thread)?
        } else {
            None
        };
        let result = if lost {
            Ok(())
        } else {
            self.look_up_from(recorder, ask, thread, &base, other_root, now)
        };
        self.base = base;
        result
    }

    /// Returns the root directory of a thread and its path in the container, unless it has the container's.
    fn other_root(&mut self, thread: i32) -> Result<Option<(OwnedFd, Vec<u8>)>, Errno> {
        let root = self.tracees.root(thread)?;
        let mut prefix = Vec::new();
        self.view.path_of(root.as_fd(), &mut prefix)?;
        if prefix == b"/" {
            prefix.clear();
        }
        Ok(Some((root, prefix)))
    }

    fn look_up_from(
        &mut self,
        recorder: &Recorder,
        ask: &Ask<'_>,
        thread: i32,
        base: &[u8],
        other_root: Option<(OwnedFd, Vec<u8>)>,
        now: u32,
    ) -> Result<(), Errno> {
        // The path below the root of the thread.
        let (mut prefix, mut root) = (Vec::new(), None);
        let mut below = base;
        if let Some((other, path)) = other_root {
            let inside = below
                .strip_prefix(path.as_slice())
                .filter(|rest| rest.is_empty() || rest.starts_with(b"/"));
            // A process may have a working directory that is not below its root.
            if ask.path.first() == Some(&b'/') || inside.is_some() {
                below = inside.unwrap_or_default();
                (prefix, root) = (path, Some(other));
            }
        }
        let mut asked = std::mem::take(&mut self.asked);
        squeeze(below, ask.path, &mut asked);
        let result = self.answer(
            recorder,
            ask,
            thread,
            &mut asked,
            &prefix,
            root.as_ref(),
            now,
        );
        self.asked = asked;
        result
    }

    /// Finds the answer to a question: an old one that is still right, or a new one.
    #[allow(clippy::too_many_arguments)] // one step of `look_up_from`
    fn answer(
        &mut self,
        recorder: &Recorder,
        ask: &Ask<'_>,
        thread: i32,
        asked: &mut Vec<u8>,
        prefix: &[u8],
        root: Option<&OwnedFd>,
        now: u32,
    ) -> Result<(), Errno> {
        if prefix.is_empty() && !self.shared.options.kernel_files && of_kernel_alone(asked) {
            return Ok(());
        }
        let below = asked.clone();
        asked.splice(..0, prefix.iter().copied());
        let question = Question {
            path: asked,
            kind: ask.kind,
            follow: ask.follow,
        };
        let last = recorder.last(&question);
        if let Some((known, checked)) = last
            && self.fresh(checked, now)
        {
            self.found.push(Found::Known(known, checked));
            return Ok(());
        }
        let executed = ask.kind == AccessKind::Execute;
        let glance = self.view.glance(root, &below, ask.follow, executed);
        let found = match &glance {
            Glance::Plain(_) => Some(asked.as_slice()),
            Glance::Opened(_, path) => Some(path.as_slice()),
            Glance::Failed(_) => None,
        };
        if let Some((known, _)) = last
            && let Some(known) = recorder.same(known, glance.outcome(), found)
        {
            self.found.push(Found::Known(known, now));
            return Ok(());
        }
        let start = Start { root, prefix };
        let resolved = self
            .view
            .resolve(glance, start, &below, ask.follow, &mut |link, into| {
                self.tracees.link(thread, link, into)
            });
        let kernel = of_kernel(&resolved.path) && resolved.links.is_empty();
        if kernel && !self.shared.options.kernel_files {
            return Ok(());
        }
        let by = match ask.by {
            Some(by) => by.to_vec(),
            None => self.executable(thread, now),
        };
        let program = resolved.path.clone();
        self.found.push(Found::New {
            asked: asked.clone(),
            kind: ask.kind,
            follow: ask.follow,
            answer: Answer {
                outcome: resolved.outcome,
                path: resolved.path,
                links: resolved.links,
                by,
            },
        });
        if let Some(file) = resolved.file
            && executed
            && ask.depth < MOST_INTERPRETERS
        {
            self.interpreters(recorder, ask.depth, thread, &program, &file);
        }
        Ok(())
    }

    /// Returns whether an answer need not be looked for again.
    fn fresh(&self, checked: u32, now: u32) -> bool {
        let changed = self.shared.last_change.load(Ordering::Relaxed);
        checked > changed.saturating_add(CHANGES_TAKE) && now < checked.saturating_add(FRESH)
    }

    /// Records the interpreters that an executable names, since nobody asks for those but the kernel.
    fn interpreters(
        &mut self,
        recorder: &Recorder,
        depth: u32,
        thread: i32,
        program: &[u8],
        file: &OwnedFd,
    ) {
        let regular = rustix::fs::fstat(file)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        // A program that may be executed but not read keeps its secret.
        let Some(content) = regular
            .then(|| self.view.reopen(file.as_fd()).ok())
            .flatten()
        else {
            return;
        };
        let Some(path) = interpreter::named_by(&content) else {
            return;
        };
        let ask = Ask {
            path: &path,
            directory: Directory::Of(Link::Directory),
            kind: AccessKind::Execute,
            follow: true,
            by: Some(program),
            depth: depth + 1,
        };
        if let Err(error) = self.look_up(recorder, &ask, thread) {
            tracing::debug!(%error, "cannot look up an interpreter");
        }
    }

    /// Returns the executable of a thread, unless that is a copy of this process.
    fn executable(&mut self, thread: i32, now: u32) -> Vec<u8> {
        let path = self.tracees.executable(thread, now);
        if path == self.own_executable {
            Vec::new()
        } else {
            path.to_vec()
        }
    }

    /// Records that a directory is listed.
    fn entries(&mut self, recorder: &Recorder, number: i32, thread: i32) -> Result<(), Errno> {
        let mut path = Vec::new();
        self.tracees
            .link(thread, Link::Descriptor(number), &mut path)?;
        self.known_file(recorder, AccessKind::List, &path, thread);
        Ok(())
    }

    /// Records that a file is executed which a descriptor is for.
    fn executed_descriptor(
        &mut self,
        recorder: &Recorder,
        descriptor: Link,
        thread: i32,
    ) -> Result<(), Errno> {
        let mut path = Vec::new();
        self.tracees.link(thread, descriptor, &mut path)?;
        if path.first() == Some(&b'/') && !path.ends_with(DELETED) {
            let ask = Ask {
                path: &path,
                directory: Directory::Known(b"/"),
                kind: AccessKind::Execute,
                follow: false,
                by: None,
                depth: 0,
            };
            self.look_up(recorder, &ask, thread)?;
        }
        Ok(())
    }

    /// Records a file whose path is known.
    fn known_file(&mut self, recorder: &Recorder, kind: AccessKind, path: &[u8], thread: i32) {
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
        if let Some((known, _)) = recorder.last(&question) {
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
        });
    }

    /// Looks up the path in the address of a socket, if it has one.
    fn address(
        &mut self,
        recorder: &Recorder,
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
            follow: true,
            by: None,
            depth: 0,
        };
        self.look_up(recorder, &ask, thread)
    }
}

/// `AT_SYMLINK_NOFOLLOW`, `AT_SYMLINK_FOLLOW`, `IN_DONT_FOLLOW`, and of `openat2` the flags
/// `RESOLVE_IN_ROOT` and `RESOLVE_NO_SYMLINKS`.
const NO_FOLLOW: u32 = 0x100;
const FOLLOW: u32 = 0x400;
const DONT_FOLLOW: u32 = 0x0200_0000;
const IN_ROOT: u64 = 0x10;
const NO_LINKS: u64 = 0x04;

/// Understands the flags of `open`: whether a link is followed, and whether the file is written to.
#[allow(clippy::cast_sign_loss)] // flags
fn opened(flags: u64, kind: &mut AccessKind) -> bool {
    let bits = |mask: i32| flags & u64::from(mask as u32);
    let exclusive = libc::O_CREAT | libc::O_EXCL;
    let changed = bits(libc::O_ACCMODE) != 0 || bits(libc::O_CREAT | libc::O_TRUNC) != 0;
    if changed && bits(libc::O_PATH) == 0 {
        *kind = AccessKind::Write;
    }
    bits(libc::O_NOFOLLOW) == 0 && bits(exclusive) != u64::from(exclusive as u32)
}

/// Returns the descriptor in an argument, which is an int.
#[allow(clippy::cast_possible_truncation)] // the kernel does the same
fn descriptor(argument: u64) -> i32 {
    argument as u32 as i32
}

fn words<const N: usize>(bytes: [u8; 24]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.try_into().map_or(0, u64::from_ne_bytes);
    }
    words
}

/// Returns whether a path is below a file system of the kernel.
fn of_kernel(path: &[u8]) -> bool {
    [b"/proc/".as_slice(), b"/sys/", b"/dev/"]
        .iter()
        .any(|directory| path.starts_with(directory))
        || matches!(path, b"/proc" | b"/sys" | b"/dev")
}

/// Returns whether a path certainly does not lead from the kernel's files to others.
fn of_kernel_alone(path: &[u8]) -> bool {
    let names = || path.split(|&byte| byte == b'/').skip(1);
    if !of_kernel(path) || names().any(|name| name == b"..") {
        return false;
    }
    // What a process has open, runs, or stands in.
    !path.starts_with(b"/proc/")
        || !names().any(|name| matches!(name, b"root" | b"cwd" | b"exe" | b"fd" | b"map_files"))
}

/// Makes the table of the calls of one architecture: by number, one more than the place in [`CALLS`].
fn table(column: usize) -> Vec<u8> {
    let mut table = vec![0; 512];
    for (at, call) in (1..).zip(CALLS) {
        let number = call.numbers.get(column).copied().flatten();
        if let Some(entry) = number.and_then(|number| table.get_mut(number as usize)) {
            *entry = at;
        }
    }
    table
}
