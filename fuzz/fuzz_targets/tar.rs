//! Any bytes as two layers: nothing may panic, and what could be read is
//! written and read back the same.
//!
//! `cargo +nightly fuzz run tar`

#![no_main]

use std::io::Write;
use std::sync::Arc;

use layer::read::TarReader;
use layer::write::TarWriter;
use layer::{Contents, FileSlice, Limits, Tree};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    entries: 2000,
    bytes: 8 << 20,
    metadata: 64 << 10,
};

fuzz_target!(|bytes: &[u8]| {
    let (lower, upper) = bytes.split_at(bytes.len() / 1024 * 512);
    let mut tree = Tree::bounded(LIMITS);
    for (layer, bytes) in [lower, upper].into_iter().enumerate() {
        let mut reader = TarReader::new(bytes, layer as u32, LIMITS);
        // What came before an error is used: that makes more trees.
        while let Ok(Some(member)) = reader.next_member() {
            if member.content.as_ref().is_some_and(|content| content.size > LIMITS.bytes) {
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

fn slice(bytes: &[u8]) -> FileSlice {
    let mut file = tempfile::tempfile().expect("a temporary file can be made");
    file.write_all(bytes).expect("the temporary file can be written");
    FileSlice::new(Arc::new(file), 0, bytes.len() as u64)
}
