//! Digests of files of the host, remembered as long as the files do not change.
//!
//! A file is the same while its inode, size and both times are. One that changed within the last two
//! seconds is not remembered: it might change again without its times showing it.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use image::Digest;
use image::digest::Hasher;

/// Bytes of a record: device, inode, size, two times in nanoseconds, the digest.
const RECORD: usize = 5 * 8 + 32;
/// Files below this are read faster than they are looked up from disk again.
const SMALL: u64 = 4096;
/// Most records that are kept; beyond, all are forgotten.
const MOST: usize = 2_000_000;

type Identity = [u64; 5];

/// The remembered digests.
#[derive(Debug)]
pub(super) struct Digests {
    path: PathBuf,
    known: Mutex<HashMap<Identity, [u8; 32]>>,
    changed: AtomicBool,
    /// Files younger than this are not remembered, in nanoseconds.
    recent: i64,
}

impl Digests {
    pub(super) fn open(path: PathBuf, now: i64) -> Self {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let known = bytes.chunks_exact(RECORD).filter_map(|record| {
            let mut identity = [0; 5];
            for (word, bytes) in identity.iter_mut().zip(record.chunks_exact(8)) {
                *word = u64::from_le_bytes(bytes.try_into().ok()?);
            }
            Some((identity, record[40..].try_into().ok()?))
        });
        let known: HashMap<_, _> = known.collect();
        Self {
            path,
            known: Mutex::new(known),
            changed: AtomicBool::new(false),
            recent: (now - 2).saturating_mul(1_000_000_000),
        }
    }

    /// Returns the digest of a file's bytes, as 32 bytes.
    pub(super) fn of(&self, path: &Path, metadata: &Metadata) -> io::Result<[u8; 32]> {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        let mtime = nanoseconds(metadata.mtime(), metadata.mtime_nsec());
        let ctime = nanoseconds(metadata.ctime(), metadata.ctime_nsec());
        let identity = [
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            mtime.cast_unsigned(),
            ctime.cast_unsigned(),
        ];
        let remember = metadata.len() >= SMALL && mtime.max(ctime) < self.recent;
        if remember && let Some(found) = self.lock().get(&identity) {
            return Ok(*found);
        }
        let digest = read(path)?;
        if remember {
            self.lock().insert(identity, digest);
            self.changed.store(true, Ordering::Relaxed);
        }
        Ok(digest)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Identity, [u8; 32]>> {
        self.known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes what has become known. Failing to is no failure: files are read again.
    pub(super) fn save(&self) {
        if !self.changed.load(Ordering::Relaxed) {
            return;
        }
        let known = self.lock();
        let mut bytes = Vec::with_capacity(known.len() * RECORD);
        if known.len() <= MOST {
            for (identity, digest) in known.iter() {
                identity
                    .iter()
                    .for_each(|word| bytes.extend(word.to_le_bytes()));
                bytes.extend(digest);
            }
        }
        let written = self.path.parent().and_then(|parent| {
            let mut file = tempfile::NamedTempFile::new_in(parent).ok()?;
            io::Write::write_all(&mut file, &bytes).ok()?;
            file.persist(&self.path).ok()
        });
        if written.is_none() {
            tracing::debug!("cannot remember digests in `{}`", self.path.display());
        }
    }
}

fn read(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    let (digest, _) = hasher.finish();
    Ok(bytes(digest))
}

/// The 32 bytes of a digest.
pub(super) fn bytes(digest: Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    let hex = digest.hex();
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let text = std::str::from_utf8(pair).unwrap_or("0");
        *byte = u8::from_str_radix(text, 16).unwrap_or(0);
    }
    bytes
}
