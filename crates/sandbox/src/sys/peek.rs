//! The memory of other processes (process_vm_readv(2)).

use std::ffi::c_ulong;
use std::ptr;

use rustix::io::Errno;

use super::checked;

/// Writes to the memory of another process.
pub(crate) fn write_memory(thread: i32, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    let local = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    #[allow(clippy::cast_possible_truncation)] // as wide as an address
    let remote = libc::iovec {
        iov_base: ptr::without_provenance_mut(address as usize),
        iov_len: bytes.len(),
    };
    let no_flags: c_ulong = 0;
    // SAFETY: the kernel reads the bytes, no more than there are, and checks the other address.
    let written = checked(unsafe {
        libc::syscall(
            libc::SYS_process_vm_writev,
            thread,
            &raw const local,
            1_usize,
            &raw const remote,
            1_usize,
            no_flags,
        )
    })?;
    if usize::try_from(written) == Ok(bytes.len()) {
        Ok(())
    } else {
        Err(Errno::FAULT)
    }
}

/// Size of the pages that memory is made of, or a part of it.
const PAGE: u64 = 4096;

/// Reads from the memory of another process, up to the first byte that cannot be read. Returns how much
/// was read.
pub(crate) fn read_memory(thread: i32, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    // A call may stop early only between two pieces, so no piece may go over the end of a page.
    const PIECES: usize = 4;
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut pieces = [libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    }; PIECES];
    let (mut at, mut left) = (address, buffer.len() as u64);
    for piece in &mut pieces {
        let length = left.min(PAGE - at % PAGE);
        #[allow(clippy::cast_possible_truncation)] // as wide as an address
        let (base, length_here) = (at as usize, length as usize);
        piece.iov_base = ptr::without_provenance_mut(base);
        piece.iov_len = length_here;
        at = at.wrapping_add(length);
        left -= length;
    }
    let no_flags: c_ulong = 0;
    // SAFETY: the kernel writes to the buffer, no more than its length, and checks the other addresses.
    let read = checked(unsafe {
        libc::syscall(
            libc::SYS_process_vm_readv,
            thread,
            &raw const local,
            1_usize,
            pieces.as_ptr(),
            PIECES,
            no_flags,
        )
    })?;
    Ok(usize::try_from(read).unwrap_or(0))
}
