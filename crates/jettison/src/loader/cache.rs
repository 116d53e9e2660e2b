//! `/etc/ld.so.cache`: which file ldconfig(8) found for a library's name.
//!
//! Formats as in glibc's `sysdeps/generic/dl-cache.h`: the new one, alone (since
//! glibc 2.32) or behind the old one, in either byte order. Of the old one
//! alone, which nothing has written for twenty years, nothing is read.

use std::ops::Range;

const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// Longest name and path (`PATH_MAX`).
const LONGEST: usize = 4096;

/// The parsed cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cache {
    bytes: Vec<u8>,
    /// Sorted by name; those of one name in the order of the file, in which the loader looks.
    entries: Vec<Entry>,
}

/// Where one variant of a library is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: Range<usize>,
    path: Range<usize>,
    /// Only for processors with certain features (`hwcap`): a legacy bit set, or
    /// the index of a glibc-hwcaps directory, marked by bit 62.
    variant: bool,
}

/// A file that the cache has for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cached<'c> {
    pub(super) path: &'c [u8],
    pub(super) variant: bool,
}

impl Cache {
    /// Reads a cache; nothing where the bytes are none.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let start = start_of_new(&bytes)?;
        let new = bytes.get(start..)?;
        let entries = [false, true]
            .into_iter()
            .find_map(|big| entries(Words { bytes: new, big }, start))?;
        let mut cache = Self { bytes, entries };
        let Self { bytes, entries } = &mut cache;
        entries.sort_by(|a, b| bytes[a.name.clone()].cmp(&bytes[b.name.clone()]));
        Some(cache)
    }

    /// Iterates over the files of a name, in the order in which the loader looks.
    pub(super) fn find(&self, name: &[u8]) -> impl Iterator<Item = Cached<'_>> {
        let name_of = |entry: &Entry| &self.bytes[entry.name.clone()];
        let first = self.entries.partition_point(|entry| name_of(entry) < name);
        let found = self.entries[first..].partition_point(|entry| name_of(entry) == name);
        self.entries[first..][..found].iter().map(|entry| Cached {
            path: &self.bytes[entry.path.clone()],
            variant: entry.variant,
        })
    }
}

/// Returns where the new format begins.
fn start_of_new(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(MAGIC) {
        return Some(0);
    }
    bytes.starts_with(OLD_MAGIC).then_some(())?;
    [false, true].into_iter().find_map(|big| {
        let count = Words { bytes, big }.at(12)? as usize;
        let end = count.checked_mul(OLD_ENTRY)?.checked_add(OLD_HEADER)?;
        // Aligned for a 64-bit number, which i386 aligns to 4.
        [8, 4]
            .map(|align| end.checked_next_multiple_of(align))
            .into_iter()
            .flatten()
            .find(|start| {
                bytes
                    .get(*start..)
                    .is_some_and(|new| new.starts_with(MAGIC))
            })
    })
}

/// Reads the entries in one byte order; nothing where they make no sense in it.
fn entries(cache: Words<'_>, start: usize) -> Option<Vec<Entry>> {
    let count = cache.at(20)? as usize;
    // An entry takes 24 bytes, so the file's size bounds what is allocated.
    let end = count.checked_mul(ENTRY)?.checked_add(HEADER)?;
    (end <= cache.bytes.len()).then_some(())?;
    (HEADER..end)
        .step_by(ENTRY)
        .map(|at| {
            let string = |at: usize| {
                let string = cache.string(cache.at(at)? as usize)?;
                Some(string.start + start..string.end + start)
            };
            Some(Entry {
                name: string(at + 4)?,
                path: string(at + 8)?,
                variant: cache.at(at + 16)? != 0 || cache.at(at + 20)? != 0,
            })
        })
        .collect()
}

#[derive(Clone, Copy)]
struct Words<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Words<'_> {
    fn at(self, offset: usize) -> Option<u32> {
        let word = self.bytes.get(offset..)?.first_chunk()?;
        Some(if self.big {
            u32::from_be_bytes(*word)
        } else {
            u32::from_le_bytes(*word)
        })
    }

    fn string(self, offset: usize) -> Option<Range<usize>> {
        let rest = self.bytes.get(offset..)?;
        let length = memchr::memchr(0, &rest[..rest.len().min(LONGEST + 1)])?;
        Some(offset..offset + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARIES: [(&str, &str, u64); 4] = [
        ("libz.so.1", "/usr/lib/libz.so.1", 0),
        ("liba.so", "/opt/hw/liba.so", 1 << 62 | 1),
        ("liba.so", "/opt/liba.so", 0),
        ("liba.so", "/usr/lib/liba.so", 0),
    ];

    fn new_format(big: bool) -> Vec<u8> {
        let word = |value: u32| {
            if big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let mut strings = Vec::new();
        let mut entries = Vec::new();
        let base = HEADER + ENTRY * LIBRARIES.len();
        for (name, path, hwcap) in LIBRARIES {
            entries.extend(word(0x303));
            for text in [name, path] {
                entries.extend(word((base + strings.len()) as u32));
                strings.extend_from_slice(text.as_bytes());
                strings.push(0);
            }
            entries.extend(word(0));
            let halves = [hwcap as u32, (hwcap >> 32) as u32];
            let halves = if big { [halves[1], halves[0]] } else { halves };
            entries.extend(halves.into_iter().flat_map(word));
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(word(LIBRARIES.len() as u32));
        bytes.extend(word(strings.len() as u32));
        bytes.resize(HEADER, 0);
        bytes.extend(entries);
        bytes.extend(strings);
        bytes
    }

    fn old_with_new(big: bool) -> Vec<u8> {
        let word = |value: u32| {
            if big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let mut bytes = OLD_MAGIC.to_vec();
        bytes.extend(word(3));
        bytes.resize((OLD_HEADER + 3 * OLD_ENTRY).next_multiple_of(8), 0);
        bytes.extend(new_format(big));
        bytes
    }

    #[test]
    fn both_formats_are_read_in_both_byte_orders() {
        for big in [false, true] {
            for bytes in [new_format(big), old_with_new(big)] {
                let cache = Cache::parse(bytes).unwrap();
                let found: Vec<(&[u8], bool)> = cache
                    .find(b"liba.so")
                    .map(|cached| (cached.path, cached.variant))
                    .collect();
                let want = [
                    (&b"/opt/hw/liba.so"[..], true),
                    (b"/opt/liba.so", false),
                    (b"/usr/lib/liba.so", false),
                ];
                assert_eq!(found, want);
                assert_eq!(cache.find(b"libz.so.1").count(), 1);
                assert_eq!(cache.find(b"libz.so").count(), 0);
            }
        }
    }

    #[test]
    fn damaged_caches_are_refused_or_read() {
        for bytes in [new_format(false), old_with_new(true)] {
            for length in 0..bytes.len() {
                assert_eq!(Cache::parse(bytes[..length].to_vec()), None, "{length}");
            }
            for at in 0..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0xff;
                if let Some(cache) = Cache::parse(bytes) {
                    cache.find(b"liba.so").for_each(drop);
                }
            }
        }
    }
}
