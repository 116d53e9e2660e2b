//! `jettison why`.

mod common;

use common::with_start;

#[test]
fn a_chain_from_the_entry_point() {
    let environment = with_start();
    let why = environment.run(&["why", "start:1", "/bin/sh"]);
    assert_eq!(why.code, 0, "{why}");
    assert!(why.stdout.contains("/usr/bin/start"), "{why}");
    assert!(why.stdout.contains("is entrypoint"), "{why}");
    let json = environment
        .run(&["why", "--json", "start:1", "bin/sh"])
        .done();
    let value: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(
        (&value["path"], &value["kept"]),
        (&"/bin/sh".into(), &true.into())
    );
}

#[test]
fn what_goes_and_what_is_not_there() {
    let environment = with_start();
    let gone = environment.run(&["why", "start:1", "/usr/share/doc/start/copyright"]);
    assert_eq!(
        gone.to_string(),
        "/usr/share/doc/start/copyright is removed: nothing kept needs it\n--- stderr\n\
         the image was read, not run: --trace FILE adds what a run has seen\n--- exit 1\n"
    );
    let missing = environment.run(&["why", "start:1", "/nothing"]);
    assert_eq!(
        missing.to_string(),
        "\
--- stderr
error: `/nothing` is not in `start:1`
hint: paths are those of the image before slimming
--- exit 2
"
    );
}
