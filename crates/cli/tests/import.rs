//! `jettison import`.

mod common;

use common::{environment, rootfs};

#[test]
fn a_file_and_standard_input_give_the_same_image() {
    let environment = environment();
    let changes = [
        "--change",
        "CMD start",
        "-c",
        "ENV A=b",
        "-c",
        "EXPOSE 80",
        "-c",
        "USER 5",
    ];
    let from_file = [&["import", "rootfs.tar", "start:1"], &changes[..]].concat();
    let imported = environment.run(&from_file);
    assert_eq!(
        imported.to_string(),
        "\
sha256:0cb7…
--- stderr
imported start:1 (10 entries, 17.4kB)
--- exit 0
"
    );
    let from_input = [&["import", "-", "start:2"], &changes[..]].concat();
    let packed = testkit::fixture::gzip(&rootfs());
    let again = environment.run_with_input(&from_input, &packed).done();
    assert_eq!(again.stdout, imported.stdout);
    assert_eq!(testkit::check::layout(&environment.store()), 2);
    let _ = environment.run(&["copy", "start:2", "oci:out"]).done();
}

#[test]
fn instructions_that_are_none() {
    let environment = environment();
    let _ = environment.run(&["images"]).done(); // makes the store
    let before = environment.files();
    for (change, message) in [
        ("RUN make", "this instruction does not belong to a config"),
        ("CMD", "it has no argument"),
        ("ENV A", "expected NAME=VALUE"),
    ] {
        let refused = environment.run(&["import", "rootfs.tar", "x", "--change", change]);
        let want = format!(
            "--- stderr\nerror: cannot apply `{change}`: {message}\n\
             hint: write it as in a Dockerfile\n--- exit 2\n"
        );
        assert_eq!(refused.to_string(), want);
    }
    assert_eq!(environment.files(), before);
}
