//! Units: what a language installs together stays or goes together.
//!
//! A distribution of Python, a package of Node.js: as soon as anything of it is
//! needed, all that it has for run time stays, since it knows what it opens by
//! name. Until then a file of it is held back from reasons that only say that
//! it is there: part of a directory, of an application, of a package. The
//! languages ([`super::language`]) say which units there are, and which are needed.

use std::collections::{BTreeMap, HashMap};

use layer::NodeId;

use super::collector::Collector;
use super::{Edge, Evidence, Level};

/// A unit of [`Units`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UnitId(u32);

/// Languages that have units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Owner {
    Python,
    Node,
}

/// What is kept of a unit of which single files are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// Only these: it is no unit that anything loads, but what nothing needs.
    Single,
}

#[derive(Debug)]
struct Unit {
    name: String,
    owner: Owner,
    extent: Extent,
    selected: bool,
    /// Whether that it was used while the image ran says nothing.
    unheard: bool,
    files: Vec<NodeId>,
}

/// All units of an image.
#[derive(Debug, Default)]
pub(super) struct Units {
    units: Vec<Unit>,
    of: HashMap<NodeId, UnitId>,
    /// Files that say what is installed: kept only with the rest.
    metadata: std::collections::HashSet<NodeId>,
    held: BTreeMap<NodeId, Edge>,
    fresh: Vec<(UnitId, NodeId)>,
    /// Languages that are run. The units of others are left alone.
    running: std::collections::BTreeSet<Owner>,
    released: std::collections::BTreeSet<Owner>,
}

impl Units {
    /// Adds a unit without files.
    pub(super) fn add(&mut self, owner: Owner, name: &str, extent: Extent) -> UnitId {
        let (name, files) = (name.to_owned(), Vec::new());
        let (selected, unheard) = (false, false);
        self.units.push(Unit {
            name,
            owner,
            extent,
            selected,
            unheard,
            files,
        });
        UnitId(self.units.len() as u32 - 1)
    }

    /// Makes a file part of a unit, and of no other.
    pub(super) fn assign(&mut self, file: NodeId, unit: UnitId) {
        if self.of.insert(file, unit) != Some(unit) {
            self.units[unit.0 as usize].files.push(file);
        }
    }

    /// Says that a file only tells that its unit is installed.
    pub(super) fn mark_metadata(&mut self, file: NodeId) {
        self.metadata.insert(file);
    }

    /// Says that a unit is used by every program of its language, needed or not.
    pub(super) fn mark_unheard(&mut self, unit: UnitId) {
        self.units[unit.0 as usize].unheard = true;
    }

    /// Returns the unit of a file.
    pub(super) fn of(&self, file: NodeId) -> Option<UnitId> {
        self.of.get(&file).copied()
    }

    /// Returns whether a unit stays.
    pub(super) fn is_selected(&self, unit: UnitId) -> bool {
        self.units[unit.0 as usize].selected
    }

    /// Returns whether it is one at all, or what nothing needs.
    pub(super) fn extent(&self, unit: UnitId) -> Extent {
        self.units[unit.0 as usize].extent
    }

    /// Returns its name.
    pub(super) fn name(&self, unit: UnitId) -> &str {
        &self.units[unit.0 as usize].name
    }

    /// Returns the files of a unit.
    pub(super) fn files(&self, unit: UnitId) -> Vec<NodeId> {
        let files = &self.units[unit.0 as usize].files;
        files
            .iter()
            .copied()
            .filter(|file| self.of(*file) == Some(unit))
            .collect()
    }

    /// Returns which units of a language were selected since the last call, and by what.
    pub(super) fn take_fresh(&mut self, owner: Owner) -> Vec<(UnitId, NodeId)> {
        let units = &self.units;
        let (taken, left) = std::mem::take(&mut self.fresh)
            .into_iter()
            .partition(|(unit, _)| units[unit.0 as usize].owner == owner);
        self.fresh = left;
        taken
    }

    /// Says that programs of a language are run.
    pub(super) fn mark_running(&mut self, owner: Owner) {
        self.running.insert(owner);
    }

    /// Returns whether programs of a language are run.
    pub(super) fn is_running(&self, owner: Owner) -> bool {
        self.running.contains(&owner)
    }
}

/// Returns whether a file must wait for its unit; selects the unit if the reason is one for all of it.
pub(super) fn holds(collector: &mut Collector<'_>, node: NodeId, edge: &Edge) -> bool {
    let units = &collector.units;
    let Some(id) = units.of(node) else {
        return false;
    };
    let unit = &units.units[id.0 as usize];
    let level = collector.input.options.level;
    if unit.selected || units.released.contains(&unit.owner) || level == Level::Traced {
        return false;
    }
    match edge.evidence {
        Evidence::Include | Evidence::Needed | Evidence::Dlopen => false,
        Evidence::Spawn if !knows_what_it_starts(collector, edge.from) => {
            hold(collector, node, edge);
            true
        }
        Evidence::Package if level == Level::Package => false,
        Evidence::Entrypoint
        | Evidence::Interpreter
        | Evidence::ScriptCommand
        | Evidence::Spawn
        | Evidence::Path
        | Evidence::Symlink
        | Evidence::Traced
        | Evidence::Repaired => {
            let seen = edge.evidence == Evidence::Traced;
            if unit.extent == Extent::Single {
                return false; // itself, not all that nothing needs
            }
            if seen && (unit.unheard || units.metadata.contains(&node)) {
                return true;
            }
            let by = edge.from.unwrap_or(node);
            select(collector, id, by, &edge.detail);
            false
        }
        _ => {
            hold(collector, node, edge);
            true
        }
    }
}

/// The application knows what it starts, and so does a compiled program. What was installed as
/// source names programs for its own development, and for systems of all kinds.
fn knows_what_it_starts(collector: &Collector<'_>, program: Option<NodeId>) -> bool {
    program.is_none_or(|program| {
        let installed = collector.input.packages.owner(program).is_some();
        let compiled = || {
            let first = collector.read(program, 4);
            first.is_ok_and(|first| first == b"\x7fELF")
        };
        collector.units.of(program).is_none()
            && collector.is_kept_for_certain(program)
            && (!installed || compiled())
    })
}

fn hold(collector: &mut Collector<'_>, node: NodeId, edge: &Edge) {
    let held = &mut collector.units.held;
    held.entry(node).or_insert_with(|| edge.clone());
}

/// Keeps all of a unit. Of what is none nothing can be asked for but single files.
pub(super) fn select(collector: &mut Collector<'_>, id: UnitId, by: NodeId, detail: &str) {
    let unit = &mut collector.units.units[id.0 as usize];
    if unit.extent == Extent::Single || std::mem::replace(&mut unit.selected, true) {
        return;
    }
    collector.units.fresh.push((id, by));
    let edge = Edge::new(Some(by), Evidence::Module, detail);
    for file in collector.units.files(id) {
        if file != by {
            collector.keep(file, edge.clone());
        }
    }
}

/// A directory is named: if it lies in a unit, it is the unit that is asked for.
pub(super) fn mentioned(
    collector: &mut Collector<'_>,
    directory: NodeId,
    by: Option<NodeId>,
    detail: &str,
) {
    let tree = collector.tree();
    let first = tree
        .walk(directory)
        .find_map(|node| collector.units.of(node));
    let Some(id) = first else { return };
    let one = |node| collector.units.of(node).is_none_or(|other| other == id);
    if tree
        .walk(directory)
        .all(|node| tree.is_directory(node) || one(node))
    {
        select(collector, id, by.unwrap_or(directory), detail);
    }
}

/// Lets go of what was held back for a language that nothing here runs: what an
/// application brings stays, whatever it is. Returns whether there was any.
pub(super) fn release(collector: &mut Collector<'_>, owner: Owner) -> bool {
    if !collector.units.released.insert(owner) {
        return false;
    }
    let units = &collector.units;
    let released: Vec<(NodeId, Edge)> = units
        .held
        .iter()
        .filter(|(node, _)| {
            units
                .of(**node)
                .is_some_and(|id| units.units[id.0 as usize].owner == owner)
        })
        .map(|(node, edge)| (*node, edge.clone()))
        .collect();
    let any = !released.is_empty();
    for (node, edge) in released {
        collector.keep(node, edge);
    }
    any
}
