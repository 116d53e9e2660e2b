//! Work on files as root of a user namespace: changing owners, and removing what others own.
//!
//! Both are done with the tree as the root of the process, so that no link leads out of it.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RawDir, Uid, XattrFlags, chmodat, chownat,
    lsetxattr, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv};

use super::Failure;
use crate::message::receive;
use crate::plan::Step;
use crate::sys;

/// Longest record: four words, a capability (at most 24 bytes today) and a path.
const LONGEST: usize = 2 * libc::PATH_MAX as usize;

/// Waits for the id maps and runs a function of this module.
pub(crate) fn work(
    control: BorrowedFd<'_>,
    report: BorrowedFd<'_>,
    run: impl FnOnce() -> Result<(), Errno>,
) -> ! {
    if !matches!(receive(control, RecvFlags::empty()), Ok(Some(_))) {
        sys::exit_now(125);
    }
    match run() {
        Ok(()) => sys::exit_now(0),
        Err(errno) => Failure::at(Step::Files)(errno).report(report),
    }
}

/// Makes a directory the root of this process.
fn enter(root: &CStr) -> Result<(), Errno> {
    rustix::process::chdir(root)?;
    rustix::process::chroot(c".")
}

/// Changes owners and modes as the records say that arrive. Sends the path back at which it fails.
pub(crate) fn change_owners(
    root: &CStr,
    owners: bool,
    records: BorrowedFd<'_>,
) -> Result<(), Errno> {
    enter(root)?;
    let mut buffer = [0; LONGEST];
    loop {
        let (_, length) = recv(records, &mut buffer, RecvFlags::empty())?;
        let Some(record) = buffer.get(..length).filter(|record| !record.is_empty()) else {
            return Ok(());
        };
        let (words, rest) = record.split_at_checked(16).ok_or(Errno::BADMSG)?;
        let word = |at: usize| {
            let bytes = words
                .get(at * 4..at * 4 + 4)
                .and_then(|four| four.try_into().ok());
            bytes.map(u32::from_ne_bytes).ok_or(Errno::BADMSG)
        };
        let length = usize::try_from(word(3)?).map_err(|_| Errno::BADMSG)?;
        let (capability, path) = rest.split_at_checked(length).ok_or(Errno::BADMSG)?;
        let path = CStr::from_bytes_with_nul(path).map_err(|_| Errno::BADMSG)?;
        let ids = (word(0)?, word(1)?);
        if let Err(errno) = change(path, owners.then_some(ids), word(2)?, capability) {
            let _ = rustix::net::send(records, path.to_bytes(), SendFlags::NOSIGNAL);
            return Err(errno);
        }
    }
}

fn change(
    path: &CStr,
    owner: Option<(u32, u32)>,
    mode: u32,
    capability: &[u8],
) -> Result<(), Errno> {
    // The order matters: a change of owner clears set-id bits and capabilities.
    if let Some((uid, gid)) = owner {
        if uid == u32::MAX || gid == u32::MAX {
            return Err(Errno::INVAL); // would mean "unchanged"
        }
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(CWD, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if mode != u32::MAX {
        let stat = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            chmodat(
                CWD,
                path,
                Mode::from_raw_mode(mode & 0o7777),
                AtFlags::empty(),
            )?;
        }
    }
    if owner.is_some() && !capability.is_empty() {
        lsetxattr(
            path,
            c"security.capability",
            capability,
            XattrFlags::empty(),
        )?;
    }
    Ok(())
}

/// Removes a tree: its content, then itself.
pub(crate) fn remove(path: &CStr) -> Result<(), Errno> {
    let (parent, name) = split(path);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut parent_path = [0_u8; libc::PATH_MAX as usize];
    let length = parent_path.len() - 1; // the last byte stays zero
    let room = parent_path
        .get_mut(..length)
        .and_then(|room| room.get_mut(..parent.len()));
    room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(parent);
    let parent = CStr::from_bytes_until_nul(&parent_path).map_err(|_| Errno::NAMETOOLONG)?;
    let parent = rustix::fs::open(parent, flags, Mode::empty())?;
    match unlinkat(&parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        other => return other,
    }
    enter(path)?;
    empty_root()?;
    unlinkat(&parent, name, AtFlags::REMOVEDIR)
}

/// Splits a path before its last component.
fn split(path: &CStr) -> (&[u8], &CStr) {
    let bytes = path.to_bytes();
    let Some(slash) = bytes.iter().rposition(|&byte| byte == b'/') else {
        return (b".", path);
    };
    let name = path
        .to_bytes_with_nul()
        .get(slash + 1..)
        .unwrap_or_default();
    let parent = if slash == 0 {
        b"/"
    } else {
        bytes.get(..slash).unwrap_or_default()
    };
    (parent, CStr::from_bytes_with_nul(name).unwrap_or(path))
}

/// Removes everything below the root, however deep, with one descriptor and no memory: it goes down
/// wherever it can and begins anew one level up when a directory is empty.
fn empty_root() -> Result<(), Errno> {
    let mut depth: u32 = 0;
    loop {
        if descend()? {
            depth += 1;
        } else if depth == 0 {
            return Ok(());
        } else {
            rustix::process::chdir(c"..")?;
            depth -= 1;
        }
    }
}

/// Removes what it can from the working directory. Returns true when it has gone down into a directory,
/// false when everything is gone.
fn descend() -> Result<bool, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory: OwnedFd = rustix::fs::open(c".", flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 8192];
    let mut entries = RawDir::new(directory.as_fd(), &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let mut removed = Err(Errno::ISDIR);
        if entry.file_type() != FileType::Directory {
            removed = unlinkat(CWD, name, AtFlags::empty());
        }
        if matches!(removed, Err(Errno::ISDIR | Errno::PERM)) {
            removed = unlinkat(CWD, name, AtFlags::REMOVEDIR);
        }
        match removed {
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                rustix::process::chdir(name)?;
                return Ok(true);
            }
            Err(Errno::NOENT) => {}
            other => other?,
        }
    }
    Ok(false)
}
