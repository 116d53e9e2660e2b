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
    let edge = Edge::new(Some(from), Evidence::Locale, "setlocale");
    for node in tree.children(top.node) {
        let name = normal(tree.name(node));
        if is_made_here(collector, node) || name == b"c.utf8" || named.contains(&name) {
            collector.keep_below(node, &edge, |_| true);
        }
    }
}

/// Returns whether a locale, or an archive of them, was compiled for this image: no package owns it.
fn is_made_here(collector: &Collector<'_>, node: NodeId) -> bool {
    let (tree, packages) = (collector.tree(), collector.input.packages);
    let mut files = tree.walk(node).filter(|file| !tree.is_directory(*file));
    files.all(|file| packages.owner(file).is_none())
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

/// Where translations are. Those of the C library (its domain is `libc`) are in a package of their own.
const MESSAGES: &[u8] = b"/usr/share/locale/";

/// Keeps the translations of what is kept, for the languages that ENV names, and those whose locales somebody had
/// compiled. Without any, programs speak English and nothing is kept.
pub(super) fn add(collector: &mut Collector<'_>) {
    let mut languages = languages(collector);
    for name in made_here(collector) {
        add_language(&String::from_utf8_lossy(&name), &mut languages);
    }
    if languages.is_empty() {
        return;
    }
    let packages = collector.input.packages;
    let tree = collector.tree();
    for language in &languages {
        let path = [MESSAGES, language, b"/LC_MESSAGES/libc.mo"].concat();
        collector.keep_path(tree.root(), &path, None, Evidence::Locale);
    }
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
                collector.keep(*node, Edge::new(None, Evidence::Locale, &language));
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
            add_language(locale, &mut languages);
        }
    }
    languages
}

fn add_language(locale: &str, languages: &mut BTreeSet<Vec<u8>>) {
    let locale = locale.split(['.', '@']).next().unwrap_or_default();
    let language = locale.split('_').next().unwrap_or_default();
    if !matches!(language, "" | "C" | "POSIX" | "en") {
        languages.extend([locale, language].map(|name| name.as_bytes().to_vec()));
    }
}

/// Returns the names of kept locales that were compiled for this image.
fn made_here(collector: &Collector<'_>) -> Vec<Vec<u8>> {
    let tree = collector.tree();
    let compiled = tree.resolve(COMPILED.as_bytes()).ok();
    let nodes = compiled.map_or(Vec::new(), |top| tree.children(top.node));
    let mut names = Vec::new();
    for node in nodes {
        if !collector.graph.keeps(node) || !is_made_here(collector, node) {
            continue;
        }
        match tree.is_directory(node) {
            true => names.push(tree.name(node).to_vec()),
            false => {
                let bytes = collector.read(node, LARGEST_ARCHIVE).unwrap_or_default();
                names.extend(names_in(&bytes).unwrap_or_default());
            }
        }
    }
    names
}

/// Bytes of an archive that are looked at: one of all locales that glibc has.
const LARGEST_ARCHIVE: u64 = 256 << 20;

/// Returns the names in an archive of locales: they stand one after the other, each ended by a zero, at the sixth
/// number of its head, as many bytes as the seventh says (glibc, `locale/locarchive.h`).
fn names_in(archive: &[u8]) -> Option<Vec<Vec<u8>>> {
    /// `AR_MAGIC`.
    const MAGIC: u32 = 0xde02_0109;
    let number = |at: usize| {
        let bytes = archive.get(4 * at..4 * at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    if number(0)? != MAGIC {
        return None;
    }
    let (start, used) = (number(5)? as usize, number(6)? as usize);
    let strings = archive.get(start..start.checked_add(used)?)?;
    let names = strings.split(|b| *b == 0).filter(|name| !name.is_empty());
    Some(names.map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_an_archive() {
        let names = b"de_DE.utf8\0pt_BR\0";
        let head = [0xde02_0109, 1, 0, 0, 0, 60, names.len() as u32, 100];
        let mut archive = head.map(u32::to_le_bytes).concat();
        archive.resize(60, 7);
        archive.extend(names);
        archive.extend(b"data");
        let found = names_in(&archive).unwrap();
        assert_eq!(found, [&b"de_DE.utf8"[..], b"pt_BR"]);
        assert_eq!(names_in(&archive[..70]), None);
        assert_eq!(names_in(b"another file"), None);
    }

    #[test]
    fn a_language_has_a_general_form() {
        let mut languages = BTreeSet::new();
        for locale in ["de_AT.UTF-8", "C.utf8", "en_GB", "ca_ES@valencia"] {
            add_language(locale, &mut languages);
        }
        let want = ["ca", "ca_ES", "de", "de_AT"].map(|name| name.as_bytes().to_vec());
        assert_eq!(languages, want.into());
    }
}
