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
  jettison copy docker://localhost:5000/app app:local
  jettison copy app:1.2 oci:small --recompress zstd:19")]
pub(crate) struct Args {
    /// Where the image is
    source: String,
    /// Where it goes; a bare name is a name in the local store
    destination: String,
    /// Compress all layers anew: zstd[:LEVEL] or gzip[:LEVEL]
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    recompress: Option<image::Compression>,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let source = Reference::parse(&args.source)?;
    let destination = Reference::parse(&args.destination)?;
    let opened = session.open(&source)?;
    let progress = session.ui as &dyn image::Progress;
    progress.begin("copying", Some(opened.image.stored_size()));
    let name = destination.name().or(opened.name).or_else(|| source.name());
    let image = match args.recompress {
        Some(how) => image::recompress(&opened.image, how, session.context())?,
        None => opened.image.clone(),
    };
    if args.recompress.is_some() && destination.is_plain() {
        session
            .ui
            .warning("archives of Docker and engines take layers uncompressed");
    }
    let written = session.write(&image, &destination, name.as_ref())?;
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
