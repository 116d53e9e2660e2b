//! What the kernel provides in a container: `/proc`, `/dev`, `/sys`, as docker lays them out.

use std::ffi::CStr;

use rustix::mount::MountFlags;

use super::files::{Files, may_create};
use super::{Action, Kind};
use crate::{Network, Spec};

/// Device nodes that are taken from the host: a user namespace cannot make any.
const DEVICES: [&CStr; 6] = [
    c"/dev/null",
    c"/dev/zero",
    c"/dev/full",
    c"/dev/random",
    c"/dev/urandom",
    c"/dev/tty",
];
/// Links in `/dev`, as docker has them.
const LINKS: [(&CStr, &CStr); 6] = [
    (c"/dev/fd", c"/proc/self/fd"),
    (c"/dev/stdin", c"/proc/self/fd/0"),
    (c"/dev/stdout", c"/proc/self/fd/1"),
    (c"/dev/stderr", c"/proc/self/fd/2"),
    (c"/dev/core", c"/proc/kcore"),
    (c"/dev/ptmx", c"pts/ptmx"),
];
/// What docker makes read-only (moby `daemon/pkg/oci/defaults.go`, `ReadonlyPaths`).
const PROTECTED: [&CStr; 5] = [
    c"/proc/bus",
    c"/proc/fs",
    c"/proc/irq",
    c"/proc/sys",
    c"/proc/sysrq-trigger",
];
/// What docker hides (the same file, `MaskedPaths`).
const MASKED: [&CStr; 12] = [
    c"/proc/asound",
    c"/proc/acpi",
    c"/proc/interrupts",
    c"/proc/kcore",
    c"/proc/keys",
    c"/proc/latency_stats",
    c"/proc/timer_list",
    c"/proc/timer_stats",
    c"/proc/sched_debug",
    c"/proc/scsi",
    c"/sys/firmware",
    c"/sys/devices/virtual/powercap",
];
/// The group of terminals in every distribution.
const TTY_GROUP: u32 = 5;

/// The mounts that have to be made while the host is in sight.
pub(super) struct System {
    proc: usize,
    sys: usize,
    groups: usize,
    devices: [(&'static CStr, usize); DEVICES.len()],
}

impl System {
    /// Plans to make them.
    pub(super) fn open(files: &mut Files, spec: &Spec) -> Self {
        Self {
            devices: DEVICES.map(|path| (path, files.open(path.to_owned(), true))),
            proc: files.create(c"proc", c"/proc"),
            // sysfs shows a network namespace, so only the owner of that may make it.
            sys: match spec.network {
                Network::Host => files.open(c"/sys".to_owned(), true),
                Network::Private | Network::None => files.create(c"sysfs", c"/sys"),
            },
            groups: files.create(c"cgroup2", c"/sys/fs/cgroup"),
        }
    }

    /// Mounts `/proc`, `/dev`, `/sys` and what belongs into them.
    pub(super) fn mount(&self, files: &mut Files, spec: &Spec) {
        if has_mount_point(spec, "proc") {
            files.attach(self.proc, c"/proc");
        }
        if has_mount_point(spec, "dev") {
            self.devices(files, spec);
        }
        for (tree, target) in [(self.sys, c"/sys"), (self.groups, c"/sys/fs/cgroup")] {
            let target = target.to_owned();
            files.try_to(Action::Attach {
                tree,
                target,
                read_only: true,
                create: None,
            });
        }
    }

    /// Fills `/dev`.
    fn devices(&self, files: &mut Files, spec: &Spec) {
        let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        files.mount(
            c"tmpfs",
            c"/dev",
            MountFlags::NOSUID,
            Some("mode=755,size=65536k"),
        );
        for &(path, tree) in &self.devices {
            let (target, create) = (path.to_owned(), Some(Kind::File));
            files.try_to(Action::Attach {
                tree,
                target,
                read_only: false,
                create,
            });
        }
        for (path, target) in LINKS {
            files.try_to(Action::Link { path, target });
        }
        for path in [c"/dev/pts", c"/dev/shm", c"/dev/mqueue"] {
            files.try_to(Action::Directory {
                path: path.to_owned(),
                mode: 0o755,
            });
        }
        let mut terminals = "newinstance,ptmxmode=0666,mode=0620".to_owned();
        if spec.ids.contains_group(TTY_GROUP) {
            terminals.push_str(&format!(",gid={TTY_GROUP}"));
        }
        let no_program = MountFlags::NOSUID | MountFlags::NOEXEC;
        files.try_mount(c"devpts", c"/dev/pts", no_program, Some(&terminals));
        let memory = format!("mode=1777,size={}", spec.shared_memory);
        files.try_mount(c"tmpfs", c"/dev/shm", quiet, Some(&memory));
        files.try_mount(c"mqueue", c"/dev/mqueue", quiet, None);
    }
}

/// Sets the network up, and closes what docker closes.
pub(super) fn restrict(files: &mut Files, spec: &Spec) {
    if spec.network == Network::Private {
        files.need(Action::Loopback);
    }
    if spec.network != Network::Host {
        // Docker lets every user of a container listen on port 80 and send pings.
        files.try_to(Action::Setting {
            path: c"/proc/sys/net/ipv4/ip_unprivileged_port_start",
            value: b"0",
        });
        files.try_to(Action::Setting {
            path: c"/proc/sys/net/ipv4/ping_group_range",
            value: b"0 65534",
        });
    }
    for path in PROTECTED {
        files.try_to(Action::Protect { path });
    }
    for path in MASKED {
        files.try_to(Action::Mask { path });
    }
    if spec.read_only {
        files.need(Action::ProtectRoot);
    }
}

/// Returns whether something can be mounted on a directory of the root: it is there or may be added.
fn has_mount_point(spec: &Spec, name: &str) -> bool {
    may_create(spec) || std::fs::symlink_metadata(spec.root_here().join(name)).is_ok()
}
