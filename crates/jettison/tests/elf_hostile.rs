//! Objects made to hurt: nothing may panic, hang or fill the memory.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;

use jettison::elf::{self, Error, ReadAt, strings};
use testkit::elf::Builder;

/// Counts what is read, so that a read that follows a claimed size is noticed.
struct Counted<'a> {
    bytes: &'a [u8],
    size: u64,
    largest: Cell<usize>,
}

impl<'a> Counted<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            size: bytes.len() as u64,
            largest: Cell::new(0),
        }
    }
}

impl ReadAt for Counted<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.largest.set(self.largest.get().max(buffer.len()));
        buffer.fill(0);
        self.bytes.read_at(buffer, offset)?;
        Ok((self.size - offset).min(buffer.len() as u64) as usize)
    }
}

fn samples() -> Vec<Vec<u8>> {
    let base = Builder::program()
        .needed("libc.so.6")
        .runpath("$ORIGIN")
        .import("open")
        .export("x")
        .versions("libc.so.6", &["GLIBC_2.34"])
        .note("FDO", 0x407c_0c0a, r#"[{"soname":["a"]}]"#)
        .data("\0/etc/app.conf\0")
        .sections();
    vec![
        base.build(),
        base.clone().hash(testkit::elf::Hash::SysV).build(),
        base.clone().narrow().machine(3).build(),
        base.big_endian().build(),
    ]
}

/// Parses and scans; the answer does not matter.
fn exercise(bytes: &[u8]) {
    let source = Counted::new(bytes);
    if let Ok(Some(object)) = elf::parse(&source) {
        for range in &object.data {
            assert!(range.start < range.end && range.end <= source.size);
        }
        strings::terminated(&source, &object.data, |_| {}).expect("bytes in memory can be read");
        strings::occurrences(&source, &object.data, b"/", |_| ControlFlow::Continue(()))
            .expect("bytes in memory can be read");
        let places = elf::references(&source).expect("bytes in memory can be read");
        assert!(places.iter().all(|place| *place < source.size));
        strings::tails(&source, &object.data, &places, |_| {})
            .expect("bytes in memory can be read");
    }
    assert!(source.largest.get() <= bytes.len().max(8 << 10));
}

#[test]
fn objects_cut_off_anywhere_are_refused_or_read() {
    for sample in samples() {
        for length in 0..sample.len() {
            exercise(&sample[..length]);
        }
    }
}

#[test]
fn objects_with_any_byte_changed_are_refused_or_read() {
    for sample in samples() {
        for at in 0..sample.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = sample.clone();
                bytes[at] = value;
                exercise(&bytes);
            }
        }
    }
}

#[test]
fn objects_with_any_word_changed_are_refused_or_read() {
    for sample in samples() {
        for at in (0..sample.len() - 8).step_by(4) {
            for value in [u64::MAX, 1 << 63, i64::MAX as u64, 1 << 32, 0xffff_0000] {
                let mut bytes = sample.clone();
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
                exercise(&bytes);
            }
        }
    }
}

#[test]
fn claimed_sizes_in_a_huge_file_are_not_believed() {
    // A sparse file: a small object and a petabyte of zeros.
    let bytes = &samples()[0];
    for at in (0..bytes.len() - 8).step_by(4) {
        let mut bytes = bytes.clone();
        bytes[at..at + 8].copy_from_slice(&(1u64 << 49).to_le_bytes());
        let source = Counted {
            size: 1 << 50,
            ..Counted::new(&bytes)
        };
        if let Ok(Some(object)) = elf::parse(&source) {
            let _ = strings::terminated(&source, &object.data[..0], |_| {});
        }
        assert!(source.largest.get() <= 64 << 20, "{at}");
    }
}

#[test]
fn counts_past_the_limits_have_a_name() {
    let mut bytes = samples().swap_remove(0);
    bytes[56..58].copy_from_slice(&60_000u16.to_le_bytes());
    let error = elf::parse(&bytes[..]).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "the ELF object claims 60000 segments, the limit is 4096"
    );
}

#[test]
fn data_past_the_limit_is_refused() {
    let source = Counted {
        size: 1 << 50,
        ..Counted::new(b"")
    };
    let whole = std::slice::from_ref(&(0..1 << 50));
    let error = strings::terminated(&source, whole, |_| {}).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
}

#[test]
fn failures_of_the_source_are_passed_on() {
    struct Broken;
    impl ReadAt for Broken {
        fn size(&self) -> u64 {
            4096
        }
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let error = elf::parse(Broken).unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error}");
}
