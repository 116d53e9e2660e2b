//! Digests, computed and verified while bytes pass.

mod beside;

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) use self::beside::HashingBeside;

/// A SHA-256 digest. The OCI image specification also registers sha512; no
/// registry or engine in use writes it, and it is refused when met.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest (expected sha256: and 64 hexadecimal digits)")]
pub struct NotADigest(String);

impl Digest {
    /// Computes the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the first twelve digits, as `docker images` prints ids.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let refuse = || NotADigest(text.chars().take(100).collect());
        let hex = text.strip_prefix("sha256:").ok_or_else(refuse)?;
        if hex.len() != 64 || hex.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(refuse());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| refuse())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| refuse())?;
        }
        Ok(Self(digest))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

/// Digest and length of the bytes seen so far.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    sha256: Sha256,
    length: u64,
}

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// Returns digest and length.
    pub fn finish(self) -> (Digest, u64) {
        (Digest(self.sha256.finalize().into()), self.length)
    }
}

/// Hashes what is read through it.
#[derive(Debug)]
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R> HashingReader<R> {
    /// Starts hashing what is read from `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
        }
    }

    /// Returns digest and length of what was read.
    pub fn finish(self) -> (Digest, u64) {
        self.hasher.finish()
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Hashes what is written through it.
#[derive(Debug)]
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W> HashingWriter<W> {
    /// Starts hashing what is written to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
        }
    }

    /// Returns the inner writer, and digest and length of what was written.
    pub fn finish(self) -> (W, Digest, u64) {
        let (digest, length) = self.hasher.finish();
        (self.inner, digest, length)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Passes bytes on and fails at the end when they are not what was promised:
/// too many, too few, or other ones.
#[derive(Debug)]
pub struct VerifyingReader<R> {
    inner: R,
    hasher: Option<Hasher>,
    expected: Digest,
    size: u64,
    seen: u64,
}

/// What [`VerifyingReader`] found wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Other bytes.
    #[error("the bytes have digest {actual}, not {expected}")]
    Digest {
        /// What was promised.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// Another number of bytes.
    #[error("there are {} than the {expected} bytes declared", if .actual > .expected { "more" } else { "fewer" })]
    Size {
        /// What was declared.
        expected: u64,
        /// What came, as far as it was read.
        actual: u64,
    },
}

impl<R> VerifyingReader<R> {
    /// Starts verifying `size` bytes with digest `expected`.
    pub fn new(inner: R, expected: Digest, size: u64) -> Self {
        Self {
            inner,
            hasher: Some(Hasher::default()),
            expected,
            size,
            seen: 0,
        }
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.seen += read as u64;
        let invalid = |mismatch| Err(io::Error::new(io::ErrorKind::InvalidData, mismatch));
        if self.seen > self.size || (read == 0 && self.seen < self.size && !buffer.is_empty()) {
            return invalid(Mismatch::Size {
                expected: self.size,
                actual: self.seen,
            });
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        if read == 0
            && !buffer.is_empty()
            && let Some(hasher) = self.hasher.take()
        {
            let (actual, _) = hasher.finish();
            if actual != self.expected {
                return invalid(Mismatch::Digest {
                    expected: self.expected,
                    actual,
                });
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_parsed_strictly() {
        let text = Digest::of(b"abc").to_string();
        assert_eq!(text.parse::<Digest>().unwrap(), Digest::of(b"abc"));
        for bad in [
            "",
            "sha256:",
            "md5:00",
            &text.to_uppercase(),
            &text[..70],
            "sha256:../../etc",
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn wrong_bytes_are_noticed() {
        let read = |bytes: &[u8], digest, size| {
            io::copy(
                &mut VerifyingReader::new(bytes, digest, size),
                &mut io::sink(),
            )
        };
        let digest = Digest::of(b"abc");
        assert_eq!(read(b"abc", digest, 3).unwrap(), 3);
        for (bytes, size) in [
            (&b"abd"[..], 3),
            (b"ab", 3),
            (b"abcd", 3),
            (b"abc", 2),
            (b"abc", 4),
        ] {
            assert!(read(bytes, digest, size).is_err(), "{bytes:?} {size}");
        }
    }
}
