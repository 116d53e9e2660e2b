//! The database of apk: `installed`, one record a package, a letter a field
//! (the "Installed database V2" of the Alpine wiki, and apk-tools' database.c).

use super::{Error, Format, Package, Reading, State, optional_text, paragraphs, text};

/// Where it is; apk-tools 3 moved it.
const PATHS: [&[u8]; 2] = [b"lib/apk/db/installed", b"usr/lib/apk/db/installed"];

pub(super) fn read(reading: &mut Reading<'_>) -> Result<(), Error> {
    // On a merged-/usr system both are one file.
    let Some(node) = PATHS.iter().find_map(|path| reading.find_file(path)) else {
        return Ok(());
    };
    let bytes = reading.read_node(node)?;
    let database = reading.add_database(Format::Apk, node, State::Complete);
    for range in paragraphs(&bytes) {
        let record = &bytes[range];
        let Some(mut package) = parse(record) else {
            continue;
        };
        package.database = database;
        let name = package.name.clone();
        let id = reading.add_package(package, record);
        let paths = paths(record);
        let paths = paths.iter().map(Vec::as_slice);
        reading.claims.claim(id, name.as_bytes(), paths);
    }
    Ok(())
}

/// A line of a record: its letter and its value.
pub(super) fn line(line: &[u8]) -> Option<(u8, &[u8])> {
    match line {
        [letter, b':', value @ ..] => Some((*letter, value)),
        _ => None,
    }
}

/// Joins a directory of an `F:` line with a name of an `R:` line.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        name.to_vec()
    } else {
        [directory, b"/", name].concat()
    }
}

fn paths(record: &[u8]) -> Vec<Vec<u8>> {
    let mut directory: &[u8] = b"";
    let mut paths = Vec::new();
    for (letter, value) in record.split(|&b| b == b'\n').filter_map(line) {
        match letter {
            b'F' => {
                directory = value;
                paths.push(value.to_vec());
            }
            b'R' => paths.push(join(directory, value)),
            _ => {}
        }
    }
    paths
}

fn parse(record: &[u8]) -> Option<Package> {
    let mut package = Package::default();
    for (letter, value) in record.split(|&b| b == b'\n').filter_map(line) {
        match letter {
            b'P' => package.name = text(value),
            b'V' => package.version = text(value),
            b'A' => package.architecture = text(value),
            b'o' => package.source.name = text(value),
            b'L' => package.license = optional_text(value),
            b'U' => package.homepage = optional_text(value),
            b'm' => package.maintainer = optional_text(value),
            b'I' => package.installed_size = text(value).parse().unwrap_or(0),
            b'D' => {
                // `!name` is a conflict.
                let needed = names(value).filter(|name| !name.starts_with('!'));
                package.depends = needed.map(|name| vec![name]).collect();
            }
            b'p' => package.provides = names(value).collect(),
            // Files follow.
            b'F' => break,
            _ => {}
        }
    }
    (!package.name.is_empty()).then_some(package)
}

/// Names without version constraint: `so:libz.so.1=1.3`, `musl>=1.2`, `a~3`, `b@edge`.
fn names(value: &[u8]) -> impl Iterator<Item = String> {
    let words = value.split(|&b| b == b' ').filter(|word| !word.is_empty());
    words.filter_map(|word| {
        let end = word.iter().position(|b| b"=<>~@".contains(b));
        optional_text(&word[..end.unwrap_or(word.len())])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_cut_off() {
        let got: Vec<_> = names(b"so:libz.so.1=1.3.1 musl>=1.2 a~3 !b<1 cmd:x /bin/sh").collect();
        let want = ["so:libz.so.1", "musl", "a", "!b", "cmd:x", "/bin/sh"];
        assert_eq!(got, want);
    }
}
