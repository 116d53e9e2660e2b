//! Arguments of system calls, and which paths are the kernel's own.

use super::super::calls::CALLS;

/// `AT_SYMLINK_NOFOLLOW`, `AT_SYMLINK_FOLLOW`, `IN_DONT_FOLLOW`, and of `openat2` the flags
/// `RESOLVE_IN_ROOT` and `RESOLVE_NO_SYMLINKS`.
pub(super) const NO_FOLLOW: u32 = 0x100;
pub(super) const FOLLOW: u32 = 0x400;
pub(super) const DONT_FOLLOW: u32 = 0x0200_0000;
pub(super) const IN_ROOT: u64 = 0x10;
pub(super) const NO_LINKS: u64 = 0x04;

/// What the flags of `open` say.
pub(super) struct Opened {
    /// Whether a link is followed.
    pub(super) follow: bool,
    /// Whether the file may be written to.
    pub(super) written: bool,
    /// Whether there may be a name that was not there before.
    pub(super) made: bool,
}

/// Understands the flags of `open`.
#[allow(clippy::cast_sign_loss)] // flags
pub(super) fn opened(flags: u64) -> Opened {
    let bits = |mask: i32| flags & u64::from(mask as u32);
    let exclusive = libc::O_CREAT | libc::O_EXCL;
    let changed = bits(libc::O_ACCMODE) != 0 || bits(libc::O_CREAT | libc::O_TRUNC) != 0;
    Opened {
        follow: bits(libc::O_NOFOLLOW) == 0 && bits(exclusive) != u64::from(exclusive as u32),
        written: changed && bits(libc::O_PATH) == 0,
        made: bits(libc::O_CREAT) != 0 && bits(libc::O_PATH) == 0,
    }
}

/// Returns the descriptor in an argument, which is an int.
#[allow(clippy::cast_possible_truncation)] // the kernel does the same
pub(super) fn descriptor(argument: u64) -> i32 {
    argument as u32 as i32
}

pub(super) fn words<const N: usize>(bytes: [u8; 24]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.try_into().map_or(0, u64::from_ne_bytes);
    }
    words
}

/// Returns whether a path is below a file system of the kernel.
pub(super) fn of_kernel(path: &[u8]) -> bool {
    [b"/proc/".as_slice(), b"/sys/", b"/dev/"]
        .iter()
        .any(|directory| path.starts_with(directory))
        || matches!(path, b"/proc" | b"/sys" | b"/dev")
}

/// Returns whether a path certainly does not lead from the kernel's files to others.
pub(super) fn of_kernel_alone(path: &[u8]) -> bool {
    let names = || path.split(|&byte| byte == b'/').skip(1);
    if !of_kernel(path) || names().any(|name| name == b"..") {
        return false;
    }
    // What a process has open, runs, or stands in.
    !path.starts_with(b"/proc/")
        || !names().any(|name| matches!(name, b"root" | b"cwd" | b"exe" | b"fd" | b"map_files"))
}

/// Makes the table of the calls of one architecture: by number, one more than the place in [`CALLS`].
pub(super) fn table(column: usize) -> Vec<u8> {
    let mut table = vec![0; 512];
    for (at, call) in (1..).zip(CALLS) {
        let number = call.numbers.get(column).copied().flatten();
        if let Some(entry) = number.and_then(|number| table.get_mut(number as usize)) {
            *entry = at;
        }
    }
    table
}
