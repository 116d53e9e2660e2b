//! Which ids of the host stand for the ids of a container, and how to find out what a user may map.
//!
//! The maps are written by `id_maps`; this module only decides.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How ids of the container map to ids of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdMapping {
    /// For root of the host: every id stands for itself.
    Identity,
    /// For an ordinary user with ranges in `/etc/subuid` and `/etc/subgid`. The ranges must contain an
    /// inside id 0.
    SubIds {
        /// Users.
        uid: Vec<IdRange>,
        /// Groups.
        gid: Vec<IdRange>,
        /// The privileged programs that write the maps.
        tools: IdMapTools,
    },
    /// For an ordinary user without: one id, which is the caller's. Everything in the container is owned
    /// by it or by nobody.
    ///
    /// Set these to the user that the program shall run as: an image with `USER redis` needs the id of
    /// `redis` here. A process that takes on another identity seems to have it: what it asks about itself,
    /// and about the owners of the files that are its to use, is answered accordingly, though for the
    /// kernel nothing has changed. `chown` succeeds without doing anything.
    Single {
        /// The user that the caller is inside.
        inside_uid: u32,
        /// The group that the caller's group is inside.
        inside_gid: u32,
    },
}

/// Consecutive ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// First id in the container.
    pub inside: u32,
    /// First id on the host.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl IdRange {
    /// Returns whether an id of the container is in the range.
    #[must_use]
    pub fn contains(&self, inside: u32) -> bool {
        inside
            .checked_sub(self.inside)
            .is_some_and(|offset| offset < self.count)
    }
}

/// Where `newuidmap` and `newgidmap` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMapTools {
    /// Path of `newuidmap`.
    pub newuidmap: PathBuf,
    /// Path of `newgidmap`.
    pub newgidmap: PathBuf,
}

impl IdMapTools {
    /// Finds both programs in the directories given. One that has lost its privilege (a set-user-id bit or
    /// a capability, as happens when an image is unpacked by an ordinary user) does not count.
    #[must_use]
    pub fn find(directories: &[&Path]) -> Option<Self> {
        let find = |name: &str| {
            directories
                .iter()
                .map(|directory| directory.join(name))
                .find(|path| privileged(path))
        };
        Some(Self {
            newuidmap: find("newuidmap")?,
            newgidmap: find("newgidmap")?,
        })
    }
}

/// Returns whether executing a file gives more rights than the caller has.
fn privileged(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    let mut value = [0; 64];
    metadata.permissions().mode() & 0o4000 != 0
        || rustix::fs::getxattr(path, c"security.capability", &mut value).is_ok()
}

/// What is known about the user that containers shall run for.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Name, as `/etc/subuid` knows it; a numeric id is understood there too.
    pub name: Option<String>,
    /// Content of `/etc/subuid`.
    pub subuid: String,
    /// Content of `/etc/subgid`.
    pub subgid: String,
    /// The programs that may use the ranges.
    pub tools: Option<IdMapTools>,
}

impl Caller {
    /// Reads who the caller is from the kernel and from `/etc`. A file that cannot be read is empty.
    #[must_use]
    pub fn current() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let uid = rustix::process::geteuid().as_raw();
        Self {
            uid,
            gid: rustix::process::getegid().as_raw(),
            name: user_name(&text("/etc/passwd"), uid).map(str::to_owned),
            subuid: text("/etc/subuid"),
            subgid: text("/etc/subgid"),
            tools: IdMapTools::find(
                &["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"].map(Path::new),
            ),
        }
    }
}

/// Returns the name of a user in the text of `/etc/passwd`.
fn user_name(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

impl IdMapping {
    /// Chooses the best mapping that a user may make: every id for root, the sub-id ranges for a user who
    /// has them, one id otherwise.
    #[must_use]
    pub fn detect(caller: &Caller) -> Self {
        if caller.uid == 0 {
            return Self::Identity;
        }
        let uid = sub_ids(&caller.subuid, caller.name.as_deref(), caller.uid);
        let gid = sub_ids(&caller.subgid, caller.name.as_deref(), caller.uid);
        match &caller.tools {
            Some(tools) if !uid.is_empty() && !gid.is_empty() => Self::SubIds {
                uid: after_own_id(caller.uid, &uid),
                gid: after_own_id(caller.gid, &gid),
                tools: tools.clone(),
            },
            _ => Self::Single {
                inside_uid: 0,
                inside_gid: 0,
            },
        }
    }

    /// Returns whether a user and a group of the container exist on the host.
    #[must_use]
    pub fn contains(&self, uid: u32, gid: u32) -> bool {
        self.contains_user(uid) && self.contains_group(gid)
    }

    /// Returns whether a user of the container exists on the host.
    pub(crate) fn contains_user(&self, id: u32) -> bool {
        match self {
            Self::Identity => id != u32::MAX,
            Self::SubIds { uid, .. } => uid.iter().any(|range| range.contains(id)),
            Self::Single { inside_uid, .. } => *inside_uid == id,
        }
    }

    /// Returns whether a group of the container exists on the host.
    pub(crate) fn contains_group(&self, id: u32) -> bool {
        match self {
            Self::Identity => id != u32::MAX,
            Self::SubIds { gid, .. } => gid.iter().any(|range| range.contains(id)),
            Self::Single { inside_gid, .. } => *inside_gid == id,
        }
    }
}

/// Returns the ranges (first id, count) of a user in the text of `/etc/subuid` or `/etc/subgid`.
fn sub_ids(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (Some(owner) == name || owner == number).then_some(range)
        })
        .filter(|&(_, count)| count > 0)
        .collect()
}

/// Lays out inside ids: 0 is the caller, the sub-ids follow from 1 on without gaps.
fn after_own_id(own: u32, ranges: &[(u32, u32)]) -> Vec<IdRange> {
    let mut map = vec![IdRange {
        inside: 0,
        outside: own,
        count: 1,
    }];
    let mut inside: u32 = 1;
    for &(outside, count) in ranges {
        map.push(IdRange {
            inside,
            outside,
            count,
        });
        inside = inside.saturating_add(count);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(uid: u32, subuid: &str, tools: bool) -> Caller {
        let tool = |name: &str| PathBuf::from(name);
        Caller {
            uid,
            gid: uid,
            name: Some("ann".to_owned()),
            subuid: subuid.to_owned(),
            subgid: subuid.to_owned(),
            tools: tools.then(|| IdMapTools {
                newuidmap: tool("newuidmap"),
                newgidmap: tool("newgidmap"),
            }),
        }
    }

    #[test]
    fn the_best_mapping_a_user_may_make_is_chosen() {
        let single = IdMapping::Single {
            inside_uid: 0,
            inside_gid: 0,
        };
        let cases = [
            ("root", caller(0, "", true), IdMapping::Identity),
            ("no ranges", caller(7, "bob:1:2\n", true), single.clone()),
            ("no programs", caller(7, "ann:1:2\n", false), single.clone()),
            (
                "damaged",
                caller(7, "ann:x:2\nann:1\nann:5:0\n", true),
                single,
            ),
        ];
        for (summary, caller, expected) in cases {
            assert_eq!(IdMapping::detect(&caller), expected, "{summary}");
        }
    }

    #[test]
    fn ranges_follow_the_callers_own_id() {
        let found = IdMapping::detect(&caller(7, "ann:1000:10\nbob:5:5\n7:2000:20\n", true));
        let IdMapping::SubIds { uid, .. } = &found else {
            panic!("{found:?}")
        };
        let range = |inside, outside, count| IdRange {
            inside,
            outside,
            count,
        };
        assert_eq!(
            *uid,
            [range(0, 7, 1), range(1, 1000, 10), range(11, 2000, 20)]
        );
        assert!(found.contains(0, 30));
        assert!(!found.contains(31, 0));
    }

    #[test]
    fn users_are_found_by_number() {
        assert_eq!(user_name("root:x:0:0::/:\nann:x:7:7::/:\n", 7), Some("ann"));
        assert_eq!(user_name("root:x:0:0::/:\nbroken\n", 7), None);
    }
}
