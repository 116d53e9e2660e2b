//! What every run time environment expects of an image, and what the config names.

use std::collections::BTreeSet;

use super::accounts::{self, Account};
use super::collector::Collector;
use super::{Edge, Evidence, directories, mentioned, own};
use crate::packages::PackageId;

/// Files that belong to any image that has them: who it is (os-release(5)),
/// users, and how the loader finds libraries (ld.so(8)).
const FILES: &[&str] = &[
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/debian_version",
    "/etc/alpine-release",
    "/etc/redhat-release",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.preload",
    "/etc/mtab",
    "/.dockerenv",
];

/// Directories that are mounted over, or that programs make files in
/// (Filesystem Hierarchy Standard 3.0).
const DIRECTORIES: &[&str] = &[
    "/dev",
    "/proc",
    "/sys",
    "/run",
    "/run/lock",
    "/tmp",
    "/etc",
    "/home",
    "/root",
    "/mnt",
    "/opt",
    "/srv",
    "/usr/bin",
    "/usr/lib",
    "/usr/local/bin",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/lock",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
    "/var/lib/misc",
];

/// State of package managers: directories that no program of the image needs.
const MANAGED: &[&str] = &[
    "var/lib/dpkg",
    "var/lib/apt",
    "var/cache/apt",
    "var/lib/rpm",
    "var/lib/yum",
    "var/lib/dnf",
    "var/cache/yum",
    "var/cache/dnf",
    "var/cache/debconf",
    "var/log/apt",
    "var/lib/ucf",
    "var/lib/apk",
    "var/cache/apk",
    "var/lib/systemd",
    "var/lib/pam",
    "var/lib/polkit-1",
    "var/backups",
];

/// Keeps all that.
pub(super) fn add(collector: &mut Collector<'_>) {
    let tree = collector.tree();
    let root = tree.root();
    collector.keep(root, Edge::new(None, Evidence::System, "/"));
    for path in FILES.iter().chain(DIRECTORIES) {
        collector.keep_path(root, path.as_bytes(), None, Evidence::System);
    }
    for node in tree.children(root) {
        // `/bin -> usr/bin` and the like, on which paths in scripts rely.
        if tree.link_target(node).is_some() {
            collector.keep(node, Edge::new(None, Evidence::System, tree.absolute(node)));
        }
    }
    state_directories(collector);
    config(collector);
}

/// Directories below `/var` and `/run` cost nothing, and servers that find
/// theirs missing, or with another owner, do not start.
fn state_directories(collector: &mut Collector<'_>) {
    let tree = collector.tree();
    for top in ["/var", "/run", "/srv"] {
        let Ok(found) = tree.resolve(top.as_bytes()) else {
            continue;
        };
        let mut pending = vec![found.node];
        while let Some(directory) = pending.pop() {
            let path = tree.path(directory);
            if MANAGED.iter().any(|managed| path == managed.as_bytes()) {
                continue;
            }
            collector.keep(directory, Edge::new(None, Evidence::System, "state"));
            pending.extend(
                tree.children(directory)
                    .into_iter()
                    .filter(|n| tree.is_directory(*n)),
            );
        }
    }
}

/// USER, WORKDIR and VOLUME.
fn config(collector: &mut Collector<'_>) {
    let tree = collector.tree();
    let config = collector.input.config;
    let keep_tree = |collector: &mut Collector<'_>, path: &str, instruction: &str| {
        let detail = format!("{instruction} {path}");
        let found = collector.keep_path(tree.root(), path.as_bytes(), None, Evidence::ConfigUser);
        let Some(directory) = found else { return };
        if directory == tree.root() || directories::is_shared(tree, directory) {
            return;
        }
        let edge = Edge::new(None, Evidence::ConfigUser, detail);
        own::keep_own(collector, directory, &edge);
    };
    keep_tree(collector, config.working_dir(), "WORKDIR");
    for volume in config.volumes() {
        keep_tree(collector, &volume, "VOLUME");
    }
    for (name, value) in collector.environment.clone() {
        let variable = String::from_utf8_lossy(&name).into_owned();
        for part in value
            .split(|b| *b == b':')
            .filter(|part| part.starts_with(b"/"))
        {
            named_by_variable(collector, &variable, part);
        }
    }
    let user = config
        .user()
        .split(':')
        .next()
        .unwrap_or_default()
        .to_owned();
    collector.unread.extend(accounts::unchanged(collector));
    accounts::keep_homes(collector);
    if let Some(home) = home_of(collector, &user) {
        if user.is_empty() || user == "root" || user == "0" {
            collector.keep_path(tree.root(), &home, None, Evidence::ConfigUser);
        } else {
            keep_tree(collector, &String::from_utf8_lossy(&home), "USER");
        }
    }
    for path in collector.path.clone() {
        // A look-up in PATH stops at nothing, but a program may list its directories.
        collector.keep_path(tree.root(), &path, None, Evidence::System);
    }
    let preload = config.env_var("LD_PRELOAD").unwrap_or_default();
    for library in preload
        .split([':', ' '])
        .filter(|library| library.contains('/'))
    {
        let edge = Edge::new(None, Evidence::ConfigUser, "LD_PRELOAD");
        mentioned::keep_mentioned(collector, tree.root(), library.as_bytes(), &edge);
    }
}

/// Bytes up to which a directory stays because a variable names it. Tool chains are larger, and their
/// variables (`GOPATH`, `CARGO_HOME`, `JAVA_HOME`) matter only if a program that is kept reads them.
const LARGEST_NAMED: u64 = 32 << 20;

/// A variable of the image names a path: whoever wrote it meant programs to find something there. Files
/// stay, and directories of the user's own.
fn named_by_variable(collector: &mut Collector<'_>, variable: &str, path: &[u8]) {
    let tree = collector.tree();
    let Ok(found) = tree.resolve(path) else {
        return;
    };
    let detail = format!("ENV {variable}");
    let edge = Edge::new(None, Evidence::ConfigUser, detail.clone());
    if !tree.is_directory(found.node) {
        collector.keep_links(&found.links, None, &detail);
        collector.keep(found.node, edge);
        return;
    }
    let own = tree
        .children(found.node)
        .into_iter()
        .all(|node| collector.is_unpackaged(node));
    let bytes = || {
        tree.walk(found.node)
            .map(|node| tree.size(node))
            .sum::<u64>()
    };
    if own && !directories::is_shared(tree, found.node) && bytes() <= LARGEST_NAMED {
        collector.keep_links(&found.links, None, &detail);
        own::keep_own(collector, found.node, &edge);
    }
}

/// Returns the home of the user whom USER names, or numbers.
fn home_of(collector: &Collector<'_>, user: &str) -> Option<Vec<u8>> {
    let user = if user.is_empty() { "0" } else { user };
    let mut accounts = accounts::read(collector).into_iter();
    let is_it =
        |account: &Account| account.name == user.as_bytes() || account.id.to_string() == user;
    Some(accounts.find(is_it)?.home)
}

/// Returns the packages that have the state of a package manager to themselves, which goes.
pub(super) fn package_managers(collector: &Collector<'_>) -> BTreeSet<PackageId> {
    let (tree, packages) = (collector.tree(), collector.input.packages);
    let found = MANAGED
        .iter()
        .filter_map(|path| tree.resolve(path.as_bytes()).ok());
    let owners = found.map(|found| packages.owners_of_directory(found.node));
    owners
        .filter_map(|owners| match owners {
            [owner] => Some(*owner),
            _ => None,
        })
        .collect()
}
