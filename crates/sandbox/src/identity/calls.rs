//! The system calls that are answered, and the filter that stops them.

use crate::bpf::{self, ARCHITECTURE, EQUAL, LOAD, NUMBER, RETURN, instruction};
use crate::sys::Notification;

/// `AT_EMPTY_PATH`: what is meant is the descriptor itself.
pub(super) const EMPTY_PATH: u64 = 0x1000;

/// Users or groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Users,
    Groups,
}

/// Which ids a call sets, and from which arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// `setuid`: all if privileged, otherwise the effective one.
    Simple,
    /// `setreuid`: real and effective.
    Two,
    /// `setresuid`: real, effective and saved.
    Three,
    /// `setfsuid`: what files are used as. It tells the one before and never fails.
    Files,
}

/// How a call that asks for attributes names the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// `stat`: a path and a buffer.
    Path,
    /// `lstat`: the same, and a link is not followed.
    Link,
    /// `fstat`: a descriptor and a buffer.
    Descriptor,
    /// `newfstatat`: a directory, a path, a buffer and flags.
    At,
    /// `statx`: a directory, a path, flags, a mask and a buffer.
    Extended,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Set(Which, Set),
    SetGroups,
    /// One id: 0 is the real one, 1 the effective one.
    Get(Which, usize),
    GetThree(Which),
    GetGroups,
    /// `prctl`, which can say that capabilities outlive the identity of root.
    Control,
    /// `capset`, which then makes use of them.
    Capabilities,
    Stat(Look),
}

use Call::{Capabilities, Control, Get, GetGroups, GetThree, SetGroups, Stat};
use Which::{Groups, Users};

/// The calls of one architecture.
struct Architecture {
    /// `AUDIT_ARCH_*`.
    number: u32,
    calls: &'static [(u32, Call)],
}

/// Numbers from the kernel's `syscall_64.tbl` and `asm-generic/unistd.h`. Programs for 32 bits are not in
/// here: their changes only seem to succeed ([`crate::pretend`]).
#[rustfmt::skip] // a table
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        number: bpf::X86_64,
        calls: &[
            (105, Call::Set(Users, Set::Simple)), (106, Call::Set(Groups, Set::Simple)),
            (113, Call::Set(Users, Set::Two)), (114, Call::Set(Groups, Set::Two)),
            (117, Call::Set(Users, Set::Three)), (119, Call::Set(Groups, Set::Three)),
            (122, Call::Set(Users, Set::Files)), (123, Call::Set(Groups, Set::Files)),
            (116, SetGroups), (115, GetGroups), (157, Control), (126, Capabilities),
            (102, Get(Users, 0)), (107, Get(Users, 1)), (104, Get(Groups, 0)), (108, Get(Groups, 1)),
            (118, GetThree(Users)), (120, GetThree(Groups)),
            (4, Stat(Look::Path)), (5, Stat(Look::Descriptor)), (6, Stat(Look::Link)),
            (262, Stat(Look::At)), (332, Stat(Look::Extended)),
        ],
    },
    Architecture {
        number: bpf::AARCH64,
        calls: &[
            (146, Call::Set(Users, Set::Simple)), (144, Call::Set(Groups, Set::Simple)),
            (145, Call::Set(Users, Set::Two)), (143, Call::Set(Groups, Set::Two)),
            (147, Call::Set(Users, Set::Three)), (149, Call::Set(Groups, Set::Three)),
            (151, Call::Set(Users, Set::Files)), (152, Call::Set(Groups, Set::Files)),
            (159, SetGroups), (158, GetGroups), (167, Control), (91, Capabilities),
            (174, Get(Users, 0)), (175, Get(Users, 1)), (176, Get(Groups, 0)), (177, Get(Groups, 1)),
            (148, GetThree(Users)), (150, GetThree(Groups)),
            (80, Stat(Look::Descriptor)), (79, Stat(Look::At)), (291, Stat(Look::Extended)),
        ],
    },
];

/// Finds out what a call is about.
pub(super) fn find(architecture: u32, number: u32) -> Option<Call> {
    let known = ARCHITECTURES.iter().find(|it| it.number == architecture)?;
    let call = known.calls.iter().find(|(own, _)| *own == number)?;
    Some(call.1)
}

/// Returns whether a call is one of these and asks for no name, so that it is of no interest to a trace.
pub(crate) fn knows(call: &Notification) -> bool {
    let [_, _, third, fourth, ..] = call.arguments;
    match find(call.architecture, call.number) {
        // As in a trace's own filter.
        Some(Stat(Look::At)) => fourth == EMPTY_PATH,
        Some(Stat(Look::Extended)) => third == EMPTY_PATH,
        Some(Stat(Look::Path | Look::Link)) | None => false,
        Some(_) => true,
    }
}

/// Builds the filter that stops these calls, and goes on with another one for the rest.
pub(crate) fn filter(rest: Vec<libc::sock_filter>) -> Vec<libc::sock_filter> {
    let mut program = vec![instruction(LOAD, ARCHITECTURE, 0, 0)];
    for architecture in &ARCHITECTURES {
        let mut block = vec![instruction(LOAD, NUMBER, 0, 0)];
        for (at, (number, _)) in architecture.calls.iter().enumerate() {
            // All jump to the last instruction, over the one that leaves.
            let to_end = u8::try_from(architecture.calls.len() - at).unwrap_or(u8::MAX);
            block.push(instruction(EQUAL, *number, to_end, 0));
        }
        block.push(instruction(EQUAL, u32::MAX, 0, 1)); // never
        block.push(instruction(RETURN, libc::SECCOMP_RET_USER_NOTIF, 0, 0));
        // What the accumulator has to be for the next comparison.
        block.push(instruction(LOAD, ARCHITECTURE, 0, 0));
        let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
        program.push(instruction(EQUAL, architecture.number, 0, length));
        program.extend(block);
    }
    if rest.is_empty() {
        program.push(instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    }
    program.extend(rest);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_stops_these_calls_and_leaves_the_rest_to_the_other_one() {
        const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;
        let refuse = vec![instruction(RETURN, libc::SECCOMP_RET_ERRNO | 1, 0, 0)];
        for (rest, other) in [
            (Vec::new(), libc::SECCOMP_RET_ALLOW),
            (refuse, libc::SECCOMP_RET_ERRNO | 1),
        ] {
            let filter = filter(rest);
            for Architecture { number, calls } in &ARCHITECTURES {
                for call in 0..600 {
                    let known = calls.iter().any(|(own, _)| *own == call);
                    let verdict = bpf::verdict(&filter, *number, call, [0; 6]);
                    assert_eq!(verdict, if known { NOTIFY } else { other }, "{call}");
                }
            }
            assert_eq!(bpf::verdict(&filter, bpf::I386, 102, [0; 6]), other);
        }
    }
}
