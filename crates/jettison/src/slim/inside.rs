//! What goes of the inside of files that stay: parts that nothing that stays can read.
//!
//! - [`mod@debug`]: debug information of programs and libraries.
//! - [`mod@icu`]: what the data of ICU holds for parts of ICU that nothing calls.
//!
//! A file stays whole if the user names it, if somebody has signed it, and where it is not certain who reads it.

pub mod debug;
pub mod icu;

use std::collections::BTreeMap;
use std::io;

use image::{FileSystem, Spool};
use layer::NodeId;
use rayon::prelude::*;
use serde::Serialize;

use super::{Error, Plan};
use crate::elf::TreeFile;
use crate::elf::cut::{Cut, Edit, Layout};

/// Bytes that are worth it.
const WORTH: u64 = 16 << 10;

/// A file of which a part went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lighter {
    /// Its size before, in bytes.
    pub whole: u64,
    /// What it is without.
    pub without: &'static str,
}

/// All files, those that stay without what goes of their inside.
pub(super) struct Lightened {
    pub(super) files: FileSystem,
    /// Those that were changed.
    pub(super) lighter: BTreeMap<NodeId, Lighter>,
}

/// What is left of a file.
struct Remainder {
    node: NodeId,
    cut: Cut,
    lighter: Lighter,
}

/// Takes out what can be; nothing where there is nothing.
///
/// # Errors
/// When a file cannot be read, or the spool not be written.
pub(super) fn lighten(plan: &Plan<'_>, spool: &Spool) -> Result<Option<Lightened>, Error> {
    let files: &FileSystem = &plan.files;
    let objects = objects(plan)?;
    let reach = icu::Reach::of(plan, &objects)?;
    let cut = |node: &NodeId| {
        let remainder = lighten_one(files, *node, reach.as_ref());
        remainder.map_err(Error::unreadable(files, *node))
    };
    let free: Vec<NodeId> = objects
        .into_iter()
        .filter(|node| is_free(plan, *node))
        .collect();
    let remainders: Result<Vec<Option<Remainder>>, Error> = free.par_iter().map(cut).collect();
    let remainders: Vec<Remainder> = remainders?.into_iter().flatten().collect();
    if remainders.is_empty() {
        return Ok(None);
    }
    let bytes = remainders.iter().filter_map(|remainder| {
        let whole = file(files, remainder.node)?;
        Some((remainder.node, remainder.cut.reader(whole)))
    });
    let changed = files.with_contents(spool, bytes)?;
    let notes = remainders.into_iter();
    let notes = notes.map(|remainder| (remainder.node, remainder.lighter));
    Ok(Some(Lightened {
        files: changed,
        lighter: notes.collect(),
    }))
}

/// Returns the ELF files that stay.
fn objects(plan: &Plan<'_>) -> Result<Vec<NodeId>, Error> {
    let files: &FileSystem = &plan.files;
    let tree = &files.tree;
    let kept: Vec<NodeId> = tree
        .walk(tree.root())
        .filter(|node| plan.keeps(*node) && tree.size(*node) > WORTH)
        .collect();
    let is_object = |node: &NodeId| match tree.content(*node) {
        Some(content) => {
            let magic = files.contents.read(content, 4);
            let magic = magic.map_err(Error::unreadable(files, *node))?;
            Ok((magic == b"\x7fELF").then_some(*node))
        }
        None => Ok(None),
    };
    let objects: Result<Vec<Option<NodeId>>, Error> = kept.par_iter().map(is_object).collect();
    Ok(objects?.into_iter().flatten().collect())
}

/// Returns whether nobody has said that a file is to stay as it is: the user, or a signature. (IMA, "Integrity
/// Measurement"; `.NAME.hmac` beside libraries that check themselves by FIPS 140.)
fn is_free(plan: &Plan<'_>, node: NodeId) -> bool {
    let tree = &plan.files.tree;
    let signed = tree
        .xattrs(node)
        .iter()
        .any(|xattr| [&b"security.ima"[..], b"security.evm"].contains(&&xattr.name[..]));
    let sum = [b".", tree.name(node), b".hmac"].concat();
    let checked = tree.child(tree.parent(node), &sum).is_some();
    // Debug information that has a file of its own is there because somebody asked for it.
    let is_all = tree.path(node).starts_with(b"usr/lib/debug/");
    !(signed || checked || is_all || plan.closure.preserved.contains(&node))
}

fn lighten_one(
    files: &FileSystem,
    node: NodeId,
    reach: Option<&icu::Reach>,
) -> io::Result<Option<Remainder>> {
    let Some(file) = file(files, node) else {
        return Ok(None);
    };
    let Some(layout) = Layout::read(file)? else {
        return Ok(None);
    };
    let mut edits: Vec<Edit> = debug::edits(&layout, file)?;
    let mut without = debug::WHAT;
    let reach = reach.filter(|_| icu::is_data(files.tree.name(node)));
    if let Some(reach) = reach
        && let Some(data) = icu::edits(&layout, file, reach)?
    {
        edits.extend(data);
        without = icu::WHAT;
    }
    let whole = files.tree.size(node);
    let cut = layout.cut(edits).filter(|cut| cut.size() + WORTH <= whole);
    Ok(cut.map(|cut| Remainder {
        node,
        cut,
        lighter: Lighter { whole, without },
    }))
}

fn file(files: &FileSystem, node: NodeId) -> Option<TreeFile<'_>> {
    let content = files.tree.content(node)?;
    Some(TreeFile {
        contents: &files.contents,
        content,
    })
}
