//! What builds have left in the store to be quicker the next time: how much it is, and away with it.
//!
//! The images of the store are not touched. Everything here can be made again, at the price of time.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use image::Store;
use image::store::Kept;

use super::Error;
use super::cache::{Remembered, Speaks, Steps};
use super::snapshot::mark_of;

/// What something is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A remembered step, with its layer if no image has it.
    Step,
    /// Files of layers, in directories.
    Files,
    /// A cache that `RUN --mount=type=cache` has filled.
    Mount,
}

impl Part {
    /// Returns what docker calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "regular",
            Self::Files => "source.local",
            Self::Mount => "exec.cachemount",
        }
    }
}

/// Something that builds have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is for.
    pub part: Part,
    /// What it is called: the beginning of a key or a chain id, or the id of a mount.
    pub id: String,
    /// Bytes that it takes on disk.
    pub bytes: u64,
    /// When it was last used.
    pub used: SystemTime,
    path: PathBuf,
}

/// What is to go. All conditions hold.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Not used for this long.
    pub unused_for: Option<Duration>,
    /// One of these.
    pub parts: Vec<Part>,
    /// Called this.
    pub ids: Vec<String>,
    /// The longest unused, until no more than these bytes are left.
    pub keep: Option<u64>,
}

impl Selection {
    fn wants(&self, record: &Record, now: SystemTime) -> bool {
        let age = now.duration_since(record.used).unwrap_or_default();
        self.unused_for.is_none_or(|wanted| age >= wanted)
            && (self.parts.is_empty() || self.parts.contains(&record.part))
            && (self.ids.is_empty() || self.ids.contains(&record.id))
    }
}

/// Lists what builds have left, the longest unused first.
///
/// # Errors
/// When the store cannot be read.
pub fn records(store: &Store) -> Result<Vec<Record>, Error> {
    let held = held(store)?;
    let mut records = Vec::new();
    for remembered in steps(store)? {
        let layer = match &remembered.speaks {
            Speaks::Step(Some(layer)) if !held.contains(&layer.digest) => {
                Some(layer).filter(|layer| store.layout().has(layer))
            }
            _ => None,
        };
        let metadata = match fs::metadata(&remembered.path) {
            Ok(metadata) => metadata,
            Err(_) => continue, // gone in the meantime
        };
        records.push(Record {
            part: Part::Step,
            id: short(&remembered.id),
            bytes: metadata.len() + layer.map_or(0, |layer| layer.size),
            used: modified(&metadata),
            path: remembered.path,
        });
    }
    for path in entries(&store.cache().join("snapshots"))? {
        let name = file_name(&path);
        let Some((chain, "full" | "diff")) = name.rsplit_once('.') else {
            continue;
        };
        // Made by a version that left no mark: the rename is as good.
        let used = fs::metadata(mark_of(&path)).map(|metadata| modified(&metadata));
        let used = used.or_else(|_| fs::metadata(&path).map(|metadata| changed(&metadata)));
        records.push(Record {
            part: Part::Files,
            id: short(chain),
            bytes: usage(&path),
            used: used.unwrap_or(SystemTime::UNIX_EPOCH),
            path,
        });
    }
    for path in entries(&store.cache().join("mounts"))? {
        let name = file_name(&path);
        if name.contains('.') {
            continue;
        }
        let id_path = path.with_extension("id");
        let used = fs::metadata(&id_path).map(|metadata| modified(&metadata));
        records.push(Record {
            part: Part::Mount,
            id: fs::read_to_string(&id_path).unwrap_or_else(|_| short(&name)),
            bytes: usage(&path),
            used: used.unwrap_or(SystemTime::UNIX_EPOCH),
            path,
        });
    }
    records.sort_by_key(|record| (record.used, record.part, record.id.clone()));
    Ok(records)
}

/// Removes what is selected, and the layers that only it needed. Returns what is gone.
///
/// # Errors
/// When builds go on, or something cannot be removed.
pub fn prune(store: &Store, selection: &Selection) -> Result<Vec<Record>, Error> {
    let alone = store.alone()?;
    let now = SystemTime::now();
    let all = records(store)?;
    let mut left: u64 = all.iter().map(|record| record.bytes).sum();
    let mut gone = Vec::new();
    for record in all {
        let enough = selection.keep.is_some_and(|keep| left <= keep);
        if enough || !selection.wants(&record, now) {
            continue;
        }
        remove(&record)?;
        left = left.saturating_sub(record.bytes);
        gone.push(record);
    }
    let mut kept = Kept::default();
    for remembered in steps(store)? {
        match remembered.speaks {
            Speaks::Step(layer) => kept.blobs.extend(layer.map(|layer| layer.digest)),
            Speaks::Base(manifest) if store.layout().has(&manifest) => {
                kept.manifests.push(manifest)
            }
            Speaks::Base(_) => {}
        }
    }
    store.remove_but(&alone, |_| false, &kept)?;
    Ok(gone)
}

fn remove(record: &Record) -> Result<(), Error> {
    let path = &record.path;
    let failed = Error::file("remove", path);
    if record.part == Part::Step {
        return fs::remove_file(path).map_err(failed);
    }
    // First away from its name: half a directory must not be found under it.
    let doomed = path.with_file_name(format!("work-{}", file_name(path)));
    fs::rename(path, &doomed).map_err(&failed)?;
    fs::remove_dir_all(&doomed).map_err(failed)?;
    let beside = match record.part {
        Part::Mount => ["id", "lock"].map(|extension| path.with_extension(extension)),
        _ => [mark_of(path), mark_of(path)],
    };
    for path in beside {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn steps(store: &Store) -> Result<Vec<Remembered>, Error> {
    let directory = store.cache().join("build");
    let failed = Error::file("read", &directory);
    let steps = Steps::open(directory.clone()).map_err(&failed)?;
    steps.list().map_err(failed)
}

/// The blobs that images of the store have.
fn held(store: &Store) -> Result<HashSet<image::Digest>, Error> {
    let mut held = HashSet::new();
    for entry in store.entries()? {
        let blobs = image::Blobs::new(store.layout().clone());
        let read = blobs.read(&entry.descriptor, image::manifest::MAX_SIZE);
        let document = read.and_then(|bytes| image::manifest::Document::parse(&bytes, None));
        if let Ok(image::manifest::Document::Manifest(manifest)) = document {
            held.extend(manifest.layers.iter().map(|layer| layer.digest));
        }
    }
    Ok(held)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::file("read", directory)(error)),
    }
}

/// The bytes that a directory takes; what has several names counts once.
fn usage(directory: &Path) -> u64 {
    let mut seen = HashSet::new();
    let mut total = 0;
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                pending.push(entry.path());
            }
            if metadata.nlink() < 2 || seen.insert((metadata.dev(), metadata.ino())) {
                total += metadata.blocks() * 512;
            }
        }
    }
    total
}

fn modified(metadata: &Metadata) -> SystemTime {
    metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn changed(metadata: &Metadata) -> SystemTime {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// As much of a digest as people compare.
fn short(hex: &str) -> String {
    hex.trim_start_matches("base-").chars().take(12).collect()
}
