//! Debugging symbols inside of programs and libraries: sections that are never loaded.

use std::io;

use image::FileSystem;
use layer::{Content, NodeId};
use rayon::prelude::*;

use super::cause::Cause;
use super::find::Find;

/// Section headers of one file that are looked at.
const MOST_SECTIONS: usize = 10_000;
/// `SHT_SYMTAB` (gabi, "Section Header"): the symbols that linkers need and loaders do not.
const SYMTAB: u32 = 2;
/// `SHT_NOBITS`: occupies no bytes of the file.
const NOBITS: u32 = 8;
/// `SHF_ALLOC`: the section is loaded.
const ALLOC: u64 = 2;

/// Returns the files among `nodes` that have such sections, and their bytes:
/// what `strip` would save but for headers.
pub(super) fn find(files: &FileSystem, nodes: &[NodeId]) -> io::Result<Vec<Find>> {
    let tree = &files.tree;
    let found: Vec<Option<Find>> = nodes
        .par_iter()
        .map(|&node| {
            let name = tree.name(node);
            let loadable = tree.mode(node) & 0o111 != 0
                || memchr::memmem::find(name, b".so").is_some()
                || name.ends_with(b".node");
            let Some(content) = tree.content(node).filter(|_| loadable) else {
                return Ok(None);
            };
            let bytes = debug_bytes(files, content)?;
            Ok((bytes > 0).then_some(Find {
                node,
                bytes,
                cause: Cause::DebugSymbols,
                by: None,
                other: None,
            }))
        })
        .collect::<io::Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Bytes of the sections of an ELF file that `strip` removes; 0 for other files.
fn debug_bytes(files: &FileSystem, content: &Content) -> io::Result<u64> {
    let read = |at: u64, length: usize| -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; length];
        let read = files.contents.read_at(content, &mut buffer, at)?;
        buffer.truncate(read);
        Ok(buffer)
    };
    let header = read(0, 64)?;
    let Some(elf) = Elf::parse(&header) else {
        return Ok(0);
    };
    let table = read(elf.offset, elf.entry * elf.count)?;
    let sections: Vec<Section> = table
        .chunks_exact(elf.entry)
        .filter_map(|bytes| elf.section(bytes))
        .collect();
    let Some(names) = sections.get(elf.names) else {
        return Ok(0);
    };
    let strings = read(names.offset, names.size.min(1 << 20) as usize)?;
    let name = |section: &Section| -> Vec<u8> {
        let rest = strings.get(section.name..).unwrap_or_default();
        rest.split(|b| *b == 0).next().unwrap_or_default().to_vec()
    };
    let mut bytes = 0_u64;
    for section in &sections {
        let unloaded = section.flags & ALLOC == 0 && section.kind != NOBITS;
        if !unloaded {
            continue;
        }
        let name = name(section);
        let debug = name.starts_with(b".debug_") || name.starts_with(b".zdebug_");
        if debug || section.kind == SYMTAB || name == b".strtab" {
            bytes = bytes.saturating_add(section.size);
        }
    }
    // A header may say anything.
    Ok(if bytes < content.size { bytes } else { 0 })
}

/// Where the section headers of a file are, and how its numbers are written.
struct Elf {
    wide: bool,
    big: bool,
    offset: u64,
    entry: usize,
    count: usize,
    names: usize,
}

struct Section {
    name: usize,
    kind: u32,
    flags: u64,
    offset: u64,
    size: u64,
}

impl Elf {
    fn parse(header: &[u8]) -> Option<Self> {
        if !header.starts_with(b"\x7fELF") {
            return None;
        }
        let (wide, big) = (*header.get(4)? == 2, *header.get(5)? == 2);
        let mut elf = Self {
            wide,
            big,
            offset: 0,
            entry: 0,
            count: 0,
            names: 0,
        };
        let at = if wide { 0x3a } else { 0x2e };
        elf.offset = if wide {
            elf.number(header, 0x28, 8)?
        } else {
            elf.number(header, 0x20, 4)?
        };
        elf.entry = elf.number(header, at, 2)? as usize;
        elf.count = (elf.number(header, at + 2, 2)? as usize).min(MOST_SECTIONS);
        elf.names = elf.number(header, at + 4, 2)? as usize;
        (elf.entry == if wide { 64 } else { 40 }).then_some(elf)
    }

    fn number(&self, bytes: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = bytes.get(at..at + length)?;
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        })
    }

    fn section(&self, bytes: &[u8]) -> Option<Section> {
        let places: [(usize, usize); 3] = if self.wide {
            [(8, 8), (24, 8), (32, 8)]
        } else {
            [(8, 4), (16, 4), (20, 4)]
        };
        let [flags, offset, size] = places.map(|(at, length)| self.number(bytes, at, length));
        Some(Section {
            name: self.number(bytes, 0, 4)? as usize,
            kind: self.number(bytes, 4, 4)? as u32,
            flags: flags?,
            offset: offset?,
            size: size?,
        })
    }
}
