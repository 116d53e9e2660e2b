//! `jettison builder`: what builds have left to be quicker the next time.

use std::time::{Duration, SystemTime};

use jettison::build::{Part, Record, Selection, prune, records};
use serde_json::json;

use super::Answer;
use crate::error::Usage;
use crate::rootless;
use crate::session::Session;
use crate::size::human;
use crate::ui::{Ui, table};

/// Show or remove what builds remember
///
/// Steps, files of layers and cache mounts. Images stay, and whatever is removed is made again when it is
/// needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison builder du
  jettison builder prune
  jettison builder prune --filter until=168h --keep-storage 10GB
  jettison builder prune --filter type=exec.cachemount --filter id=/root/.cache")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// List what is there, the longest unused first
    Du,
    /// Remove all of it, or what flags select
    Prune(PruneArgs),
}

#[derive(Debug, clap::Args)]
struct PruneArgs {
    /// Only what all of these say: until=DURATION (not used for so long),
    /// type=regular|source.local|exec.cachemount, id=ID (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// The longest unused first, until this much is left
    #[arg(long, visible_alias = "max-used-space", value_name = "SIZE", value_parser = crate::size::parse)]
    keep_storage: Option<u64>,
    /// Accepted as docker's: everything that is selected goes
    #[arg(long, short, hide = true)]
    all: bool,
    /// Accepted as docker's: nothing is asked
    #[arg(long, short, hide = true)]
    force: bool,
}

pub(crate) fn run<'u>(
    args: &Args,
    session: impl FnOnce() -> anyhow::Result<Session<'u>>,
    ui: &Ui,
) -> anyhow::Result<Answer> {
    let selection = match &args.command {
        Subcommand::Du => None,
        Subcommand::Prune(args) => Some(selection(args)?),
    };
    // The files belong to all the users that images have.
    if rootless::ids().is_none() {
        return rootless::again();
    }
    let store = session()?.store;
    let (shown, said) = match selection {
        None => (records(&store)?, "in all"),
        Some(selection) => (prune(&store, &selection)?, "freed"),
    };
    let total: u64 = shown.iter().map(|record| record.bytes).sum();
    let now = SystemTime::now();
    let age = |record: &Record| now.duration_since(record.used).unwrap_or_default();
    let values: Vec<_> = shown
        .iter()
        .map(|record| {
            json!({
                "id": record.id, "type": record.part.name(), "bytes": record.bytes,
                "unusedForSeconds": age(record).as_secs(),
            })
        })
        .collect();
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|record| {
            let ago = format!("{} ago", round(age(record)));
            let part = record.part.name().to_owned();
            vec![record.id.clone(), part, human(record.bytes), ago]
        })
        .collect();
    let text = match rows.is_empty() {
        true => String::new(),
        false => table(&["ID", "TYPE", "SIZE", "LAST USED"], &rows),
    };
    ui.result(&json!({ "records": values, "bytes": total }), &text)?;
    ui.status(&format!("{said} {}", human(total)));
    Ok(Answer::Yes)
}

fn selection(args: &PruneArgs) -> anyhow::Result<Selection> {
    let mut selection = Selection {
        keep: args.keep_storage,
        ..Selection::default()
    };
    for filter in &args.filter {
        match filter.split_once('=') {
            Some(("until" | "unused-for", text)) => {
                let duration = duration(text).ok_or_else(|| {
                    Usage::error(
                        format!("`{text}` is not a duration"),
                        "write for instance 24h, 90m or 1h30m",
                    )
                })?;
                selection.unused_for = Some(duration);
            }
            Some(("type", name)) => {
                let known = [Part::Step, Part::Files, Part::Mount];
                let part = known.into_iter().find(|part| part.name() == name);
                selection.parts.push(part.ok_or_else(|| {
                    Usage::error(
                        format!("nothing is of type `{name}`"),
                        "there are regular, source.local and exec.cachemount",
                    )
                })?);
            }
            Some(("id", id)) => selection.ids.push(id.to_owned()),
            _ => {
                return Err(Usage::error(
                    format!("there is no filter `{filter}`"),
                    "there are until=DURATION, type=TYPE and id=ID",
                ));
            }
        }
    }
    Ok(selection)
}

/// Reads a duration as Go writes it: `1h30m`; days too.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let unit = &rest[end..];
        let length = unit.find(|c: char| c.is_ascii_digit());
        let (unit, after) = unit.split_at(length.unwrap_or(unit.len()));
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            _ => return None,
        };
        total += Duration::from_secs(number.checked_mul(seconds)?);
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// A duration as people say it.
fn round(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_writes_them() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("1h30m", Some(5400)),
            ("7d", Some(604_800)),
            ("", None),
            ("7", None),
            ("x", None),
            ("1w", None),
        ] {
            assert_eq!(
                duration(text).map(|found| found.as_secs()),
                seconds,
                "{text}"
            );
        }
    }
}
