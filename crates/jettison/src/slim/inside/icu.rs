//! The data of ICU (International Components for Unicode), some 30 MB in one library that comes with all the others.
//!
//! What is in it is read by name ("ICU Data", "ICU Data Build Tool"): tables of character sets, and, six times as large, what
//! collation, formats, breaks and names of languages are made from. Where all that is called is the converter API, as
//! libxml2 does, the tables of character sets are what can be read. `icudtNN_dat` is an archive in the "common data"
//! format (`ucmndata.h`): a header, a sorted table of contents, the names, the items.

use std::io;
use std::ops::{ControlFlow, Range};

use layer::NodeId;
use object::elf;
use rayon::prelude::*;

use super::super::{Error, Plan};
use crate::elf::cut::{Edit, Layout, Piece};
use crate::elf::strings::occurrences;
use crate::elf::{self as objects, ReadAt};

/// What a file is without.
pub const WHAT: &str = "ICU data other than converters";

/// Calls of the converter API that ask for more than converters: names in the user's language.
const MORE_THAN_CONVERTERS: &[&[u8]] = &[b"ucnv_getDisplayName"];
/// Calls and variables that ask for no data at all, or for what converters have ("uclean.h", "utypes.h").
const PLAIN: &[&[u8]] = &[
    b"u_cleanup",
    b"u_errorName",
    b"u_getVersion",
    b"u_init",
    b"u_strlen",
];
/// Prefixes of the converter API ("ucnv.h", "ucnv_err.h").
const CONVERTERS: &[&[u8]] = &[b"ucnv_", b"UCNV_"];

/// What ldconfig(8) writes: lists of all libraries.
const LISTS: &[&[u8]] = &[b"etc/ld.so.cache", b"var/cache/ldconfig/aux-cache"];
/// Items in one archive; there are some 4000.
const MAX_ITEMS: usize = 64 << 10;
/// Bytes before the first item.
const MAX_TABLE: u64 = 8 << 20;
/// Alignment of items.
const ALIGN: u64 = 16;
/// Bytes of one dynamic symbol.
const SYMBOL: u64 = 24;

/// Returns whether nothing that stays can call more of ICU than its converters. `objects` are the ELF files that stay.
///
/// # Errors
/// When a file cannot be read.
pub fn only_converts(plan: &Plan<'_>, objects: &[NodeId]) -> Result<bool, Error> {
    let tree = &plan.files.tree;
    let libraries: Vec<&[u8]> = objects
        .iter()
        .map(|node| tree.name(*node))
        .filter(|name| name.starts_with(b"libicu"))
        .collect();
    let data = libraries.iter().filter(|name| is_data(name)).count();
    let common = libraries
        .iter()
        .filter(|name| name.starts_with(b"libicuuc.so."))
        .count();
    // Every other library of ICU calls most of the common one.
    if data == 0 || data + common != libraries.len() {
        return Ok(false);
    }
    let kept: Vec<NodeId> = tree
        .walk(tree.root())
        .filter(|node| plan.keeps(*node) && tree.content(*node).is_some())
        .collect();
    let calls_more = |node: &&NodeId| calls_more(plan, **node).unwrap_or(true);
    Ok(kept.par_iter().find_any(calls_more).is_none())
}

/// Returns whether a library is the one with the data.
pub fn is_data(name: &[u8]) -> bool {
    name.starts_with(b"libicudata.so.")
}

/// Returns whether a file can call more of ICU than converters: because it is linked so, or because it names a library
/// of ICU without being linked with it.
fn calls_more(plan: &Plan<'_>, node: NodeId) -> Result<bool, Error> {
    let files = &plan.files;
    let tree = &files.tree;
    let is_list = LISTS.contains(&&tree.path(node)[..]);
    if tree.name(node).starts_with(b"libicu") || is_list {
        return Ok(false);
    }
    let Some(file) = super::file(files, node) else {
        return Ok(false);
    };
    let is_icu = |name: &&Vec<u8>| name.starts_with(b"libicu");
    if let Ok(Some(object)) = objects::parse(file)
        && let Some(library) = object.needed.iter().find(is_icu)
    {
        let version = library
            .rsplit(|byte| *byte == b'.')
            .next()
            .unwrap_or_default();
        let suffix = [b"_", version].concat();
        let of_icu: Vec<&[u8]> = object
            .imports
            .iter()
            .filter(|name| memchr::memmem::find(name, &suffix).is_some())
            .collect();
        // ICU can be built without versions in its names; then nobody knows which are its own.
        return Ok(of_icu.is_empty() || !of_icu.iter().all(|name| is_of_converters(name, &suffix)));
    }
    let whole = 0..file.size();
    let mut named = false;
    let searched = occurrences(file, &[whole], b"libicu", |_| {
        named = true;
        ControlFlow::Break(())
    });
    Ok(named || searched.is_err())
}

fn is_of_converters(symbol: &[u8], suffix: &[u8]) -> bool {
    let Some(name) = symbol.strip_suffix(suffix) else {
        return false;
    };
    let converts = CONVERTERS.iter().any(|prefix| name.starts_with(prefix));
    PLAIN.contains(&name) || converts && !MORE_THAN_CONVERTERS.contains(&name)
}

/// Returns whether converters read an item: tables of character sets, and of their names.
fn is_for_converters(item: &[u8]) -> bool {
    item.ends_with(b".cnv") || item.ends_with(b"/cnvalias.icu")
}

/// Returns what has to be changed for a library of ICU's data to have nothing but converters; nothing of any other object.
///
/// # Errors
/// When the source fails.
pub fn edits<S: ReadAt + Copy>(layout: &Layout, source: S) -> io::Result<Option<Vec<Edit>>> {
    let Some(symbol) = Symbol::find(layout, source)? else {
        return Ok(None);
    };
    // The data is the last thing in its segment but for padding, and for the end of a table without entries.
    let Some(rest) = layout.rest_of_segment(symbol.data.start) else {
        return Ok(None);
    };
    let after = symbol.data.end..rest.end;
    if after.start > after.end || after.end - after.start > 64 {
        return Ok(None);
    }
    let is_zero = read(source, &after)?.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
    let archive = Archive::read(source, &symbol.data)?;
    let Some(archive) = archive.filter(|_| is_zero) else {
        return Ok(None);
    };
    let with = archive.only(is_for_converters);
    let length: u64 = with.iter().map(Piece::length).sum();
    let length = length.to_le_bytes().to_vec();
    Ok(Some(vec![
        Edit { range: rest, with },
        Edit {
            range: symbol.size,
            with: vec![Piece::New(length)],
        },
    ]))
}

/// The dynamic symbol of the archive.
struct Symbol {
    /// What it stands for.
    data: Range<u64>,
    /// Where its size is written.
    size: Range<u64>,
}

impl Symbol {
    /// Finds it: `icudt`, the version, `_dat` (`utypes.h`, `U_ICUDATA_ENTRY_POINT`).
    fn find<S: ReadAt + Copy>(layout: &Layout, source: S) -> io::Result<Option<Self>> {
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
struct Archive {
    /// Everything before the table of contents.
    header: Vec<u8>,
    /// Names, and where in the object the items are.
    items: Vec<(Vec<u8>, Range<u64>)>,
}

impl Archive {
    fn read<S: ReadAt + Copy>(source: S, data: &Range<u64>) -> io::Result<Option<Self>> {
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
    fn only(&self, keep: impl Fn(&[u8]) -> bool) -> Vec<Piece> {
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
fn read<S: ReadAt>(source: S, range: &Range<u64>) -> io::Result<Option<Vec<u8>>> {
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
