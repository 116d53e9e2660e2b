//! The standard library: what of it is there for people who develop CPython or
//! write programs, and what needs libraries that few use.
//!
//! Everything else of it is kept whole: its modules import one another freely,
//! and many by name.

use layer::{NodeId, Tree};

use fast_glob::glob_match;

/// A part of the standard library that is kept only for those who import it.
pub(super) struct Part {
    pub(super) name: &'static str,
    /// Its modules, as programs name them.
    pub(super) modules: &'static [&'static str],
    /// Other modules whose import needs it.
    pub(super) importers: &'static [&'static str],
    /// Patterns of its files, relative to the library.
    files: &'static [&'static str],
}

/// Parts in the order in which they claim files.
pub(super) const PARTS: &[Part] = &[
    // "Meant for internal use by Python only" (library reference, `test`).
    Part {
        name: "tests of the standard library",
        modules: &[],
        importers: &[],
        files: &[
            "test/**",
            "*/test/**",
            "*/tests/**",
            "idlelib/idle_test/**",
            "lib-dynload/_test*",
            "lib-dynload/_ctypes_test*",
            "lib-dynload/_xxtestfuzz*",
            "lib-dynload/xxlimited*",
        ],
    },
    // Needs a display, and Tk with the libraries of X11. IDLE, turtle and its demo import it.
    Part {
        name: "tkinter",
        modules: &["tkinter", "turtle", "idlelib", "turtledemo"],
        importers: &["_tkinter"],
        files: &[
            "tkinter/**",
            "idlelib/**",
            "turtledemo/**",
            "turtle.py",
            "lib-dynload/_tkinter.*",
        ],
    },
    // Wheels of pip, which `venv` puts into new environments (library reference, `ensurepip`).
    Part {
        name: "ensurepip",
        modules: &["ensurepip", "venv"],
        importers: &[],
        files: &["ensurepip/**"],
    },
    // Translates Python 2; nothing of the library imports it (deprecated in 3.9, gone in 3.13).
    Part {
        name: "lib2to3",
        modules: &["lib2to3"],
        importers: &[],
        files: &["lib2to3/**"],
    },
    // Text of the language reference, for `help()`, which does without (pydoc.py, `showtopic`).
    Part {
        name: "pydoc_data",
        modules: &["pydoc_data"],
        importers: &[],
        files: &["pydoc_data/**"],
    },
    // The client of NIS, with its libraries (deprecated in 3.11, gone in 3.13).
    Part {
        name: "nis",
        modules: &["nis"],
        importers: &[],
        files: &["lib-dynload/nis.*"],
    },
    // Builds extensions (deprecated in 3.10, gone in 3.12).
    Part {
        name: "distutils",
        modules: &["distutils"],
        importers: &[],
        files: &["distutils/**"],
    },
    // dbm.open tries these by name and falls back to dbm.dumb; shelve calls it.
    Part {
        name: "dbm",
        modules: &["dbm", "shelve"],
        importers: &["dbm", "shelve"],
        files: &["lib-dynload/_dbm.*", "lib-dynload/_gdbm.*"],
    },
];

/// What building CPython or extensions needs: the `Makefile`, headers and static
/// library of `sysconfig`, which reads `_sysconfigdata` at run time instead; and
/// programs for Windows.
const NEVER: &[&str] = &["config-*/**", "*.a", "**/*.exe", "**/*.pyi"];

/// Returns the part that a file of the library belongs to: a number of [`PARTS`], or
/// nothing for what stays. `None` within means that nobody needs it.
pub(super) fn part_of(path: &[u8]) -> Option<Option<usize>> {
    let matches = |pattern: &&str| glob_match(pattern.as_bytes(), path);
    if NEVER.iter().any(&matches) {
        return Some(None);
    }
    let part = PARTS
        .iter()
        .position(|part| part.files.iter().any(&matches))?;
    Some(Some(part))
}

/// A directory of the standard library.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) directory: NodeId,
    /// The installation that it is of: `/usr` for `/usr/lib/python3.11`.
    pub(super) prefix: NodeId,
    /// `3.11`.
    pub(super) version: String,
}

/// Returns the standard library in a directory, if it is one: `os.py` is the
/// landmark by which the interpreter finds it (getpath.py).
pub(super) fn library(tree: &Tree, directory: NodeId) -> Option<Library> {
    let version = version(tree.name(directory))?;
    tree.child(directory, b"os.py")?;
    let prefix = tree.parent(tree.parent(directory));
    Some(Library {
        directory,
        prefix,
        version,
    })
}

/// Returns the version in the name of a directory or interpreter: `python3.11`,
/// `pypy3.10`, `libpython3.11.so.1.0`.
pub(super) fn version(name: &[u8]) -> Option<String> {
    let name = name.strip_prefix(b"lib").unwrap_or(name);
    let rest = name
        .strip_prefix(b"python")
        .or_else(|| name.strip_prefix(b"pypy"))?;
    let text = String::from_utf8_lossy(rest).into_owned();
    let mut parts = text.split('.');
    let major: u32 = parts.next()?.parse().ok()?;
    let minor: String = parts
        .next()?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (!minor.is_empty()).then(|| format!("{major}.{minor}"))
}

/// Returns the version that a file was compiled for: `3.11` of
/// `x.cpython-311.pyc` (PEP 3147) and `x.cpython-311-x86_64-linux-gnu.so` (PEP 3149).
pub(super) fn tagged_version(name: &[u8]) -> Option<String> {
    let dot = [&b".cpython-"[..], b".pypy"]
        .iter()
        .find_map(|tag| Some(memchr::memmem::find(name, tag)? + tag.len()))?;
    let digits: Vec<u8> = name[dot..]
        .iter()
        .copied()
        .take_while(u8::is_ascii_digit)
        .collect();
    let (major, minor) = digits.split_first()?;
    let minor = String::from_utf8_lossy(minor).into_owned();
    (!minor.is_empty()).then(|| format!("{}.{minor}", char::from(*major)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_names() {
        for (name, want) in [
            ("python3.11", Some("3.11")),
            ("libpython3.9.so.1.0", Some("3.9")),
            ("pypy3.10", Some("3.10")),
            ("python3.13t", Some("3.13")),
            ("python3", None),
            ("perl5.36", None),
        ] {
            assert_eq!(version(name.as_bytes()).as_deref(), want, "{name}");
        }
        for (name, want) in [
            ("a.cpython-311.pyc", Some("3.11")),
            ("a.cpython-39.opt-1.pyc", Some("3.9")),
            ("a.cpython-311-x86_64-linux-gnu.so", Some("3.11")),
            ("a.pypy310-pp73-x86_64-linux-gnu.so", Some("3.10")),
            ("a.abi3.so", None),
            ("a.pyc", None),
        ] {
            assert_eq!(tagged_version(name.as_bytes()).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn parts_of_the_library() {
        let name = |path: &str| {
            part_of(path.as_bytes()).map(|part| part.map_or("never", |part| PARTS[part].name))
        };
        for (path, want) in [
            ("os.py", None),
            ("json/decoder.py", None),
            ("unittest/case.py", None),
            (
                "unittest/test/test_case.py",
                Some("tests of the standard library"),
            ),
            (
                "test/support/__init__.py",
                Some("tests of the standard library"),
            ),
            (
                "lib-dynload/_testcapi.cpython-311-x86_64-linux-gnu.so",
                Some("tests of the standard library"),
            ),
            (
                "lib-dynload/_tkinter.cpython-311-x86_64-linux-gnu.so",
                Some("tkinter"),
            ),
            ("turtle.py", Some("tkinter")),
            ("ensurepip/_bundled/pip.whl", Some("ensurepip")),
            ("config-3.11-x86_64-linux-gnu/Makefile", Some("never")),
            ("lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so", None),
            ("dbm/__init__.py", None),
        ] {
            assert_eq!(name(path), want, "{path}");
        }
    }
}
