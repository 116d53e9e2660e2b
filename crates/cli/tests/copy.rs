//! `jettison copy`.

mod common;

use common::environment;

#[test]
fn to_a_layout_and_between_formats() {
    let environment = environment();
    let copied = environment.run(&["copy", "docker-archive:app.tar:app:1", "oci:out:tag"]);
    assert_eq!(
        copied.to_string(),
        "\
sha256:5470…
--- stderr
copied docker-archive:app.tar:app:1 to oci:out:tag, 291B
--- exit 0
"
    );
    assert_eq!(testkit::check::layout(&environment.path("out")), 1);
    let _ = environment
        .run(&["copy", "oci:out", "oci-archive:out.tar"])
        .done();
    assert_eq!(testkit::check::oci_archive(&environment.path("out.tar")), 1);
    let _ = environment
        .run(&["copy", "./out.tar", "docker-archive:d.tar:name:tag"])
        .done();
    assert_eq!(
        testkit::check::docker_archive(&environment.path("d.tar")),
        ["name:tag"]
    );
}

#[test]
fn as_json() {
    let copied = environment().run(&["copy", "--json", "oci:zstd", "docker-archive:x.tar"]);
    assert_eq!(
        copied.to_string(),
        r#"{
  "source": "oci:zstd",
  "destination": "docker-archive:x.tar",
  "id": "sha256:4f36…",
  "digest": "sha256:7ae8…",
  "bytesWritten": 6656
}
--- exit 0
"#
    );
}

#[test]
fn the_second_copy_writes_nothing() {
    let environment = environment();
    let first = environment.run(&["copy", "oci:zstd", "oci:out"]).done();
    let before = environment.files();
    let second = environment.run(&["copy", "oci:zstd", "oci:out"]).done();
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(second.stderr, "copied oci:zstd to oci:out, 0B\n");
    assert_eq!(environment.files(), before);
}

#[test]
fn quiet_prints_the_digest_only() {
    let copied = environment().run(&["-q", "copy", "oci:zstd", "kept"]);
    assert_eq!(copied.to_string(), "sha256:7ae8…\n--- exit 0\n");
}

#[test]
fn two_processes_at_once_keep_both_names() {
    let environment = environment();
    let copy = |name: &str| {
        let source = "docker-archive:app.tar:app:1";
        let mut command = environment.command(&["--quiet", "copy", source, name]);
        command
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it can be started")
    };
    let mut processes: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| copy(name)).collect();
    for process in &mut processes {
        assert!(process.wait().expect("it can be waited for").success());
    }
    assert_eq!(testkit::check::layout(&environment.store()), 4);
}
