//! `jettison copy`: an image from one place to another, bytes verified on the way.

use image::Reference;
use serde_json::json;

use super::Answer;
use crate::session::Session;
use crate::size::human;

/// Copy an image from one place to another
///
/// The config is copied byte for byte, so the image id stays the same. Layers
/// that are not compressed are, where the destination wants it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison copy docker-archive:app.tar oci:app
  jettison copy docker-daemon:app:1.2 docker://registry.example/app:1.2
  jettison copy docker://localhost:5000/app app:local")]
pub(crate) struct Args {
    /// Where the image is
    source: String,
    /// Where it goes; a bare name is a name in the local store
    destination: String,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let source = Reference::parse(&args.source)?;
    let destination = Reference::parse(&args.destination)?;
    let opened = session.open(&source)?;
    let progress = session.ui as &dyn image::Progress;
    progress.begin("copying", Some(opened.image.stored_size()));
    let name = destination.name().or(opened.name).or_else(|| source.name());
    let written = session.write(&opened.image, &destination, name.as_ref())?;
    progress.end();
    let id = opened.image.id();
    let value = json!({
        "source": source.to_string(),
        "destination": destination.to_string(),
        "id": id,
        "digest": written.manifest.digest,
        "bytesWritten": written.bytes,
    });
    session.ui.status(&format!(
        "copied {source} to {destination}, {}",
        human(written.bytes)
    ));
    session
        .ui
        .result(&value, &format!("{}\n", written.manifest.digest))?;
    Ok(Answer::Yes)
}
