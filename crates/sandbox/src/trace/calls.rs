//! The system calls that name a file, and where each has its paths.
//!
//! Numbers are from the kernel's `syscall_64.tbl`, `syscall_32.tbl` and `asm-generic/unistd.h`. Calls that
//! act on an open file are absent: whoever opened it has been seen. Two exceptions are the listing of a
//! directory, which says that all of its names were wanted, and the programs started from a descriptor.

use super::AccessKind;
use crate::bpf;

/// A system call.
pub(super) struct Call {
    /// Its numbers on x86-64, aarch64 and i386.
    pub(super) numbers: [Option<u32>; 3],
    pub(super) when: When,
    pub(super) asks: Asks,
}

/// Which uses of a call are of interest. Decided by the filter, which sees the arguments but no memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// If an argument has one of these bits.
    Bits {
        argument: u32,
        mask: u32,
    },
    /// If an argument is one of these.
    OneOf {
        argument: u32,
        values: &'static [u32],
    },
    /// Unless an argument is this.
    Unless {
        argument: u32,
        value: u32,
    },
    /// Never: the program is told that the kernel does not have it.
    Refused,
}

/// What a call asks of the file system.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    Path(Place),
    Paths(Place, Place),
    /// The entries of the directory that the first argument is a descriptor of.
    Entries,
    /// The path in a socket address in this argument, followed by its length.
    Address {
        argument: usize,
        kind: AccessKind,
    },
    /// `socketcall` of i386: the arguments of `bind` or `connect` are in memory.
    SocketCall,
    /// Nothing, but afterwards `/` may mean something else.
    Root,
    /// A path, and afterwards `/` may mean something else.
    PathAndRoot(Place),
    /// As `Root`, if the flags that the first argument points to say so.
    Clone3,
    Nothing,
}

/// Where a path is among the arguments, and how it is looked up.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Argument with the descriptor that a relative path starts from; without one it is the working directory.
    pub(super) directory: Option<usize>,
    pub(super) path: usize,
    pub(super) last: Last,
    pub(super) kind: AccessKind,
}

/// What happens with a symbolic link at the end of a path.
#[derive(Clone, Copy)]
pub(super) enum Last {
    Followed,
    NotFollowed,
    /// As `NotFollowed`; and what was there, perhaps a directory, may be somewhere else afterwards.
    Moved,
    /// As `AT_SYMLINK_NOFOLLOW` in this argument says.
    NoFollowFlag(usize),
    /// As `AT_SYMLINK_FOLLOW` in this argument says.
    FollowFlag(usize),
    /// As the flags of `open` in this argument say, which also decide whether it is written to.
    OpenFlags(usize),
    /// As `OpenFlags`, where the argument points to the structure of `openat2`.
    OpenHow(usize),
    /// As `IN_DONT_FOLLOW` in this argument says.
    WatchMask(usize),
}

/// A path in argument `path`, relative to the working directory.
const fn path(path: usize, last: Last, kind: AccessKind) -> Asks {
    Asks::Path(Place {
        directory: None,
        path,
        last,
        kind,
    })
}

/// A path in argument `path`, relative to the descriptor before it.
const fn path_at(path: usize, last: Last, kind: AccessKind) -> Asks {
    Asks::Path(place_at(path, last, kind))
}

const fn place_at(path: usize, last: Last, kind: AccessKind) -> Place {
    Place {
        directory: Some(path - 1),
        path,
        last,
        kind,
    }
}

const fn written(path: usize) -> Place {
    Place {
        directory: None,
        path,
        last: Last::NotFollowed,
        kind: AccessKind::Write,
    }
}

const fn moved(path: usize) -> Place {
    Place {
        last: Last::Moved,
        ..written(path)
    }
}

const fn moved_at(path: usize) -> Place {
    place_at(path, Last::Moved, AccessKind::Write)
}

const fn written_at(path: usize) -> Place {
    place_at(path, Last::NotFollowed, AccessKind::Write)
}

const fn all(asks: Asks, x86_64: u32, aarch64: u32, i386: u32) -> Call {
    Call {
        numbers: [Some(x86_64), Some(aarch64), Some(i386)],
        when: When::Always,
        asks,
    }
}

/// A call that is too old for aarch64.
const fn x86(asks: Asks, x86_64: u32, i386: u32) -> Call {
    Call {
        numbers: [Some(x86_64), None, Some(i386)],
        when: When::Always,
        asks,
    }
}

const fn i386(asks: Asks, i386: u32) -> Call {
    Call {
        numbers: [None, None, Some(i386)],
        when: When::Always,
        asks,
    }
}

/// A call of recent years, which has one number everywhere.
const fn new(asks: Asks, number: u32) -> Call {
    all(asks, number, number, number)
}

impl Call {
    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
}

use AccessKind::{Connect, Enter, Execute, Open, ReadLink, Stat, Watch, Write};
use Last::{FollowFlag, Followed, NoFollowFlag, NotFollowed, OpenFlags, OpenHow, WatchMask};

/// The C library's way to ask about an open file: `fstat` is `newfstatat` with an empty path.
/// `AT_EMPTY_PATH` alone is therefore let through; it costs half of all notifications otherwise.
const ABOUT_OPEN_FILE: u32 = 0x1000;
/// `CLONE_NEWNS` and `CLONE_NEWUSER`.
pub(super) const NEW_ROOT: u32 = 0x0002_0000 | 0x1000_0000;
/// `SYS_BIND` and `SYS_CONNECT` of the kernel's `linux/net.h`.
pub(super) const BIND: u32 = 2;
pub(super) const CONNECT: u32 = 3;

/// The architectures, in the order of [`Call::numbers`].
pub(super) const ARCHITECTURES: [u32; 3] = [bpf::X86_64, bpf::AARCH64, bpf::I386];

#[rustfmt::skip] // a table
pub(super) const CALLS: &[Call] = &[
    // open, creat, openat, openat2
    x86(path(0, OpenFlags(1), Open), 2, 5),
    x86(path(0, Followed, Write), 85, 8),
    all(path_at(1, OpenFlags(2), Open), 257, 56, 295),
    new(path_at(1, OpenHow(2), Open), 437),
    // execve, execveat, uselib
    all(path(0, Followed, Execute), 59, 221, 11),
    all(path_at(1, NoFollowFlag(4), Execute), 322, 281, 358),
    x86(path(0, Followed, Execute), 134, 86),
    // stat, lstat, newfstatat, statx; of i386 also oldstat, oldlstat, stat64, lstat64
    x86(path(0, Followed, Stat), 4, 106),
    x86(path(0, NotFollowed, Stat), 6, 107),
    all(path_at(1, NoFollowFlag(3), Stat), 262, 79, 300).when(When::Unless { argument: 3, value: ABOUT_OPEN_FILE }),
    all(path_at(1, NoFollowFlag(2), Stat), 332, 291, 383).when(When::Unless { argument: 2, value: ABOUT_OPEN_FILE }),
    i386(path(0, Followed, Stat), 18),
    i386(path(0, NotFollowed, Stat), 84),
    i386(path(0, Followed, Stat), 195),
    i386(path(0, NotFollowed, Stat), 196),
    // access, faccessat, faccessat2
    x86(path(0, Followed, Stat), 21, 33),
    all(path_at(1, Followed, Stat), 269, 48, 307),
    new(path_at(1, NoFollowFlag(3), Stat), 439),
    // statfs, statfs64
    all(path(0, Followed, Stat), 137, 43, 99),
    i386(path(0, Followed, Stat), 268),
    // getxattr, lgetxattr, listxattr, llistxattr, getxattrat, listxattrat, file_getattr
    all(path(0, Followed, Stat), 191, 8, 229),
    all(path(0, NotFollowed, Stat), 192, 9, 230),
    all(path(0, Followed, Stat), 194, 11, 232),
    all(path(0, NotFollowed, Stat), 195, 12, 233),
    new(path_at(1, NoFollowFlag(2), Stat), 464),
    new(path_at(1, NoFollowFlag(2), Stat), 465),
    new(path_at(1, NoFollowFlag(4), Stat), 468),
    // name_to_handle_at
    all(path_at(1, FollowFlag(4), Stat), 303, 264, 341),
    // readlink, readlinkat
    x86(path(0, NotFollowed, ReadLink), 89, 85),
    all(path_at(1, NotFollowed, ReadLink), 267, 78, 305),
    // getdents, getdents64, readdir
    x86(Asks::Entries, 78, 141),
    all(Asks::Entries, 217, 61, 220),
    i386(Asks::Entries, 89),
    // chdir
    all(path(0, Followed, Enter), 80, 49, 12),
    // inotify_add_watch, fanotify_mark (whose mask takes two arguments on i386)
    all(Asks::Path(Place { directory: None, path: 1, last: WatchMask(2), kind: Watch }), 254, 27, 292),
    Call { numbers: [Some(301), Some(263), None], when: When::Always, asks: path_at(4, Followed, Watch) },
    i386(path_at(5, Followed, Watch), 339),
    // bind, connect, socketcall
    all(Asks::Address { argument: 1, kind: Write }, 49, 200, 361),
    all(Asks::Address { argument: 1, kind: Connect }, 42, 203, 362),
    i386(Asks::SocketCall, 102).when(When::OneOf { argument: 0, values: &[BIND, CONNECT] }),
    // rename, renameat, renameat2
    x86(Asks::Paths(moved(0), moved(1)), 82, 38),
    all(Asks::Paths(moved_at(1), moved_at(3)), 264, 38, 302),
    all(Asks::Paths(moved_at(1), moved_at(3)), 316, 276, 353),
    // link, linkat
    x86(Asks::Paths(Place { directory: None, path: 0, last: NotFollowed, kind: Open }, written(1)), 86, 9),
    all(Asks::Paths(place_at(1, FollowFlag(4), Open), written_at(3)), 265, 37, 303),
    // symlink, symlinkat
    x86(Asks::Path(written(1)), 88, 83),
    all(Asks::Path(written_at(2)), 266, 36, 304),
    // unlink, rmdir, unlinkat, mkdir, mkdirat, mknod, mknodat
    x86(Asks::Path(written(0)), 87, 10),
    x86(Asks::Path(moved(0)), 84, 40),
    all(Asks::Path(moved_at(1)), 263, 35, 301),
    x86(Asks::Path(written(0)), 83, 39),
    all(Asks::Path(written_at(1)), 258, 34, 296),
    x86(Asks::Path(written(0)), 133, 14),
    all(Asks::Path(written_at(1)), 259, 33, 297),
    // truncate, truncate64
    all(path(0, Followed, Write), 76, 45, 92),
    i386(path(0, Followed, Write), 193),
    // chmod, fchmodat, fchmodat2, chown, lchown, fchownat; of i386 also those with 16-bit ids
    x86(path(0, Followed, Write), 90, 15),
    all(path_at(1, Followed, Write), 268, 53, 306),
    new(path_at(1, NoFollowFlag(3), Write), 452),
    x86(path(0, Followed, Write), 92, 212),
    x86(path(0, NotFollowed, Write), 94, 198),
    all(path_at(1, NoFollowFlag(4), Write), 260, 54, 298),
    i386(path(0, Followed, Write), 182),
    i386(path(0, NotFollowed, Write), 16),
    // utime, utimes, futimesat, utimensat, utimensat_time64
    x86(path(0, Followed, Write), 132, 30),
    x86(path(0, Followed, Write), 235, 271),
    x86(path_at(1, Followed, Write), 261, 299),
    all(path_at(1, NoFollowFlag(3), Write), 280, 88, 320),
    i386(path_at(1, NoFollowFlag(3), Write), 412),
    // setxattr, lsetxattr, removexattr, lremovexattr, setxattrat, removexattrat, file_setattr
    all(path(0, Followed, Write), 188, 5, 226),
    all(path(0, NotFollowed, Write), 189, 6, 227),
    all(path(0, Followed, Write), 197, 14, 235),
    all(path(0, NotFollowed, Write), 198, 15, 236),
    new(path_at(1, NoFollowFlag(2), Write), 463),
    new(path_at(1, NoFollowFlag(2), Write), 466),
    new(path_at(1, NoFollowFlag(4), Write), 469),
    // acct
    all(path(0, Followed, Write), 163, 89, 51),
    // chroot, pivot_root, mount, umount, umount2
    all(Asks::PathAndRoot(Place { directory: None, path: 0, last: Followed, kind: Enter }), 161, 51, 61),
    all(Asks::Root, 155, 41, 217),
    all(Asks::PathAndRoot(Place { directory: None, path: 1, last: Followed, kind: Write }), 165, 40, 21),
    all(Asks::Root, 166, 39, 52),
    i386(Asks::Root, 22),
    // open_tree, open_tree_attr, move_mount, fspick, mount_setattr
    new(path_at(1, NoFollowFlag(2), Open), 428),
    new(path_at(1, NoFollowFlag(2), Open), 467),
    new(Asks::Root, 429),
    new(path_at(1, Followed, Open), 433),
    new(path_at(1, NoFollowFlag(2), Write), 442),
    // unshare, clone, clone3, setns
    all(Asks::Root, 272, 97, 310).when(When::Bits { argument: 0, mask: NEW_ROOT }),
    all(Asks::Root, 56, 220, 120).when(When::Bits { argument: 0, mask: NEW_ROOT }),
    new(Asks::Clone3, 435),
    all(Asks::Root, 308, 268, 346),
    // io_uring_setup: what a ring opens is seen by no filter.
    new(Asks::Nothing, 425).when(When::Refused),
];
