//! Any bytes as an ELF object: nothing may panic, hang or read out of bounds.
//!
//! `cargo +nightly fuzz run elf`

#![no_main]

use std::io::Read;
use std::ops::ControlFlow;

use jettison::elf::cut::Layout;
use jettison::elf::{self, strings};
use jettison::slim::inside::debug;
use jettison::slim::inside::icu::{self, Reach};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    cut(bytes);
    let Ok(Some(object)) = elf::parse(bytes) else {
        return;
    };
    let mut end = 0;
    for range in &object.data {
        assert!(end <= range.start && range.start < range.end);
        end = range.end;
    }
    assert!(end <= bytes.len() as u64);
    for name in object.weak_imports.iter() {
        assert!(object.imports.contains(name));
    }
    strings::terminated(bytes, &object.data, |string| {
        assert!((strings::SHORTEST..=strings::LONGEST).contains(&string.len()));
    })
    .expect("bytes in memory can be read");
    strings::occurrences(bytes, &object.data, b"/", |found| {
        assert_eq!(found.from.first(), Some(&b'/'));
        ControlFlow::Continue(())
    })
    .expect("bytes in memory can be read");
    let places = elf::references(bytes).expect("bytes in memory can be read");
    assert!(places.is_sorted() && places.iter().all(|place| *place < bytes.len() as u64));
    strings::tails(bytes, &object.data, &places, |tail| {
        assert!(!tail.contains(&0))
    })
    .expect("bytes in memory can be read");
});

/// What is left of an object is not longer than it was.
fn cut(bytes: &[u8]) {
    let Some(layout) = Layout::read(bytes).expect("bytes in memory can be read") else {
        return;
    };
    let mut edits = debug::edits(&layout, bytes).expect("bytes in memory can be read");
    let data =
        icu::edits(&layout, bytes, &Reach::of_converters()).expect("bytes in memory can be read");
    edits.extend(data.unwrap_or_default());
    let Some(cut) = layout.cut(edits) else {
        return;
    };
    let mut made = Vec::new();
    let read = cut.reader(bytes).read_to_end(&mut made);
    assert_eq!(
        read.expect("bytes in memory can be read") as u64,
        cut.size()
    );
    assert!(made.len() <= bytes.len());
}
