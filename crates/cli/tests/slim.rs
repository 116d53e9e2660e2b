//! `jettison slim --no-verify`.

mod common;

use common::with_start;

const TABLE: &str = "\
IMAGE          IMAGE ID       UNPACKED   COMPRESSED   FILES
start:1        91f91b1fd9dd   10.0kB     313B         10
";

#[test]
fn what_nothing_needs_goes() {
    let environment = with_start();
    let arguments = [
        "slim",
        "--no-verify",
        "start:1",
        "-o",
        "oci:out",
        "-o",
        "docker-archive:d.tar",
    ];
    let first = environment.run(&arguments).done();
    assert!(first.stdout.starts_with(TABLE), "{first}");
    assert!(first.stdout.contains("\nstart:1-slim   "), "{first}");
    assert!(first.stderr.contains("unproven"), "{first}");
    assert_eq!(testkit::check::layout(&environment.path("out")), 1);
    assert_eq!(
        testkit::check::docker_archive(&environment.path("d.tar")),
        ["start:1-slim"]
    );
    let second = environment.run(&arguments).done();
    assert_eq!(
        second.stdout, first.stdout,
        "the same input and flags give the same image"
    );
}

#[test]
fn the_same_image_through_each_transport() {
    let environment = with_start();
    let mut digests = Vec::new();
    for source in ["oci:a", "oci-archive:b.tar", "docker-archive:c.tar"] {
        let _ = environment.run(&["copy", "start:1", source]).done();
        let slim = environment.run(&["slim", "--json", "--no-verify", source, "-t", "small"]);
        let value: serde_json::Value =
            serde_json::from_str(&slim.done().stdout).expect("the result is JSON");
        digests.push(value["summary"]["result"]["id"].clone());
    }
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
}

#[test]
fn the_report_has_every_path() {
    let environment = with_start();
    let _ = environment
        .run(&["slim", "--no-verify", "start:1", "--report", "report.json"])
        .done();
    let bytes = std::fs::read(environment.path("report.json")).expect("the report is there");
    let report: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
    let paths = |key: &str| -> Vec<&str> {
        let list = report[key].as_array().expect("it is a list").iter();
        list.filter_map(|item| item["path"].as_str()).collect()
    };
    assert_eq!(report["schema"], 1);
    assert!(paths("kept").contains(&"/usr/bin/start"));
    assert!(paths("removed").contains(&"/usr/share/doc/start/copyright"));
}

#[test]
fn what_the_user_asks_for_stays() {
    let environment = with_start();
    let kept = |flags: &[&str]| {
        let arguments = [&["slim", "--json", "--no-verify", "start:1"], flags].concat();
        let slim = environment.run(&arguments).done();
        let value: serde_json::Value =
            serde_json::from_str(&slim.stdout).expect("the result is JSON");
        value["summary"]["result"]["unpacked"]
            .as_u64()
            .expect("it is a number")
    };
    let without = kept(&[]);
    assert!(without < 1000);
    assert!(kept(&["--include", "/usr/share/doc"]) >= 10_000);
    assert!(kept(&["--exclude", "/bin/sh"]) < without);
}

#[test]
fn a_result_needs_a_name() {
    let environment = with_start();
    let id = environment.run(&["images", "--ids"]).done().stdout;
    let image = format!("sha256:{}", id.trim());
    let unnamed = environment.run(&["slim", "--no-verify", &image]);
    assert_eq!(
        unnamed.to_string(),
        format!(
            "--- stderr\nerror: `{image}` has no name to derive the result's from\n\
             hint: name the result with -t NAME\n--- exit 2\n"
        )
    );
    let named = environment
        .run(&["slim", "--no-verify", &image, "-t", "small"])
        .done();
    assert!(named.stdout.contains("\nsmall:latest   "), "{named}");
}
