//! `jettison rm`: images out of the local store, and the bytes that only they needed.

use image::Reference;
use serde_json::json;

use super::Answer;
use crate::session::Session;
use crate::size::human;

/// Remove images from the local store
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true)]
    images: Vec<String>,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let mut digests = Vec::new();
    let mut names = Vec::new();
    for text in &args.images {
        let reference = Reference::parse(text)?;
        // All are looked up before any is removed.
        match &reference {
            Reference::Name(name) if name.digest.is_none() => {
                session.open(&reference)?;
                names.push(name.familiar());
            }
            _ => digests.push(session.open(&reference)?.image.digest()),
        }
    }
    let removed = session.store.remove(|descriptor| {
        let name = descriptor
            .annotations
            .get(image::transport::layout::REF_NAME);
        digests.contains(&descriptor.digest) || name.is_some_and(|name| names.contains(name))
    })?;
    let value = json!({
        "names": removed.names, "blobs": removed.blobs, "bytesFreed": removed.bytes,
    });
    session
        .ui
        .status(&format!("freed {}", human(removed.bytes)));
    let text: String = removed
        .names
        .iter()
        .map(|name| format!("{name}\n"))
        .collect();
    session.ui.result(&value, &text)?;
    Ok(Answer::Yes)
}
