//! Where the bytes of files are: ranges of layers, read at random.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes compared at once.
const COMPARED: u64 = 128 << 10;

/// A run of stored bytes of a file: `length` bytes at `logical` in the file are
/// stored at `stored` in the uncompressed layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Offset in the file.
    pub logical: u64,
    /// Offset in the uncompressed layer tar.
    pub stored: u64,
    /// Bytes.
    pub length: u64,
}

/// The bytes of one regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Index of the layer that stores them.
    pub layer: u32,
    /// Logical size.
    pub size: u64,
    /// Stored runs in ascending order; bytes outside of them are zero.
    pub extents: Extents,
}

/// The stored runs of a file: almost always one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extents {
    /// All bytes, starting here in the uncompressed layer.
    Whole(u64),
    /// A sparse file.
    Sparse(Box<[Extent]>),
}

/// A range of a file: an uncompressed layer inside an archive, or a spooled one.
#[derive(Debug, Clone)]
pub struct FileSlice {
    file: Arc<File>,
    base: u64,
    length: u64,
}

impl FileSlice {
    /// Returns the range of `length` bytes at `base` of `file`.
    pub fn new(file: Arc<File>, base: u64, length: u64) -> Self {
        Self { file, base, length }
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Returns whether the range is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range or the file ends before.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(buffer, self.base + offset)
    }

    /// Returns a sequential reader over the range.
    pub fn reader(&self) -> FileSliceReader {
        FileSliceReader {
            slice: self.clone(),
            position: 0,
        }
    }
}

/// A sequential reader over a [`FileSlice`], independent of any other.
#[derive(Debug)]
pub struct FileSliceReader {
    slice: FileSlice,
    position: u64,
}

impl FileSliceReader {
    /// Moves `bytes` ahead without reading, at most to the end; returns how many.
    pub(crate) fn skip(&mut self, bytes: u64) -> u64 {
        let step = bytes.min(self.slice.length.saturating_sub(self.position));
        self.position += step;
        step
    }
}

impl io::Read for FileSliceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.slice.length.saturating_sub(self.position);
        let want = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self
            .slice
            .file
            .read_at(&mut buffer[..want], self.slice.base + self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// The uncompressed layers of one image, by index.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    layers: Vec<FileSlice>,
}

impl Contents {
    /// Takes the uncompressed layers, base first.
    pub fn new(layers: Vec<FileSlice>) -> Self {
        Self { layers }
    }

    /// Adds an uncompressed layer above the others.
    pub fn push(&mut self, layer: FileSlice) {
        self.layers.push(layer);
    }

    /// Returns how many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Returns `length` bytes at `start` of a layer as a range of its file, if
    /// the layer is that long.
    pub fn slice(&self, layer: u32, start: u64, length: u64) -> Option<FileSlice> {
        let whole = self.layers.get(layer as usize)?;
        let end = start.checked_add(length)?;
        (end <= whole.length)
            .then(|| FileSlice::new(Arc::clone(&whole.file), whole.base + start, length))
    }

    /// Fills `buffer` with the bytes of `content` from `offset` on and returns
    /// how many there were; fewer than asked only at the end of the file.
    ///
    /// # Errors
    /// When the layer cannot be read, or is shorter than its index says.
    pub fn read_at(&self, content: &Content, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = content.size.saturating_sub(offset);
        let want = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..want];
        let layer = self
            .layers
            .get(content.layer as usize)
            .ok_or_else(|| io::Error::other("the content names a layer that is not loaded"))?;
        match &content.extents {
            Extents::Whole(start) => layer.read_exact_at(buffer, start + offset)?,
            Extents::Sparse(extents) => {
                buffer.fill(0);
                let end = offset + want as u64;
                for extent in extents {
                    let from = extent.logical.max(offset);
                    let to = (extent.logical + extent.length).min(end);
                    if from < to {
                        let range = (from - offset) as usize..(to - offset) as usize;
                        layer.read_exact_at(
                            &mut buffer[range],
                            extent.stored + (from - extent.logical),
                        )?;
                    }
                }
            }
        }
        Ok(want)
    }

    /// Reads at most `limit` bytes of the file from its beginning.
    ///
    /// # Errors
    /// As [`Contents::read_at`].
    pub fn read(&self, content: &Content, limit: u64) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; content.size.min(limit) as usize];
        let read = self.read_at(content, &mut buffer, 0)?;
        buffer.truncate(read);
        Ok(buffer)
    }

    /// Returns whether two files have the same bytes, the second one in `others`.
    ///
    /// # Errors
    /// As [`Contents::read_at`].
    pub fn same(&self, content: &Content, others: &Self, other: &Content) -> io::Result<bool> {
        if content.size != other.size {
            return Ok(false);
        }
        if std::ptr::eq(self, others) && content == other {
            return Ok(true);
        }
        let length = content.size.min(COMPARED) as usize;
        let (mut a, mut b) = (vec![0; length], vec![0; length]);
        let mut at = 0;
        while at < content.size {
            let read = self.read_at(content, &mut a, at)?;
            let same = others.read_at(other, &mut b, at)?;
            if read != same || a[..read] != b[..read] {
                return Ok(false);
            }
            if read == 0 {
                break;
            }
            at += read as u64;
        }
        Ok(true)
    }
}
