//! A seccomp profile for a slim image: the system calls that its programs can make.
//!
//! Found by reading the machine code of every program and library that stays:
//!
//! - of an object in general, every system call that stands in it (`whole`);
//! - of a C library, those that can be reached from the functions that the other
//!   objects import, or name in strings if they look names up (`library`);
//! - what the container's runtime needs before the program starts (`default`).
//!
//! The result is Docker's default profile with the other calls left out: what that
//! forbids stays forbidden, and its conditions on arguments and capabilities stay.
//! Where numbers cannot be read off (Go's run time, 32-bit programs, `syscall(3)`
//! with a computed number), all that the default allows is allowed, and
//! [`Profile::unread`] says why.
//!
//! Not seen: code made at run time that makes system calls itself, and functions of
//! the C library that a script calls through a foreign function interface under a
//! name that no program has. `docs/seccomp.md` says what that means.

mod aarch64;
mod binary;
mod default;
mod document;
mod function;
mod library;
mod numbers;
mod state;
mod whole;
mod x86_64;

use std::collections::{BTreeSet, HashSet};

use image::FileSystem;
use layer::NodeId;

use crate::elf::{self, Class, TreeFile};
use binary::Binary;
use library::Library;

/// Largest object that is read.
const MAX_OBJECT: u64 = 1 << 30;

/// A machine whose code is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    X86_64,
    Aarch64,
}

/// What can go wrong with making a profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image is for another machine.
    #[error("seccomp profiles are made for amd64 and arm64, and the image is for {0}")]
    Machine(String),
    /// A file of the image cannot be read.
    #[error("cannot read `{path}` of the image")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

/// A seccomp profile.
#[derive(Debug)]
pub struct Profile {
    machine: Machine,
    /// Names of the calls that programs and runtime make, whether the default allows them or not.
    wanted: BTreeSet<&'static str>,
    /// Objects with numbers that could not be read off, and why; if there are any, all that
    /// Docker's default allows is allowed.
    pub unread: Vec<(NodeId, &'static str)>,
    /// Programs and libraries that were read.
    pub objects: usize,
    has_32_bits: bool,
}

/// Reads the code of the files for which `keep` answers yes.
///
/// # Errors
/// When the image is for another machine, or a file cannot be read.
pub fn profile(
    files: &FileSystem,
    architecture: &str,
    keep: impl Fn(NodeId) -> bool,
) -> Result<Profile, Error> {
    let machine = match architecture {
        "amd64" => Machine::X86_64,
        "arm64" => Machine::Aarch64,
        other => return Err(Error::Machine(other.to_owned())),
    };
    let tree = &files.tree;
    let mut reading = Reading::new(machine);
    let mut seen = HashSet::new();
    for node in tree.walk(tree.root()).filter(|node| keep(*node)) {
        let Some(content) = tree.content(node) else {
            continue;
        };
        if content.size < 64 || !seen.insert(tree.inode(node)) {
            continue;
        }
        let read = |limit| {
            files
                .contents
                .read(content, limit)
                .map_err(|source| Error::Read {
                    path: layer::display(&tree.absolute(node)).into_owned(),
                    source,
                })
        };
        if read(4)? != b"\x7fELF" {
            continue;
        }
        let contents = &files.contents;
        let object = elf::parse(TreeFile { contents, content });
        let Ok(Some(object)) = object else { continue };
        if matches!(object.kind, elf::Kind::Relocatable | elf::Kind::Core) {
            continue;
        }
        if content.size > MAX_OBJECT {
            reading.unread.push((node, "it is too large to be read"));
            continue;
        }
        reading.add(node, &object, &read(MAX_OBJECT)?);
    }
    Ok(reading.finish())
}

/// A profile being made.
struct Reading {
    machine: Machine,
    numbers: BTreeSet<u64>,
    unread: Vec<(NodeId, &'static str)>,
    objects: usize,
    has_32_bits: bool,
    libraries: Vec<Library>,
    imports: HashSet<Vec<u8>>,
    /// Strings of objects that look names up.
    names: HashSet<Vec<u8>>,
}

impl Reading {
    fn new(machine: Machine) -> Self {
        Self {
            machine,
            numbers: BTreeSet::new(),
            unread: Vec::new(),
            objects: 0,
            has_32_bits: false,
            libraries: Vec::new(),
            imports: HashSet::new(),
            names: HashSet::new(),
        }
    }

    fn add(&mut self, node: NodeId, object: &elf::Object, bytes: &[u8]) {
        let ours = match self.machine {
            Machine::X86_64 => elf::machine::X86_64,
            Machine::Aarch64 => elf::machine::AARCH64,
        };
        let small = [elf::machine::X86, elf::machine::ARM];
        if small.contains(&object.machine)
            || object.machine == ours && object.class == Class::Bits32
        {
            self.has_32_bits = true;
            self.unread.push((node, "it is a 32-bit program"));
            return;
        }
        let Some(binary) = Binary::read(bytes).filter(|binary| binary.machine == self.machine)
        else {
            return; // for another machine: it is not run
        };
        self.objects += 1;
        self.imports.extend(binary.imports.iter().cloned());
        let is_library = Library::is_one(&binary);
        let mut by_name = ["dlsym", "dlvsym"].iter();
        let looks_up = by_name.any(|name| object.imports.contains(name.as_bytes()));
        // The loader calls functions of the C library by name.
        let is_loader =
            object.interpreter.is_none() && object.needed.is_empty() && object.soname.is_some();
        // The C library has the names of all of its own.
        if (looks_up || is_loader) && !is_library {
            let words = bytes.split(|b| *b == 0);
            let words = words.filter(|word| (2..64).contains(&word.len()));
            self.names.extend(words.map(<[u8]>::to_vec));
        }
        if object.go {
            self.unread
                .push((node, "Go's run time computes the numbers of system calls"));
            return;
        }
        if is_library {
            // A C library may be the loader, too.
            let entries: Vec<u64> = binary.entry.into_iter().collect();
            self.libraries.push(Library::read(binary, &entries));
            return;
        }
        let found = whole::whole(&binary);
        self.numbers.extend(found.numbers);
        if !found.unread.is_empty() {
            tracing::info!(functions = ?found.unread, "numbers of system calls that cannot be read off");
            self.unread
                .push((node, "it computes the number of a system call"));
        }
    }

    fn finish(mut self) -> Profile {
        for library in &self.libraries {
            let names = self.imports.iter().chain(&self.names).map(Vec::as_slice);
            let names = names.filter(|name| library.has(name) && *name != whole::SYSCALL);
            let found = library.reach(names);
            tracing::info!(functions = ?found.unread, "of a C library not read off");
            self.numbers.extend(found.numbers);
        }
        let names = numbers::names(self.machine);
        let wanted = self
            .numbers
            .iter()
            .filter_map(|number| names.get(number).copied());
        Profile {
            machine: self.machine,
            wanted: wanted.chain(default::RUNTIME.split_whitespace()).collect(),
            unread: self.unread,
            objects: self.objects,
            has_32_bits: self.has_32_bits,
        }
    }
}
