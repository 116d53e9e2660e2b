//! Other builders, and images as text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::transport::docker_archive;
use image::{FileSystem, LoadOptions, Spool};
use layer::Limits;
use serde_json::Value;
use testkit::tools::has_tool;

use crate::Case;

/// Another builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The classic builder of a Docker engine.
    Docker,
    /// buildah.
    Buildah,
}

impl Reference {
    /// Those that are here, with the base loaded.
    pub(crate) fn all(base: &Path) -> Vec<Self> {
        let mut all = Vec::new();
        if has_tool("docker") {
            let loaded = run(
                "docker",
                &["load", "-q", "-i", &base.display().to_string()],
                None,
            );
            assert!(
                loaded.status.success(),
                "docker loads the base: {}",
                stderr(&loaded)
            );
            all.push(Self::Docker);
        }
        if has_tool("buildah") {
            let loaded = run(
                "buildah",
                &["pull", "-q", &format!("docker-archive:{}", base.display())],
                None,
            );
            assert!(
                loaded.status.success(),
                "buildah loads the base: {}",
                stderr(&loaded)
            );
            all.push(Self::Buildah);
        }
        all
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Buildah => "buildah",
        }
    }

    /// Builds a case, and describes the result; a failure is one, too, but for those of buildah's storage,
    /// which others use at the same time.
    pub(crate) fn build(self, case: &Case, context: &Path, base: &str) -> String {
        let mut built = self.build_once(case, context, base);
        for _ in 0..3 {
            if !built.contains("copying layers and metadata for container") {
                break;
            }
            built = self.build_once(case, context, base);
        }
        built
    }

    fn build_once(self, case: &Case, context: &Path, base: &str) -> String {
        let name = format!("jb-case-{}", case.name);
        let archive = context.with_extension(self.name());
        let mut flags: Vec<&str> = case.flags.iter().map(String::as_str).collect();
        let file = context.join("Dockerfile").display().to_string();
        let path = context.display().to_string();
        let save = archive.display().to_string();
        let built = match self {
            Self::Docker => {
                let mut arguments = vec!["build", "-q", "--no-cache", "-t", &name, "-f", &file];
                arguments.append(&mut flags);
                arguments.push(&path);
                run("docker", &arguments, Some(("DOCKER_BUILDKIT", "0")))
            }
            Self::Buildah => {
                let mut arguments = vec![
                    "bud",
                    "-q",
                    "--isolation",
                    "chroot",
                    "--layers=false",
                    "--format",
                    "docker",
                    "-t",
                    &name,
                    "-f",
                    &file,
                ];
                arguments.append(&mut flags);
                arguments.push(&path);
                run("buildah", &arguments, None)
            }
        };
        if !built.status.success() {
            let said = stderr(&built);
            let last = said
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default()
                .to_owned();
            return format!("fails: {last}\n");
        }
        let saved = match self {
            Self::Docker => run("docker", &["save", "-o", &save, &name], None),
            Self::Buildah => run(
                "buildah",
                &[
                    "push",
                    "-q",
                    &name,
                    &format!("docker-archive:{save}:{name}:1"),
                ],
                None,
            ),
        };
        if !saved.status.success() {
            // The classic builder makes images without layers and cannot give them away.
            return format!("fails: {}\n", stderr(&saved).trim_end());
        }
        let text = describe(&archive, base);
        std::fs::remove_file(&archive).expect("it was just written");
        let _ = match self {
            Self::Docker => run("docker", &["rmi", "-f", &name], None),
            Self::Buildah => run("buildah", &["rmi", "-f", &name], None),
        };
        text
    }
}

fn run(program: &str, arguments: &[&str], variable: Option<(&str, &str)>) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).envs(variable);
    command
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn load(archive: &Path) -> (image::Image, FileSystem) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let spool = Spool::new(PathBuf::from(directory.path())).expect("it can be used");
    let image = docker_archive::open(archive, None)
        .expect("the archive can be read")
        .image;
    let options = LoadOptions {
        spool: &spool,
        limits: Limits::default(),
        threads: 1,
        progress: &image::Silent,
    };
    let files = FileSystem::load(&image, options).expect("the layers can be read");
    (image, files)
}

/// Shows all files of an image, without times.
pub(crate) fn dump_of(archive: &Path) -> String {
    let (_, files) = load(archive);
    let dump = testkit::dump::tree(&files.tree, &files.contents, testkit::dump::Fields::ALL);
    dump.lines()
        .map(|line| format!("{}\n", without_time(line)))
        .collect()
}

/// Takes the time out of a line: builders set it differently, and it is compared elsewhere.
fn without_time(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    // A name with spaces is quoted by none; the kind is the first word that is one.
    let kinds = ["file", "dir", "symlink", "char", "block", "fifo"];
    if let Some(kind) = words.iter().skip(1).position(|word| kinds.contains(word)) {
        let time = kind + 1 + 3;
        if time < words.len() {
            words.remove(time);
        }
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// Shows what an image has that its base does not, and its config.
pub(crate) fn describe(archive: &Path, base: &str) -> String {
    let dump = dump_of(archive);
    let before: BTreeSet<&str> = base.lines().collect();
    let after: BTreeSet<&str> = dump.lines().collect();
    let mut text: String = after
        .difference(&before)
        .map(|line| format!("{line}\n"))
        .collect();
    let name = |line: &&str| line.split(' ').next().unwrap_or_default().to_owned();
    let still: BTreeSet<String> = after.iter().map(name).collect();
    let gone = before.iter().map(name).filter(|name| !still.contains(name));
    text.extend(gone.map(|name| format!("- {name}\n")));
    let (image, _) = load(archive);
    let config = image.config().value();
    text.push_str(&settings(config));
    text
}

/// The settings that a Dockerfile makes, those that are empty left out.
fn settings(config: &Value) -> String {
    let keys = [
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Healthcheck",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "Shell",
        "OnBuild",
    ];
    let mut text = String::new();
    for key in keys {
        let mut value = config["config"][key].clone();
        if let Some(labels) = value.as_object_mut().filter(|_| key == "Labels") {
            // buildah's own.
            labels.shift_remove("io.buildah.version");
        }
        value.sort_all_objects();
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty() || key == "WorkingDir" && text == "/",
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !empty {
            text.push_str(&format!("{key} {value}\n"));
        }
    }
    if let Some(author) = config["author"]
        .as_str()
        .filter(|author| !author.is_empty())
    {
        text.push_str(&format!("author {author}\n"));
    }
    text
}
