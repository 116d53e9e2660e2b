//! An analysis on the terminal.

use jettison::analyze::Analysis;
use jettison::analyze::gate::{Amount, Verdict};
use jettison::analyze::growth::{Change, Growth};
use jettison::analyze::report::{CauseBytes, Layer};

use super::section;
use crate::size::human;
use crate::ui::table;

/// Places of a cause that are shown.
const PLACES: usize = 3;
/// Longest instruction that is shown whole.
const WIDTH: usize = 60;

/// The summary; lists have `top` lines.
pub(crate) fn text(analysis: &Analysis, top: usize) -> String {
    let sizes = &analysis.sizes;
    let mut text = table(
        &[
            "IMAGE",
            "IMAGE ID",
            "UNPACKED",
            "COMPRESSED",
            "VISIBLE",
            "EFFICIENCY",
            "WASTED",
            "RECLAIMABLE",
        ],
        &[vec![
            analysis.image.name.clone(),
            analysis.image.id.short(),
            human(sizes.unpacked),
            sizes.compressed.map_or_else(dash, human),
            human(sizes.visible),
            percent(analysis.efficiency),
            human(analysis.wasted),
            human(analysis.reclaimable),
        ]],
    );
    let rows: Vec<Vec<String>> = analysis.layers.iter().map(layer_row).collect();
    text.push('\n');
    text.push_str(&table(
        &[
            "LAYER",
            "UNPACKED",
            "COMPRESSED",
            "ADDED",
            "CHANGED",
            "REMOVED",
            "HIDDEN",
            "INSTRUCTION",
        ],
        &rows,
    ));
    if analysis.causes.is_empty() {
        text.push_str("\nnothing that could be saved was found\n");
    } else {
        text.push_str("\nWhat could be saved\n");
        let mut causes: Vec<&CauseBytes> = analysis.causes.iter().collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.bytes));
        for cause in causes {
            text.push_str(&cause_text(analysis, cause));
        }
    }
    let instruction = |layer: u32| instruction(analysis, layer);
    section(
        &mut text,
        &["PACKAGE", "VERSION", "SIZE", "FILES", "BROUGHT BY"],
        analysis.packages.iter().take(top).map(|package| {
            vec![
                format!("{} {}", package.manager.name(), package.name),
                package.version.clone(),
                human(package.bytes),
                package.files.to_string(),
                instruction(package.layer),
            ]
        }),
    );
    section(
        &mut text,
        &["DIRECTORY", "SIZE", "FILES", "BROUGHT BY"],
        analysis.directories.iter().take(top).map(|directory| {
            vec![
                directory.path.clone(),
                human(directory.bytes),
                directory.files.to_string(),
                instruction(directory.layer),
            ]
        }),
    );
    section(
        &mut text,
        &["FILE", "SIZE", "PACKAGE", "BROUGHT BY"],
        analysis.files.iter().take(top).map(|file| {
            vec![
                file.path.clone(),
                human(file.bytes),
                file.package.clone().unwrap_or_else(dash),
                instruction(file.layer),
            ]
        }),
    );
    text
}

fn layer_row(layer: &Layer) -> Vec<String> {
    vec![
        layer.index.to_string(),
        human(layer.unpacked),
        layer.compressed.map_or_else(dash, human),
        layer.added.to_string(),
        layer.changed.to_string(),
        layer.removed.to_string(),
        human(layer.hidden),
        shorten(&layer.instruction),
    ]
}

fn cause_text(analysis: &Analysis, cause: &CauseBytes) -> String {
    let plural = if cause.files == 1 { "" } else { "s" };
    let mut text = format!(
        "\n{:>8}  {} ({} file{plural}{})\n",
        human(cause.bytes),
        cause.title,
        cause.files,
        cause.compressed.map_or_else(String::new, |bytes| format!(
            ", {} compressed",
            human(bytes)
        )),
    );
    for place in cause.places.iter().take(PLACES) {
        text.push_str(&format!(
            "          {:>8}  {}  by {}\n",
            human(place.bytes),
            place.path,
            instruction(analysis, place.layer)
        ));
    }
    text.push_str(&format!("          save it: {}\n", cause.remedy));
    text
}

/// The layer and what made it.
fn instruction(analysis: &Analysis, layer: u32) -> String {
    let text = analysis
        .layers
        .get(layer as usize)
        .map_or("", |layer| layer.instruction.as_str());
    format!("{layer}: {}", shorten(text))
}

fn shorten(text: &str) -> String {
    let one_line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if one_line.chars().count() <= WIDTH {
        return one_line;
    }
    let start: String = one_line.chars().take(WIDTH - 1).collect();
    format!("{start}…")
}

fn dash() -> String {
    "-".to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn signed(change: Change) -> String {
    let delta = change.delta();
    let sign = if delta < 0 { "-" } else { "+" };
    format!("{sign}{}", human(delta.unsigned_abs()))
}

/// What grew; nothing where nothing was compared.
pub(crate) fn growth(growth: Option<&Growth>, top: usize) -> String {
    let Some(growth) = growth else {
        return String::new();
    };
    let mut text = format!(
        "\nAgainst {}: {} unpacked, {} wasted\n",
        growth.against,
        signed(growth.unpacked),
        signed(growth.wasted)
    );
    let version = |version: &Option<String>| version.clone().unwrap_or_else(dash);
    section(
        &mut text,
        &["PACKAGE", "CHANGE", "BEFORE", "AFTER"],
        growth.packages.iter().take(top).map(|package| {
            vec![
                package.name.clone(),
                signed(package.bytes),
                version(&package.old_version),
                version(&package.new_version),
            ]
        }),
    );
    for (title, list) in [
        ("INSTRUCTION", &growth.instructions),
        ("DIRECTORY", &growth.directories),
    ] {
        section(
            &mut text,
            &[title, "CHANGE", "BEFORE", "AFTER"],
            list.iter().take(top).map(|named| {
                vec![
                    shorten(&named.name),
                    signed(named.bytes),
                    human(named.bytes.old),
                    human(named.bytes.new),
                ]
            }),
        );
    }
    text
}

/// The rules and whether they are kept.
pub(crate) fn gate(verdicts: &[Verdict], analysis: &Analysis) -> String {
    let mut text = String::new();
    section(
        &mut text,
        &["RULE", "ALLOWED", "ACTUAL", "RESULT"],
        verdicts.iter().map(|verdict| {
            let result = if verdict.passed { "kept" } else { "broken" };
            vec![
                verdict.rule.clone(),
                amount(verdict.limit),
                amount(verdict.actual),
                result.to_owned(),
            ]
        }),
    );
    for verdict in verdicts {
        for blame in &verdict.blame {
            let by = blame.layer.map_or_else(String::new, |layer| {
                format!("  by {}", instruction(analysis, layer))
            });
            text.push_str(&format!(
                "{}: {}  {}{by}\n",
                verdict.rule,
                human(blame.bytes),
                blame.what
            ));
        }
    }
    text
}

/// Why a rule is broken, in one phrase.
pub(crate) fn reason(verdict: &Verdict) -> String {
    format!(
        "{} is {}, allowed are {}",
        match verdict.rule.as_str() {
            "max-wasted" => "what ships but cannot be seen",
            "max-user-wasted" => "the wasted share of the upper layers",
            "min-efficiency" => "the efficiency",
            "max-reclaimable" => "what could be saved",
            "max-size" => "the unpacked size",
            "max-compressed" => "the stored size",
            other => other.trim_start_matches("max-cause "),
        },
        amount(verdict.actual),
        amount(verdict.limit)
    )
}

fn amount(amount: Amount) -> String {
    match amount {
        Amount::Bytes(bytes) => human(bytes),
        Amount::Share(share) => format!("{share:.4}"),
    }
}
