//! What one function does that matters here, whatever the machine.

use std::collections::{BTreeSet, HashMap};

use super::Machine;
use super::binary::Binary;
use super::state::{State, Value};
use super::{aarch64, x86_64};

/// Times that a function is gone through, so that what is known at a jump reaches what
/// lies before it.
const PASSES: usize = 12;

/// What a function does.
#[derive(Debug, Clone, Default)]
pub(super) struct Function {
    /// Calls and jumps that leave it.
    pub(super) calls: Vec<Call>,
    /// Addresses of code that it takes.
    pub(super) addresses: BTreeSet<u64>,
    /// Slots that it reads without calling at once.
    pub(super) slots: BTreeSet<u64>,
    /// The numbers of its own system calls.
    pub(super) sites: Vec<Value>,
}

/// A call or jump that leaves a function.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) to: Callee,
    /// It is a jump, perhaps into the middle of what was put elsewhere for being seldom run.
    pub(super) is_jump: bool,
    /// What is in the registers of arguments.
    pub(super) arguments: Vec<Value>,
    /// The constants there, and those that were put into memory before.
    pub(super) passed: BTreeSet<u64>,
}

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callee {
    /// To this address.
    Address(u64),
    /// To where this slot points.
    Slot(u64),
    /// To where a register or other memory points.
    Anywhere,
}

impl Call {
    /// Returns what is passed as any of these arguments.
    pub(super) fn argument(&self, positions: u32) -> Value {
        let mut value = Value::default();
        for (position, argument) in self.arguments.iter().enumerate() {
            if positions >> position & 1 == 1 {
                value.join(argument);
            }
        }
        value
    }
}

/// A function being gone through.
pub(super) struct Walk<'b> {
    pub(super) binary: &'b Binary<'b>,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) found: Function,
    pub(super) state: State,
    /// Whether the place is reached from the one before.
    alive: bool,
    joins: HashMap<u64, State>,
    /// Whether places that nothing is known to lead to are passed over for now.
    patient: bool,
    news: bool,
    stored: BTreeSet<u64>,
    arguments: &'static [usize],
}

/// Goes through the function from `start` to `end`.
pub(super) fn function(binary: &Binary<'_>, start: u64, end: u64) -> Function {
    let Some(bytes) = binary.code_at(start) else {
        return Function::default();
    };
    let bytes = &bytes[..bytes.len().min((end - start) as usize)];
    let arguments = match binary.machine {
        Machine::X86_64 => x86_64::ARGUMENTS,
        Machine::Aarch64 => aarch64::ARGUMENTS,
    };
    let mut walk = Walk {
        binary,
        start,
        end,
        found: Function::default(),
        state: State::entry(arguments),
        alive: true,
        joins: HashMap::new(),
        patient: true,
        news: false,
        stored: BTreeSet::new(),
        arguments,
    };
    for pass in 0..PASSES {
        walk.found = Function::default();
        walk.state = State::entry(arguments);
        walk.alive = true;
        walk.news = false;
        match binary.machine {
            Machine::X86_64 => x86_64::go(&mut walk, bytes),
            Machine::Aarch64 => aarch64::go(&mut walk, bytes),
        }
        match (walk.news, walk.patient) {
            (true, true) if pass < PASSES / 2 => {}
            (_, true) => walk.patient = false,
            (true, false) => {}
            (false, false) => break,
        }
    }
    walk.found
}

impl Walk<'_> {
    /// The next instruction is at this address; returns whether it is to be looked at.
    /// What only fills up is not, where nothing leads to it.
    pub(super) fn arrive(&mut self, address: u64, fills: bool) -> bool {
        match self.joins.get(&address) {
            Some(joined) if self.alive => {
                self.state.join(joined);
            }
            Some(joined) => self.state = joined.clone(),
            // A jump from further down leads here, or a table of jumps.
            None if !self.alive && (self.patient || fills) => return false,
            None if !self.alive => self.state = State::nowhere(),
            None => {}
        }
        self.alive = true;
        true
    }

    /// Control does not go on to the next instruction.
    pub(super) fn stop(&mut self) {
        self.alive = false;
    }

    /// Control may go to `target`.
    pub(super) fn jump(&mut self, target: u64) {
        if !(self.start..self.end).contains(&target) {
            self.leave(Callee::Address(target), true);
            return;
        }
        match self.joins.get_mut(&target) {
            Some(known) => self.news |= known.join(&self.state),
            None => {
                self.joins.insert(target, self.state.clone());
                self.news = true;
            }
        }
    }

    /// Control goes elsewhere, and perhaps comes back.
    pub(super) fn call(&mut self, to: Callee) {
        self.leave(to, false);
    }

    fn leave(&mut self, to: Callee, is_jump: bool) {
        let mut passed = self.stored.clone();
        for register in self.arguments {
            passed.extend(&self.state.get(*register).constants);
        }
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|register| self.state.get(*register).clone());
        let arguments = arguments.collect();
        self.found.calls.push(Call {
            to,
            is_jump,
            arguments,
            passed,
        });
    }

    /// A system call, its number in this register.
    pub(super) fn system_call(&mut self, register: usize) {
        self.found.sites.push(self.state.get(register).clone());
    }

    /// A value goes to memory.
    pub(super) fn store(&mut self, value: &Value) {
        self.stored.extend(&value.constants);
    }

    /// An address is taken.
    pub(super) fn take(&mut self, address: u64) {
        if self.binary.is_code(address) {
            self.found.addresses.insert(address);
        }
    }

    /// A pointer is read from memory.
    pub(super) fn read(&mut self, slot: u64) {
        if self.binary.slots.contains_key(&slot) {
            self.found.slots.insert(slot);
        }
    }
}
