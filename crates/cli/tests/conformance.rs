//! The images of `jettison build` beside those of docker's and buildah's own builders.
//!
//! Each case of `conformance/*.cases` is a small Dockerfile, over one context that all share. What
//! jettison makes of it is compared with what is recorded in `conformance/expected.txt`: the files that
//! the base does not have (mode, owner, content, links, attributes), and the config. With
//! `JETTISON_CONFORMANCE=live` the other builders are run too, and each must give the same, or the case
//! says why not: those reasons are the table in `docs/build.md`. `JETTISON_REGENERATE=1` records anew.

mod containers;
#[path = "conformance/references.rs"]
mod references;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::cli::Environment;

use references::{Reference, describe};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

/// One Dockerfile.
#[derive(Debug, Default, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Flags of `build`.
    pub(crate) flags: Vec<String>,
    /// Files of the context besides the common ones, with their contents.
    pub(crate) files: Vec<(String, String)>,
    /// Why a reference gives something else, or nothing.
    pub(crate) differs: BTreeMap<String, String>,
    pub(crate) dockerfile: String,
}

/// Reads the cases: `=== NAME`, then lines `@ KEY VALUE`, then the Dockerfile.
fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(DIRECTORY)
        .expect("the cases are there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "cases")
        })
        .collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("=== ") {
                let name = name.to_owned();
                cases.push(Case {
                    name,
                    ..Case::default()
                });
                continue;
            }
            let case = cases.last_mut().expect("a file begins with a case");
            match line
                .strip_prefix("@ ")
                .map(|rest| rest.split_once(' ').unwrap_or((rest, "")))
            {
                Some(("flag", flag)) => case.flags.push(flag.to_owned()),
                Some(("file", rest)) => {
                    let (path, content) = rest.split_once(' ').unwrap_or((rest, ""));
                    case.files
                        .push((path.to_owned(), content.replace("\\n", "\n")));
                }
                Some((reference @ ("docker" | "buildah"), reason)) => {
                    case.differs.insert(reference.to_owned(), reason.to_owned());
                }
                Some((key, _)) => panic!("{}: no such key `{key}`", case.name),
                None => writeln!(case.dockerfile, "{line}").expect("strings can be written"),
            }
        }
    }
    let mut names: Vec<&str> = cases.iter().map(|case| &*case.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "every case has a name of its own");
    cases
}

/// The context that all cases share.
fn context(directory: &Path, case: &Case) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let write = |name: &str, content: &[u8], mode: u32| {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().expect("it has one"))
            .expect("directories can be made");
        std::fs::write(&path, content).expect("files can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
            .expect("modes can be set");
    };
    for (name, content, mode) in [
        ("a.txt", "a\n", 0o644),
        ("b.txt", "b\n", 0o640),
        ("c.md", "c\n", 0o644),
        ("run.sh", "#!/bin/sh\necho ran\n", 0o755),
        ("dir/x.txt", "x\n", 0o600),
        ("dir/y.md", "y\n", 0o644),
        ("dir/sub/z.txt", "z\n", 0o644),
        ("dir/sub/deep/w.txt", "w\n", 0o644),
        (".hidden", "h\n", 0o644),
        ("with space.txt", "s\n", 0o644),
        ("other/x.txt", "other\n", 0o644),
    ] {
        write(name, content.as_bytes(), mode);
    }
    if case.dockerfile.contains("set/uid") {
        write("set/uid", b"u\n", 0o4755);
    }
    for (name, content) in &case.files {
        write(name, content.as_bytes(), 0o644);
    }
    let mode = |name: &str, mode| {
        let path = directory.join(name);
        std::fs::create_dir_all(&path).expect("directories can be made");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .expect("modes can be set");
    };
    mode("dir", 0o755);
    mode("dir/sub", 0o750);
    mode("empty", 0o711);
    mode("private", 0o700);
    symlink("a.txt", directory.join("link")).expect("links can be made");
    symlink("dir", directory.join("dirlink")).expect("links can be made");
    symlink("nowhere", directory.join("dangling")).expect("links can be made");
    std::fs::create_dir_all(directory.join("links")).expect("directories can be made");
    write("links/one", b"1\n", 0o644);
    std::fs::hard_link(directory.join("links/one"), directory.join("links/two"))
        .expect("links can be made");
    let archive = testkit::tree::Builder::new()
        .directory("packed")
        .mode(0o750)
        .file("packed/file", "packed\n")
        .owner(7, 8)
        .symlink("packed/link", "file")
        .tar();
    write("packed.tar", &archive, 0o644);
    write("Dockerfile", case.dockerfile.as_bytes(), 0o644);
    let run = |program: &str, arguments: &[&str]| {
        let status = std::process::Command::new(program)
            .args(arguments)
            .current_dir(directory)
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{program} packs"
        );
    };
    for (program, name) in [
        ("gzip", "packed.tar.gz"),
        ("xz", "packed.tar.xz"),
        ("bzip2", "packed.tar.bz2"),
    ] {
        if case.dockerfile.contains(name) && testkit::tools::has_tool(program) {
            run(program, &["-k", "-f", "packed.tar"]);
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "what is recorded of a failure is short"
)]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// Builds a case with jettison and describes the result; a failure is one, too.
fn ours(environment: &Environment, case: &Case, base: &str) -> String {
    let directory = environment.path(&format!("context-{}", case.name));
    context(&directory, case);
    let name = format!("case-{}:1", case.name);
    let path = directory.display().to_string();
    let mut arguments = vec!["build", "--quiet", "-t", &name, &path];
    arguments.extend(case.flags.iter().map(String::as_str));
    let outcome = environment.run(&arguments);
    if outcome.code != 0 {
        tell(&format!("{}: {outcome}", case.name));
        let reason = outcome
            .stderr
            .lines()
            .filter(|line| line.contains("caused by:") || line.starts_with("error:"));
        let reason: Vec<&str> = reason.collect();
        return format!(
            "fails with {}: {}\n",
            outcome.code,
            reason.last().unwrap_or(&"")
        );
    }
    let archive = environment.path(&format!("image-{}.tar", case.name));
    let to = format!("docker-archive:{}", archive.display());
    let _ = environment.run(&["copy", &name, &to]).done();
    let text = describe(&archive, base);
    std::fs::remove_file(&archive).expect("it was just written");
    text
}

#[test]
fn images_are_those_of_other_builders() {
    let Some(root) = containers::root() else {
        return;
    };
    // What buildah would add to every image that lacks it.
    let root = ["dev", "proc", "sys", "run"]
        .into_iter()
        .fold(root, |root, name| root.directory(name));
    let names = ["etc/hosts", "etc/hostname", "etc/resolv.conf"];
    let root = names
        .into_iter()
        .fold(root, |root, name| root.file(name, ""));
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    containers::import(&environment, &root, "jb-box:1", &[]);
    let archive = environment.path("box.tar");
    let _ = environment
        .run(&[
            "copy",
            "jb-box:1",
            &format!("docker-archive:{}:jb-box:1", archive.display()),
        ])
        .done();
    let base = references::dump_of(&archive);
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by their environment"
    )]
    let (live, regenerate, only) = (
        std::env::var("JETTISON_CONFORMANCE").is_ok_and(|value| value == "live"),
        std::env::var_os("JETTISON_REGENERATE").is_some(),
        std::env::var("JETTISON_CASE").ok(),
    );
    let mut cases = cases();
    cases.retain(|case| {
        only.as_ref()
            .is_none_or(|only| only.split(',').any(|part| case.name.contains(part)))
    });
    let references: Vec<Reference> = if live {
        Reference::all(&archive)
    } else {
        Vec::new()
    };
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let text = ours(&environment, case, &base);
                    for reference in &references {
                        let directory = environment.path(&format!("context-{}", case.name));
                        let theirs = reference.build(case, &directory, &base);
                        let reason = case.differs.get(reference.name());
                        match (theirs == text, reason) {
                            (true, None) | (false, Some(_)) => {}
                            (true, Some(reason)) => failures.lock().unwrap().push(format!(
                                "{}: {} does the same, though it says: {reason}",
                                case.name,
                                reference.name()
                            )),
                            (false, None) => failures.lock().unwrap().push(format!(
                                "{}: {} gives something else\n--- ours\n{text}--- theirs\n{theirs}",
                                case.name,
                                reference.name()
                            )),
                        }
                    }
                    found.lock().unwrap().insert(case.name.clone(), text);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} differences:\n{}",
        failures.len(),
        failures.join("\n")
    );
    let found = found.into_inner().unwrap();
    let text: String = cases
        .iter()
        .map(|case| format!("=== {}\n{}", case.name, found[&case.name]))
        .collect();
    let path = Path::new(DIRECTORY).join("expected.txt");
    if regenerate {
        assert!(only.is_none(), "all cases are recorded together");
        std::fs::write(&path, &text).expect("it can be recorded");
        return;
    }
    let expected = std::fs::read_to_string(&path).expect("it is recorded");
    let sections = |text: &str| -> BTreeMap<String, String> {
        text.split("=== ")
            .skip(1)
            .map(|one| one.split_once('\n').unwrap_or((one, "")))
            .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
            .collect()
    };
    let (mut wanted, got) = (sections(&expected), sections(&text));
    wanted.retain(|name, _| got.contains_key(name) || only.is_none());
    let names: BTreeSet<&String> = got.keys().chain(wanted.keys()).collect();
    let different: String = names
        .into_iter()
        .filter(|name| got.get(*name) != wanted.get(*name))
        .map(|name| {
            let [got, wanted] =
                [&got, &wanted].map(|all| all.get(name).map_or("nothing\n", |text| text));
            format!("{name}\n--- got\n{got}--- recorded\n{wanted}")
        })
        .collect();
    assert!(different.is_empty(), "{different}");
}

#[test]
fn the_guide_explains_every_difference() {
    let guide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/build.md"));
    let guide = guide.expect("the guide is there");
    for case in cases() {
        for reason in case.differs.values() {
            assert!(
                guide.contains(&format!("| {reason} |")),
                "{}: `{reason}` is not in docs/build.md",
                case.name
            );
        }
    }
}
