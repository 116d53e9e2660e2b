//! The program: where it may be, with which identity it runs and what it is given.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Gid, Resource, Rlimit, Uid};

use super::terminated;
use crate::bpf;
use crate::sys::StringList;
use crate::{Error, Exec, HostCommand, IdMapping, Limit, Spec, TraceOptions, User};

/// Where programs are looked for when the environment has no `PATH`: docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Everything between a finished file system and a running program.
#[derive(Debug)]
pub(crate) struct Program {
    /// Paths to try, in order.
    pub(crate) candidates: Vec<CString>,
    pub(crate) arguments: StringList,
    pub(crate) environment: StringList,
    pub(crate) directory: CString,
    /// Whether a terminal has to be made first. That of a container is made with its files.
    pub(crate) terminal: bool,
    /// The identity to take on; `None` keeps the one that the process has, and its privileges.
    pub(crate) identity: Option<Identity>,
    /// Bounds to set while there are privileges.
    pub(crate) limits: Vec<(Resource, Rlimit)>,
    /// A system call filter to put on.
    pub(crate) filter: Vec<libc::sock_filter>,
    /// A second one, whose calls are shown to the caller.
    pub(crate) watched: Watched,
}

/// Filters whose calls are shown to the caller; empty ones are none.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// For a listener, which is tried first.
    pub(crate) listened: Vec<libc::sock_filter>,
    /// For a tracer, where there cannot be a listener.
    pub(crate) traced: Vec<libc::sock_filter>,
}

/// Who a program runs as.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The ids, or `None` where there is only one and no call can change it.
    pub(crate) ids: Option<(Uid, Gid, Vec<Gid>)>,
    /// Whether the capabilities of docker's default set are kept.
    pub(crate) root: bool,
}

impl Program {
    /// Plans the first program of a container.
    pub(crate) fn of_container(spec: &Spec) -> Result<Self, Error> {
        let mut program = Self::new(&spec.argv, &spec.env, &spec.cwd)?;
        program.limits = spec.limits.iter().map(Limit::plan).collect();
        program.run_as(&spec.user, &spec.ids)?;
        program.watch(spec.trace.as_ref(), &spec.ids);
        Ok(program)
    }

    /// Plans a further program of a container.
    pub(crate) fn of_exec(
        exec: &Exec,
        ids: &IdMapping,
        trace: Option<&TraceOptions>,
    ) -> Result<Self, Error> {
        let mut program = Self::new(&exec.argv, &exec.env, &exec.cwd)?;
        program.run_as(&exec.user, ids)?;
        program.terminal = exec.terminal;
        program.watch(trace, ids);
        Ok(program)
    }

    /// Decides which of its calls are shown to the caller.
    fn watch(&mut self, trace: Option<&TraceOptions>, ids: &IdMapping) {
        let mut filter = Vec::new();
        if trace.is_some() {
            filter = crate::trace::filter();
        }
        // A process can have one listener only.
        if matches!(ids, IdMapping::Single { .. }) {
            filter = crate::identity::filter(filter);
        }
        self.watched.traced = bpf::for_tracer(&filter);
        if !trace.is_some_and(|trace| trace.ptrace) && crate::trace::can_listen() {
            self.watched.listened = filter;
        }
    }

    /// Plans a program of the host.
    pub(crate) fn of_host(command: &HostCommand) -> Result<Self, Error> {
        Self::new(&command.argv, &command.env, &command.cwd)
    }

    fn new(argv: &[OsString], env: &[(OsString, OsString)], cwd: &Path) -> Result<Self, Error> {
        let name = argv
            .first()
            .filter(|name| !name.is_empty())
            .ok_or(Error::EmptyCommand)?;
        let arguments = argv.iter().map(|one| terminated("an argument", one));
        let environment = env.iter().map(|(name, value)| {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            terminated("an environment variable", pair)
        });
        // A later setting of a variable wins, as in docker.
        let path = env
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH")
            .map(|(_, value)| &**value);
        let cwd = if cwd.as_os_str().is_empty() {
            Path::new("/")
        } else {
            cwd
        };
        Ok(Self {
            candidates: candidates(name, path.unwrap_or(OsStr::new(DEFAULT_PATH)))?,
            arguments: StringList::new(arguments.collect::<Result<_, _>>()?),
            environment: StringList::new(environment.collect::<Result<_, _>>()?),
            directory: terminated("the working directory", cwd)?,
            terminal: false,
            identity: None,
            limits: Vec::new(),
            filter: Vec::new(),
            watched: Watched::default(),
        })
    }

    /// Decides how the program becomes a user of the container.
    fn run_as(&mut self, user: &User, ids: &IdMapping) -> Result<(), Error> {
        if !ids.contains(user.uid, user.gid) {
            return Err(Error::UnmappedUser {
                uid: user.uid,
                gid: user.gid,
            });
        }
        let single = matches!(ids, IdMapping::Single { .. });
        if single {
            self.filter = crate::pretend::filter();
        }
        let groups = user
            .groups
            .iter()
            .filter(|&&group| ids.contains_group(group));
        let groups = groups.map(|&group| Gid::from_raw(group)).collect();
        self.identity = Some(Identity {
            ids: (!single).then(|| (Uid::from_raw(user.uid), Gid::from_raw(user.gid), groups)),
            root: user.uid == 0,
        });
        Ok(())
    }
}

/// Returns the paths that a program's name may mean.
fn candidates(name: &OsStr, path: &OsStr) -> Result<Vec<CString>, Error> {
    let what = "the program";
    if name.as_bytes().contains(&b'/') {
        return Ok(vec![terminated(what, name)?]);
    }
    path.as_bytes()
        .split(|&byte| byte == b':')
        .map(|directory| {
            // An empty entry of PATH means the working directory.
            let directory = if directory.is_empty() {
                b".".as_slice()
            } else {
                directory
            };
            terminated(what, Path::new(OsStr::from_bytes(directory)).join(name))
        })
        .collect()
}

/// The steps between the file system and the program. Their numbers follow those of the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Step {
    Clone = 1 << 16,
    Join,
    BecomeRoot,
    Streams,
    Session,
    Limits,
    Bounding,
    Filter,
    Trace,
    Identity,
    Capabilities,
    Directory,
    /// Changing owners, removing a tree.
    Files,
    /// Making a file system in memory.
    Memory,
    Terminal,
    /// Executing candidate 0; the others follow.
    Execute,
    /// Candidate 0 exists but what it names as its interpreter does not; the others follow.
    Interpreter = 1 << 24,
}

impl Step {
    /// Returns what a step does, as a phrase that follows "cannot".
    pub(crate) fn describe(step: u32) -> &'static str {
        const NAMES: [(Step, &str); 13] = [
            (Step::Clone, "create namespaces"),
            (Step::Join, "join the namespaces of the container"),
            (Step::BecomeRoot, "become root of the user namespace"),
            (Step::Streams, "connect the standard streams"),
            (Step::Session, "start a session"),
            (Step::Limits, "set a limit that is above this user's own"),
            (Step::Bounding, "limit the capabilities"),
            (Step::Filter, "install the system call filter"),
            (Step::Trace, "trace system calls"),
            (Step::Identity, "change to the user"),
            (Step::Capabilities, "set the capabilities"),
            (Step::Terminal, "make a terminal"),
            (Step::Directory, "change to the working directory"),
        ];
        let name = NAMES.iter().find(|(known, _)| *known as u32 == step);
        name.map_or("execute the program", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_slash_is_looked_up() {
        let cases: [(&str, &str, &[&CString]); 3] = [
            ("./run", "/bin", &[&c"./run".to_owned()]),
            (
                "sh",
                "/bin:/usr/bin",
                &[&c"/bin/sh".to_owned(), &c"/usr/bin/sh".to_owned()],
            ),
            (
                "sh",
                ":/bin",
                &[&c"./sh".to_owned(), &c"/bin/sh".to_owned()],
            ),
        ];
        for (name, path, expected) in cases {
            let found = candidates(OsStr::new(name), OsStr::new(path)).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        }
    }
}
