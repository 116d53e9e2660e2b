//! Programs that log users in, and the shells that they start.

use layer::NodeId;

use super::collector::Collector;
use super::{Error, Evidence};
use crate::elf::Object;

/// Users of the system have lower numbers, and are not logged in (login.defs(5), `UID_MIN`).
const FIRST_USER: u32 = 1000;
/// Larger ones stand for nobody (Debian policy 9.2.2).
const LAST_USER: u32 = 59_999;

/// Returns whether an object logs users in: it asks for passwords (pam(3), getspnam(3)), takes on the groups of a
/// user (initgroups(3)), and starts programs.
fn logs_in(object: &Object) -> bool {
    let any = |names: &[&str]| {
        let mut names = names.iter();
        names.any(|name| object.imports.contains(name.as_bytes()))
    };
    object.interpreter.is_some()
        && any(&["pam_start", "getspnam", "getspnam_r"])
        && any(&["initgroups", "setusercontext"])
        && any(&["execve", "execv", "execl", "execle", "execvp", "execlp"])
}

/// Keeps the shells of users (passwd(5)) for a program that starts them.
pub(super) fn examine(
    collector: &mut Collector<'_>,
    node: NodeId,
    object: &Object,
) -> Result<(), Error> {
    if !logs_in(object) {
        return Ok(());
    }
    let Ok(users) = collector.tree().resolve(b"/etc/passwd") else {
        return Ok(());
    };
    let text = collector.read(users.node, 1 << 20)?;
    let root = collector.tree().root();
    for line in text.split(|b| *b == b'\n') {
        let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
        let [_, _, id, _, _, _, shell] = fields[..] else {
            continue;
        };
        let id: Option<u32> = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        let is_user = id.is_some_and(|id| id == 0 || (FIRST_USER..=LAST_USER).contains(&id));
        if is_user && shell.starts_with(b"/") {
            collector.keep_path(root, shell, Some(node), Evidence::Path);
        }
    }
    Ok(())
}
