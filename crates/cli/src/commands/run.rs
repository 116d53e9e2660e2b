//! `jettison run`: a container, without privilege and without a daemon.

use std::os::fd::AsFd;

use image::{FileSystem, Progress as _, Reference};
use jettison::container::{self, Settings, Unpacked};
use sandbox::{Caller, IdMapping, Mount, Network, Stdio, Streams, terminal};

use super::Answer;
use crate::container_flags::{EnvFlags, parse_tmpfs, parse_volume};
use crate::session::Session;
use crate::ui::Ui;

/// Docker's exit code for a container that could not be made.
const NOT_RUN: u8 = 125;

/// Run a command in a container made of an image, as an ordinary user
///
/// Flags are those of `docker run`; the container is removed afterwards. Exit
/// code: that of the command, 128+N when signal N ended it, 127 when it is not
/// in the image, 126 when it cannot be executed, 125 when the container could
/// not be made.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison run redis:debian redis-server --version
  jettison run -it debian:12 bash
  jettison run -v ./data:/data:ro --network host oci:web")]
pub(crate) struct Args {
    /// The image, and what to run in place of its command
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "IMAGE [COMMAND]"
    )]
    words: Vec<String>,
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
    /// Say more, repeatable (-v is a volume here)
    // The same id as the global flag, which is therefore not added with its short form.
    #[arg(long, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum NetworkFlag {
    Private,
    Host,
    None,
}

/// Runs the command. Whatever goes wrong here has docker's exit codes, which tell it from the command's.
pub(crate) fn run(args: &Args, session: anyhow::Result<Session<'_>>, ui: &Ui) -> Answer {
    session
        .and_then(|session| attach(args, &session))
        .unwrap_or_else(|error| {
            let sandbox = error
                .chain()
                .find_map(|cause| cause.downcast_ref::<sandbox::Error>());
            let code = sandbox.map_or(NOT_RUN, sandbox::Error::exit_code);
            let _ = ui.failure(&error);
            Answer::Code(code)
        })
}

fn attach(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let (image, command) = args.words.split_first().expect("clap requires one");
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

    // Before the program can tell anybody that it runs.
    let watched = (!args.tty).then(sandbox::watch_signals).transpose()?;
    let mut container = sandbox::spawn(&spec)?;
    let status = if let Some(controller) = container.take_terminal() {
        let null;
        let stdin = std::io::stdin();
        let input = if args.interactive {
            stdin.as_fd()
        } else {
            null = std::fs::File::open("/dev/null")?;
            null.as_fd()
        };
        let terminal = terminal::Session::start(controller, input, std::io::stdout().as_fd())?;
        let status = container.wait()?;
        terminal.finish();
        status
    } else {
        let _forwarding = watched
            .map(|signals| signals.forward_to(&container))
            .transpose()?;
        container.wait()?
    };
    Ok(Answer::Code(u8::try_from(status.code()).unwrap_or(u8::MAX)))
}

fn settings(args: &Args, command: &[String]) -> anyhow::Result<Settings> {
    let stdin = if args.interactive {
        Stdio::Inherit
    } else {
        Stdio::Null
    };
    Ok(Settings {
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
