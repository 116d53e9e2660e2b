//! `jettison rm`: images out of the local store, and the bytes that only they needed.

use image::store::Entry;
use image::{Name, Reference};
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
    let store = &session.store;
    let entries = store.entries()?;
    let mut doomed: Vec<Entry> = Vec::new();
    for text in &args.images {
        let reference = Reference::parse(text)?;
        let id = match &reference {
            Reference::Id(id) => store.find_id(id, session.platform())?,
            _ => None,
        };
        // Not opened: a damaged image can be removed too.
        let found = entries.iter().filter(|entry| match &reference {
            Reference::Name(name) => is_named(entry, name),
            _ => id
                .as_ref()
                .is_some_and(|image| image.digest() == entry.descriptor.digest),
        });
        let before = doomed.len();
        doomed.extend(found.cloned());
        if doomed.len() == before {
            // All are looked up before any is removed.
            let place = "the local store".to_owned();
            let subject = reference.to_string();
            return Err(image::Error::NotFound { subject, place }.into());
        }
    }
    let removed =
        store.remove(|descriptor| doomed.iter().any(|entry| entry.descriptor == *descriptor))?;
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

/// Returns whether an image of the store is meant: by its name, or, where the
/// name has one, by its digest.
fn is_named(entry: &Entry, name: &Name) -> bool {
    match name.digest {
        Some(digest) => entry.descriptor.digest == digest,
        None => entry.name.as_ref() == Some(name),
    }
}
