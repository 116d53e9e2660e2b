//! How tightly each part of a compressed layer is packed.
//!
//! A gzip or zstd stream has no members of its own, but it is read in order: how
//! far the decoder had got in the blob when so much of the tar had come out says
//! what the bytes in between took. Between two marks it is an even share.

/// Uncompressed bytes between two marks: at most 16 bytes are remembered for each.
const STEP: u64 = 64 << 10;

/// Marks of one layer: bytes that came out, and bytes of the blob taken for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packing {
    marks: Vec<(u64, u64)>,
    last: (u64, u64),
}

impl Packing {
    /// Notes that `taken` bytes of the blob gave `given` bytes of the tar; both only grow.
    pub(crate) fn note(&mut self, given: u64, taken: u64) {
        self.last = (given, taken);
        let before = self.marks.last().map_or(0, |(given, _)| *given);
        if given >= before + STEP {
            self.marks.push(self.last);
        }
    }

    /// Bytes of the blob that are behind `length` bytes of the tar at `start`.
    pub(crate) fn between(&self, start: u64, length: u64) -> f64 {
        self.taken(start.saturating_add(length)) - self.taken(start)
    }

    fn taken(&self, given: u64) -> f64 {
        let next = self.marks.partition_point(|(at, _)| *at < given);
        let low = next.checked_sub(1).map_or((0, 0), |at| self.marks[at]);
        let high = self.marks.get(next).copied().unwrap_or(self.last);
        let span = high.0.saturating_sub(low.0);
        if span == 0 {
            return high.1 as f64;
        }
        let share = (given.min(high.0) - low.0) as f64 / span as f64;
        (high.1 - low.1) as f64 * share + low.1 as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_follow_the_marks() {
        let mut packing = Packing::default();
        // A run that hardly shrinks, one that nearly vanishes, and a rest.
        for (given, taken) in [
            (STEP, 60_000),
            (2 * STEP, 120_000),
            (3 * STEP, 120_100),
            (3 * STEP + 10, 120_108),
        ] {
            packing.note(given, taken);
        }
        let parts = [
            (0, STEP, 60_000.0),
            (STEP, STEP / 2, 30_000.0),
            (STEP + STEP / 2, STEP / 2, 30_000.0),
            (2 * STEP, STEP, 100.0),
            (3 * STEP, 5, 4.0),
            (3 * STEP + 5, 5, 4.0),
        ];
        for (start, length, want) in parts {
            let got = packing.between(start, length);
            assert!((got - want).abs() < 1e-6, "{start}+{length}: {got}");
        }
        let all = packing.between(0, u64::MAX);
        assert!((all - 120_108.0).abs() < 1e-6, "{all}");
        assert_eq!(Packing::default().between(7, 9), 0.0);
    }
}
