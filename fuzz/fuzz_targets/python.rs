//! Any bytes as a Python source: nothing may panic or hang, and what is found stands in it.
//!
//! `cargo +nightly fuzz run python`

#![no_main]

use jettison::source::python;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = python::scan(bytes);
    assert!(source.imports.len() <= bytes.len() && source.literals.len() <= bytes.len());
    let text = String::from_utf8_lossy(bytes);
    for literal in &source.literals {
        assert!(text.contains(&literal.text));
    }
    for import in &source.imports {
        assert!(import.level > 0 || !import.module.is_empty());
        for part in import
            .module
            .split('.')
            .chain(import.names.iter().map(String::as_str))
        {
            assert!(text.contains(part));
        }
    }
});
