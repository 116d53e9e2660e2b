//! zstd on all cores, the same bytes on every machine.

use std::io::{self, Write};

/// zstd's levels, 1 to 22; above 19 decoding takes much memory too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(i32);

impl Level {
    /// zstd's own default.
    pub const DEFAULT: Self = Self(3);

    /// Returns level `level`, between 1 and 22.
    pub fn new(level: i32) -> Option<Self> {
        (1..=22).contains(&level).then_some(Self(level))
    }
}

/// Compresses what is written to it on several threads.
pub struct ParallelZstd<W: Write>(::zstd::stream::write::Encoder<'static, W>);

impl<W: Write> std::fmt::Debug for ParallelZstd<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParallelZstd").finish_non_exhaustive()
    }
}

impl<W: Write> ParallelZstd<W> {
    /// Starts compressing to `output` with at most `threads` threads.
    ///
    /// One worker is asked for at least: its jobs have the same borders however
    /// many there are, so that the bytes do not depend on the machine.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn new(output: W, level: Level, threads: usize) -> io::Result<Self> {
        let mut encoder = ::zstd::stream::write::Encoder::new(output, level.0)?;
        encoder.multithread(u32::try_from(threads.max(1)).unwrap_or(1))?;
        encoder.include_checksum(true)?;
        Ok(Self(encoder))
    }

    /// Compresses what is left and returns the output.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for ParallelZstd<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn round_trip_is_exact_and_independent_of_the_number_of_threads() {
        let data: Vec<u8> = (0..5_000_017_u64).map(|i| (i * i / 7) as u8).collect();
        let compress = |threads| {
            let mut writer = ParallelZstd::new(Vec::new(), Level::DEFAULT, threads).unwrap();
            writer.write_all(&data).unwrap();
            writer.finish().unwrap()
        };
        let (one, four) = (compress(1), compress(4));
        assert!(one == four, "the output depends on the threads");
        let mut back = Vec::new();
        let (codec, mut reader) = super::super::decompress(&one[..]).unwrap();
        reader.read_to_end(&mut back).unwrap();
        assert_eq!(codec, super::super::Codec::Zstd);
        assert!(back == data, "not the same bytes");
    }
}
