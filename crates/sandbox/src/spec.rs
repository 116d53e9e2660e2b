//! What to run, and in which surroundings. Plain data, filled in by the caller.
//!
//! Nothing is read from the environment and nothing is guessed from an image: whoever knows the image's
//! configuration translates it into these values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{IdMapping, Limit, Memory, TraceOptions};

/// A command and the container around it.
///
/// [`Spec::new`] gives the surroundings of `docker run --network none`; every field can then be set.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Root directory on the host.
    pub root: PathBuf,
    /// What is the root in place of that directory, which is then only where it is put, out of the host's
    /// sight.
    pub memory: Option<Arc<Memory>>,
    /// Directories that lie below [`Self::root`], topmost first, as layers of overlayfs: what the root
    /// lacks is seen from them, what it marks as removed is not. Not with [`Writes::InPlace`].
    pub below: Vec<PathBuf>,
    /// Where changes to the root go.
    pub writes: Writes,
    /// Program and arguments. A program without a slash is looked up in the `PATH` of [`Self::env`].
    pub argv: Vec<OsString>,
    /// The whole environment. Nothing is added: not `HOME`, not `HOSTNAME`.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory. Made if it is missing and the root can be written to without harm.
    pub cwd: PathBuf,
    /// Who the program runs as.
    pub user: User,
    /// Host name, also the content of `/etc/hostname`.
    pub hostname: String,
    /// What the program can reach.
    pub network: Network,
    /// Directories of the image over which a copy in memory is put: same content, owners and modes, and
    /// whatever is written goes away with the container. Those that the image lacks are left out.
    pub scratch: Vec<PathBuf>,
    /// Directories and files of the host, and empty ones, put into the root.
    pub mounts: Vec<Mount>,
    /// Content of `/etc/hosts`; `None` leaves the image's. See [`default_hosts`].
    pub hosts: Option<Vec<u8>>,
    /// Content of `/etc/resolv.conf`; `None` leaves the image's.
    pub resolv_conf: Option<Vec<u8>>,
    /// How ids inside map to ids of the host.
    pub ids: IdMapping,
    /// What the program's streams are connected to. Not used with a terminal.
    pub streams: Streams,
    /// Whether the program gets a terminal, to be had from [`Process::take_terminal`](crate::Process::take_terminal).
    pub terminal: bool,
    /// What to record of the files that programs ask for; `None` records nothing and costs nothing. See
    /// [`Container::take_trace`](crate::Container::take_trace).
    pub trace: Option<TraceOptions>,
    /// Whether the root is mounted read-only. `/tmp`, `/run` and `/dev` stay writable.
    pub read_only: bool,
    /// Bounds on what the program uses; what is not named is as the caller has it.
    pub limits: Vec<Limit>,
    /// Bytes that fit into `/dev/shm`.
    pub shared_memory: u64,
}

/// What docker gives `/dev/shm`: 64 MiB.
pub const SHARED_MEMORY: u64 = 64 << 20;

impl Spec {
    /// Returns the description of a command with everything else as `docker run --network none` has it:
    /// root as user, changes thrown away, no streams connected.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, argv: Vec<OsString>, ids: IdMapping) -> Self {
        Self {
            root: root.into(),
            memory: None,
            below: Vec::new(),
            writes: Writes::Memory,
            argv,
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            user: User::default(),
            hostname: "localhost".to_owned(),
            network: Network::Private,
            scratch: vec![PathBuf::from("/tmp"), PathBuf::from("/run")],
            mounts: Vec::new(),
            hosts: None,
            resolv_conf: None,
            ids,
            streams: Streams::default(),
            terminal: false,
            trace: None,
            read_only: false,
            limits: Vec::new(),
            shared_memory: SHARED_MEMORY,
        }
    }

    /// Returns a path of the root that this process can use.
    pub(crate) fn root_here(&self) -> PathBuf {
        self.memory
            .as_ref()
            .map_or_else(|| self.root.clone(), |memory| memory.path())
    }
}

/// Where changes to the root directory go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writes {
    /// Into the root directory itself. The set-up adds nothing to it, so a mount point that is missing
    /// there (`/proc`, `/dev`, `/sys` in an image from scratch) stays missing; a missing target of
    /// [`Spec::mounts`] is an error.
    InPlace,
    /// Into the directory `upper` of this directory, as overlayfs writes them: a removed file is a
    /// character device 0/0, a replaced directory has the attribute `user.overlay.opaque`. `work` beside
    /// it is scratch space. Both are made if they are missing. Mount points do not appear in `upper`.
    Directory(PathBuf),
    /// Into memory; they are gone when the container is.
    Memory,
}

/// Ids that a program runs with, as the container counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups. Those that the mapping cannot express are left out.
    pub groups: Vec<u32>,
}

/// What the network of a container reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// Only itself: a network of its own with `lo` up, as `docker run --network none`. The caller reaches
    /// it by [`Container::tcp_connect`](crate::Container::tcp_connect).
    #[default]
    Private,
    /// Whatever the host reaches: no network of its own.
    Host,
    /// Nothing, not even itself: a network of its own with `lo` down.
    None,
}

/// Something put into the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// A file or directory of the host, with what is mounted below it.
    Bind {
        /// Path on the host.
        source: PathBuf,
        /// Absolute path in the container.
        target: PathBuf,
        /// Whether writing to it is refused.
        read_only: bool,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Absolute path in the container.
        target: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Most bytes it may hold; `None` is the kernel's default, half of the memory.
        size: Option<u64>,
    },
}

impl Mount {
    /// Returns where in the container it appears.
    #[must_use]
    pub fn target(&self) -> &PathBuf {
        match self {
            Self::Bind { target, .. } | Self::Tmpfs { target, .. } => target,
        }
    }
}

/// What the three standard streams are connected to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streams {
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
}

impl Streams {
    /// Connects all three to the same kind of thing.
    #[must_use]
    pub fn all(stdio: Stdio) -> Self {
        Self {
            stdin: stdio,
            stdout: stdio,
            stderr: stdio,
        }
    }
}

/// What one stream is connected to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stdio {
    /// Nothing: `/dev/null`.
    #[default]
    Null,
    /// The same as the caller's.
    Inherit,
    /// A pipe whose other end the caller takes.
    Piped,
}

/// A further command in a running container, as `docker exec` has it.
#[derive(Debug, Clone, Default)]
pub struct Exec {
    /// Program and arguments. A program without a slash is looked up in the `PATH` of [`Self::env`].
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory; it must exist. Empty means `/`.
    pub cwd: PathBuf,
    /// Who it runs as.
    pub user: User,
    /// What its streams are connected to. Not used with a terminal.
    pub streams: Streams,
    /// Whether it gets a terminal of its own, to be had from [`Process::take_terminal`](crate::Process::take_terminal).
    pub terminal: bool,
}

/// A command of the host that shares the network of a container and nothing else of it.
#[derive(Debug, Clone, Default)]
pub struct HostCommand {
    /// Program and arguments. A program without a slash is looked up in the `PATH` of [`Self::env`].
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory on the host. Empty means `/`.
    pub cwd: PathBuf,
    /// What its streams are connected to.
    pub streams: Streams,
}

/// Returns the `/etc/hosts` that docker writes for a container without an address.
#[must_use]
pub fn default_hosts(hostname: &str) -> Vec<u8> {
    format!(
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\n\
         ff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n\
         127.0.0.1\t{hostname}\n"
    )
    .into_bytes()
}
