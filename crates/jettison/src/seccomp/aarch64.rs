//! Code of aarch64.
//!
//! Only what carries constants and addresses is decoded (Arm Architecture Reference
//! Manual, "A64 Base Instructions"); whatever else writes a register makes it unknown.

use super::function::{Callee, Walk};
use super::state::Value;

/// Registers of arguments (Procedure Call Standard), then that of a system call's number.
pub(super) const ARGUMENTS: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7, 8];

const NOP: u32 = 0xd503_201f;

/// What was computed of an address so far.
#[derive(Debug, Clone, Copy, Default)]
struct Pointer {
    page: Option<u64>,
    slot: Option<u64>,
}

/// Goes through a function.
pub(super) fn go(walk: &mut Walk<'_>, bytes: &[u8]) {
    let mut pointers = [Pointer::default(); 32];
    for (at, word) in bytes.as_chunks::<4>().0.iter().enumerate() {
        let address = walk.start + 4 * at as u64;
        let word = u32::from_le_bytes(*word);
        if walk.arrive(address, word == NOP) {
            step(walk, word, address, &mut pointers);
        }
    }
}

/// Returns whether a word is `svc`.
pub(super) fn is_system_call(word: u32) -> bool {
    word & 0xffe0_001f == 0xd400_0001
}

/// Returns where `b` or `bl` goes.
pub(super) fn branch(word: u32, address: u64) -> Option<u64> {
    (word & 0x7c00_0000 == 0x1400_0000).then(|| relative(address, word, 0, 26))
}

/// Returns the slot that `adrp` and the `ldr` after it read.
pub(super) fn slot(words: [u32; 2], address: u64) -> Option<u64> {
    let [first, second] = words;
    let is_pair = first & 0x9f00_0000 == 0x9000_0000 && second & 0xffc0_0000 == 0xf940_0000;
    let same = first & 31 == second >> 5 & 31;
    (is_pair && same).then(|| page(first, address).wrapping_add(scaled(second)))
}

fn step(walk: &mut Walk<'_>, word: u32, address: u64, pointers: &mut [Pointer; 32]) {
    let to = (word & 31) as usize;
    let from = (word >> 5 & 31) as usize;
    let other = (word >> 16 & 31) as usize;
    if is_system_call(word) {
        walk.system_call(8);
        walk.state.forget([0]);
    } else if let Some(target) = branch(word, address) {
        if word >> 31 == 1 {
            walk.call(Callee::Address(target));
            // Of the others, a compiler reads only those that it knows the callee to leave alone.
            walk.state.forget([0, 1]);
        } else {
            walk.jump(target);
            walk.stop();
        }
    } else if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        walk.jump(relative(address, word, 5, 19)); // b.cond, cbz, cbnz
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        walk.jump(relative(address, word, 5, 14)); // tbz, tbnz
    } else if word & 0xfe00_0000 == 0xd600_0000 {
        indirect(walk, word, pointers[from]);
    } else if word & 0x7f80_0000 == 0x5280_0000 {
        let value = u64::from(word >> 5 & 0xffff) << (16 * (word >> 21 & 3)); // movz
        walk.state.set(to, Value::constant(value));
    } else if word & 0x7fe0_ffe0 == 0x2a00_03e0 {
        let value = match other {
            31 => Value::constant(0),
            other => walk.state.get(other).clone(), // mov
        };
        pointers[to] = pointers[other];
        walk.state.set(to, value);
    } else if word & 0x7fe0_0c00 == 0x1a80_0000 {
        let zero = Value::constant(0);
        let pick = |register| match register {
            31 => zero.clone(),
            register => walk.state.get(register).clone(), // csel
        };
        let (mut either, second) = (pick(from), pick(other));
        either.join(&second);
        walk.state.set(to, either);
    } else if word & 0x9f00_0000 == 0x1000_0000 {
        let offset = sign((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3, 21);
        walk.take(address.wrapping_add_signed(offset)); // adr
        walk.state.forget([to]);
    } else if word & 0x9f00_0000 == 0x9000_0000 {
        let page = Some(page(word, address)); // adrp
        pointers[to] = Pointer { page, slot: None };
        walk.state.forget([to]);
    } else if word & 0xff80_0000 == 0x9100_0000 {
        let shift = 12 * (word >> 22 & 1); // add
        let value = pointers[from].page;
        let value = value.map(|page| page.wrapping_add(u64::from(word >> 10 & 0xfff) << shift));
        if let Some(value) = value {
            walk.take(value);
        }
        pointers[to] = Pointer {
            page: value,
            slot: None,
        };
        walk.state.forget([to]);
    } else if word & 0xffc0_0000 == 0xf940_0000 {
        let slot = pointers[from]
            .page
            .map(|page| page.wrapping_add(scaled(word))); // ldr
        if let Some(slot) = slot {
            walk.read(slot);
        }
        pointers[to] = Pointer { page: None, slot };
        walk.state.forget([to]);
    } else if word & 0xbfc0_0000 == 0xb900_0000 {
        let value = walk.state.get(to).clone(); // str
        walk.store(&value);
    } else if word & 0x7e40_0000 == 0x2800_0000 {
        for register in [to, (word >> 10 & 31) as usize] {
            let value = walk.state.get(register).clone(); // stp
            walk.store(&value);
        }
    } else if word & 0x7e40_0000 == 0x2840_0000 {
        walk.state.forget([to, (word >> 10 & 31) as usize]); // ldp
    } else if word & 0xffff_f01f == 0xd503_201f || to == 31 {
        // A hint, a comparison: nothing is written.
    } else {
        pointers[to] = Pointer::default();
        walk.state.forget([to]);
    }
}

/// `br`, `blr` and `ret`, also those that check the address.
fn indirect(walk: &mut Walk<'_>, word: u32, pointer: Pointer) {
    let is_return = word >> 21 & 3 == 2;
    let is_call = word >> 21 & 3 == 1;
    if !is_return {
        walk.call(pointer.slot.map_or(Callee::Anywhere, Callee::Slot));
    }
    if is_call {
        walk.state.forget([0, 1]);
    } else {
        walk.stop();
    }
}

fn relative(address: u64, word: u32, first: u32, bits: u32) -> u64 {
    let offset = word >> first & ((1 << bits) - 1);
    address.wrapping_add_signed(sign(offset, bits) * 4)
}

fn page(word: u32, address: u64) -> u64 {
    let pages = sign((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3, 21);
    (address & !0xfff).wrapping_add_signed(pages << 12)
}

fn scaled(word: u32) -> u64 {
    u64::from(word >> 10 & 0xfff) * 8
}

fn sign(value: u32, bits: u32) -> i64 {
    let shift = 64 - bits;
    (i64::from(value) << shift) >> shift
}
