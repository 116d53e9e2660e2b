//! What programs of this machine load, compared with what ldd(1) prints.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jettison::loader::{Closure, EdgeKind, Environment, Loader};
use layer::read::Member;
use layer::{Content, Contents, Entry, Extents, FileSlice, Kind, Metadata, Tree};

/// Programs compared.
const PROGRAMS: usize = 60;
/// How deep libraries are looked for below `/lib*` and `/usr/lib*`.
const DEPTH: usize = 3;

/// A tree of the machine's own files; each file is a layer of its own, so
/// that nothing is copied.
#[derive(Default)]
struct Host {
    tree: Tree,
    files: Vec<FileSlice>,
}

impl Host {
    fn add(&mut self, path: &Path) {
        let metadata = fs::symlink_metadata(path).expect("it was just listed");
        let (kind, content) = if metadata.is_symlink() {
            let target = fs::read_link(path)
                .expect("it is a link")
                .into_os_string()
                .into_vec();
            (Kind::Symlink(target), None)
        } else if metadata.is_dir() {
            (Kind::Directory, None)
        } else {
            let Ok(file) = File::open(path) else {
                return;
            };
            let size = metadata.len();
            let content = Content {
                layer: self.files.len() as u32,
                size,
                extents: Extents::Whole(0),
            };
            self.files.push(FileSlice::new(Arc::new(file), 0, size));
            (Kind::File { size }, Some(content))
        };
        let relative = path.strip_prefix("/").expect("the path is absolute");
        let entry = Entry {
            path: relative.as_os_str().as_bytes().to_vec(),
            kind,
            metadata: Metadata::default(),
        };
        self.tree
            .apply(0, Member { entry, content })
            .expect("its parent is no file");
    }

    fn add_libraries(&mut self, directory: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(directory) else {
            return;
        };
        for entry in entries {
            let entry = entry.expect("the directory can be read");
            let kind = entry.file_type().expect("the file system tells types");
            let name = entry.file_name();
            let is_library = name.as_bytes().windows(3).any(|part| part == b".so");
            if kind.is_dir() {
                if depth > 1 {
                    self.add_libraries(&entry.path(), depth - 1);
                }
            } else if kind.is_symlink() || (kind.is_file() && is_library) {
                self.add(&entry.path());
            }
        }
    }
}

fn host(programs: &[PathBuf]) -> Host {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, all).expect("the limit can be raised to its maximum");
    let mut host = Host::default();
    for name in [
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "usr/lib",
        "usr/lib32",
        "usr/lib64",
    ] {
        let path = Path::new("/").join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => host.add(&path),
            Ok(_) => host.add_libraries(&path, DEPTH),
            Err(_) => {}
        }
    }
    for path in ["/etc/ld.so.cache", "/etc/ld.so.preload"] {
        if Path::new(path).exists() {
            host.add(Path::new(path));
        }
    }
    programs.iter().for_each(|program| host.add(program));
    host
}

/// Returns some dynamically linked programs, spread over all that there are.
fn programs() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["/usr/bin", "/usr/sbin"]
        .iter()
        .flat_map(|directory| fs::read_dir(directory).into_iter().flatten())
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| {
            fs::symlink_metadata(path)
                .expect("it was just listed")
                .is_file()
        })
        .filter(|path| {
            let bytes = fs::read(path).unwrap_or_default();
            let object = jettison::elf::parse(&bytes[..]);
            object.is_ok_and(|object| object.is_some_and(|object| object.interpreter.is_some()))
        })
        .collect();
    found.sort();
    let step = found.len().div_ceil(PROGRAMS).max(1);
    found.into_iter().step_by(step).collect()
}

/// Returns what ldd prints, in its order, without the loader and the kernel's
/// own object: libraries that exist, by their real path, and missing names.
fn ldd(program: &Path) -> Option<(Vec<PathBuf>, BTreeSet<String>)> {
    let output = Command::new("ldd")
        .arg(program)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .output()
        .expect("ldd can be started");
    output.status.success().then_some(())?;
    let mut libraries = Vec::new();
    let mut missing = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line = line.trim();
        let (name, rest) = line.split_once(" => ").unwrap_or((line, line));
        if rest.starts_with("not found") {
            missing.insert(name.to_owned());
            continue;
        }
        let path = rest.split(" (0x").next().expect("splitting gives a part");
        if path.starts_with('/') && !line.starts_with("/lib") {
            libraries.push(fs::canonicalize(path).expect("ldd names files that exist"));
        }
    }
    Some((libraries, missing))
}

/// Returns the libraries of a closure in the order of loading.
fn libraries(tree: &Tree, closure: &Closure) -> Vec<PathBuf> {
    let interpreter = closure
        .edges
        .iter()
        .find(|edge| edge.kind == EdgeKind::Interpreter)
        .map(|edge| edge.to);
    let loaded = closure.objects.iter().skip(1);
    let loaded = loaded.filter(|node| Some(**node) != interpreter);
    loaded
        .map(|node| PathBuf::from(std::ffi::OsString::from_vec(tree.absolute(*node))))
        .collect()
}

#[test]
fn programs_of_this_machine_load_what_ldd_says() {
    if Command::new("ldd").arg("--version").output().is_err() {
        println!("skipped: there is no ldd here");
        return;
    }
    let programs = programs();
    let Host { tree, files } = host(&programs);
    let contents = Contents::new(files);
    let loader = Loader::new(&tree, &contents, Environment::default());
    let mut compared = 0;
    for program in &programs {
        let Some((want, missing)) = ldd(program) else {
            println!("skipped: ldd does not read `{}`", program.display());
            continue;
        };
        let node = tree.lookup(program.as_os_str().as_bytes()).unwrap();
        let closure = loader.closure(node).unwrap();
        if closure.edges.iter().any(|edge| edge.alternative) {
            // Which one is loaded depends on this machine's processor.
            let found = libraries(&tree, &closure);
            assert!(want.iter().all(|path| found.contains(path)), "{program:?}");
            continue;
        }
        assert_eq!(libraries(&tree, &closure), want, "{program:?}");
        let unmet: BTreeSet<String> = closure
            .missing
            .iter()
            .map(|unmet| String::from_utf8_lossy(&unmet.name).into_owned())
            .collect();
        assert_eq!(unmet, missing, "{program:?}");
        compared += 1;
    }
    println!("{compared} of {} programs compared", programs.len());
}
