//! Many short names, stored together.

use std::fmt;

/// A sorted set of names in one allocation: an image has hundreds of thousands
/// of imported symbols, and a vector for each would cost more than the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names {
    text: Vec<u8>,
    /// Where each name ends in `text`.
    ends: Vec<u32>,
}

impl Names {
    /// Returns the number of names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns whether `name` is among them.
    pub fn contains(&self, name: &[u8]) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// Iterates over the names in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[at] as usize]
    }
}

impl<'a> FromIterator<&'a [u8]> for Names {
    /// Sorts the names and drops repeated ones. Names past 4 GiB are dropped.
    fn from_iter<T: IntoIterator<Item = &'a [u8]>>(names: T) -> Self {
        let mut sorted: Vec<&[u8]> = names.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut text = Vec::with_capacity(sorted.iter().map(|name| name.len()).sum());
        let mut ends = Vec::with_capacity(sorted.len());
        for name in sorted {
            let Ok(end) = u32::try_from(text.len() + name.len()) else {
                break;
            };
            text.extend_from_slice(name);
            ends.push(end);
        }
        Self { text, ends }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(String::from_utf8_lossy))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        let names: Names = [&b"open"[..], b"dlopen", b"read", b"open"]
            .into_iter()
            .collect();
        assert_eq!(
            names.iter().collect::<Vec<_>>(),
            [&b"dlopen"[..], b"open", b"read"]
        );
        assert!(names.contains(b"read") && names.contains(b"dlopen"));
        assert!(!names.contains(b"rea") && !names.contains(b"zzz") && !names.contains(b""));
        assert!(!Names::default().contains(b"open"));
    }
}
