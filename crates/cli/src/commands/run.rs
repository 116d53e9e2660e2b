//! `jettison run`: a container, without privilege and without a daemon.

use super::Answer;
use crate::attach::{self, RunFlags};
use crate::session::Session;
use crate::ui::Ui;

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
    #[command(flatten)]
    flags: RunFlags,
    /// Say more, repeatable (-v is a volume here)
    // The same id as the global flag, which is therefore not added with its short form.
    #[arg(long, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
}

/// Runs the command. Whatever goes wrong here has docker's exit codes, which tell it from the command's.
pub(crate) fn run(args: &Args, session: anyhow::Result<Session<'_>>, ui: &Ui) -> Answer {
    let attached = session.and_then(|session| attach::attach(&args.flags, &session, None, None));
    Answer::Code(match attached {
        Ok((code, _)) => code,
        Err(error) => {
            let _ = ui.failure(&error);
            attach::exit_code(&error)
        }
    })
}
