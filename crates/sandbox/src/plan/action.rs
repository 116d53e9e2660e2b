//! The small set of file system operations that a plan is made of.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::mount::MountFlags;

/// One thing to do, and whether the container can live without it.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) action: Action,
    /// A failure is passed over.
    pub(crate) optional: bool,
}

/// What kind of file a mount point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
}

/// A file system operation. Paths are resolved by the child: before [`Action::Pivot`] on the host,
/// after it inside the root, where links cannot lead out.
#[derive(Debug)]
pub(crate) enum Action {
    /// Lets no mount event in or out.
    Private,
    /// Takes hold of a path, with all that is mounted below it, as mount number `tree`.
    Open { tree: usize, path: CString },
    /// Takes what the caller has mounted nowhere yet as mount number `tree`.
    Given { tree: usize, mount: OwnedFd },
    /// Puts mount number `tree` somewhere. A missing target is made if `create` says of what kind.
    Attach {
        tree: usize,
        target: CString,
        read_only: bool,
        create: Option<Kind>,
    },
    /// Makes a new file system as mount number `tree`. If the kernel refuses, because what it would show
    /// is partly hidden here, `fallback` of the host is taken hold of instead. Only possible before
    /// [`Action::Pivot`]: afterwards nothing is there that the kernel could compare with.
    New {
        tree: usize,
        kind: &'static CStr,
        fallback: &'static CStr,
    },
    /// Mounts a new file system.
    Mount {
        kind: &'static CStr,
        target: CString,
        flags: MountFlags,
        options: Option<CString>,
    },
    /// Puts a copy in memory over a directory, with the same content, owners and modes.
    Scratch { target: CString },
    /// Makes a directory, and those above it, unless it exists.
    Directory { path: CString, mode: u32 },
    /// Writes a file, which must not be a link.
    File { path: CString, content: Vec<u8> },
    /// Writes a setting below `/proc`.
    Setting {
        path: &'static CStr,
        value: &'static [u8],
    },
    /// Makes a symbolic link.
    Link {
        path: &'static CStr,
        target: &'static CStr,
    },
    /// Changes the working directory.
    Enter { path: CString },
    /// Makes a path read-only, with all that is mounted below it.
    Protect { path: &'static CStr },
    /// Makes the content of a path invisible.
    Mask { path: &'static CStr },
    /// Makes a mount below the working directory the root, and lets go of the host. Nothing of the image
    /// may be looked up before: see `pivot` in `child`.
    Pivot { path: &'static CStr },
    /// Makes the root read-only, but not what is mounted below it.
    ProtectRoot,
    /// Sets the host name.
    HostName { name: CString },
    /// Sets `lo` up.
    Loopback,
    /// Makes a terminal, hands its controlling side to the parent and keeps the other for the program.
    Terminal,
}

impl Action {
    /// Returns what it does, as a phrase that follows "cannot".
    pub(crate) fn describe(&self) -> String {
        let quote = |path: &CStr| format!("`{}`", path.to_string_lossy());
        match self {
            Self::Private => "make mounts private".to_owned(),
            Self::Open { path, .. } => format!("take hold of {}", quote(path)),
            Self::Given { .. } => "take hold of a file system in memory".to_owned(),
            Self::Attach { target, .. } => format!("mount on {}", quote(target)),
            Self::New { kind, .. } => format!("make a file system {}", quote(kind)),
            Self::Mount { kind, target, .. } => {
                format!("mount {} on {}", kind.to_string_lossy(), quote(target))
            }
            Self::Scratch { target } => format!("make a copy in memory of {}", quote(target)),
            Self::Directory { path, .. } => format!("make directory {}", quote(path)),
            Self::File { path, .. } => format!("write file {}", quote(path)),
            Self::Setting { path, .. } => format!("write setting {}", quote(path)),
            Self::Link { path, .. } => format!("make link {}", quote(path)),
            Self::Enter { path } => format!("change to directory {}", quote(path)),
            Self::Protect { path } => format!("make {} read-only", quote(path)),
            Self::Mask { path } => format!("mask {}", quote(path)),
            Self::Pivot { .. } => "change the root".to_owned(),
            Self::ProtectRoot => "make the root read-only".to_owned(),
            Self::HostName { name } => format!("set the host name {}", quote(name)),
            Self::Loopback => "set interface `lo` up".to_owned(),
            Self::Terminal => "make a terminal".to_owned(),
        }
    }
}
