//! Making containers, and processes in them: the caller's side.
#![allow(unsafe_code)] // making processes

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::child::{self, Channels, Joined};
use crate::message::{Message, channel, receive, send};
use crate::plan::{Plan, Program, Step, namespaces};
use crate::streams::Ends;
use crate::supervise::{Child, Supervised};
use crate::sys::{self, Cloned};
use crate::trace::{Calls, Origin, Tracing};
use crate::{
    Container, Error, Exec, HostCommand, Network, Process, Spec, Streams, Writes, id_maps, streams,
};

/// Starts a command in a container of its own and returns when the program runs.
///
/// # Errors
/// [`Error::NotFound`], [`Error::MissingInterpreter`] and [`Error::NotExecutable`] are about the program;
/// [`Error::exit_code`] says what docker would exit with. Everything else is about the surroundings.
pub fn spawn(spec: &Spec) -> Result<Container, Error> {
    spawn_beside(None, spec)
}

/// Starts a command in a container of its own, which shares the network of another if there is one.
pub(crate) fn spawn_beside(other: Option<&Container>, spec: &Spec) -> Result<Container, Error> {
    let beside = other.map(|other| other.shared_with(spec)).transpose()?;
    if let Writes::Directory(directory) = &spec.writes {
        make_layers(directory, &spec.root_here())?;
    }
    let mut plan = Plan::new(spec)?;
    if beside.is_some() {
        plan.namespaces &= !libc::CLONE_NEWNET;
    }
    let (ends, program_ends) = streams::connect(spec.streams)?;
    let (control, control_child) = channel().map_err(Error::supervise("make a channel"))?;
    let (report, report_child) = channel().map_err(Error::supervise("make a channel"))?;
    let channels = Channels {
        control: control_child,
        report: report_child,
    };

    let outer = match beside {
        None => libc::CLONE_NEWUSER | libc::CLONE_NEWPID,
        Some(_) => 0,
    };
    let ours = [control.as_raw_fd(), report.as_raw_fd()];
    let monitor = start(outer, || {
        sys::close_inherited(ours);
        match beside {
            None => child::monitor(&mut plan, &program_ends, &channels),
            Some(other) => child::monitor_beside(other, &mut plan, &program_ends, &channels),
        }
    })
    .map_err(|errno| Error::Namespaces {
        source: errno.into(),
    })?;
    drop((channels, program_ends));
    if beside.is_none() {
        id_maps::write(monitor.pid, &spec.ids)?;
        // A monitor that is gone has said why, or says nothing, which is noticed below.
        let _ = send(control.as_fd(), Message::Started, None);
    }

    let supervised = Supervised::new(monitor, control)
        .map_err(Error::supervise("start the monitor of the container"))?;
    let tracing = Tracing::new(spec.trace.as_ref(), &spec.ids);
    let container = supervised.as_ref().map(Supervised::process);
    let heard = listen_to_program(report.as_fd(), tracing.as_ref(), container, &plan.program)?;
    let main = running(supervised, heard, ends, &spec.argv, &plan.program, |step| {
        plan.describe(step)
    })?;
    Ok(Container {
        main,
        ids: spec.ids.clone(),
        network: spec.network,
        tracing,
    })
}

/// Decides whether a program runs now.
fn running(
    supervised: Option<Supervised>,
    heard: Heard,
    ends: Ends,
    argv: &[OsString],
    program: &Program,
    describe: impl Fn(u32) -> String,
) -> Result<Process, Error> {
    match (heard.failed, supervised) {
        (Some(failed), _) => Err(failed.explain(argv, program, describe)),
        (None, Some(supervised)) => Ok(Process {
            supervised,
            ends,
            terminal: heard.terminal,
        }),
        (None, None) => Err(Error::Supervise {
            action: "start a program: its monitor was killed",
            source: Errno::CHILD.into(),
        }),
    }
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
    let program = Program::of_exec(exec, &container.ids, container.trace_options())?;
    let all = namespaces(container.network) | libc::CLONE_NEWUSER;
    let joined = Joined {
        container: container.main.supervised.process().as_fd(),
        namespaces: all,
    };
    start_beside(
        Some(joined),
        &program,
        exec.streams,
        &exec.argv,
        Some(container),
    )
}

/// Runs a command of the host in the network of a container.
pub(crate) fn host_command(container: &Container, command: &HostCommand) -> Result<Process, Error> {
    let program = Program::of_host(command)?;
    let joined = (container.network != Network::Host)
        .then(|| Joined::network(container.main.supervised.process().as_fd()));
    start_beside(joined, &program, command.streams, &command.argv, None)
}

/// Starts a program in some namespaces of a container.
fn start_beside(
    joined: Option<Joined<'_>>,
    program: &Program,
    wanted: Streams,
    argv: &[OsString],
    traced: Option<&Container>,
) -> Result<Process, Error> {
    let (ends, program_ends) = streams::connect(wanted)?;
    let (control, control_child) = channel().map_err(Error::supervise("make a channel"))?;
    let (report, report_child) = channel().map_err(Error::supervise("make a channel"))?;
    let channels = Channels {
        control: control_child,
        report: report_child,
    };
    let ours = [control.as_raw_fd(), report.as_raw_fd()];
    let monitor = start(0, || {
        sys::close_inherited(ours);
        child::enter(joined, program, &program_ends, &channels)
    })
    .map_err(Error::supervise("make a process"))?;
    drop((channels, program_ends));
    let supervised = Supervised::new(monitor, control)
        .map_err(Error::supervise("start the monitor of a program"))?;
    let tracing = traced.and_then(|container| container.tracing.as_ref());
    let container = traced.map(|container| container.main.supervised.process());
    let heard = listen_to_program(report.as_fd(), tracing, container, program)?;
    let describe = |step| Step::describe(step).to_owned();
    running(supervised, heard, ends, argv, program, describe)
}

/// Makes a process that runs a function of `child` and ends.
pub(crate) fn start(namespaces: i32, run: impl FnOnce()) -> Result<Child, Errno> {
    let _blocked = sys::block_signals();
    // SAFETY: the functions of `child` keep to what is allowed after a clone, and the
    // process ends when they return.
    match unsafe { sys::clone(namespaces) }? {
        Cloned::Child => {
            sys::reset_signal_actions();
            run();
            sys::exit_now(125)
        }
        Cloned::Parent(pid, descriptor) => Ok(Child::new(pid, descriptor)),
    }
}

/// What a child had to say before it became a program or ended.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) failed: Option<Failed>,
    terminal: Option<OwnedFd>,
    pub(crate) socket: Option<OwnedFd>,
    /// A directory or a mount that it made.
    pub(crate) root: Option<OwnedFd>,
}

/// Listens until a child has become a program or has ended.
pub(crate) fn listen(report: BorrowedFd<'_>) -> Result<Heard, Error> {
    listen_and(report, |_, _| Ok(()))
}

/// As [`listen`]; begins to trace the program when it is about to be started, which it waits for.
fn listen_to_program(
    report: BorrowedFd<'_>,
    tracing: Option<&Tracing>,
    container: Option<&OwnedFd>,
    program: &Program,
) -> Result<Heard, Error> {
    listen_and(report, |root, calls| {
        let (Some(tracing), Some(container)) = (tracing, container) else {
            return Ok(());
        };
        let container = container
            .try_clone()
            .map_err(Error::supervise("trace a program"))?;
        tracing.watch(Origin {
            calls,
            root,
            container,
            candidates: program.candidates.clone(),
            directory: program.directory.clone(),
        })
    })
}

/// Listens, and calls a function with the root of a program that is to be traced, and how its calls arrive.
fn listen_and(
    report: BorrowedFd<'_>,
    mut trace: impl FnMut(OwnedFd, Calls) -> Result<(), Error>,
) -> Result<Heard, Error> {
    let mut heard = Heard::default();
    while let Some((message, descriptor)) =
        receive(report, RecvFlags::empty()).map_err(Error::supervise("listen to a process"))?
    {
        match message {
            Message::Failed { step, errno } => heard.failed = Some(Failed { step, errno }),
            Message::Terminal => heard.terminal = descriptor,
            Message::Socket => heard.socket = descriptor,
            Message::Root => heard.root = descriptor,
            Message::Listener => {
                if let (Some(root), Some(listener)) = (heard.root.take(), descriptor) {
                    trace(root, Calls::Listener(listener))?;
                }
            }
            Message::Tracee => {
                if let (Some(root), Some(process)) = (heard.root.take(), descriptor) {
                    let traced = trace(root, Calls::Tracee(process));
                    let (step, errno) = (Step::Trace as u32, libc::ESRCH);
                    let answer = match traced {
                        Ok(()) => Message::Traced,
                        Err(_) => Message::Failed { step, errno },
                    };
                    // A process that is gone is noticed below.
                    let _ = send(report, answer, None);
                    traced?;
                }
            }
            Message::Started
            | Message::Exited(_)
            | Message::Signalled(_)
            | Message::Opened
            | Message::Traced => {} // not sent here
        }
    }
    Ok(heard)
}

/// A step that failed in a child.
pub(crate) struct Failed {
    step: u32,
    errno: i32,
}

impl Failed {
    /// Returns the kernel's answer.
    pub(crate) fn source(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }

    /// Turns it into what the caller wants to know.
    fn explain(
        &self,
        argv: &[OsString],
        program: &Program,
        describe: impl Fn(u32) -> String,
    ) -> Error {
        let source = self.source();
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
