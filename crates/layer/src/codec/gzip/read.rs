//! Inflating on several processors what [`ParallelGzip`](super::ParallelGzip) and its like have written.

use std::collections::VecDeque;
use std::io::{self, BufRead, Cursor, Read};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::bufread::MultiGzDecoder;
use libdeflater::Decompressor;

use super::member;
use crate::codec::Taken;

/// Most threads that inflate one layer. What is done with the bytes afterwards keeps up with few.
const MOST_THREADS: usize = 4;

/// Members that were read and are being inflated.
struct Job {
    member: Vec<u8>,
    /// Filled with what the member contains. A fresh one costs the kernel 256 page faults for a megabyte.
    output: Vec<u8>,
    done: Sender<io::Result<Inflated>>,
}

/// A member that was inflated.
struct Inflated {
    bytes: Vec<u8>,
    /// The buffer that it came in, to be filled again.
    member: Vec<u8>,
}

/// A member under way.
struct InFlight {
    /// Its length, compressed.
    length: u64,
    inflated: Receiver<io::Result<Inflated>>,
}

/// What was read and belongs before the rest of the input.
type Unread<R> = io::Chain<Cursor<Vec<u8>>, R>;

enum Source<R> {
    /// Members that say how long they are.
    Members(R),
    /// Others, which are inflated here.
    Rest(Box<MultiGzDecoder<Taken<Unread<R>>>>),
    Ended,
}

/// Gives the uncompressed bytes of a gzip file whose first member says how long it is.
pub(in crate::codec) struct Members<R> {
    source: Source<R>,
    in_flight: VecDeque<InFlight>,
    /// Buffers to be filled again: of members, and of what they contain.
    spare_input: Vec<Vec<u8>>,
    spare_output: Vec<Vec<u8>>,
    jobs: Sender<Job>,
    queue: Receiver<Job>,
    workers: usize,
    threads: usize,
    current: Vec<u8>,
    /// How much of `current` has been given.
    given: usize,
    /// Length of the member that `current` was, and of all before it.
    length: u64,
    before: u64,
    /// Bytes of the input that are behind what has been given.
    taken: Arc<AtomicU64>,
}

impl<R: BufRead> Members<R> {
    pub(in crate::codec) fn new(input: R, taken: Arc<AtomicU64>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = threads.min(MOST_THREADS);
        let (jobs, queue) = bounded(2 * threads);
        Self {
            source: Source::Members(input),
            in_flight: VecDeque::new(),
            spare_input: Vec::new(),
            spare_output: Vec::new(),
            jobs,
            queue,
            workers: 0,
            threads,
            current: Vec::new(),
            given: 0,
            length: 0,
            before: 0,
            taken,
        }
    }

    /// Reads members until enough are under way.
    fn top_up(&mut self) -> io::Result<()> {
        while self.in_flight.len() < 2 * self.threads
            && let Source::Members(input) = &mut self.source
        {
            let mut read = self.spare_input.pop().unwrap_or_default();
            read.clear();
            read_up_to(input, member::HEADER, &mut read)?;
            let length = member::length(&read);
            if let Some(length) = length {
                read_up_to(input, length, &mut read)?;
            }
            let whole = length == Some(read.len()) && member::unpacked_length(&read).is_some();
            if read.is_empty() {
                self.source = Source::Ended;
            } else if whole {
                self.submit(read)?;
            } else if let Source::Members(input) =
                std::mem::replace(&mut self.source, Source::Ended)
            {
                let input = Taken {
                    input: Cursor::new(read).chain(input),
                    taken: Arc::clone(&self.taken),
                };
                self.source = Source::Rest(Box::new(MultiGzDecoder::new(input)));
            }
        }
        Ok(())
    }

    fn submit(&mut self, member: Vec<u8>) -> io::Result<()> {
        if self.workers < self.threads && self.workers <= self.in_flight.len() {
            let queue = self.queue.clone();
            std::thread::Builder::new()
                .name("inflate".to_owned())
                .spawn(move || work(&queue))?;
            self.workers += 1;
        }
        let (done, inflated) = bounded(1);
        let length = member.len() as u64;
        let output = self.spare_output.pop().unwrap_or_default();
        let job = Job {
            member,
            output,
            done,
        };
        let gone = |_| io::Error::other("the inflating threads are gone");
        self.jobs.send(job).map_err(gone)?;
        self.in_flight.push_back(InFlight { length, inflated });
        Ok(())
    }

    /// Notes how far the current member has been given. Within a member every byte costs the same.
    fn note(&self) {
        let share = match self.current.len() {
            0 => self.length,
            all => self.length * self.given as u64 / all as u64,
        };
        self.taken.store(self.before + share, Ordering::Relaxed);
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.current.len() {
            self.top_up()?;
            let Some(next) = self.in_flight.pop_front() else {
                return match &mut self.source {
                    Source::Rest(rest) => rest.read(buffer),
                    Source::Members(_) | Source::Ended => Ok(0),
                };
            };
            let gone = |_| io::Error::other("an inflating thread is gone");
            let inflated = next.inflated.recv().map_err(gone)??;
            let given = std::mem::replace(&mut self.current, inflated.bytes);
            self.spare_output.push(given);
            self.spare_input.push(inflated.member);
            self.before += self.length;
            self.length = next.length;
            self.given = 0;
            self.note();
        }
        let rest = self.current.get(self.given..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        self.note();
        Ok(length)
    }
}

/// Reads until there are `length` bytes, or no more.
fn read_up_to(input: &mut impl Read, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let missing = length.saturating_sub(into.len());
    into.reserve(missing);
    input.take(missing as u64).read_to_end(into).map(drop)
}

fn work(queue: &Receiver<Job>) {
    let mut decompressor = Decompressor::new();
    for job in queue {
        let Job {
            member,
            mut output,
            done,
        } = job;
        let inflated = member::read(&mut decompressor, &member, &mut output);
        let bytes = output;
        if done
            .send(inflated.map(|()| Inflated { bytes, member }))
            .is_err()
        {
            return; // the reader was dropped: nobody wants the rest
        }
    }
}
