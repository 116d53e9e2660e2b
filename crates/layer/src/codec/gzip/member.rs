//! One member of a gzip file that says how long it is.
//!
//! RFC 1952, section 2.3.1.1, lets a header have extra fields. The one here, `IG`, holds the length of the whole
//! member in four bytes; `mgzip`, `gzp` and `crabz` write and read it too. Who does not know it, passes it over.
//! Members can be told apart by it without inflating them.

use std::io;

use libdeflater::{Compressor, Crc, Decompressor};

/// Bytes before the compressed ones: ten of every header, two for the length of the extra fields, and the field.
pub(super) const HEADER: usize = 20;
/// Bytes after them: CRC-32 and length of the uncompressed ones.
const TRAILER: usize = 8;
/// `FLG.FEXTRA` alone.
const EXTRA: u8 = 4;
/// `OS`: unknown.
const UNKNOWN: u8 = 255;
/// Longest member that is taken up whole, compressed or not: twice what is written here.
const LONGEST: usize = 2 << 20;

/// Returns the bytes that a member of `length` bytes may take.
pub(super) fn bound(compressor: &mut Compressor, length: usize) -> usize {
    HEADER + compressor.deflate_compress_bound(length) + TRAILER
}

/// Compresses `input` as one member into `output`, which has room for [`bound`]. Returns its length.
pub(super) fn write(
    compressor: &mut Compressor,
    input: &[u8],
    output: &mut [u8],
) -> io::Result<usize> {
    let too_long = |_| io::Error::other("a member of a gzip file is too long");
    let compressed = compressor
        .deflate_compress(input, &mut output[HEADER..])
        .map_err(|error| io::Error::other(error.to_string()))?;
    let end = HEADER + compressed;
    let length = u32::try_from(end + TRAILER).map_err(too_long)?;
    let unpacked = u32::try_from(input.len()).map_err(too_long)?;
    output[..10].copy_from_slice(&[0x1f, 0x8b, 8, EXTRA, 0, 0, 0, 0, 0, UNKNOWN]);
    output[10..16].copy_from_slice(&[8, 0, b'I', b'G', 4, 0]);
    output[16..HEADER].copy_from_slice(&length.to_le_bytes());
    output[end..end + 4].copy_from_slice(&checksum(input).to_le_bytes());
    output[end + 4..end + TRAILER].copy_from_slice(&unpacked.to_le_bytes());
    Ok(end + TRAILER)
}

/// Returns the length of the member that begins so, if it says it and may be taken up whole.
pub(super) fn length(start: &[u8]) -> Option<usize> {
    let (fixed, rest) = start.split_at_checked(10)?;
    let (extra, rest) = rest.split_at_checked(6)?;
    let number = rest.first_chunk::<4>()?;
    let indexed = fixed.starts_with(&[0x1f, 0x8b, 8, EXTRA]) && extra == [8, 0, b'I', b'G', 4, 0];
    let length = usize::try_from(u32::from_le_bytes(*number)).ok()?;
    (indexed && (HEADER + TRAILER..=LONGEST).contains(&length)).then_some(length)
}

/// Returns how long a member is uncompressed, as it says itself, if it may be taken up whole.
pub(super) fn unpacked_length(member: &[u8]) -> Option<usize> {
    let length = usize::try_from(u32::from_le_bytes(*member.last_chunk::<4>()?)).ok()?;
    (length <= LONGEST).then_some(length)
}

/// Inflates a member of a known length into `output`, whatever is there.
pub(super) fn read(
    decompressor: &mut Decompressor,
    member: &[u8],
    output: &mut Vec<u8>,
) -> io::Result<()> {
    let broken =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("corrupt gzip: {what}"));
    let unpacked = unpacked_length(member).ok_or_else(|| broken("a length is wrong"))?;
    let (body, trailer) = member
        .get(HEADER..)
        .and_then(|rest| rest.split_last_chunk::<TRAILER>())
        .ok_or_else(|| broken("a length is wrong"))?;
    output.resize(unpacked, 0);
    let written = decompressor
        .deflate_decompress(body, output)
        .map_err(|error| broken(&error.to_string()))?;
    let wanted = trailer.first_chunk::<4>().copied();
    if written != unpacked || wanted != Some(checksum(output).to_le_bytes()) {
        return Err(broken("the checksum of a member is another"));
    }
    Ok(())
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
