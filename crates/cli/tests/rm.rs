//! `jettison rm`.

mod common;

use common::{environment, with_start};

#[test]
fn names_ids_and_what_is_not_there() {
    let environment = with_start();
    for name in ["one", "two"] {
        let _ = environment.run(&["copy", "oci:zstd", name]).done();
    }
    let before = environment.files();
    let missing = environment.run(&["rm", "one", "nothing"]);
    assert_eq!(
        missing.to_string(),
        "\
--- stderr
error: no image `nothing:latest` in the local store
hint: list what the local store has with `jettison images`
--- exit 2
"
    );
    assert_eq!(environment.files(), before, "all or nothing");
    let removed = environment.run(&["rm", "one"]);
    assert_eq!(
        removed.to_string(),
        "one:latest\n--- stderr\nfreed 0B\n--- exit 0\n"
    );
    let removed = environment.run(&["rm", "--json", "two"]);
    assert_eq!(
        removed.to_string(),
        r#"{
  "names": [
    "two:latest"
  ],
  "blobs": [
    "sha256:3723…",
    "sha256:4f36…",
    "sha256:5746…",
    "sha256:7ae8…"
  ],
  "bytesFreed": 1719
}
--- exit 0
"#
    );
    let id = environment.run(&["images", "--ids"]).done().stdout;
    let removed = environment.run(&["rm", &format!("sha256:{}", id.trim())]);
    assert_eq!(removed.done().stdout, "start:1\n");
    assert_eq!(testkit::check::layout(&environment.store()), 0);
}

#[test]
fn a_damaged_image_can_be_removed() {
    let environment = environment();
    let _ = environment.run(&["copy", "oci:zstd", "broken"]).done();
    let blobs = environment.store().join("blobs/sha256");
    for blob in std::fs::read_dir(blobs).expect("the store has blobs") {
        std::fs::write(blob.expect("it can be read").path(), "x").expect("it can be written");
    }
    let images = environment.run(&["images"]).done();
    let said = "warning: `broken:latest` is damaged: cannot read blob sha256:7ae8…: there are \
                fewer than the 597 bytes declared\n";
    assert_eq!(images.stderr, said);
    let removed = environment.run(&["rm", "broken"]).done();
    assert_eq!(removed.stdout, "broken:latest\n");
    assert_eq!(testkit::check::layout(&environment.store()), 0);
}
