//! An object as code: where its functions are, and what its pointers lead to.
//!
//! Functions begin where a symbol says so, where the table for unwinding has an
//! entry (`.eh_frame_hdr`, which stripping leaves, since exceptions need it), and
//! where code calls. The last come from whoever decodes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, RelocationTarget, elf};
use object::{Object as _, ObjectSymbol as _};

use super::Machine;

/// What a pointer in the object's data leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A symbol of another object, or of this one, by name.
    Symbol(Vec<u8>),
    /// An address of this object.
    Address(u64),
}

/// A part that is loaded to be executed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code<'d> {
    pub(super) address: u64,
    pub(super) bytes: &'d [u8],
}

/// An object as code.
#[derive(Debug)]
pub(super) struct Binary<'d> {
    pub(super) machine: Machine,
    /// Loaded where it was linked to: addresses may stand in its instructions.
    pub(super) fixed: bool,
    pub(super) code: Vec<Code<'d>>,
    /// Defined functions by name; several where there are several versions.
    pub(super) exports: BTreeMap<Vec<u8>, Vec<u64>>,
    /// Pointers that the loader fills in, by address.
    pub(super) slots: HashMap<u64, Target>,
    /// Addresses of code that stand in data.
    pub(super) pointers: BTreeSet<u64>,
    /// Where functions begin, as far as the object says.
    pub(super) starts: BTreeSet<u64>,
    /// Where a program begins.
    pub(super) entry: Option<u64>,
    /// Undefined symbols.
    pub(super) imports: HashSet<Vec<u8>>,
}

/// Relocation types by machine: those that name a symbol, and those that do not.
struct Types {
    symbol: [elf::RelocationType; 3],
    relative: [elf::RelocationType; 2],
}

const X86_64: Types = Types {
    symbol: [
        elf::R_X86_64_64,
        elf::R_X86_64_GLOB_DAT,
        elf::R_X86_64_JUMP_SLOT,
    ],
    relative: [elf::R_X86_64_RELATIVE, elf::R_X86_64_IRELATIVE],
};
const AARCH64: Types = Types {
    symbol: [
        elf::R_AARCH64_ABS64,
        elf::R_AARCH64_GLOB_DAT,
        elf::R_AARCH64_JUMP_SLOT,
    ],
    relative: [elf::R_AARCH64_RELATIVE, elf::R_AARCH64_IRELATIVE],
};

impl<'d> Binary<'d> {
    /// Reads an object; nothing if it is none of these machines, or damaged.
    pub(super) fn read(data: &'d [u8]) -> Option<Self> {
        let file = ElfFile64::<Endianness>::parse(data).ok()?;
        let endian = file.endian();
        let header = file.elf_header();
        let machine = match header.e_machine(endian) {
            elf::EM_X86_64 => Machine::X86_64,
            elf::EM_AARCH64 => Machine::Aarch64,
            _ => return None,
        };
        let mut code = sections(&file, data, endian);
        let has_sections = !code.is_empty();
        let mut unwind = None;
        for segment in file.elf_program_headers() {
            let address = segment.p_vaddr(endian);
            let bytes = segment.data(endian, data).unwrap_or_default();
            match segment.p_type(endian) {
                elf::PT_LOAD if !has_sections && segment.p_flags(endian).0 & elf::PF_X.0 != 0 => {
                    code.push(Code { address, bytes });
                }
                elf::PT_GNU_EH_FRAME => unwind = Some((address, bytes)),
                _ => {}
            }
        }
        let mut binary = Self {
            machine,
            fixed: header.e_type(endian) == elf::ET_EXEC,
            code,
            exports: BTreeMap::new(),
            slots: HashMap::new(),
            pointers: BTreeSet::new(),
            starts: BTreeSet::new(),
            entry: None,
            imports: HashSet::new(),
        };
        binary.read_symbols(&file);
        binary.read_relocations(&file);
        binary.read_relative(&file, data, endian);
        if let Some((address, bytes)) = unwind {
            binary.read_unwind(address, bytes);
        }
        let entry = header.e_entry(endian);
        binary.entry = binary.is_code(entry).then_some(entry);
        binary.add_start(entry);
        Some(binary)
    }

    /// Returns whether an address is one of code.
    pub(super) fn is_code(&self, address: u64) -> bool {
        self.code_at(address).is_some()
    }

    /// Returns the code from an address on.
    pub(super) fn code_at(&self, address: u64) -> Option<&'d [u8]> {
        self.code
            .iter()
            .find_map(|code| {
                let offset = address.checked_sub(code.address)?;
                code.bytes.get(usize::try_from(offset).ok()?..)
            })
            .filter(|rest| !rest.is_empty())
    }

    pub(super) fn add_start(&mut self, address: u64) {
        if self.is_code(address) {
            self.starts.insert(address);
        }
    }

    /// Returns the function that an address lies in: where it begins and ends.
    pub(super) fn function(&self, address: u64) -> Option<(u64, u64)> {
        let code = self.code.iter().find(|code| {
            (code.address..code.address + code.bytes.len() as u64).contains(&address)
        })?;
        let end = code.address + code.bytes.len() as u64;
        let start = self.starts.range(code.address..=address).next_back();
        let next = self.starts.range(address + 1..end).next();
        Some((
            start.copied().unwrap_or(code.address),
            next.copied().unwrap_or(end),
        ))
    }

    fn read_symbols(&mut self, file: &ElfFile64<'d, Endianness>) {
        for symbol in file.dynamic_symbols() {
            let Ok(name) = symbol.name_bytes() else {
                continue;
            };
            if symbol.is_undefined() {
                self.imports.insert(name.to_vec());
            } else if self.is_code(symbol.address()) {
                let known = self.exports.entry(name.to_vec()).or_default();
                known.push(symbol.address());
                self.starts.insert(symbol.address());
            }
        }
        for symbol in file.symbols() {
            if symbol.is_definition() && self.is_code(symbol.address()) {
                self.starts.insert(symbol.address());
            }
        }
    }

    fn read_relocations(&mut self, file: &ElfFile64<'d, Endianness>) {
        let types = match self.machine {
            Machine::X86_64 => X86_64,
            Machine::Aarch64 => AARCH64,
        };
        for (slot, relocation) in file.dynamic_relocations().into_iter().flatten() {
            let object::RelocationFlags::Elf { r_type } = relocation.flags() else {
                continue;
            };
            if types.symbol.contains(&r_type) {
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    continue;
                };
                let symbol = file.dynamic_symbol_table();
                let symbol = symbol.and_then(|table| {
                    object::ObjectSymbolTable::symbol_by_index(&table, index).ok()
                });
                let Some(symbol) = symbol else { continue };
                if !symbol.is_undefined() && self.is_code(symbol.address()) {
                    self.slots.insert(slot, Target::Address(symbol.address()));
                    if r_type == types.symbol[0] {
                        self.pointers.insert(symbol.address());
                    }
                } else if let Ok(name) = symbol.name_bytes() {
                    self.slots.insert(slot, Target::Symbol(name.to_vec()));
                }
            } else if types.relative.contains(&r_type) {
                self.add_pointer(
                    slot,
                    relocation.addend() as u64,
                    r_type == types.relative[1],
                );
            }
        }
    }

    /// A slot holds an address of this object, or what the function there returns.
    fn add_pointer(&mut self, slot: u64, address: u64, is_resolver: bool) {
        if !self.is_code(address) {
            return;
        }
        self.starts.insert(address);
        self.slots.insert(slot, Target::Address(address));
        if !is_resolver {
            self.pointers.insert(address);
        }
    }

    /// Relative relocations in their short form (gABI, "Relative relocation tables").
    fn read_relative(
        &mut self,
        file: &ElfFile64<'d, Endianness>,
        data: &'d [u8],
        endian: Endianness,
    ) {
        let sections = file.elf_section_table();
        let mut slots = Vec::new();
        for section in sections.iter() {
            if section.sh_type(endian) != elf::SHT_RELR {
                continue;
            }
            let Ok(bytes) = section.data(endian, data) else {
                continue;
            };
            let mut base = 0_u64;
            for word in words(bytes) {
                if word & 1 == 0 {
                    slots.push(word);
                    base = word.wrapping_add(8);
                    continue;
                }
                let bits = (0..63).filter(|bit| word >> (bit + 1) & 1 == 1);
                slots.extend(bits.map(|bit| base.wrapping_add(8 * bit)));
                base = base.wrapping_add(8 * 63);
            }
        }
        for segment in file.elf_program_headers() {
            if segment.p_type(endian) != elf::PT_LOAD {
                continue;
            }
            let first = segment.p_vaddr(endian);
            let bytes: &[u8] = segment.data(endian, data).unwrap_or_default();
            for slot in &slots {
                let offset = slot
                    .checked_sub(first)
                    .and_then(|at| usize::try_from(at).ok());
                let value = offset.and_then(|at| words(bytes.get(at..at.checked_add(8)?)?).next());
                if let Some(value) = value {
                    self.add_pointer(*slot, value, false);
                }
            }
        }
    }

    /// The table of `.eh_frame_hdr` (LSB Core, "Exception Frame Header"), in the one form that linkers write:
    /// pairs of 32-bit offsets from the beginning of the section.
    fn read_unwind(&mut self, address: u64, bytes: &[u8]) {
        let [1, _, count, table, ..] = *bytes else {
            return;
        };
        // DW_EH_PE_udata4; DW_EH_PE_datarel | DW_EH_PE_sdata4. The pointer before them has 4 bytes.
        if (count, table) != (0x03, 0x3b) {
            return;
        }
        let entries = bytes.get(12..).unwrap_or_default().chunks_exact(8);
        for entry in entries {
            let offset = i32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
            let start = address.wrapping_add_signed(offset.into());
            self.add_start(start);
            // Of trampolines of signals the entry begins a byte early, for the sake of who looks
            // up the address before a return address (glibc, `sigaction.c`).
            if start % 16 == 15 {
                self.add_start(start + 1);
            }
        }
    }
}

/// Returns the sections of code. Where there are none, whole segments are code; some linkers
/// put read-only data into the same segment.
fn sections<'d>(
    file: &ElfFile64<'d, Endianness>,
    data: &'d [u8],
    endian: Endianness,
) -> Vec<Code<'d>> {
    let sections = file.elf_section_table().iter();
    let executable = sections.filter(|section| {
        let flags: elf::SectionFlags = section.sh_flags(endian);
        flags.0 & elf::SHF_EXECINSTR.0 != 0
    });
    let code = executable.filter_map(|section| {
        let bytes = section.data(endian, data).ok()?;
        let address = section.sh_addr(endian);
        (!bytes.is_empty()).then_some(Code { address, bytes })
    });
    code.collect()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let whole = bytes.as_chunks::<8>().0.iter();
    whole.map(|word| u64::from_le_bytes(*word))
}
