//! The data of ICU (International Components for Unicode), some 30 MB in one library that comes with all the others.
//!
//! What is in it is read by name ("ICU Data", "ICU Data Build Tool"): tables of character sets, and, six times as large, what
//! collation, formats, breaks and names of languages are made from. Who calls the converter API alone, as libxml2 does, can
//! read the tables of character sets alone; who also sorts, as PostgreSQL does, can read no units and no names of time zones.
//!
//! - `calls`: which part of the data a call reads;
//! - `archive`: where the data is in a library.

mod archive;
mod calls;

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;

use layer::NodeId;
use rayon::prelude::*;

use super::super::{Error, Plan};
use crate::elf::cut::{Edit, Layout, Piece};
use crate::elf::strings::occurrences;
use crate::elf::{self as objects, ReadAt};
use archive::{Archive, Symbol};

/// What a file is without.
pub const WHAT: &str = "ICU data that nothing reads";

/// What ldconfig(8) writes: lists of all libraries.
const LISTS: &[&[u8]] = &[b"etc/ld.so.cache", b"var/cache/ldconfig/aux-cache"];

/// The parts of the data that can be read, besides the tables of character sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach(BTreeSet<&'static str>);

impl Reach {
    /// Returns what those read who do nothing but convert: tables of character sets alone.
    #[must_use]
    pub fn of_converters() -> Self {
        Self(BTreeSet::new())
    }

    /// Returns what those who stay can read; nothing if that is all, or if there is no such library. `objects` are the ELF
    /// files that stay.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn of(plan: &Plan<'_>, objects: &[NodeId]) -> Result<Option<Self>, Error> {
        let tree = &plan.files.tree;
        if !objects.iter().any(|node| is_data(tree.name(*node))) {
            return Ok(None);
        }
        let kept: Vec<NodeId> = tree
            .walk(tree.root())
            .filter(|node| plan.keeps(*node) && tree.content(*node).is_some())
            .collect();
        let reads = |node: &NodeId| read_by(plan, *node).unwrap_or(None);
        let both = |mut one: BTreeSet<&'static str>, other| {
            one.extend::<BTreeSet<_>>(other);
            Some(one)
        };
        let parts = kept.par_iter().map(reads).try_reduce(BTreeSet::new, both);
        Ok(parts.map(Self))
    }

    /// Returns whether an item can be read. Its name is that of the data, of the part if it is in one, and its own.
    fn has(&self, item: &[u8]) -> bool {
        if item.ends_with(b".cnv") || item.ends_with(b"/cnvalias.icu") {
            return true;
        }
        let mut names = item.split(|byte| *byte == b'/').skip(1);
        let (Some(part), Some(_)) = (names.next(), names.next()) else {
            return self.0.contains(calls::TOP);
        };
        match calls::PARTS.iter().find(|known| known.as_bytes() == part) {
            Some(known) => self.0.contains(known),
            // Of a later version, for who knows what.
            None => !self.0.is_empty(),
        }
    }
}

/// Returns whether a library is the one with the data.
pub fn is_data(name: &[u8]) -> bool {
    name.starts_with(b"libicudata.so.")
}

/// Returns the parts of the data that a file can read: by what it calls if it is linked with ICU. Nothing if that may be
/// all, as where it names a library of ICU without being linked with it.
fn read_by(plan: &Plan<'_>, node: NodeId) -> Result<Option<BTreeSet<&'static str>>, Error> {
    let files = &plan.files;
    let tree = &files.tree;
    let is_list = LISTS.contains(&&tree.path(node)[..]);
    // What the libraries of ICU call of each other, they do for who calls them.
    if tree.name(node).starts_with(b"libicu") || is_list {
        return Ok(Some(BTreeSet::new()));
    }
    let Some(file) = super::file(files, node) else {
        return Ok(Some(BTreeSet::new()));
    };
    let is_icu = |name: &&Vec<u8>| name.starts_with(b"libicu");
    if let Ok(Some(object)) = objects::parse(file)
        && let Some(library) = object.needed.iter().find(is_icu)
    {
        let version = library
            .rsplit(|byte| *byte == b'.')
            .next()
            .unwrap_or_default();
        let suffix = [b"_", version].concat();
        let mut of_icu = object
            .imports
            .iter()
            .filter(|name| memchr::memmem::find(name, &suffix).is_some())
            .peekable();
        // ICU can be built without versions in its names; then nobody knows which are its own.
        if of_icu.peek().is_none() {
            return Ok(None);
        }
        let parts = of_icu.map(|name| calls::read_by(name.strip_suffix(&suffix[..])?));
        let parts: Option<Vec<&[&str]>> = parts.collect();
        return Ok(parts.map(|parts| parts.concat().into_iter().collect()));
    }
    let whole = 0..file.size();
    let mut named = false;
    let searched = occurrences(file, &[whole], b"libicu", |_| {
        named = true;
        ControlFlow::Break(())
    });
    let is_silent = !named && searched.is_ok();
    Ok(is_silent.then(BTreeSet::new))
}

/// Returns what has to be changed for a library of ICU's data to have no more than is read; nothing of any other object.
///
/// # Errors
/// When the source fails.
pub fn edits<S: ReadAt + Copy>(
    layout: &Layout,
    source: S,
    reach: &Reach,
) -> io::Result<Option<Vec<Edit>>> {
    let Some(symbol) = Symbol::find(layout, source)? else {
        return Ok(None);
    };
    // The data is the last thing in its segment but for padding, and for the end of a table without entries.
    let Some(rest) = layout.rest_of_segment(symbol.data.start) else {
        return Ok(None);
    };
    let after = symbol.data.end..rest.end;
    if after.start > after.end || after.end - after.start > 64 {
        return Ok(None);
    }
    let is_zero =
        archive::read(source, &after)?.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
    let archive = Archive::read(source, &symbol.data)?;
    let Some(archive) = archive.filter(|_| is_zero) else {
        return Ok(None);
    };
    let with = archive.only(|item| reach.has(item));
    let length: u64 = with.iter().map(Piece::length).sum();
    let length = length.to_le_bytes().to_vec();
    Ok(Some(vec![
        Edit { range: rest, with },
        Edit {
            range: symbol.size,
            with: vec![Piece::New(length)],
        },
    ]))
}
