//! `jettison pull`: an image into the local store.

use image::{Progress as _, Reference};
use serde_json::json;

use super::Answer;
use crate::error::Usage;
use crate::session::Session;
use crate::size::human;

/// Fetch an image into the local store
///
/// A bare name is fetched from its registry, even if the store or an engine has it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison pull registry.example/team/app:1.2
  jettison pull docker-daemon:app:1.2
  jettison pull --platform linux/arm64 --mirror mirror.example redis:7")]
pub(crate) struct Args {
    /// The image
    image: String,
    /// Name in the local store [default: its own]
    #[arg(long, short, value_name = "NAME")]
    tag: Option<String>,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let source = match Reference::parse(&args.image)? {
        Reference::Name(name) => Reference::Registry(name),
        other => other,
    };
    let opened = session.open(&source)?;
    let own = source.name().or_else(|| opened.name.clone());
    let name = match &args.tag {
        Some(tag) => image::Name::parse(tag)?,
        None => own.ok_or_else(|| {
            Usage::error(
                format!("`{source}` has no name"),
                "name it in the store with -t NAME",
            )
        })?,
    };
    session
        .ui
        .begin("fetching", Some(opened.image.stored_size()));
    let written = session.store.add(&opened.image, &name, session.context())?;
    session.ui.end();
    let familiar = name.familiar();
    session
        .ui
        .status(&format!("fetched {familiar}, {} new", human(written.bytes)));
    let value = json!({
        "name": familiar, "id": opened.image.id(), "digest": written.manifest.digest,
        "bytesWritten": written.bytes,
    });
    session
        .ui
        .result(&value, &format!("{}\n", written.manifest.digest))?;
    Ok(Answer::Yes)
}
