//! Hashing in a thread of its own what another one writes.

use std::io::{self, Write};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Digest, Hasher};

/// Bytes that are written and handed over at once.
const CHUNK: usize = 256 << 10;
/// How many chunks hashing may be behind.
const BEHIND: usize = 8;

/// Hashes what is written through it, in a thread beside the writer. Collects small writes.
#[derive(Debug)]
pub(crate) struct HashingBeside<W> {
    inner: W,
    current: Vec<u8>,
    full: Sender<Vec<u8>>,
    /// Chunks to be filled again.
    empty: Receiver<Vec<u8>>,
    hashing: JoinHandle<Hasher>,
}

impl<W: Write> HashingBeside<W> {
    /// Starts hashing what is written to `inner`.
    pub(crate) fn new(inner: W) -> Self {
        let (full, chunks) = bounded::<Vec<u8>>(BEHIND);
        let (spare, empty) = bounded(BEHIND);
        let hashing = std::thread::spawn(move || {
            let mut hasher = Hasher::default();
            for chunk in chunks {
                hasher.update(&chunk);
                // Full, or nobody fills chunks any more: then it is not needed.
                let _ = spare.try_send(chunk);
            }
            hasher
        });
        Self {
            inner,
            current: Vec::with_capacity(CHUNK),
            full,
            empty,
            hashing,
        }
    }

    /// Returns the inner writer, and digest and length of what was written.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub(crate) fn finish(mut self) -> io::Result<(W, Digest, u64)> {
        self.pass_on()?;
        self.inner.flush()?;
        drop(self.full);
        let hasher = self.hashing.join().map_err(|_| ended())?;
        let (digest, length) = hasher.finish();
        Ok((self.inner, digest, length))
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.inner.write_all(&self.current)?;
        let mut next = self.empty.try_recv().unwrap_or_default();
        next.clear();
        let written = std::mem::replace(&mut self.current, next);
        self.full.send(written).map_err(|_| ended())
    }
}

impl<W: Write> Write for HashingBeside<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.current.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.current.extend_from_slice(taken);
        if self.current.len() == CHUNK {
            self.pass_on()?;
        }
        Ok(taken.len())
    }

    /// Does nothing: what has not been hashed yet must not be written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that hashes has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_and_their_digest_are_those_that_were_written() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK * BEHIND] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            for piece in [1000, CHUNK, 3 * CHUNK] {
                let mut beside = HashingBeside::new(Vec::new());
                bytes
                    .chunks(piece)
                    .for_each(|piece| beside.write_all(piece).unwrap());
                let (written, digest, counted) = beside.finish().unwrap();
                assert!(written == bytes, "{length} bytes in pieces of {piece}");
                assert_eq!((digest, counted), (Digest::of(&bytes), length as u64));
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let mut room = [0; CHUNK];
        let mut beside = HashingBeside::new(&mut room[..]);
        beside.write_all(&[1; CHUNK]).unwrap();
        beside.write_all(&[2; 10]).unwrap();
        assert_eq!(
            beside.finish().err().unwrap().kind(),
            io::ErrorKind::WriteZero
        );
    }
}
