//! Files in which zeros take no room.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;

/// Bytes that are looked at together: a multiple of the blocks of file systems.
const BLOCK: usize = 64 << 10;

/// Writes a file from its beginning, with holes where there would be zeros: what images have of sparse files is
/// zeros in the tar, and need not fill a disk.
#[derive(Debug)]
pub(crate) struct SparseWriter<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> SparseWriter<'a> {
    /// Takes an empty file.
    pub(crate) fn new(file: &'a File) -> Self {
        Self { file, position: 0 }
    }
}

impl Write for SparseWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        for block in buffer.chunks(BLOCK) {
            let all = block.iter().fold(0, |all, byte| all | byte);
            if all != 0 {
                self.file.write_all_at(block, self.position)?;
            }
            self.position += block.len() as u64;
        }
        Ok(buffer.len())
    }

    /// Makes the file as long as what was written.
    fn flush(&mut self) -> io::Result<()> {
        self.file.set_len(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn zeros_take_no_room_and_are_read_back() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = SparseWriter::new(&file);
        let zeros = vec![0; 16 * BLOCK];
        for part in [&b"head"[..], &zeros, b"tail", &zeros] {
            writer.write_all(part).unwrap();
        }
        writer.flush().unwrap();
        let metadata = file.metadata().unwrap();
        let length = 8 + 2 * zeros.len();
        assert_eq!(metadata.len(), length as u64);
        assert!(metadata.blocks() * 512 < 4 * BLOCK as u64, "{metadata:?}");
        let mut read = vec![1; length];
        file.read_exact_at(&mut read, 0).unwrap();
        let want = [&b"head"[..], &zeros, b"tail", &zeros].concat();
        assert!(read == want);
    }
}
