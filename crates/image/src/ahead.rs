//! Reading ahead: one thread inflates a layer while another hashes, indexes and spools what came out.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::packing::Packing;

/// Bytes that are handed over at once: as finely as [`Packing`] takes notes.
const CHUNK: usize = 64 << 10;
/// How many chunks one thread may be ahead of the other: 2 MiB.
const AHEAD: usize = 32;

/// Bytes that came out, and how much of the blob had been taken by then.
struct Chunk {
    bytes: Vec<u8>,
    taken: u64,
}

/// What another thread reads.
pub(crate) struct Ahead {
    chunks: Receiver<io::Result<Chunk>>,
    /// Buffers to be filled again.
    spare: Sender<Vec<u8>>,
    current: Vec<u8>,
    /// How much of `current` has been given.
    given: usize,
    /// Bytes that were given with all chunks so far.
    total: u64,
    packing: Packing,
}

/// Reads `input`, which counts in `taken` what it takes of the blob, in a thread of its own for as long as `consume`
/// runs. Returns what that returns, and what was noted.
pub(crate) fn reading<T>(
    input: impl Read + Send,
    taken: &AtomicU64,
    consume: impl FnOnce(&mut Ahead) -> T,
) -> (T, Packing) {
    let (filled, chunks) = bounded(AHEAD);
    let (spare, empty) = bounded(AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || fill(input, taken, &filled, &empty));
        let mut ahead = Ahead {
            chunks,
            spare,
            current: Vec::new(),
            given: 0,
            total: 0,
            packing: Packing::default(),
        };
        let result = consume(&mut ahead);
        (result, ahead.packing) // the channel closes, and with it the thread ends
    })
}

fn fill(
    mut input: impl Read,
    taken: &AtomicU64,
    filled: &Sender<io::Result<Chunk>>,
    empty: &Receiver<Vec<u8>>,
) {
    loop {
        let mut bytes = empty.try_recv().unwrap_or_default();
        bytes.resize(CHUNK, 0);
        let read = match input.read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = filled.send(Err(error));
                return;
            }
        };
        bytes.truncate(read);
        let taken = taken.load(Ordering::Relaxed);
        if filled.send(Ok(Chunk { bytes, taken })).is_err() {
            return; // nobody wants the rest
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.current.len() {
            let Ok(chunk) = self.chunks.recv() else {
                return Ok(0);
            };
            let chunk = chunk?;
            self.total += chunk.bytes.len() as u64;
            self.packing.note(self.total, chunk.taken);
            let done = std::mem::replace(&mut self.current, chunk.bytes);
            let _ = self.spare.try_send(done);
            self.given = 0;
        }
        let rest = self.current.get(self.given..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives bytes in pieces of all sizes, then an error if there is one.
    struct Pieces<'a> {
        bytes: &'a [u8],
        size: usize,
        error: Option<io::ErrorKind>,
        taken: &'a AtomicU64,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.size = self.size * 7 % 200_003 + 1;
            let length = self.size.min(self.bytes.len()).min(buffer.len());
            let (now, later) = self.bytes.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.bytes = later;
            self.taken.fetch_add(length as u64 / 2, Ordering::Relaxed);
            match self.error.take_if(|_| length == 0) {
                Some(error) => Err(error.into()),
                None => Ok(length),
            }
        }
    }

    #[test]
    fn the_same_bytes_come_out() {
        let bytes: Vec<u8> = (0..5_000_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        for error in [None, Some(io::ErrorKind::InvalidData)] {
            let taken = AtomicU64::new(0);
            let input = Pieces {
                bytes: &bytes,
                size: 1,
                error,
                taken: &taken,
            };
            let mut read = Vec::new();
            let (result, packing) = reading(input, &taken, |ahead| ahead.read_to_end(&mut read));
            assert!(read == bytes);
            assert_eq!(result.map_err(|error| error.kind()).err(), error);
            let share = packing.between(1_000_000, 2_000_000);
            assert!((share - 1_000_000.0).abs() < 200.0, "{share}");
        }
    }

    #[test]
    fn who_has_seen_enough_may_leave() {
        let taken = AtomicU64::new(0);
        let mut first = [0; 10];
        let (result, _) = reading(io::repeat(7), &taken, |ahead| ahead.read_exact(&mut first));
        result.unwrap();
        assert_eq!(first, [7; 10]);
    }
}
