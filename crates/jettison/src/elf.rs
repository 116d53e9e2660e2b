//! The facts of one ELF object that decide what it needs at run time.
//!
//! Everything comes from the program headers and the dynamic section, as for the
//! kernel and the dynamic loader; section headers, which may be stripped, only
//! make [`strings`] more precise. Objects are read in small blocks, so a large
//! one costs no more than a small one, and every count taken from the file is
//! bounded. Which *file* a needed name leads to is decided in [`crate::loader`].
//!
//! References: elf(5), the System V gABI, "dlopen() Metadata for ELF Files"
//! (systemd.io/ELF_DLOPEN_METADATA).
//!
//! ```
//! let object = jettison::elf::parse(&b"#!/bin/sh\n"[..])?;
//! assert!(object.is_none());
//! # Ok::<(), jettison::elf::Error>(())
//! ```

pub mod cut;
mod dlopen;
mod names;
mod parse;
mod pointers;
mod references;
mod source;
pub mod strings;

use std::io;
use std::ops::Range;

pub use dlopen::{DlopenNote, Priority};
pub use names::Names;
pub use parse::parse;
pub use pointers::pointers;
pub use references::references;
pub(crate) use source::read_range;
pub use source::{ReadAt, TreeFile};

/// The facts of one ELF object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Word size.
    pub class: Class,
    /// Byte order.
    pub endian: Endian,
    /// Processor (`e_machine`); see [`machine`].
    pub machine: u16,
    /// Processor-specific flags (`e_flags`): the ABI on Arm and MIPS.
    pub flags: u32,
    /// What sort of object.
    pub kind: Kind,
    /// A position-independent *program* says so (`DF_1_PIE`); old linkers do not.
    pub declared_pie: bool,
    /// The dynamic loader that the kernel starts for it (`PT_INTERP`).
    pub interpreter: Option<Vec<u8>>,
    /// Libraries loaded with it (`DT_NEEDED`), in order.
    pub needed: Vec<Vec<u8>>,
    /// Libraries whose symbols stand in for its own (`DT_FILTER`, `DT_AUXILIARY`).
    pub filters: Vec<Filter>,
    /// Audit libraries that it asks for (`DT_AUDIT`, `DT_DEPAUDIT`), separated by colons.
    pub audit: Vec<Vec<u8>>,
    /// Its name as a library (`DT_SONAME`).
    pub soname: Option<Vec<u8>>,
    /// Directories searched for what it and what it loads needs (`DT_RPATH`).
    pub rpath: Option<Vec<u8>>,
    /// Directories searched for what it needs itself (`DT_RUNPATH`).
    pub runpath: Option<Vec<u8>>,
    /// The default directories are not searched (`DF_1_NODEFLIB`).
    pub no_default_libraries: bool,
    /// Libraries that it says it opens at run time.
    pub dlopen: Vec<DlopenNote>,
    /// Names of undefined dynamic symbols.
    pub imports: Names,
    /// Those of `imports` that may stay undefined.
    pub weak_imports: Names,
    /// Versions that it requires of libraries (`DT_VERNEED`), in order.
    pub versions: Vec<RequiredVersion>,
    /// Made by the Go linker.
    pub go: bool,
    /// Where strings used by the program are in the file; see [`strings`].
    pub data: Vec<Range<u64>>,
    /// Parts that could not be read, and without which it might still run.
    pub defects: Vec<&'static str>,
}

impl Object {
    /// Returns whether both can be in one process: same class, byte order and machine.
    pub fn fits(&self, other: &Self) -> bool {
        self.class == other.class
            && self.endian == other.endian
            && self.machine == other.machine
            && self.abi() == other.abi()
    }

    /// Returns whether nothing is loaded with it: neither a loader nor a library.
    pub fn is_static(&self) -> bool {
        self.interpreter.is_none() && self.needed.is_empty()
    }

    /// Returns the part of the flags that separates ABIs of one machine.
    fn abi(&self) -> u32 {
        match self.machine {
            // EF_MIPS_ABI2: n32, which shares class and machine with o32.
            machine::MIPS => self.flags & 0x20,
            _ => 0,
        }
    }
}

/// Word size of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 32 bits.
    Bits32,
    /// 64 bits.
    Bits64,
}

/// Byte order of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// What sort of object (`e_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A program at a fixed address.
    Executable,
    /// A library, or a position-independent program.
    SharedObject,
    /// Input of a linker, or a kernel module.
    Relocatable,
    /// The memory of a process that died.
    Core,
    /// Anything else.
    Other(u16),
}

/// A library whose symbols stand in for an object's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The library.
    pub name: Vec<u8>,
    /// Whether the object may run without it (`DT_AUXILIARY`).
    pub optional: bool,
}

/// A version of a library's interface that an object requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredVersion {
    /// The library, as in [`Object::needed`].
    pub library: Vec<u8>,
    /// For instance `GLIBC_2.34`.
    pub version: Vec<u8>,
}

/// Values of [`Object::machine`] that this program has something to say about.
pub mod machine {
    /// Intel 80386.
    pub const X86: u16 = 3;
    /// MIPS.
    pub const MIPS: u16 = 8;
    /// PowerPC, 32 bits.
    pub const POWERPC: u16 = 20;
    /// PowerPC, 64 bits.
    pub const POWERPC64: u16 = 21;
    /// IBM S/390.
    pub const S390: u16 = 22;
    /// Arm, 32 bits.
    pub const ARM: u16 = 40;
    /// AMD x86-64.
    pub const X86_64: u16 = 62;
    /// Arm, 64 bits.
    pub const AARCH64: u16 = 183;
    /// RISC-V.
    pub const RISCV: u16 = 243;
    /// LoongArch.
    pub const LOONGARCH: u16 = 258;

    /// Returns the machine of an architecture of images (image-spec, "Platform Variants"); zero, which is none, for others.
    pub fn of(architecture: &str) -> u16 {
        match architecture {
            "386" => X86,
            "amd64" => X86_64,
            "arm" => ARM,
            "arm64" => AARCH64,
            "loong64" => LOONGARCH,
            "mips" | "mipsle" | "mips64" | "mips64le" => MIPS,
            "ppc64" | "ppc64le" => POWERPC64,
            "riscv64" => RISCV,
            "s390x" => S390,
            _ => 0,
        }
    }
}

/// Why an ELF object could not be read. The caller knows its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes could not be had.
    #[error("cannot read the ELF object at byte {offset}")]
    Read {
        /// Position in the object.
        offset: u64,
        /// What the source said.
        source: io::Error,
    },
    /// A part that the loader needs lies outside of the file or is not what it says.
    #[error("the ELF object is malformed: {what}")]
    Malformed {
        /// Which part, and how.
        what: &'static str,
    },
    /// A count past what any real object has.
    #[error("the ELF object claims {value} {what}, the limit is {limit}")]
    LimitExceeded {
        /// What was counted.
        what: &'static str,
        /// The count in the file.
        value: u64,
        /// The limit in force.
        limit: u64,
    },
}
