//! `jettison completions`: for shells.

use clap_complete::Shell;
use serde_json::json;

use super::Answer;
use crate::ui::Ui;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  jettison completions bash > ~/.local/share/bash-completion/completions/jettison")]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> anyhow::Result<Answer> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut crate::args::definition(),
        "jettison",
        &mut script,
    );
    let script = String::from_utf8_lossy(&script);
    ui.result(&json!({ "script": script }), &script)?;
    Ok(Answer::Yes)
}
