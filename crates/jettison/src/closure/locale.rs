//! Locales: what setlocale(3) opens, and messages in the language that the image sets.

use std::collections::BTreeSet;

use layer::NodeId;

use super::collector::Collector;
use super::{Edge, Evidence};
use crate::packages::classes::Class;

/// Where compiled locales are (locale(7), glibc manual "Locale Names"): directories, and an archive.
const COMPILED: &str = "/usr/lib/locale";

/// Keeps compiled locales: those that somebody made for this image with locale-gen or localedef, which no
/// package owns; of packaged ones `C` and what ENV names.
pub(super) fn keep_compiled(collector: &mut Collector<'_>, from: NodeId) {
    let tree = collector.tree();
    let Ok(top) = tree.resolve(COMPILED.as_bytes()) else {
        return;
    };
    let named = named(collector);
    let packages = collector.input.packages;
    let edge = Edge {
        from: Some(from),
        evidence: Evidence::Locale,
        detail: "setlocale".to_owned(),
    };
    for node in tree.children(top.node) {
        let files = || tree.walk(node).filter(|file| !tree.is_directory(*file));
        let made_here = files().all(|file| packages.owner(file).is_none());
        let name = normal(tree.name(node));
        if made_here || name == b"c.utf8" || named.contains(&name) {
            collector.keep_below(node, &edge, |_| true);
        }
    }
}

/// Returns the locales that ENV names, as [`normal`] writes them.
fn named(collector: &Collector<'_>) -> BTreeSet<Vec<u8>> {
    let config = collector.input.config;
    let lines = config.env();
    let values = lines.iter().filter_map(|line| line.split_once('='));
    values
        .filter(|(name, _)| name.starts_with("LC_") || name.starts_with("LANG"))
        .flat_map(|(_, value)| value.split(':'))
        .map(|locale| normal(locale.as_bytes()))
        .collect()
}

/// Writes a locale's name as glibc compares it: `de_DE.UTF-8` and `de_DE.utf8` are the same.
fn normal(name: &[u8]) -> Vec<u8> {
    let same = name.iter().filter(|b| **b != b'-');
    same.map(u8::to_ascii_lowercase).collect()
}

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
