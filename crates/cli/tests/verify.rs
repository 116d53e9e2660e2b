//! `jettison verify`, and the proof of `slim`, with busybox and its web server for images.

mod containers;

use containers::{import, root, with_box};
use serde_json::Value;
use testkit::cli::{Environment, Outcome};

/// A web server; `/cgi-bin/time` says something else each time.
const SERVER: &[&str] = &[
    "CMD [\"httpd\",\"-f\",\"-p\",\"8080\",\"-h\",\"/www\"]",
    "EXPOSE 8080",
];

/// `web:1`, and `web:2` whose index is another one.
fn with_web() -> Option<Environment> {
    let web = root()?
        .file("www/index.html", "<h1>one</h1>\n")
        .file("www/same.txt", "same\n")
        .executable(
            "www/cgi-bin/time",
            "#!/bin/sh\necho Content-Type: text/plain\necho\nhead -c 7 /proc/sys/kernel/random/uuid\necho\necho stable\n",
        )
        .executable(
            "www/cgi-bin/endless",
            "#!/bin/sh\necho Content-Type: text/plain\necho\nwhile sleep 0.1; do echo more; done\n",
        );
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    import(&environment, &web, "web:1", SERVER);
    let other = web.file("www/index.html", "<h1>two</h1>\n");
    import(&environment, &other, "web:2", SERVER);
    Some(environment)
}

fn verify(environment: &Environment, arguments: &[&str]) -> Outcome {
    environment.run(&[&["verify", "--timeout", "20"], arguments].concat())
}

/// Seconds differ each time.
fn lines(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stdout.lines();
    lines
        .map(|line| match line.rsplit_once(", ") {
            Some((rest, time)) if time.ends_with(" s") => rest.to_owned(),
            _ => line.to_owned(),
        })
        .collect()
}

#[test]
fn the_same_image_answers_the_same() {
    let Some(environment) = with_web() else {
        return;
    };
    let outcome = verify(&environment, &["web:1", "web:1"]).done();
    let expected = [
        "PASS  start: listens on 8080",
        "PASS  http GET :8080/: HTTP 200",
        "PASS  stay up: still runs",
    ];
    assert_eq!(lines(&outcome), expected);
    assert!(
        outcome
            .stderr
            .contains("proven: web:1 answers the same, 3 of 3 checks"),
        "{outcome}"
    );
}

#[test]
fn every_kind_of_probe() {
    let Some(environment) = with_web() else {
        return;
    };
    let arguments = [
        "web:1",
        "web:1",
        "--tcp",
        "8080",
        "--http",
        "/same.txt",
        "--http",
        "HEAD :8080/same.txt",
        "--http",
        "/nowhere => 404",
        "--exec",
        "cat /www/same.txt",
        "--exec",
        "sh -c 'echo $A'",
        "--host",
        "test \"$(wget -qO- http://127.0.0.1:8080/same.txt)\" = same",
        "-e",
        "A=set",
        "--wait-for",
        "8080",
        "--wait-for",
        "/same.txt",
        "--wait-for",
        "0.1s",
    ];
    if testkit::tools::has_tool("wget") {
        let outcome = verify(&environment, &arguments).done();
        assert_eq!(lines(&outcome).len(), 9, "{outcome}");
    }
}

#[test]
fn a_test_suite_is_run_against_both() {
    let Some(environment) = with_web() else {
        return;
    };
    let suite = "test $JETTISON_IMAGE = web:1 || { echo it is $JETTISON_IMAGE; exit 7; }";
    let outcome = verify(&environment, &["web:1", "web:2", "--probe-suite", suite]);
    assert_eq!(outcome.code, 1, "{outcome}");
    for line in ["- exit code 0", "+ exit code 7", "+ it is web:2"] {
        assert!(outcome.stdout.contains(line), "{outcome}");
    }
    let _ = verify(&environment, &["web:1", "web:1", "--probe-suite", suite]).done();
}

#[test]
fn what_differs_is_shown() {
    let Some(environment) = with_web() else {
        return;
    };
    let outcome = verify(
        &environment,
        &["web:1", "web:2", "--http", "/same.txt", "--http", "/"],
    );
    assert_eq!(outcome.code, 1, "{outcome}");
    let text = lines(&outcome).join("\n");
    assert!(
        text.contains("PASS  http GET :8080/same.txt: HTTP 200\n"),
        "{outcome}"
    );
    assert!(
        text.contains("FAIL  http GET :8080/: HTTP 200\n"),
        "{outcome}"
    );
    assert!(
        text.contains("      body:\n        - <h1>one</h1>\n        + <h1>two</h1>"),
        "{outcome}"
    );
    assert!(
        outcome.stderr.contains("web:2 differs in 1 of 4 checks"),
        "{outcome}"
    );
    let json = verify(&environment, &["--json", "web:1", "web:2"]);
    let value: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(value["verdict"]["same"], false);
    assert_eq!(value["verdict"]["probes"][0]["same"], true);
    assert_eq!(
        value["verdict"]["probes"][1]["differences"][0]["part"],
        "body"
    );
}

#[test]
fn what_the_original_does_not_repeat_is_not_held_against_the_other() {
    let Some(environment) = with_web() else {
        return;
    };
    let outcome = verify(&environment, &["web:1", "web:2", "--http", "/cgi-bin/time"]).done();
    assert!(
        outcome
            .stdout
            .contains("varies by itself, compared as far as the original repeats it: body"),
        "{outcome}"
    );
}

#[test]
fn a_probe_that_fails_on_the_original_is_a_mistake() {
    let Some(environment) = with_web() else {
        return;
    };
    for (probe, reason) in [
        (
            &["--http", "/nowhere"][..],
            "it answers 404; if that is right, write => 404",
        ),
        (&["--http", "/ => 404"], "it answers 200 instead of 404"),
        (&["--exec", "nosuch"], "cannot find program `nosuch`"),
        (
            &["--exec", "sh -c 'echo why >&2; exit 3'"],
            "it exits with 3 instead of 0: why",
        ),
        (&["--host", "exit 4"], "it exits with 4 instead of 0"),
        (&["--tcp", "81"], "cannot connect to port 81"),
        (
            &["--timeout", "1", "--exec", "sleep 30"],
            "it does not end within 1 s",
        ),
        (
            &["--timeout", "1", "--wait-for", "9"],
            "waited 1 s for port 9 in vain",
        ),
        (
            &["--timeout", "1", "--http", "/cgi-bin/endless"],
            "no complete answer within 1 s",
        ),
        (&["--exec", "a | b"], "needs a shell"),
    ] {
        let patience: &[&str] = match probe.contains(&"--timeout") {
            true => &[],
            false => &["--timeout", "6"],
        };
        let outcome = environment.run(&[&["verify", "web:1", "web:1"], patience, probe].concat());
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(outcome.stderr.contains(reason), "{reason}: {outcome}");
    }
}

#[test]
fn what_no_port_is_named_for_has_to_be_right_on_one() {
    let Some(image) = root() else { return };
    let image = image
        .file("here/page", "one\n")
        .file("other/index.html", "two\n");
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    let server = [
        "CMD [\"sh\",\"-c\",\"httpd -p 8443 -h /other; exec httpd -f -p 8080 -h /here\"]",
        "EXPOSE 8080 8443",
    ];
    import(&environment, &image, "web:1", &server);
    let outcome = verify(&environment, &["web:1", "web:1", "--http", "/page"]).done();
    let expected = [
        "PASS  start: listens on 8080, 8443",
        "PASS  http GET :8080/page: HTTP 200",
        "PASS  http GET :8443/page: HTTP 404",
        "PASS  stay up: still runs",
    ];
    assert_eq!(lines(&outcome)[..4], expected, "{outcome}");
    // The port that answers as wanted may be the last one that is asked.
    let other = ["web:1", "web:1", "--http", "/index.html"];
    let outcome = verify(&environment, &other).done();
    assert!(
        outcome
            .stdout
            .contains("PASS  http GET :8443/index.html: HTTP 200"),
        "{outcome}"
    );
    let nowhere = ["web:1", "web:1", "--http", "/nowhere"];
    let outcome = verify(&environment, &nowhere);
    assert_eq!(outcome.code, 2, "{outcome}");
    assert!(outcome.stderr.contains("it answers 404"), "{outcome}");
}

#[test]
fn a_port_that_wants_tls_is_not_the_only_one() {
    let Some(image) = root() else { return };
    // Its first answer takes longer than a port has to show what it speaks.
    let image = image
        .file("here/page", "one\n")
        .executable(
            "here/cgi-bin/index.cgi",
            "#!/bin/sh\nmkdir /tmp/asked 2> /dev/null && sleep 6\n\
             echo Content-Type: text/plain\necho\necho index\n",
        )
        .executable(
            "bin/wants-tls",
            "#!/bin/sh\nprintf 'HTTP/1.1 400 Bad Request\\r\\nContent-Length: 0\\r\\n\\r\\n'\n",
        );
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    let server = [
        "CMD [\"sh\",\"-c\",\"nc -ll -p 8443 -e wants-tls & exec httpd -f -p 8080 -h /here\"]",
        "EXPOSE 8080 8443",
    ];
    import(&environment, &image, "web:1", &server);
    let outcome = verify(&environment, &["web:1", "web:1", "--http", "/page"]).done();
    let expected = [
        "PASS  start: listens on 8080, 8443",
        "PASS  http GET :8080/page: HTTP 200",
        "PASS  http GET :8443/page: HTTP 400",
        "PASS  stay up: still runs",
    ];
    assert_eq!(lines(&outcome)[..4], expected, "{outcome}");
}

#[test]
fn what_is_not_ready_is_asked_again() {
    let Some(root) = root() else { return };
    // The third request is the first that is answered; so is the third command.
    let web = root
        .file("www/index.html", "x")
        .executable(
            "www/cgi-bin/late",
            "#!/bin/sh\nread -r n < /tmp/asked; echo $((n + 1)) > /tmp/asked\n\
             if [ ${n:-0} -lt 2 ]; then echo 'Status: 502 Bad Gateway'; fi\n\
             echo Content-Type: text/plain\necho\necho answer\n",
        )
        .executable(
            "bin/late",
            "#!/bin/sh\nread -r n < /tmp/run; echo $((n + 1)) > /tmp/run; [ ${n:-0} -ge 2 ]\n",
        );
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    import(&environment, &web, "late:1", SERVER);
    let probes = ["--http", "/cgi-bin/late", "--exec", "late"];
    let outcome = verify(&environment, &[&["late:1", "late:1"][..], &probes].concat()).done();
    assert_eq!(
        lines(&outcome),
        [
            "PASS  start: listens on 8080",
            "PASS  http GET :8080/cgi-bin/late: HTTP 200",
            "PASS  exec late: exit code 0",
            "PASS  stay up: still runs",
        ]
    );
}

#[test]
fn a_program_that_ends_is_compared_by_what_it_says() {
    let Some(environment) =
        with_box(&["CMD [\"sh\",\"-c\",\"echo at $(date); cat /etc/word; exit 3\"]"])
    else {
        return;
    };
    let same = verify(&environment, &["box:1", "box:1"]).done();
    assert_eq!(lines(&same), ["PASS  start: exit code 3"]);
    let Some(root) = root() else { return };
    let changes = ["CMD [\"sh\",\"-c\",\"echo at $(date); cat /etc/word; exit 3\"]"];
    import(
        &environment,
        &root.file("etc/word", "hello\n"),
        "box:2",
        &changes,
    );
    let differs = verify(&environment, &["box:2", "box:1"]);
    assert_eq!(differs.code, 1, "{differs}");
    assert!(differs.stdout.contains("- hello\n"), "{differs}");
    assert!(
        differs.stdout.contains("+ cat: can't open '/etc/word'"),
        "{differs}"
    );
    // Commands run in containers of their own then.
    let exec = verify(&environment, &["box:2", "box:2", "--exec", "cat /etc/word"]).done();
    assert!(
        exec.stdout
            .contains("PASS  exec cat /etc/word: exit code 0"),
        "{exec}"
    );
}

#[test]
fn a_file_says_what_flags_say() {
    let Some(environment) = with_web() else {
        return;
    };
    environment.write(
        "jettison.toml",
        "[container]\nenv = { A = \"1\" }\nvolumes = [\"./data:/data:ro\"]\n\
         [[probe]]\nexec = \"cat\"\nstdin = \"text\"\n[[probe]]\nexec = \"sh -c 'exit $A'\"\nexpect = 1\n\
         [[probe]]\nexec = \"cat /data/x\"\n",
    );
    environment.write("data/x", "x\n");
    let outcome = verify(&environment, &["web:1", "web:1"]).done();
    assert_eq!(lines(&outcome).len(), 5, "{outcome}");
    environment.write("wrong.toml", "[[prob]]\n");
    let wrong = verify(&environment, &["web:1", "web:1", "--config", "wrong.toml"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("unknown field `prob`"), "{wrong}");
    let missing = verify(
        &environment,
        &["web:1", "web:1", "--config", "missing.toml"],
    );
    assert_eq!(missing.code, 2, "{missing}");
}

#[test]
fn containers_that_write_to_the_host_run_one_after_the_other() {
    let Some(environment) = with_web() else {
        return;
    };
    environment.write("data/x", "");
    let arguments = [
        "web:1",
        "web:1",
        "--volume",
        "./data:/data",
        "--exec",
        "sh -c 'test ! -e /data/busy && touch /data/busy && sleep 0.2 && rm /data/busy'",
    ];
    let _ = verify(&environment, &arguments).done();
}

#[test]
fn slim_is_proven_before_it_is_named() {
    let Some(environment) = with_web() else {
        return;
    };
    let proven = environment
        .run(&["slim", "web:1", "--http", "/same.txt", "--include", "/www"])
        .done();
    assert!(
        proven.stdout.starts_with("PASS  start: listens on 8080"),
        "{proven}"
    );
    assert!(proven.stdout.contains("\nweb:1-slim "), "{proven}");
    assert!(
        proven
            .stderr
            .contains("proven: web:1-slim answers the same"),
        "{proven}"
    );

    let arguments = [
        "slim",
        "web:1",
        "-t",
        "web:broken",
        "--include",
        "/www",
        "--exclude",
        "/www/same.txt",
        "--http",
        "/same.txt",
    ];
    let failed = environment.run(&arguments);
    assert_eq!(failed.code, 1, "{failed}");
    assert!(
        failed.stdout.contains("- HTTP 200\n        + HTTP 404"),
        "{failed}"
    );
    assert!(
        failed.stderr.contains("it was not written") && failed.stderr.contains("--include"),
        "{failed}"
    );
    let images = environment.run(&["images"]).done();
    assert!(!images.stdout.contains("web:broken"), "{images}");

    let unproven = environment.run(&[&arguments[..], &["--write-unproven"]].concat());
    assert_eq!(unproven.code, 1, "{unproven}");
    assert!(
        unproven.stderr.contains("it was written, unproven"),
        "{unproven}"
    );
    let images = environment.run(&["images"]).done();
    assert!(images.stdout.contains("web:broken"), "{images}");
}

#[test]
fn an_image_that_does_not_start_is_not_proven_and_says_why() {
    let Some(environment) = with_web() else {
        return;
    };
    let outcome = environment.run(&[
        "slim",
        "web:1",
        "-t",
        "web:broken",
        "--exclude",
        "/bin/busybox",
    ]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(
        outcome.stdout.contains("+ cannot find program `httpd`"),
        "{outcome}"
    );
}
