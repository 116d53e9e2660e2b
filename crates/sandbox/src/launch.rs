//! Making containers, and processes in them: the caller's side.
#![allow(unsafe_code)] // making processes

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::Signal;
use rustix::thread::ThreadNameSpaceType;

use crate::child::{self, Channels};
use crate::message::{Message, channel, receive, send};
use crate::plan::{Plan, Program, Step, namespaces};
use crate::process::{pid_of, reap};
use crate::streams::Ends;
use crate::sys::{self, Cloned};
use crate::{
    Container, Error, Exec, HostCommand, Network, Process, Spec, Writes, id_maps, streams,
};

/// A process that this one made. Dropping it kills and reaps it.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: i32,
    /// `None` once somebody else looks after it.
    descriptor: Option<OwnedFd>,
}

impl Child {
    /// Lets the caller look after it.
    fn into_process(mut self, ends: Ends) -> Process {
        // It is there until it is taken, and this function takes the child itself.
        let descriptor = self.descriptor.take().expect("a child has a descriptor");
        Process::new(self.pid, descriptor, ends)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(descriptor) = &self.descriptor {
            // It may have ended by itself.
            let _ = rustix::process::pidfd_send_signal(descriptor, Signal::KILL);
            reap(self.pid);
        }
    }
}

/// Starts a command in a container of its own and returns when the program runs.
///
/// # Errors
/// [`Error::NotFound`], [`Error::MissingInterpreter`] and [`Error::NotExecutable`] are about the program;
/// [`Error::exit_code`] says what docker would exit with. Everything else is about the surroundings.
pub fn spawn(spec: &Spec) -> Result<Container, Error> {
    if let Writes::Directory(directory) = &spec.writes {
        make_layers(directory, &spec.root)?;
    }
    let mut plan = Plan::new(spec)?;
    let (ends, program_ends) = streams::connect(spec.streams)?;
    let (control, control_child) = channel().map_err(Error::supervise("make a channel"))?;
    let (report, report_child) = channel().map_err(Error::supervise("make a channel"))?;
    let channels = Channels {
        control: control_child,
        report: report_child,
    };

    let outer = libc::CLONE_NEWUSER | libc::CLONE_NEWPID;
    let monitor = start(outer, || {
        child::monitor(&mut plan, &program_ends, &channels)
    })
    .map_err(|errno| Error::Namespaces {
        source: errno.into(),
    })?;
    drop((channels, program_ends));
    id_maps::write(monitor.pid, &spec.ids)?;
    // A monitor that is gone has said why, or says nothing, which is noticed below.
    let _ = send(control.as_fd(), Message::Started, None);

    let failed = |source: io::Error| Error::Supervise {
        action: "start the container",
        source,
    };
    let started =
        receive(control.as_fd(), RecvFlags::empty()).map_err(|errno| failed(errno.into()))?;
    let init = started.and_then(|(_, init)| init);
    let pid = init
        .as_ref()
        .map(|init| pid_of(init.as_fd()))
        .transpose()
        .map_err(failed)?;
    // The number is known; from now on the monitor may reap the process.
    let _ = send(control.as_fd(), Message::Started, None);
    let heard = listen(report.as_fd())?;
    if let Some(failure) = heard.failed {
        return Err(failure.explain(&spec.argv, &plan.program, |step| plan.describe(step)));
    }
    let (Some(init), Some(pid)) = (init, pid) else {
        return Err(failed(Errno::CHILD.into()));
    };
    Ok(Container {
        pid,
        init,
        monitor: Some(monitor),
        control,
        terminal: heard.terminal,
        ends,
        ids: spec.ids.clone(),
        network: spec.network,
        ended: None,
    })
}

/// Makes the two directories that overlayfs writes to. The upper one decides how `/` looks.
fn make_layers(directory: &Path, root: &Path) -> Result<(), Error> {
    for (name, like) in [("upper", Some(root)), ("work", None)] {
        let path = directory.join(name);
        let error = |source| Error::Path {
            action: "make directory",
            path: path.clone(),
            source,
        };
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other.map_err(error)?,
        }
        let mode = like
            .and_then(|like| fs::metadata(like).ok())
            .map(|it| it.permissions().mode());
        let permissions = fs::Permissions::from_mode(mode.unwrap_or(0o755) & 0o7777);
        fs::set_permissions(&path, permissions).map_err(error)?;
    }
    Ok(())
}

/// Runs a command in a container beside its first one.
pub(crate) fn exec(container: &Container, exec: &Exec) -> Result<Process, Error> {
    let program = Program::of_exec(exec, &container.ids)?;
    let (ends, program_ends) = streams::connect(exec.streams)?;
    let (report, report_child) = channel().map_err(Error::supervise("make a channel"))?;
    let all = namespaces(container.network) | libc::CLONE_NEWUSER;
    let all = ThreadNameSpaceType::from_bits_retain(all.cast_unsigned());
    let init = container.init.as_fd();
    let helper = start(0, || {
        child::enter(init, all, &program, &program_ends, report_child.as_fd())
    })
    .map_err(Error::supervise("make a process"))?;
    drop((report_child, program_ends));
    let heard = listen(report.as_fd())?;
    drop(helper);
    // A process that exists is reaped by being dropped, whatever else happened.
    let process = heard.started.map(|descriptor| {
        let pid = pid_of(descriptor.as_fd());
        pid.map(|pid| Process::new(pid, descriptor, ends))
    });
    if let Some(failure) = heard.failed {
        return Err(failure.explain(&exec.argv, &program, describe));
    }
    let process = process.ok_or(io::Error::from(Errno::SRCH)).flatten();
    process.map_err(Error::supervise("start a process in the container"))
}

/// Runs a command of the host in the network of a container.
pub(crate) fn host_command(container: &Container, command: &HostCommand) -> Result<Process, Error> {
    let program = Program::of_host(command)?;
    let (ends, program_ends) = streams::connect(command.streams)?;
    let (report, report_child) = channel().map_err(Error::supervise("make a channel"))?;
    let joined = (container.network != Network::Host).then(|| container.init.as_fd());
    let process = start(0, || {
        child::visit(joined, &program, &program_ends, report_child.as_fd())
    })
    .map_err(Error::supervise("make a process"))?;
    drop((report_child, program_ends));
    match listen(report.as_fd())?.failed {
        Some(failure) => Err(failure.explain(&command.argv, &program, describe)),
        None => Ok(process.into_process(ends)),
    }
}

/// Makes a process that runs a function of `child`, which never returns.
pub(crate) fn start(namespaces: i32, run: impl FnOnce() -> Infallible) -> Result<Child, Errno> {
    let _blocked = sys::block_signals();
    // SAFETY: the functions of `child` keep to what is allowed after a clone, and do not return.
    match unsafe { sys::clone(namespaces, false) }? {
        Cloned::Child => {
            run();
            sys::exit_now(125) // not reached
        }
        Cloned::Parent(pid, descriptor) => Ok(Child {
            pid,
            descriptor: Some(descriptor),
        }),
    }
}

/// Names a step of a process that is not the first of a container.
fn describe(step: u32) -> String {
    Step::describe(step).to_owned()
}

/// What a child had to say before it became a program or ended.
#[derive(Default)]
pub(crate) struct Heard {
    failed: Option<Failed>,
    started: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    pub(crate) socket: Option<OwnedFd>,
}

/// Listens until a child has become a program or has ended.
pub(crate) fn listen(report: BorrowedFd<'_>) -> Result<Heard, Error> {
    let mut heard = Heard::default();
    while let Some((message, descriptor)) =
        receive(report, RecvFlags::empty()).map_err(Error::supervise("listen to a process"))?
    {
        match message {
            Message::Failed { step, errno } => heard.failed = Some(Failed { step, errno }),
            Message::Started => heard.started = descriptor,
            Message::Terminal => heard.terminal = descriptor,
            Message::Socket => heard.socket = descriptor,
            Message::Exited(_) | Message::Signalled(_) => {} // not sent here
        }
    }
    Ok(heard)
}

/// A step that failed in a child.
struct Failed {
    step: u32,
    errno: i32,
}

impl Failed {
    /// Turns it into what the caller wants to know.
    fn explain(
        &self,
        argv: &[OsString],
        program: &Program,
        describe: impl Fn(u32) -> String,
    ) -> Error {
        let source = io::Error::from_raw_os_error(self.errno);
        let name = || {
            argv.first()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        if let Some(number) = self.step.checked_sub(Step::Interpreter as u32) {
            let found = usize::try_from(number)
                .ok()
                .and_then(|at| program.candidates.get(at));
            let found = found.map(|path| path.to_string_lossy().into_owned());
            return Error::MissingInterpreter {
                program: found.unwrap_or_else(name),
            };
        }
        if self.step >= Step::Execute as u32 {
            return if self.errno == libc::ENOENT {
                Error::NotFound { program: name() }
            } else {
                Error::NotExecutable {
                    program: name(),
                    source,
                }
            };
        }
        if self.step == Step::Clone as u32 {
            return Error::Namespaces { source };
        }
        Error::Setup {
            step: describe(self.step),
            source,
        }
    }
}
