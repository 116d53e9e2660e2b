//! Owners, modes, times and extended attributes of files of the host that stand for those of an image.
//!
//! Where the builder has only one id, it can give no file away. Then the owner that a file should have is
//! recorded in an attribute of the file, which overlayfs copies along and `mv` keeps.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use layer::{Time, Xattr};
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// Attribute with the owner of a file, as `UID:GID`.
pub(crate) const OWNER: &str = "user.jettison.owner";

/// How files get their owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// By chown(2).
    Real,
    /// By [`OWNER`].
    Recorded,
}

/// User and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Owners {
    /// Returns the owner that a file has in the image.
    pub(super) fn of(self, path: &Path, metadata: &Metadata) -> Owner {
        match self {
            Self::Real => Owner {
                uid: metadata.uid(),
                gid: metadata.gid(),
            },
            Self::Recorded => recorded(path).unwrap_or_default(),
        }
    }

    /// Gives a file an owner. Links can have no attribute; where owners are recorded, theirs is root.
    pub(super) fn set(self, path: &Path, owner: Owner, is_link: bool) -> io::Result<()> {
        match self {
            Self::Real => {
                let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
                rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Self::Recorded if is_link => {}
            Self::Recorded if owner == Owner::default() => {
                match rustix::fs::lremovexattr(path, OWNER) {
                    Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            Self::Recorded => {
                let value = format!("{}:{}", owner.uid, owner.gid);
                match rustix::fs::lsetxattr(path, OWNER, value.as_bytes(), XattrFlags::empty()) {
                    // Pipes and the like can have none.
                    Ok(()) | Err(Errno::PERM) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(())
    }
}

fn recorded(path: &Path) -> Option<Owner> {
    let mut value = [0; 32];
    let length = rustix::fs::lgetxattr(path, OWNER, &mut value).ok()?;
    let text = std::str::from_utf8(value.get(..length)?).ok()?;
    let (uid, gid) = text.split_once(':')?;
    Some(Owner {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
    })
}

/// Returns the attributes of a file that belong into an image, sorted by name.
pub(super) fn xattrs(path: &Path) -> io::Result<Vec<Xattr>> {
    let mut names = vec![0; 4096];
    let length = match rustix::fs::llistxattr(path, &mut names) {
        Ok(length) => length,
        Err(Errno::RANGE) => {
            names = vec![0; 65536]; // the most that Linux has
            rustix::fs::llistxattr(path, &mut names)?
        }
        Err(Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(errno.into()),
    };
    let mut found = Vec::new();
    for name in names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        if !belongs(name) {
            continue;
        }
        let mut value = vec![0; 65536];
        let length = match rustix::fs::lgetxattr(path, name, &mut value) {
            Ok(length) => length,
            Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
            Err(errno) => return Err(errno.into()),
        };
        value.truncate(length);
        if name == b"security.capability" {
            value = everywhere(value);
        }
        found.push(Xattr {
            name: name.into(),
            value: value.into(),
        });
    }
    found.sort();
    Ok(found)
}

/// Capabilities, and what users set themselves. Labels and access lists are the host's.
fn belongs(name: &[u8]) -> bool {
    name == b"security.capability"
        || name.starts_with(b"user.")
            && !name.starts_with(b"user.overlay.")
            && name != OWNER.as_bytes()
}

/// Takes from a capability the user namespace that it is valid in: of version 3, version 2 is made
/// (capabilities(7)).
fn everywhere(mut value: Vec<u8>) -> Vec<u8> {
    const VERSION_3: u8 = 3;
    if value.len() == 24 && value[3] == VERSION_3 {
        value[3] = 2;
        value.truncate(20);
    }
    value
}

/// What a file gets besides its content and its owner.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) mtime: Time,
    pub(super) xattrs: Vec<Xattr>,
}

impl Attributes {
    pub(super) fn of(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            mode: metadata.mode() & 0o7777,
            mtime: mtime(metadata),
            xattrs: xattrs(path)?,
        })
    }

    /// Sets them, the owner before, as a change of owner takes set-id bits and capabilities away.
    pub(super) fn set(
        &self,
        path: &Path,
        owners: Owners,
        owner: Owner,
        is_link: bool,
    ) -> io::Result<()> {
        owners.set(path, owner, is_link)?;
        if !is_link {
            rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(self.mode), AtFlags::empty())?;
        }
        for xattr in &self.xattrs {
            match rustix::fs::lsetxattr(path, &*xattr.name, &xattr.value, XattrFlags::empty()) {
                // Not every file system, and not every user, can store every attribute.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        set_time(path, self.mtime)
    }
}

pub(super) fn mtime(metadata: &Metadata) -> Time {
    Time {
        seconds: metadata.mtime(),
        nanoseconds: metadata.mtime_nsec().try_into().unwrap_or(0),
    }
}

pub(super) fn set_time(path: &Path, time: Time) -> io::Result<()> {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}
