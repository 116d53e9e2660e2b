//! Strings that a program carries: paths, names of libraries, commands.
//!
//! [`terminated`] finds whole strings of C and C++, which end in a zero byte.
//! Go and Rust store length and pointer instead, and their strings lie side by
//! side without anything between them; [`occurrences`] therefore shows every
//! place where something known begins, and leaves it to the caller to say
//! whether what follows is a name that the image has.
//!
//! Both read the ranges in [`super::Object::data`] in windows, so memory is
//! bounded whatever the size of the object. A linker may store one string as
//! the tail of another; such a tail shows up with the longer string alone, and by
//! [`tails`], if something leads to it.

use std::ops::{ControlFlow, Range};

use memchr::memmem::Finder;

use super::{Error, ReadAt};

/// Shortest string that [`terminated`] reports: shorter ones are no names of files.
pub const SHORTEST: usize = 3;

/// Longest string: longer ones are no paths (`PATH_MAX`).
pub const LONGEST: usize = 4096;

/// New bytes in a window: large against the bytes that are kept from one to the next.
const WINDOW: usize = 1 << 20;

/// Bytes tested at once for the end of a string: about one string's length, and
/// a multiple of any vector's.
const BLOCK: usize = 64;

/// Bytes looked at in one object. A sparse file can claim any size.
const MAX_BYTES: u64 = 16 << 30;

/// Calls `found` with every maximal run of printable ASCII characters, tabs and
/// line ends that is followed by a zero byte, [`SHORTEST`] to [`LONGEST`] bytes long.
///
/// # Errors
/// [`Error::Read`] when the source fails, [`Error::LimitExceeded`] past 16 GiB.
pub fn terminated<S: ReadAt>(
    source: S,
    ranges: &[Range<u64>],
    mut found: impl FnMut(&[u8]),
) -> Result<(), Error> {
    each_window(source, ranges, |window| {
        let bytes = window.bytes;
        let mut at = SHORTEST;
        while at < bytes.len() {
            let end = bytes.len().min(at + BLOCK);
            if may_end_a_string(&bytes[at - SHORTEST..end]) {
                for offset in memchr::memchr_iter(0, &bytes[at..end]) {
                    let run = printable_tail(&bytes[..at + offset]);
                    if (SHORTEST..=LONGEST).contains(&run.len()) {
                        found(run);
                    }
                }
            }
            at = end;
        }
        past_strings(bytes)
    })
}

/// Calls `found` with the rest of a string of [`terminated`] from each of these places on, which are offsets in
/// order: where a linker stored one string as the tail of another.
///
/// # Errors
/// As [`terminated`].
pub fn tails<S: ReadAt>(
    source: S,
    ranges: &[Range<u64>],
    places: &[u64],
    mut found: impl FnMut(&[u8]),
) -> Result<(), Error> {
    each_window(source, ranges, |window| {
        let bytes = window.bytes;
        let first = places.partition_point(|place| *place <= window.offset);
        let inside = places[first..].iter().map(|place| place - window.offset);
        for at in inside.map_while(|at| usize::try_from(at).ok()) {
            let Some(rest) = bytes.get(at..) else { break };
            if !printable(bytes[at - 1]) {
                continue; // a string begins here
            }
            let rest = &rest[..rest.len().min(LONGEST)];
            if let Some(tail) = memchr::memchr(0, rest).map(|end| &rest[..end])
                && tail.iter().all(|byte| printable(*byte))
            {
                found(tail);
            }
        }
        past_strings(bytes)
    })
}

/// Returns how many bytes of a window are done with. A string that is not over yet is seen again with the next bytes. One
/// byte more than the longest shows then that it is too long.
fn past_strings(bytes: &[u8]) -> usize {
    let start = memchr::memrchr(0, bytes).map_or(0, |zero| zero + 1);
    start.max(bytes.len().saturating_sub(LONGEST + 1))
}

/// A place in the data of an object where something searched for begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence<'w> {
    /// What lies before: [`LONGEST`] bytes, less at the beginning of a range.
    pub before: &'w [u8],
    /// What was searched for and what follows: at least [`LONGEST`] bytes, less
    /// at the end of a range.
    pub from: &'w [u8],
}

/// Calls `found` for every occurrence of `needle`, for instance `/` or `.so`,
/// until it breaks. An empty needle occurs nowhere.
///
/// # Errors
/// As [`terminated`].
pub fn occurrences<S: ReadAt>(
    source: S,
    ranges: &[Range<u64>],
    needle: &[u8],
    mut found: impl FnMut(Occurrence<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    if needle.is_empty() || needle.len() > LONGEST {
        return Ok(());
    }
    let finder = Finder::new(needle);
    let mut done = false;
    // Bytes at the start of the window that are there only to be looked back at.
    let mut seen = 0;
    each_window(source, ranges, |window| {
        let bytes = window.bytes;
        if done {
            return bytes.len();
        }
        if window.first {
            seen = 0;
        }
        // Only places with enough bytes behind them; the rest comes with the next window.
        let end = if window.last {
            bytes.len()
        } else {
            bytes.len().saturating_sub(LONGEST).max(seen)
        };
        let searched = bytes.len().min(end + needle.len() - 1);
        let mut at = seen;
        while let Some(offset) = finder.find(&bytes[at..searched]) {
            at += offset;
            let occurrence = Occurrence {
                before: &bytes[at.saturating_sub(LONGEST)..at],
                from: &bytes[at..],
            };
            if found(occurrence).is_break() {
                done = true;
                return bytes.len();
            }
            at += 1;
        }
        let keep = end.saturating_sub(LONGEST);
        seen = end - keep;
        keep
    })
}

/// Returns whether any of `names` occurs in the data; see [`occurrences`].
///
/// # Errors
/// As [`terminated`].
pub fn contains_any<S: ReadAt>(
    source: S,
    ranges: &[Range<u64>],
    names: &[&[u8]],
) -> Result<bool, Error> {
    let mut any = false;
    for name in names {
        occurrences(&source, ranges, name, |_| {
            any = true;
            ControlFlow::Break(())
        })?;
        if any {
            break;
        }
    }
    Ok(any)
}

struct Window<'w> {
    /// Where the bytes begin in the object.
    offset: u64,
    /// What the last call kept, and new bytes.
    bytes: &'w [u8],
    /// The range begins here; nothing was kept.
    first: bool,
    /// The range ends here.
    last: bool,
}

/// Calls `look` with one window after the other. It returns how many bytes it
/// has done with; the others come again at the start of the next window.
fn each_window<S: ReadAt>(
    source: S,
    ranges: &[Range<u64>],
    mut look: impl FnMut(Window<'_>) -> usize,
) -> Result<(), Error> {
    let total = ranges.iter().map(|range| range.end - range.start).sum();
    if total > MAX_BYTES {
        return Err(Error::LimitExceeded {
            what: "bytes of data",
            value: total,
            limit: MAX_BYTES,
        });
    }
    let largest = ranges.iter().map(|range| range.end - range.start).max();
    let window = largest.unwrap_or(0).min(WINDOW as u64) as usize;
    let mut buffer = vec![0; window + 2 * LONGEST + 2];
    for range in ranges {
        let mut at = range.start;
        let mut kept = 0;
        while at < range.end {
            let want = (range.end - at).min(window as u64) as usize;
            let read = source
                .read_at(&mut buffer[kept..][..want], at)
                .map_err(|source| Error::Read { offset: at, source })?;
            let filled = kept + read;
            let last = read < want || at + read as u64 == range.end;
            let done = look(Window {
                offset: at - kept as u64,
                bytes: &buffer[..filled],
                first: at == range.start,
                last,
            });
            if last {
                break;
            }
            at += read as u64;
            kept = filled - done;
            buffer.copy_within(done..filled, 0);
        }
    }
    Ok(())
}

/// Returns the longest tail of `bytes` in which every byte is printable.
fn printable_tail(bytes: &[u8]) -> &[u8] {
    let mut start = bytes.len();
    while let Some((_, chunk)) = bytes[..start].split_last_chunk::<8>() {
        let bad = !printable_bytes(u64::from_le_bytes(*chunk)) & HIGH_BITS;
        // The last byte is the highest.
        start -= bad.leading_zeros() as usize / 8;
        if bad != 0 {
            return &bytes[start..];
        }
    }
    while start > 0 && printable(bytes[start - 1]) {
        start -= 1;
    }
    &bytes[start..]
}

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x80 * EACH_BYTE;

/// Sets the high bit of each byte that is [`printable`]; the other bits have no meaning.
fn printable_bytes(word: u64) -> u64 {
    // Without high bits no sum carries into the next byte: a byte is at least
    // `n` when adding 0x80 - n to it sets its high bit.
    let low = word & !HIGH_BITS;
    let at_least = |n: u64| low + (0x80 - n) * EACH_BYTE;
    let text = at_least(b' '.into()) & !at_least(0x7f);
    let space = at_least(b'\t'.into()) & !at_least(u64::from(b'\r') + 1);
    (text | space) & !word
}

fn printable(byte: u8) -> bool {
    (byte.wrapping_sub(b' ') <= b'~' - b' ') | (byte.wrapping_sub(b'\t') <= b'\r' - b'\t')
}

/// Returns whether somewhere in the bytes a zero follows [`SHORTEST`] printable
/// ones. Most of what is not strings is full of zeros, and looking at each alone
/// is slower than reading the file; this loop has no branches, so that the
/// compiler turns it into vectors.
fn may_end_a_string(bytes: &[u8]) -> bool {
    let Some(block) = bytes.first_chunk::<{ BLOCK + SHORTEST }>() else {
        return true;
    };
    const { assert!(SHORTEST == 3, "three bytes are looked at below") };
    let mut any = false;
    for at in 0..BLOCK {
        let ends = (block[at + SHORTEST] == 0)
            & printable(block[at + 2])
            & printable(block[at + 1])
            & printable(block[at]);
        any |= ends;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Vec<Range<u64>> {
        std::iter::once(0..bytes.len() as u64).collect()
    }

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        terminated(bytes, &whole(bytes), |string| {
            found.push(String::from_utf8(string.to_vec()).unwrap());
        })
        .unwrap();
        found
    }

    #[test]
    fn strings_are_maximal_and_terminated() {
        for (bytes, want) in [
            (
                &b"\0/etc/passwd\0ab\0abc\0"[..],
                &["/etc/passwd", "abc"][..],
            ),
            (b"\x01\x02/lib\0", &["/lib"]),
            (b"one\ntwo\t\0", &["one\ntwo\t"]),
            (b"not terminated", &[]),
            (b"\0\0\0\0\0\0\0\0\0\0", &[]),
            (b"", &[]),
            (b"caf\xc3\xa9 au lait\0", &[" au lait"]),
        ] {
            assert_eq!(all(bytes), want, "{bytes:?}");
        }
    }

    #[test]
    fn words_and_bytes_agree_on_what_is_printable() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = *b"abcdefgh";
                bytes[place] = byte;
                let want = if printable(byte) { 8 } else { 7 - place };
                assert_eq!(printable_tail(&bytes).len(), want, "{byte:#x} {place}");
            }
        }
    }

    #[test]
    fn strings_that_cross_windows_are_seen_once() {
        for shift in 0..8 {
            let mut bytes = vec![0; WINDOW - 4 + shift];
            bytes.extend_from_slice(b"/usr/lib\0");
            bytes.resize(2 * WINDOW - 3, 1);
            bytes.extend_from_slice(b"/sbin/init\0");
            assert_eq!(all(&bytes), ["/usr/lib", "/sbin/init"], "{shift}");
        }
    }

    #[test]
    fn too_long_strings_are_left_out() {
        for (length, want) in [(LONGEST, 1), (LONGEST + 1, 0), (3 * WINDOW, 0)] {
            let mut bytes = vec![b'a'; length];
            bytes.push(0);
            assert_eq!(all(&bytes).len(), want, "{length}");
        }
    }

    #[test]
    fn occurrences_have_their_surroundings() {
        let needle = b"/opt/app/data";
        for position in [
            0,
            1,
            WINDOW - LONGEST - 1,
            WINDOW - LONGEST,
            WINDOW - 5,
            WINDOW,
            2 * WINDOW + 7,
        ] {
            let mut bytes = vec![b'x'; 3 * WINDOW];
            bytes[position..][..needle.len()].copy_from_slice(needle);
            for what in [&needle[..], b"/opt", b"data"] {
                let offset = memchr::memmem::find(needle, what).unwrap();
                let mut seen = 0;
                occurrences(&bytes[..], &whole(&bytes), what, |found| {
                    seen += 1;
                    assert!(found.from.starts_with(&needle[offset..]));
                    assert!(found.before.ends_with(&needle[..offset]));
                    let behind = bytes.len() - position - offset;
                    assert!(found.from.len() >= behind.min(LONGEST));
                    assert_eq!(found.before.len(), (position + offset).min(LONGEST));
                    ControlFlow::Continue(())
                })
                .unwrap();
                assert_eq!(seen, 1, "{position}");
            }
        }
    }

    #[test]
    fn occurrences_in_small_ranges_do_not_mix() {
        let bytes = b"ab/cd/ef";
        let mut seen = Vec::new();
        occurrences(&bytes[..], &[0..4, 5..8], b"/", |found| {
            seen.push((found.before.to_vec(), found.from.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
        let want = [(b"ab".to_vec(), b"/c".to_vec()), (vec![], b"/ef".to_vec())];
        assert_eq!(seen, want);
        assert!(contains_any(&bytes[..], &whole(bytes), &[b"x", b"d/e"]).unwrap());
        assert!(!contains_any(&bytes[..], &whole(b"ab/c"), &[b"x", b"d/e"]).unwrap());
    }
}
