//! The database of dpkg (dpkg(1), deb-control(5)), whole or split as in distroless images.

use std::collections::HashSet;

use layer::{NodeId, Tree};

use super::{Error, Format, Package, Reading, State, optional_text, paragraphs, text};

pub(super) const STATUS: &[u8] = b"var/lib/dpkg/status";
pub(super) const STATUS_DIRECTORY: &[u8] = b"var/lib/dpkg/status.d";
const INFO_DIRECTORY: &[u8] = b"var/lib/dpkg/info";
/// What apt installed because others need it (apt_preferences(5) and apt-mark(8) call that `auto`).
const STATES: &[u8] = b"var/lib/apt/extended_states";
const DIVERSIONS: &[u8] = b"var/lib/dpkg/diversions";

/// What dpkg calls the format of its info database: with 1, lists of `Multi-Arch: same` packages have the architecture in
/// their names. The path is from the directory of the status on.
pub(super) const FORMAT: &[u8] = b"/info/format";

/// The ending of the files that list checksums and paths.
pub(super) const SUMS: &[u8] = b".md5sums";

pub(super) fn read(reading: &mut Reading<'_>) -> Result<(), Error> {
    read_diversions(reading)?;
    read_status(reading)?;
    read_split(reading)
}

/// Triples of lines: the path, where it went, and the package that may keep it.
fn read_diversions(reading: &mut Reading<'_>) -> Result<(), Error> {
    let Some(node) = reading.find_file(DIVERSIONS) else {
        return Ok(());
    };
    let bytes = reading.read_node(node)?;
    let mut lines = bytes.split(|&b| b == b'\n');
    while let (Some(from), Some(to), Some(by)) = (lines.next(), lines.next(), lines.next()) {
        reading.claims.paths.divert(from, to, by);
    }
    Ok(())
}

fn read_status(reading: &mut Reading<'_>) -> Result<(), Error> {
    let Some(node) = reading.find_file(STATUS) else {
        return Ok(());
    };
    let bytes = reading.read_node(node)?;
    let database = reading.add_database(Format::Dpkg, node, State::Complete);
    let info = directory(reading.tree, INFO_DIRECTORY);
    let automatic = read_automatic(reading)?;
    for range in paragraphs(&bytes) {
        let stanza = &bytes[range];
        let Some(mut package) = parse(stanza) else {
            continue;
        };
        package.database = database;
        let name = package.name.clone();
        package.manual = automatic.as_ref().is_some_and(|all| !all.contains(&name));
        if let Some(info) = info {
            // dpkg qualifies the names of packages that are `Multi-Arch: same`.
            let qualified = format!("{name}:{}", package.architecture);
            let find = |ending: &[u8]| {
                [qualified.as_bytes(), name.as_bytes()]
                    .iter()
                    .find_map(|stem| reading.tree.child(info, &[stem, ending].concat()))
            };
            package.record.list = find(b".list");
            package.record.sums = find(SUMS);
        }
        let listed = package.record.list;
        let id = reading.add_package(package, stanza);
        let list = listed.map(|node| reading.read_node(node)).transpose()?;
        let list = list.unwrap_or_default();
        let paths = list.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        reading.claims.claim(id, name.as_bytes(), paths);
    }
    Ok(())
}

/// Returns the packages that nobody asked for by name; nothing where apt has not written that down.
fn read_automatic(reading: &mut Reading<'_>) -> Result<Option<HashSet<String>>, Error> {
    let Some(node) = reading.find_file(STATES) else {
        return Ok(None);
    };
    let bytes = reading.read_node(node)?;
    let mut automatic = HashSet::new();
    for range in paragraphs(&bytes) {
        let (mut name, mut is_automatic) = (None, false);
        for (field, value) in fields(&bytes[range]) {
            match field {
                b"Package" => name = optional_text(value),
                b"Auto-Installed" => is_automatic = value == b"1",
                _ => {}
            }
        }
        automatic.extend(name.filter(|_| is_automatic));
    }
    Ok(Some(automatic))
}

/// One file with the stanza of one package, and beside it one with its checksums,
/// which is the only list of files there is: it has no links and no directories.
fn read_split(reading: &mut Reading<'_>) -> Result<(), Error> {
    let Some(directory) = directory(reading.tree, STATUS_DIRECTORY) else {
        return Ok(());
    };
    let database = reading.add_database(Format::DpkgSplit, directory, State::Complete);
    for node in reading.tree.children(directory) {
        let name = reading.tree.name(node);
        if name.ends_with(SUMS) || reading.tree.content(node).is_none() {
            continue;
        }
        let sums = reading.tree.child(directory, &[name, SUMS].concat());
        let bytes = reading.read_node(node)?;
        let Some(stanza) = paragraphs(&bytes).next().map(|range| &bytes[range]) else {
            continue;
        };
        let Some(mut package) = parse(stanza) else {
            continue;
        };
        package.database = database;
        package.record.sums = sums;
        let name = package.name.clone();
        let id = reading.add_package(package, stanza);
        let list = sums.map(|node| reading.read_node(node)).transpose()?;
        let list = list.unwrap_or_default();
        // Configuration files have their checksums in the stanza.
        let paths = checksums(&list).map(|(_, path)| path);
        let paths = paths.chain(configuration(stanza));
        reading.claims.claim(id, name.as_bytes(), paths);
    }
    Ok(())
}

/// Iterates over the paths of the field `Conffiles`: lines of path and checksum.
fn configuration(stanza: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut fields = fields(stanza);
    let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(b"conffiles"));
    let lines = found
        .map_or(&[][..], |(_, value)| value)
        .split(|&b| b == b'\n');
    lines
        .filter_map(|line| line.trim_ascii().split(|&b| b == b' ').next())
        .filter(|path| !path.is_empty())
}

/// Iterates over the lines of a checksum list: the whole line and its path.
pub(super) fn checksums(list: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    list.split(|&b| b == b'\n').filter_map(|line| {
        let (_, path) = line.split_at_checked(32)?;
        let path = path.trim_ascii_start();
        (!path.is_empty()).then_some((line, path))
    })
}

/// What dpkg has beside the list of what is installed: what was, and what could be (dpkg(1), "FILES").
const OTHER_LISTS: &[&[u8]] = &[b"status-old", b"available", b"available-old"];

/// Returns the files of a database that say what is installed, or is of one package.
pub(super) fn tells<'t>(tree: &'t Tree, status: NodeId) -> impl Iterator<Item = NodeId> + 't {
    let directory = tree.parent(status);
    let lists = OTHER_LISTS.iter();
    let lists = lists.filter_map(move |name| tree.child(directory, name));
    let parts = [&b"info"[..], b"updates"].into_iter();
    let parts = parts.filter_map(move |name| tree.child(directory, name));
    let parts = parts.flat_map(|part| tree.walk(part));
    let all = std::iter::once(status).chain(lists).chain(parts);
    all.filter(|node| !tree.is_directory(*node))
}

fn directory(tree: &Tree, path: &[u8]) -> Option<NodeId> {
    let node = tree.resolve(path).ok()?.node;
    tree.is_directory(node).then_some(node)
}

/// Parses a stanza; nothing if it is no package or one that is not installed.
fn parse(stanza: &[u8]) -> Option<Package> {
    let mut package = Package::default();
    for (field, value) in fields(stanza) {
        match field.to_ascii_lowercase().as_slice() {
            b"package" => package.name = text(value),
            b"version" => package.version = text(value),
            b"architecture" => package.architecture = text(value),
            b"status" if !has_files(value) => return None,
            b"source" => {
                // "name (version)", the version only where it differs.
                let mut words = value.split(|&b| b == b' ').filter(|word| !word.is_empty());
                package.source.name = text(words.next().unwrap_or_default());
                let version = words.next().unwrap_or_default();
                let version = version.strip_prefix(b"(").unwrap_or(version);
                package.source.version = text(version.strip_suffix(b")").unwrap_or(version));
            }
            b"depends" | b"pre-depends" => package.depends.extend(parse_depends(value)),
            b"recommends" | b"suggests" => package
                .suggests
                .extend(parse_depends(value).into_iter().flatten()),
            b"provides" => package
                .provides
                .extend(parse_depends(value).into_iter().flatten()),
            b"essential" => package.essential = value.eq_ignore_ascii_case(b"yes"),
            b"priority" => package.priority = optional_text(value),
            b"section" => package.section = optional_text(value),
            b"maintainer" => package.maintainer = optional_text(value),
            b"homepage" => package.homepage = optional_text(value),
            b"installed-size" => {
                let kibibytes: u64 = text(value).parse().unwrap_or(0);
                package.installed_size = kibibytes.saturating_mul(1024);
            }
            _ => {}
        }
    }
    (!package.name.is_empty()).then_some(package)
}

/// The third word of `Status` tells whether files are on disk (dpkg(1), "Package states").
fn has_files(status: &[u8]) -> bool {
    let state = status.split(|&b| b == b' ').rfind(|word| !word.is_empty());
    !matches!(state, Some(b"not-installed" | b"config-files"))
}

/// Iterates over the fields of a stanza; a value is what stands on the first
/// line and on continuation lines, with its line breaks.
fn fields(stanza: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = stanza.get(at..).filter(|rest| !rest.is_empty())?;
            let mut end = 0;
            // A line that begins with a blank continues the field.
            for newline in memchr::memchr_iter(b'\n', rest) {
                end = newline;
                if !matches!(rest.get(newline + 1), Some(b' ' | b'\t')) {
                    break;
                }
                end = rest.len();
            }
            if !rest.contains(&b'\n') {
                end = rest.len();
            }
            at += end + 1;
            let field = &rest[..end];
            if let Some(colon) = memchr::memchr(b':', field) {
                return Some((&field[..colon], field[colon + 1..].trim_ascii()));
            }
        }
    })
}

/// Parses `a (>= 1) | b:any [amd64], c` into names.
fn parse_depends(value: &[u8]) -> Vec<Vec<String>> {
    value
        .split(|&b| b == b',')
        .map(|group| {
            group
                .split(|&b| b == b'|')
                .filter_map(|alternative| {
                    let alternative = alternative.trim_ascii();
                    let end = alternative
                        .iter()
                        .position(|b| matches!(b, b' ' | b'\n' | b'\t' | b'(' | b'[' | b':' | b'<'))
                        .unwrap_or(alternative.len());
                    optional_text(&alternative[..end])
                })
                .collect::<Vec<_>>()
        })
        .filter(|group| !group.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_names_in_alternatives() {
        for (value, want) in [
            ("libc6 (>= 2.36)", "libc6"),
            ("a, b | c:any (>> 1),\n d [amd64 !arm64]", "a; b c; d"),
            ("perl:any", "perl"),
            (" , ", ""),
            ("", ""),
        ] {
            let got = parse_depends(value.as_bytes())
                .iter()
                .map(|group| group.join(" "))
                .collect::<Vec<_>>()
                .join("; ");
            assert_eq!(got, want, "{value}");
        }
    }

    #[test]
    fn fields_span_continuation_lines() {
        let stanza = b"Package: a\nDepends: b,\n c\nno colon\nDescription: x\n .\n y\nLast:z";
        let got: Vec<_> = fields(stanza).map(|(k, v)| (text(k), text(v))).collect();
        let want = [
            ("Package", "a"),
            ("Depends", "b,\n c"),
            ("Description", "x\n .\n y"),
            ("Last", "z"),
        ];
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert_eq!((got.0.as_str(), got.1.as_str()), want);
        }
    }

    #[test]
    fn removed_packages_are_not_installed() {
        for (status, installed) in [
            ("install ok installed", true),
            ("install ok half-configured", true),
            ("hold ok installed", true),
            ("deinstall ok config-files", false),
            ("unknown ok not-installed", false),
        ] {
            let stanza = format!("Package: a\nStatus: {status}\n");
            assert_eq!(parse(stanza.as_bytes()).is_some(), installed, "{status}");
        }
    }
}
