//! An analysis as one page: nothing is fetched, everything is in the file.

use askama::Template;
use jettison::analyze::Analysis;

use crate::size::human;

/// The page; its script draws from the JSON of the analysis.
#[derive(Template)]
#[template(path = "analysis.html")]
struct Page<'a> {
    analysis: &'a Analysis,
    json: String,
}

impl Page<'_> {
    fn human(&self, bytes: &u64) -> String {
        human(*bytes)
    }

    fn compressed(&self) -> String {
        let compressed = self.analysis.sizes.compressed;
        compressed.map_or_else(|| "–".to_owned(), human)
    }

    fn percent(&self) -> String {
        format!("{:.1} %", self.analysis.efficiency * 100.0)
    }
}

/// Returns the page.
pub(crate) fn page(analysis: &Analysis) -> anyhow::Result<String> {
    // Text of an image must not end the script element that it stands in (HTML,
    // "Restrictions for contents of script elements").
    let json = serde_json::to_string(analysis)?.replace('<', "\\u003c");
    Ok(Page { analysis, json }.render()?)
}
