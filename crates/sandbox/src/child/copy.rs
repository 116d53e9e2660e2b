//! A copy in memory of a directory of the image, mounted over it.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawDir, Stat, Uid, chmodat, chownat, mkdirat, openat,
    readlinkat_raw, statat, symlinkat,
};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

/// Directories below this depth are left out. Each level takes a descriptor and a part of the stack.
const DEEPEST: u32 = 32;
/// Room for the entries of a directory that one system call returns.
const ENTRIES: usize = 2048;

/// Mounts a file system in memory over a directory and copies the directory into it.
pub(super) fn in_memory(target: &CStr) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = rustix::fs::open(target, flags, Mode::empty())?;
    let options = MountFlags::NOSUID | MountFlags::NODEV;
    mount(c"tmpfs", target, c"tmpfs", options, Some(c"mode=755"))?;
    let to = rustix::fs::open(target, flags, Mode::empty())?;
    copy_directory(from.as_fd(), to.as_fd(), DEEPEST);
    let stat = rustix::fs::fstat(&from)?;
    let _ = rustix::fs::fchown(&to, Some(owner(&stat).0), Some(owner(&stat).1));
    rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode))
}

/// Copies the entries of a directory. What cannot be copied is left out.
fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, deeper: u32) {
    let mut buffer = [MaybeUninit::<u8>::uninit(); ENTRIES];
    let mut entries = RawDir::new(from, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name();
        if name != c"." && name != c".." {
            let _ = copy_entry(from, to, name, deeper);
        }
    }
}

fn copy_entry(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &CStr,
    deeper: u32,
) -> Result<(), Errno> {
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    match kind {
        FileType::Directory => {
            mkdirat(to, name, Mode::from_raw_mode(0o700))?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if let Some(deeper) = deeper.checked_sub(1) {
                let from = openat(from, name, flags, Mode::empty())?;
                let to = openat(to, name, flags, Mode::empty())?;
                copy_directory(from.as_fd(), to.as_fd(), deeper);
            }
        }
        FileType::Symlink => copy_link(from, to, name)?,
        FileType::RegularFile => copy_file(from, to, name)?,
        _ => return Ok(()), // sockets and the like belong to a program that is gone
    }
    let (uid, gid) = owner(&stat);
    let _ = chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
    if kind != FileType::Symlink {
        chmodat(
            to,
            name,
            Mode::from_raw_mode(stat.st_mode),
            AtFlags::empty(),
        )?;
    }
    Ok(())
}

fn copy_link(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let mut target = [0_u8; libc::PATH_MAX as usize];
    // The last byte stays zero, so that the target is terminated.
    let length = target.len() - 1;
    let room = target.get_mut(..length).ok_or(Errno::NAMETOOLONG)?;
    readlinkat_raw(from, name, room)?;
    let target = CStr::from_bytes_until_nul(&target).map_err(|_| Errno::NAMETOOLONG)?;
    symlinkat(target, to, name)
}

fn copy_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let from = openat(from, name, read, Mode::empty())?;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let to = openat(to, name, write, Mode::from_raw_mode(0o600))?;
    // Most bytes that one call copies.
    while rustix::fs::sendfile(&to, &from, None, 0x7fff_f000)? > 0 {}
    Ok(())
}

fn owner(stat: &Stat) -> (Uid, Gid) {
    (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))
}
