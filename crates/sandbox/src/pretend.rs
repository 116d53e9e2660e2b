//! The system call filter for containers with a single id: changes of owner and identity succeed without
//! happening.
//!
//! In such a container every id but one is unmapped, and `chown` or `setuid` to another fails with
//! EINVAL. Entry points do both before they start the program proper. The filter answers those calls
//! itself, with success. What it cannot do: `getuid` still tells the truth, a `chown` of a missing file
//! succeeds too, and a device that `mknod` made is not there. Programs that check will notice.

use std::ffi::c_uint;

/// The calls of one architecture.
struct Table {
    /// `AUDIT_ARCH_*` of the kernel's `linux/audit.h`.
    architecture: c_uint,
    /// Calls that change an owner or an identity.
    changes: &'static [c_uint],
    /// Calls that make a node, and which argument has its kind.
    nodes: &'static [(c_uint, c_uint)],
}

/// Numbers from the kernel's `syscall_64.tbl`, `syscall_32.tbl` and `asm-generic/unistd.h`. In order:
/// chown, fchown, lchown, fchownat, setuid, setgid, setreuid, setregid, setgroups, setresuid,
/// setresgid, setfsuid, setfsgid, as far as the architecture has them.
const TABLES: [Table; 3] = [
    Table {
        architecture: 0xc000_003e, // x86_64
        changes: &[92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123],
        nodes: &[(133, 1), (259, 2)],
    },
    Table {
        architecture: 0xc000_00b7, // aarch64
        changes: &[55, 54, 146, 144, 145, 143, 159, 147, 149, 151, 152],
        nodes: &[(33, 2)],
    },
    Table {
        architecture: 0x4000_0003, // i386: first the calls with 16-bit ids, then those with 32-bit ids
        changes: &[
            182, 95, 16, 23, 46, 70, 71, 81, 164, 170, 138, 139, 212, 207, 198, 298, 213, 214, 203,
            204, 206, 208, 210, 215, 216,
        ],
        nodes: &[(14, 1), (297, 2)],
    },
];

/// Offsets in `struct seccomp_data`.
const NUMBER: c_uint = 0;
const ARCHITECTURE: c_uint = 4;
const ARGUMENTS: c_uint = 16;

const LOAD: c_uint = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: c_uint = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AND: c_uint = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: c_uint = libc::BPF_RET | libc::BPF_K;

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
        // The lower half of a 64-bit argument, on machines that store it first.
        block.push(instruction(LOAD, ARGUMENTS + 8 * argument, 0, 0));
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

fn instruction(code: c_uint, k: c_uint, jt: u8, jf: u8) -> libc::sock_filter {
    #[allow(clippy::cast_possible_truncation)] // operation codes are 16 bits wide
    let code = code as u16;
    libc::sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would.
    fn verdict(architecture: u32, number: u32, arguments: [u32; 3]) -> u32 {
        let program = filter();
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let libc::sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            match c_uint::from(code) {
                LOAD if k == NUMBER => accumulator = number,
                LOAD if k == ARCHITECTURE => accumulator = architecture,
                LOAD => accumulator = arguments[(k - ARGUMENTS) as usize / 8],
                AND => accumulator &= k,
                EQUAL => at += usize::from(if accumulator == k { jt } else { jf }),
                RETURN => return k,
                other => panic!("operation {other}"),
            }
        }
    }

    #[test]
    fn the_filter_pretends_what_it_should_and_allows_the_rest() {
        const PRETEND: u32 = libc::SECCOMP_RET_ERRNO;
        const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
        for table in &TABLES {
            for &number in table.changes {
                assert_eq!(
                    verdict(table.architecture, number, [0; 3]),
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
                    let mut arguments = [0; 3];
                    arguments[argument as usize] = kind | 0o644;
                    assert_eq!(verdict(table.architecture, number, arguments), expected);
                }
            }
            assert_eq!(verdict(table.architecture, 1, [0; 3]), ALLOW);
            assert_eq!(verdict(table.architecture, 9999, [0; 3]), ALLOW);
        }
        assert_eq!(verdict(0x1234, 92, [0; 3]), ALLOW);
    }
}
