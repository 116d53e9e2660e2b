//! Which files the programs of a container ask for.
//!
//! Every system call that names a file is stopped by a filter ([`mod@filter`], from the table in [`calls`]) and
//! arrives at threads of this process ([`listener`]). They read the path from the memory of the program
//! ([`tracee`]), find out what it leads to ([`resolve`]), write that down ([`record`]), and let the call go
//! on. A program that asks faster than the tracer writes has to wait, so nothing is dropped; and no
//! privilege is needed, because the caller owns the user namespace that the programs run in.
//!
//! The record is evidence, not a security boundary: a program that changes a path in its memory between
//! the two looks, or a file system that changes at that moment, can make it say something else.
//!
//! What is not seen: files that were opened before the container existed and are inherited; the addresses of
//! datagrams that are sent without `connect`; `fstatat` and `statx` with `AT_EMPTY_PATH` as their only
//! flag, which is how C libraries implement `fstat` (a path that a program gives there nevertheless is not
//! seen); interpreters that `binfmt_misc` chooses. `io_uring`, which would go round the filter, does not
//! exist for the programs. Where there can be no listener, the programs are traced by ptrace(2) instead ([`follow`]).

mod calls;
mod crew;
mod filter;
mod follow;
mod helper;
mod inspect;
mod interpreter;
mod listener;
mod paths;
mod record;
mod resolve;
mod tracee;
mod walk;

use std::sync::Arc;

pub(crate) use filter::filter;
pub(crate) use listener::{Calls, Origin, Tracing, can_listen, lock};
pub(crate) use resolve::open_below;

/// What to trace, besides the files of the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceOptions {
    /// Whether to record paths in `/proc`, `/sys` and `/dev`, which no image provides.
    pub kernel_files: bool,
    /// Whether to use ptrace(2) even where the kernel's notifications are to be had.
    pub ptrace: bool,
}

/// What programs asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Each path once for every kind and outcome, sorted.
    pub accesses: Vec<Access>,
    /// How many system calls were looked at.
    pub events: u64,
    /// Whether every call could be understood. It cannot if a program's memory is out of reach or if it runs
    /// on an architecture that is not known here.
    pub complete: bool,
}

/// Something that programs asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Absolute path in the container: of what was found, without links in it; otherwise the path asked
    /// for, without `.` and `..`.
    pub path: Vec<u8>,
    /// What was wanted.
    pub kind: AccessKind,
    /// What came of it.
    pub outcome: Outcome,
    /// The symbolic links that were crossed on the way, sorted.
    pub links: Vec<Vec<u8>>,
    /// How often it was asked for.
    pub count: u64,
    /// The executable that asked first. Empty for the first program of a container or of
    /// [`Container::exec`](crate::Container::exec), which are started from outside. For an interpreter, the file that names it.
    pub by: Arc<[u8]>,
}

/// What was wanted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AccessKind {
    /// To read it, or a descriptor for it.
    Open,
    /// To run it. The interpreters that an executable names are recorded with it, since the kernel opens
    /// them and the program does not ask.
    Execute,
    /// To know about it: its attributes, or whether it exists.
    Stat,
    /// To know where a link points.
    ReadLink,
    /// To know the names in a directory.
    List,
    /// To have it as working directory or root.
    Enter,
    /// To hear of its changes.
    Watch,
    /// To connect to the socket.
    Connect,
    /// To change it: to open it for writing, to make, rename or remove it, to change its attributes.
    Write,
}

/// What a look-up led to. It says what was there when the call was made; whether the program was allowed to
/// use it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The file.
    Found,
    /// Nothing (`ENOENT`). Usual with [`AccessKind::Write`]: the call makes it.
    Missing,
    /// A file where a directory would have to be (`ENOTDIR`).
    NotADirectory,
    /// A directory that neither the caller nor root of the container may search (`EACCES`).
    Denied,
    /// Too many links (`ELOOP`).
    Loop,
    /// It could not be found out.
    Unknown,
}

impl Trace {
    /// Adds what another trace has seen.
    pub fn merge(&mut self, other: Self) {
        self.complete &= other.complete;
        self.events += other.events;
        let mut accesses = std::mem::take(&mut self.accesses);
        accesses.extend(other.accesses);
        self.accesses = sorted(accesses);
    }
}

/// Makes one access of those that are about the same thing, and sorts them. Of several programs the first is
/// named.
fn sorted(mut all: Vec<Access>) -> Vec<Access> {
    all.sort_by(|a, b| {
        let order = a.path.cmp(&b.path).then(a.kind.cmp(&b.kind));
        order.then(a.outcome.cmp(&b.outcome))
    });
    let mut accesses: Vec<Access> = Vec::with_capacity(all.len());
    for mut access in all {
        match accesses.last_mut() {
            Some(last)
                if last.path == access.path
                    && last.kind == access.kind
                    && last.outcome == access.outcome =>
            {
                last.count += access.count;
                last.links.append(&mut access.links);
            }
            _ => accesses.push(access),
        }
    }
    for access in &mut accesses {
        access.links.sort_unstable();
        access.links.dedup();
    }
    accesses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_merged() {
        let access = |path: &str, count, links: &[&str], by: &str| Access {
            path: path.into(),
            kind: AccessKind::Open,
            outcome: Outcome::Found,
            links: links.iter().map(|link| (*link).into()).collect(),
            count,
            by: by.as_bytes().into(),
        };
        let trace = |accesses, complete| Trace {
            accesses,
            events: 3,
            complete,
        };
        let mut all = trace(vec![access("/b", 1, &["/z"], "/bin/first")], true);
        let other = vec![
            access("/a", 1, &[], "/x"),
            access("/b", 2, &["/y", "/z"], "/x"),
        ];
        all.merge(trace(other, false));
        let expected = vec![
            access("/a", 1, &[], "/x"),
            access("/b", 3, &["/y", "/z"], "/bin/first"),
        ];
        assert_eq!(
            all,
            Trace {
                accesses: expected,
                events: 6,
                complete: false
            }
        );
    }
}
