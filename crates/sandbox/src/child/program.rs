//! The last steps before the program: streams, identity, privileges, `execve`.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{DumpableBehavior, PidfdFlags};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::Failure;
use crate::message::{Message, receive, send};
use crate::plan::Step;
use crate::plan::program::{Identity, Program, Watched};
use crate::sys;

/// What becomes standard input, output and error; `None` keeps the caller's.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) ends: [Option<OwnedFd>; 3],
    /// Whether each is a pipe that only the program uses, so that it may be given to its user.
    pub(crate) owned: [bool; 3],
}

/// The capabilities that docker leaves a container's root (moby `oci/caps/defaults.go`).
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);
/// One more than the highest capability that any kernel may know.
const CAPABILITIES: u32 = 64;
/// Permissions of new files, as docker sets them.
const UMASK: Mode = Mode::WGRP.union(Mode::WOTH);

/// Becomes the program.
pub(super) fn run(
    program: &Program,
    streams: &Streams,
    terminal: Option<OwnedFd>,
    report: BorrowedFd<'_>,
) -> Result<Infallible, Failure> {
    sys::unblock_signals();
    rustix::process::umask(UMASK);
    rustix::process::setsid().map_err(Failure::at(Step::Session))?;
    connect(program, streams, terminal.as_ref()).map_err(Failure::at(Step::Streams))?;
    // Not yet as the user, who may be unable to reach it: docker does not mind.
    rustix::process::chdir(&*program.directory).map_err(Failure::at(Step::Directory))?;
    for (resource, limit) in &program.limits {
        rustix::process::setrlimit(*resource, *limit).map_err(Failure::at(Step::Limits))?;
    }
    if let Some(identity) = &program.identity {
        limit_capabilities().map_err(Failure::at(Step::Bounding))?;
        if !program.filter.is_empty() {
            sys::install_filter(&program.filter).map_err(Failure::at(Step::Filter))?;
        }
        if !program.watched.traced.is_empty() {
            watch(&program.watched, report).map_err(Failure::at(Step::Trace))?;
        }
        become_user(identity)?;
    }
    sys::close_from_on_exec(3);
    Err(execute(program))
}

/// Lets the caller see the calls that the program will make.
///
/// Where another filter has already given an answer the caller sees nothing.
fn watch(watched: &Watched, report: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(c"/", flags, Mode::empty())?;
    send(report, Message::Root, Some(root.as_fd()))?;
    if !watched.listened.is_empty() {
        match sys::install_listener(&watched.listened) {
            Ok(listener) => return send(report, Message::Listener, Some(listener.as_fd())),
            // Somebody else listens already, or this kernel lets nobody.
            Err(Errno::BUSY | Errno::INVAL | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    // A copy of a process that others may not look into is closed to its caller, too. Becoming the user closes it again.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    send(report, Message::Tracee, Some(own.as_fd()))?;
    // Without a tracer the filter would have all calls fail.
    match receive(report, RecvFlags::empty())? {
        Some((Message::Traced, _)) => sys::install_filter(&watched.traced),
        _ => Err(Errno::SRCH),
    }
}

/// Puts the streams in place.
fn connect(program: &Program, streams: &Streams, terminal: Option<&OwnedFd>) -> Result<(), Errno> {
    if let Some(terminal) = terminal {
        give(program, terminal.as_fd());
        rustix::process::ioctl_tiocsctty(terminal)?;
        for stream in 0..3 {
            sys::duplicate_to(terminal.as_fd(), stream)?;
        }
        return Ok(());
    }
    // Each is moved above 2 first, since one may be where another has to go.
    let mut moved = [None, None, None];
    for ((end, owned), moved) in streams.ends.iter().zip(streams.owned).zip(&mut moved) {
        let Some(end) = end else { continue };
        if owned {
            give(program, end.as_fd());
        }
        *moved = Some(rustix::io::fcntl_dupfd_cloexec(end, 3)?);
    }
    for (stream, end) in (0..3).zip(&moved) {
        if let Some(end) = end {
            sys::duplicate_to(end.as_fd(), stream)?;
        }
    }
    Ok(())
}

/// Makes the program's user the owner of a stream, so that it can open `/dev/stdout`, which is how
/// images send their log files there. Fails where the id is not mapped, and is then not needed.
fn give(program: &Program, stream: BorrowedFd<'_>) {
    if let Some(Identity {
        ids: Some((uid, gid, _)),
        ..
    }) = &program.identity
    {
        let _ = rustix::fs::fchown(stream, Some(*uid), Some(*gid));
    }
}

/// Gives up for good every capability that docker does not grant.
fn limit_capabilities() -> Result<(), Errno> {
    for number in 0..CAPABILITIES {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if KEPT.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Err(Errno::INVAL) => break, // higher than this kernel knows
            other => other?,
        }
    }
    Ok(())
}

/// Takes on the ids of the user, and the capabilities that go with them.
fn become_user(identity: &Identity) -> Result<(), Failure> {
    if let Some((uid, gid, groups)) = &identity.ids {
        rustix::thread::set_thread_groups(groups)
            .and_then(|()| rustix::thread::set_thread_res_gid(*gid, *gid, *gid))
            .and_then(|()| rustix::thread::set_thread_res_uid(*uid, *uid, *uid))
            .map_err(Failure::at(Step::Identity))?;
    }
    let kept = if identity.root {
        KEPT
    } else {
        CapabilitySet::empty()
    };
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(Failure::at(Step::Capabilities))
}

/// Tries the places where the program may be, as `execvp` does.
fn execute(program: &Program) -> Failure {
    let mut found: Option<Failure> = None;
    for (number, candidate) in (0..).zip(&program.candidates) {
        let errno = sys::execute(candidate, &program.arguments, &program.environment);
        let exists =
            || rustix::fs::accessat(CWD, &**candidate, Access::EXISTS, AtFlags::empty()).is_ok();
        match errno {
            Errno::NOENT if exists() => {
                return Failure {
                    step: Step::Interpreter as u32 + number,
                    errno,
                };
            }
            Errno::NOENT | Errno::NOTDIR => {}
            // A later directory may have one that can be executed.
            Errno::ACCESS => {
                found.get_or_insert(Failure {
                    step: Step::Execute as u32 + number,
                    errno,
                });
            }
            _ => {
                return Failure {
                    step: Step::Execute as u32 + number,
                    errno,
                };
            }
        }
    }
    found.unwrap_or(Failure {
        step: Step::Execute as u32,
        errno: Errno::NOENT,
    })
}
