//! The file system of a container, as `docker run` lays it out.
//!
//! First a small file system in memory, the *staging*, is mounted over the root's path in the
//! container's own mount namespace. It holds the mount point of the new root, the files that the
//! container gets in `/etc`, and the stubs: empty mount points that become the lowest layer of the
//! overlay, so that neither the root nor the directory of changes is touched for their sake. Then the
//! root is entered, and everything else happens inside it.

use std::ffi::{CStr, CString};
use std::path::{Component, Path, PathBuf};

use rustix::mount::MountFlags;

use super::{Action, Kind, Operation, terminated};
use crate::{Error, Mount, Network, Spec, Writes};

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
/// Size of `/dev/shm`: docker's 64 MiB.
const SHM: &str = "mode=1777,size=65536k";

/// The operations that make a container's file system.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) operations: Vec<Operation>,
    pub(crate) trees: usize,
}

/// The numbers of the file systems that the kernel fills.
struct System {
    proc: usize,
    sys: usize,
    groups: usize,
}

/// Plans the file system of a container.
pub(crate) fn lay_out(spec: &Spec) -> Result<Files, Error> {
    let mut files = Files::default();
    files.need(Action::Private);
    let devices = DEVICES.map(|path| (path, files.open(path.to_owned(), true)));
    let system = System {
        proc: files.create(c"proc", c"/proc"),
        // sysfs shows a network namespace, so only the owner of that may make it.
        sys: match spec.network {
            Network::Host => files.open(c"/sys".to_owned(), true),
            Network::Private | Network::None => files.create(c"sysfs", c"/sys"),
        },
        groups: files.create(c"cgroup2", c"/sys/fs/cgroup"),
    };
    let binds = files.open_binds(&spec.mounts)?;
    let created = files.stage(spec)?;
    files.need(Action::Pivot { path: c"root" });

    files.system(spec, &devices, &system);
    for path in spec
        .scratch
        .iter()
        .filter(|path| !spec.mounts.iter().any(|m| m.target() == *path))
    {
        let target = terminated("a scratch directory", path)?;
        files.try_to(Action::Scratch { target });
    }
    for (tree, target) in created {
        let create = may_create(spec).then_some(Kind::File);
        files.try_to(Action::Attach {
            tree,
            target: target.to_owned(),
            read_only: false,
            create,
        });
    }
    files.user_mounts(spec, &binds)?;
    files.need(Action::HostName {
        name: terminated("the host name", &spec.hostname)?,
    });
    files.finish(spec)?;
    Ok(files)
}

/// Returns whether a mount point may be added to the root's view.
fn may_create(spec: &Spec) -> bool {
    spec.writes != Writes::InPlace
}

impl Files {
    fn need(&mut self, action: Action) {
        self.operations.push(Operation {
            action,
            optional: false,
        });
    }

    fn try_to(&mut self, action: Action) {
        self.operations.push(Operation {
            action,
            optional: true,
        });
    }

    /// Takes hold of a path of the host, and returns the number to attach it by.
    fn open(&mut self, path: CString, optional: bool) -> usize {
        let tree = self.trees;
        self.trees += 1;
        self.operations.push(Operation {
            action: Action::Open { tree, path },
            optional,
        });
        tree
    }

    /// Makes a file system of the kernel's, and returns the number to attach it by.
    fn create(&mut self, kind: &'static CStr, fallback: &'static CStr) -> usize {
        let tree = self.trees;
        self.trees += 1;
        self.try_to(Action::New {
            tree,
            kind,
            fallback,
        });
        tree
    }

    /// Takes hold of what the caller mounts, in the order of `mounts`.
    fn open_binds(&mut self, mounts: &[Mount]) -> Result<Vec<Option<(usize, Kind)>>, Error> {
        mounts
            .iter()
            .map(|mount| {
                let Mount::Bind { source, .. } = mount else {
                    return Ok(None);
                };
                let kind = kind_of(source)?;
                Ok(Some((
                    self.open(terminated("a path to mount", source)?, false),
                    kind,
                )))
            })
            .collect()
    }

    /// Builds the staging and the root in it. Returns the files to put over those of the image.
    fn stage(&mut self, spec: &Spec) -> Result<Vec<(usize, &'static CStr)>, Error> {
        kind_of(&spec.root)?;
        let path = terminated("the root", &spec.root)?;
        let root = self.open(path.clone(), false);
        let changes = match &spec.writes {
            Writes::Directory(directory) => {
                Some(self.open(terminated("the directory of changes", directory)?, false))
            }
            Writes::InPlace | Writes::Memory => None,
        };
        self.mount(c"tmpfs", &path, MountFlags::NODEV, Some("mode=755"));
        self.need(Action::Enter { path });
        self.directory(c"root");
        if spec.writes == Writes::InPlace {
            self.attach(root, c"root");
        } else {
            self.directory(c"lower");
            self.attach(root, c"lower");
            self.directory(c"writes");
            match changes {
                Some(tree) => self.attach(tree, c"writes"),
                None => {
                    self.need(Action::Directory {
                        path: c"writes/upper".into(),
                        mode: 0o755,
                    });
                    self.directory(c"writes/work");
                }
            }
            self.stubs(spec)?;
            let options =
                "lowerdir=lower:stubs,upperdir=writes/upper,workdir=writes/work,userxattr";
            self.mount(c"overlay", c"root", MountFlags::empty(), Some(options));
        }
        let contents = [
            (
                c"hostname",
                c"/etc/hostname",
                Some(format!("{}\n", spec.hostname).into_bytes()),
            ),
            (c"hosts", c"/etc/hosts", spec.hosts.clone()),
            (
                c"resolv.conf",
                c"/etc/resolv.conf",
                spec.resolv_conf.clone(),
            ),
        ];
        let mut created = Vec::new();
        for (name, target, content) in contents {
            let Some(content) = content else { continue };
            self.need(Action::File {
                path: name.to_owned(),
                content,
            });
            created.push((self.open(name.to_owned(), false), target));
        }
        Ok(created)
    }

    /// Makes the empty mount points that an image may lack.
    fn stubs(&mut self, spec: &Spec) -> Result<(), Error> {
        for directory in [c"stubs/proc", c"stubs/dev", c"stubs/sys", c"stubs/etc"] {
            self.directory(directory);
        }
        for file in [
            c"stubs/etc/hostname",
            c"stubs/etc/hosts",
            c"stubs/etc/resolv.conf",
        ] {
            self.need(Action::File {
                path: file.to_owned(),
                content: Vec::new(),
            });
        }
        for mount in &spec.mounts {
            let stub = Path::new("stubs").join(below_root(mount.target()));
            let parent = stub.parent().unwrap_or(&stub);
            self.directory(&terminated("a mount point", parent)?);
            let stub = terminated("a mount point", &stub)?;
            match mount {
                Mount::Bind { source, .. } if kind_of(source)? == Kind::File => {
                    self.try_to(Action::File {
                        path: stub,
                        content: Vec::new(),
                    });
                }
                _ => self.try_to(Action::Directory {
                    path: stub,
                    mode: 0o755,
                }),
            }
        }
        Ok(())
    }

    /// Mounts `/proc`, `/dev`, `/sys` and what belongs into them.
    fn system(&mut self, spec: &Spec, devices: &[(&CStr, usize)], system: &System) {
        if has_mount_point(spec, "proc") {
            self.attach(system.proc, c"/proc");
        }
        if has_mount_point(spec, "dev") {
            self.devices(spec, devices);
        }
        for (tree, target) in [(system.sys, c"/sys"), (system.groups, c"/sys/fs/cgroup")] {
            let target = target.to_owned();
            self.try_to(Action::Attach {
                tree,
                target,
                read_only: true,
                create: None,
            });
        }
    }

    /// Fills `/dev`.
    fn devices(&mut self, spec: &Spec, devices: &[(&CStr, usize)]) {
        let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        self.mount(
            c"tmpfs",
            c"/dev",
            MountFlags::NOSUID,
            Some("mode=755,size=65536k"),
        );
        for &(path, tree) in devices {
            let (target, create) = (path.to_owned(), Some(Kind::File));
            self.try_to(Action::Attach {
                tree,
                target,
                read_only: false,
                create,
            });
        }
        for (path, target) in LINKS {
            self.try_to(Action::Link { path, target });
        }
        for path in [c"/dev/pts", c"/dev/shm", c"/dev/mqueue"] {
            self.try_to(Action::Directory {
                path: path.to_owned(),
                mode: 0o755,
            });
        }
        let mut terminals = "newinstance,ptmxmode=0666,mode=0620".to_owned();
        if spec.ids.contains_group(TTY_GROUP) {
            terminals.push_str(&format!(",gid={TTY_GROUP}"));
        }
        let no_program = MountFlags::NOSUID | MountFlags::NOEXEC;
        self.try_mount(c"devpts", c"/dev/pts", no_program, Some(&terminals));
        self.try_mount(c"tmpfs", c"/dev/shm", quiet, Some(SHM));
        self.try_mount(c"mqueue", c"/dev/mqueue", quiet, None);
    }

    /// Mounts what the caller asked for.
    fn user_mounts(&mut self, spec: &Spec, binds: &[Option<(usize, Kind)>]) -> Result<(), Error> {
        for (mount, bind) in spec.mounts.iter().zip(binds) {
            let target = Path::new("/").join(below_root(mount.target()));
            let target = terminated("a mount point", target)?;
            match (mount, *bind) {
                (Mount::Bind { read_only, .. }, Some((tree, kind))) => {
                    let create = may_create(spec).then_some(kind);
                    self.need(Action::Attach {
                        tree,
                        target,
                        read_only: *read_only,
                        create,
                    });
                }
                (Mount::Tmpfs { mode, size, .. }, _) => {
                    if may_create(spec) {
                        self.need(Action::Directory {
                            path: target.clone(),
                            mode: 0o755,
                        });
                    }
                    let mut options = format!("mode={mode:o}");
                    if let Some(size) = size {
                        options.push_str(&format!(",size={size}"));
                    }
                    self.mount(
                        c"tmpfs",
                        &target,
                        MountFlags::NOSUID | MountFlags::NODEV,
                        Some(&options),
                    );
                }
                (Mount::Bind { .. }, None) => {} // every bind was opened
            }
        }
        Ok(())
    }

    /// Sets the network up, closes what docker closes, and leaves the host behind.
    fn finish(&mut self, spec: &Spec) -> Result<(), Error> {
        if spec.network == Network::Private {
            self.need(Action::Loopback);
        }
        if spec.network != Network::Host {
            // Docker lets every user of a container listen on port 80 and send pings.
            self.try_to(Action::Setting {
                path: c"/proc/sys/net/ipv4/ip_unprivileged_port_start",
                value: b"0",
            });
            self.try_to(Action::Setting {
                path: c"/proc/sys/net/ipv4/ping_group_range",
                value: b"0 65534",
            });
        }
        if spec.terminal {
            self.need(Action::Terminal);
        }
        if may_create(spec) && !spec.read_only {
            let path = terminated("the working directory", &spec.cwd)?;
            self.try_to(Action::Directory { path, mode: 0o755 });
        }
        for path in PROTECTED {
            self.try_to(Action::Protect { path });
        }
        for path in MASKED {
            self.try_to(Action::Mask { path });
        }
        if spec.read_only {
            self.need(Action::ProtectRoot);
        }
        Ok(())
    }

    fn directory(&mut self, path: &CStr) {
        self.need(Action::Directory {
            path: path.to_owned(),
            mode: 0o755,
        });
    }

    fn attach(&mut self, tree: usize, target: &CStr) {
        let target = target.to_owned();
        self.need(Action::Attach {
            tree,
            target,
            read_only: false,
            create: None,
        });
    }

    fn mount(
        &mut self,
        kind: &'static CStr,
        target: &CStr,
        flags: MountFlags,
        options: Option<&str>,
    ) {
        let options = options.and_then(|options| CString::new(options).ok());
        self.need(Action::Mount {
            kind,
            target: target.to_owned(),
            flags,
            options,
        });
    }

    fn try_mount(
        &mut self,
        kind: &'static CStr,
        target: &CStr,
        flags: MountFlags,
        options: Option<&str>,
    ) {
        self.mount(kind, target, flags, options);
        if let Some(last) = self.operations.last_mut() {
            last.optional = true;
        }
    }
}

/// Returns whether something can be mounted on a directory of the root: it is there or may be added.
fn has_mount_point(spec: &Spec, name: &str) -> bool {
    may_create(spec) || std::fs::symlink_metadata(spec.root.join(name)).is_ok()
}

/// Returns a path of the container without its leading slash, and without `..`.
fn below_root(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

/// Looks at what a path of the host is.
fn kind_of(path: &Path) -> Result<Kind, Error> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(Kind::Directory),
        Ok(_) => Ok(Kind::File),
        Err(source) => Err(Error::Path {
            action: "use",
            path: path.to_owned(),
            source,
        }),
    }
}
