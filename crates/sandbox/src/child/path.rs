//! Making missing directories and files without allocating.

use std::ffi::CStr;

use rustix::fs::{CWD, Mode, OFlags, readlinkat_raw};
use rustix::io::Errno;

/// Longest path that the kernel takes.
const LONGEST: usize = libc::PATH_MAX as usize;

/// Makes a directory and those above it. Existing ones are left as they are.
pub(super) fn make_directory(path: &CStr, mode: u32) -> Result<(), Errno> {
    match rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(mode)) {
        Err(Errno::NOENT) => {
            make_parents(path)?;
            rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(mode))
        }
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Makes an empty file and the directories above it. An existing one is left as it is. Of a link the
/// target is made: images of Debian have `/etc/resolv.conf` lead into the empty `/run`.
pub(super) fn make_file(path: &CStr) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
    let mode = Mode::from_raw_mode(0o644);
    match rustix::fs::openat(CWD, path, flags, mode) {
        Err(Errno::NOENT) => {
            make_parents(path)?;
            make_parents_of_target(path)?;
            rustix::fs::openat(CWD, path, flags, mode).map(drop)
        }
        other => other.map(drop),
    }
}

/// Makes the directories above a path.
fn make_parents(path: &CStr) -> Result<(), Errno> {
    let mut buffer = [0; LONGEST];
    let bytes = path.to_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'/' && at > 0 {
            // The rest of the buffer is still zero, which ends the string here.
            let parent = CStr::from_bytes_until_nul(&buffer).map_err(|_| Errno::NAMETOOLONG)?;
            match rustix::fs::mkdirat(CWD, parent, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        *buffer.get_mut(at).ok_or(Errno::NAMETOOLONG)? = byte;
    }
    Ok(())
}

/// Makes the directories above the target of a link. Does nothing for what is not a link.
fn make_parents_of_target(path: &CStr) -> Result<(), Errno> {
    let mut buffer = [0; 2 * LONGEST];
    let bytes = path.to_bytes();
    let parent = bytes
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (before, rest) = buffer
        .split_at_mut_checked(parent)
        .ok_or(Errno::NAMETOOLONG)?;
    before.copy_from_slice(bytes.get(..parent).unwrap_or_default());
    let room = rest.get_mut(..LONGEST - 1).ok_or(Errno::NAMETOOLONG)?;
    if readlinkat_raw(CWD, path, room).is_err() {
        return Ok(());
    }
    // An absolute target stands for itself.
    let start = if rest.first() == Some(&b'/') {
        parent
    } else {
        0
    };
    let target = CStr::from_bytes_until_nul(buffer.get(start..).unwrap_or_default());
    make_parents(target.map_err(|_| Errno::NAMETOOLONG)?)
}
