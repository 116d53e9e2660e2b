//! A comparison on the terminal.

use jettison::diff::{Difference, Field, FieldChange};
use serde_json::Value;

use super::section;
use crate::size::human;

/// Everything that differs; lists of sizes have `top` lines.
pub(crate) fn text(difference: &Difference, top: usize) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for (mark, entries) in [
        ("A", &difference.paths.added),
        ("D", &difference.paths.removed),
    ] {
        for entry in entries {
            let size = if entry.path.ends_with('/') {
                String::new()
            } else {
                format!("  {}", human(entry.bytes))
            };
            lines.push((&entry.path, format!("{mark} {}{size}\n", entry.path)));
        }
    }
    for change in &difference.paths.changed {
        let fields: Vec<String> = change.fields.iter().map(field).collect();
        let line = format!("C {}  {}\n", change.path, fields.join(", "));
        lines.push((&change.path, line));
    }
    lines.sort_by(|a, b| a.0.cmp(b.0));
    let mut text: String = lines.into_iter().map(|(_, line)| line).collect();
    for change in &difference.config {
        let show = |value: &Option<Value>| match value {
            None => "not set".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let (old, new) = (show(&change.old), show(&change.new));
        text.push_str(&format!("config {}: {old} -> {new}\n", change.key));
    }
    let versions = |versions: &[String]| {
        if versions.is_empty() {
            "-".to_owned()
        } else {
            versions.join(", ")
        }
    };
    section(
        &mut text,
        &["PACKAGE", "CHANGE", "BEFORE", "AFTER"],
        difference.packages.iter().take(top).map(|package| {
            vec![
                package.name.clone(),
                signed(package.old_bytes, package.new_bytes),
                versions(&package.old_versions),
                versions(&package.new_versions),
            ]
        }),
    );
    section(
        &mut text,
        &["DIRECTORY", "CHANGE", "BEFORE", "AFTER"],
        difference.directories.iter().take(top).map(|directory| {
            vec![
                directory.path.clone(),
                signed(directory.old_bytes, directory.new_bytes),
                human(directory.old_bytes),
                human(directory.new_bytes),
            ]
        }),
    );
    text
}

fn signed(old: u64, new: u64) -> String {
    let sign = if new < old { "-" } else { "+" };
    format!("{sign}{}", human(new.abs_diff(old)))
}

fn field(change: &FieldChange) -> String {
    let name = match change.field {
        Field::Type => "type",
        Field::Mode => "mode",
        Field::Owner => "owner",
        Field::Time => "time",
        Field::Size => "size",
        Field::Content => return "content".to_owned(),
        Field::Target => "target",
        Field::Device => "device",
        Field::Xattrs => "xattrs",
        Field::Links => "link to",
    };
    let or_none = |text: &str| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            text.to_owned()
        }
    };
    format!(
        "{name} {} -> {}",
        or_none(&change.old),
        or_none(&change.new)
    )
}
