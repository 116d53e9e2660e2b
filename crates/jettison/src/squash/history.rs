//! The history of a squashed image: nothing that was done is forgotten.
//!
//! As Docker's own `--squash` had it: the entries of merged layers stay, marked
//! as having no layer, and one entry after them says what was merged.

use image::Image;
use image::config::HistoryEntry;

use super::Options;
use crate::instructions;

/// Returns the history of an image whose layers are rewritten; `made` says for
/// each layer of the range whether a layer stands in its place.
pub(super) fn rewrite(image: &Image, options: &Options, made: &[bool]) -> Vec<HistoryEntry> {
    let mut history = image.config().history();
    let instructions = instructions::of_layers(image);
    let range = options.range;
    let merged = &instructions[range.first..range.end];
    if options.dedupe {
        for (instruction, made) in merged.iter().zip(made) {
            if let Some(entry) = instruction.entry {
                history[entry].empty_layer = !made;
            }
        }
        return history;
    }
    for entry in merged.iter().filter_map(|instruction| instruction.entry) {
        history[entry].empty_layer = true;
    }
    if !made.first().copied().unwrap_or_default() {
        return history;
    }
    let last = merged
        .iter()
        .rev()
        .find_map(|instruction| instruction.entry);
    let next = instructions[range.end..]
        .iter()
        .find_map(|instruction| instruction.entry);
    let at = last.map(|at| at + 1).or(next).unwrap_or(history.len());
    let named: Vec<&str> = merged
        .iter()
        .map(|instruction| instruction.text.as_str())
        .filter(|text| !text.is_empty())
        .collect();
    let created = merged.iter().rev().find_map(|i| i.created.clone());
    let entry = HistoryEntry {
        created: created.or_else(|| image.config().created().map(str::to_owned)),
        created_by: format!("jettison squash # {} layers merged", merged.len()),
        comment: Some(
            options
                .message
                .clone()
                .unwrap_or_else(|| format!("merged: {}", named.join("; "))),
        ),
        empty_layer: false,
    };
    history.insert(at, entry);
    history
}
