//! Debug information: sections that are not loaded, and that only debuggers read (DWARF 5).
//!
//! Names of functions in stack traces come from the symbol table, which stays, or from tables that are loaded, as Go's.
//! Files and lines come from debug information where a program looks for it in its own file when it dies, as Rust's
//! standard library does and libbacktrace. Such a program has the names of those sections in its data, to look for them.

use std::io;
use std::ops::{ControlFlow, Range};

use crate::elf::cut::{Edit, Layout, is_debug};
use crate::elf::strings::occurrences;
use crate::elf::{Error, ReadAt};

/// What a file is without.
pub const WHAT: &str = "debug information";

/// The section of line numbers, which is what a stack trace is made from.
const LINES: &[u8] = b".debug_line";
/// Padding between two sections.
const PADDING: u64 = 16;

/// Returns what has to be changed for an object to be without debug information: nothing if it reads it itself.
///
/// # Errors
/// When the source fails.
pub fn edits<S: ReadAt + Copy>(layout: &Layout, source: S) -> io::Result<Vec<Edit>> {
    let mut ranges: Vec<Range<u64>> = layout
        .sections()
        .filter(|section| !section.is_loaded && is_debug(section.name) && !section.file.is_empty())
        .map(|section| section.file)
        .collect();
    if ranges.is_empty() || reads_its_own(layout, source)? {
        return Ok(Vec::new());
    }
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start < last.end + PADDING => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    let without = |range| Edit {
        range,
        with: Vec::new(),
    };
    Ok(joined.into_iter().map(without).collect())
}

fn reads_its_own<S: ReadAt + Copy>(layout: &Layout, source: S) -> io::Result<bool> {
    let loaded = layout.sections().filter(|section| section.is_loaded);
    let loaded: Vec<Range<u64>> = loaded.map(|section| section.file).collect();
    let mut found = false;
    let searched = occurrences(source, &loaded, LINES, |_| {
        found = true;
        ControlFlow::Break(())
    });
    match searched {
        Ok(()) => Ok(found),
        Err(Error::Read { source, .. }) => Err(source),
        // Too large to be searched: it stays as it is.
        Err(_) => Ok(true),
    }
}
