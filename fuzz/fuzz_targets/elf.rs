//! Any bytes as an ELF object: nothing may panic, hang or read out of bounds.
//!
//! `cargo +nightly fuzz run elf`

#![no_main]

use std::ops::ControlFlow;

use jettison::elf::{self, strings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
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
    strings::tails(bytes, &object.data, &places, |tail| assert!(!tail.contains(&0)))
        .expect("bytes in memory can be read");
});
