//! Where the instructions of a program lead: to strings that are the tails of others, which [`super::pointers()`]
//! does not find where no table has them.
//!
//! What is looked for are the instructions by which compilers take an address: `lea` relative to the
//! instruction pointer (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, LEA), and `adrp` with the
//! `add` after it (Arm Architecture Reference Manual, C6.2). Nothing is disassembled: bytes that merely look like one
//! lead anywhere, and hardly ever to a word.

use std::ops::Range;

use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, elf};

use super::parse::Image;
use super::source::Blocks;
use super::{Error, ReadAt, machine};

/// Bytes of code that are looked at in one object: segments can claim any size, and the same bytes.
const MAX_CODE: u64 = 64 << 20;

/// Bytes read at once.
const WINDOW: usize = 1 << 20;

/// Most bytes of the instructions that are looked for.
const LONGEST: usize = 8;

/// Part of a program that is loaded: where it is in memory and in the file.
#[derive(Debug, Clone)]
struct Segment {
    address: u64,
    file: Range<u64>,
    runs: bool,
}

/// Returns where in the file the instructions lead that take the address of data, in order; nothing of an object that is
/// not of 64 bits for x86-64 or AArch64.
///
/// # Errors
/// [`Error::Read`] when the source fails.
pub fn references<S: ReadAt>(source: S) -> Result<Vec<u64>, Error> {
    let cache = ReadCache::new(Blocks::new(&source));
    let loaded = segments(&cache, source.size());
    if let Some(failure) = cache.into_inner().into_failure() {
        return Err(failure);
    }
    let Some((machine, segments)) = loaded else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let mut buffer = vec![0; WINDOW.min(usize::try_from(source.size()).unwrap_or(WINDOW))];
    let mut left = MAX_CODE;
    for code in segments.iter().filter(|segment| segment.runs) {
        let mut at = code.file.start;
        let end = code.file.end.min(at.saturating_add(left));
        left -= end.saturating_sub(at);
        while at < end {
            let want = usize::try_from(end - at).map_or(WINDOW, |want| want.min(buffer.len()));
            let read = source
                .read_at(&mut buffer[..want], at)
                .map_err(|source| Error::Read { offset: at, source })?;
            let address = code.address.wrapping_add(at - code.file.start);
            let mut lead_to = |address| found.extend(locate(&segments, address));
            match machine {
                machine::X86_64 => lea(&buffer[..read], address, &mut lead_to),
                _ => adrp(&buffer[..read], address, &mut lead_to),
            }
            if read <= LONGEST || at + read as u64 >= end {
                break;
            }
            // An instruction that is cut in two is seen again.
            at += (read - LONGEST) as u64;
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn segments<'d, R: ReadRef<'d>>(data: R, length: u64) -> Option<(u16, Vec<Segment>)> {
    type Header = elf::FileHeader64<Endianness>;
    let image = Image::<Header, R>::of(data).ok()?;
    let endian = image.endian;
    let machine = image.header.e_machine(endian).0;
    if !matches!(machine, machine::X86_64 | machine::AARCH64) {
        return None;
    }
    let loaded = image.of_type(elf::PT_LOAD).map(|segment| {
        let (offset, size) = segment.file_range(endian);
        Segment {
            address: segment.p_vaddr(endian),
            file: offset..offset.saturating_add(size).min(length),
            runs: segment.p_flags(endian).contains(elf::PF_X),
        }
    });
    Some((machine, loaded.collect()))
}

/// Returns where an address of data is in the file.
fn locate(segments: &[Segment], address: u64) -> Option<u64> {
    let mut data = segments.iter().filter(|segment| !segment.runs);
    data.find_map(|segment| {
        let at = segment
            .file
            .start
            .checked_add(address.checked_sub(segment.address)?)?;
        segment.file.contains(&at).then_some(at)
    })
}

/// `lea reg, [rip + disp32]`: REX.W, 8D, ModRM with mod 0 and r/m 5, the distance from the next instruction.
fn lea(code: &[u8], address: u64, found: &mut impl FnMut(u64)) {
    for at in memchr::memchr_iter(0x8d, code) {
        let Some([rex, _, modrm, distance @ ..]) = at
            .checked_sub(1)
            .and_then(|start| code[start..].first_chunk::<7>())
        else {
            continue;
        };
        if rex & 0xf8 == 0x48 && modrm & 0xc7 == 0x05 {
            let next = address.wrapping_add(at as u64 + 6);
            found(next.wrapping_add_signed(i32::from_le_bytes(*distance).into()));
        }
    }
}

/// `adrp x, page` and `add x, x, offset`.
fn adrp(code: &[u8], address: u64, found: &mut impl FnMut(u64)) {
    let skipped = (address.wrapping_neg() & 3) as usize;
    let words = code.get(skipped..).unwrap_or_default().chunks_exact(4);
    let words = words.map(|word| word.try_into().map_or(0, u32::from_le_bytes));
    let mut before = None;
    for (number, word) in words.enumerate() {
        let at = address.wrapping_add((skipped + 4 * number) as u64);
        if let Some((page, register)) = before
            && word & 0xff80_0000 == 0x9100_0000
            && (word >> 5 & 31, word & 31) == (register, register)
        {
            let shift = if word >> 22 & 1 == 1 { 12 } else { 0 };
            found(u64::wrapping_add(
                page,
                u64::from(word >> 10 & 0xfff) << shift,
            ));
        }
        before = (word & 0x9f00_0000 == 0x9000_0000).then(|| {
            let pages = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
            let pages = i64::from(pages << 11).wrapping_shl(32) >> 43;
            ((at & !0xfff).wrapping_add_signed(pages << 12), word & 31)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_x86_64_lead_to_data() {
        let mut found = Vec::new();
        // lea rdi,[rip+0x10]; lea r12,[rip-7]; lea rax,[rbx]; lea eax,[rip+0x10]; and one that is cut.
        let code = [
            &[0x48, 0x8d, 0x3d, 0x10, 0, 0, 0][..],
            &[0x4c, 0x8d, 0x25, 0xf9, 0xff, 0xff, 0xff],
            &[0x48, 0x8d, 0x03],
            &[0x90, 0x8d, 0x05, 0x10, 0, 0, 0],
            &[0x48, 0x8d, 0x3d, 0x10],
        ]
        .concat();
        lea(&code, 0x1000, &mut |address| found.push(address));
        assert_eq!(found, [0x1017, 0x1007]);
    }

    #[test]
    fn instructions_of_aarch64_lead_to_data() {
        let mut found = Vec::new();
        // adrp x1, +1 page; add x1, x1, #0x123; adrp x2, -1 page; add x1, x1, #1; adrp x0, 0; add x0, x0, #1, lsl #12
        let code: Vec<u8> = [
            0xb000_0001_u32,
            0x9104_8c21,
            0xf0ff_ffe2,
            0x9100_0421,
            0x9000_0000,
            0x9140_0400,
            0xf0ff_ffe3,
            0x9100_0463,
        ]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
        adrp(&code, 0x40_0ff0, &mut |address| found.push(address));
        assert_eq!(found, [0x40_1123, 0x40_2000, 0x40_0001]);
    }
}
