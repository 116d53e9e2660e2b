//! `jettison push`: an image of the local store to a registry.

use image::{Name, Progress as _, Reference};
use serde_json::json;

use super::Answer;
use crate::session::Session;
use crate::size::human;

/// Send an image to a registry
///
/// Layers that the registry has are not sent again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison push registry.example/team/app:slim
  jettison push app:slim registry.example/team/app:slim")]
pub(crate) struct Args {
    /// The image
    image: String,
    /// Where it goes [default: the image's own name]
    destination: Option<String>,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let source = Reference::parse(&args.image)?;
    let destination = args.destination.as_ref().unwrap_or(&args.image);
    let name = Name::parse(destination.strip_prefix("docker://").unwrap_or(destination))?;
    let opened = session.open(&source)?;
    session
        .ui
        .begin("sending", Some(opened.image.stored_size()));
    let written = session.write(&opened.image, &Reference::Registry(name.clone()), None)?;
    session.ui.end();
    session
        .ui
        .status(&format!("sent {name}, {} new", human(written.bytes)));
    let value = json!({
        "name": name.to_string(), "id": opened.image.id(), "digest": written.manifest.digest,
        "bytesSent": written.bytes,
    });
    session
        .ui
        .result(&value, &format!("{}\n", written.manifest.digest))?;
    Ok(Answer::Yes)
}
