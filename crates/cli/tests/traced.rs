//! What `jettison slim` learns from running images: traces, repairs, levels.

mod containers;

use containers::{import, root};
use serde_json::Value;
use testkit::cli::Environment;

/// A server that says which file it uses only while it runs.
const START: &str = "#!/bin/sh
name=$(cat /etc/which)
cat /$name > /tmp/index.html
exec httpd -f -p 8080 -h /tmp
";

/// `web:1` in a new environment.
fn with_web() -> Option<Environment> {
    let web = root()?
        .executable("start", START)
        .file("etc/which", "opt/data/blue")
        .file("opt/data/blue", "<h1>blue</h1>\n")
        .file("opt/data/red", "<h1>red</h1>\n");
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    import(
        &environment,
        &web,
        "web:1",
        &["CMD [\"/start\"]", "EXPOSE 8080"],
    );
    Some(environment)
}

/// Slims `web:1` and returns what is said and the report: path and reason of each file below `/opt` and
/// `/etc`.
fn slim(environment: &Environment, arguments: &[&str]) -> (Value, Vec<(String, String)>) {
    let fixed = [
        "slim",
        "--json",
        "--timeout",
        "20",
        "web:1",
        "--report",
        "r.json",
    ];
    let outcome = environment.run(&[&fixed, arguments].concat());
    assert!(matches!(outcome.code, 0 | 1), "{outcome}");
    let result: Value = serde_json::from_str(&outcome.stdout).expect("the result is JSON");
    let report = std::fs::read(environment.path("r.json")).expect("there is a report");
    let report: Value = serde_json::from_slice(&report).expect("the report is JSON");
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let kept = report["kept"].as_array().expect("kept is a list").iter();
    let kept = kept.map(|kept| (text(kept, "path"), text(kept, "reason")));
    let wanted = ["/opt/data/", "/etc/which"];
    let kept = kept.filter(|(path, _)| wanted.iter().any(|prefix| path.starts_with(prefix)));
    (result, kept.collect())
}

fn files(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(path, reason): &(&str, &str)| ((*path).to_owned(), (*reason).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn what_is_used_is_kept() {
    let Some(environment) = with_web() else {
        return;
    };
    let (_, unseen) = slim(&environment, &["--no-verify"]);
    assert_eq!(unseen, files(&[("/etc/which", "path")]));
    let (result, seen) = slim(&environment, &["--save-trace", "seen.trace"]);
    let expected = files(&[("/etc/which", "path"), ("/opt/data/blue", "traced")]);
    assert_eq!((&result["proven"], &seen), (&Value::Bool(true), &expected));
    assert_eq!(result["repaired"], Value::Array(Vec::new()));
    assert_eq!(result["trace"]["complete"], Value::Bool(true));
    // It is a reason for whoever asks.
    let why = ["why", "web:1", "/opt/data/blue"];
    let untold = environment.run(&why);
    assert_eq!(untold.code, 1, "{untold}");
    assert!(untold.stderr.contains("--trace FILE"), "{untold}");
    let told = environment.run(&[&why[..], &["--trace", "seen.trace"]].concat());
    assert!(told.done().stdout.contains("is traced"));
    // The trace serves without running anything.
    let (_, brought) = slim(&environment, &["--no-verify", "--trace", "seen.trace"]);
    assert_eq!(brought, expected);
    let (_, traced) = slim(
        &environment,
        &["--no-verify", "--trace", "seen.trace", "--level", "traced"],
    );
    let traced_only = files(&[("/etc/which", "traced"), ("/opt/data/blue", "traced")]);
    assert_eq!(traced, traced_only);
}

#[test]
fn what_is_missed_is_put_back() {
    let Some(environment) = with_web() else {
        return;
    };
    let (result, kept) = slim(&environment, &["--overlook", "/opt/data/blue"]);
    assert_eq!(result["proven"], Value::Bool(true), "{result}");
    assert!(
        kept.contains(&("/opt/data/blue".to_owned(), "repaired".to_owned())),
        "{kept:?}"
    );
    let repaired = &result["repaired"];
    assert_eq!(repaired.as_array().map(Vec::len), Some(1), "{repaired}");
    assert_eq!(repaired[0]["path"], "/opt/data/blue");
    assert_eq!(repaired[0]["by"], "/bin/busybox");
    assert_eq!(repaired[0]["mechanism"], "path");
    // It is named in words, too.
    let words = [
        "slim",
        "--timeout",
        "20",
        "web:1",
        "--overlook",
        "/opt/data/blue",
    ];
    let outcome = environment.run(&words).done();
    let line = "repaired  /opt/data/blue, which /bin/busybox looked for (missed by: path)\n";
    assert!(outcome.stdout.contains(line), "{outcome}");
}

#[test]
fn what_is_excluded_is_not_put_back() {
    let Some(environment) = with_web() else {
        return;
    };
    let (result, kept) = slim(&environment, &["--exclude", "/opt/**"]);
    assert_eq!(result["proven"], Value::Bool(false));
    assert_eq!(result["written"], Value::Bool(false));
    assert_eq!(kept, files(&[("/etc/which", "path")]));
    // Unless it is to stay as it is.
    let arguments = ["--exclude", "/opt/**", "--preserve", "/opt/data"];
    let (result, kept) = slim(&environment, &arguments);
    assert_eq!(result["proven"], Value::Bool(true));
    let preserved = [
        ("/etc/which", "path"),
        ("/opt/data/blue", "include"),
        ("/opt/data/red", "include"),
    ];
    assert_eq!(kept, files(&preserved));
}

#[test]
fn two_runs_give_the_same_image() {
    let digests = [(), ()].map(|()| {
        let environment = with_web()?;
        let (result, _) = slim(&environment, &[]);
        Some(result["summary"]["result"]["digest"].clone())
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_level_without_a_trace_is_refused() {
    let Some(environment) = with_web() else {
        return;
    };
    let outcome = environment.run(&["slim", "web:1", "--no-verify", "--level", "traced"]);
    assert_eq!(outcome.code, 2, "{outcome}");
    assert!(outcome.stderr.contains("--trace FILE"), "{outcome}");
    environment.write("no.trace", b"nothing\n");
    let outcome = environment.run(&["slim", "web:1", "--trace", "no.trace"]);
    assert_eq!(outcome.code, 2, "{outcome}");
    assert!(
        outcome.stderr.contains("`no.trace` is not a trace"),
        "{outcome}"
    );
}
