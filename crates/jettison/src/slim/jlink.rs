//! A Java run time with the modules that applications run with, made by the image's own `jlink`.
//!
//! `jlink` (JEP 282) puts a run time together from the modules in `jmods`. Which of them an application needs, its
//! archives say only in part: services are bound by name, and archives may hold others. So all modules stay but those of
//! tools for developers, and `lib/modules`, the one file that holds them, is written compressed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use image::{FileSystem, Spool};
use layer::tree::resolve::Lookup;
use layer::{Entry, Kind, Metadata, NodeId, Tree};
use sandbox::{Mount, Network, Stdio, Streams};

use super::Plan;
use crate::container::{self, Settings, Unpacked};
use crate::verify::{Subject, Surroundings};

/// Modules of tools for developers ("Module Summary" of the JDK's API): compilers, debuggers, and what makes run times
/// and packages. Of these, an application can use the compiler.
const TOOLS: &[&str] = &[
    COMPILER,
    "jdk.editpad",
    "jdk.graal.compiler",
    "jdk.graal.compiler.management",
    "jdk.hotspot.agent",
    "jdk.internal.ed",
    "jdk.internal.le",
    "jdk.internal.opt",
    "jdk.internal.vm.compiler",
    "jdk.internal.vm.compiler.management",
    "jdk.jartool",
    "jdk.javadoc",
    "jdk.jcmd",
    "jdk.jconsole",
    "jdk.jdeps",
    "jdk.jdi",
    "jdk.jlink",
    "jdk.jpackage",
    "jdk.jshell",
    "jdk.jstatd",
];
const COMPILER: &str = "jdk.compiler";

/// Where `jlink` finds the directory to write to.
const OUTPUT: &str = "/jettison-jlink";
/// Since this release levels of compression have names.
const NAMED_LEVELS: u32 = 21;
/// How much of what `jlink` says is shown.
const SHOWN: usize = 2000;

/// What can go wrong with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No run time with what `jlink` needs.
    #[error("there is no Java run time with `bin/jlink` and `jmods` in the image")]
    Nothing,
    /// It did not work.
    #[error("`{program}` failed in the image: {said}")]
    Failed {
        /// Its path.
        program: String,
        /// What it said.
        said: String,
    },
    /// A file cannot be made or read.
    #[error("cannot {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No container.
    #[error(transparent)]
    Container(#[from] container::Error),
    /// The new files cannot be added.
    #[error(transparent)]
    Image(#[from] image::Error),
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { verb, path, source }
}

/// Returns the files of an image with every run time in it made anew. `plan` says what stays of the image as it is.
///
/// # Errors
/// When there is no `jlink`, or it fails.
pub fn rebuild(
    subject: Subject<'_>,
    plan: &Plan<'_>,
    surroundings: &Surroundings<'_>,
    spool: &Spool,
) -> Result<FileSystem, Error> {
    let homes = homes(&subject.files.tree);
    if homes.is_empty() {
        return Err(Error::Nothing);
    }
    let mut files: Option<FileSystem> = None;
    for home in homes {
        let (made, _unpacked) = link(subject, home, plan, surroundings)?;
        let current = files.as_ref().unwrap_or(subject.files);
        files = Some(replace(
            current,
            &subject.files.tree.path(home),
            &made,
            spool,
        )?);
    }
    files.ok_or(Error::Nothing)
}

/// Returns the directories that `jlink` can make anew.
fn homes(tree: &Tree) -> Vec<NodeId> {
    let has = |home: NodeId, path: &[u8]| {
        let found = tree.resolve_at(home, path, Lookup::STAT);
        found.is_ok_and(|found| tree.content(found.node).is_some())
    };
    let modules = tree
        .walk(tree.root())
        .filter(|node| tree.name(*node) == b"modules" && tree.content(*node).is_some());
    let homes = modules.map(|node| tree.parent(tree.parent(node)));
    homes
        .filter(|home| has(*home, b"bin/jlink") && has(*home, b"jmods/java.base.jmod"))
        .collect()
}

/// Has `jlink` make a run time. Returns the directory that it is in, and what that lasts with.
fn link(
    subject: Subject<'_>,
    home: NodeId,
    plan: &Plan<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<(PathBuf, Unpacked), Error> {
    let Subject { image, files, .. } = subject;
    let tree = &files.tree;
    let home_path = String::from_utf8_lossy(&tree.absolute(home)).into_owned();
    let below = |path: &[u8]| Some(tree.resolve_at(home, path, Lookup::STAT).ok()?.node);
    // Signatures of older releases stay where a compiler could run.
    let compiles = below(b"lib/ct.sym").is_some_and(|node| plan.keeps(node));
    let is_kept = |name: &str| !TOOLS.contains(&name) || name == COMPILER && compiles;
    let jmods = below(b"jmods").map(|directory| tree.children(directory));
    let names = jmods.unwrap_or_default().into_iter().filter_map(|node| {
        let name = tree.name(node).strip_suffix(b".jmod")?;
        String::from_utf8(name.to_vec()).ok()
    });
    let modules: Vec<String> = names.filter(|name| is_kept(name)).collect();
    let level = match release(files, below(b"release")) {
        Some(release) if release >= NAMED_LEVELS => "zip-6",
        _ => "2",
    };
    let program = format!("{home_path}/bin/jlink");
    let settings = Settings {
        entrypoint: Some(program.clone()),
        command: [
            "--module-path",
            &format!("{home_path}/jmods"),
            "--add-modules",
            &modules.join(","),
            "--compress",
            level,
            "--no-header-files",
            "--no-man-pages",
            "--output",
            &format!("{OUTPUT}/made"),
        ]
        .map(str::to_owned)
        .to_vec(),
        user: Some("0:0".to_owned()),
        working_dir: Some("/".to_owned()),
        network: Network::None,
        streams: Streams {
            stdin: Stdio::Null,
            ..Streams::all(Stdio::Piped)
        },
        ..Settings::default()
    };
    let mut spec = container::plan(image, files, &settings, surroundings.ids)?;
    let unpacked = Unpacked::new(files, &spec.ids, surroundings.scratch)?;
    unpacked.prepare(&mut spec);
    let output = unpacked.beside("jlink")?;
    spec.mounts.push(Mount::Bind {
        source: output.clone(),
        target: OUTPUT.into(),
        read_only: false,
    });
    let mut container = sandbox::spawn(&spec).map_err(container::Error::from)?;
    let streams = [container.main.take_stdout(), container.main.take_stderr()];
    let readers = streams.map(|stream| std::thread::spawn(move || said(stream)));
    let status = container.main.wait().map_err(container::Error::from)?;
    let texts = readers.map(|reader| reader.join().unwrap_or_default());
    if !status.success() {
        let said = texts.concat().trim().replace('\n', "; ");
        return Err(Error::Failed { program, said });
    }
    Ok((output.join("made"), unpacked))
}

fn said(stream: Option<File>) -> String {
    let mut text = Vec::new();
    if let Some(mut stream) = stream {
        let _ = io::copy(&mut stream, &mut text); // what was said before it broke off is shown
    }
    String::from_utf8_lossy(&text).chars().take(SHOWN).collect()
}

/// Reads the number of the release from `JAVA_VERSION` in the file `release`.
fn release(files: &FileSystem, file: Option<NodeId>) -> Option<u32> {
    let content = files.tree.content(file?)?;
    let text = files.contents.read(content, 64 << 10).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    let digits = version.trim_matches('"').split('.').next()?;
    digits.parse().ok()
}

/// Puts the new `lib/modules` and `release` in the place of the old ones, and removes programs and libraries of modules
/// that are not there any more, and archives of classes that were made for the old modules. All else is as it was: settings
/// and certificates of distributions lie elsewhere, and links lead there.
fn replace(
    files: &FileSystem,
    home: &[u8],
    made: &Path,
    spool: &Spool,
) -> Result<FileSystem, Error> {
    let tree = &files.tree;
    let at = |path: &str| [home, b"/", path.as_bytes()].concat();
    let mut gone = BTreeSet::new();
    for part in ["bin", "lib", "jmods"] {
        let Some(top) = tree.lookup(&at(part)) else {
            continue;
        };
        for node in tree.walk(top).filter(|node| tree.content(*node).is_some()) {
            let path = tree.path(node);
            let below = String::from_utf8_lossy(&path[home.len() + 1..]).into_owned();
            if fs::symlink_metadata(made.join(&below)).is_err() {
                gone.insert(path);
            }
        }
    }
    let mut opened = Vec::new();
    for part in ["lib/modules", "release"] {
        let path = made.join(part);
        let Some(node) = tree
            .lookup(&at(part))
            .filter(|node| tree.content(*node).is_some())
        else {
            continue;
        };
        let file = File::open(&path).map_err(failed("open", &path))?;
        let length = file.metadata().map_err(failed("read", &path))?.len();
        opened.push((at(part), tree.metadata(node), file, length));
    }
    let added = files.with_layer(spool, |tar| {
        for path in &gone {
            let slash = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
            let whiteout = [&path[..slash], b".wh.", &path[slash..]].concat();
            tar.write_entry(&Entry {
                path: whiteout,
                kind: Kind::File { size: 0 },
                metadata: Metadata::default(),
            })?;
        }
        for (path, metadata, file, length) in &mut opened {
            tar.write_stream(path, metadata, *length, file)?;
        }
        Ok(())
    })?;
    Ok(added)
}
