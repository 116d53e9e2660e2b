//! Paths that stand in programs, scripts and settings, and on command lines.

use fast_glob::glob_match;
use layer::NodeId;
use layer::tree::resolve::{Lookup, Resolved};

use super::collector::Collector;
use super::directories::is_shared;
use super::own::{keep_application, keep_own};
use super::wanted::is_wanted;
use super::{Edge, Evidence, companion, superseded};
use crate::packages::classes::Class;

/// Bytes of data that are not kept for the few who use them: tables of character sets have less, a model of speech has
/// more.
const FOR_FEW: u64 = 16_000_000;

/// Shortest name that stands for others with endings: shorter ones are numbers of versions.
const SHORTEST_STEM: usize = 4;

/// Keeps what a path in a program, script or setting names. A file is kept; of
/// a directory everything, unless it is shared by all; of a pattern its matches.
pub(super) fn keep_mentioned(
    collector: &mut Collector<'_>,
    base: NodeId,
    path: &[u8],
    caller: &Edge,
) {
    let tree = collector.tree();
    if let Some(star) = path.iter().position(|b| b"*?[".contains(b)) {
        let slash = path[..star].iter().rposition(|b| *b == b'/');
        let Some(slash) = slash.filter(|slash| *slash > 0) else {
            return;
        };
        let Ok(found) = tree.resolve_at(base, &path[..slash], Lookup::STAT) else {
            return;
        };
        let pattern = &path[slash + 1..];
        // What matches everything is no path: bytes of a font look like `//**`.
        let is_everywhere = pattern.starts_with(b"**") && is_shared(tree, found.node);
        if found.node == tree.root() || is_everywhere {
            return;
        }
        collector.keep_links(&found.links, caller.from, &caller.detail);
        collector.keep(found.node, caller.clone());
        // `/usr/lib*/*` is said of where things may be, `/usr/share/doc/*/copyright` to people.
        let last = pattern.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let is_anything = last.iter().all(|b| b"*?".contains(b));
        let says_nothing = |node: NodeId| {
            let for_people = || {
                let class = Class::of(&tree.path(node));
                class == Class::License || class.is_documentation()
            };
            caller.evidence == Evidence::Path
                && (is_anything && is_shared(tree, tree.parent(node)) || for_people())
        };
        let below: Vec<NodeId> = tree
            .walk(found.node)
            .skip(1)
            .filter(|node| glob_match(pattern, relative(&tree.path(*node), &tree.path(found.node))))
            .filter(|node| !says_nothing(*node))
            .collect();
        for node in below {
            collector.keep(node, caller.clone());
        }
        return;
    }
    let Ok(found) = tree.resolve_at(base, path, Lookup::STAT) else {
        keep_by_stem(collector, base, path, caller);
        return;
    };
    if found.node == tree.root() {
        return;
    }
    let is_directory = tree.is_directory(found.node);
    // The C library's own directory of character sets stands in all that it is part of; which of them
    // are needed, `gconv` knows.
    if is_directory
        && tree.child(found.node, b"gconv-modules").is_some()
        && caller.evidence == Evidence::Path
    {
        return;
    }
    // What the image is started with is asked for, be it documentation that a server shows.
    let asked = caller.evidence == Evidence::Entrypoint && caller.from.is_none();
    let is_wanted = |node| asked || is_wanted(tree, node);
    if !is_directory && !is_wanted(found.node) {
        return;
    }
    // What the author of a setting has a program run is no matter of a table of interpreters.
    let is_meant = !is_directory
        && caller.evidence == Evidence::Path
        && super::package::is_program_in_path(collector, found.node)
        && caller
            .from
            .is_some_and(|from| is_setting_of_user(collector, from));
    if !is_directory && !is_meant && is_base_tool(collector, &found, caller) {
        return;
    }
    if is_for_few(collector, found.node, caller) {
        return;
    }
    if !is_directory && is_program_of_a_plugin(collector, &found, caller) {
        companion::offer(collector, found.node, &found.links, Some(caller.clone()));
        return;
    }
    collector.keep_links(&found.links, caller.from, &caller.detail);
    if !is_directory {
        match is_meant {
            true => collector.keep_for_certain(found.node, caller.clone()),
            false => collector.keep(found.node, caller.clone()),
        }
        // What came along says nothing about what is run, nor do the settings of a virtual
        // environment, which name what it was made with (PEP 405).
        let runs = caller.from.is_none_or(|from| {
            collector.is_kept_for_certain(from) && tree.name(from) != b"pyvenv.cfg"
        });
        if runs {
            let ways = collector.reached.entry(found.node).or_default();
            ways.insert(found.links.clone());
        }
        let name = tree.name(found.node);
        let is_library = memchr::memmem::find(name, b".so").is_some();
        if tree.mode(found.node) & 0o111 != 0 && !is_library {
            super::package::program_found(collector, found.node);
            if collector.is_kept_for_certain(found.node) {
                keep_application(collector, found.node);
            }
        }
    } else if is_shared(tree, found.node) {
        collector.keep(found.node, caller.clone());
        if let Some(from) = caller.from {
            super::facts::directory_found(collector, found.node, from);
        }
    } else {
        super::units::mentioned(collector, found.node, caller.from, &caller.detail);
        // What a package put there came along; what the user put there is part of the application.
        let own = caller
            .from
            .is_none_or(|from| collector.is_kept_for_certain(from))
            && tree
                .walk(found.node)
                .filter(|node| !tree.is_directory(*node))
                .all(|node| collector.is_unpackaged(node))
            && !superseded::is_superseded(collector, found.node);
        let edge = Edge {
            evidence: match own {
                true => Evidence::Application,
                false => Evidence::PluginDir,
            },
            ..caller.clone()
        };
        if own {
            keep_own(collector, found.node, &edge);
        } else if !is_too_much(collector, found.node, caller) {
            collector.keep_below(found.node, &edge, is_wanted);
            if let Some(from) = caller
                .from
                .filter(|from| collector.is_kept_for_certain(*from))
            {
                super::package::directory_found(collector, found.node, from);
            }
        }
    }
}

/// Keeps the files of a database that is named without their endings, as dbm_open(3) and cracklib are given it: `dict` of
/// `dict.pwd` and `dict.pwi`.
fn keep_by_stem(collector: &mut Collector<'_>, base: NodeId, path: &[u8], caller: &Edge) {
    let tree = collector.tree();
    let slash = path.iter().rposition(|b| *b == b'/');
    let Some((directory, [_, stem @ ..])) = slash.and_then(|at| path.split_at_checked(at)) else {
        return;
    };
    if stem.len() < SHORTEST_STEM || caller.evidence != Evidence::Path {
        return;
    }
    let Ok(found) = tree.resolve_at(base, directory, Lookup::STAT) else {
        return;
    };
    let leads_to_file = |node: NodeId| {
        let found = tree.resolve_at(found.node, tree.name(node), Lookup::STAT);
        found.is_ok_and(|found| tree.content(found.node).is_some())
    };
    let is_part = |node: &NodeId| {
        let ending = tree.name(*node).strip_prefix(stem);
        ending.is_some_and(|ending| ending.starts_with(b".") && !ending.starts_with(b".so"))
            && leads_to_file(*node)
            && !super::package::is_program_in_path(collector, *node)
            && is_wanted(tree, *node)
    };
    let parts: Vec<NodeId> = tree
        .children(found.node)
        .into_iter()
        .filter(is_part)
        .collect();
    if !parts.is_empty() {
        collector.keep_links(&found.links, caller.from, &caller.detail);
    }
    for part in parts {
        collector.keep(part, caller.clone());
    }
}

/// Returns whether a directory is named by a program that stayed because it costs next to nothing, and would
/// cost more: `gcc-ar` knows where the compiler's parts are.
fn is_too_much(collector: &Collector<'_>, directory: NodeId, caller: &Edge) -> bool {
    let tree = collector.tree();
    let is_cheap = caller.from.is_some_and(|from| {
        collector.cheap.contains(&from) && !collector.is_kept_for_certain(from)
    });
    let files = tree.walk(directory);
    is_cheap && new_bytes(collector, files) > companion::LIMIT
}

/// Returns whether a library names large data that its packager recommends at most, and which neither that nor the library
/// itself is of use to what was asked for: of all filters of a video library one recognises speech.
fn is_for_few(collector: &Collector<'_>, named: NodeId, caller: &Edge) -> bool {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let library = caller.from.filter(|from| {
        collector.loaded.contains(from) && super::package::public_library(tree, *from).is_some()
    });
    let Some(package) = library.and_then(|library| packages.owner(library)) else {
        return false;
    };
    let owner = packages.owner(named);
    let owners = match &owner {
        Some(owner) => std::slice::from_ref(owner),
        None => packages.owners_of_directory(named),
    };
    if owners.is_empty() || owners.contains(&package) || is_shared(tree, named) {
        return false;
    }
    let asked = || collector.asked.iter().copied();
    let is_direct = asked().any(|id| id == package || packages.dependencies(id).contains(&package));
    if is_direct {
        return false;
    }
    let needed = packages.depends_closure(asked().chain([package]));
    let files = owners
        .iter()
        .flat_map(|owner| packages.files(*owner))
        .copied();
    owners.iter().all(|owner| !needed.contains(owner)) && new_bytes(collector, files) > FOR_FEW
}

/// Returns the bytes of those of some files that are not kept.
fn new_bytes(collector: &Collector<'_>, files: impl Iterator<Item = NodeId>) -> u64 {
    let tree = collector.tree();
    let new = files.filter(|node| !tree.is_directory(*node) && !collector.graph.keeps(*node));
    new.map(|node| tree.size(node)).sum()
}

/// Returns whether a path leads to a tool of the base system, and stands in a
/// file that merely came along: settings as packaged list all the interpreters
/// and shells that there are, such as in tables of file types.
fn is_base_tool(collector: &Collector<'_>, found: &Resolved, caller: &Edge) -> bool {
    let packages = collector.input.packages;
    let base = packages
        .owner(found.node)
        .is_some_and(|owner| collector.base.contains(&owner));
    let came_along = caller
        .from
        .is_some_and(|from| !collector.is_kept_for_certain(from));
    base && came_along && super::package::is_program_in_path(collector, found.node)
}

/// Returns whether a file is a setting that no package brought, in a directory of one application: it was written
/// when that was installed. What all share, such as `/etc/passwd`, lists the shells that there are.
fn is_setting_of_user(collector: &Collector<'_>, node: NodeId) -> bool {
    let tree = collector.tree();
    let is_setting = tree.path(node).starts_with(b"etc/");
    is_setting && collector.is_unpackaged(node) && !is_shared(tree, tree.parent(node))
}

/// Returns whether a path leads to a program, and stands in a library or program that
/// merely came along, or in a library that starts none: such as in a table of file types. A library that knows a
/// compiler can do without it: Ruby's can have one speed it up. Outside of PATH that counts for programs of other packages
/// than what came along is of: plug-ins name the init of the machine.
fn is_program_of_a_plugin(collector: &Collector<'_>, found: &Resolved, caller: &Edge) -> bool {
    let object = caller
        .from
        .filter(|from| caller.evidence == Evidence::Path && collector.loaded.contains(from));
    let Some(from) = object else { return false };
    let starts = || {
        let starters = [
            "execve", "execv", "execvp", "execl", "execlp", "execle", "execvpe",
        ];
        let others = ["posix_spawn", "posix_spawnp", "system", "popen", "fexecve"];
        let object = collector.loader.object(from).ok().flatten();
        object.is_none_or(|object| {
            let imports = |name: &&str| object.imports.contains(name.as_bytes());
            let is_program = object.interpreter.is_some();
            let develops = |node| super::package::is_for_development(collector, node);
            let builds = || develops(found.node) && !develops(from);
            is_program || starters.iter().chain(&others).any(imports) && !builds()
        })
    };
    let packages = collector.input.packages;
    let is_foreign = || packages.owner(found.node) != packages.owner(from);
    let is_program = || {
        let object = collector.loader.object(found.node).ok().flatten();
        object.is_some_and(|object| object.interpreter.is_some())
    };
    match super::package::is_program_in_path(collector, found.node) {
        true => !collector.is_kept_for_certain(from) || !starts(),
        false => !collector.is_kept_for_certain(from) && is_foreign() && is_program(),
    }
}

fn relative<'p>(path: &'p [u8], top: &[u8]) -> &'p [u8] {
    path.strip_prefix(top)
        .map_or(path, |rest| rest.strip_prefix(b"/").unwrap_or(rest))
}
