//! File systems in memory for the roots of containers.
//!
//! The caller needs no privilege for it: a child makes the file system in a user and a mount namespace of
//! its own, hands a descriptor for its root back and ends. Nothing on the host leads there, and nothing
//! has to be removed: when the last descriptor is closed, by whatever kind of end, the kernel frees it all
//! at once. How much memory there is to be had is asked in here too.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::launch::{listen, start};
use crate::message::{Message, channel, send};
use crate::plan::terminated;
use crate::{Error, IdMapping, child, id_maps};

/// A file system in memory, to be the root of containers: see [`Spec::memory`](crate::Spec::memory).
/// Dropping it frees the memory, as soon as no container uses it either.
#[derive(Debug)]
pub struct Memory {
    users: OwnedFd,
    mounts: OwnedFd,
    root: OwnedFd,
}

impl Memory {
    /// Makes an empty file system that holds at most so many bytes, for containers with these ids. `place`
    /// is an existing directory to make it at; nobody but the child that does it sees it there.
    ///
    /// # Errors
    /// When the kernel does not let this user make namespaces or the file system.
    pub fn new(ids: &IdMapping, place: &Path, bytes: u64) -> Result<Self, Error> {
        let failed = Error::supervise::<Errno>("make a file system in memory");
        let path = terminated("the place of a file system in memory", place)?;
        // As many files as fit into the bytes.
        let options = format!("mode=755,nr_inodes=0,size={}", bytes.max(1));
        let options = terminated("options", options)?;
        let (control, control_child) = channel().map_err(&failed)?;
        let (report, report_child) = channel().map_err(&failed)?;
        let ours = [control.as_raw_fd(), report.as_raw_fd()];
        let child = start(libc::CLONE_NEWUSER | libc::CLONE_NEWNS, || {
            crate::sys::close_inherited(ours);
            child::memory::make(&path, &options, control_child.as_fd(), report_child.as_fd())
        })
        .map_err(|errno| Error::Namespaces {
            source: errno.into(),
        })?;
        drop((control_child, report_child));
        id_maps::write(child.pid, ids)?;
        send(control.as_fd(), Message::Started, None).map_err(&failed)?;
        // The namespaces live for as long as they are held here, the child only until then.
        let namespace = |name: &str| {
            let path = PathBuf::from(format!("/proc/{}/ns/{name}", child.pid));
            File::open(&path)
                .map(OwnedFd::from)
                .map_err(|source| Error::Path {
                    action: "open",
                    path,
                    source,
                })
        };
        let (users, mounts) = (namespace("user")?, namespace("mnt")?);
        drop(control);
        let heard = listen(report.as_fd())?;
        match (heard.failed, heard.root) {
            (None, Some(root)) => Ok(Self {
                users,
                mounts,
                root,
            }),
            (failure, _) => Err(Error::Supervise {
                action: "make a file system in memory",
                source: failure.map_or_else(
                    || io::Error::other("the process that does it was killed"),
                    |failure| failure.source(),
                ),
            }),
        }
    }

    /// Returns its root directory.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Returns a path of its root directory, which leads there in this process only.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.root.as_raw_fd()))
    }

    /// Returns a mount of it that is nowhere yet, for a container to put in place.
    pub(crate) fn mount(&self) -> Result<OwnedFd, Error> {
        let failed = Error::supervise::<Errno>("mount a file system in memory");
        let (report, report_child) = channel().map_err(&failed)?;
        let namespaces = [self.users.as_fd(), self.mounts.as_fd()];
        let child = start(0, || {
            child::memory::share(namespaces, self.root.as_fd(), report_child.as_fd())
        })
        .map_err(&failed)?;
        drop(report_child);
        let heard = listen(report.as_fd())?;
        drop(child);
        heard.root.ok_or_else(|| Error::Supervise {
            action: "mount a file system in memory",
            source: heard.failed.map_or_else(
                || io::Error::other("the process that does it was killed"),
                |failure| failure.source(),
            ),
        })
    }
}

/// Returns how many bytes of memory this process can still use: what the kernel calls available, or what
/// its control groups leave it, if that is less. `None` when the kernel does not tell.
#[must_use]
pub fn available_memory() -> Option<u64> {
    let of_machine = fs::read_to_string("/proc/meminfo").ok();
    let of_machine = of_machine.and_then(|text| Some(field(&text, "MemAvailable:")? * 1024))?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left = limits(&groups, Path::new("/sys/fs/cgroup"), |path| {
        fs::read_to_string(path).ok()
    });
    Some(left.into_iter().fold(of_machine, u64::min))
}

/// Returns what each control group with a limit has left, of those in the text of `/proc/self/cgroup` and
/// those above them. Versions 1 and 2 name the files differently.
fn limits(groups: &str, mounted: &Path, read: impl Fn(&Path) -> Option<String>) -> Vec<u64> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (top, limit, usage, cache) = match controllers {
            "" => (
                mounted.to_owned(),
                "memory.max",
                "memory.current",
                ["active_file", "inactive_file"],
            ),
            "memory" => (
                mounted.join("memory"),
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                ["total_active_file", "total_inactive_file"],
            ),
            _ => continue,
        };
        let own = top.join(path.trim_start_matches('/'));
        for group in own.ancestors().take_while(|group| group.starts_with(&top)) {
            let number = |name: &str| read(&group.join(name))?.trim().parse::<u64>().ok();
            let (Some(limit), Some(usage)) = (number(limit), number(usage)) else {
                continue; // no limit is the word `max`
            };
            // Cached files go when memory is needed.
            let statistics = read(&group.join("memory.stat")).unwrap_or_default();
            let cached: u64 = cache
                .iter()
                .filter_map(|name| field(&statistics, name))
                .sum();
            found.push(limit.saturating_sub(usage.saturating_sub(cached)));
        }
    }
    found
}

/// Returns the number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_limit_what_can_be_used() {
        let files = [
            ("/c/a/b/memory.max", "max\n"),
            ("/c/a/b/memory.current", "70\n"),
            ("/c/a/memory.max", "100\n"),
            ("/c/a/memory.current", "90\n"),
            (
                "/c/a/memory.stat",
                "anon 50\ninactive_file 30\nactive_file 5\n",
            ),
            ("/c/memory/old/memory.limit_in_bytes", "1000\n"),
            ("/c/memory/old/memory.usage_in_bytes", "1200\n"),
        ];
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        let of = |groups| limits(groups, Path::new("/c"), read);
        assert_eq!(of("0::/a/b\n"), [45]);
        assert_eq!(of("7:cpu:/a\n4:memory:/old\n"), [0]);
        assert_eq!(of("0::/\nnonsense\n"), []);
    }

    #[test]
    fn this_machine_tells() {
        let available = available_memory().unwrap();
        assert!(available > 1 << 20, "{available}");
    }
}
