//! Where the pointers of a program lead.
//!
//! A linker stores `gzip` once where a program has both `ungzip` and `gzip`: strings that end alike share
//! their bytes (`SHF_MERGE` and `SHF_STRINGS`, System V ABI, chapter 4). A table of names in the program
//! still has a pointer to each, which the loader adjusts by a relative relocation.

use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, elf};

use super::parse::Image;
use super::source::Blocks;
use super::{Error, ReadAt, machine};

/// Relocations of one object; the largest seen have some hundred thousand.
const MAX_RELOCATIONS: u64 = 1 << 20;

/// Returns where in the file the pointers lead that relative relocations with an addend
/// (`DT_RELA`) adjust, in order; nothing where an object of 64 bits for x86-64 or AArch64 has none.
///
/// # Errors
/// [`Error::Read`] when the source fails.
pub fn pointers<S: ReadAt>(source: S) -> Result<Vec<u64>, Error> {
    let cache = ReadCache::new(Blocks::new(source));
    let found = find(&cache).unwrap_or_default();
    match cache.into_inner().into_failure() {
        Some(failure) => Err(failure),
        None => Ok(found),
    }
}

fn find<'d, R: ReadRef<'d>>(data: R) -> Option<Vec<u64>> {
    type Header = elf::FileHeader64<Endianness>;
    let image = Image::<Header, R>::of(data).ok()?;
    let endian = image.endian;
    let relative = match image.header.e_machine(endian).0 {
        machine::X86_64 => elf::R_X86_64_RELATIVE,
        machine::AARCH64 => elf::R_AARCH64_RELATIVE,
        _ => return None,
    };
    let dynamic = image.of_type(elf::PT_DYNAMIC).next()?;
    let entries = dynamic.dynamic(endian, data).ok()??;
    let value = |tag| {
        let mut entries = entries.iter().filter(|entry| entry.d_tag(endian) == tag);
        entries.next().map(|entry| entry.d_val(endian))
    };
    let bytes = value(elf::DT_RELASZ)?;
    let count = bytes / size_of::<elf::Rela64<Endianness>>() as u64;
    let table = image
        .read_array::<elf::Rela64<Endianness>>(value(elf::DT_RELA)?, count.min(MAX_RELOCATIONS))?;
    let mut found: Vec<u64> = table
        .iter()
        .filter(|entry| entry.r_type(endian, false) == relative)
        .filter_map(|entry| u64::try_from(entry.r_addend.get(endian)).ok())
        .filter_map(|address| Some(image.locate(address)?.0))
        .collect();
    found.sort_unstable();
    found.dedup();
    Some(found)
}
