//! What is known of the registers at a place: the constants that they may hold.

use std::collections::BTreeSet;

use super::numbers::LIMIT;

/// Registers that are followed: sixteen of x86-64, thirty-one of aarch64.
pub(super) const REGISTERS: usize = 32;

/// Constants that one register may hold before it counts as unknown.
const MOST: usize = 24;

/// What a register may hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Value {
    /// These, as far as they could be numbers of system calls.
    pub(super) constants: BTreeSet<u64>,
    /// Or what the function was given as one of these arguments: bits, the first argument lowest.
    pub(super) arguments: u32,
    /// Or something else.
    pub(super) unknown: bool,
}

impl Value {
    pub(super) fn unknown() -> Self {
        Self {
            unknown: true,
            ..Self::default()
        }
    }

    fn argument(position: usize) -> Self {
        Self {
            arguments: 1 << position,
            ..Self::default()
        }
    }

    pub(super) fn constant(value: u64) -> Self {
        Self {
            constants: (value < LIMIT).then_some(value).into_iter().collect(),
            arguments: 0,
            unknown: value >= LIMIT,
        }
    }

    /// Adds what it may be otherwise; returns whether that is news.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let before = (self.constants.len(), self.arguments, self.unknown);
        self.constants.extend(&other.constants);
        self.arguments |= other.arguments;
        self.unknown |= other.unknown || self.constants.len() > MOST;
        (self.constants.len(), self.arguments, self.unknown) != before
    }

    /// Returns whether it may be more than the constants.
    pub(super) fn is_open(&self) -> bool {
        self.unknown || self.arguments != 0
    }
}

/// What all registers may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State(Vec<Value>);

impl State {
    fn unknown() -> Self {
        Self(vec![Value::unknown(); REGISTERS])
    }

    /// What they hold where a function begins that takes its arguments in these.
    pub(super) fn entry(arguments: &[usize]) -> Self {
        let mut state = Self::unknown();
        for (position, register) in arguments.iter().enumerate() {
            state.set(*register, Value::argument(position));
        }
        state
    }

    /// What they hold at a place that nothing is known to lead to: nothing. It may be data between functions;
    /// code that is reached by a table of jumps sets the registers itself.
    pub(super) fn nowhere() -> Self {
        Self(vec![Value::default(); REGISTERS])
    }

    pub(super) fn get(&self, register: usize) -> &Value {
        &self.0[register % REGISTERS]
    }

    pub(super) fn set(&mut self, register: usize, value: Value) {
        self.0[register % REGISTERS] = value;
    }

    pub(super) fn forget(&mut self, registers: impl IntoIterator<Item = usize>) {
        for register in registers {
            self.set(register, Value::unknown());
        }
    }

    /// Adds what another way to the same place knows; returns whether that is news.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let mut news = false;
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            news |= own.join(other);
        }
        news
    }
}
