//! Which parts of an object may hold strings.

use std::ops::Range;

use object::Endianness;
use object::elf;
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use super::{Image, string_at};
use crate::elf::Object;

/// Bytes of section names.
const MAX_SECTION_NAMES: u64 = 4 << 20;
/// Section headers; an executable or library has some 40.
const MAX_SECTIONS: u32 = 64 << 10;

/// Starts `.go.buildinfo`, at a multiple of 16 in the first 64 KiB of the data.
const GO_BUILD_INFO: &[u8] = b"\xff Go buildinf:";

/// Sections that are loaded and read-only or data, and whose bytes that look
/// like strings are no strings of the program: unwind tables, pointers, and the
/// names of functions and source files of Go.
const NO_STRINGS: &[&[u8]] = &[
    b".interp",
    b".eh_frame",
    b".eh_frame_hdr",
    b".gcc_except_table",
    b".got",
    b".got.plt",
    b".gopclntab",
    b".gosymtab",
    b".typelink",
    b".itablink",
    b".data.rel.ro.gopclntab",
    b".data.rel.ro.gosymtab",
    b".data.rel.ro.typelink",
    b".data.rel.ro.itablink",
    b".ARM.exidx",
    b".ARM.extab",
];

impl<'d, H: FileHeader<Endian = Endianness>, R: ReadRef<'d>> Image<'d, H, R> {
    pub(super) fn data_ranges(&self, object: &mut Object) {
        let found = self.sections(object).unwrap_or_else(|| {
            object.go |= self.has_go_build_info();
            self.data_segments()
        });
        object.data = merged(found, self.length);
    }

    /// Returns the sections that may hold strings; nothing where sections were stripped.
    fn sections(&self, object: &mut Object) -> Option<Vec<Range<u64>>> {
        let count = self.header.shnum(self.endian, self.data).ok()?;
        (count <= MAX_SECTIONS).then_some(())?;
        let sections = self.header.section_headers(self.endian, self.data).ok()?;
        let index = self.header.shstrndx(self.endian, self.data).ok()?;
        let names = sections.get(index as usize)?;
        let size: u64 = names.sh_size(self.endian).into();
        (size <= MAX_SECTION_NAMES).then_some(())?;
        let names = self
            .data
            .read_bytes_at(names.sh_offset(self.endian).into(), size)
            .ok()?;
        let mut found = Vec::new();
        for section in sections {
            let name = string_at(names, section.sh_name(self.endian).into()).unwrap_or_default();
            object.go |= name == b".go.buildinfo";
            let flags = section.sh_flags(self.endian);
            let holds_strings = section.sh_type(self.endian) == elf::SHT_PROGBITS
                && flags.contains(elf::SHF_ALLOC)
                && !flags.contains(elf::SHF_EXECINSTR)
                && !NO_STRINGS.contains(&name);
            if holds_strings {
                let start: u64 = section.sh_offset(self.endian).into();
                let size: u64 = section.sh_size(self.endian).into();
                found.push(start..start.saturating_add(size));
            }
        }
        // A table that has been wiped, not removed, is no table.
        (!found.is_empty()).then_some(found)
    }

    /// Returns the segments that may hold strings: those without code, and, where
    /// the linker put constants next to the code, those with it.
    fn data_segments(&self) -> Vec<Range<u64>> {
        let loaded = || self.of_type(elf::PT_LOAD);
        let flags = |segment: &H::ProgramHeader| segment.p_flags(self.endian);
        let separate = loaded().any(|segment| {
            !flags(segment).contains(elf::PF_X) && !flags(segment).contains(elf::PF_W)
        });
        loaded()
            .filter(|segment| !separate || !flags(segment).contains(elf::PF_X))
            .map(|segment| {
                let (offset, size) = segment.file_range(self.endian);
                offset..offset.saturating_add(size)
            })
            .collect()
    }

    fn has_go_build_info(&self) -> bool {
        let writable = self
            .of_type(elf::PT_LOAD)
            .find(|segment| segment.p_flags(self.endian).contains(elf::PF_W));
        let start = writable.and_then(|segment| {
            let (offset, size) = segment.file_range(self.endian);
            let left = self.length.checked_sub(offset)?;
            let length = size.min(left).min(64 << 10);
            self.data.read_bytes_at(offset, length).ok()
        });
        start.is_some_and(|bytes| memchr::memmem::find(bytes, GO_BUILD_INFO).is_some())
    }
}

/// Sorts the ranges, joins those that touch, and cuts them off at the end of the file.
fn merged(mut ranges: Vec<Range<u64>>, length: u64) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        let range = range.start..range.end.min(length);
        if range.is_empty() {
            continue;
        }
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
