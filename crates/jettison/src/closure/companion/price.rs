//! What companions may cost, and what they cost.

use std::collections::{BTreeSet, HashSet};

use layer::NodeId;
use layer::tree::InodeId;

use crate::closure::collector::Collector;
use crate::closure::package::{is_program_in_path, packages_of, program_of};
use crate::closure::wanted::is_wanted;
use crate::closure::{Error, language};
use crate::packages::{Package, PackageId};

/// Bytes that a companion may add.
///
/// What comes in the same package as a program (`ffprobe` beside `ffmpeg`,
/// `redis-cli` beside `redis-server`) is what people reach for in a container,
/// and shares its libraries. It stays where it costs next to nothing; users name
/// larger ones with `--entry`.
pub(in crate::closure) const LIMIT: u64 = 1_000_000;

/// Bytes that a program may add whose package somebody asked for by name: it was put there to be used. So it is with what
/// source of others starts.
pub(super) const ASKED_FOR: u64 = 4_000_000;

/// Bytes that such a program may add if the name of the package begins with its own: `mariadb` of `mariadb-client`.
const NAMESAKE: u64 = 16_000_000;

/// Bytes that an interpreter may add whose language runs as a library of something else: it is the smaller part of it.
pub(super) const BESIDE_ITS_LIBRARY: u64 = 10_000_000;

/// Bytes of data that the first companion of a package may bring for all of them.
pub(super) const LIMIT_OF_DATA: u64 = 4_000_000;

/// Sections of what developers work with, and of languages (Debian policy 2.4): what these run names them.
const FOR_DEVELOPERS: &[&str] = &[
    "devel",
    "libdevel",
    "vcs",
    "editors",
    "interpreters",
    "java",
    "javascript",
    "perl",
    "php",
    "python",
    "ruby",
    "rust",
    "golang",
];

/// Part of a program's own bytes that each of what comes with it may add: the clients of a server, the smaller programs of a
/// package that was asked for. Next to nothing beside a database of 26 MB is what dumps it.
const SMALL_BESIDE_IT: u64 = 4;

/// Returns the bytes that a companion may add: more if its package was asked for, or if it connects to
/// something or starts programs, and was made from one source with a program that listens and is needed for
/// certain. A static program, or one in Go, does not say what it calls, and is large since it holds its libraries: if it was asked for, it
/// may be as large as the other one.
pub(super) fn allowance(collector: &Collector<'_>, companion: NodeId) -> Result<u64, Error> {
    let (packages, tree) = (collector.input.packages, collector.tree());
    let owner = packages.owner(companion);
    let least = match owner.filter(|id| collector.asked.contains(id)) {
        Some(id) => {
            let beside = largest_program(collector, id) / SMALL_BESIDE_IT;
            least_of_asked(collector, packages.package(id), tree.name(companion)).max(beside)
        }
        None => LIMIT,
    };
    let Some(made_from) = packages.source_of(companion) else {
        return Ok(least);
    };
    let imports = |node, name: &[u8]| -> Result<bool, Error> {
        let object = collector.loader.object(node).map_err(Error::Loader)?;
        Ok(object.is_some_and(|object| object.imports.contains(name)))
    };
    let is_static = |node| -> Result<bool, Error> {
        let object = collector.loader.object(node).map_err(Error::Loader)?;
        Ok(object.is_some_and(|object| object.go || object.is_static()))
    };
    let is_asked = owner.is_some_and(|id| collector.asked.contains(&id));
    let (mut served, mut beside) = (0, 0);
    for program in collector.reached.keys() {
        let same = packages.source_of(*program) == Some(made_from);
        if !same || !collector.is_kept_for_certain(*program) {
            continue;
        }
        if is_static(*program)? {
            beside = beside.max(tree.size(*program));
        } else if imports(*program, b"listen")? {
            served = served.max(tree.size(*program));
        }
    }
    if is_asked && beside > 0 && is_static(companion)? {
        return Ok(least.max(beside));
    }
    // What starts programs has the clients do it: `mariadb-upgrade` does.
    let reaches = [&b"connect"[..], b"system", b"popen", b"execvp"];
    for name in reaches.iter().filter(|_| served > 0) {
        if imports(companion, name)? {
            return Ok(least.max(served / SMALL_BESIDE_IT));
        }
    }
    Ok(least)
}

/// Returns the size of the largest program of a package that stays.
fn largest_program(collector: &Collector<'_>, id: PackageId) -> u64 {
    let programs = collector.input.packages.files(id).iter();
    let programs = programs
        .filter(|node| collector.graph.keeps(**node) && is_program_in_path(collector, **node));
    let sizes = programs.map(|node| collector.tree().size(*node));
    sizes.max().unwrap_or(0)
}

/// Returns what a program of a package may add at least that was asked for. The one whose name the package has is what
/// was asked for, at any price, and so is a sub-command of what stays.
fn least_of_asked(collector: &Collector<'_>, package: &Package, program: &[u8]) -> u64 {
    let rest = package.name.as_bytes().strip_prefix(program);
    match rest.filter(|_| !package.is_of_section(FOR_DEVELOPERS)) {
        Some([]) => u64::MAX,
        _ if is_sub_command(collector, program) => u64::MAX,
        Some([b'-', ..]) => NAMESAKE,
        _ => ASKED_FOR,
    }
}

/// Returns whether a program is the sub-command of one that stays: tools take them from PATH, by their own name, a dash
/// and that of the sub-command (git(1), "git help": "commands available from elsewhere on your $PATH"; The Cargo Book, "Custom
/// subcommands"; kubectl's plugins).
fn is_sub_command(collector: &Collector<'_>, program: &[u8]) -> bool {
    memchr::memchr_iter(b'-', program).any(|dash| {
        let tool = collector.find_command(&program[..dash]);
        tool.is_some_and(|(_, tool)| collector.is_kept_for_certain(tool.node))
    })
}

/// Returns the bytes that a program and its libraries would add to files with these inodes.
pub(in crate::closure) fn cost(
    collector: &Collector<'_>,
    program: NodeId,
    inodes: &HashSet<InodeId>,
) -> Result<u64, Error> {
    let tree = collector.tree();
    let first = collector.read(program, 256)?;
    let objects = match collector.process(program) {
        Ok(process) if first.starts_with(b"\x7fELF") => process.into_closure().objects,
        _ => Vec::new(),
    };
    let added = objects.iter().chain([&program]).collect::<BTreeSet<_>>();
    let bytes: u64 = added
        .into_iter()
        .filter(|node| !inodes.contains(&tree.inode(**node)))
        .map(|node| tree.size(*node))
        .sum();
    Ok(bytes + language::cost(collector, program, &first))
}

/// Returns the bytes of the data that a program would bring: files of its packages that are not offered
/// one by one.
pub(super) fn cost_of_data(collector: &Collector<'_>, program: NodeId) -> u64 {
    let tree = collector.tree();
    let files = packages_of(collector, program)
        .into_iter()
        .flat_map(|id| collector.input.packages.files(id));
    files
        .filter(|node| !tree.is_directory(**node) && is_wanted(tree, **node))
        .filter(|node| !collector.graph.keeps(**node) && program_of(collector, **node).is_none())
        .map(|node| tree.size(*node))
        .sum()
}
