//! What programs write, collected while they run.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes of a stream that are compared. Nobody reads a difference beyond that.
const MOST: usize = 4 << 20;
/// Bytes at the end of a stream that are kept besides, for its last lines.
const TAIL: usize = 16 << 10;
/// How long a stream is read on after its program has ended. One that the program has left open for another
/// process never ends.
const PATIENCE: Duration = Duration::from_millis(500);

/// A stream being read.
#[derive(Debug)]
pub(super) struct Stream {
    collected: Arc<Mutex<Collected>>,
    ended: Receiver<()>,
}

#[derive(Debug, Default)]
struct Collected {
    head: Vec<u8>,
    tail: VecDeque<u8>,
}

impl Stream {
    /// Starts to read.
    pub(super) fn read(stream: Option<File>) -> Self {
        let collected = Arc::new(Mutex::new(Collected::default()));
        let (end, ended) = channel();
        if let Some(mut stream) = stream {
            let collected = Arc::clone(&collected);
            std::thread::spawn(move || {
                let mut buffer = [0; 16 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if let Ok(mut collected) = collected.lock() {
                        collected.add(&buffer[..count]);
                    }
                }
                drop(end);
            });
        }
        Self { collected, ended }
    }

    /// Waits until the stream ends, but not for long.
    pub(super) fn settle(&self) {
        let _ = self.ended.recv_timeout(PATIENCE); // the end is that nobody sends any more
    }

    /// Returns what was written first.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let collected = self.collected.lock();
        collected.map_or_else(|_| Vec::new(), |collected| collected.head.clone())
    }

    /// Returns whether that contains a text.
    pub(super) fn contains(&self, text: &str) -> bool {
        let collected = self.collected.lock();
        collected
            .is_ok_and(|collected| memchr::memmem::find(&collected.head, text.as_bytes()).is_some())
    }

    /// Returns the last lines.
    pub(super) fn last_lines(&self, count: usize) -> Vec<String> {
        let Ok(collected) = self.collected.lock() else {
            return Vec::new();
        };
        let tail: Vec<u8> = collected.tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&tail);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(count);
        lines[from..]
            .iter()
            .map(|line| layer::display(line.as_bytes()).into_owned())
            .collect()
    }
}

impl Collected {
    fn add(&mut self, bytes: &[u8]) {
        let room = MOST - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
    }
}
