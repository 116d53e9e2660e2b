//! A program of the host as root of a user namespace of its own.
//!
//! Files that belong to the ids of containers can only be read, made and removed there. A program that
//! does much of that is best run there as a whole, as `buildah unshare` does; it keeps everything else
//! of its caller: directory, streams, network, mounts.
#![allow(unsafe_code)] // making processes

use std::ffi::{CString, OsString};
use std::os::fd::AsFd;

use rustix::net::RecvFlags;
use rustix::process::Signal;

use crate::launch::{listen, start};
use crate::message::{Message, channel, receive, send};
use crate::plan::terminated;
use crate::sys::{self, StringList};
use crate::{Error, ExitStatus, IdMapping, id_maps};

/// Runs a program with the ids of containers, and waits for its end. It gets a signal when this process
/// ends before it does.
///
/// # Errors
/// When the namespace cannot be made, or the program not started.
pub fn run_with_ids(
    ids: &IdMapping,
    argv: &[OsString],
    env: &[(OsString, OsString)],
) -> Result<ExitStatus, Error> {
    let program = argv.first().ok_or(Error::EmptyCommand)?;
    let path = terminated("the program", program)?;
    let arguments = argv.iter().map(|word| terminated("an argument", word));
    let arguments = StringList::new(arguments.collect::<Result<_, _>>()?);
    let variables = env.iter().map(|(name, value)| {
        let mut line = name.clone();
        line.push("=");
        line.push(value);
        terminated("a variable", line)
    });
    let variables = StringList::new(variables.collect::<Result<Vec<CString>, _>>()?);
    let failed = Error::supervise("make a process");
    let (control, control_child) = channel().map_err(&failed)?;
    let (report, report_child) = channel().map_err(Error::supervise("make a channel"))?;
    let child = start(libc::CLONE_NEWUSER, || {
        // It must not outlive its caller, who alone knows what it is for.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
        if matches!(
            receive(control_child.as_fd(), RecvFlags::empty()),
            Ok(Some(_))
        ) {
            sys::unblock_signals();
            let errno = sys::execute(&path, &arguments, &variables);
            let message = Message::Failed {
                step: 0,
                errno: errno.raw_os_error(),
            };
            let _ = send(report_child.as_fd(), message, None);
        }
    })
    .map_err(|errno| Error::Namespaces {
        source: errno.into(),
    })?;
    drop((control_child, report_child));
    id_maps::write(child.pid, ids)?;
    send(control.as_fd(), Message::Started, None).map_err(failed)?;
    let heard = listen(report.as_fd())?;
    if let Some(failure) = heard.failed {
        return Err(Error::NotExecutable {
            program: program.to_string_lossy().into_owned(),
            source: failure.source(),
        });
    }
    child.status()
}
