//! Where the parts of an object go to when some of them become shorter.

use std::ops::Range;

use super::{Cut, Edit, Layout, Piece};

/// Where everything is after some parts became shorter.
pub(super) struct Moved {
    /// The changes that make something shorter, in order.
    pub(super) edits: Vec<Edit>,
    /// What is between them, and where it goes to.
    kept: Vec<(Range<u64>, u64)>,
}

impl Moved {
    pub(super) fn new(layout: &Layout, edits: Vec<Edit>) -> Option<Self> {
        let mut kept = Vec::new();
        let (mut from, mut to) = (0, 0);
        for edit in &edits {
            if edit.range.start < from || edit.range.end > layout.size {
                return None;
            }
            let range = from..edit.range.start;
            to = place(layout, &range, to);
            kept.push((range.clone(), to));
            to += range.end - range.start + edit.length();
            from = edit.range.end;
        }
        let range = from..layout.size;
        to = place(layout, &range, to);
        kept.push((range, to));
        Some(Self { edits, kept })
    }

    /// Returns where a byte goes to that stays, or the end of what stays.
    pub(super) fn at(&self, old: u64) -> Option<u64> {
        let inside = |(range, _): &&(Range<u64>, u64)| range.contains(&old);
        let ends = |(range, _): &&(Range<u64>, u64)| range.end == old;
        let (range, to) = self
            .kept
            .iter()
            .find(inside)
            .or_else(|| self.kept.iter().find(ends))?;
        Some(to + (old - range.start))
    }

    /// Returns how many bytes go of a range.
    pub(super) fn lost_within(&self, range: &Range<u64>) -> u64 {
        let meets = |edit: &&Edit| edit.range.start < range.end && range.start < edit.range.end;
        let lost = self.edits.iter().filter(meets).map(|edit| {
            let within = edit.range.end.min(range.end) - edit.range.start.max(range.start);
            edit.shrinks_by().min(within)
        });
        lost.sum()
    }

    /// Returns whether nothing of a range stays, or comes in its place.
    pub(super) fn is_gone(&self, range: &Range<u64>) -> bool {
        self.edits.iter().any(|edit| {
            let after = edit.range.start + edit.length();
            after <= range.start && range.end <= edit.range.end
        })
    }

    /// Puts everything together; `edits` are all changes, those too that leave a length as it is.
    pub(super) fn assemble(&self, edits: &[Edit]) -> Option<Cut> {
        let mut pieces = Vec::new();
        let (mut at, mut shorter) = (0, self.edits.iter());
        for (range, to) in &self.kept {
            pieces.extend((*to > at).then(|| Piece::New(vec![0; (to - at) as usize])));
            let mut from = range.start;
            let within = |edit: &&Edit| {
                edit.shrinks_by() == 0
                    && range.contains(&edit.range.start)
                    && !edit.range.is_empty()
            };
            for edit in edits.iter().filter(within) {
                if edit.range.start < from || edit.range.end > range.end {
                    return None;
                }
                pieces.push(Piece::Old(from..edit.range.start));
                pieces.extend(edit.with.iter().cloned());
                from = edit.range.end;
            }
            pieces.push(Piece::Old(from..range.end));
            at = to + (range.end - range.start);
            if let Some(edit) = shorter.next() {
                pieces.extend(edit.with.iter().cloned());
                at += edit.length();
            }
        }
        let apart = |edit: &Edit| {
            edit.range.is_empty()
                || edit.shrinks_by() > 0
                || self
                    .kept
                    .iter()
                    .any(|(range, _)| range.contains(&edit.range.start))
        };
        pieces.retain(|piece| piece.length() > 0);
        edits.iter().all(apart).then_some(Cut { pieces })
    }
}

/// Returns the first place from `to` on where the bytes of `range` can be.
fn place(layout: &Layout, range: &Range<u64>, to: u64) -> u64 {
    let align = layout.alignment(range);
    to + range.start.wrapping_sub(to) % align
}
