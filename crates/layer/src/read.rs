//! Layer tar streams, member by member.

use std::io::Read;

use tar_core::parse::{Limits as TarLimits, ParseEvent, ParsedEntry, Parser};
use tar_core::{EntryType, PaxExtensions, SparseEntry};

use crate::content::{Content, Extent, Extents, FileSliceReader};
use crate::entry::{Entry, Kind, Metadata, Time, Xattr};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::path::clean_member_name;

/// Bytes read at once. Large enough that hashing and copying run at memory
/// speed, small enough for the second-level cache.
const CHUNK: usize = 256 << 10;

const BLOCK: u64 = 512;

/// Longest path that the kernel takes (`PATH_MAX`, limits.h); longer ones cannot be unpacked anyway.
const PATH_MAX: u32 = 4096;

/// Runs of one sparse file; ten times what a large database file has.
const MAX_RUNS: usize = 100_000;

/// A member, and where its bytes are in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name, kind and attributes.
    pub entry: Entry,
    /// For a regular file, where its bytes are.
    pub content: Option<Content>,
}

/// Reads the members of one layer, in order. Contents are skipped; callers that
/// want them read the layer again at the offsets given.
#[derive(Debug)]
pub struct TarReader<R> {
    input: R,
    layer: u32,
    limits: Limits,
    parser: Parser,
    buffer: Vec<u8>,
    /// The unread part of `buffer`.
    start: usize,
    end: usize,
    /// Position of `start` in the stream.
    offset: u64,
    entries: u64,
    at_end: bool,
    /// How to pass over contents without reading them, where that is possible;
    /// returns how many bytes there were to pass over.
    seek: Option<fn(&mut R, u64) -> u64>,
}

impl TarReader<FileSliceReader> {
    /// Starts reading a layer that lies in a file; contents are not even read.
    pub fn seekable(input: FileSliceReader, layer: u32, limits: Limits) -> Self {
        Self {
            seek: Some(FileSliceReader::skip),
            ..Self::new(input, layer, limits)
        }
    }
}

impl<R: Read> TarReader<R> {
    /// Starts reading the layer with index `layer` from uncompressed `input`.
    pub fn new(input: R, layer: u32, limits: Limits) -> Self {
        let tar_limits = TarLimits {
            max_metadata_size: limits.metadata,
            max_path_len: Some(PATH_MAX),
            max_sparse_entries: MAX_RUNS,
            ..TarLimits::default()
        };
        let mut parser = Parser::new(tar_limits);
        // It takes times before 1970 for errors; `records` checks instead.
        parser.set_ignore_pax_errors(true);
        Self {
            input,
            layer,
            limits,
            parser,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            offset: 0,
            entries: 0,
            at_end: false,
            seek: None,
        }
    }

    /// Returns the next member, or nothing at the end of the archive.
    ///
    /// At the end, the rest of the stream is read and thrown away, so that
    /// digests computed underneath cover all of it.
    ///
    /// # Errors
    /// [`Error::Tar`], [`Error::Truncated`], [`Error::LimitExceeded`], and the
    /// errors of names and numbers.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        let mut wanted = BLOCK as usize;
        loop {
            self.fill(wanted)?;
            let available = self.end - self.start;
            if self.at_end && available == 0 {
                return Ok(None); // no end marker: Go and GNU tar accept it too
            }
            let unread = &self.buffer[self.start..self.end];
            if available == BLOCK as usize && wanted > available && unread.iter().all(|b| *b == 0) {
                return Ok(None); // half an end marker: they accept that too
            }
            if available < wanted {
                let missing = (wanted - available) as u64;
                return Err(Error::Truncated {
                    offset: self.offset + available as u64,
                    missing,
                });
            }
            let input = &self.buffer[self.start..self.end];
            let event = self.parser.parse(input).map_err(|source| Error::Tar {
                offset: self.offset,
                source,
            })?;
            match event {
                ParseEvent::NeedData { min_bytes } => wanted = min_bytes.max(wanted + 1),
                ParseEvent::GlobalExtensions { consumed, .. } => {
                    // Go's archive/tar, hence Docker, does not apply them either.
                    self.consume(consumed);
                    wanted = BLOCK as usize;
                }
                ParseEvent::End { .. } => {
                    self.drain()?;
                    return Ok(None);
                }
                ParseEvent::Entry { consumed, entry } => {
                    let stored = entry.size;
                    let content = Placed {
                        start: self.offset + consumed as u64,
                        sparse: None,
                    };
                    let member = member(&entry, content, self.layer)?;
                    return self.finish_member(consumed, stored, member);
                }
                ParseEvent::SparseEntry {
                    consumed,
                    entry,
                    sparse_map,
                    real_size,
                } => {
                    let stored = entry.size;
                    let content = Placed {
                        start: self.offset + consumed as u64,
                        sparse: Some((sparse_map, real_size)),
                    };
                    let member = member(&entry, content, self.layer)?;
                    return self.finish_member(consumed, stored, member);
                }
            }
        }
    }

    fn finish_member(
        &mut self,
        consumed: usize,
        stored: u64,
        member: Member,
    ) -> Result<Option<Member>> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Error::LimitExceeded {
                what: "entries",
                limit: self.limits.entries,
            });
        }
        self.consume(consumed);
        let padded = stored
            .checked_next_multiple_of(BLOCK)
            .ok_or_else(|| Error::OutOfRange {
                path: member.entry.path.clone(),
                field: "size",
                value: stored,
            })?;
        self.skip(padded)?;
        Ok(Some(member))
    }

    /// Reads until `wanted` bytes are buffered or the input ends.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        if self.end - self.start >= wanted {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted.next_multiple_of(CHUNK), 0);
        }
        while self.end < wanted && !self.at_end {
            self.read_more()?;
        }
        Ok(())
    }

    fn read_more(&mut self) -> Result<()> {
        let position = self.offset + (self.end - self.start) as u64;
        let read = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => {
                    break other.map_err(|source| Error::Read {
                        offset: position,
                        source,
                    })?;
                }
            }
        };
        self.at_end = read == 0;
        self.end += read;
        if position + read as u64 > self.limits.bytes {
            let limit = self.limits.bytes;
            return Err(Error::LimitExceeded {
                what: "uncompressed bytes",
                limit,
            });
        }
        Ok(())
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    fn skip(&mut self, mut bytes: u64) -> Result<()> {
        loop {
            let available = self.end - self.start;
            let step = usize::try_from(bytes).unwrap_or(usize::MAX).min(available);
            self.consume(step);
            bytes -= step as u64;
            if bytes == 0 {
                return Ok(());
            }
            if self.at_end {
                return Err(Error::Truncated {
                    offset: self.offset,
                    missing: bytes,
                });
            }
            (self.start, self.end) = (0, 0);
            match self.seek {
                Some(seek) if bytes > CHUNK as u64 => {
                    let passed = seek(&mut self.input, bytes);
                    self.offset += passed;
                    bytes -= passed;
                    if bytes > 0 {
                        return Err(Error::Truncated {
                            offset: self.offset,
                            missing: bytes,
                        });
                    }
                    return Ok(());
                }
                _ => self.read_more()?,
            }
        }
    }

    fn drain(&mut self) -> Result<()> {
        while !self.at_end {
            self.consume(self.end - self.start);
            (self.start, self.end) = (0, 0);
            self.read_more()?;
        }
        Ok(())
    }
}

/// Where the parser found a member's bytes.
struct Placed {
    start: u64,
    sparse: Option<(Vec<SparseEntry>, u64)>,
}

fn member(parsed: &ParsedEntry<'_>, placed: Placed, layer: u32) -> Result<Member> {
    let path = clean_member_name(&parsed.path)?;
    let mtime = records(parsed, &path)?;
    let kind = kind(parsed, &path, placed.sparse.as_ref().map(|(_, size)| *size))?;
    let metadata = metadata(parsed, &path, mtime)?;
    let content = match kind {
        Kind::File { size } => Some(content(&path, placed, size, parsed.size, layer)?),
        _ => None,
    };
    Ok(Member {
        entry: Entry {
            path,
            kind,
            metadata,
        },
        content,
    })
}

fn content(path: &[u8], placed: Placed, size: u64, stored: u64, layer: u32) -> Result<Content> {
    let extents = match placed.sparse {
        None => Extents::Whole(placed.start),
        Some((map, _)) => {
            let mut position = 0;
            let mut end = 0;
            let mut extents = Vec::with_capacity(map.len());
            for run in map.iter().filter(|run| run.length > 0) {
                let run_end = run.offset.checked_add(run.length).filter(|e| *e <= size);
                let stored_end = run.length.checked_add(position);
                let fits = run.offset >= end && stored_end.is_some_and(|end| end <= stored);
                let (Some(run_end), true) = (run_end, fits) else {
                    let value = run.offset;
                    return Err(Error::OutOfRange {
                        path: path.to_vec(),
                        field: "sparse map",
                        value,
                    });
                };
                extents.push(Extent {
                    logical: run.offset,
                    stored: placed.start + position,
                    length: run.length,
                });
                position += run.length;
                end = run_end;
            }
            Extents::Sparse(extents.into())
        }
    };
    Ok(Content {
        layer,
        size,
        extents,
    })
}

fn kind(parsed: &ParsedEntry<'_>, path: &[u8], sparse_size: Option<u64>) -> Result<Kind> {
    let target = || parsed.link_target.as_deref().unwrap_or_default();
    let device = || (parsed.dev_major.unwrap_or(0), parsed.dev_minor.unwrap_or(0));
    Ok(match parsed.entry_type {
        // V7 archives mark directories by a trailing slash only.
        EntryType::Regular if parsed.path.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GnuSparse => Kind::File {
            size: sparse_size.unwrap_or(parsed.size),
        },
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(target().to_vec()),
        EntryType::Link => Kind::HardLink(hard_link_target(path, target())?),
        EntryType::Char => {
            let (major, minor) = device();
            Kind::CharDevice { major, minor }
        }
        EntryType::Block => {
            let (major, minor) = device();
            Kind::BlockDevice { major, minor }
        }
        EntryType::Fifo => Kind::Fifo,
        other => {
            return Err(Error::UnknownType {
                path: path.to_vec(),
                kind: other.to_byte().into(),
            });
        }
    })
}

/// Hard link targets are member names, relative to the root; some builders
/// write them with a leading slash, which means the same.
fn hard_link_target(path: &[u8], target: &[u8]) -> Result<Vec<u8>> {
    let relative = target.strip_prefix(b"/").unwrap_or(target);
    clean_member_name(relative).map_err(|_| Error::Escapes {
        path: path.to_vec(),
        how: "is a hard link to a file outside the root",
    })
}

fn metadata(parsed: &ParsedEntry<'_>, path: &[u8], mtime: Option<Time>) -> Result<Metadata> {
    let id = |field, value: u64| {
        u32::try_from(value).map_err(|_| Error::OutOfRange {
            path: path.to_vec(),
            field,
            value,
        })
    };
    let mut xattrs: Vec<Xattr> = parsed
        .xattrs
        .iter()
        .map(|(name, value)| Xattr {
            name: (**name).into(),
            value: (**value).into(),
        })
        .collect();
    xattrs.sort();
    // GNU tar writes times before 1970 in two's complement, 88 bits of it; the
    // parser keeps the lower 64, the topmost of which it takes for a value bit.
    let whole = Time {
        seconds: parsed.mtime.cast_signed(),
        nanoseconds: 0,
    };
    Ok(Metadata {
        mode: (parsed.mode & 0o7777) as u16,
        uid: id("owner", parsed.uid)?,
        gid: id("group", parsed.gid)?,
        mtime: mtime.unwrap_or(whole),
        xattrs,
    })
}

/// Checks the numbers among the PAX records, since the parser passes over those
/// that it cannot read, and returns the time, of which it keeps whole seconds only.
fn records(parsed: &ParsedEntry<'_>, path: &[u8]) -> Result<Option<Time>> {
    let mut mtime = None;
    for record in PaxExtensions::new(parsed.pax.unwrap_or_default()).flatten() {
        let (key, value) = (record.key_bytes(), record.value_bytes());
        let text = std::str::from_utf8(value).ok();
        let is_number = match key {
            b"mtime" => {
                mtime = text.and_then(time);
                mtime.is_some()
            }
            b"size"
            | b"uid"
            | b"gid"
            | b"GNU.sparse.size"
            | b"GNU.sparse.realsize"
            | b"GNU.sparse.offset"
            | b"GNU.sparse.numbytes" => text.is_some_and(|text| text.parse::<u64>().is_ok()),
            _ => true,
        };
        if !is_number {
            return Err(Error::Record {
                path: path.to_vec(),
                key: String::from_utf8_lossy(key).into_owned(),
                value: String::from_utf8_lossy(value).into_owned(),
            });
        }
    }
    Ok(mtime)
}

/// Parses seconds with a sign and any number of decimals: `1700000000.25`, `-0.5`.
fn time(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    // Kept is what to add to the second before, as the kernel has it.
    Some(if whole.starts_with('-') && nanoseconds > 0 {
        Time {
            seconds: seconds.checked_sub(1)?,
            nanoseconds: 1_000_000_000 - nanoseconds,
        }
    } else {
        Time {
            seconds,
            nanoseconds,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_signs_and_fractions() {
        for (text, want) in [
            ("0", Some((0, 0))),
            ("1700000000.25", Some((1_700_000_000, 250_000_000))),
            ("1.0000000019", Some((1, 1))),
            ("5.", Some((5, 0))),
            ("-1", Some((-1, 0))),
            ("-0.5", Some((-1, 500_000_000))),
            ("-86400.25", Some((-86_401, 750_000_000))),
            ("", None),
            ("1.x", None),
            ("1e9", None),
            ("99999999999999999999", None),
            ("-9223372036854775808.5", None),
        ] {
            let got = time(text).map(|time| (time.seconds, time.nanoseconds));
            assert_eq!(got, want, "{text}");
        }
    }
}
