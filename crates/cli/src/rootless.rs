//! Root of a user namespace: what work on files of many users needs.

use sandbox::{Caller, IdMapping};

use crate::commands::Answer;
use crate::environment;

/// The ids that commands can have: all of this process's, which is root of the host or of a user
/// namespace; nothing if it is not root.
pub(crate) fn ids() -> Option<IdMapping> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let counts = map
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    Some(if counts.sum::<u64>() == 1 {
        IdMapping::Single {
            inside_uid: 0,
            inside_gid: 0,
        }
    } else {
        IdMapping::Identity
    })
}

/// Does everything again as root of a user namespace.
pub(crate) fn again() -> anyhow::Result<Answer> {
    let ids = IdMapping::detect(&Caller::current());
    let program = std::env::current_exe()?;
    let mut argv = vec![program.into_os_string()];
    argv.extend(std::env::args_os().skip(1));
    let status = sandbox::run_with_ids(&ids, &argv, &environment::all())?;
    Ok(Answer::Code(u8::try_from(status.code()).unwrap_or(u8::MAX)))
}
