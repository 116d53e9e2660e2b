//! A slim image as a Dockerfile.

use jettison::slim::recipe::{Group, ORIGINAL, Recipe};
use jettison::slim::report::Summary;

use crate::size::human;

/// Instructions of one stage: an image of Docker has at most 127 layers, and its old builder makes
/// one of each.
const PER_STAGE: usize = 100;
/// Where comments are wrapped.
const WIDTH: usize = 110;

/// What the text names.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    /// What stands after `FROM`.
    pub(crate) source: &'a str,
    /// The slim image.
    pub(crate) result: &'a str,
    /// File names of the Dockerfile and of the archive beside it.
    pub(crate) dockerfile: &'a str,
    pub(crate) archive: &'a str,
}

/// The Dockerfile.
pub(crate) fn text(recipe: &Recipe, summary: &Summary, names: &Names<'_>) -> String {
    let mut text = head(recipe, summary, names);
    text.push_str(&format!("\nFROM {} AS {ORIGINAL}\n", names.source));
    let mut stage = 1;
    let mut instructions = 1;
    text.push_str(&format!(
        "\nFROM scratch AS files\nADD {} /\n",
        names.archive
    ));
    for group in &recipe.groups {
        text.push('\n');
        text.push_str(&comment(group));
        for copy in &group.copies {
            if instructions == PER_STAGE {
                stage += 1;
                instructions = 1;
                text.push_str(&format!(
                    "\nFROM scratch AS {}\nCOPY --from={} / /\n\n",
                    name(stage),
                    name(stage - 1)
                ));
            }
            instructions += 1;
            text.push_str(copy);
            text.push('\n');
        }
    }
    text.push_str(&format!(
        "\n# All of it in one layer.\nFROM scratch\nCOPY --from={} / /\n",
        name(stage)
    ));
    if !recipe.settings.is_empty() {
        text.push('\n');
    }
    for line in &recipe.settings {
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn name(stage: usize) -> String {
    match stage {
        1 => "files".to_owned(),
        other => format!("files-{other}"),
    }
}

fn head(recipe: &Recipe, summary: &Summary, names: &Names<'_>) -> String {
    let archived = &recipe.archived;
    let (before, after) = (&summary.source, &summary.result);
    let mut sentences = vec![
        format!(
            "{}: what stays of {} ({}), {} of {} and {} of {} paths, as `jettison slim` found it.",
            names.result,
            names.source,
            before.id,
            human(after.unpacked),
            human(before.unpacked),
            after.entries,
            before.entries,
        ),
        String::new(),
        "Build it in the directory of this file:".to_owned(),
        format!(
            "    docker build -f {} -t {} .",
            names.dockerfile, names.result
        ),
        String::new(),
        format!(
            "{} has what COPY cannot make as it was: {} with owners and modes, {}, {}{}. `tar tvf` lists them.",
            names.archive,
            counted(archived.directories, "directory", "directories"),
            counted(archived.links, "symbolic link", "symbolic links"),
            counted(
                archived.metadata,
                "file of package metadata that is true of what stays",
                "files of package metadata that is true of what stays"
            ),
            match archived.others {
                0 => String::new(),
                others => format!(
                    ", {}",
                    counted(
                        others,
                        "file with extended attributes, a special kind or name",
                        "files with extended attributes, a special kind or name"
                    )
                ),
            },
        ),
    ];
    if !recipe.lacks.is_empty() {
        sentences.push(String::new());
        sentences.push(format!("Not as there: {}.", recipe.lacks.join("; ")));
    }
    sentences.iter().map(|line| wrapped("# ", line)).collect()
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn comment(group: &Group) -> String {
    let files = counted(group.files, "file", "files");
    let title = format!("{}: {} in {files}", group.title, human(group.bytes));
    let mut text = wrapped("# ", &title);
    if !group.reasons.is_empty() {
        text.push_str(&wrapped("#   ", &group.reasons.join("; ")));
    }
    text
}

/// Lines that begin with `start` and break at spaces.
fn wrapped(start: &str, text: &str) -> String {
    if text.is_empty() || text.starts_with(' ') {
        return format!("{start}{text}").trim_end().to_owned() + "\n";
    }
    let mut lines = String::new();
    let mut line = String::from(start);
    for word in text.split_whitespace() {
        if line.len() > start.len() && line.len() + word.len() > WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = String::from(start);
        }
        line.push_str(word);
        line.push(' ');
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}
