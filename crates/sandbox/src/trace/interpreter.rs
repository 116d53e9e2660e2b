//! The interpreter that an executable names: after `#!`, or as an ELF file's dynamic loader.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// How much of a script's first line the kernel reads (`BINPRM_BUF_SIZE`).
const FIRST_LINE: usize = 256;
/// Type of the program header that names a loader (`PT_INTERP`).
const INTERPRETER: u64 = 3;

/// Reads which interpreter a file names.
pub(super) fn named_by(file: &OwnedFd) -> Option<Vec<u8>> {
    let file = File::from(file.try_clone().ok()?);
    let mut start = [0; FIRST_LINE];
    let length = file.read_at(&mut start, 0).ok()?;
    let start = start.get(..length)?;
    if let Some(line) = start.strip_prefix(b"#!") {
        return of_script(line);
    }
    if start.starts_with(b"\x7fELF") {
        return of_elf(&file, start);
    }
    None
}

/// Returns the first word of a line.
fn of_script(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.split(|&byte| byte == b'\n').next()?;
    let mut words = line.split(|&byte| matches!(byte, b' ' | b'\t' | 0));
    words.find(|word| !word.is_empty()).map(<[u8]>::to_vec)
}

/// Reads the loader from the program headers of an ELF file for a little-endian machine.
fn of_elf(file: &File, header: &[u8]) -> Option<Vec<u8>> {
    let wide = *header.get(4)? == 2;
    let word = |bytes: &[u8], at: usize, size: usize| {
        let bytes = bytes.get(at..at + size)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_u64, |value, &byte| value << 8 | u64::from(byte)),
        )
    };
    // `e_phoff`, `e_phentsize` and `e_phnum`; `p_offset` and `p_filesz`.
    let (table, size, count) = if wide {
        (
            word(header, 32, 8)?,
            word(header, 54, 2)?,
            word(header, 56, 2)?,
        )
    } else {
        (
            word(header, 28, 4)?,
            word(header, 42, 2)?,
            word(header, 44, 2)?,
        )
    };
    for number in 0..count {
        let mut entry = [0; 56];
        let read = file
            .read_at(&mut entry, table.checked_add(number * size)?)
            .ok()?;
        let entry = entry.get(..read)?;
        if word(entry, 0, 4)? == INTERPRETER {
            let (offset, length) = if wide {
                (word(entry, 8, 8)?, word(entry, 32, 8)?)
            } else {
                (word(entry, 4, 4)?, word(entry, 16, 4)?)
            };
            let length = usize::try_from(length).ok()?.min(libc::PATH_MAX as usize);
            let mut path = vec![0; length];
            file.read_exact_at(&mut path, offset).ok()?;
            let end = path.iter().position(|&byte| byte == 0)?;
            path.truncate(end);
            return (!path.is_empty()).then_some(path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_of_a_script_is_its_first_word() {
        let cases: [(&[u8], Option<&[u8]>); 5] = [
            (b"/bin/sh\necho", Some(b"/bin/sh")),
            (b" \t/usr/bin/env python3\n", Some(b"/usr/bin/env")),
            (b"/bin/sh", Some(b"/bin/sh")),
            (b"\n/bin/sh", None),
            (b"", None),
        ];
        for (line, expected) in cases {
            assert_eq!(of_script(line).as_deref(), expected);
        }
    }

    #[test]
    fn the_loader_of_this_program_is_found() {
        let file = File::open("/proc/self/exe").unwrap();
        let found = named_by(&OwnedFd::from(file));
        // None if it is linked statically.
        assert!(found.is_none_or(|path| path.starts_with(b"/lib")));
    }
}
