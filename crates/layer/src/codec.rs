//! Compression of layers: recognised by content, never by name.

pub mod gzip;
pub mod zstd;

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::gzip::Members;
use crate::error::{Error, Result};

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    None,
    /// RFC 1952, one or several members.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// The largest zstd window accepted: 2^27 bytes, libzstd's own default limit.
/// Registries and runtimes refuse more, and it bounds memory.
const WINDOW_LOG_MAX: u32 = 27;

impl Codec {
    /// Recognises a compression by its first bytes.
    ///
    /// # Errors
    /// [`Error::Codec`] for compressions that image layers may not have.
    pub fn detect(first: &[u8]) -> Result<Self> {
        let refuse = |name: &str| {
            Err(Error::Codec {
                reason: format!("{name} is not supported"),
            })
        };
        match first {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame opens zstd:chunked and eStargz-like files.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => refuse("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => refuse("bzip2"),
            _ => Ok(Self::None),
        }
    }
}

/// Returns a reader of the uncompressed bytes of `input`, and what it was compressed with.
///
/// # Errors
/// When the first bytes cannot be read, or show an unsupported compression.
pub fn decompress<'a>(input: impl Read + Send + 'a) -> Result<(Codec, Box<dyn Read + Send + 'a>)> {
    decompress_counted(input, Arc::default())
}

/// Does the same, and keeps in `taken` how many bytes of `input` have been decoded.
///
/// # Errors
/// As [`decompress`].
pub fn decompress_counted<'a>(
    input: impl Read + Send + 'a,
    taken: Arc<AtomicU64>,
) -> Result<(Codec, Box<dyn Read + Send + 'a>)> {
    let input = BufReader::with_capacity(256 << 10, input);
    let mut input = Taken { input, taken };
    let first = input
        .fill_buf()
        .map_err(|source| Error::Read { offset: 0, source })?;
    let codec = Codec::detect(first)?;
    let indexed = gzip::is_indexed(first);
    let reader: Box<dyn Read + Send> = match codec {
        Codec::None => Box::new(input),
        Codec::Gzip if indexed => Box::new(Lenient(Members::new(input.input, input.taken))),
        Codec::Gzip => Box::new(Lenient(flate2::bufread::MultiGzDecoder::new(input))),
        Codec::Zstd => {
            let mut decoder = ::zstd::stream::read::Decoder::with_buffer(input)
                .map_err(|source| Error::Read { offset: 0, source })?;
            decoder
                .window_log_max(WINDOW_LOG_MAX)
                .map_err(|source| Error::Read { offset: 0, source })?;
            Box::new(decoder)
        }
    };
    Ok((codec, reader))
}

/// Counts what is taken of a buffer, not what is read ahead into it.
struct Taken<R> {
    input: R,
    taken: Arc<AtomicU64>,
}

impl<R: BufRead> Read for Taken<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Taken<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.taken.fetch_add(amount as u64, Ordering::Relaxed);
        self.input.consume(amount);
    }
}

/// Gives decoder errors a kind that tells broken data from a broken disk.
struct Lenient<R>(R);

impl<R: Read> Read for Lenient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => io::Error::new(io::ErrorKind::InvalidData, error),
            _ => error,
        })
    }
}
