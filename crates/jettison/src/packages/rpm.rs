//! The databases of rpm: the SQLite one is read, the older formats are recognised.
//!
//! A row of its table `Packages` is the header of a package: an index of tags,
//! then their values (rpm's `docs/manual/format_header.md`).

use std::collections::{BTreeSet, HashMap};

use layer::NodeId;

use super::sqlite::write::{self, Tree};
use super::sqlite::{self, Damage, Database, Object};
use super::{Error, Format, Package, Reading, State, optional_text, text};

/// `%_dbpath` of Fedora and Red Hat before and after Fedora 36, and of SUSE.
const DIRECTORIES: [&[u8]; 2] = [b"usr/lib/sysimage/rpm", b"var/lib/rpm"];

const FILES: [(&[u8], Format); 3] = [
    (b"rpmdb.sqlite", Format::Rpm),
    (b"Packages.db", Format::RpmNdb),
    (b"Packages", Format::RpmBerkeley),
];

/// Tags of one header. Real headers have about a hundred.
const MAX_TAGS: usize = 65_536;

pub(super) fn read(reading: &mut Reading<'_>) -> Result<(), Error> {
    let mut seen: Vec<NodeId> = Vec::new();
    for directory in DIRECTORIES {
        for (name, format) in FILES {
            let path = [directory, b"/", name].concat();
            let Some(node) = reading.find_file(&path) else {
                continue;
            };
            // One directory is often a link to the other.
            if seen.contains(&node) {
                continue;
            }
            seen.push(node);
            if format == Format::Rpm {
                read_sqlite(reading, node)?;
            } else {
                reading.add_database(format, node, State::Unsupported);
            }
        }
    }
    Ok(())
}

fn read_sqlite(reading: &mut Reading<'_>, node: NodeId) -> Result<(), Error> {
    let bytes = reading.read_node(node)?;
    let log = log(reading.tree, node);
    let log = log.map(|node| reading.read_node(node)).transpose()?;
    let log = log.unwrap_or_default();
    let database = reading.add_database(Format::Rpm, node, State::Complete);
    let rows = match headers(&bytes, &log) {
        Ok(rows) => rows,
        Err(reason) => {
            reading.db.databases[database].state = State::Damaged { reason };
            return Ok(());
        }
    };
    for (row, blob) in rows {
        let Some((mut package, paths)) = parse(&blob) else {
            let reason = "the header of a package makes no sense";
            reading.db.databases[database].state = State::Damaged { reason };
            continue;
        };
        // Public keys are rows as well.
        if package.name == "gpg-pubkey" {
            continue;
        }
        package.database = database;
        package.record.row = row;
        let name = package.name.clone();
        let id = reading.add_package(package, &blob);
        let paths = paths.iter().map(Vec::as_slice);
        reading.claims.claim(id, name.as_bytes(), paths);
    }
    Ok(())
}

/// Returns the write-ahead log beside a database.
pub(super) fn log(tree: &layer::Tree, database: NodeId) -> Option<NodeId> {
    let name = [tree.name(database), b"-wal"].concat();
    tree.child(tree.parent(database), &name)
}

/// Returns the rows of the table `Packages`.
fn headers(bytes: &[u8], log: &[u8]) -> Result<Vec<(i64, Vec<u8>)>, Damage> {
    let database = Database::new(bytes, log)?;
    let schema = database.schema()?;
    let table = schema
        .iter()
        .find(|object| object.kind == b"table" && object.name == b"Packages")
        .ok_or("it has no table `Packages`")?;
    let rows = database.entries(table.root)?;
    rows.into_iter()
        .map(|(row, record)| {
            let values = sqlite::parse_record(&record)?;
            let blob = values.get(1).map(sqlite::Value::bytes);
            Ok((row, blob.unwrap_or_default().to_vec()))
        })
        .collect()
}

/// Writes the database again, with only the packages of the rows `keep`.
///
/// The headers stay as they are, since a signature covers them; other tables
/// keep the rows that name a kept package, and keys stay.
pub(super) fn reduce(bytes: &[u8], log: &[u8], keep: &BTreeSet<i64>) -> Result<Vec<u8>, Damage> {
    let database = Database::new(bytes, log)?;
    let schema = database.schema()?;
    let is_packages = |object: &&Object| object.kind == b"table" && object.name == b"Packages";
    let packages = schema.iter().find(is_packages);
    let packages = database.entries(packages.ok_or("it has no table `Packages`")?.root)?;
    let gone: BTreeSet<i64> = packages
        .iter()
        .filter(|(row, record)| !keep.contains(row) && !is_key(record))
        .map(|(row, _)| *row)
        .collect();
    let mut removed: HashMap<&[u8], BTreeSet<i64>> = HashMap::new();
    let mut trees = Vec::new();
    // Tables first, whatever their place in the schema: indexes follow their tables.
    for table in schema.iter().filter(|object| object.kind == b"table") {
        let rows = database.entries(table.root)?;
        let rows = rows.iter().filter(|row| belongs_to(table, row, &gone));
        removed.insert(&table.name, rows.map(|(row, _)| *row).collect());
    }
    for object in &schema {
        let mut entries = Vec::new();
        if object.root != 0 {
            let rows = removed.get(object.table.as_slice());
            let rows = rows.ok_or("an index has no table")?;
            let index = object.kind == b"index";
            entries = database.entries(object.root)?;
            entries.retain(|(row, record)| {
                let row = if index {
                    sqlite::last_integer(record)
                } else {
                    Some(*row)
                };
                row.is_none_or(|row| !rows.contains(&row))
            });
        }
        let object = object.clone();
        trees.push(Tree { object, entries });
    }
    Ok(write::write(database.header(), trees))
}

/// Returns whether a row of `Packages` is a public key of the administrator.
fn is_key(record: &[u8]) -> bool {
    let values = sqlite::parse_record(record).unwrap_or_default();
    let header = values.get(1).and_then(|blob| Header::new(blob.bytes()));
    header.is_some_and(|header| header.string(tag::NAME) == b"gpg-pubkey")
}

/// Returns whether a row of a table belongs to one of these packages.
fn belongs_to(table: &Object, (row, record): &sqlite::Entry, packages: &BTreeSet<i64>) -> bool {
    if table.name == b"Packages" {
        return packages.contains(row);
    }
    // The tables by which rpm finds packages are (key, hnum, idx).
    if memchr::memmem::find(table.sql.bytes(), b"hnum").is_none() {
        return false;
    }
    let values = sqlite::parse_record(record).unwrap_or_default();
    let package = values.get(1).and_then(sqlite::Value::integer);
    package.is_some_and(|package| packages.contains(&package))
}

/// Tags that are used here (rpm's `include/rpm/rpmtag.h`).
mod tag {
    pub(super) const NAME: u32 = 1000;
    pub(super) const VERSION: u32 = 1001;
    pub(super) const RELEASE: u32 = 1002;
    pub(super) const EPOCH: u32 = 1003;
    pub(super) const SIZE: u32 = 1009;
    pub(super) const VENDOR: u32 = 1011;
    pub(super) const LICENSE: u32 = 1014;
    pub(super) const PACKAGER: u32 = 1015;
    pub(super) const GROUP: u32 = 1016;
    pub(super) const URL: u32 = 1020;
    pub(super) const ARCH: u32 = 1022;
    pub(super) const SOURCE: u32 = 1044;
    pub(super) const PROVIDES: u32 = 1047;
    pub(super) const REQUIRES: u32 = 1049;
    pub(super) const RECOMMENDS: u32 = 5046;
    pub(super) const SUGGESTS: u32 = 5049;
    pub(super) const DIRECTORY_OF: u32 = 1116;
    pub(super) const BASE_NAMES: u32 = 1117;
    pub(super) const DIRECTORIES: u32 = 1118;
    pub(super) const LONG_SIZE: u32 = 5009;
}

/// A header: its index of tags, and the values that this points into.
struct Header<'a> {
    index: &'a [u8],
    values: &'a [u8],
}

impl<'a> Header<'a> {
    fn new(blob: &'a [u8]) -> Option<Self> {
        let tags = be32(blob, 0)? as usize;
        let length = be32(blob, 4)? as usize;
        if tags > MAX_TAGS {
            return None;
        }
        let index = blob.get(8..8 + tags * 16)?;
        let start = 8 + tags * 16;
        let values = blob.get(start..start.checked_add(length)?)?;
        Some(Self { index, values })
    }

    /// Returns the type of a tag, its number of values, and the values.
    fn find(&self, tag: u32) -> Option<(u32, usize, &'a [u8])> {
        let entry = self
            .index
            .chunks_exact(16)
            .find(|entry| be32(entry, 0) == Some(tag))?;
        let offset = be32(entry, 8)? as usize;
        let values = self.values.get(offset..)?;
        Some((be32(entry, 4)?, be32(entry, 12)? as usize, values))
    }

    /// Returns the strings of a tag of type 6, 8 or 9.
    fn strings(&self, tag: u32) -> Vec<&'a [u8]> {
        match self.find(tag) {
            Some((6 | 8 | 9, count, values)) => {
                // The part after the last zero byte is not a string.
                let end = memchr::memrchr(0, values).unwrap_or(0);
                let count = count.min(values.len());
                values[..end].split(|&b| b == 0).take(count).collect()
            }
            _ => Vec::new(),
        }
    }

    fn string(&self, tag: u32) -> &'a [u8] {
        self.strings_first(tag).unwrap_or_default()
    }

    fn strings_first(&self, tag: u32) -> Option<&'a [u8]> {
        let (kind, _, values) = self.find(tag)?;
        let end = memchr::memchr(0, values)?;
        matches!(kind, 6 | 8 | 9).then_some(&values[..end])
    }

    /// Returns the numbers of a tag of type 4 or 5.
    fn numbers(&self, tag: u32) -> Vec<u64> {
        match self.find(tag) {
            Some((4, count, values)) => {
                let words = values.chunks_exact(4).take(count);
                words
                    .filter_map(|word| be32(word, 0))
                    .map(u64::from)
                    .collect()
            }
            Some((5, count, values)) => {
                let words = values.chunks_exact(8).take(count);
                words
                    .map(|word| word.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Parses a header into a package and its paths.
fn parse(blob: &[u8]) -> Option<(Package, Vec<Vec<u8>>)> {
    let header = Header::new(blob)?;
    let name = text(header.string(tag::NAME));
    if name.is_empty() {
        return None;
    }
    let epoch = header
        .numbers(tag::EPOCH)
        .first()
        .map(|epoch| format!("{epoch}:"));
    let evr = format!(
        "{}{}-{}",
        epoch.unwrap_or_default(),
        text(header.string(tag::VERSION)),
        text(header.string(tag::RELEASE))
    );
    let size = header.numbers(tag::LONG_SIZE);
    let size = size.first().copied();
    let maintainer = optional_text(header.string(tag::PACKAGER));
    let provides = header.strings(tag::PROVIDES).into_iter().map(text);
    let requires = header.strings(tag::REQUIRES).into_iter().map(text);
    let package = Package {
        version: evr,
        architecture: text(header.string(tag::ARCH)),
        source: source(header.string(tag::SOURCE)),
        // rpmlib(...) is about rpm itself.
        depends: requires
            .filter(|name| !name.starts_with("rpmlib("))
            .map(|name| vec![name])
            .collect(),
        suggests: [tag::RECOMMENDS, tag::SUGGESTS]
            .into_iter()
            .flat_map(|tag| header.strings(tag).into_iter().map(text))
            .collect(),
        provides: provides.filter(|provided| *provided != name).collect(),
        section: optional_text(header.string(tag::GROUP)),
        maintainer: maintainer.or_else(|| optional_text(header.string(tag::VENDOR))),
        license: optional_text(header.string(tag::LICENSE)),
        homepage: optional_text(header.string(tag::URL)),
        installed_size: size
            .or_else(|| header.numbers(tag::SIZE).first().copied())
            .unwrap_or(0),
        name,
        ..Package::default()
    };
    let directories = header.strings(tag::DIRECTORIES);
    let names = header.strings(tag::BASE_NAMES);
    let indexes = header.numbers(tag::DIRECTORY_OF);
    let paths = names
        .iter()
        .zip(indexes)
        .filter_map(|(name, at)| {
            let directory = directories.get(usize::try_from(at).ok()?)?;
            Some([directory, *name].concat())
        })
        .collect();
    Some((package, paths))
}

/// Splits `name-version-release.src.rpm`.
fn source(file: &[u8]) -> super::Source {
    let file = text(file);
    let stem = file.strip_suffix(".rpm").unwrap_or(&file);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let mut parts = stem.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(release), Some(version), Some(name)) => super::Source {
            name: name.to_owned(),
            version: format!("{version}-{release}"),
        },
        _ => super::Source::default(),
    }
}
