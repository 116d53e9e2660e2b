//! Erlang, Elixir and other languages of its machine: what their modules start.
//!
//! Modules are loaded by name from the directories of applications and releases, which stay whole
//! ([`crate::closure::runtime`]). What is outside of them, a module says in its literals, and that it starts programs
//! at all, in its imports ([`beam`]).

mod beam;

use layer::NodeId;

use super::Language;
use crate::closure::collector::Collector;
use crate::closure::{Error, spoken};

/// Larger files are no modules.
const LARGEST: u64 = 16 << 20;

pub(super) struct Erlang;

impl Language for Erlang {
    fn variables(&self) -> &'static [&'static str] {
        &["ERL_LIBS"]
    }

    fn examine(
        &self,
        collector: &mut Collector<'_>,
        node: NodeId,
        _first: &[u8],
    ) -> Result<bool, Error> {
        if !collector.tree().name(node).ends_with(b".beam") {
            return Ok(false);
        }
        let bytes = collector.read(node, LARGEST)?;
        for literal in beam::literals_of_what_starts(&bytes) {
            // A module of a run time is part of what the application starts: its monitor of disks calls `df`.
            spoken::keep_literal(collector, node, &literal, true);
        }
        Ok(true)
    }
}
