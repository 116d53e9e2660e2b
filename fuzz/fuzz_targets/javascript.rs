//! Any bytes as a JavaScript source: nothing may panic or hang, and what is found stands in it.
//!
//! `cargo +nightly fuzz run javascript`

#![no_main]

use jettison::source::javascript;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = javascript::scan(bytes);
    let text = String::from_utf8_lossy(bytes);
    let literals = source.literals.iter().map(|literal| &literal.text);
    for found in source
        .imports
        .iter()
        .chain(&source.prefixes)
        .chain(literals)
    {
        assert!(text.contains(found));
    }
});
