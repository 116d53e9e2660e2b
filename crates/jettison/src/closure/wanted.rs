//! What nobody asks for at run time, wherever it is: documentation, sources, caches.

use layer::{NodeId, Tree};

use super::directories::is_shared;
use crate::packages::classes::Class;

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

/// Returns whether a directory is of version control, or of where its repositories are.
pub(super) fn is_version_control(name: &[u8]) -> bool {
    [&b".git"[..], b".svn", b".hg", b".github", b".gitlab"].contains(&name)
}

/// Where Guile's compiled modules are, which are called like sources of Go (Guile manual, "Compilation"; of the
/// site and of users, "Load Paths").
const GUILE_CACHES: &[&[u8]] = &[b"ccache", b"site-ccache"];

/// Source of languages that are compiled ahead of time: their programs carry its
/// path in debugging information, and never open it.
pub(super) fn is_compiled_source(path: &[u8]) -> bool {
    let mut above = path.split(|b| *b == b'/');
    if path.ends_with(b".go") && above.any(|name| GUILE_CACHES.contains(&name)) {
        return false;
    }
    let extension = path.rsplit(|b| *b == b'.').next().unwrap_or_default();
    extension.len() < path.len() && COMPILED.contains(&extension)
}

/// The ends of their names: those that programmers write, and those that compilers make.
const COMPILED: &[&[u8]] = &[
    b"c", b"cc", b"cpp", b"cxx", b"h", b"hh", b"hpp", b"go", b"rs", b"s", b"S", b"o", b"a",
];
