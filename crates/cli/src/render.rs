//! Results as text for people and for other programs.

pub(crate) mod analysis;
pub(crate) mod difference;
pub(crate) mod html;
pub(crate) mod recipe;
pub(crate) mod sarif;

use crate::ui::table;

/// Adds a table to a text, after an empty line; nothing where it has no rows.
fn section(text: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table(header, &rows));
    }
}
