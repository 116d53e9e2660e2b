//! Parts taken out of an object, without anything that is loaded moving in memory.
//!
//! Addresses are relative to each other, offsets in the file are not: what a loader maps is found through the program
//! headers alone (elf(5)), and those can be changed. So a part can go that no segment maps, and one at the end of a
//! segment, which is mapped shorter then. What follows moves down by as much as its alignment allows: of a segment's
//! offset and address the remainders by `p_align` have to be the same.
//!
//! Only 64-bit objects of little endian are cut, and of those only what consists of nothing but well-known parts: an archive
//! that a program looks for at the end of its own file, or in a section of its own, has to stay where it is.

mod moved;

use std::io::{self, Read};
use std::ops::Range;

use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64, SectionType};
use object::pod::{Pod, bytes_of, bytes_of_slice, from_bytes, slice_from_all_bytes};

use self::moved::Moved;
use super::ReadAt;
use super::source::read_range;

const LE: LittleEndian = LittleEndian;
/// Headers of one kind in one object; the largest seen are some 100.
const MAX_HEADERS: u64 = 4096;
/// Bytes of the names of sections.
const MAX_NAMES: u64 = 1 << 20;
/// Bytes after the last part that are no part: padding.
const PADDING: u64 = 16;
/// The alignment of pages on some machine: what asks for more is no object of a usual linker.
const MAX_ALIGN: u64 = 2 << 20;

/// Sections that are not loaded and that no program looks for in its own file. (`.debug_*` apart.)
const UNLOADED: &[&[u8]] = &[
    b".comment",
    b".gnu_debugaltlink",
    b".gnu_debugdata",
    b".gnu_debuglink",
    b".gnu.build.attributes",
    b".shstrtab",
    b".strtab",
    b".symtab",
];

/// The parts of an object that can be cut.
#[derive(Debug, Clone)]
pub struct Layout {
    header: FileHeader64<LittleEndian>,
    segments: Vec<ProgramHeader64<LittleEndian>>,
    sections: Vec<SectionHeader64<LittleEndian>>,
    names: Vec<u8>,
    size: u64,
}

/// A section as its header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    /// Number in the table.
    pub index: usize,
    /// Its name.
    pub name: &'a [u8],
    /// Whether it is loaded.
    pub is_loaded: bool,
    /// Where in the file it is; nothing for one without bytes.
    pub file: Range<u64>,
    /// Where in memory it is.
    pub address: u64,
    /// What it holds (`sh_type`).
    pub kind: SectionType,
    /// The section that it refers to (`sh_link`).
    pub link: usize,
}

/// A change of an object.
#[derive(Debug, Clone)]
pub struct Edit {
    /// What is replaced.
    pub range: Range<u64>,
    /// By what: not longer than what was there.
    pub with: Vec<Piece>,
}

/// Some bytes of an object that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As they are there in the one it is made from.
    Old(Range<u64>),
    /// Others.
    New(Vec<u8>),
}

impl Piece {
    /// Returns how many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Self::Old(range) => range.end - range.start,
            Self::New(bytes) => bytes.len() as u64,
        }
    }
}

/// An object without some of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    pieces: Vec<Piece>,
}

impl Cut {
    /// Returns how many bytes it has.
    pub fn size(&self) -> u64 {
        self.pieces.iter().map(Piece::length).sum()
    }

    /// Returns its bytes; `source` is the object that it was made from.
    pub fn reader<S: ReadAt>(&self, source: S) -> impl Read {
        Reader {
            source,
            pieces: self.pieces.clone().into_iter(),
            piece: Piece::New(Vec::new()),
            done: 0,
        }
    }
}

struct Reader<S> {
    source: S,
    pieces: std::vec::IntoIter<Piece>,
    piece: Piece,
    done: u64,
}

impl<S: ReadAt> Read for Reader<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.done == self.piece.length() {
            let Some(next) = self.pieces.next() else {
                return Ok(0);
            };
            (self.piece, self.done) = (next, 0);
        }
        let left = self.piece.length() - self.done;
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match &self.piece {
            Piece::New(bytes) => {
                buffer[..want].copy_from_slice(&bytes[self.done as usize..][..want]);
                self.done += want as u64;
                Ok(want)
            }
            Piece::Old(range) => {
                let read = self
                    .source
                    .read_at(&mut buffer[..want], range.start + self.done)?;
                if read == 0 && want > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.done += read as u64;
                Ok(read)
            }
        }
    }
}

impl Layout {
    /// Reads the headers of an object; nothing of one that cannot be cut, whatever the reason.
    ///
    /// # Errors
    /// When the source fails.
    pub fn read<S: ReadAt>(source: S) -> io::Result<Option<Self>> {
        let size = source.size();
        let header = read_table::<_, FileHeader64<LittleEndian>>(&source, 0, 1)?;
        let Some(header) = header.and_then(|table| table.first().copied()) else {
            return Ok(None);
        };
        let ident = &header.e_ident;
        let kind = header.e_type.get(LE);
        if ident.magic != elf::ELFMAG
            || ident.class != elf::ELFCLASS64
            || ident.data != elf::ELFDATA2LSB
            || ![elf::ET_DYN, elf::ET_EXEC].contains(&kind)
            || usize::from(header.e_phentsize.get(LE)) != size_of::<ProgramHeader64<LittleEndian>>()
            || usize::from(header.e_shentsize.get(LE)) != size_of::<SectionHeader64<LittleEndian>>()
        {
            return Ok(None);
        }
        let (at, count) = (header.e_phoff.get(LE), header.e_phnum.get(LE));
        let segments = read_table(&source, at, count.into())?;
        let (at, count) = (header.e_shoff.get(LE), header.e_shnum.get(LE));
        let sections: Option<Vec<SectionHeader64<LittleEndian>>> =
            read_table(&source, at, count.into())?;
        let (Some(segments), Some(sections)) = (segments, sections) else {
            return Ok(None);
        };
        let Some(table) = sections.get(usize::from(header.e_shstrndx.get(LE).0)) else {
            return Ok(None);
        };
        let (at, length) = (table.sh_offset.get(LE), table.sh_size.get(LE));
        let names = match length {
            ..=MAX_NAMES => read_table::<_, u8>(&source, at, length)?,
            _ => None,
        };
        let layout = names.map(|names| Self {
            header,
            segments,
            sections,
            names,
            size,
        });
        Ok(layout.filter(Self::is_plain))
    }

    /// Returns its sections.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        self.sections.iter().enumerate().map(|(index, section)| {
            let from = section.sh_name.get(LE) as usize;
            let name = self.names.get(from..).unwrap_or_default();
            let start = section.sh_offset.get(LE);
            let length = match section.sh_type.get(LE) {
                elf::SHT_NOBITS | elf::SHT_NULL => 0,
                _ => section.sh_size.get(LE),
            };
            Section {
                index,
                name: name.split(|byte| *byte == 0).next().unwrap_or_default(),
                is_loaded: is_loaded(section),
                file: start..start.saturating_add(length),
                address: section.sh_addr.get(LE),
                kind: section.sh_type.get(LE),
                link: section.sh_link.get(LE) as usize,
            }
        })
    }

    /// Returns the range of the file that the segment ends with which has this byte, from there on.
    pub fn rest_of_segment(&self, at: u64) -> Option<Range<u64>> {
        let segments = self.loaded().map(file_of);
        let segment = segments.into_iter().find(|segment| segment.contains(&at))?;
        Some(at..segment.end)
    }

    /// Returns the object with some changes made; nothing where they cannot be. A section goes if all its bytes do.
    pub fn cut(&self, mut edits: Vec<Edit>) -> Option<Cut> {
        edits.sort_by_key(|edit| edit.range.start);
        let shrinks = |edit: &&Edit| edit.shrinks_by() > 0;
        let moved = Moved::new(self, edits.iter().filter(shrinks).cloned().collect())?;
        let (mut header, mut segments, mut sections) =
            (self.header, self.segments.clone(), self.sections.clone());
        header.e_phoff.set(LE, moved.at(header.e_phoff.get(LE))?);
        header.e_shoff.set(LE, moved.at(header.e_shoff.get(LE))?);
        for segment in &mut segments {
            let file = file_of(segment);
            let lost = moved.lost_within(&file);
            if lost > 0 {
                let ends_there = moved.edits.iter().all(|edit| {
                    edit.range.end <= file.start
                        || edit.range.start >= file.end
                        || edit.range.start >= file.start && edit.range.end == file.end
                });
                let same = segment.p_filesz.get(LE) == segment.p_memsz.get(LE);
                if !ends_there || !same || segment.p_type.get(LE) != elf::PT_LOAD {
                    return None;
                }
                let left = segment.p_filesz.get(LE) - lost;
                segment.p_filesz.set(LE, left);
                segment.p_memsz.set(LE, left);
            }
            if !file.is_empty() {
                segment.p_offset.set(LE, moved.at(file.start)?);
            }
        }
        for (section, described) in sections.iter_mut().zip(self.sections()) {
            let file = described.file;
            let lost = moved.lost_within(&file);
            if !file.is_empty() && moved.is_gone(&file) {
                *section = *from_bytes(&[0; size_of::<SectionHeader64<LittleEndian>>()])
                    .ok()?
                    .0;
                continue;
            }
            if section.sh_type.get(LE) != elf::SHT_NULL {
                section.sh_size.set(LE, section.sh_size.get(LE) - lost);
                let at = section.sh_offset.get(LE).min(self.size);
                section.sh_offset.set(LE, moved.at(at)?);
            }
        }
        edits.extend([
            Edit::same(0, bytes_of(&header)),
            Edit::same(self.header.e_phoff.get(LE), bytes_of_slice(&segments)),
            Edit::same(self.header.e_shoff.get(LE), bytes_of_slice(&sections)),
        ]);
        edits.sort_by_key(|edit| edit.range.start);
        moved.assemble(&edits)
    }

    fn loaded(&self) -> impl Iterator<Item = &ProgramHeader64<LittleEndian>> {
        let segments = self.segments.iter();
        segments.filter(|segment| segment.p_type.get(LE) == elf::PT_LOAD)
    }

    /// Returns whether all parts lie in the file, and nothing but well-known ones are there.
    fn is_plain(&self) -> bool {
        let table = |at: u64, count: usize, each: usize| at..at + (count * each) as u64;
        let mut parts = vec![
            table(
                self.header.e_phoff.get(LE),
                self.segments.len(),
                size_of::<ProgramHeader64<LittleEndian>>(),
            ),
            table(
                self.header.e_shoff.get(LE),
                self.sections.len(),
                size_of::<SectionHeader64<LittleEndian>>(),
            ),
        ];
        parts.extend(self.segments.iter().map(file_of));
        for section in self.sections() {
            let known = section.is_loaded
                || section.kind == elf::SHT_NULL
                || UNLOADED.contains(&section.name)
                || is_debug(section.name)
                || section.name.starts_with(b".note")
                || section.name.starts_with(b".annobin");
            if !known {
                return false;
            }
            parts.push(section.file);
        }
        let end = parts.iter().map(|part| part.end).max().unwrap_or_default();
        let aligned = |segment: &ProgramHeader64<LittleEndian>| {
            let align = segment.p_align.get(LE);
            align <= MAX_ALIGN && (align == 0 || align.is_power_of_two())
        };
        self.loaded().count() > 0
            && self.segments.iter().all(aligned)
            && end <= self.size
            && self.size - end < PADDING
    }

    /// Returns what the offset of the bytes has to be a multiple of, apart from what it is now.
    fn alignment(&self, range: &Range<u64>) -> u64 {
        let meets = |part: &Range<u64>| part.start < range.end && range.start < part.end;
        let segments = self
            .segments
            .iter()
            .filter(|segment| meets(&file_of(segment)));
        let segments = segments.map(|segment| segment.p_align.get(LE));
        let sections = self.sections.iter().zip(self.sections());
        let sections = sections.filter(|(_, described)| meets(&described.file));
        let sections = sections.map(|(section, _)| section.sh_addralign.get(LE));
        let usual = sections.filter(|align| align.is_power_of_two() && *align <= MAX_ALIGN);
        segments.chain(usual).max().unwrap_or(1).max(8)
    }
}

/// Returns whether a section that is not loaded has what only debuggers read (DWARF 5, "Separate debug information";
/// GDB, "Index Section Format"; stabs).
pub fn is_debug(name: &[u8]) -> bool {
    let prefixes: [&[u8]; 3] = [b".debug_", b".zdebug_", b".stab"];
    name == b".gdb_index" || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

impl Edit {
    fn same(at: u64, bytes: &[u8]) -> Self {
        Self {
            range: at..at + bytes.len() as u64,
            with: vec![Piece::New(bytes.to_vec())],
        }
    }

    fn length(&self) -> u64 {
        self.with.iter().map(Piece::length).sum()
    }

    fn shrinks_by(&self) -> u64 {
        (self.range.end - self.range.start).saturating_sub(self.length())
    }
}

fn is_loaded(section: &SectionHeader64<LittleEndian>) -> bool {
    section.sh_flags.get(LE).contains(elf::SHF_ALLOC)
}

fn file_of(segment: &ProgramHeader64<LittleEndian>) -> Range<u64> {
    let start = segment.p_offset.get(LE);
    start..start.saturating_add(segment.p_filesz.get(LE))
}

/// Reads a table; nothing where it is too long or not in the file.
fn read_table<S: ReadAt, T: Pod + Copy>(
    source: &S,
    at: u64,
    count: u64,
) -> io::Result<Option<Vec<T>>> {
    let length = count.saturating_mul(size_of::<T>() as u64);
    let inside = at
        .checked_add(length)
        .is_some_and(|end| end <= source.size());
    let bounded = count <= MAX_HEADERS || size_of::<T>() == 1;
    if count == 0 || !bounded || !inside {
        return Ok(None);
    }
    let Some(bytes) = read_range(source, at..at + length)? else {
        return Ok(None);
    };
    Ok(slice_from_all_bytes::<T>(&bytes).ok().map(<[T]>::to_vec))
}
