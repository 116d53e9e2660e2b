//! `jettison man`: manual pages.

use std::path::PathBuf;

use serde_json::json;

use super::Answer;
use crate::ui::Ui;

/// Write the manual pages, one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  jettison man ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Where to; the directory must exist
    directory: PathBuf,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> anyhow::Result<Answer> {
    let directory = &args.directory;
    clap_mangen::generate_to(crate::args::definition(), directory).map_err(|source| {
        image::Error::File {
            verb: "write manual pages to",
            path: directory.clone(),
            source,
        }
    })?;
    ui.result(&json!({ "directory": directory }), "")?;
    Ok(Answer::Yes)
}
