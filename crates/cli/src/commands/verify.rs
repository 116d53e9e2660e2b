//! `jettison verify`: do two images answer the same?

use image::Reference;
use serde_json::json;

use super::Answer;
use crate::proof::{self, ProbeFlags, Side};
use crate::session::Session;

/// Ask two images the same and compare their answers
///
/// Both are started, asked, and compared; what is different each time, such as
/// dates and ports, does not count. Without a probe: both start, stay up or end
/// alike, and answer GET / on each port that speaks HTTP. Exit code 0 when they
/// are the same, 1 when they differ, 2 when a probe fails on the original.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison verify web:1 web:1-slim --http /health --http '/nowhere => 404'
  jettison verify redis:debian redis:debian-slim --host 'redis-cli set a b' --exec 'redis-cli get a'")]
pub(crate) struct Args {
    /// The image that is right
    original: String,
    /// The image that should be the same
    other: String,
    #[command(flatten)]
    probes: ProbeFlags,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let plan = args.probes.plan()?;
    let open = |text: &str| session.open(&Reference::parse(text)?);
    let (original, other) = (open(&args.original)?.image, open(&args.other)?.image);
    let side = |name, image| Side {
        name,
        image,
        files: None,
    };
    let verdict = proof::prove(
        session,
        side(&*args.original, &original),
        side(&*args.other, &other),
        &plan,
        &args.probes,
    )?;
    let value = json!({
        "original": { "name": args.original, "id": original.id() },
        "other": { "name": args.other, "id": other.id() },
        "verdict": verdict,
    });
    session.ui.result(&value, &proof::text(&verdict))?;
    session.ui.status(&proof::summary(&verdict, &args.other));
    Ok(if verdict.same {
        Answer::Yes
    } else {
        Answer::No
    })
}
