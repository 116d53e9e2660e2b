//! Names and numbers of system calls.
//!
//! From the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`.

use std::collections::BTreeMap;

use super::Machine;

/// Above every number that a kernel knows; what is larger is no system call.
pub(super) const LIMIT: u64 = 512;

/// Returns the names of a machine's system calls by number.
pub(super) fn names(machine: Machine) -> BTreeMap<u64, &'static str> {
    let table = match machine {
        Machine::X86_64 => include_str!("x86_64.txt"),
        Machine::Aarch64 => include_str!("aarch64.txt"),
    };
    let row = |line: &'static str| {
        let (number, name) = line.split_once(' ')?;
        Some((number.parse().ok()?, name))
    };
    table.lines().filter_map(row).collect()
}
