//! The system calls of a C library that can be reached from what others import of it.
//!
//! All of its functions are decoded, and joined by what they call and by the addresses
//! that they take: who takes an address is taken to call it. What stands in the
//! library's own tables of pointers is reached always.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::binary::{Binary, Target};
use super::function::{Call, Callee, Function, function};
use super::whole::Found;

/// A C library, decoded.
#[derive(Debug)]
pub(super) struct Library {
    functions: BTreeMap<u64, Function>,
    /// For each function those that it reaches at once, and the numbers that it says to them.
    edges: HashMap<u64, Vec<(u64, BTreeSet<u64>)>>,
    /// Functions whose callers, perhaps their callers' callers, say a number.
    open: BTreeMap<u64, Open>,
    exports: BTreeMap<Vec<u8>, Vec<u64>>,
    always: BTreeSet<u64>,
}

impl Library {
    /// Returns whether an object is a C library: it is what others have `read` and `write` from.
    pub(super) fn is_one(binary: &Binary<'_>) -> bool {
        [&b"read"[..], b"write", b"fork"]
            .iter()
            .all(|name| binary.exports.contains_key(*name))
    }

    /// Decodes a library.
    pub(super) fn read(mut binary: Binary<'_>, entries: &[u64]) -> Self {
        let mut functions = decode(&binary);
        // Functions without symbol or table begin where they are called.
        let known = binary.starts.len();
        let targets: Vec<u64> = functions
            .values()
            .flat_map(|function| &function.calls)
            .filter(|call| !call.is_jump)
            .filter_map(|call| match call.to {
                Callee::Address(to) => Some(to),
                Callee::Slot(_) | Callee::Anywhere => None,
            })
            .collect();
        for target in targets {
            binary.add_start(target);
        }
        if binary.starts.len() > known {
            functions = decode(&binary);
        }
        let at = |address: u64| binary.function(address).map(|(start, _)| start);
        let behind = |slot: u64| match binary.slots.get(&slot)? {
            Target::Address(address) => at(*address),
            Target::Symbol(_) => None,
        };
        let goes_to = |call: &Call| match call.to {
            Callee::Address(to) => at(to),
            Callee::Slot(slot) => behind(slot),
            Callee::Anywhere => None,
        };
        let open = open(&functions, goes_to);
        let mut edges = HashMap::new();
        for (start, function) in &functions {
            let calls = function.calls.iter().filter_map(|call| {
                let to = goes_to(call)?;
                let numbers = match open.get(&to) {
                    Some(open) if open.vague => call.passed.clone(),
                    Some(open) => call.argument(open.arguments).constants,
                    None => BTreeSet::new(),
                };
                Some((to, numbers))
            });
            let taken = function.addresses.iter().filter_map(|address| at(*address));
            let slots = function.slots.iter().filter_map(|slot| behind(*slot));
            let others = taken.chain(slots).map(|to| (to, BTreeSet::new()));
            let all: Vec<(u64, BTreeSet<u64>)> = calls.chain(others).collect();
            edges.insert(*start, all);
        }
        let always = binary.pointers.iter().chain(entries);
        Self {
            open,
            always: always.filter_map(|address| at(*address)).collect(),
            functions,
            edges,
            exports: std::mem::take(&mut binary.exports),
        }
    }

    /// Returns whether it has a function of this name.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.exports.contains_key(name)
    }

    /// Returns the system calls that can be reached from these names.
    pub(super) fn reach<'n>(&self, names: impl IntoIterator<Item = &'n [u8]>) -> Found {
        let named = names.into_iter().filter_map(|name| self.exports.get(name));
        let mut pending: Vec<u64> = named.flatten().chain(&self.always).copied().collect();
        let mut reached: BTreeSet<u64> = BTreeSet::new();
        let mut passed: HashMap<u64, BTreeSet<u64>> = HashMap::new();
        while let Some(start) = pending.pop() {
            if !reached.insert(start) {
                continue;
            }
            for (to, constants) in self.edges.get(&start).into_iter().flatten() {
                passed.entry(*to).or_default().extend(constants);
                pending.push(*to);
            }
        }
        let mut found = Found::default();
        for start in &reached {
            let Some(function) = self.functions.get(start) else {
                continue;
            };
            for site in &function.sites {
                found.numbers.extend(&site.constants);
            }
            if !self.open.contains_key(start) {
                continue;
            }
            match passed.get(start).filter(|passed| !passed.is_empty()) {
                Some(passed) => found.numbers.extend(passed),
                None => {
                    found.unread.insert(*start);
                }
            }
        }
        found
    }
}

/// In what way the callers of a function say a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Open {
    /// As one of these arguments.
    arguments: u32,
    /// In a way that was not followed, such as on the stack: all constants that they pass or store count.
    vague: bool,
}

/// Returns the functions that make system calls with numbers that their callers say.
fn open(
    functions: &BTreeMap<u64, Function>,
    goes_to: impl Fn(&Call) -> Option<u64>,
) -> BTreeMap<u64, Open> {
    let mut open: BTreeMap<u64, Open> = BTreeMap::new();
    for (start, function) in functions {
        for site in function.sites.iter().filter(|site| site.is_open()) {
            let own = open.entry(*start).or_default();
            own.arguments |= site.arguments;
            own.vague |= site.unknown;
        }
    }
    loop {
        let before = open.clone();
        for (start, function) in functions {
            for call in &function.calls {
                let Some(callee) = goes_to(call).and_then(|to| open.get(&to)) else {
                    continue;
                };
                let arguments = call.argument(callee.arguments).arguments;
                if arguments != 0 {
                    open.entry(*start).or_default().arguments |= arguments;
                }
            }
        }
        if open == before {
            return open;
        }
    }
}

/// Decodes all functions.
pub(super) fn decode(binary: &Binary<'_>) -> BTreeMap<u64, Function> {
    let mut functions = BTreeMap::new();
    for code in &binary.code {
        let end = code.address + code.bytes.len() as u64;
        let mut at = code.address;
        while at < end {
            let Some((start, next)) = binary.function(at) else {
                break;
            };
            functions.insert(start, function(binary, start, next));
            at = next;
        }
    }
    functions
}
