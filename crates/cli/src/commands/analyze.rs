//! `jettison analyze`: where the bytes are, which are there for nothing, and a gate on that.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use image::{Image, Progress as _, Reference, Survey};
use jettison::analyze::gate::{Rules, Verdict};
use jettison::analyze::growth::{self, Growth};
use jettison::analyze::remember::Slot;
use jettison::analyze::{self, Analysis, Cause, Options};
use serde::Serialize;

use super::Answer;
use crate::error::Usage;
use crate::render;
use crate::session::Session;
use crate::size;

/// Show where the bytes of an image are, which are there for nothing, and what saves them
///
/// With a limit, or with --against, it is a gate: exit code 1 when the image
/// breaks it. Rules of dive (`.dive-ci`) are read as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison analyze docker-archive:app.tar
  jettison analyze app:1.2 --html report.html
  jettison analyze app:1.2 --tui
  jettison analyze app:1.2 --max-wasted 20MB --min-efficiency 0.95
  jettison analyze app:1.3 --against app:1.2 --max-growth 5MB
  jettison analyze app:1.2 --json > app.json; jettison analyze app:1.3 --against app.json")]
pub(crate) struct Args {
    /// The image
    image: String,
    /// Lines of each list
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Most files of each cause, directories and files that JSON and HTML list
    #[arg(long, value_name = "N", default_value_t = 1000)]
    most: usize,
    /// Write a page that shows everything, in one file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the findings as SARIF, for code scanning services
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Explore layers and files in the terminal
    #[arg(long, conflicts_with_all = ["json", "html", "sarif"])]
    tui: bool,
    /// Analyse anew, even if the image was before
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    gate: Gate,
}

/// What the image must not exceed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Gate")]
struct Gate {
    /// Most bytes that ship but cannot be seen
    #[arg(long, value_name = "SIZE", value_parser = size::parse, alias = "highestWastedBytes")]
    max_wasted: Option<u64>,
    /// Most such bytes, as a share of what layers above the first bring
    #[arg(long, value_name = "SHARE", value_parser = share, alias = "highestUserWastedPercent")]
    max_user_wasted: Option<f64>,
    /// Least share of the bytes that can be seen
    #[arg(long, value_name = "SHARE", value_parser = share, alias = "lowestEfficiency")]
    min_efficiency: Option<f64>,
    /// Most bytes of all causes together
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_reclaimable: Option<u64>,
    /// Most bytes of one cause, such as cache=0 (repeatable)
    #[arg(long, value_name = "CAUSE=SIZE", value_parser = cause_limit)]
    max_cause: Vec<(Cause, u64)>,
    /// Most bytes of the image, unpacked
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_size: Option<u64>,
    /// Most bytes of the image, as it is stored
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_compressed: Option<u64>,
    /// Apply dive's rules: those of .dive-ci in this directory, else its defaults
    #[arg(long)]
    ci: bool,
    /// Apply the rules of this file
    #[arg(long, value_name = "FILE")]
    ci_config: Option<PathBuf>,
    /// Compare with another image, or with the JSON of an earlier analysis
    #[arg(long, value_name = "IMAGE|FILE")]
    against: Option<String>,
    /// How much larger the image may be than that one
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "0", requires = "against")]
    max_growth: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result<'a> {
    #[serde(flatten)]
    analysis: &'a Analysis,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    gate: &'a [Verdict],
    #[serde(skip_serializing_if = "Option::is_none")]
    growth: Option<&'a Growth>,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let source = Reference::parse(&args.image)?;
    let rules = args.gate.rules()?;
    let image = session.open(&source)?.image;
    let options = options(args, &args.image);
    if args.tui {
        if !std::io::stdout().is_terminal() {
            return Err(Usage::error(
                "there is no terminal to explore the image in",
                "without --tui the summary is printed; --html FILE writes a page",
            ));
        }
        let (survey, findings) = survey(session, &image)?;
        crate::tui::explore(&image, &survey, &findings, &options)?;
        return Ok(Answer::Yes);
    }
    let analysis = analysis(session, &image, &options, args.no_cache)?;
    let growth = match &args.gate.against {
        Some(old) => Some(growth::compare(&older(args, session, old)?, &analysis)),
        None => None,
    };
    let verdicts = rules.check(&analysis);
    if let Some(path) = &args.html {
        write(path, &render::html::page(&analysis)?)?;
        session.ui.status(&format!("wrote {}", path.display()));
    }
    if let Some(path) = &args.sarif {
        let sarif = render::sarif::log(&analysis, &verdicts);
        write(path, &serde_json::to_string_pretty(&sarif)?)?;
        session.ui.status(&format!("wrote {}", path.display()));
    }
    let mut text = render::analysis::text(&analysis, args.top);
    text.push_str(&render::analysis::growth(growth.as_ref(), args.top));
    text.push_str(&render::analysis::gate(&verdicts, &analysis));
    let value = Result {
        analysis: &analysis,
        gate: &verdicts,
        growth: growth.as_ref(),
    };
    session.ui.result(&value, &text)?;
    let mut answer = Answer::Yes;
    let broken: Vec<String> = verdicts
        .iter()
        .filter(|verdict| !verdict.passed)
        .map(render::analysis::reason)
        .collect();
    if !broken.is_empty() {
        let hint = "each cause above names what saves its bytes";
        session
            .ui
            .refusal(&format!("{}: {}", args.image, broken.join("; ")), hint);
        answer = Answer::No;
    }
    if let Some(growth) = &growth {
        let (grown, limit) = (growth.unpacked.delta(), args.gate.max_growth);
        if grown > 0 && grown.unsigned_abs() > limit {
            let text = format!(
                "{} is {} larger than {}, {} more than it may be",
                args.image,
                size::human(grown.unsigned_abs()),
                growth.against,
                size::human(grown.unsigned_abs() - limit),
            );
            let hint = "what grew is listed above; allow it with --max-growth SIZE";
            session.ui.refusal(&text, hint);
            answer = Answer::No;
        }
    }
    Ok(answer)
}

fn options(args: &Args, name: &str) -> Options {
    Options {
        name: name.to_owned(),
        most: args.most.max(args.top),
    }
}

fn survey(
    session: &Session<'_>,
    image: &Image,
) -> anyhow::Result<(Survey, jettison::analyze::Findings)> {
    session.ui.begin("reading", Some(image.stored_size()));
    let survey = Survey::load(image, session.load_options())?;
    session.ui.begin("comparing", None);
    let findings = analyze::find(image, &survey)?;
    session.ui.end();
    Ok((survey, findings))
}

fn analysis(
    session: &Session<'_>,
    image: &Image,
    options: &Options,
    anew: bool,
) -> anyhow::Result<Analysis> {
    let program = crate::environment::program();
    let slot = Slot::new(&session.store, image, options, &program);
    if let Some(analysis) = slot.get(options).filter(|_| !anew) {
        return Ok(analysis);
    }
    let (survey, findings) = survey(session, image)?;
    let analysis = analyze::describe(image, &survey, &findings, options);
    slot.put(&analysis);
    Ok(analysis)
}

/// The analysis to compare with: of an image, or one that was saved.
fn older(args: &Args, session: &Session<'_>, old: &str) -> anyhow::Result<Analysis> {
    let path = Path::new(old);
    if path.is_file()
        && let Ok(bytes) = std::fs::read(path)
        && bytes.first() == Some(&b'{')
    {
        let mut analysis: Analysis = serde_json::from_slice(&bytes).map_err(|error| {
            Usage::error(
                format!("`{old}` is not the JSON of an analysis: {error}"),
                "save one with `jettison analyze IMAGE --json`",
            )
        })?;
        old.clone_into(&mut analysis.image.name);
        return Ok(analysis);
    }
    let image = session.open(&Reference::parse(old)?)?.image;
    analysis(session, &image, &options(args, old), args.no_cache)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).map_err(|source| {
        image::Error::File {
            verb: "write",
            path: path.to_path_buf(),
            source,
        }
        .into()
    })
}

impl Gate {
    fn rules(&self) -> anyhow::Result<Rules> {
        let own = Rules {
            max_wasted: self.max_wasted,
            max_wasted_of_user: self.max_user_wasted,
            min_efficiency: self.min_efficiency,
            max_reclaimable: self.max_reclaimable,
            max_cause: self.max_cause.clone(),
            max_size: self.max_size,
            max_compressed: self.max_compressed,
        };
        let default = Path::new(".dive-ci");
        let path = match &self.ci_config {
            Some(path) => path,
            None if !self.ci => return Ok(own),
            None if !default.is_file() => return Ok(own.or(Rules::dive_defaults())),
            None => default,
        };
        let text = std::fs::read_to_string(path).map_err(|source| image::Error::File {
            verb: "read",
            path: path.to_path_buf(),
            source,
        })?;
        let rules = Rules::parse_dive(&text).map_err(|reason| {
            Usage::error(
                format!("`{}` is no file of rules: {reason}", path.display()),
                "the rules are lowestEfficiency, highestWastedBytes, highestUserWastedPercent",
            )
        })?;
        Ok(own.or(rules))
    }
}

/// A share, `0.95` or `95%`.
fn share(text: &str) -> std::result::Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    let share = number.trim().parse::<f64>().ok().map(|share| share / scale);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("`{text}` is no share; use for instance 0.95 or 95%"))
}

fn cause_limit(text: &str) -> std::result::Result<(Cause, u64), String> {
    let (cause, limit) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not CAUSE=SIZE, such as cache=0"))?;
    Ok((cause.parse()?, size::parse(limit)?))
}
