//! Where ICU's archive is in a library, and what is in it: "common data" (`ucmndata.h`).

use std::io;
use std::ops::Range;

use object::elf;

use crate::elf::cut::{Layout, Piece};
use crate::elf::{self as objects, ReadAt};

/// Items in one archive; there are some 4000.
const MAX_ITEMS: usize = 64 << 10;
/// Bytes before the first item.
const MAX_TABLE: u64 = 8 << 20;
/// Alignment of items.
const ALIGN: u64 = 16;
/// Bytes of one dynamic symbol.
const SYMBOL: u64 = 24;

/// The dynamic symbol of the archive.
pub(super) struct Symbol {
    /// What it stands for.
    pub(super) data: Range<u64>,
    /// Where its size is written.
    pub(super) size: Range<u64>,
}

impl Symbol {
    /// Finds it: `icudt`, the version, `_dat` (`utypes.h`, `U_ICUDATA_ENTRY_POINT`).
    pub(super) fn find<S: ReadAt + Copy>(layout: &Layout, source: S) -> io::Result<Option<Self>> {
        let Some(table) = layout
            .sections()
            .find(|section| section.kind == elf::SHT_DYNSYM)
        else {
            return Ok(None);
        };
        let Some(names) = layout.sections().nth(table.link) else {
            return Ok(None);
        };
        let at = table.file.start;
        let (Some(symbols), Some(names)) = (read(source, &table.file)?, read(source, &names.file)?)
        else {
            return Ok(None);
        };
        for (index, symbol) in symbols.chunks_exact(SYMBOL as usize).enumerate() {
            // elf(5): st_name, st_info, st_other, st_shndx, st_value, st_size.
            let from = names
                .get(number(symbol, 0, 4) as usize..)
                .unwrap_or_default();
            let name = from.split(|byte| *byte == 0).next().unwrap_or_default();
            let version = name
                .strip_prefix(b"icudt")
                .and_then(|name| name.strip_suffix(b"_dat"));
            let sections = layout.sections();
            let within = number(symbol, 6, 2) as usize;
            let Some(section) = sections.into_iter().find(|section| section.index == within) else {
                continue;
            };
            let (address, size) = (number(symbol, 8, 8), number(symbol, 16, 8));
            let start = address
                .checked_sub(section.address)
                .and_then(|offset| section.file.start.checked_add(offset));
            let end = start.and_then(|start| start.checked_add(size));
            let is_version = |version: &[u8]| version.iter().all(u8::is_ascii_digit);
            if let (Some(start), Some(end), true) = (start, end, version.is_some_and(is_version))
                && end <= section.file.end
            {
                let size = at + index as u64 * SYMBOL + 16;
                return Ok(Some(Self {
                    data: start..end,
                    size: size..size + 8,
                }));
            }
        }
        Ok(None)
    }
}

/// An archive in the "common data" format.
pub(super) struct Archive {
    /// Everything before the table of contents.
    header: Vec<u8>,
    /// Names, and where in the object the items are.
    items: Vec<(Vec<u8>, Range<u64>)>,
}

impl Archive {
    /// Reads it; nothing of what has another format.
    pub(super) fn read<S: ReadAt + Copy>(source: S, data: &Range<u64>) -> io::Result<Option<Self>> {
        // `DataHeader` and `UDataInfo`: size, two magic bytes, size, reserved, endianness, character set, width, reserved,
        // and "CmnD" with its version.
        let start = data.start;
        let Some(info) = read(source, &(start..start + 24))? else {
            return Ok(None);
        };
        let size = number(&info, 0, 2);
        let known =
            info[2..4] == [0xda, 0x27] && info[8..11] == [0, 0, 2] && &info[12..17] == b"CmnD\x01";
        let Some(counted) = read(source, &(start..start + size + 4))?.filter(|_| known) else {
            return Ok(None);
        };
        let (header, count) = counted.split_at(size as usize);
        let count = number(count, 0, 4) as usize;
        let contents = start + size;
        let table = contents + 4..contents + 4 + 8 * count as u64;
        let Some(entries) = read(source, &table)?.filter(|_| (1..=MAX_ITEMS).contains(&count))
        else {
            return Ok(None);
        };
        let offset = |at: usize| (number(&entries, 8 * at, 4), number(&entries, 8 * at + 4, 4));
        let before_items = contents..contents + offset(0).1;
        let Some(names) = read(source, &before_items)? else {
            return Ok(None);
        };
        let mut items = Vec::with_capacity(count);
        for at in 0..count {
            let (name, item) = offset(at);
            let end = if at + 1 < count {
                contents + offset(at + 1).1
            } else {
                data.end
            };
            let range = contents + item..end;
            let name = names.get(name as usize..).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            if range.start > range.end || range.end > data.end || item % ALIGN != 0 {
                return Ok(None);
            }
            items.push((name.to_vec(), range));
        }
        Ok(Some(Self {
            header: header.to_vec(),
            items,
        }))
    }

    /// Returns an archive of the items that `keep` answers yes for.
    pub(super) fn only(&self, keep: impl Fn(&[u8]) -> bool) -> Vec<Piece> {
        let kept: Vec<&(Vec<u8>, Range<u64>)> =
            self.items.iter().filter(|(name, _)| keep(name)).collect();
        let names: Vec<u8> = kept
            .iter()
            .flat_map(|(name, _)| [name, &b"\0"[..]].concat())
            .collect();
        let before = 4 + 8 * kept.len();
        let first = (before + names.len()).next_multiple_of(ALIGN as usize);
        let mut head = self.header.clone();
        let mut table = (kept.len() as u32).to_le_bytes().to_vec();
        let (mut name_at, mut item_at) = (before, first as u64);
        let mut pieces = Vec::new();
        for (name, range) in kept {
            table.extend((name_at as u32).to_le_bytes());
            table.extend((item_at as u32).to_le_bytes());
            name_at += name.len() + 1;
            let length = range.end - range.start;
            let padded = length.next_multiple_of(ALIGN);
            pieces.push(Piece::Old(range.clone()));
            pieces.push(Piece::New(vec![0; (padded - length) as usize]));
            item_at += padded;
        }
        table.extend(names);
        table.resize(first, 0);
        head.extend(table);
        pieces.insert(0, Piece::New(head));
        pieces
    }
}

/// Reads a range; nothing of one that is too long or not in the file.
pub(super) fn read<S: ReadAt>(source: S, range: &Range<u64>) -> io::Result<Option<Vec<u8>>> {
    let length = range.end.checked_sub(range.start);
    if length.is_none_or(|length| length > MAX_TABLE) {
        return Ok(None);
    }
    objects::read_range(source, range.clone())
}

/// A number of up to 8 bytes, least significant first.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
