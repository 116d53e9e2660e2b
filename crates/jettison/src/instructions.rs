//! The instructions of an image's history, as people wrote them.
//!
//! Builders record commands with their own wrapping: the classic builder writes
//! `/bin/sh -c #(nop)  CMD …` and `|1 KEY=value /bin/sh -c …`, BuildKit appends
//! `# buildkit`. Shown is what stood in the Dockerfile, as far as it is known.

use image::config::HistoryEntry;
use image::{Config, Image};

/// What made one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instruction {
    /// Index into the history; nothing where the history does not tell.
    pub entry: Option<usize>,
    /// As in a Dockerfile; empty where it is not known.
    pub text: String,
    /// RFC 3339.
    pub created: Option<String>,
}

/// Returns the instruction of each layer, base first.
///
/// Where the history has fewer entries with a layer than there are layers, it
/// is the later layers that have theirs: tools that flatten a base lose its history.
pub fn of_layers(image: &Image) -> Vec<Instruction> {
    of_history(&image.config().history(), image.layers().len())
}

/// The same, for all that is known of an image by its config.
pub fn of_config(config: &Config) -> Vec<Instruction> {
    of_history(&config.history(), config.diff_ids().len())
}

fn of_history(history: &[HistoryEntry], count: usize) -> Vec<Instruction> {
    let made: Vec<(usize, &HistoryEntry)> = history
        .iter()
        .enumerate()
        .filter(|(_, entry)| !entry.empty_layer)
        .collect();
    let unknown = count.saturating_sub(made.len());
    let extra = made.len().saturating_sub(count);
    let known = made.iter().skip(extra).map(|(at, entry)| Instruction {
        entry: Some(*at),
        text: match plain(&entry.created_by) {
            // `docker import` says where it is from as a comment only.
            text if text.is_empty() => entry.comment.clone().unwrap_or_default(),
            text => text,
        },
        created: entry.created.clone(),
    });
    std::iter::repeat_n(Instruction::default(), unknown)
        .chain(known)
        .collect()
}

/// Returns a `created_by` of a history as it stood in the Dockerfile.
pub fn plain(created_by: &str) -> String {
    let text = created_by.trim();
    let text = text.strip_suffix("# buildkit").unwrap_or(text).trim_end();
    if let Some(rest) = text.strip_prefix("RUN ") {
        return format!("RUN {}", command(rest));
    }
    // The classic builder: instructions that run nothing are a comment of the shell.
    if let Some(rest) = text.strip_prefix("/bin/sh -c #(nop)") {
        return rest.trim_start().to_owned();
    }
    match command(text) {
        same if same == text => text.to_owned(),
        inner => format!("RUN {inner}"),
    }
}

/// Returns the shell's command of `|2 A=1 B=2 /bin/sh -c COMMAND`.
fn command(text: &str) -> &str {
    let after_arguments = match text.strip_prefix('|') {
        Some(rest) => rest.find("/bin/sh -c ").map_or(text, |at| &rest[at..]),
        None => text,
    };
    after_arguments
        .strip_prefix("/bin/sh -c ")
        .map_or(text, str::trim_start)
}

#[cfg(test)]
mod tests {
    #[test]
    fn builders_wrapping_is_taken_off() {
        for (recorded, want) in [
            ("/bin/sh -c apt-get update", "RUN apt-get update"),
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]"),
            ("/bin/sh -c #(nop) COPY dir:1 in / ", "COPY dir:1 in /"),
            ("|1 V=2 /bin/sh -c make V=$V", "RUN make V=$V"),
            ("RUN /bin/sh -c make # buildkit", "RUN make"),
            ("RUN |1 V=2 /bin/sh -c make # buildkit", "RUN make"),
            ("COPY . /app # buildkit", "COPY . /app"),
            ("bazel build ...", "bazel build ..."),
            ("", ""),
        ] {
            assert_eq!(super::plain(recorded), want);
        }
    }
}
