//! Languages: what their run times load by name.
//!
//! One module for each language, which states where it looks for what, with the
//! source of that fact. A run time is known by the variable that tells it where
//! modules are: the name stands in the interpreter, or in the library that is
//! one, whoever embeds it. Where no language claims a run time, or knows nothing
//! better, the general rule of [`super::runtime`] keeps all of its modules.

mod application;
mod erlang;
pub(super) mod jvm;
mod lua;
mod mono;
mod named;
pub(super) mod node;
pub(super) mod perl;
pub(super) mod python;
pub(super) mod ruby;

use std::collections::HashMap;
use std::sync::LazyLock;

use layer::NodeId;

use self::named::Named;
use super::collector::Collector;
use super::units::{self, Owner};
use super::{Edge, Error, Evidence, runtime};

/// What is known of a language.
trait Language: Sync {
    /// Variables that its interpreter documents, one of which it knows for sure.
    fn variables(&self) -> &'static [&'static str];

    /// Finds what is installed, before anything is kept.
    fn prepare(&self, _collector: &mut Collector<'_>) {}

    /// Keeps what is known to be needed by now. Returns whether that was anything.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn settle(&self, _collector: &mut Collector<'_>) -> Result<bool, Error> {
        Ok(false)
    }

    /// Returns whose units its are, if it has any ([`super::units`]).
    fn owner(&self) -> Option<Owner> {
        None
    }

    /// Returns how its modules are found, if that is by their names ([`named`]).
    fn named(&self) -> Option<&dyn Named> {
        None
    }

    /// Keeps what a kept interpreter, or a library that is one, needs whatever it runs.
    fn keep(&self, collector: &mut Collector<'_>, interpreter: NodeId) {
        runtime::keep(collector, interpreter);
    }

    /// Returns whether a file is a module of this language that nothing has asked for yet: it does
    /// not stay only because its package or its directory does.
    fn decides(&self, collector: &mut Collector<'_>, node: NodeId, edge: &Edge) -> bool {
        self.named()
            .is_some_and(|language| named::decides(language, collector, node, edge))
    }

    /// Returns whether a file lies where this language finds modules by their names: it is loaded, whatever its first
    /// line says that it could be run by.
    fn has_module(&self, collector: &Collector<'_>, node: NodeId) -> bool {
        self.named()
            .is_some_and(|language| language.is_module(&collector.tree().path(node)))
    }

    /// Looks again at what was held back, now that more is known.
    fn reconsider(&self, _collector: &mut Collector<'_>) {}

    /// Returns the bytes of modules that a script would add.
    fn cost(&self, collector: &Collector<'_>, node: NodeId, first: &[u8]) -> u64 {
        self.named()
            .map_or(0, |language| named::cost(language, collector, node, first))
    }

    /// Looks at a kept file that is neither an ELF object nor empty; `first` is its beginning. Returns
    /// whether it is source of this language, so that nobody else needs to look at it.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn examine(
        &self,
        collector: &mut Collector<'_>,
        node: NodeId,
        first: &[u8],
    ) -> Result<bool, Error> {
        Ok(self
            .named()
            .is_some_and(|language| named::examine(language, collector, node, first)))
    }
}

/// Known only by the variables of its interpreter.
struct General(&'static [&'static str]);

impl Language for General {
    fn variables(&self) -> &'static [&'static str] {
        self.0
    }
}

/// All of them. The first whose variable an object knows claims it.
const LANGUAGES: &[&dyn Language] = &[
    &python::Python,
    &perl::Perl,
    &ruby::Ruby,
    &node::Node,
    &node::TypeScript,
    &General(&["PHPRC"]),
    &lua::Lua,
    &mono::Mono,
    &jvm::Jvm,
    &General(&["R_LIBS_USER"]),
    &General(&["TCLLIBPATH"]),
    &General(&["GUILE_LOAD_PATH"]),
    &erlang::Erlang,
    &General(&["OCTAVE_PATH"]),
];

/// Returns which language a string of a program speaks of: the number to give to [`keep`].
pub(super) fn of_variable(text: &[u8]) -> Option<usize> {
    VARIABLES.get(text).copied()
}

/// The variables by which languages are known: every string of every program is looked up.
static VARIABLES: LazyLock<HashMap<&[u8], usize>> = LazyLock::new(|| {
    let numbered = LANGUAGES.iter().enumerate().rev(); // the first that has it counts
    let names = |language: &&dyn Language| language.variables().iter();
    let all =
        numbered.flat_map(|(at, language)| names(language).map(move |name| (name.as_bytes(), at)));
    all.collect()
});

/// Returns whether a file is a module of some language, which others load.
pub(super) fn is_module(collector: &Collector<'_>, node: NodeId) -> bool {
    let mut languages = LANGUAGES.iter();
    languages.any(|language| language.has_module(collector, node))
}

/// Keeps what the run time of a language needs.
pub(super) fn keep(collector: &mut Collector<'_>, number: usize, interpreter: NodeId) {
    if let Some(language) = LANGUAGES.get(number) {
        collector.runtimes.insert(interpreter);
        language.keep(collector, interpreter);
    }
}

/// Returns whether a language decides on its own whether a file that came along stays.
pub(super) fn decides(collector: &mut Collector<'_>, node: NodeId, edge: &Edge) -> bool {
    LANGUAGES
        .iter()
        .any(|language| language.decides(collector, node, edge))
}

/// Looks again at what languages held back.
pub(super) fn reconsider(collector: &mut Collector<'_>) {
    for language in LANGUAGES {
        language.reconsider(collector);
    }
}

/// Returns the bytes of modules that a script would add.
pub(super) fn cost(collector: &Collector<'_>, node: NodeId, first: &[u8]) -> u64 {
    let costs = LANGUAGES
        .iter()
        .map(|language| language.cost(collector, node, first));
    costs.max().unwrap_or(0)
}

/// Has the languages find what is installed.
pub(super) fn prepare(collector: &mut Collector<'_>) {
    for language in LANGUAGES {
        language.prepare(collector);
    }
}

/// Keeps what depends on everything else that is kept, until nothing changes.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn settle(collector: &mut Collector<'_>) -> Result<(), Error> {
    loop {
        let mut changed = false;
        for language in LANGUAGES {
            changed |= language.settle(collector)?;
        }
        settle_unknown(collector)?;
        if changed {
            continue;
        }
        for owner in LANGUAGES.iter().filter_map(|language| language.owner()) {
            if !collector.units.is_running(owner) {
                changed |= units::release(collector, owner);
            }
        }
        collector.run()?;
        if !changed {
            return Ok(());
        }
    }
}

/// Keeps what interpreters of scripts need whose language nobody knows.
fn settle_unknown(collector: &mut Collector<'_>) -> Result<(), Error> {
    for interpreter in std::mem::take(&mut collector.interpreters) {
        let objects = match collector.process(interpreter) {
            Ok(process) => process.into_closure().objects,
            Err(_) => Vec::new(),
        };
        let mut objects = objects.iter().chain([&interpreter]);
        if !objects.any(|object| collector.runtimes.contains(object)) {
            runtime::keep(collector, interpreter);
        }
    }
    collector.run()
}

/// Has the languages look at a kept file; returns whether one has claimed it.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn examine(
    collector: &mut Collector<'_>,
    node: NodeId,
    first: &[u8],
) -> Result<bool, Error> {
    for language in LANGUAGES {
        if language.examine(collector, node, first)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a source is one that something runs, and does not merely lie there.
fn is_entry(collector: &Collector<'_>, node: NodeId) -> bool {
    let reason = collector.graph.reason(node);
    let named = reason.is_some_and(|edge| {
        matches!(
            edge.evidence,
            Evidence::Entrypoint
                | Evidence::ScriptCommand
                | Evidence::Path
                | Evidence::Traced
                | Evidence::Symlink
        )
    });
    named && collector.is_kept_for_certain(node)
}
