//! Directories: which belong to one application, and which to everybody.
//!
//! A program that names `/usr/lib/php/20220829` will open files there by name;
//! one that names `/usr/lib` says nothing. The directories that everybody shares
//! are those of the Filesystem Hierarchy Standard 3.0, and Debian's multiarch ones.

use layer::tree::resolve::{Lookup, Resolved};
use layer::{NodeId, Tree};

use super::collector::Collector;
use super::command::Caller;
use super::{Edge, Evidence};
use crate::packages::classes::Class;

/// Shared directories. `*` stands for one component.
const SHARED: &[&str] = &[
    "",
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib*",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "tmp",
    "usr",
    "var",
    "etc/alternatives",
    "etc/apt",
    "etc/apt/*",
    "etc/cron.*",
    "etc/default",
    "etc/dpkg",
    "etc/init.d",
    "etc/logrotate.d",
    "etc/opt",
    "etc/pam.d",
    "etc/profile.d",
    "etc/rc*.d",
    "etc/security",
    "etc/skel",
    "etc/ssl",
    "etc/systemd",
    "etc/systemd/*",
    "etc/udev",
    "etc/xdg",
    "etc/kernel",
    "run/lock",
    "run/user",
    "var/*",
    "var/lib/apt",
    "var/lib/apt/*",
    "var/lib/dpkg",
    "var/lib/dpkg/*",
    "var/lib/misc",
    "var/cache/apt",
    "var/cache/apt/*",
    "var/cache/debconf",
    "var/cache/ldconfig",
    "var/log/apt",
    "var/lib/systemd",
    "var/lib/rpm",
    "var/lib/ucf",
    "var/lib/apk",
    "usr/bin",
    "usr/games",
    "usr/include",
    "usr/lib",
    "usr/lib*",
    "usr/libexec",
    "usr/local",
    "usr/sbin",
    "usr/share",
    "usr/src",
    "usr/local/*",
    "usr/local/share/*",
    "usr/lib/*-linux-*",
    "lib/*-linux-*",
    "usr/lib/*-linux-*/pkgconfig",
    "usr/lib/debug",
    "usr/lib/locale",
    "usr/lib/modules",
    "usr/lib/systemd",
    "usr/lib/systemd/*",
    "usr/lib/udev",
    "usr/lib/tmpfiles.d",
    "usr/lib/sysusers.d",
    "usr/lib/firmware",
    "usr/lib/apt",
    "usr/lib/apt/*",
    "usr/lib/dpkg",
    "usr/lib/mime",
    "usr/lib/init",
    "usr/share/applications",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/common-licenses",
    "usr/share/debconf",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/fonts",
    "usr/share/games",
    "usr/share/gir-1.0",
    "usr/share/icons",
    "usr/share/info",
    "usr/share/keyrings",
    "usr/share/licenses",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/man/*",
    "usr/share/menu",
    "usr/share/metainfo",
    "usr/share/mime",
    "usr/share/misc",
    "usr/share/perl",
    "usr/share/pixmaps",
    "usr/share/pkgconfig",
    "usr/share/themes",
    "usr/share/xml",
    "usr/share/zsh",
    "usr/share/sgml",
    "usr/share/dpkg",
    "usr/share/apport",
    "usr/share/polkit-1",
    "usr/share/dbus-1",
];

/// Returns whether a directory belongs to everybody.
pub(super) fn is_shared(tree: &Tree, directory: NodeId) -> bool {
    let path = tree.path(directory);
    SHARED
        .iter()
        .any(|pattern| glob_matches(pattern.as_bytes(), &path))
}

/// Keeps what a path in a program, script or setting names. A file is kept; of
/// a directory everything, unless it is shared by all; of a pattern its matches.
pub(super) fn keep_mentioned(
    collector: &mut Collector<'_>,
    base: NodeId,
    path: &[u8],
    caller: Caller<'_>,
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
        collector.keep_links(&found.links, caller.from, caller.detail);
        collector.keep(found.node, caller.edge());
        let pattern = &path[slash + 1..];
        let below: Vec<NodeId> = tree
            .walk(found.node)
            .skip(1)
            .filter(|node| {
                glob_matches(pattern, relative(&tree.path(*node), &tree.path(found.node)))
            })
            .collect();
        for node in below {
            collector.keep(node, caller.edge());
        }
        return;
    }
    let Ok(found) = tree.resolve_at(base, path, Lookup::STAT) else {
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
    if !is_directory && (!is_wanted(found.node) || is_base_tool(collector, &found, caller)) {
        return;
    }
    if !is_directory && is_program_of_a_plugin(collector, &found, caller) {
        super::package::offer(collector, found.node, &found.links, Some(caller.edge()));
        return;
    }
    collector.keep_links(&found.links, caller.from, caller.detail);
    if !is_directory {
        collector.keep(found.node, caller.edge());
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
        collector.keep(found.node, caller.edge());
    } else {
        super::units::mentioned(collector, found.node, caller.from, caller.detail);
        // What a package put there came along; what the user put there is part of the application.
        let own = caller
            .from
            .is_none_or(|from| collector.is_kept_for_certain(from))
            && tree
                .walk(found.node)
                .filter(|node| !tree.is_directory(*node))
                .all(|node| collector.is_unpackaged(node));
        let edge = Edge {
            evidence: match own {
                true => Evidence::Application,
                false => Evidence::PluginDir,
            },
            ..caller.edge()
        };
        if own {
            keep_own(collector, found.node, &edge);
        } else if !is_too_much(collector, found.node, caller) {
            collector.keep_below(found.node, &edge, is_wanted);
        }
    }
}

/// Returns whether a directory is named by a program that stayed because it costs next to nothing, and would
/// cost more: `gcc-ar` knows where the compiler's parts are.
fn is_too_much(collector: &Collector<'_>, directory: NodeId, caller: Caller<'_>) -> bool {
    let tree = collector.tree();
    let is_cheap = caller.from.is_some_and(|from| {
        collector.cheap.contains(&from) && !collector.is_kept_for_certain(from)
    });
    let cost = || {
        let files = tree.walk(directory);
        let new = files.filter(|node| !tree.is_directory(*node) && !collector.graph.keeps(*node));
        new.map(|node| tree.size(node)).sum::<u64>()
    };
    is_cheap && cost() > super::package::COMPANION
}

/// Returns whether a path leads to a tool of the base system, and stands in a
/// file that merely came along: settings as packaged list all the interpreters
/// and shells that there are, such as in tables of file types.
fn is_base_tool(collector: &Collector<'_>, found: &Resolved, caller: Caller<'_>) -> bool {
    let packages = collector.input.packages;
    let base = packages
        .owner(found.node)
        .is_some_and(|owner| collector.base.contains(&owner));
    let came_along = caller
        .from
        .is_some_and(|from| !collector.is_kept_for_certain(from));
    base && came_along && super::package::is_program_in_path(collector, found.node)
}

/// Returns whether a path leads to a program, and stands in a library or program that
/// merely came along, or in a library that starts none: such as in a table of file types.
fn is_program_of_a_plugin(collector: &Collector<'_>, found: &Resolved, caller: Caller<'_>) -> bool {
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
            object.interpreter.is_some() || starters.iter().chain(&others).any(imports)
        })
    };
    (!collector.is_kept_for_certain(from) || !starts())
        && super::package::is_program_in_path(collector, found.node)
}

/// Directories that repeat what is beside them: zone names with a prefix that
/// nobody sets (tzfile(5), "posix" and "right").
const REPEATED: &[&str] = &["usr/share/zoneinfo/posix/", "usr/share/zoneinfo/right/"];

/// What tools for reporting bugs ask and run (Apport's "package hooks", reportbug(1)).
const BUG_REPORTS: &[&str] = &["usr/share/apport/", "usr/share/bug/"];

/// What locales are compiled from (localedef(1), "FILES"); programs read the result.
pub(super) const LOCALE_SOURCES: &str = "usr/share/i18n/";

/// Returns whether a file could be asked for at run time: documentation, what
/// compilers need, and the package manager's own files are not.
pub(super) fn is_wanted(tree: &Tree, node: NodeId) -> bool {
    if tree.is_directory(node) {
        return !is_version_control(tree.name(node));
    }
    let path = tree.path(node);
    if path.split(|b| *b == b'/').any(is_version_control) {
        return false;
    }
    let reports = |top: &&str| path.starts_with(top.as_bytes());
    if is_repeated(&path)
        || path.starts_with(LOCALE_SOURCES.as_bytes())
        || BUG_REPORTS.iter().any(reports)
    {
        return false;
    }
    let class = Class::of(&path);
    let ours = !matches!(
        class,
        Class::Locale(_)
            | Class::License
            | Class::ShellCompletion
            | Class::Lintian
            | Class::SystemdUnit
            | Class::InitScript
            | Class::CronJob
            | Class::Logrotate
            | Class::SecurityPolicy
            | Class::Desktop
            | Class::Device
            | Class::PackageDatabase
    );
    // libltdl opens plug-ins through these (libtool manual, "Modules for libltdl").
    let is_plugin = path.ends_with(b".la") && !is_shared(tree, tree.parent(node));
    ours && !class.is_documentation()
        && (is_plugin || !class.is_for_building())
        && !is_compiled_source(&path)
}

/// Returns whether a path repeats what is beside it.
pub(super) fn is_repeated(path: &[u8]) -> bool {
    let mut repeated = REPEATED.iter();
    repeated.any(|repeated| path.starts_with(repeated.as_bytes()))
}

pub(super) fn is_version_control(name: &[u8]) -> bool {
    [&b".git"[..], b".svn", b".hg"].contains(&name)
}

/// Source of languages that are compiled ahead of time: their programs carry its
/// path in debugging information, and never open it.
pub(super) fn is_compiled_source(path: &[u8]) -> bool {
    let endings = [
        ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".go", ".rs", ".s", ".S", ".o", ".a",
    ];
    endings
        .iter()
        .any(|ending| path.ends_with(ending.as_bytes()))
}

/// Keeps the directory that an application was copied to: the one of its
/// program, when no package owns the program and the directory is its own.
///
/// `/app/server` brings `/app`; `/opt/app/bin/app` brings the prefix `/opt/app`.
pub(super) fn keep_application(collector: &mut Collector<'_>, program: NodeId) {
    let tree = collector.tree();
    if collector.input.packages.owner(program).is_some() {
        return;
    }
    let mut directory = tree.parent(program);
    if [&b"bin"[..], b"sbin", b"libexec"].contains(&tree.name(directory))
        && !is_shared(tree, tree.parent(directory))
    {
        directory = tree.parent(directory);
    }
    if is_shared(tree, directory) || !collector.applications.insert(directory) {
        return;
    }
    let detail = String::from_utf8_lossy(&tree.absolute(directory)).into_owned();
    let edge = Edge {
        from: Some(program),
        evidence: Evidence::Application,
        detail,
    };
    keep_own(collector, directory, &edge);
}

/// Keeps a directory that users put there themselves, without caches of builds:
/// those that say so (`CACHEDIR.TAG`, bford.info/cachedir) and Go's module cache
/// (`GOPATH/pkg/mod/cache`, "Go Modules Reference"), which holds source only.
pub(super) fn keep_own(collector: &mut Collector<'_>, top: NodeId, edge: &Edge) {
    let tree = collector.tree();
    collector.keep(top, edge.clone());
    let mut pending = vec![(top, edge.clone())];
    while let Some((directory, edge)) = pending.pop() {
        // What others wrote came along: its scripts are seldom run.
        let edge = match THIRD_PARTY
            .iter()
            .any(|name| tree.name(directory) == name.as_bytes())
        {
            true => Edge {
                evidence: Evidence::Module,
                from: edge.from.or(Some(top)),
                ..edge
            },
            false => edge,
        };
        for node in tree.children(directory) {
            if is_version_control(tree.name(node)) {
                continue;
            }
            if is_build_cache(tree, node) {
                continue;
            }
            collector.keep(node, edge.clone());
            if tree.is_directory(node) {
                pending.push((node, edge.clone()));
            }
        }
    }
}

/// Keeps what is in a directory to which a link leads that is part of something kept whole:
/// distributions put data of modules below `/usr/share`, and a link in its place
/// (FHS 3.0, 4.11 "architecture-independent data"). A link that is merely on the way says nothing.
pub(super) fn keep_linked(collector: &mut Collector<'_>, link: NodeId, target: NodeId) {
    let tree = collector.tree();
    let part_of_whole = collector.graph.reason(link).is_some_and(|edge| {
        matches!(
            edge.evidence,
            Evidence::Module | Evidence::Application | Evidence::PluginDir | Evidence::Package
        )
    });
    let mut above = std::iter::successors(Some(link), |node| {
        (*node != tree.root()).then(|| tree.parent(*node))
    });
    if !part_of_whole
        || !tree.is_directory(target)
        || is_shared(tree, target)
        || above.any(|node| node == target)
    {
        return;
    }
    let edge = Edge {
        from: Some(link),
        evidence: Evidence::PluginDir,
        detail: String::from_utf8_lossy(&tree.absolute(target)).into_owned(),
    };
    collector.keep_below(target, &edge, |node| is_wanted(tree, node));
}

/// Directories into which package managers of languages put what others wrote:
/// npm, pip and Debian's Python, Composer and Bundler.
const THIRD_PARTY: &[&str] = &["node_modules", "site-packages", "dist-packages", "vendor"];

/// Returns whether a directory is a cache of builds.
pub(super) fn is_build_cache(tree: &Tree, node: NodeId) -> bool {
    tree.is_directory(node)
        && (tree.child(node, b"CACHEDIR.TAG").is_some() || is_go_module_cache(tree, node))
}

fn is_go_module_cache(tree: &Tree, directory: NodeId) -> bool {
    let cache = tree.child(directory, b"cache");
    tree.name(directory) == b"mod"
        && cache.is_some_and(|cache| tree.child(cache, b"download").is_some())
}

fn relative<'p>(path: &'p [u8], top: &[u8]) -> &'p [u8] {
    path.strip_prefix(top)
        .map_or(path, |rest| rest.strip_prefix(b"/").unwrap_or(rest))
}

/// Matches a path with a pattern: `*` and `?` within a component, `**` across.
pub(super) fn glob_matches(pattern: &[u8], path: &[u8]) -> bool {
    // Two pointers with one point of return each for `*` and `**`: linear in
    // practice, and never exponential.
    let (mut p, mut s) = (0, 0);
    let mut star: Option<(usize, usize, bool)> = None;
    while s < path.len() {
        let across = pattern[p..].starts_with(b"**");
        match pattern.get(p) {
            Some(b'*') => {
                p += if across { 2 } else { 1 };
                if across && pattern.get(p) == Some(&b'/') && (p < 3 || pattern[p - 3] == b'/') {
                    p += 1;
                }
                star = Some((p, s, across));
                continue;
            }
            Some(b'?') if path[s] != b'/' => (p, s) = (p + 1, s + 1),
            Some(b'[') => match class_matches(&pattern[p..], path[s]) {
                Some((length, true)) => (p, s) = (p + length, s + 1),
                _ => match retry(&mut star, path) {
                    Some(next) => (p, s) = next,
                    None => return false,
                },
            },
            Some(c) if *c == path[s] => (p, s) = (p + 1, s + 1),
            _ => match retry(&mut star, path) {
                Some(next) => (p, s) = next,
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

fn retry(star: &mut Option<(usize, usize, bool)>, path: &[u8]) -> Option<(usize, usize)> {
    let (p, s, across) = star.as_mut()?;
    if *s >= path.len() || (!*across && path[*s] == b'/') {
        return None;
    }
    *s += 1;
    Some((*p, *s))
}

fn class_matches(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let end = pattern.iter().skip(2).position(|b| *b == b']')? + 2;
    let set = &pattern[1..end];
    let (negated, set) = match set.first() {
        Some(b'!' | b'^') => (true, &set[1..]),
        _ => (false, set),
    };
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == b'-' {
            found |= (set[at]..=set[at + 2]).contains(&byte);
            at += 3;
        } else {
            found |= set[at] == byte;
            at += 1;
        }
    }
    Some((end + 1, found != negated && byte != b'/'))
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, path, want) in [
            ("/etc/*", "/etc/passwd", true),
            ("/etc/*", "/etc/a/b", false),
            ("/etc/**", "/etc/a/b", true),
            ("**/x", "a/b/x", true),
            ("/usr/lib/*-linux-*", "/usr/lib/x86_64-linux-gnu", true),
            ("usr/lib/*-linux-*", "usr/lib/python3", false),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("[a-c]?", "bz", true),
            ("[!a]", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("lib*", "lib64", true),
            ("", "", true),
        ] {
            assert_eq!(
                glob_matches(pattern.as_bytes(), path.as_bytes()),
                want,
                "{pattern} {path}"
            );
        }
    }
}
