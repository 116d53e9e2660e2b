//! The command line.

use std::path::PathBuf;

use clap::{Args as _, Parser, Subcommand};
use image::transport::registry::Mirror;

use crate::commands;

/// Makes container images small, and proves that they still work
///
/// No daemon, no privileges. Images are named as skopeo and podman do:
/// docker-archive:FILE, oci:DIR[:TAG], oci-archive:FILE, docker-daemon:NAME,
/// docker://HOST/REPOSITORY:TAG; a bare NAME is looked up in the local store,
/// then in a Docker or Podman engine, then in its registry; a path (beginning
/// with `.` or `/`) is recognised by its content.
///
/// Exit codes: 0 done; 1 the answer is no; 2 wrong usage or input; 3 the
/// operation failed; 70 a bug.
#[derive(Debug, Parser)]
#[command(
    name = "jettison",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print results as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more: -v what is decided, -vv every step
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Directory of the local store [default: jettison below the user's data directory]
    #[arg(long, global = true, env = "JETTISON_STORE", value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Directory for large temporary files [default: beside the store]
    #[arg(long, global = true, env = "JETTISON_TMPDIR", value_name = "DIR")]
    pub(crate) tmpdir: Option<PathBuf>,
    /// Which image of a multi-platform index [default: this machine's]
    #[arg(long, global = true, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<image::Platform>,
    /// Most entries that one layer may have
    #[arg(long, global = true, value_name = "N", default_value_t = layer::Limits::default().entries)]
    pub(crate) max_entries: u64,
    /// Most bytes that one layer may unpack to (suffixes K, M, G, T)
    #[arg(long, global = true, value_name = "SIZE", default_value = "256G", value_parser = crate::size::parse)]
    pub(crate) max_unpacked: u64,
    /// Threads [default: all processors]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// How registries are reached.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Registry options")]
pub(crate) struct Network {
    /// Ask this place first for the images of HOST [default HOST: docker.io] (repeatable)
    #[arg(long, global = true, value_name = "[HOST=]MIRROR", value_parser = crate::environment::parse_mirror)]
    pub(crate) mirror: Vec<Mirror>,
    /// Talk to this registry without TLS (repeatable; this machine's own are tried both ways)
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    pub(crate) plain_http: Vec<String>,
    /// Trust these authorities too, PEM (repeatable)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) cacert: Vec<PathBuf>,
    /// File with logins [default: those of docker and podman]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Slim(Box<commands::slim::Args>),
    Verify(Box<commands::verify::Args>),
    Why(commands::why::Args),
    WhyNot(commands::why_not::Args),
    Run(Box<commands::run::Args>),
    Build(Box<commands::build::Args>),
    Builder(commands::builder::Args),
    Analyze(Box<commands::analyze::Args>),
    Diff(commands::diff::Args),
    Squash(Box<commands::squash::Args>),
    Trace(Box<commands::trace::Args>),
    Copy(commands::copy::Args),
    Pull(commands::pull::Args),
    Push(commands::push::Args),
    Import(commands::import::Args),
    Images(commands::images::Args),
    Rm(commands::rm::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// Returns the definition of the whole command line, for completions and pages.
pub(crate) fn definition() -> clap::Command {
    let command = Command::augment_subcommands(clap::Command::new("jettison"));
    Global::augment_args(command)
}
