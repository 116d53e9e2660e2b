//! The system call filter for containers with a single id: changes of owner succeed without happening.
//!
//! In such a container every id but one is unmapped, and `chown` to another fails with EINVAL. Entry points
//! do that before they start the program proper. The filter answers those calls itself, with success. What
//! it cannot do: a `chown` of a missing file succeeds too, and a device that `mknod` made is not there.
//! Programs that check will notice. Changes of identity are kept by [`crate::identity`], except those of
//! 32-bit programs, which only seem to succeed here, too.

use std::ffi::c_uint;

use crate::bpf::{self, AND, ARCHITECTURE, EQUAL, LOAD, NUMBER, RETURN, instruction};

/// The calls of one architecture.
struct Table {
    /// `AUDIT_ARCH_*` of the kernel's `linux/audit.h`.
    architecture: c_uint,
    /// Calls that change an owner, or, of 32-bit programs, an identity.
    changes: &'static [c_uint],
    /// Calls that make a node, and which argument has its kind.
    nodes: &'static [(c_uint, c_uint)],
}

/// Numbers from the kernel's `syscall_64.tbl`, `syscall_32.tbl` and `asm-generic/unistd.h`. In order:
/// chown, fchown, lchown, fchownat; for 32-bit programs also setuid, setgid, setreuid, setregid, setgroups, setresuid,
/// setresgid, setfsuid, setfsgid, as far as the architecture has them.
const TABLES: [Table; 3] = [
    Table {
        architecture: bpf::X86_64,
        changes: &[92, 93, 94, 260],
        nodes: &[(133, 1), (259, 2)],
    },
    Table {
        architecture: bpf::AARCH64,
        changes: &[55, 54],
        nodes: &[(33, 2)],
    },
    Table {
        // First the calls with 16-bit ids, then those with 32-bit ids.
        architecture: bpf::I386,
        changes: &[
            182, 95, 16, 23, 46, 70, 71, 81, 164, 170, 138, 139, 212, 207, 198, 298, 213, 214, 203,
            204, 206, 208, 210, 215, 216,
        ],
        nodes: &[(14, 1), (297, 2)],
    },
];

/// Builds the filter. Architectures that it has no table for are let through.
pub(crate) fn filter() -> Vec<libc::sock_filter> {
    let mut program = vec![instruction(LOAD, ARCHITECTURE, 0, 0)];
    for table in &TABLES {
        let block = block(table);
        let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
        program.push(instruction(EQUAL, table.architecture, 0, length));
        program.extend(block);
    }
    program.push(instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    program
}

/// Builds the part for one architecture. Its last instruction pretends, the one before allows.
fn block(table: &Table) -> Vec<libc::sock_filter> {
    const NODE: usize = 6;
    let length = 1 + table.changes.len() + NODE * table.nodes.len() + 2;
    let mut block = vec![instruction(LOAD, NUMBER, 0, 0)];
    // A jump counts from the instruction after it.
    let pretend_from = |at: usize| u8::try_from(length - 1 - (at + 1)).unwrap_or(u8::MAX);
    for &number in table.changes {
        block.push(instruction(EQUAL, number, pretend_from(block.len()), 0));
    }
    for &(number, argument) in table.nodes {
        block.push(instruction(EQUAL, number, 0, 5));
        block.push(instruction(LOAD, bpf::argument(argument), 0, 0));
        block.push(instruction(AND, libc::S_IFMT, 0, 0));
        block.push(instruction(
            EQUAL,
            libc::S_IFCHR,
            pretend_from(block.len()),
            0,
        ));
        block.push(instruction(
            EQUAL,
            libc::S_IFBLK,
            pretend_from(block.len()),
            0,
        ));
        block.push(instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    }
    block.push(instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    // Error number 0 is success.
    block.push(instruction(RETURN, libc::SECCOMP_RET_ERRNO, 0, 0));
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(architecture: u32, number: u32, arguments: [u32; 6]) -> u32 {
        bpf::verdict(&filter(), architecture, number, arguments)
    }

    #[test]
    fn the_filter_pretends_what_it_should_and_allows_the_rest() {
        const PRETEND: u32 = libc::SECCOMP_RET_ERRNO;
        const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
        for table in &TABLES {
            for &number in table.changes {
                assert_eq!(
                    verdict(table.architecture, number, [0; 6]),
                    PRETEND,
                    "{number}"
                );
            }
            for &(number, argument) in table.nodes {
                for (kind, expected) in [
                    (libc::S_IFCHR, PRETEND),
                    (libc::S_IFBLK, PRETEND),
                    (libc::S_IFIFO, ALLOW),
                ] {
                    let mut arguments = [0; 6];
                    arguments[argument as usize] = kind | 0o644;
                    assert_eq!(verdict(table.architecture, number, arguments), expected);
                }
            }
            assert_eq!(verdict(table.architecture, 1, [0; 6]), ALLOW);
            assert_eq!(verdict(table.architecture, 9999, [0; 6]), ALLOW);
        }
        assert_eq!(verdict(0x1234, 92, [0; 6]), ALLOW);
    }
}
