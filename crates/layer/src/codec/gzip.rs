//! gzip on all cores, the same bytes on every machine.
//!
//! The input is cut into members of fixed size (RFC 1952 allows a file to be
//! several members; every layer reader accepts that), each compressed whole by
//! libdeflate. That is both smaller and faster than one zlib stream, and needs
//! no agreement between threads. Each member says how long it is, so that they
//! are inflated on all cores too.

mod member;
mod read;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use libdeflater::{CompressionLvl, Compressor};

pub(super) use read::Members;

/// Uncompressed bytes of one member. Larger members save under 0.2 % and cost memory.
const MEMBER: usize = 1 << 20;

/// Returns whether a file that begins so has members that say how long they are.
pub(super) fn is_indexed(first: &[u8]) -> bool {
    member::length(first).is_some()
}

/// How hard to compress, in libdeflate's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(i32);

impl Level {
    /// A little smaller than zlib's default, and five times as fast. The next level saves another 0.7 % in a third
    /// more time.
    pub const DEFAULT: Self = Self(5);

    /// For contents that are only moved: 1.5 times as fast as [`Level::DEFAULT`]
    /// and 10 % larger, which is 2 % larger than what skopeo writes.
    pub const FAST: Self = Self(1);

    /// Returns level `level`, between 1 and 12.
    pub fn new(level: i32) -> Option<Self> {
        (1..=12).contains(&level).then_some(Self(level))
    }
}

struct Job {
    input: Vec<u8>,
    done: Sender<io::Result<Member>>,
}

struct Member {
    compressed: Vec<u8>,
    /// The buffer of the input, to be filled again: a fresh megabyte costs the
    /// kernel 256 page faults, some 3 % of the time that level 1 takes for it.
    input: Vec<u8>,
}

/// Compresses what is written to it on several threads, in order.
pub struct ParallelGzip<W: Write> {
    output: W,
    pending: Vec<u8>,
    jobs: Option<Sender<Job>>,
    /// Members under way, oldest first.
    in_flight: VecDeque<Receiver<io::Result<Member>>>,
    /// Buffers to be filled again.
    spare: Vec<Vec<u8>>,
    limit: usize,
    workers: Vec<JoinHandle<()>>,
    wrote_any: bool,
}

impl<W: Write> std::fmt::Debug for ParallelGzip<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParallelGzip")
            .field("in_flight", &self.in_flight.len())
            .finish()
    }
}

impl<W: Write> ParallelGzip<W> {
    /// Starts compressing to `output` with at most `threads` threads.
    pub fn new(output: W, level: Level, threads: usize) -> Self {
        let threads = threads.max(1);
        let (jobs, queue) = bounded::<Job>(threads);
        let workers = (0..threads)
            .map(|_| {
                let queue = queue.clone();
                std::thread::spawn(move || work(&queue, level))
            })
            .collect();
        Self {
            output,
            pending: Vec::with_capacity(MEMBER),
            jobs: Some(jobs),
            in_flight: VecDeque::new(),
            spare: Vec::new(),
            limit: threads * 2,
            workers,
            wrote_any: false,
        }
    }

    /// Compresses what is left and returns the output.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.pending.is_empty() || !self.wrote_any {
            self.submit()?;
        }
        while !self.in_flight.is_empty() {
            self.collect()?;
        }
        self.jobs = None;
        for worker in self.workers.drain(..) {
            worker
                .join()
                .map_err(|_| io::Error::other("a compression thread panicked"))?;
        }
        Ok(self.output)
    }

    fn submit(&mut self) -> io::Result<()> {
        if self.in_flight.len() == self.limit {
            self.collect()?;
        }
        let empty = self
            .spare
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(MEMBER));
        let input = std::mem::replace(&mut self.pending, empty);
        let (done, receiver) = bounded(1);
        let gone = || io::Error::other("the compression threads are gone");
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(Job { input, done })
            .map_err(|_| gone())?;
        self.in_flight.push_back(receiver);
        self.wrote_any = true;
        Ok(())
    }

    fn collect(&mut self) -> io::Result<()> {
        let Some(oldest) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let Member {
            compressed,
            mut input,
        } = oldest
            .recv()
            .map_err(|_| io::Error::other("a compression thread is gone"))??;
        input.clear();
        self.spare.push(input);
        self.output.write_all(&compressed)
    }
}

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let take = data.len().min(MEMBER - self.pending.len());
        self.pending.extend_from_slice(&data[..take]);
        if self.pending.len() == MEMBER {
            self.submit()?;
        }
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn work(queue: &Receiver<Job>, level: Level) {
    let mut compressor =
        Compressor::new(CompressionLvl::new(level.0).unwrap_or_else(|_| CompressionLvl::default()));
    let mut output = vec![0; member::bound(&mut compressor, MEMBER)];
    for Job { input, done } in queue {
        let result = member::write(&mut compressor, &input, &mut output).map(|length| Member {
            compressed: output[..length].to_vec(),
            input,
        });
        if done.send(result).is_err() {
            return; // the writer was dropped: nobody wants the rest
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::codec::{decompress, decompress_counted};

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * i / 7) as u8).collect()
    }

    fn compress(data: &[u8], threads: usize) -> Vec<u8> {
        let mut writer = ParallelGzip::new(Vec::new(), Level::DEFAULT, threads);
        writer.write_all(data).unwrap();
        writer.finish().unwrap()
    }

    fn inflate(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut back = Vec::new();
        io::copy(&mut decompress(packed).unwrap().1, &mut back).map(|_| back)
    }

    /// As readers that know nothing of the lengths do it.
    fn inflate_plainly(packed: &[u8]) -> Vec<u8> {
        let mut back = Vec::new();
        io::copy(&mut flate2::bufread::MultiGzDecoder::new(packed), &mut back).unwrap();
        back
    }

    #[test]
    fn round_trip_is_exact_and_independent_of_the_number_of_threads() {
        for length in [0, 1, MEMBER - 1, MEMBER, MEMBER + 1, 5 * MEMBER + 17] {
            let data = bytes(length);
            let (one, four) = (compress(&data, 1), compress(&data, 4));
            assert!(one == four, "{length}: the output depends on the threads");
            assert!(
                inflate(&one).unwrap() == data,
                "{length}: not the same bytes"
            );
            assert!(
                inflate_plainly(&one) == data,
                "{length}: not gzip for others"
            );
        }
    }

    #[test]
    fn members_of_others_may_follow() {
        let data = bytes(3 * MEMBER);
        let mut plain = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        plain.write_all(&data).unwrap();
        let plain = plain.finish().unwrap();
        let (ours, twice) = (compress(&data, 2), data.repeat(2));
        for packed in [[&ours[..], &plain].concat(), [&plain[..], &ours].concat()] {
            let taken = Arc::<AtomicU64>::default();
            let (_, mut reader) = decompress_counted(&packed[..], Arc::clone(&taken)).unwrap();
            let mut back = Vec::new();
            io::copy(&mut reader, &mut back).unwrap();
            assert!(back == twice);
            let missed = packed.len() as u64 - taken.load(Ordering::Relaxed);
            assert!(missed < 64, "{missed} bytes are not accounted for");
        }
    }

    #[test]
    fn what_was_taken_follows_what_was_given() {
        let packed = compress(&bytes(8 * MEMBER), 2);
        let taken = Arc::<AtomicU64>::default();
        let (_, mut reader) = decompress_counted(&packed[..], Arc::clone(&taken)).unwrap();
        for eighth in 1..=16_u64 {
            reader.read_exact(&mut vec![0; MEMBER / 2]).unwrap();
            let fair = packed.len() as u64 * eighth / 16;
            let off = taken.load(Ordering::Relaxed).abs_diff(fair);
            assert!(off < packed.len() as u64 / 50, "{off} off at {eighth}/16");
        }
    }

    #[test]
    fn lies_are_found_out() {
        let data = bytes(2 * MEMBER + 100);
        let good = compress(&data, 1);
        let change = |at: usize, to: &[u8]| {
            let mut bad = good.clone();
            bad[at..at + to.len()].copy_from_slice(to);
            bad
        };
        let length = member::length(&good).unwrap();
        let short = u32::try_from(length - 9).unwrap().to_le_bytes();
        let long = u32::try_from(length + 9).unwrap().to_le_bytes();
        let lies = [
            ("the member is said to be shorter", change(16, &short)),
            ("the member is said to be longer", change(16, &long)),
            ("another checksum", change(length - 8, &[1, 2, 3, 4])),
            ("fewer bytes unpacked", change(length - 4, &[9, 0, 0, 0])),
            ("more bytes unpacked", change(length - 4, &[0, 0, 0x1f, 0])),
            ("endless bytes unpacked", change(length - 4, &[0xff; 4])),
            ("other bytes", change(length / 2, &[0xff; 64])),
            ("the end is missing", good[..good.len() - 1].to_vec()),
            ("a member is missing", good[..length + 10].to_vec()),
            ("garbage follows", [&good[..], b"garbage"].concat()),
        ];
        let mut found = 0;
        for (what, packed) in lies {
            match inflate(&packed) {
                // Who does not read the lengths is not misled by them.
                Ok(inflated) => assert!(inflated == inflate_plainly(&packed), "{what}"),
                Err(error) => {
                    let expected = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
                    assert!(expected.contains(&error.kind()), "{what}: {error:?}");
                    found += 1;
                }
            }
        }
        assert_eq!(found, 9);
    }
}
