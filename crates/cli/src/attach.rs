//! A command in a container with the caller's streams: what `run` and `trace` have in common.

use std::os::fd::AsFd;
use std::time::Duration;

use image::{Digest, FileSystem, Progress as _, Reference};
use jettison::container::{self, Settings, Unpacked};
use sandbox::{
    Caller, Container, ExitStatus, IdMapping, Mount, Network, Stdio, Streams, Trace, TraceOptions,
    terminal,
};

use crate::container_flags::{EnvFlags, parse_tmpfs, parse_volume};
use crate::session::Session;

/// Docker's exit code for a container that could not be made.
const NOT_RUN: u8 = 125;
/// What `docker stop` sends, and how long it waits before it kills.
const SIGTERM: i32 = 15;
const GRACE: Duration = Duration::from_secs(10);

/// What to run, and in which surroundings; the flags of `docker run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunFlags {
    /// The image, and what to run in place of its command
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "IMAGE [COMMAND]"
    )]
    pub(crate) words: Vec<String>,
    /// Connect standard input
    #[arg(long, short)]
    interactive: bool,
    /// Give it a terminal
    #[arg(long, short)]
    tty: bool,
    #[command(flatten)]
    env: EnvFlags,
    /// Put a directory or file of the host into it (repeatable)
    #[arg(long, short, value_name = "HOST:CONTAINER[:ro]", value_parser = parse_volume)]
    volume: Vec<Mount>,
    /// Put an empty directory in memory into it (repeatable)
    #[arg(long, value_name = "CONTAINER[:size=SIZE,mode=MODE]", value_parser = parse_tmpfs)]
    tmpfs: Vec<Mount>,
    /// Working directory [default: the image's]
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// Who it runs as: name or number, also with :GROUP [default: the image's]
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Program in place of the image's entry point; empty for none
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Host name [default: the beginning of the image id]
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// What it reaches: only itself, what this machine reaches, or nothing
    #[arg(long, value_enum, default_value_t = NetworkFlag::Private)]
    network: NetworkFlag,
    /// Refuse to write to the root; /tmp, /run and volumes stay writable
    #[arg(long)]
    read_only: bool,
    /// Accepted as docker's: a container is always removed
    #[arg(long, hide = true)]
    rm: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum NetworkFlag {
    Private,
    Host,
    None,
}

/// What is known of a command that was run.
#[derive(Debug)]
pub(crate) struct Attached {
    /// Of which image.
    pub(crate) image: Digest,
    /// What its programs asked for.
    pub(crate) trace: Option<Trace>,
}

/// Returns docker's exit code for an error, which tells it from the command's.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let sandbox = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<sandbox::Error>());
    sandbox.map_or(NOT_RUN, sandbox::Error::exit_code)
}

/// Runs the command with the caller's streams or a terminal, and returns its exit code, as shells count, and
/// what its programs asked for if that was to be recorded.
pub(crate) fn attach(
    args: &RunFlags,
    session: &Session<'_>,
    trace: Option<TraceOptions>,
    limit: Option<Duration>,
) -> anyhow::Result<(u8, Attached)> {
    let (image, command) = args.words.split_first().expect("clap requires one");
    // `IMAGE -- COMMAND` is what people write where a command has flags of its own.
    let command = command.strip_prefix(&["--".to_owned()]).unwrap_or(command);
    let settings = settings(args, command)?;
    let image = session.open(&Reference::parse(image)?)?.image;
    container::check_platform(&image)?;
    session.ui.begin("reading", Some(image.stored_size()));
    let files = FileSystem::load(&image, session.load_options())?;
    let ids = IdMapping::detect(&Caller::current());
    let mut spec = container::plan(&image, &files, &settings, &ids)?;
    session.ui.begin("unpacking", None);
    let unpacked = Unpacked::new(&files, &spec.ids, session.scratch())?;
    drop(files);
    session.ui.end();
    unpacked.prepare(&mut spec);
    spec.trace = trace;

    // Before the program can tell anybody that it runs.
    let watched = (!args.tty).then(sandbox::watch_signals).transpose()?;
    let mut container = sandbox::spawn(&spec)?;
    let status = if let Some(controller) = container.main.take_terminal() {
        let null;
        let stdin = std::io::stdin();
        let input = if args.interactive {
            stdin.as_fd()
        } else {
            null = std::fs::File::open("/dev/null")?;
            null.as_fd()
        };
        let terminal = terminal::Session::start(controller, input, std::io::stdout().as_fd())?;
        let status = wait(&mut container, limit)?;
        terminal.finish();
        status
    } else {
        let _forwarding = watched
            .map(|signals| signals.forward_to(&container))
            .transpose()?;
        wait(&mut container, limit)?
    };
    let attached = Attached {
        image: image.id(),
        trace: container.take_trace(),
    };
    Ok((u8::try_from(status.code()).unwrap_or(u8::MAX), attached))
}

/// Waits until the command ends, and after `limit` ends it as `docker stop` does.
fn wait(container: &mut Container, limit: Option<Duration>) -> Result<ExitStatus, sandbox::Error> {
    let Some(limit) = limit else {
        return container.main.wait();
    };
    if let Some(status) = container.main.wait_timeout(limit)? {
        return Ok(status);
    }
    container.main.signal(SIGTERM)?;
    match container.main.wait_timeout(GRACE)? {
        Some(status) => Ok(status),
        None => container.main.kill(),
    }
}

fn settings(args: &RunFlags, command: &[String]) -> anyhow::Result<Settings> {
    let stdin = if args.interactive {
        Stdio::Inherit
    } else {
        Stdio::Null
    };
    Ok(Settings {
        local_names: Vec::new(),
        command: command.to_vec(),
        entrypoint: args.entrypoint.clone(),
        env: args.env.variables()?,
        working_dir: args.workdir.clone(),
        user: args.user.clone(),
        hostname: args.hostname.clone(),
        network: match args.network {
            NetworkFlag::Private => Network::Private,
            NetworkFlag::Host => Network::Host,
            NetworkFlag::None => Network::None,
        },
        mounts: args.volume.iter().chain(&args.tmpfs).cloned().collect(),
        read_only: args.read_only,
        terminal: args.tty,
        streams: Streams {
            stdin,
            ..Streams::all(Stdio::Inherit)
        },
    })
}
