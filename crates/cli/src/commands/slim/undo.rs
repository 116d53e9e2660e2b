//! `jettison slim --undo`: the original of a slim image, bit for bit.

use image::{Image, Name, Reference};
use jettison::slim::origin::Origin;
use serde_json::json;

use crate::commands::Answer;
use crate::error::Usage;
use crate::session::Session;
use crate::size::human;
use crate::ui::table;

/// Finds the original of `slim`, and writes it under its name, or `tag`, and to `outputs`.
pub(super) fn run(
    slim: &Reference,
    tag: Option<&str>,
    outputs: &[Reference],
    session: &Session<'_>,
) -> anyhow::Result<Answer> {
    let opened = session.open(slim)?;
    let Some(origin) = Origin::of(&opened.image, &session.store, session.platform()) else {
        return Err(Usage::error(
            format!("`{slim}` was not made by jettison slim"),
            "name the slim image, not the original",
        ));
    };
    let name = match (tag, &origin.name) {
        (Some(tag), _) => Some(Name::parse(tag)?),
        (None, Some(name)) => Some(name.clone()),
        (None, None) if !outputs.is_empty() => None,
        (None, None) => {
            return Err(Usage::error(
                format!("the name of the original of `{slim}` is not known"),
                "name it with -t NAME",
            ));
        }
    };
    let (image, place) = find(slim, &origin, session)?;
    let is_same = origin.digest.is_none_or(|digest| digest == image.digest());
    let manifest = match &name {
        Some(name) => Some(restore(&image, name, tag.is_some(), session)?),
        None => None,
    };
    for output in outputs {
        session.write(&image, output, name.as_ref())?;
        session.ui.status(&format!("wrote {output}"));
    }
    let label = name.as_ref().map(Name::familiar);
    let value = json!({
        "name": label, "id": image.id(), "digest": manifest.unwrap_or(image.digest()),
        "from": place, "sameManifest": is_same,
    });
    let label = label.unwrap_or_else(|| image.id().short());
    let row = |name: &str, image: &Image| {
        vec![
            name.to_owned(),
            image.id().short(),
            human(image.stored_size()),
        ]
    };
    let rows = [row(&slim.to_string(), &opened.image), row(&label, &image)];
    session
        .ui
        .result(&value, &table(&["IMAGE", "IMAGE ID", "STORED"], &rows))?;
    session.ui.status(&match is_same {
        true => format!("{label} is as it was, from {place}"),
        false => format!("{label} is as it was, from {place}, where it is packed in another way"),
    });
    Ok(Answer::Yes)
}

/// Gives the original its name again. A name that another image has by now is not taken from it unasked.
fn restore(
    image: &Image,
    name: &Name,
    asked: bool,
    session: &Session<'_>,
) -> anyhow::Result<image::Digest> {
    let current = session.store.find(name, session.platform())?;
    match current {
        Some(current) if current.digest() == image.digest() => return Ok(current.digest()),
        Some(current) if current.id() != image.id() && !asked => {
            return Err(Usage::error(
                format!("`{}` is another image by now", name.familiar()),
                "name the original with -t NAME",
            ));
        }
        _ => {}
    }
    let written = session.store.add(image, name, session.context())?;
    Ok(written.manifest.digest)
}

/// Looks for the original, and says where it was found.
fn find(
    slim: &Reference,
    origin: &Origin,
    session: &Session<'_>,
) -> anyhow::Result<(Image, String)> {
    if let Some(image) = origin.find(&session.store, session.platform()) {
        return Ok((image, "the local store".to_owned()));
    }
    let mut tried = vec!["the local store".to_owned()];
    for place in origin.places() {
        match session.open(&place) {
            Ok(opened) if opened.image.id() == origin.id => {
                return Ok((opened.image, place.to_string()));
            }
            Ok(_) => tried.push(format!("{place} (another image by now)")),
            Err(error) => {
                tracing::info!("not from {place}: {error:#}");
                tried.push(place.to_string());
            }
        }
    }
    Err(Usage::error(
        format!(
            "the original of `{slim}`, {}, is not to be found in {}",
            origin.id,
            tried.join(", ")
        ),
        "pull or load it again and repeat; -v says what each place answered",
    ))
}
