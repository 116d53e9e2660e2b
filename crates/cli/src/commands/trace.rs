//! `jettison trace`: which files the programs of an image ask for.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jettison::trace;
use sandbox::TraceOptions;
use serde_json::json;

use super::Answer;
use crate::attach::{self, RunFlags};
use crate::error::Usage;
use crate::session::Session;
use crate::ui::Ui;

/// Run a command in a container as `jettison run` does, and write down which files its programs ask for
///
/// Every file that is opened, run, listed or asked about is recorded, found or
/// not, of every process; no privilege is needed. `jettison slim --trace FILE`
/// keeps what was found. Stop a server with Ctrl-C, or limit its time with
/// --stop-after. Exit code: that of the command, and as for `jettison run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison trace -o nightly.trace app:1 ./run-nightly-job
  jettison trace --stop-after 30 -o server.trace web:1
  jettison slim app:1 --trace nightly.trace --trace staging.trace")]
pub(crate) struct Args {
    /// Where the trace goes
    #[arg(long, short, value_name = "FILE", default_value = "jettison.trace")]
    output: PathBuf,
    /// End the command after so many seconds, as `docker stop` does
    #[arg(long, value_name = "SECONDS")]
    stop_after: Option<f64>,
    /// Use ptrace(2), which is several times slower, even where the kernel can do better
    #[arg(long)]
    ptrace: bool,
    #[command(flatten)]
    flags: RunFlags,
    /// Say more, repeatable (-v is a volume here)
    // The same id as the global flag, which is therefore not added with its short form.
    #[arg(long, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
}

/// Runs the command and writes the trace. Exit codes are those of `run`.
pub(crate) fn run(args: &Args, session: anyhow::Result<Session<'_>>, ui: &Ui) -> Answer {
    let code = session.and_then(|session| record(args, &session));
    Answer::Code(code.unwrap_or_else(|error| {
        let _ = ui.failure(&error);
        attach::exit_code(&error)
    }))
}

fn record(args: &Args, session: &Session<'_>) -> anyhow::Result<u8> {
    let limit = args.stop_after.map(Duration::try_from_secs_f64).transpose();
    let limit = limit.map_err(|_| {
        Usage::error(
            "--stop-after is not a number of seconds",
            "write for instance --stop-after 30",
        )
    })?;
    let unwritable = |source| image::Error::File {
        verb: "write",
        path: args.output.clone(),
        source,
    };
    // Before anything is run: where it goes may not be writable.
    let beside = match args.output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(beside).map_err(unwritable)?;
    let options = Some(TraceOptions {
        ptrace: args.ptrace,
        ..TraceOptions::default()
    });
    let (code, attached) = attach::attach(&args.flags, session, options, limit)?;
    let trace = attached.trace.unwrap_or_default();
    let mut writer = BufWriter::new(file.as_file_mut());
    trace::write(&trace, &attached.image.to_string(), &mut writer).map_err(unwritable)?;
    drop(writer);
    file.persist(&args.output)
        .map_err(|error| unwritable(error.error))?;
    let value = json!({
        "file": args.output, "image": attached.image, "exitCode": code,
        "events": trace.events, "accesses": trace.accesses.len(), "complete": trace.complete,
    });
    session.ui.result(&value, "")?;
    session.ui.status(&format!(
        "wrote {}: {} accesses in {} calls{}",
        args.output.display(),
        trace.accesses.len(),
        trace.events,
        if trace.complete {
            ""
        } else {
            ", not all of which were understood"
        },
    ));
    Ok(code)
}
