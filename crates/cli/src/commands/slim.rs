//! `jettison slim`: the main job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use image::{FileSystem, Image, Name, Progress as _, Reference};
use jettison::closure::Options;
use jettison::slim::cache::{Remembered, Slot};
use jettison::slim::report::{self, Side, Summary};
use jettison::slim::{self, SOURCE_NAME};
use serde_json::json;

use super::Answer;
use crate::error::Usage;
use crate::proof::{self, ProbeFlags, Side as Proved};
use crate::session::Session;
use crate::size::human;
use crate::ui::table;

/// Make an image small: keep what its programs could ask for, drop the rest, prove that it works
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison slim docker-archive:app.tar -o docker-daemon:app:slim
  jettison slim redis:debian --host 'redis-cli ping'
  jettison slim oci:web --http /health --http /index.html -t web:small")]
pub(crate) struct Args {
    /// The image
    image: String,
    /// Name of the result in the local store [default: NAME:TAG-slim]
    #[arg(long, short, value_name = "NAME")]
    tag: Option<String>,
    /// Write the result elsewhere too (repeatable)
    #[arg(long, short, value_name = "TRANSPORT:REF")]
    output: Vec<String>,
    /// Write what became of every path, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    probes: ProbeFlags,
    /// Write the image without proving that it works
    #[arg(long, help_heading = "Proof")]
    no_verify: bool,
}

/// What is kept besides what the image asks for.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is kept")]
pub(crate) struct Keep {
    /// A further command line that the image must be able to run (repeatable)
    #[arg(long, value_name = "COMMAND")]
    entry: Vec<String>,
    /// Keep a path with everything below; `*`, `?` and `**` are patterns (repeatable)
    #[arg(long, value_name = "PATH")]
    include: Vec<String>,
    /// Keep a package whole (repeatable)
    #[arg(long, value_name = "PACKAGE")]
    include_package: Vec<String>,
    /// Keep a shell and the commands that people type in it
    #[arg(long)]
    include_shell: bool,
    /// Drop a path, whatever needs it; patterns as in --include (repeatable)
    #[arg(long, value_name = "PATH")]
    exclude: Vec<String>,
}

impl Keep {
    pub(crate) fn options(&self) -> Options {
        Options {
            entries: self.entry.clone(),
            include: self.include.clone(),
            include_packages: self.include_package.clone(),
            exclude: self.exclude.clone(),
            include_shell: self.include_shell,
        }
    }
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let source = Reference::parse(&args.image)?;
    let outputs: Vec<Reference> = args
        .output
        .iter()
        .map(|text| Reference::parse(text))
        .collect::<Result<_, _>>()?;
    let proof = args.probes.plan()?;
    let opened = session.open(&source)?;
    if !args.no_verify {
        jettison::container::check_platform(&opened.image)?;
    }
    let own = opened.name.clone().or_else(|| source.name());
    let name = match (&args.tag, &own) {
        (Some(tag), _) => Name::parse(tag)?,
        (None, Some(name)) => name.with_tag_suffix("-slim"),
        (None, None) => {
            return Err(Usage::error(
                format!("`{source}` has no name to derive the result's from"),
                "name the result with -t NAME",
            ));
        }
    };
    let mut options = args.keep.options();
    options.entries.extend(proof::commands(&proof));
    let guard = session.store.writing()?;
    let program = crate::environment::program();
    let slot = Slot::new(&session.store, &opened.image, &options, &program);
    let remembered = if args.report.is_some() {
        None
    } else {
        slot.get(&session.store)
    };
    let (result, summary, files) = match remembered {
        Some((remembered, image)) => (image, remembered.summary, None),
        None => make(args, session, &opened.image, &options, &slot)?,
    };
    let label = own
        .as_ref()
        .map_or_else(|| source.to_string(), Name::familiar);
    let verdict = if args.no_verify {
        None
    } else {
        let original = Proved {
            name: &label,
            image: &opened.image,
            files,
        };
        let other = Proved {
            name: &name.familiar(),
            image: &result,
            files: None,
        };
        Some(proof::prove(session, original, other, &proof)?)
    };
    let proven = verdict.as_ref().map(|verdict| verdict.same);
    let value = json!({
        "name": name.familiar(), "proven": proven == Some(true), "written": proven != Some(false),
        "summary": summary, "verdict": verdict,
    });
    let mut text = verdict.as_ref().map(proof::text).unwrap_or_default();
    if let Some(verdict) = verdict.as_ref().filter(|verdict| !verdict.same) {
        session.ui.result(&value, &text)?;
        session.ui.refusal(
            &format!("{}; it was not written", proof::summary(verdict, &name.familiar())),
            "keep what it misses with --include PATH or --entry COMMAND, or write it unproven with --no-verify",
        );
        return Ok(Answer::No);
    }
    let annotations = own
        .iter()
        .map(|own| (SOURCE_NAME.to_owned(), own.familiar()))
        .collect::<BTreeMap<_, _>>();
    session.store.tag(&result, &name, annotations)?;
    drop(guard);
    for output in &outputs {
        session.write(&result, output, Some(&name))?;
        session.ui.status(&format!("wrote {output}"));
    }
    text.push_str(&sizes(&label, &name.familiar(), &summary));
    session.ui.result(&value, &text)?;
    session.ui.status(&verdict.map_or_else(
        || "unproven: --no-verify was given".to_owned(),
        |verdict| proof::summary(&verdict, &name.familiar()),
    ));
    Ok(Answer::Yes)
}

fn make(
    args: &Args,
    session: &Session<'_>,
    source: &Image,
    options: &Options,
    slot: &Slot,
) -> anyhow::Result<(Image, Summary, Option<FileSystem>)> {
    let ui = session.ui;
    ui.begin("reading", Some(source.stored_size()));
    let files = FileSystem::load(source, session.load_options())?;
    ui.begin("searching", None);
    let plan = slim::plan(source, &files, options)?;
    ui.begin("writing", None);
    let made = slim::write(source, &plan, session.store.layout(), session.context())?;
    ui.end();
    let (kept_bytes, kept_entries) = report::size_of(&plan, |node| plan.keeps(node));
    let metadata: u64 = plan
        .remains
        .files
        .iter()
        .map(|file| file.bytes.len() as u64)
        .sum();
    let is_compressed = source
        .layers()
        .all(|layer| layer.descriptor.digest != layer.diff_id);
    let summary = Summary {
        source: Side {
            id: source.id(),
            digest: source.digest(),
            unpacked: files.unpacked,
            compressed: is_compressed.then(|| source.stored_size()),
            entries: files.tree.len() as u64,
        },
        result: Side {
            id: made.image.id(),
            digest: made.image.digest(),
            unpacked: kept_bytes + metadata,
            compressed: Some(made.image.stored_size()),
            entries: kept_entries + plan.remains.files.len() as u64,
        },
        missing: plan.closure.missing.len(),
    };
    if let Some(path) = &args.report {
        let report = report::report(&plan, summary.clone());
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, json).map_err(|source| image::Error::File {
            verb: "write",
            path: path.clone(),
            source,
        })?;
    }
    let manifest = made.image.manifest().descriptor();
    slot.put(&Remembered {
        manifest,
        summary: summary.clone(),
    });
    drop(plan);
    Ok((made.image, summary, Some(files)))
}

/// The table that every command ends with: before and after, side by side.
fn sizes(source: &str, result: &str, summary: &Summary) -> String {
    let row = |name: &str, side: &Side| {
        vec![
            name.to_owned(),
            side.id.short(),
            human(side.unpacked),
            side.compressed.map_or("-".to_owned(), human),
            side.entries.to_string(),
        ]
    };
    let mut saved = vec!["saved".to_owned(), String::new()];
    let percent = |before: u64, after: u64| {
        format!(
            "{:.1}%",
            100.0 * (1.0 - after as f64 / before.max(1) as f64)
        )
    };
    saved.push(percent(summary.source.unpacked, summary.result.unpacked));
    saved.push(
        match (summary.source.compressed, summary.result.compressed) {
            (Some(before), Some(after)) => percent(before, after),
            _ => "-".to_owned(),
        },
    );
    saved.push(percent(summary.source.entries, summary.result.entries));
    let rows = [
        row(source, &summary.source),
        row(result, &summary.result),
        saved,
    ];
    table(
        &["IMAGE", "IMAGE ID", "UNPACKED", "COMPRESSED", "FILES"],
        &rows,
    )
}
