//! Bytes of an object, read at random and in blocks.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use layer::{Content, Contents};
use object::read::ReadCacheOps;

use super::Error;

/// Bytes that can be read at any place.
pub trait ReadAt {
    /// Returns the number of bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on and returns how many bytes there were;
    /// fewer than asked only at the end.
    ///
    /// # Errors
    /// When the bytes cannot be had.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A regular file of a tree.
#[derive(Debug, Clone, Copy)]
pub struct TreeFile<'a> {
    /// The layers that it is in.
    pub contents: &'a Contents,
    /// Which bytes of them.
    pub content: &'a Content,
}

impl ReadAt for TreeFile<'_> {
    fn size(&self) -> u64 {
        self.content.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.contents.read_at(self.content, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).map_or(self.len(), |offset| offset.min(self.len()));
        let length = buffer.len().min(self.len() - start);
        buffer[..length].copy_from_slice(&self[start..][..length]);
        Ok(length)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }
}

/// Reads a range, whose length the caller has bounded; nothing where the source ends before.
pub(crate) fn read_range<S: ReadAt>(source: S, range: Range<u64>) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
    let mut done = 0;
    while done < bytes.len() {
        match source.read_at(&mut bytes[done..], range.start + done as u64)? {
            0 => return Ok(None),
            read => done += read,
        }
    }
    Ok(Some(bytes))
}

/// Bytes read from the source at once: the headers and the dynamic section of
/// most objects are in two or three such blocks.
const BLOCK: u64 = 8 << 10;

/// Blocks kept. Larger reads pass by the blocks, so that this bounds their memory.
const BLOCKS: usize = 32;

/// A source behind `object`'s read cache, with blocks below it.
pub(super) struct Blocks<S> {
    source: S,
    blocks: HashMap<u64, Box<[u8]>>,
    position: u64,
    /// The first failure to read; `object` reports failures without their cause.
    failure: Option<Error>,
}

impl<S: ReadAt> Blocks<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            blocks: HashMap::new(),
            position: 0,
            failure: None,
        }
    }

    pub(super) fn into_failure(self) -> Option<Error> {
        self.failure
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.len() as u64 >= BLOCK {
            return self.source.read_at(buffer, self.position);
        }
        let mut done = 0;
        while done < buffer.len() {
            let at = self.position + done as u64;
            let block = self.block(at / BLOCK)?;
            let rest = block.get((at % BLOCK) as usize..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let length = rest.len().min(buffer.len() - done);
            buffer[done..][..length].copy_from_slice(&rest[..length]);
            done += length;
        }
        Ok(done)
    }

    fn block(&mut self, index: u64) -> io::Result<&[u8]> {
        if self.blocks.len() >= BLOCKS && !self.blocks.contains_key(&index) {
            self.blocks.clear();
        }
        let Self { source, blocks, .. } = self;
        let block = match blocks.entry(index) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let left = source.size().saturating_sub(index * BLOCK);
                let mut block = vec![0; left.min(BLOCK) as usize];
                let read = source.read_at(&mut block, index * BLOCK)?;
                block.truncate(read);
                entry.insert(block.into())
            }
        };
        Ok(block)
    }
}

impl<S: ReadAt> ReadCacheOps for Blocks<S> {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.source.size())
    }

    fn seek(&mut self, position: u64) -> Result<u64, ()> {
        self.position = position;
        Ok(position)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
        match self.fill(buffer) {
            Ok(read) => {
                self.position += read as u64;
                Ok(read)
            }
            Err(source) => {
                let offset = self.position;
                self.failure.get_or_insert(Error::Read { offset, source });
                Err(())
            }
        }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ()> {
        // A source gives less than asked only at its end, and `object` has
        // compared the range with its length.
        let read = self.read(buffer)?;
        (read == buffer.len()).then_some(()).ok_or(())
    }
}
