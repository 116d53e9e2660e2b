//! Messages in the language that the image sets.

use std::collections::BTreeSet;

use super::collector::Collector;
use super::{Edge, Evidence};
use crate::packages::classes::Class;

/// Variables that choose a language (locale(7); `LANGUAGE` of GNU gettext).
const VARIABLES: &[&str] = &["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"];

/// Keeps the translations of what is kept, for the languages that ENV names.
/// Without any, programs speak English and nothing is kept.
pub(super) fn add(collector: &mut Collector<'_>) {
    let languages = languages(collector);
    if languages.is_empty() {
        return;
    }
    let packages = collector.input.packages;
    let tree = collector.tree();
    let kept: BTreeSet<_> = collector
        .graph
        .nodes()
        .iter()
        .filter_map(|node| packages.owner(*node))
        .collect();
    for id in kept {
        for node in packages.files(id) {
            if let Class::Locale(language) = Class::of(&tree.path(*node))
                && languages.contains(&language)
            {
                let detail = String::from_utf8_lossy(&language).into_owned();
                collector.keep(
                    *node,
                    Edge {
                        from: None,
                        evidence: Evidence::Locale,
                        detail,
                    },
                );
            }
        }
    }
}

/// Returns the languages with their more general forms: `de_AT.UTF-8` gives `de_AT` and `de`.
fn languages(collector: &Collector<'_>) -> BTreeSet<Vec<u8>> {
    let config = collector.input.config;
    let values = VARIABLES.iter().filter_map(|name| config.env_var(name));
    let mut languages = BTreeSet::new();
    for value in values {
        for locale in value.split(':') {
            let locale = locale.split(['.', '@']).next().unwrap_or_default();
            let language = locale.split('_').next().unwrap_or_default();
            if !matches!(language, "" | "C" | "POSIX" | "en") {
                languages.extend([locale, language].map(|name| name.as_bytes().to_vec()));
            }
        }
    }
    languages
}
