//! `jettison slim`: the main job.

mod products;
mod undo;

use std::path::{Path, PathBuf};

use image::{Name, Progress as _, Reference};
use jettison::closure::{Level, Options};
use jettison::slim::job::{Job, JobError};
use jettison::slim::origin::Origin;
use jettison::slim::repair::Repair;
use jettison::slim::report::{self, Side, Summary};
use jettison::trace;
use sandbox::{Caller, IdMapping, Trace};
use serde_json::json;

use super::Answer;
use crate::error::Usage;
use crate::proof::{self, ProbeFlags};
use crate::session::Session;
use crate::size::human;
use crate::ui::table;

/// Make an image small: keep what its programs could ask for, drop the rest, prove that it works
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison slim docker-archive:app.tar -o docker-daemon:app:slim
  jettison slim redis:debian --host 'redis-cli ping'
  jettison slim oci:web --http /health --http /index.html -t web:small
  jettison slim app:1.2 --write-dockerfile slim/Dockerfile
  jettison slim --undo redis:debian-slim")]
pub(crate) struct Args {
    /// The image
    image: String,
    /// Name of the result in the local store [default: NAME:TAG-slim]
    #[arg(long, short, value_name = "NAME")]
    tag: Option<String>,
    /// Write the result elsewhere too (repeatable)
    #[arg(long, short, value_name = "TRANSPORT:REF")]
    output: Vec<String>,
    /// Write a seccomp profile with the system calls that what stays can make, for `docker run --security-opt`
    #[arg(long, value_name = "FILE")]
    seccomp: Option<PathBuf>,
    /// Write the result as a Dockerfile that a person can review, and FILE.tar.gz with what COPY cannot make
    #[arg(long, value_name = "FILE")]
    write_dockerfile: Option<PathBuf>,
    /// Restore the original of IMAGE, a slim one: from the store, or from where it was read
    #[arg(long, conflicts_with_all = ["report", "seccomp", "write_dockerfile", "traces", "save_trace", "no_verify"])]
    undo: bool,
    /// Write what became of every path, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write what the programs of the original were seen to ask for while it was asked
    #[arg(long, value_name = "FILE", conflicts_with = "no_verify")]
    save_trace: Option<PathBuf>,
    #[command(flatten)]
    keep: Keep,
    /// Have the image's own jlink make its Java run time anew: compressed, without tools for developers
    #[arg(long, help_heading = "What is kept", conflicts_with_all = ["no_verify", "write_dockerfile"])]
    jlink: bool,
    #[command(flatten)]
    probes: ProbeFlags,
    /// Write the image without proving that it works; nothing of it is traced then
    #[arg(long, help_heading = "Proof")]
    no_verify: bool,
    /// Write the image even if the proof fails; the exit code stays 1
    #[arg(long, help_heading = "Proof", conflicts_with = "no_verify")]
    write_unproven: bool,
}

/// What is kept besides what the image asks for.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is kept")]
pub(crate) struct Keep {
    /// Use what was seen of the image elsewhere, too: in CI, in staging, with other entry points (repeatable)
    #[arg(long = "trace", value_name = "FILE")]
    traces: Vec<PathBuf>,
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
    /// Keep a path exactly as it is, with everything below, even against --exclude (repeatable)
    #[arg(long, value_name = "PATH")]
    preserve: Vec<String>,
    /// Take nothing out of files that stay: no debug information, no data of ICU that nothing can read
    #[arg(long)]
    whole_files: bool,
    /// How much is kept
    #[arg(long, value_enum, default_value_t = LevelFlag::App)]
    level: LevelFlag,
    /// Overlook a path until the proof misses it: shows what the proof is worth
    #[arg(long, value_name = "PATH", hide = true)]
    overlook: Vec<String>,
}

/// Retention levels as they are typed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LevelFlag {
    /// What was seen to be used while the image was asked, and what that cannot be loaded without
    Traced,
    /// Also what the programs could plausibly ask for
    App,
    /// Whole packages of which anything is needed
    Package,
}

impl Keep {
    /// Reads the traces that were given, and joins them.
    pub(crate) fn seen(&self) -> anyhow::Result<Option<Trace>> {
        read_traces(&self.traces)
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            entries: self.entry.clone(),
            include: self.include.clone(),
            include_packages: self.include_package.clone(),
            exclude: self.exclude.clone(),
            include_shell: self.include_shell,
            preserve: self.preserve.clone(),
            overlook: self.overlook.clone(),
            whole_files: self.whole_files,
            level: match self.level {
                LevelFlag::Traced => Level::Traced,
                LevelFlag::App => Level::App,
                LevelFlag::Package => Level::Package,
            },
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
    if args.undo {
        return undo::run(&source, args.tag.as_deref(), &outputs, session);
    }
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
    let given = args.keep.seen()?;
    if options.level == Level::Traced && args.no_verify && given.is_none() {
        return Err(Usage::error(
            "nothing was traced: --level traced keeps what was seen to be used",
            "leave --no-verify out, or name what an earlier run has seen with --trace FILE",
        ));
    }
    let label = own
        .as_ref()
        .map_or_else(|| source.to_string(), Name::familiar);
    let result_name = name.familiar();
    let origin = Origin::new(&absolute(&source)?, &opened, own.as_ref());
    let dockerfile = args
        .write_dockerfile
        .as_ref()
        .map(|path| products::Dockerfile::new(path, &origin, &result_name))
        .transpose()?;
    let guard = session.store.writing()?;
    let ids = IdMapping::detect(&Caller::current());
    let companions = match args.no_verify {
        true => Vec::new(),
        false => args.probes.companions(session, &ids)?,
    };
    let surroundings = proof::surroundings(session, &ids, &companions)?;
    let job = Job {
        image: &opened.image,
        name: &label,
        result_name: &result_name,
        options: &options,
        trace: given.as_ref(),
        jlink: args.jlink,
        proof: (!args.no_verify).then_some((&proof, &surroundings)),
        store: &session.store,
        program: &crate::environment::program(),
        anew: args.report.is_some() || args.seccomp.is_some() || dockerfile.is_some(),
        context: session.context(),
        load: session.load_options(),
    };
    let mut profile = None;
    let mut written_out = None;
    let finished = job.run(|plan, summary, repaired| {
        if let Some(dockerfile) = &dockerfile {
            let threads = session.context().threads;
            written_out = Some(dockerfile.describe(plan, &opened.image, summary, threads)?);
        }
        if let Some(path) = &args.seccomp {
            profile = Some(products::seccomp(plan, &opened.image, path)?);
        }
        if let Some(path) = &args.report {
            let report = report::report(plan, summary.clone(), repaired);
            write_file(path, &serde_json::to_vec_pretty(&report)?)?;
        }
        Ok(())
    });
    session.ui.end();
    let finished = finished.map_err(cause)?;
    if let (Some(path), Some(trace)) = (&args.save_trace, &finished.trace) {
        let mut text = Vec::new();
        trace::write(trace, &opened.image.id().to_string(), &mut text)?;
        write_file(path, &text)?;
    }
    let (verdict, summary) = (&finished.verdict, &finished.summary);
    let proven = verdict.as_ref().map(|verdict| verdict.same);
    let value = json!({
        "name": result_name, "proven": proven == Some(true), "written": proven != Some(false) || args.write_unproven,
        "summary": summary, "verdict": verdict, "repaired": finished.repaired, "seccomp": profile,
        "writtenOut": written_out,
        "trace": finished.trace.as_ref().map(|trace| json!({
            "events": trace.events, "accesses": trace.accesses.len(), "complete": trace.complete,
        })),
    });
    let mut text = verdict.as_ref().map(proof::text).unwrap_or_default();
    for repair in &finished.repaired {
        text.push_str(&repair_line(repair));
    }
    let refused = verdict.as_ref().filter(|verdict| !verdict.same);
    if let Some(verdict) = refused.filter(|_| !args.write_unproven) {
        session.ui.result(&value, &text)?;
        session.ui.refusal(
            &format!("{}; it was not written", proof::summary(verdict, &result_name)),
            "keep what it misses with --include PATH or --entry COMMAND, or write it unproven with --write-unproven",
        );
        return Ok(Answer::No);
    }
    session
        .store
        .tag(&finished.image, &name, origin.annotations())?;
    drop(guard);
    for output in &outputs {
        session.write(&finished.image, output, Some(&name))?;
        session.ui.status(&format!("wrote {output}"));
    }
    if let Some(written_out) = &written_out {
        written_out.write(session)?;
    }
    if !summary.gone.is_empty() {
        text.push_str(&gone_lines(&summary.gone));
    }
    if summary.lighter > 0 {
        let bytes = human(summary.lighter);
        text.push_str(&format!(
            "{bytes} that nothing can read went of the inside of files (--whole-files keeps it)\n"
        ));
    }
    text.push_str(&sizes(&label, &result_name, summary));
    session.ui.result(&value, &text)?;
    if let Some(profile) = &profile {
        products::tell_seccomp(profile, session);
    }
    if let Some(verdict) = refused {
        session.ui.refusal(
            &format!(
                "{}; it was written, unproven",
                proof::summary(verdict, &result_name)
            ),
            "keep what it misses with --include PATH or --entry COMMAND",
        );
        return Ok(Answer::No);
    }
    session.ui.status(&verdict.as_ref().map_or_else(
        || "unproven: --no-verify was given".to_owned(),
        |verdict| proof::summary(verdict, &result_name),
    ));
    Ok(Answer::Yes)
}

/// Returns a reference that means the same from any working directory.
fn absolute(reference: &Reference) -> anyhow::Result<Reference> {
    let mut reference = reference.clone();
    match &mut reference {
        Reference::OciLayout { path, .. }
        | Reference::OciArchive { path, .. }
        | Reference::DockerArchive { path, .. }
        | Reference::Path(path) => *path = std::path::absolute(&*path)?,
        _ => {}
    }
    Ok(reference)
}

/// Returns the error that has a hint and an exit code of its own.
fn cause(error: JobError) -> anyhow::Error {
    match error {
        JobError::Slim(error) => error.into(),
        JobError::Image(error) => error.into(),
        JobError::Jlink(error) => error.into(),
        JobError::Verify(error) => error.into(),
        JobError::Inspect(error) => anyhow::Error::from_boxed(error),
        other => other.into(),
    }
}

/// Reads traces of earlier runs, and joins them.
fn read_traces(paths: &[PathBuf]) -> anyhow::Result<Option<Trace>> {
    let mut all: Option<Trace> = None;
    for path in paths {
        let unreadable = |source| image::Error::File {
            verb: "read",
            path: path.clone(),
            source,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let trace = trace::read(std::io::BufReader::new(file)).map_err(|error| {
            Usage::error(
                format!("`{}` is not a trace: {error}", path.display()),
                "traces are written by --save-trace and by jettison trace",
            )
        })?;
        match &mut all {
            Some(all) => all.merge(trace),
            None => all = Some(trace),
        }
    }
    Ok(all)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), image::Error> {
    std::fs::write(path, bytes).map_err(|source| image::Error::File {
        verb: "write",
        path: path.to_owned(),
        source,
    })
}

/// One line for a path that was put back.
fn repair_line(repair: &Repair) -> String {
    let by = match repair.by.as_str() {
        "" => String::new(),
        by => format!(", which {by} looked for"),
    };
    let mechanism = &repair.mechanism;
    format!("repaired  {}{by} (missed by: {mechanism})\n", repair.path)
}

/// Packages that were installed by name, and of which nothing stays: most were for building, one may have been forgotten.
fn gone_lines(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut list = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(more) = names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        list.push_str(&format!(" and {more} more"));
    }
    format!(
        "installed by name, and nothing of it is kept: {list}\n(--include-package NAME keeps one)\n"
    )
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
