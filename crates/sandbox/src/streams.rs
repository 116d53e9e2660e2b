//! The caller's and the program's ends of the standard streams.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::{Error, Stdio, Streams, child};

/// The ends that the caller may take.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) stdin: Option<File>,
    pub(crate) stdout: Option<File>,
    pub(crate) stderr: Option<File>,
}

/// Makes the pipes that were asked for. Returns the caller's ends and the program's.
pub(crate) fn connect(streams: Streams) -> Result<(Ends, child::Streams), Error> {
    let (stdin, program_stdin) = one(streams.stdin, true)?;
    let (stdout, program_stdout) = one(streams.stdout, false)?;
    let (stderr, program_stderr) = one(streams.stderr, false)?;
    let owned = [&stdin, &stdout, &stderr].map(|end| end.is_some());
    let ends = [program_stdin, program_stdout, program_stderr];
    Ok((
        Ends {
            stdin,
            stdout,
            stderr,
        },
        child::Streams { ends, owned },
    ))
}

/// Makes one stream. Returns the caller's end and the program's.
fn one(stdio: Stdio, input: bool) -> Result<(Option<File>, Option<OwnedFd>), Error> {
    match stdio {
        Stdio::Inherit => Ok((None, None)),
        Stdio::Null => {
            let flags = OFlags::RDWR | OFlags::CLOEXEC;
            let null = rustix::fs::open(c"/dev/null", flags, Mode::empty())
                .map_err(Error::supervise("open `/dev/null`"))?;
            Ok((None, Some(null)))
        }
        Stdio::Piped => {
            let (read, write) =
                pipe_with(PipeFlags::CLOEXEC).map_err(Error::supervise("make a pipe"))?;
            let (ours, theirs) = if input { (write, read) } else { (read, write) };
            Ok((Some(File::from(ours)), Some(theirs)))
        }
    }
}
