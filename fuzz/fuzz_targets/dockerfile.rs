//! Any text as a Dockerfile: nothing may panic, every problem has a place in the text that can be shown,
//! and the words of what is understood can be expanded or say why not.
//!
//! `cargo +nightly fuzz run dockerfile`

#![no_main]

use dockerfile::{Dockerfile, Expander, Kind, Pattern};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = match Dockerfile::parse(text) {
        Ok(file) => file,
        Err(problems) => {
            assert!(!problems.list.is_empty());
            for problem in &problems.list {
                assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len());
            }
            assert!(!problems.render("Dockerfile").is_empty());
            return;
        }
    };
    assert!(!file.stages.is_empty());
    let lookup = |name: &str| name.len().is_multiple_of(2).then(|| "a/b.c".to_owned());
    let expander = Expander::new(file.directives.escape, &lookup);
    for instruction in file.stages.iter().flat_map(|stage| &stage.instructions) {
        assert!(
            text.get(instruction.span.start..instruction.span.end)
                .is_some()
        );
        let (first, last) = instruction.span.lines(text);
        assert!(first <= last);
        match &instruction.kind {
            Kind::Env(pairs) | Kind::Label(pairs) => {
                for pair in pairs {
                    let _ = (
                        expander.expand(&pair.name.text),
                        expander.expand_words(&pair.value.text),
                    );
                }
            }
            Kind::Copy(copy) | Kind::Add(copy) => {
                for source in &copy.sources {
                    let _ = Pattern::new(&source.text).map(|pattern| pattern.matches("a/b.c"));
                }
            }
            _ => {}
        }
    }
});
