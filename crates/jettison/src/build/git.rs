//! Repositories as sources: `URL[#REF[:DIRECTORY]]`, fetched by the git of this machine.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Error;

/// Returns whether a source is a repository rather than a file: `git@…`, `git://…`, `ssh://…`, and what
/// ends in `.git` over HTTP.
pub fn is_repository(source: &str) -> bool {
    let address = source.split('#').next().unwrap_or_default();
    ["git@", "git://", "ssh://"]
        .iter()
        .any(|start| address.starts_with(start))
        || (address.starts_with("http://") || address.starts_with("https://"))
            && address.ends_with(".git")
}

/// Fetches one commit of a repository into a directory. Returns the commit.
///
/// # Errors
/// What git has to say.
pub fn fetch(source: &str, directory: &Path, keep_git_dir: bool) -> Result<String, Error> {
    let (address, fragment) = source.split_once('#').unwrap_or((source, ""));
    let (reference, inner) = fragment.split_once(':').unwrap_or((fragment, ""));
    let reference = if reference.is_empty() {
        "HEAD"
    } else {
        reference
    };
    fs::create_dir(directory).map_err(Error::file("make", directory))?;
    let git = |arguments: &[&OsStr]| run(source, directory, arguments);
    git(&["init".as_ref(), "-q".as_ref()])?;
    // A server may not give single commits away; then everything is fetched.
    let shallow = ["fetch", "-q", "--depth=1", "--", address, reference].map(OsStr::new);
    if git(&shallow).is_err() {
        git(&[
            "fetch",
            "-q",
            "--tags",
            "--",
            address,
            "+refs/heads/*:refs/remotes/origin/*",
        ]
        .map(OsStr::new))?;
        let remote = format!("refs/remotes/origin/{reference}");
        let found = [reference, &remote].into_iter().find_map(|name| {
            let name = format!("{name}^{{commit}}");
            git(&["rev-parse", "-q", "--verify", &name].map(OsStr::new)).ok()
        });
        let commit = found.unwrap_or_else(|| reference.to_owned());
        git(&["checkout", "-q", "--detach", commit.trim()].map(OsStr::new))?;
    } else {
        git(&["checkout", "-q", "--detach", "FETCH_HEAD"].map(OsStr::new))?;
    }
    let commit = git(&["rev-parse", "HEAD"].map(OsStr::new))?;
    git(&[
        "submodule",
        "update",
        "-q",
        "--init",
        "--recursive",
        "--depth=1",
    ]
    .map(OsStr::new))?;
    if !keep_git_dir {
        let path = directory.join(".git");
        fs::remove_dir_all(&path).map_err(Error::file("remove", &path))?;
    }
    if !inner.is_empty() {
        keep_only(directory, inner)?;
    }
    Ok(commit.trim().to_owned())
}

/// Puts a directory of a tree in the place of the tree.
fn keep_only(directory: &Path, inner: &str) -> Result<(), Error> {
    let clean: std::path::PathBuf = super::view::parts(Path::new(inner))
        .iter()
        .filter(|part| *part != "..")
        .collect();
    let from = directory.join(&clean);
    if !from.is_dir() {
        return Err(Error::Operand(format!(
            "the repository has no directory `{inner}`"
        )));
    }
    let aside = directory.with_extension("aside");
    fs::rename(&from, &aside).map_err(Error::file("rename", &from))?;
    fs::remove_dir_all(directory).map_err(Error::file("remove", directory))?;
    fs::rename(&aside, directory).map_err(Error::file("rename", &aside))
}

fn run(source: &str, directory: &Path, arguments: &[&OsStr]) -> Result<String, Error> {
    let output = Command::new("git")
        .args([
            "-c",
            "advice.detachedHead=false",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .map_err(|source| Error::Program {
            program: "git",
            source,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    Err(Error::Git {
        url: source.to_owned(),
        reason: reason.trim().lines().last().unwrap_or_default().to_owned(),
    })
}
