//! Carrying out the file system operations of a plan.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::pty::OpenptFlags;

use super::{Failure, copy, path};
use crate::message::{Message, send};
use crate::plan::{Action, Kind, Operation};
use crate::sys;

/// Most mounts that a plan may hold at a time.
const MOST_TREES: usize = 256;

/// What operations leave behind for later ones.
struct State<'a> {
    trees: [Option<OwnedFd>; MOST_TREES],
    terminal: Option<OwnedFd>,
    report: BorrowedFd<'a>,
}

/// Carries out operations in order. Returns the program's side of the terminal, if one was made.
pub(super) fn run(
    operations: &[Operation],
    trees: usize,
    report: BorrowedFd<'_>,
) -> Result<Option<OwnedFd>, Failure> {
    if trees > MOST_TREES {
        return Err(Failure {
            step: 0,
            errno: Errno::MFILE,
        });
    }
    let mut state = State {
        trees: [const { None }; MOST_TREES],
        terminal: None,
        report,
    };
    for (step, operation) in (0..).zip(operations) {
        match perform(&operation.action, &mut state) {
            Err(errno) if !operation.optional => return Err(Failure { step, errno }),
            _ => {}
        }
    }
    Ok(state.terminal)
}

fn perform(action: &Action, state: &mut State<'_>) -> Result<(), Errno> {
    match action {
        Action::Private => {
            let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change(c"/", flags)
        }
        Action::Open { tree, path } => {
            *state.trees.get_mut(*tree).ok_or(Errno::MFILE)? = Some(take_hold(CWD, path)?);
            Ok(())
        }
        Action::Given { tree, mount } => {
            let mount = rustix::io::fcntl_dupfd_cloexec(mount, 0)?;
            *state.trees.get_mut(*tree).ok_or(Errno::MFILE)? = Some(mount);
            Ok(())
        }
        Action::Attach {
            tree,
            target,
            read_only,
            create,
        } => {
            let tree = state
                .trees
                .get_mut(*tree)
                .and_then(Option::take)
                .ok_or(Errno::NOENT)?;
            if *read_only {
                sys::make_read_only(tree.as_fd(), true)?;
            }
            attach(tree.as_fd(), target, *create)
        }
        Action::New {
            tree,
            kind,
            fallback,
        } => {
            let made = create(kind).or_else(|_| take_hold(CWD, fallback));
            *state.trees.get_mut(*tree).ok_or(Errno::MFILE)? = Some(made?);
            Ok(())
        }
        Action::Mount {
            kind,
            target,
            flags,
            options,
        } => mount(*kind, &**target, *kind, *flags, options.as_deref()),
        Action::Scratch { target } => copy::in_memory(target),
        Action::Directory { path, mode } => path::make_directory(path, *mode),
        Action::File { path, content } => write_file(path, content),
        Action::Setting { path, value } => {
            let file = rustix::fs::open(*path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::io::write(file, value).map(drop)
        }
        Action::Link { path, target } => rustix::fs::symlink(*target, *path),
        Action::Enter { path } => rustix::process::chdir(&**path),
        Action::Protect { path } => {
            let tree = take_hold(CWD, path)?;
            sys::make_read_only(tree.as_fd(), true)?;
            attach(tree.as_fd(), path, None)
        }
        Action::Mask { path } => mask(path),
        Action::Pivot { path } => pivot(path),
        Action::ProtectRoot => {
            let root = rustix::fs::open(c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            sys::make_read_only(root.as_fd(), false)
        }
        Action::HostName { name } => rustix::system::sethostname(name.to_bytes()),
        Action::Loopback => sys::bring_loopback_up(),
        Action::Terminal => make_console(state),
    }
}

/// Clones what is mounted at a path, with what is below it, into a mount that is nowhere yet.
pub(super) fn take_hold(directory: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(directory, path, flags)
}

/// Puts a mount on a path, making what is missing if allowed.
fn attach(tree: BorrowedFd<'_>, target: &CStr, create: Option<Kind>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    let attached = move_mount(tree, c"", CWD, target, flags);
    let (Err(Errno::NOENT), Some(kind)) = (attached, create) else {
        return attached;
    };
    match kind {
        Kind::Directory => path::make_directory(target, 0o755)?,
        Kind::File => path::make_file(target)?,
    }
    move_mount(tree, c"", CWD, target, flags)
}

fn write_file(path: &CStr, mut content: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))?;
    while !content.is_empty() {
        let written = rustix::io::write(&file, content)?;
        content = content.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Hides a file behind `/dev/null` and a directory behind an empty one.
fn mask(path: &CStr) -> Result<(), Errno> {
    let kind = FileType::from_raw_mode(rustix::fs::stat(path)?.st_mode);
    if kind == FileType::Directory {
        return mount(
            c"tmpfs",
            path,
            c"tmpfs",
            MountFlags::RDONLY,
            Some(c"size=0k"),
        );
    }
    attach(take_hold(CWD, c"/dev/null")?.as_fd(), path, None)
}

/// Makes a file system that is mounted nowhere yet.
fn create(kind: &CStr) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    // What `mount` shows first; without it that would be "none".
    fsconfig_set_string(context.as_fd(), c"source", kind)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Makes a mount the root and unmounts the old one, which `pivot_root` leaves on top of it. That has to
/// happen before anything is looked up: a path that starts at `/` begins below the old root, but one that
/// comes back to `/` by `..` ends above it, on the host.
fn pivot(path: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let old_root = rustix::fs::open(c"/", flags, Mode::empty())?;
    rustix::process::chdir(path)?;
    rustix::process::pivot_root(c".", c".")?;
    rustix::process::fchdir(&old_root)?;
    unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")
}

/// Makes a terminal in the container's own devpts, so that its name means something inside. Sends the
/// controlling side to the caller and returns the other.
pub(super) fn make_terminal(report: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let controller = rustix::fs::open(c"/dev/pts/ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&controller)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, flags)?;
    send(report, Message::Terminal, Some(controller.as_fd()))?;
    Ok(terminal)
}

/// Makes the terminal of the first process, which docker also calls `/dev/console`.
fn make_console(state: &mut State<'_>) -> Result<(), Errno> {
    let terminal = make_terminal(state.report)?;
    // Programs can do without.
    let _ = take_hold(terminal.as_fd(), c"")
        .and_then(|tree| attach(tree.as_fd(), c"/dev/console", Some(Kind::File)));
    state.terminal = Some(terminal);
    Ok(())
}
