//! Programs that log users in, the shells that they start, and what users run there.

use std::collections::HashSet;

use layer::NodeId;

use super::accounts::{self, Account};
use super::collector::Collector;
use super::{Edge, Evidence, own, system};
use crate::elf::Object;
use crate::script::ScriptFacts;

/// Returns whether an object logs users in: it asks for passwords (pam(3), getspnam(3)), takes on the groups of a
/// user (initgroups(3)), and starts programs.
fn logs_in(object: &Object) -> bool {
    object.interpreter.is_some()
        && imports_any(object, &["pam_start", "getspnam", "getspnam_r"])
        && imports_any(object, &["initgroups", "setusercontext"])
        && imports_any(
            object,
            &["execve", "execv", "execl", "execle", "execvp", "execlp"],
        )
}

/// Returns whether who logs in comes over the network, and gets a terminal (openpty(3), posix_openpt(3)).
fn gives_terminals(object: &Object) -> bool {
    imports_any(object, &["listen"])
        && imports_any(object, &["openpty", "forkpty", "posix_openpt", "getpt"])
}

fn imports_any(object: &Object, names: &[&str]) -> bool {
    let mut names = names.iter();
    names.any(|name| object.imports.contains(name.as_bytes()))
}

/// Commands that make users (useradd(8), adduser(8), newusers(8)) or give them a shell (usermod(8), chsh(1)).
const MAKES_USERS: &[&[u8]] = &[b"useradd", b"adduser", b"newusers", b"usermod", b"chsh"];

/// Users that are made when the image runs, and who would start their shells.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Programs that give terminals over the network.
    servers: Vec<NodeId>,
    /// Whether a script gives users a shell.
    has_shell_users: bool,
}

/// Notes whether a script of the image's author makes users who have a shell.
pub(super) fn note_script(collector: &mut Collector<'_>, node: NodeId, facts: &ScriptFacts) {
    let makes_users = MAKES_USERS
        .iter()
        .any(|name| facts.commands.contains(*name));
    if !makes_users || !collector.is_unpackaged(node) {
        return;
    }
    let shells = login_shells(collector);
    if facts.words.iter().any(|word| shells.contains(word)) {
        collector.login.has_shell_users = true;
        for server in std::mem::take(&mut collector.login.servers) {
            keep_path_programs(collector, server);
        }
    }
}

/// Keeps the shells of users for a program that starts them. Where users come over the network, what they may run
/// there is what the image is for: their homes stay, and every program that PATH leads to. Interpreters have functions
/// for everything, which says nothing.
pub(super) fn examine(
    collector: &mut Collector<'_>,
    node: NodeId,
    object: &Object,
    is_interpreter: bool,
) {
    if !logs_in(object) {
        return;
    }
    let root = collector.tree().root();
    let accounts = accounts::read(collector);
    let users = accounts
        .iter()
        .filter(|account| account.id == 0 || account.is_person());
    for account in users.clone() {
        if account.shell.starts_with(b"/") {
            collector.keep_path(root, &account.shell, Some(node), Evidence::Path);
        }
    }
    if !gives_terminals(object) || is_interpreter || !collector.is_kept_for_certain(node) {
        return;
    }
    let shells = login_shells(collector);
    let users: Vec<&Account> = users
        .filter(|account| shells.contains(&account.shell))
        .filter(|account| account.is_person() || has_credential(collector, account))
        .collect();
    for account in &users {
        keep_contents(collector, node, account);
    }
    if !users.is_empty() || collector.login.has_shell_users {
        keep_path_programs(collector, node);
    } else {
        collector.login.servers.push(node);
    }
}

/// Returns the shells that users may have (shells(5)): one that is not listed does a single thing.
fn login_shells(collector: &Collector<'_>) -> HashSet<Vec<u8>> {
    let found = collector.tree().resolve(b"/etc/shells").ok();
    let text = found.and_then(|found| collector.read(found.node, 1 << 20).ok());
    let text = text.unwrap_or_else(|| b"/bin/sh\n/bin/csh\n".to_vec()); // getusershell(3)
    let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    lines.map(<[u8]>::to_vec).collect()
}

/// Whether a user has a password (shadow(5); `!` and `*` begin none), or a key of his own (sshd(8)).
fn has_credential(collector: &Collector<'_>, account: &Account) -> bool {
    let tree = collector.tree();
    let keys = [&account.home[..], b"/.ssh/authorized_keys"].concat();
    if tree.resolve(&keys).is_ok() {
        return true;
    }
    let found = tree.resolve(b"/etc/shadow").ok();
    let text = found.and_then(|found| collector.read(found.node, 1 << 20).ok());
    let text = text.unwrap_or_default();
    let mut lines = text
        .split(|b| *b == b'\n')
        .map(|line| line.split(|b| *b == b':'));
    lines.any(|mut fields| {
        let is_it = fields.next() == Some(&account.name);
        let password = fields.next().and_then(|password| password.first().copied());
        is_it && password.is_some_and(|first| !b"!*".contains(&first))
    })
}

/// Keeps what is in a user's home: all of a person's, settings and keys of root's.
fn keep_contents(collector: &mut Collector<'_>, node: NodeId, account: &Account) {
    let Some(home) = accounts::keep_home(collector, account) else {
        return;
    };
    let tree = collector.tree();
    let edge = accounts::edge(Some(node), account);
    if account.is_person() {
        own::keep_own(collector, home, &edge);
        return;
    }
    for child in tree.children(home) {
        if !tree.is_directory(child) {
            collector.keep(child, edge.clone());
        } else if tree.name(child) == b".ssh" {
            collector.keep_below(child, &edge, |_| true);
        }
    }
}

/// Keeps the programs of the directories in PATH, but those of package managers, whose state goes.
fn keep_path_programs(collector: &mut Collector<'_>, node: NodeId) {
    let tree = collector.tree();
    let packages = collector.input.packages;
    let managers = system::package_managers(collector);
    for (directory, top) in collector.command_directories().iter() {
        for program in tree.children(*top) {
            let owner = packages.owner(program);
            if owner.is_some_and(|owner| managers.contains(&owner)) {
                continue;
            }
            let name = [directory.as_slice(), tree.name(program)].join(&b'/');
            let edge = Edge::new(Some(node), Evidence::Path, "who logs in may run it");
            collector.keep_command(&name, &edge);
        }
    }
}
