//! Any text as a `.dockerignore`, and any path against it: nothing may panic, no pattern may take long,
//! and what is kept below a directory is announced by it.
//!
//! `cargo +nightly fuzz run dockerignore`

#![no_main]

use dockerfile::Ignore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (text, path) = input;
    if text.len() > 2000 || path.len() > 500 {
        return;
    }
    let ignore = match Ignore::parse(text) {
        Ok(ignore) => ignore,
        Err(problems) => {
            assert!(!problems.list.is_empty());
            assert!(!problems.render(".dockerignore").is_empty());
            return;
        }
    };
    let path = path.trim_matches('/');
    let ignored = ignore.ignores(path);
    if let Some((directory, _)) = path.rsplit_once('/')
        && !ignored
        && ignore.ignores(directory)
        && !directory
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == "..")
    {
        assert!(ignore.may_keep_below(directory), "{text:?} {path:?}");
    }
});
