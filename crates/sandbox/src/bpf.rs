//! The instructions that system call filters are made of.

use std::ffi::c_uint;

/// The architectures that filters have tables for, as `AUDIT_ARCH_*` of the kernel's `linux/audit.h`.
pub(crate) const X86_64: c_uint = 0xc000_003e;
pub(crate) const AARCH64: c_uint = 0xc000_00b7;
pub(crate) const I386: c_uint = 0x4000_0003;

/// Offsets in `struct seccomp_data`.
pub(crate) const NUMBER: c_uint = 0;
pub(crate) const ARCHITECTURE: c_uint = 4;
pub(crate) const ARGUMENTS: c_uint = 16;

pub(crate) const LOAD: c_uint = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
pub(crate) const EQUAL: c_uint = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
pub(crate) const AT_LEAST: c_uint = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
pub(crate) const AND: c_uint = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
pub(crate) const RETURN: c_uint = libc::BPF_RET | libc::BPF_K;

/// Makes an instruction. Jumps count from the instruction after it.
pub(crate) fn instruction(code: c_uint, k: c_uint, jt: u8, jf: u8) -> libc::sock_filter {
    #[allow(clippy::cast_possible_truncation)] // operation codes are 16 bits wide
    let code = code as u16;
    libc::sock_filter { code, jt, jf, k }
}

/// Returns a filter that has a tracer look at what this one has a listener look at.
pub(crate) fn for_tracer(program: &[libc::sock_filter]) -> Vec<libc::sock_filter> {
    let convert = |one: &libc::sock_filter| match (c_uint::from(one.code), one.k) {
        (RETURN, libc::SECCOMP_RET_USER_NOTIF) => {
            instruction(RETURN, libc::SECCOMP_RET_TRACE, 0, 0)
        }
        _ => *one,
    };
    program.iter().map(convert).collect()
}

/// Returns where the lower half of an argument is, on machines that store it first.
pub(crate) fn argument(number: c_uint) -> c_uint {
    ARGUMENTS + 8 * number
}

/// Runs a filter as the kernel would.
#[cfg(test)]
pub(crate) fn verdict(
    program: &[libc::sock_filter],
    architecture: u32,
    number: u32,
    arguments: [u32; 6],
) -> u32 {
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
            AT_LEAST => at += usize::from(if accumulator >= k { jt } else { jf }),
            RETURN => return k,
            other => panic!("operation {other}"),
        }
    }
}
