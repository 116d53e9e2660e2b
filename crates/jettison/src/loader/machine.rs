//! Names that depend on the processor: directories, loaders, `$PLATFORM`.

use crate::elf::{Class, Endian, Object, machine};

/// Arm's EF_ARM_ABI_FLOAT_HARD.
const ARM_HARD_FLOAT: u32 = 0x400;

/// What distributions and C libraries call one processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    /// Directory of Debian's multiarch below `/lib` and `/usr/lib`.
    pub(super) triplet: &'static str,
    /// As in `ld-musl-<arch>.so.1`.
    pub(super) musl: &'static str,
    /// Loaders of glibc.
    pub(super) glibc: &'static [&'static str],
    /// Values of `$PLATFORM`; which one depends on the host.
    pub(super) platforms: &'static [&'static str],
}

/// Returns the names for the processor of an object.
pub(super) fn of(object: &Object) -> Option<Machine> {
    let wide = object.class == Class::Bits64;
    let little = object.endian == Endian::Little;
    let (triplet, musl, glibc, platforms): (_, _, &[&str], &[&str]) = match object.machine {
        machine::X86_64 if wide => (
            "x86_64-linux-gnu",
            "x86_64",
            &["/lib64/ld-linux-x86-64.so.2"],
            &["x86_64", "haswell", "xeon_phi"],
        ),
        machine::X86_64 => (
            "x86_64-linux-gnux32",
            "x32",
            &["/libx32/ld-linux-x32.so.2"],
            &["x86_64", "haswell"],
        ),
        machine::X86 => (
            "i386-linux-gnu",
            "i386",
            &["/lib/ld-linux.so.2"],
            &["i686", "i586", "i486", "i386"],
        ),
        machine::AARCH64 if little => (
            "aarch64-linux-gnu",
            "aarch64",
            &["/lib/ld-linux-aarch64.so.1"],
            &["aarch64"],
        ),
        machine::ARM if object.flags & ARM_HARD_FLOAT != 0 => (
            "arm-linux-gnueabihf",
            "armhf",
            &["/lib/ld-linux-armhf.so.3"],
            &["v7l", "v8l", "v6l"],
        ),
        machine::ARM => (
            "arm-linux-gnueabi",
            "arm",
            &["/lib/ld-linux.so.3"],
            &["v7l", "v6l", "v5tel"],
        ),
        machine::RISCV if wide => (
            "riscv64-linux-gnu",
            "riscv64",
            &["/lib/ld-linux-riscv64-lp64d.so.1"],
            &[],
        ),
        machine::POWERPC64 if little => (
            "powerpc64le-linux-gnu",
            "powerpc64le",
            &["/lib64/ld64.so.2"],
            &["power8", "power9", "power10", "power11"],
        ),
        machine::POWERPC64 => (
            "powerpc64-linux-gnu",
            "powerpc64",
            &["/lib64/ld64.so.1"],
            &["power8", "power9"],
        ),
        machine::S390 if wide => (
            "s390x-linux-gnu",
            "s390x",
            &["/lib/ld64.so.1", "/lib64/ld64.so.1"],
            &["z900", "z990", "z10", "z13", "z14", "z15", "z16"],
        ),
        machine::LOONGARCH if wide => (
            "loongarch64-linux-gnu",
            "loongarch64",
            &["/lib64/ld-linux-loongarch-lp64d.so.1"],
            &["loongarch64"],
        ),
        machine::MIPS if wide && little => (
            "mips64el-linux-gnuabi64",
            "mips64el",
            &["/lib64/ld.so.1", "/lib64/ld-linux-mipsn8.so.1"],
            &[],
        ),
        _ => return None,
    };
    Some(Machine {
        triplet,
        musl,
        glibc,
        platforms,
    })
}
