//! Trees written as layer tars: the same tree always gives the same bytes.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use tar_core::builder::{EntryBuilder, ExtensionMode, HeaderBuilder};
use tar_core::{EntryType, SparseEntry};

use crate::content::{Content, Contents, Extents};
use crate::entry::{Entry, Kind, Metadata, Time};
use crate::error::{Error, Result};
use crate::tree::{InodeId, NodeId, NodeKind, Tree};

const BLOCK: u64 = 512;
const CHUNK: usize = 256 << 10;

/// Writes a layer tar: ustar headers, PAX records only where ustar is too small
/// (long names, large ids and sizes, fractions of seconds, xattrs).
#[derive(Debug)]
pub struct TarWriter<W: Write> {
    output: W,
    buffer: Vec<u8>,
}

impl<W: Write> TarWriter<W> {
    /// Starts a tar stream on `output`.
    pub fn new(output: W) -> Self {
        Self {
            output,
            buffer: vec![0; CHUNK],
        }
    }

    /// Writes the nodes of `tree` for which `keep` answers yes, sorted by path.
    /// The first kept name of a file with hard links carries its bytes.
    ///
    /// # Errors
    /// When a content cannot be read or the output not written.
    pub fn write_tree(
        &mut self,
        tree: &Tree,
        contents: &Contents,
        mut keep: impl FnMut(NodeId) -> bool,
    ) -> Result<()> {
        let mut names: HashMap<InodeId, Vec<u8>> = HashMap::new();
        for node in tree.walk(tree.root()) {
            if !keep(node) {
                continue;
            }
            let path = tree.path(node);
            let metadata = tree.metadata(node);
            if tree.links(node) > 1 && !tree.is_directory(node) {
                if let Some(first) = names.get(&tree.inode(node)) {
                    let kind = Kind::HardLink(first.clone());
                    self.write_entry(&Entry {
                        path,
                        kind,
                        metadata,
                    })?;
                    continue;
                }
                names.insert(tree.inode(node), path.clone());
            }
            match tree.kind(node) {
                NodeKind::File(content) => self.write_file(&path, &metadata, content, contents)?,
                other => {
                    let kind = match other {
                        NodeKind::Symlink(target) => Kind::Symlink(target.to_vec()),
                        NodeKind::CharDevice { major, minor } => Kind::CharDevice {
                            major: *major,
                            minor: *minor,
                        },
                        NodeKind::BlockDevice { major, minor } => Kind::BlockDevice {
                            major: *major,
                            minor: *minor,
                        },
                        NodeKind::Fifo => Kind::Fifo,
                        NodeKind::Directory | NodeKind::File(_) => Kind::Directory,
                    };
                    self.write_entry(&Entry {
                        path,
                        kind,
                        metadata,
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Writes an entry that has no content of its own; files come out empty.
    ///
    /// # Errors
    /// When the output cannot be written, or a number does not fit any tar format.
    pub fn write_entry(&mut self, entry: &Entry) -> Result<()> {
        let empty = match &entry.kind {
            Kind::File { .. } => Kind::File { size: 0 },
            other => other.clone(),
        };
        self.write_header(&entry.path, &empty, &entry.metadata, None)
    }

    /// Writes a regular file with these bytes.
    ///
    /// # Errors
    /// As [`TarWriter::write_entry`].
    pub fn write_bytes(&mut self, path: &[u8], metadata: &Metadata, bytes: &[u8]) -> Result<()> {
        let kind = Kind::File {
            size: bytes.len() as u64,
        };
        self.write_header(path, &kind, metadata, None)?;
        self.write_all(path, bytes)?;
        self.pad(path, bytes.len() as u64)
    }

    /// Writes a regular file of exactly `size` bytes from a stream.
    ///
    /// # Errors
    /// As [`TarWriter::write_entry`], and when the stream fails or ends early.
    pub fn write_stream(
        &mut self,
        path: &[u8],
        metadata: &Metadata,
        size: u64,
        mut content: impl Read,
    ) -> Result<()> {
        self.write_header(path, &Kind::File { size }, metadata, None)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut left = size;
        let failed = |source| Error::Content {
            path: path.to_vec(),
            source,
        };
        while left > 0 {
            let want = left.min(CHUNK as u64) as usize;
            let read = content.read(&mut buffer[..want]).map_err(failed)?;
            if read == 0 {
                return Err(failed(io::ErrorKind::UnexpectedEof.into()));
            }
            self.write_all(path, &buffer[..read])?;
            left -= read as u64;
        }
        // Verifying readers report at the end.
        if content.read(&mut buffer[..1]).map_err(failed)? != 0 {
            return Err(failed(io::Error::other(
                "the stream is longer than declared",
            )));
        }
        self.buffer = buffer;
        self.pad(path, size)
    }

    /// Writes the end marker and returns the output.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self) -> Result<W> {
        self.write_all(b"", &[0; 2 * BLOCK as usize])?;
        Ok(self.output)
    }

    fn write_file(
        &mut self,
        path: &[u8],
        metadata: &Metadata,
        content: &Content,
        contents: &Contents,
    ) -> Result<()> {
        let kind = Kind::File { size: content.size };
        let runs: Vec<SparseEntry> = match &content.extents {
            Extents::Whole(_) => vec![SparseEntry {
                offset: 0,
                length: content.size,
            }],
            Extents::Sparse(extents) => extents
                .iter()
                .map(|extent| SparseEntry {
                    offset: extent.logical,
                    length: extent.length,
                })
                .collect(),
        };
        let sparse = matches!(content.extents, Extents::Sparse(_)).then_some(&runs[..]);
        self.write_header(path, &kind, metadata, sparse)?;
        let mut written = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        for run in &runs {
            let mut at = run.offset;
            while at < run.offset + run.length {
                let want = (run.offset + run.length - at).min(CHUNK as u64) as usize;
                contents
                    .read_at(content, &mut buffer[..want], at)
                    .map_err(|source| Error::Content {
                        path: path.to_vec(),
                        source,
                    })?;
                self.write_all(path, &buffer[..want])?;
                at += want as u64;
            }
            written += run.length;
        }
        self.buffer = buffer;
        self.pad(path, written)
    }

    fn write_header(
        &mut self,
        path: &[u8],
        kind: &Kind,
        metadata: &Metadata,
        sparse: Option<&[SparseEntry]>,
    ) -> Result<()> {
        let header = header(path, kind, metadata, sparse).map_err(|error| Error::Write {
            path: path.to_vec(),
            source: io::Error::other(error.to_string()),
        })?;
        self.write_all(path, &header)
    }

    fn write_all(&mut self, path: &[u8], bytes: &[u8]) -> Result<()> {
        self.output.write_all(bytes).map_err(|source| Error::Write {
            path: path.to_vec(),
            source,
        })
    }

    fn pad(&mut self, path: &[u8], written: u64) -> Result<()> {
        let padding = written.next_multiple_of(BLOCK) - written;
        self.write_all(path, &[0; BLOCK as usize][..padding as usize])
    }
}

fn header(
    path: &[u8],
    kind: &Kind,
    metadata: &Metadata,
    sparse: Option<&[SparseEntry]>,
) -> std::result::Result<Vec<u8>, tar_core::HeaderError> {
    let mut entry = EntryBuilder::with_mode(HeaderBuilder::new_ustar(), ExtensionMode::Pax);
    let mut name = path.to_vec();
    if *kind == Kind::Directory {
        name.extend_from_slice(if name.is_empty() { b"./" } else { b"/" });
    }
    entry.path(&name);
    entry
        .mode(metadata.mode.into())?
        .uid(metadata.uid.into())?
        .gid(metadata.gid.into())?;
    entry.mtime(u64::try_from(metadata.mtime.seconds).unwrap_or(0))?;
    entry.size(0)?;
    match kind {
        Kind::File { size } => {
            let stored = sparse.map_or(*size, |runs| runs.iter().map(|run| run.length).sum());
            entry.entry_type(EntryType::Regular).size(stored)?;
            if let Some(runs) = sparse {
                entry.sparse(runs, *size);
            }
        }
        Kind::Directory => {
            entry.entry_type(EntryType::Directory);
        }
        Kind::Symlink(target) => {
            entry.entry_type(EntryType::Symlink).link_name(target);
        }
        Kind::HardLink(target) => {
            entry.entry_type(EntryType::Link).link_name(target);
        }
        Kind::CharDevice { major, minor } => {
            entry.entry_type(EntryType::Char).device(*major, *minor)?;
        }
        Kind::BlockDevice { major, minor } => {
            entry.entry_type(EntryType::Block).device(*major, *minor)?;
        }
        Kind::Fifo => {
            entry.entry_type(EntryType::Fifo);
        }
    }
    if metadata.mtime.nanoseconds != 0 || metadata.mtime.seconds < 0 {
        entry.add_pax("mtime", decimal(metadata.mtime));
    }
    for xattr in &metadata.xattrs {
        // Names in PAX keys are text; the kernel's own are all ASCII.
        let key = format!("SCHILY.xattr.{}", String::from_utf8_lossy(&xattr.name));
        entry.add_pax(&key, &xattr.value);
    }
    Ok(entry.finish_bytes())
}

/// Spells a time as PAX has it; before 1970 the fraction counts backwards too.
fn decimal(time: Time) -> String {
    let (sign, seconds, nanoseconds) = match (time.seconds, time.nanoseconds) {
        (seconds @ 0.., nanoseconds) => ("", seconds.unsigned_abs(), nanoseconds),
        (seconds, 0) => ("-", seconds.unsigned_abs(), 0),
        (seconds, nanoseconds) => ("-", seconds.unsigned_abs() - 1, 1_000_000_000 - nanoseconds),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
