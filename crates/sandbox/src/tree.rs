//! Files that belong to the ids of a container.
//!
//! With sub-ids the files of an unpacked image belong to ids that the caller is not. Only a process in a
//! user namespace with the same map may give files to them, and may remove what they own.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv};

use crate::launch::{listen, start};
use crate::message::{Message, channel, send};
use crate::plan::terminated;
use crate::supervise::Child;
use crate::{Error, IdMapping, child, id_maps};

/// The owner and the mode that a file shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// Path below the root. Links in it do not lead out of the root; one at its end is not followed.
    pub path: PathBuf,
    /// User, as the container counts.
    pub uid: u32,
    /// Group, as the container counts.
    pub gid: u32,
    /// Permission bits, set-id bits included; `None` leaves them, except that a change of owner clears
    /// the set-id bits. Links have none.
    pub mode: Option<u32>,
    /// Value of the attribute `security.capability`, which a change of owner removes.
    pub capability: Option<Vec<u8>>,
}

/// Gives files below a root their owners and modes. With a single id only the modes are set.
///
/// # Errors
/// Names the first file that could not be changed; those after it are not changed either.
pub fn apply_ownership(
    ids: &IdMapping,
    root: &Path,
    entries: impl IntoIterator<Item = Ownership>,
) -> Result<(), Error> {
    let failed = Error::supervise::<Errno>("change owners");
    let (records, records_child) = channel().map_err(&failed)?;
    let root_path = terminated("the root", root)?;
    let owners = !matches!(ids, IdMapping::Single { .. });
    let worker = Worker::start(ids, || {
        child::tree::change_owners(&root_path, owners, records_child.as_fd())
    })?;
    drop(records_child);
    for entry in entries {
        let record = encode(&entry)?;
        match rustix::net::send(&records, &record, SendFlags::NOSIGNAL) {
            Ok(_) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => break, // the child has failed and says so
            Err(errno) => return Err(failed(errno)),
        }
    }
    // The end of the records is the end of the child.
    rustix::net::shutdown(&records, Shutdown::Write).map_err(&failed)?;
    worker.finish().map_err(|source| {
        // The child has sent the path back that it failed at, if it came so far.
        let mut path = vec![0; libc::PATH_MAX as usize];
        let length = recv(&records, &mut path, RecvFlags::DONTWAIT).map_or(0, |(count, _)| count);
        path.truncate(length);
        let path = root.join(OsStr::from_bytes(&path));
        Error::Path {
            action: "change the owner of",
            path,
            source,
        }
    })
}

/// Removes a directory and all that is in it, whoever in the container owns it. One that does not exist
/// is fine.
///
/// # Errors
/// If something in it cannot be removed; the rest may be gone already.
pub fn remove_tree(ids: &IdMapping, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Path {
        action: "remove",
        path: path.to_owned(),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    // Without a slash at its end.
    let tree = terminated("a path to remove", path.components().as_path())?;
    Worker::start(ids, || child::tree::remove(&tree))?
        .finish()
        .map_err(failed)
}

/// A process that works on files as root of a user namespace.
struct Worker {
    child: Child,
    report: OwnedFd,
}

impl Worker {
    /// Starts it on a function of `child::tree`.
    fn start(ids: &IdMapping, run: impl FnOnce() -> Result<(), Errno>) -> Result<Self, Error> {
        let failed = Error::supervise::<Errno>("make a process");
        let (control, control_child) = channel().map_err(&failed)?;
        let (report, report_child) = channel().map_err(&failed)?;
        // Root of the host has its rights already, and writes file capabilities that hold everywhere.
        let own = *ids != IdMapping::Identity;
        let namespaces = if own { libc::CLONE_NEWUSER } else { 0 };
        let child = start(namespaces, || {
            child::tree::work(control_child.as_fd(), report_child.as_fd(), run)
        })
        .map_err(|errno| Error::Namespaces {
            source: errno.into(),
        })?;
        drop((control_child, report_child));
        if own {
            id_maps::write(child.pid, ids)?;
        }
        send(control.as_fd(), Message::Started, None).map_err(&failed)?;
        Ok(Self { child, report })
    }

    /// Waits until it is done.
    fn finish(self) -> io::Result<()> {
        let heard = listen(self.report.as_fd()).map_err(io::Error::other)?;
        let success = self.child.wait();
        match heard.failed {
            Some(failure) => Err(failure.source()),
            None if success => Ok(()),
            None => Err(io::Error::other("the process that does it was killed")),
        }
    }
}

/// Writes a record as [`child::tree::change_owners`] reads it.
fn encode(entry: &Ownership) -> Result<Vec<u8>, Error> {
    let capability = entry.capability.as_deref().unwrap_or_default();
    let length = u32::try_from(capability.len()).unwrap_or(u32::MAX);
    let words = [entry.uid, entry.gid, entry.mode.unwrap_or(u32::MAX), length];
    let mut record: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    record.extend(capability);
    let path = entry.path.strip_prefix("/").unwrap_or(&entry.path);
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    record.extend(terminated("a path", path)?.into_bytes_with_nul());
    Ok(record)
}
