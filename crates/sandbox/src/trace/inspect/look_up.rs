//! What the path of a call leads to, and who asks.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::super::listener::lock;
use super::super::paths::{DELETED, squeeze};
use super::super::record::{Answer, Known, Question};
use super::super::resolve::Glance;
use super::super::tracee::Link;
use super::super::walk::Start;
use super::super::{AccessKind, Outcome, interpreter};
use super::flags::{of_kernel, of_kernel_alone};
use super::{Ask, Directory, Found, Inspector};

/// For so long after a change by a program no answer is taken for granted, in milliseconds: the call that
/// makes the change has been seen before it was carried out.
const CHANGES_TAKE: u32 = 100;
/// For so long an answer is taken for granted if no program changes anything: somebody outside may.
const FRESH: u32 = 10_000;
/// Most interpreters of interpreters, as in the kernel (`exec_binprm`).
const MOST_INTERPRETERS: u32 = 5;

impl Inspector {
    /// Looks up a path.
    pub(super) fn look_up(&mut self, ask: &Ask<'_>, thread: i32) -> Result<(), Errno> {
        let now = self.shared.now();
        let roots_differ = self.shared.roots_differ.load(Ordering::Relaxed);
        // What is written to `/dev/null` and its like makes no name come or go that is recorded.
        let recorded = roots_differ || self.shared.options.kernel_files;
        if ask.makes && (recorded || !of_kernel_alone(ask.path)) {
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
        let other_root = if roots_differ && !lost {
            self.other_root(thread)?
        } else {
            None
        };
        let result = if lost {
            Ok(())
        } else {
            self.look_up_from(ask, thread, &base, other_root, now)
        };
        self.base = base;
        result
    }

    /// Returns the root directory of a thread and its path in the container, unless it has the container's.
    pub(super) fn other_root(&mut self, thread: i32) -> Result<Option<(OwnedFd, Vec<u8>)>, Errno> {
        let root = self.tracees.root(thread)?;
        let mut prefix = Vec::new();
        self.view.path_of(root.as_fd(), &mut prefix)?;
        if prefix == b"/" {
            prefix.clear();
        }
        Ok(Some((root, prefix)))
    }

    pub(super) fn look_up_from(
        &mut self,
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
        let result = self.answer(ask, thread, &mut asked, &prefix, root.as_ref(), now);
        self.asked = asked;
        result
    }

    /// Finds the answer to a question: an old one that is still right, or a new one.
    #[allow(clippy::too_many_arguments)] // one step of `look_up_from`
    pub(super) fn answer(
        &mut self,
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
        let from_root = prefix.len();
        if from_root > 0 {
            asked.splice(..0, prefix.iter().copied());
        }
        let question = Question {
            path: asked,
            kind: ask.kind,
            follow: ask.follow,
        };
        let last = lock(&self.shared.recorder).last(&question);
        if let Some((known, checked)) = last
            && self.fresh(checked, now)
        {
            self.found.push(Found::Known(known, checked));
            return Ok(());
        }
        let executed = ask.kind == AccessKind::Execute;
        if !executed && let Some((answer, checked)) = self.alike(&question, now) {
            let known =
                last.and_then(|(known, _)| self.same(known, answer.outcome, Some(&answer.path)));
            let found = match known {
                Some(known) => Found::Known(known, checked),
                None => Found::New {
                    asked: asked.clone(),
                    kind: ask.kind,
                    follow: ask.follow,
                    answer: Answer {
                        by: self.executable(thread, now),
                        ..answer
                    },
                    checked,
                },
            };
            self.found.push(found);
            return Ok(());
        }
        let below = asked.get(from_root..).unwrap_or_default();
        let glance = self.view.glance(root, below, ask.follow, executed);
        let found = match &glance {
            Glance::Plain(_) => Some(asked.as_slice()),
            Glance::Opened(_, path) => Some(path.as_slice()),
            Glance::Failed(_) => None,
        };
        if let Some((known, _)) = last
            && let Some(known) = self.same(known, glance.outcome(), found)
        {
            self.found.push(Found::Known(known, now));
            return Ok(());
        }
        let start = Start { root, prefix };
        let resolved = self
            .view
            .resolve(glance, start, below, ask.follow, &mut |link, into| {
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
            checked: now,
        });
        if let Some(file) = resolved.file
            && executed
            && ask.depth < MOST_INTERPRETERS
        {
            self.interpreters(ask.depth, thread, &program, &file);
        }
        Ok(())
    }

    /// Returns what was found a moment ago where the same path was asked for something else, and when.
    fn alike(&self, question: &Question<'_>, now: u32) -> Option<(Answer, u32)> {
        let recorder = lock(&self.shared.recorder);
        let (known, checked) = recorder.alike(question)?;
        let answer = self.fresh(checked, now).then(|| recorder.answer(known))??;
        Some((answer, checked))
    }

    fn same(&self, known: Known, outcome: Outcome, found: Option<&[u8]>) -> Option<Known> {
        lock(&self.shared.recorder).same(known, outcome, found)
    }

    /// Returns whether an answer need not be looked for again.
    pub(super) fn fresh(&self, checked: u32, now: u32) -> bool {
        let changed = self.shared.last_change.load(Ordering::Relaxed);
        checked > changed.saturating_add(CHANGES_TAKE) && now < checked.saturating_add(FRESH)
    }

    /// Records the interpreters that an executable names, since nobody asks for those but the kernel.
    pub(super) fn interpreters(&mut self, depth: u32, thread: i32, program: &[u8], file: &OwnedFd) {
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
            makes: false,
            follow: true,
            by: Some(program),
            depth: depth + 1,
        };
        if let Err(error) = self.look_up(&ask, thread) {
            tracing::debug!(%error, "cannot look up an interpreter");
        }
    }

    /// Returns the executable of a thread, unless that is a copy of this process.
    pub(super) fn executable(&mut self, thread: i32, now: u32) -> Vec<u8> {
        let path = self.tracees.executable(thread, now);
        if path == self.own_executable {
            Vec::new()
        } else {
            path.to_vec()
        }
    }
}
