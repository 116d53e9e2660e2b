//! Any bytes as two layers: nothing may panic, and what could be read is
//! written and read back the same.
//!
//! A header counts only with the sum of its bytes, which chance does not find: after each mutation the sums are
//! made right ([`repair`]), and what is too short for a header becomes [`sample`].
//!
//! `cargo +nightly fuzz run tar -- -max_len=16384 -len_control=0`

#![no_main]

use std::io::Write;
use std::sync::Arc;

use layer::read::TarReader;
use layer::write::TarWriter;
use layer::{Contents, FileSlice, Limits, Tree};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use testkit::tree::Builder;

const LIMITS: Limits = Limits {
    entries: 2000,
    bytes: 8 << 20,
    metadata: 64 << 10,
};

fuzz_target!(|bytes: &[u8]| {
    let (lower, upper) = bytes.split_at(middle(bytes.len()));
    let mut tree = Tree::bounded(LIMITS);
    for (layer, bytes) in [lower, upper].into_iter().enumerate() {
        let mut reader = TarReader::new(bytes, layer as u32, LIMITS);
        // What came before an error is used: that makes more trees.
        while let Ok(Some(member)) = reader.next_member() {
            if member
                .content
                .as_ref()
                .is_some_and(|content| content.size > LIMITS.bytes)
            {
                return; // a sparse file of terabytes would be read below
            }
            let _ = tree.apply(layer as u32, member);
        }
    }
    assert_eq!(tree.walk(tree.root()).count(), tree.len());
    for node in tree.walk(tree.root()) {
        assert_eq!(tree.lookup(&tree.path(node)), Some(node));
        let _ = tree.resolve(&tree.path(node));
    }
    let contents = Contents::new(vec![slice(lower), slice(upper)]);
    let mut writer = TarWriter::new(Vec::new());
    writer
        .write_tree(&tree, &contents, |_| true)
        .expect("what was read can be written");
    let written = writer.finish().expect("memory can be written");
    let again = testkit::tree::merge([written]);
    let before = testkit::dump::tree(&tree, &contents, testkit::dump::Fields::ALL);
    assert_eq!(again.dump(), before);
});

fuzz_mutator!(
    |data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
        let size = if size < 2 * BLOCK {
            let sample = sample();
            let size = sample.len().min(max_size);
            data[..size].copy_from_slice(&sample[..size]);
            size
        } else {
            fuzzer_mutate(data, size, max_size)
        };
        let (lower, upper) = data[..size].split_at_mut(middle(size));
        repair(lower);
        repair(upper);
        size
    }
);

const BLOCK: usize = 512;

/// Where the upper layer begins.
fn middle(length: usize) -> usize {
    length / (2 * BLOCK) * BLOCK
}

/// Returns two layers of the same length with one of everything.
fn sample() -> Vec<u8> {
    let long = format!("a/{}", "long".repeat(40));
    let lower = Builder::new()
        .file("a/file", "text")
        .file(&long, "x")
        .hard_link("a/name", "a/file")
        .symlink("link", "a")
        .directory("empty")
        .tar();
    let upper = Builder::new()
        .file("a/.wh.name", "")
        .file("a/.wh..wh..opq", "")
        .file("link/file", "y")
        .tar();
    let length = lower.len().max(upper.len());
    let mut both = lower;
    both.resize(length, 0);
    both.extend(upper);
    both.resize(2 * length, 0);
    both
}

/// Writes the sum of its bytes into every header that a reader comes to (pax(1), "ustar Interchange Format").
fn repair(tar: &mut [u8]) {
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            at += BLOCK;
            continue;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let digits = header[124..136]
            .iter()
            .take_while(|byte| (b'0'..=b'7').contains(byte));
        let length = digits.fold(0, |size, digit| size * 8 + usize::from(digit - b'0'));
        // Links and directories have no content, whatever they say.
        let blocks = match header[156] {
            b'1'..=b'6' => 0,
            _ => length.div_ceil(BLOCK),
        };
        at += BLOCK * (1 + blocks);
    }
}

fn slice(bytes: &[u8]) -> FileSlice {
    let mut file = tempfile::tempfile().expect("a temporary file can be made");
    file.write_all(bytes)
        .expect("the temporary file can be written");
    FileSlice::new(Arc::new(file), 0, bytes.len() as u64)
}
