//! `jettison images`: what the local store has.

use serde_json::json;

use super::Answer;
use crate::session::Session;
use crate::size::human;
use crate::ui::table;

/// List the images of the local store
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print image ids only
    #[arg(long)]
    ids: bool,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for entry in session.store.entries()? {
        let platform = entry.descriptor.platform.clone();
        let platform = platform.unwrap_or_else(|| session.platform().clone());
        let name = entry
            .name
            .as_ref()
            .map_or("<none>".to_owned(), image::Name::familiar);
        let image = match session.store.open_entry(&entry, &platform) {
            Ok(image) => image,
            // It does not hide the others.
            Err(error) => {
                let error = anyhow::Error::from(error);
                session
                    .ui
                    .warning(&format!("`{name}` is damaged: {error:#}"));
                continue;
            }
        };
        let created = image.config().created().unwrap_or_default().to_owned();
        if args.ids {
            rows.push(vec![image.id().short()]);
        } else {
            let date = created.get(..10).unwrap_or_default().to_owned();
            rows.push(vec![
                name.clone(),
                image.id().short(),
                date,
                image.platform().to_string(),
                human(image.stored_size()),
            ]);
        }
        let layers: Vec<_> = image
            .layers()
            .map(|layer| layer.descriptor.clone())
            .collect();
        values.push(json!({
            "name": name, "id": image.id(), "digest": image.digest(), "created": created,
            "platform": image.platform().to_string(), "compressed": image.stored_size(),
            "layers": layers,
        }));
    }
    let text = if args.ids {
        rows.iter().map(|row| format!("{}\n", row[0])).collect()
    } else {
        table(
            &["NAME", "IMAGE ID", "CREATED", "PLATFORM", "COMPRESSED"],
            &rows,
        )
    };
    session.ui.result(&values, &text)?;
    Ok(Answer::Yes)
}
