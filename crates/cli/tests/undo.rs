//! `jettison slim --undo`: the original, bit for bit.

mod common;

use std::collections::BTreeMap;

use common::{environment, with_start};
use serde_json::Value;
use testkit::cli::Environment;

fn slim(environment: &Environment, image: &str, name: &str) {
    let arguments = ["slim", "--no-verify", image, "-t", name];
    let _ = environment.run(&arguments).done();
}

fn undo(environment: &Environment, arguments: &[&str]) -> Value {
    let arguments = [&["slim", "--undo", "--json"], arguments].concat();
    let done = environment.run(&arguments).done();
    serde_json::from_str(&done.stdout).expect("the result is JSON")
}

/// Returns the digest of the manifest that the store has under a name.
fn digest(environment: &Environment, name: &str) -> Option<String> {
    let index = std::fs::read(environment.store().join("index.json")).expect("there is a store");
    let index: Value = serde_json::from_slice(&index).expect("it is JSON");
    let entries = index["manifests"].as_array().expect("it is a list");
    let found = entries
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == name);
    Some(found?["digest"].as_str()?.to_owned())
}

/// Returns the blobs of a layout by name.
fn blobs(layout: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let directory = std::fs::read_dir(layout.join("blobs/sha256")).expect("it is a layout");
    let read = |entry: std::fs::DirEntry| {
        let bytes = std::fs::read(entry.path()).expect("a blob can be read");
        (entry.file_name().to_string_lossy().into_owned(), bytes)
    };
    directory.flatten().map(read).collect()
}

#[test]
fn from_the_store_even_after_its_name_went_to_another() {
    let environment = with_start();
    let original = digest(&environment, "start:1");
    let _ = environment
        .run(&["copy", "start:1", "oci:before:start:1"])
        .done();
    slim(&environment, "start:1", "small");
    let value = undo(&environment, &["small"]);
    assert_eq!(
        (&value["name"], &value["from"], &value["sameManifest"]),
        (&"start:1".into(), &"the local store".into(), &true.into())
    );
    let _ = environment.run(&["copy", "oci:zstd", "start:1"]).done();
    let _ = environment.run(&["copy", "oci:zstd", "other"]).done();
    // Removes what nothing needs; the original has no name any more.
    let _ = environment.run(&["rm", "other"]).done();
    let taken = environment.run(&["slim", "--undo", "small"]);
    assert_eq!(
        taken.to_string(),
        "--- stderr\nerror: `start:1` is another image by now\n\
         hint: name the original with -t NAME\n--- exit 2\n"
    );
    let value = undo(
        &environment,
        &["small", "-t", "back:1", "-o", "oci:after:start:1"],
    );
    assert_eq!(value["from"], "the local store");
    assert_eq!(digest(&environment, "back:1"), original);
    assert_eq!(
        blobs(&environment.path("after")),
        blobs(&environment.path("before")),
        "manifest, config and layers are the same bytes"
    );
}

#[test]
fn from_where_it_was_read() {
    for source in ["oci:zstd", "docker-archive:app.tar:app:1", "./app.oci.tar"] {
        let environment = environment();
        let archive = testkit::fixture::layout(testkit::fixture::Compression::Gzip).tar();
        environment.write("app.oci.tar", archive);
        let _ = environment
            .run(&["copy", source, "oci:before:app:1"])
            .done();
        slim(&environment, source, "small");
        let value = undo(
            &environment,
            &["small", "-t", "app:1", "-o", "oci:after:app:1"],
        );
        let from = value["from"].as_str().expect("it is text");
        let path = source.rsplit_once("./").map_or_else(
            || source.split(':').nth(1).expect("it has a path"),
            |(_, path)| path,
        );
        assert!(from.contains(&format!("@/work/{path}")), "{from}");
        assert_eq!(value["sameManifest"], true);
        assert_eq!(
            blobs(&environment.path("after")),
            blobs(&environment.path("before")),
            "{source}"
        );
    }
}

#[test]
fn a_place_that_has_another_image_by_now_is_not_believed() {
    let environment = environment();
    let other = testkit::fixture::layout(testkit::fixture::Compression::Zstd);
    let source = "oci:zstd:localhost:9/app:1"; // nobody answers there
    let _ = environment.run(&["copy", "oci:zstd", source]).done();
    slim(&environment, source, "small");
    std::fs::remove_dir_all(environment.path("zstd")).expect("it was there");
    let _ = environment
        .run(&[
            "import",
            "rootfs.tar",
            "start:1",
            "--change",
            "CMD [\"start\"]",
        ])
        .done();
    let _ = environment.run(&["copy", "start:1", source]).done();
    let nowhere = environment.run(&["slim", "--undo", "small"]);
    assert_eq!(nowhere.code, 2, "{nowhere}");
    assert!(
        nowhere.stderr.contains("(another image by now)"),
        "{nowhere}"
    );
    assert!(
        nowhere.stderr.contains("hint: pull or load it again"),
        "{nowhere}"
    );
    // Loaded again, under whatever name, it is found by its id.
    environment.write("again.tar", other.tar());
    let _ = environment
        .run(&["copy", "oci-archive:again.tar", "again"])
        .done();
    let value = undo(&environment, &["small"]);
    assert_eq!(value["from"], "the local store");
}

#[test]
fn what_was_removed_by_its_name_is_gone() {
    let environment = with_start();
    let id = environment.run(&["images", "--ids"]).done().stdout;
    // By its id, so that no registry is asked for its name.
    slim(&environment, &format!("sha256:{}", id.trim()), "small");
    let _ = environment.run(&["rm", "start:1"]).done();
    let gone = environment.run(&["slim", "--undo", "small", "-t", "back"]);
    assert_eq!(gone.code, 2, "{gone}");
    assert!(
        gone.stderr
            .contains("is not to be found in the local store"),
        "{gone}"
    );
}

#[test]
fn through_an_archive_that_knows_no_annotations() {
    let environment = with_start();
    let arguments = [
        "slim",
        "--no-verify",
        "start:1",
        "-t",
        "small",
        "-o",
        "docker-archive:s.tar",
    ];
    let _ = environment.run(&arguments).done();
    let _ = environment.run(&["rm", "small"]).done();
    let unnamed = environment.run(&["slim", "--undo", "docker-archive:s.tar"]);
    assert_eq!(unnamed.code, 2, "{unnamed}");
    let value = undo(&environment, &["docker-archive:s.tar", "-t", "back"]);
    assert_eq!(value["from"], "the local store");
    assert_eq!(
        digest(&environment, "back:latest"),
        digest(&environment, "start:1")
    );
}

#[test]
fn what_was_never_slimmed() {
    let environment = with_start();
    let refused = environment.run(&["slim", "--undo", "start:1"]);
    assert_eq!(
        refused.to_string(),
        "--- stderr\nerror: `start:1` was not made by jettison slim\n\
         hint: name the slim image, not the original\n--- exit 2\n"
    );
}
