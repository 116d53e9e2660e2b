//! What a recording tree knows of names that layers removed, replaced and changed.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use layer::read::TarReader;
use layer::{Limits, Tree};
use testkit::tree::Builder;

fn record(layers: &[Builder]) -> String {
    let mut tree = Tree::new().recording();
    for (at, layer) in layers.iter().enumerate() {
        let tar = layer.tar();
        let mut reader = TarReader::new(&tar[..], at as u32, Limits::default());
        while let Some(member) = reader.next_member().unwrap() {
            tree.apply(at as u32, member).unwrap();
        }
    }
    let name = |node| String::from_utf8_lossy(&tree.path(node)).into_owned();
    let mut text = String::new();
    let record = tree.record().unwrap();
    for removal in &record.removals {
        let by = removal.by.map_or("", |_| ", written again");
        let left = tree.links(removal.node);
        let node = name(removal.node);
        text.push_str(&format!(
            "{node} gone by {}{by}, {left} names left\n",
            removal.layer
        ));
        assert!(tree.is_removed(removal.node));
    }
    for again in &record.again {
        let changed = if again.changed { "changed" } else { "same" };
        text.push_str(&format!(
            "{} again by {} after {}, {changed}\n",
            name(again.node),
            again.layer,
            again.before
        ));
    }
    text
}

#[test]
fn names_that_are_gone_keep_their_path_and_who_did_it() {
    let text = record(&[
        Builder::new()
            .file("a", "1")
            .hard_link("b", "a")
            .directory("d")
            .file("d/x/y", "2")
            .file("t", "3"),
        Builder::new()
            .whiteout("a")
            .file("t", "4")
            .directory("d")
            .mode(0o700),
        Builder::new().whiteout("d").file("b", "5").directory("t"),
    ]);
    assert_eq!(
        text,
        "\
a gone by 1, 0 names left
t gone by 1, written again, 0 names left
d/x/y gone by 2, 0 names left
d/x gone by 2, 0 names left
d gone by 2, 0 names left
b gone by 2, written again, 0 names left
t gone by 2, written again, 0 names left
d again by 1 after 0, changed
"
    );
}
