//! Interpreters and their environments: which are used, and what each reads at its start.

use std::collections::{BTreeSet, HashMap, HashSet};

use layer::NodeId;
use layer::tree::resolve::Lookup;

use super::modules::locate;
use super::{How, Place, Want, What, library};
use crate::closure::collector::Collector;
use crate::closure::directories;
use crate::closure::own;
use crate::closure::units::{self, Owner, UnitId};
use crate::closure::wanted::is_wanted;
use crate::closure::{Edge, Evidence, runtime};
use crate::source::python as source_python;

/// Keeps the standard library of an interpreter.
pub(super) fn keep_library(collector: &mut Collector<'_>, interpreter: NodeId) {
    if !collector.python.interpreters.insert(interpreter) {
        return;
    }
    let libraries = libraries_of(collector, interpreter);
    if libraries.is_empty() {
        runtime::keep(collector, interpreter); // frozen, or where nobody expects it
        return;
    }
    collector.units.mark_running(Owner::Python);
    let tree = collector.tree();
    for library in libraries {
        let directory = collector.python.index.libraries[library].directory;
        let edge = Edge::new(
            Some(interpreter),
            Evidence::Module,
            tree.absolute(directory),
        );
        collector.keep(directory, edge.clone());
        let mut pending = vec![directory];
        while let Some(at) = pending.pop() {
            for node in tree.children(at) {
                if !is_wanted(tree, node) {
                    continue;
                }
                if !tree.is_directory(node) {
                    collector.keep(node, edge.clone());
                } else if ![&b"site-packages"[..], b"dist-packages"].contains(&tree.name(node)) {
                    pending.push(node);
                }
            }
        }
    }
}

/// Returns the standard libraries that an interpreter would find: of its version,
/// below a directory that holds it.
fn libraries_of(collector: &Collector<'_>, interpreter: NodeId) -> Vec<usize> {
    let tree = collector.tree();
    let version = library::version(tree.name(interpreter));
    let mut above = HashSet::new();
    let mut at = interpreter;
    while at != tree.root() {
        at = tree.parent(at);
        above.insert(at);
    }
    let libraries = collector.python.index.libraries.iter().enumerate();
    let fits: Vec<(usize, bool)> = libraries
        .filter(|(_, library)| {
            version
                .as_ref()
                .is_none_or(|version| *version == library.version)
        })
        .map(|(number, library)| (number, above.contains(&library.prefix)))
        .collect();
    let near = fits.iter().any(|(_, near)| *near);
    fits.into_iter()
        .filter(|(_, is_near)| *is_near == near)
        .map(|(number, _)| number)
        .collect()
}

/// Reads what is run whenever an interpreter starts: `.pth` files (site, "path
/// configuration files") of distributions, whose modules may provide others.
pub(super) fn index_hooks(collector: &mut Collector<'_>) {
    let tree = collector.tree();
    let mut hooked: HashMap<String, Vec<UnitId>> = HashMap::new();
    for hook in collector.python.index.hooks.clone() {
        let Some(unit) = collector.units.of(hook) else {
            continue;
        };
        collector.units.mark_unheard(unit);
        let site = tree.parent(hook);
        let text = collector.read(hook, 1 << 16).unwrap_or_default();
        let said = source_python::scan(&text);
        let literals = said
            .literals
            .iter()
            .filter(|found| found.callee.as_deref() == Some("__import__"));
        let literals = literals.map(|found| found.text.clone());
        let modules = said
            .imports
            .iter()
            .map(|import| import.module.clone())
            .chain(literals);
        for module in modules {
            for node in locate(tree, site, &module, &[]) {
                let source = collector.read(node, 1 << 20).unwrap_or_default();
                for found in source_python::scan(&source).literals {
                    hooked.entry(found.text).or_default().push(unit);
                }
            }
        }
    }
    collector.python.hooked = hooked;
}

/// Finds out which environments are used. A new one makes all wants count again.
pub(super) fn activate(collector: &mut Collector<'_>) -> bool {
    let tree = collector.tree();
    let mut libraries: BTreeSet<usize> = BTreeSet::new();
    for interpreter in &collector.python.interpreters {
        libraries.extend(libraries_of(collector, *interpreter));
    }
    let environments = &collector.python.index.environments;
    let usable = environments
        .iter()
        .enumerate()
        .filter(|(_, e)| libraries.contains(&e.library));
    let mut active: BTreeSet<usize> = usable
        .clone()
        .filter(|(_, environment)| {
            let bin = environment
                .virtual_prefix
                .and_then(|prefix| tree.child(prefix, b"bin"));
            bin.is_some_and(|bin| {
                let programs = tree.children(bin).into_iter();
                let mut pythons = programs.filter(|program| tree.name(*program).starts_with(b"py"));
                pythons.any(|program| super::is_used(collector, program))
            })
        })
        .map(|(number, _)| number)
        .collect();
    let sees_base = active.iter().any(|number| environments[*number].sees_base);
    if active.is_empty() || sees_base || is_base_used(collector) {
        active.extend(
            usable
                .filter(|(_, e)| e.virtual_prefix.is_none())
                .map(|(number, _)| number),
        );
    }
    let new: Vec<usize> = active
        .difference(&collector.python.active)
        .copied()
        .collect();
    if new.is_empty() {
        return false;
    }
    let sites: BTreeSet<NodeId> = new
        .iter()
        .flat_map(|number| environments[*number].sites.iter().copied())
        .collect();
    let prefixes: BTreeSet<NodeId> = new
        .iter()
        .filter_map(|number| environments[*number].virtual_prefix)
        .collect();
    collector.python.active.extend(new);
    collector.python.done = 0;
    for prefix in prefixes {
        keep_prefix(collector, prefix);
    }
    for site in sites {
        start_up(collector, site);
    }
    words_of_config(collector);
    true
}

/// Keeps what makes a directory a virtual environment: its settings, by which the
/// interpreter knows it (PEP 405), and the links to its interpreter and libraries.
fn keep_prefix(collector: &mut Collector<'_>, prefix: NodeId) {
    let tree = collector.tree();
    let bin = tree.child(prefix, b"bin");
    let programs = bin
        .map(|bin| tree.children(bin))
        .unwrap_or_default()
        .into_iter();
    let pythons = programs.filter(|node| tree.name(*node).starts_with(b"py"));
    let links = tree
        .children(prefix)
        .into_iter()
        .filter(|node| tree.link_target(*node).is_some());
    let settings = tree.child(prefix, b"pyvenv.cfg");
    for node in pythons.chain(links).chain(settings).collect::<Vec<_>>() {
        collector.keep(
            node,
            Edge::new(
                Some(prefix),
                Evidence::Module,
                "the environment of the interpreter",
            ),
        );
    }
}

/// Returns whether a base interpreter is run by itself, and not by way of a
/// virtual environment only: by a path that crosses none, or embedded in a program.
fn is_base_used(collector: &Collector<'_>) -> bool {
    let tree = collector.tree();
    let prefixes: HashSet<NodeId> = collector
        .python
        .index
        .environments
        .iter()
        .filter_map(|e| e.virtual_prefix)
        .collect();
    let is_python = |node: NodeId| {
        let name = tree.name(node);
        name.starts_with(b"python") || name.starts_with(b"pypy")
    };
    let directly = collector.reached.iter().any(|(node, ways)| {
        is_python(*node)
            && ways.iter().any(|links| {
                !links
                    .iter()
                    .any(|link| prefixes.contains(&tree.parent(tree.parent(*link))))
            })
    });
    let interpreters = &collector.python.interpreters;
    let embedded = collector
        .loaded
        .iter()
        .filter(|node| !is_python(**node))
        .any(|node| {
            let Ok(Some(object)) = collector.loader.object(*node) else {
                return false;
            };
            interpreters.iter().any(|interpreter| {
                interpreter != node
                    && object
                        .needed
                        .iter()
                        .any(|name| name == tree.name(*interpreter))
            })
        });
    directly || embedded
}

/// What `site` does at start-up: `.pth` files, and modules that customise it.
fn start_up(collector: &mut Collector<'_>, site: NodeId) {
    for module in ["sitecustomize", "usercustomize"] {
        let names = Vec::new();
        let what = What::Module {
            base: None,
            module: module.to_owned(),
            names,
            how: How::Imports,
        };
        collector.python.wants.push(Want {
            from: site,
            place: Place::Site(site),
            what,
        });
    }
    let hooks: Vec<NodeId> = collector.python.index.hooks.clone();
    for hook in hooks {
        if collector.tree().parent(hook) != site {
            continue;
        }
        let Some(unit) = collector.units.of(hook) else {
            continue;
        };
        let known = collector.python.index.distributions.get(&unit);
        let by_hand = known
            .is_none_or(|known| known.requires.is_empty() && known.groups.is_empty())
            && !collector
                .python
                .index
                .names
                .values()
                .any(|other| *other == unit);
        if by_hand {
            units::select(collector, unit, site, "read at every start");
        }
        if collector.units.is_selected(unit) {
            run_hook(collector, hook);
        }
    }
}

/// Does what the lines of a `.pth` file say: directories are added, `import` is run.
pub(super) fn run_hook(collector: &mut Collector<'_>, hook: NodeId) {
    if !collector.python.seen_hooks.insert(hook) {
        return;
    }
    let tree = collector.tree();
    let site = tree.parent(hook);
    let text = collector.read(hook, 1 << 20).unwrap_or_default();
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        if line.starts_with(b"import ") || line.starts_with(b"import\t") {
            super::follow(
                collector,
                hook,
                Place::Site(site),
                &source_python::scan(line),
            );
        } else if !line.is_empty() && !line.starts_with(b"#") {
            keep_added(collector, hook, line);
        }
    }
}

/// Keeps a directory that is added to the path of modules.
fn keep_added(collector: &mut Collector<'_>, hook: NodeId, path: &[u8]) {
    let tree = collector.tree();
    let Ok(found) = tree.resolve_at(tree.parent(hook), path, Lookup::STAT) else {
        return;
    };
    let governed = super::place(collector, found.node);
    if !tree.is_directory(found.node)
        || directories::is_shared(tree, found.node)
        || governed != Place::Application
    {
        return;
    }
    let edge = Edge::new(Some(hook), Evidence::Application, path);
    own::keep_own(collector, found.node, &edge);
}

/// Words of the command line and of the environment may name modules: `-m flask`,
/// `DJANGO_SETTINGS_MODULE=…`.
fn words_of_config(collector: &mut Collector<'_>) {
    let config = collector.input.config;
    let options = collector.input.options;
    let root = collector.tree().root();
    let mut text = config.entrypoint();
    text.extend(config.cmd());
    text.extend(config.healthcheck().unwrap_or_default());
    text.extend(options.entries.iter().cloned());
    let settings = config.env();
    let values = settings.iter().filter_map(|line| line.split_once('='));
    text.extend(
        values
            .filter(|(name, _)| *name != "PATH")
            .map(|(_, value)| value.to_owned()),
    );
    super::name_words(collector, root, &text.join("\n"));
}
