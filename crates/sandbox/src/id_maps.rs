//! Writing the id maps of a process that has just been made in a new user namespace.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::{Error, IdMapping, IdRange};

/// Writes both maps of a process. May be done once, from outside its namespace.
pub(crate) fn write(pid: i32, ids: &IdMapping) -> Result<(), Error> {
    let write = |file: &str, content: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::write(&path, content).map_err(|source| Error::MapIds {
            method: path,
            source,
        })
    };
    match ids {
        IdMapping::Identity => {
            write("gid_map", &identity("/proc/self/gid_map")?)?;
            write("uid_map", &identity("/proc/self/uid_map")?)
        }
        IdMapping::SubIds { uid, gid, tools } => {
            run(&tools.newgidmap, pid, gid)?;
            run(&tools.newuidmap, pid, uid)
        }
        IdMapping::Single {
            inside_uid,
            inside_gid,
        } => {
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            // An unprivileged user may map a group only after giving up setgroups (CVE-2014-8989).
            write("setgroups", "deny")?;
            write("gid_map", &format!("{inside_gid} {} 1\n", gid.as_raw()))?;
            write("uid_map", &format!("{inside_uid} {} 1\n", uid.as_raw()))
        }
    }
}

/// Maps every id that exists in this process's own namespace to itself.
fn identity(own_map: &str) -> Result<String, Error> {
    let text = fs::read_to_string(own_map).map_err(|source| Error::MapIds {
        method: own_map.to_owned(),
        source,
    })?;
    Ok(identity_of(&text))
}

/// Rewrites a map "inside outside count" to "inside inside count".
fn identity_of(own: &str) -> String {
    own.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let inside = fields.next()?;
            Some(format!("{inside} {inside} {}\n", fields.nth(1)?))
        })
        .collect()
}

/// Runs `newuidmap` or `newgidmap`.
fn run(tool: &Path, pid: i32, ranges: &[IdRange]) -> Result<(), Error> {
    let error = |source| Error::MapIds {
        method: tool.display().to_string(),
        source,
    };
    let numbers = ranges
        .iter()
        .flat_map(|range| [range.inside, range.outside, range.count]);
    let output = Command::new(tool)
        .arg(pid.to_string())
        .args(numbers.map(|number| number.to_string()))
        .env_clear()
        .output()
        .map_err(error)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(error(io::Error::other(text.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_of_a_map_keeps_its_inside_ids() {
        assert_eq!(identity_of("   0    0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(
            identity_of("0 1000 1\n1 100000 65536\n"),
            "0 0 1\n1 1 65536\n"
        );
    }
}
