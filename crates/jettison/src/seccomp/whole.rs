//! The system calls of an object as a whole: whatever stands in it.
//!
//! Only functions that matter are decoded: those in which the bytes of the
//! instruction occur, and, where the number comes from a caller, those that call.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::binary::{Binary, Target};
use super::function::{Call, Callee, Function, function};
use super::{Machine, aarch64};

/// How many callers up a number is looked for.
const DEPTH: usize = 4;

/// Bytes of code that are decoded whole.
const MOST_CODE: usize = 16 << 20;

/// The C library's function that makes any system call (syscall(2)).
pub(super) const SYSCALL: &[u8] = b"syscall";

/// Numbers of system calls, and where there may be others.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) numbers: BTreeSet<u64>,
    /// Functions that make calls whose numbers could not be read off.
    pub(super) unread: BTreeSet<u64>,
}

/// Functions whose caller says the number.
#[derive(Debug, Clone, Default)]
struct Wanted {
    /// Functions of the object, and as which of their arguments the number comes.
    functions: BTreeMap<u64, u32>,
    /// Slots of functions whose first argument is the number.
    slots: BTreeSet<u64>,
}

/// Returns the system calls of an object.
pub(super) fn whole(binary: &Binary<'_>) -> Found {
    let mut object = Object {
        binary,
        functions: BTreeMap::new(),
        found: Found::default(),
    };
    let mut inner = Wanted::default();
    for place in system_calls(binary) {
        let Some(start) = object.decode(place) else {
            continue;
        };
        for site in &object.functions[&start].sites {
            object.found.numbers.extend(&site.constants);
            if site.unknown {
                object.found.unread.insert(start);
            } else if site.arguments != 0 {
                *inner.functions.entry(start).or_default() |= site.arguments;
            }
        }
    }
    object.follow(inner);
    let named = |target: &Target| *target == Target::Symbol(SYSCALL.to_vec());
    let slots: BTreeSet<u64> = binary
        .slots
        .iter()
        .filter(|(_, target)| named(target))
        .map(|(slot, _)| *slot)
        .collect();
    if !slots.is_empty() {
        let stubs = stubs(binary, &slots).into_iter().map(|stub| (stub, 1));
        object.follow(Wanted {
            functions: stubs.collect(),
            slots,
        });
    }
    object.found
}

struct Object<'b> {
    binary: &'b Binary<'b>,
    functions: BTreeMap<u64, Function>,
    found: Found,
}

impl Object<'_> {
    /// Decodes the function at a place; returns where it begins.
    fn decode(&mut self, place: u64) -> Option<u64> {
        let (start, end) = self.binary.function(place)?;
        self.functions
            .entry(start)
            .or_insert_with(|| function(self.binary, start, end));
        Some(start)
    }

    /// Looks for the numbers at the callers, and at theirs.
    fn follow(&mut self, mut wanted: Wanted) {
        let mut seen: HashSet<u64> = wanted.functions.keys().copied().collect();
        for _ in 0..DEPTH {
            if wanted.functions.is_empty() && wanted.slots.is_empty() {
                return;
            }
            let mut asked = Asked::default();
            for place in callers(self.binary, &wanted) {
                // A stub of the linkage table: who calls it is among the callers, too.
                if !wanted.slots.is_empty() && wanted.functions.contains_key(&place) {
                    continue;
                }
                self.ask(place, &wanted, &mut asked);
            }
            // Those that nobody calls directly are called by their address. Of a stub there are several
            // addresses, of which one is called, or none if the slot is used without it.
            let is_stub = !wanted.slots.is_empty();
            let mut functions = wanted.functions.keys();
            let uncalled = !is_stub && functions.any(|to| !asked.called.contains(to));
            if asked.is_taken || uncalled {
                self.ask_everybody(&wanted);
            }
            let further = asked.further.into_iter();
            wanted = Wanted {
                functions: further.filter(|(start, _)| seen.insert(*start)).collect(),
                slots: BTreeSet::new(),
            };
        }
        self.found.unread.extend(wanted.functions.into_keys());
    }

    /// Looks at the calls of one caller.
    fn ask(&mut self, place: u64, wanted: &Wanted, asked: &mut Asked) {
        let Some(start) = self.decode(place) else {
            return;
        };
        let function = &self.functions[&start];
        let is_called = |call: &Call| wanted.position(call).is_some();
        asked.is_taken |= function
            .slots
            .iter()
            .any(|slot| wanted.slots.contains(slot))
            && !function.calls.iter().any(is_called);
        for call in &function.calls {
            let Some(positions) = wanted.position(call) else {
                continue;
            };
            if let Callee::Address(to) = call.to {
                asked.called.insert(to);
            }
            let number = call.argument(positions);
            self.found.numbers.extend(&number.constants);
            if number.unknown {
                self.found.unread.insert(start);
            } else if number.arguments != 0 {
                *asked.further.entry(start).or_default() |= number.arguments;
            }
        }
    }

    /// The address of a function is known to others, who say the number when they call through a pointer:
    /// all that such calls pass as that argument are taken for numbers.
    fn ask_everybody(&mut self, wanted: &Wanted) {
        let length: usize = self.binary.code.iter().map(|code| code.bytes.len()).sum();
        let mut numbers = BTreeSet::new();
        if length <= MOST_CODE {
            let functions = super::library::decode(self.binary);
            let calls = functions.values().flat_map(|function| &function.calls);
            let through = calls.filter(|call| call.to == Callee::Anywhere);
            let positions = wanted.functions.values().fold(0, |all, one| all | one);
            numbers.extend(through.flat_map(|call| call.argument(positions.max(1)).constants));
        }
        if numbers.is_empty() {
            self.found.unread.extend(wanted.functions.keys());
        }
        self.found.numbers.extend(numbers);
    }
}

/// What callers had to say.
#[derive(Debug, Default)]
struct Asked {
    /// Functions that pass on what they are given, as these arguments.
    further: BTreeMap<u64, u32>,
    /// Addresses that somebody calls.
    called: BTreeSet<u64>,
    /// Somebody takes the address of what is imported.
    is_taken: bool,
}

impl Wanted {
    /// Returns as which argument a call passes the number; nothing if it is another's.
    fn position(&self, call: &Call) -> Option<u32> {
        match call.to {
            Callee::Address(to) => self.functions.get(&to).copied(),
            Callee::Slot(slot) => self.slots.contains(&slot).then_some(1),
            Callee::Anywhere => None,
        }
    }
}

/// Returns the places where an object may make system calls. Data between code may look
/// like one; decoding tells.
fn system_calls(binary: &Binary<'_>) -> Vec<u64> {
    let mut places = Vec::new();
    for code in &binary.code {
        match binary.machine {
            Machine::X86_64 => places.extend(
                memchr::memmem::find_iter(code.bytes, b"\x0f\x05")
                    .map(|at| code.address + at as u64),
            ),
            Machine::Aarch64 => places.extend(
                instructions(code.bytes, code.address)
                    .filter(|(_, word)| aarch64::is_system_call(*word))
                    .map(|(address, _)| address),
            ),
        }
    }
    places
}

fn instructions(bytes: &[u8], first: u64) -> impl Iterator<Item = (u64, u32)> {
    let words = bytes.as_chunks::<4>().0.iter().enumerate();
    words.map(move |(at, word)| (first + 4 * at as u64, u32::from_le_bytes(*word)))
}

/// Returns the places that call what is wanted, and perhaps some that do not.
fn callers(binary: &Binary<'_>, wanted: &Wanted) -> Vec<u64> {
    let mut places = Vec::new();
    for code in &binary.code {
        match binary.machine {
            Machine::X86_64 => {
                for at in memchr::memchr2_iter(0xe8, 0xe9, code.bytes) {
                    let place = code.address + at as u64;
                    let target = displaced(code.bytes, at + 1, place + 5);
                    if target.is_some_and(|target| wanted.functions.contains_key(&target)) {
                        places.push(place);
                    }
                }
                places.extend(through_slots(code.bytes, code.address, &wanted.slots));
            }
            Machine::Aarch64 => {
                let mut last = 0;
                for (place, word) in instructions(code.bytes, code.address) {
                    let target = aarch64::branch(word, place);
                    let slot = aarch64::slot([last, word], place.wrapping_sub(4));
                    if target.is_some_and(|target| wanted.functions.contains_key(&target))
                        || slot.is_some_and(|slot| wanted.slots.contains(&slot))
                    {
                        places.push(place);
                    }
                    last = word;
                }
            }
        }
    }
    places
}

/// Returns the instructions of x86-64 that reach a slot relative to themselves: calls,
/// jumps, and reads into a register.
fn through_slots(bytes: &[u8], first: u64, slots: &BTreeSet<u64>) -> Vec<u64> {
    if slots.is_empty() {
        return Vec::new();
    }
    // `call` and `jmp` through memory, `mov` from it; mod 00, r/m 101 is relative to the next instruction.
    let opcodes = memchr::memchr2_iter(0xff, 0x8b, bytes);
    let reaches = |at: &usize| {
        let is_access = match (bytes[*at], bytes.get(at + 1)) {
            (0xff, Some(modrm)) => matches!(modrm, 0x15 | 0x25),
            (_, Some(modrm)) => modrm & 0xc7 == 0x05,
            (_, None) => false,
        };
        let target = displaced(bytes, at + 2, first + *at as u64 + 6);
        is_access && target.is_some_and(|target| slots.contains(&target))
    };
    opcodes
        .filter(reaches)
        .map(|at| first + at as u64)
        .collect()
}

/// Returns the address that a 32-bit displacement at `at` leads to from `next`.
fn displaced(bytes: &[u8], at: usize, next: u64) -> Option<u64> {
    let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(next.wrapping_add_signed(i32::from_le_bytes(bytes).into()))
}

/// Returns where the stubs of the linkage table that jump through a slot begin: at the jump, or at a marker
/// of branch targets before it. What else jumps through a slot is a function that ends so.
fn stubs(binary: &Binary<'_>, slots: &BTreeSet<u64>) -> BTreeSet<u64> {
    let wanted = Wanted {
        slots: slots.clone(),
        ..Wanted::default()
    };
    let mut found = BTreeSet::new();
    for place in callers(binary, &wanted) {
        match binary.machine {
            Machine::X86_64 => {
                let bytes = binary.code_at(place).unwrap_or_default();
                // `endbr64`, `bnd`; the table's entries have 8 or 16 bytes.
                let first = [0, 4, 1, 5].map(|before| place - before);
                let begins = first.iter().find(|first| *first % 8 == 0);
                if let (true, Some(begins)) = (bytes.starts_with(b"\xff\x25"), begins) {
                    found.extend([*begins, place]);
                }
            }
            // `callers` gives the place of the `ldr`; before it are `adrp`, and perhaps `bti`.
            Machine::Aarch64 => {
                let word = |at: u64| {
                    let bytes = binary.code_at(at)?.first_chunk::<4>()?;
                    Some(u32::from_le_bytes(*bytes))
                };
                // `br x17` follows, after an `add`.
                if word(place + 8) == Some(0xd61f_0220) {
                    found.extend([place, place - 4]);
                    if word(place - 8) == Some(0xd503_245f) {
                        found.insert(place - 8);
                    }
                }
            }
        }
    }
    found
}
