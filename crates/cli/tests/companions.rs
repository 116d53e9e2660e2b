//! `--with`: images that run beside both sides of a proof.

mod containers;

use containers::{import, root};
use testkit::cli::Environment;

/// A web server whose page is what `db` says, `store:1` that says it once it is told what, and `lame:1`,
/// which only says that it cannot.
fn with_front() -> Option<Environment> {
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    let front = root()?.executable(
        "www/cgi-bin/ask",
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nnc db 7000 < /dev/null\n",
    );
    let changes = [
        "CMD [\"httpd\",\"-f\",\"-p\",\"8080\",\"-h\",\"/www\"]",
        "EXPOSE 8080",
    ];
    import(&environment, &front, "front:1", &changes);
    let store = root()?.executable(
        "say",
        "#!/bin/sh\n[ -n \"$WORD\" ] || { echo no WORD; exit 4; }\nexec nc -ll -p 7000 -e echo \"$WORD\"\n",
    );
    import(
        &environment,
        &store,
        "store:1",
        &["CMD [\"/say\"]", "EXPOSE 7000"],
    );
    Some(environment)
}

#[test]
fn what_runs_beside_is_reached_by_its_name() {
    let Some(environment) = with_front() else {
        return;
    };
    let probe = ["--http", "/cgi-bin/ask", "--with", "db=store:1"];
    let told = ["--with-env", "db:WORD=hello", "--timeout", "20"];
    let outcome = environment
        .run(&[&["verify", "front:1", "front:1"], &probe[..], &told].concat())
        .done();
    assert!(
        outcome
            .stdout
            .contains("http GET :8080/cgi-bin/ask: HTTP 200"),
        "{outcome}"
    );
    assert!(
        outcome.stdout.contains("start: listens on 8080\n")
            || outcome.stdout.contains("start: listens on 8080,"),
        "{outcome}"
    );

    // The slim one says the same, and what it was seen to use to say it is kept.
    let outcome = environment
        .run(&[&["slim", "front:1"], &probe[..], &told].concat())
        .done();
    assert!(outcome.stderr.contains("proven"), "{outcome}");
    let why = environment.run(&["why", "front:1-slim", "/bin/nc"]);
    assert_eq!(why.code, 0, "{why}");
    let outcome = environment
        .run(&[&["verify", "front:1", "front:1-slim"], &probe[..], &told].concat())
        .done();
    assert!(outcome.stderr.contains("proven"), "{outcome}");

    // Without it, the answer is another one.
    let alone = ["verify", "front:1", "front:1", "--timeout", "5", "--http"];
    let outcome = environment.run(&[&alone[..], &["/cgi-bin/ask => 500"]].concat());
    assert_ne!(outcome.code, 0, "{outcome}");
}

#[test]
fn a_file_can_say_what_runs_beside() {
    let Some(environment) = with_front() else {
        return;
    };
    environment.write(
        "jettison.toml",
        "[[with]]\nname = \"db\"\nimage = \"store:1\"\nenv = { WORD = \"hello\" }\n\n\
         [[probe]]\nhttp = \"/cgi-bin/ask\"\ncompare = \"output\"\n",
    );
    let outcome = environment.run(&["verify", "front:1", "front:1"]).done();
    assert!(
        outcome.stdout.contains("/cgi-bin/ask: HTTP 200"),
        "{outcome}"
    );
}

#[test]
fn mistakes_about_what_runs_beside_are_said() {
    let Some(environment) = with_front() else {
        return;
    };
    environment.write(
        "wrong.toml",
        "[[with]]\nname = \"a\\nb\"\nimage = \"store:1\"\n",
    );
    for (flags, wanted) in [
        (
            &["--with", "db=store:1"][..],
            "error: `db`, which is to run beside it, is not ready: it ended: exit code 4; its last output:\n  | no WORD\n\
             hint: try it with `jettison run`; what it must be told goes into --with-env db:NAME=VALUE\n",
        ),
        (&["--with", "db"], "write NAME=IMAGE"),
        (&["--with", "a b=store:1"], "the name is a host name"),
        (
            &["--with-env", "db:WORD=x"],
            "error: no image runs beside it as `db`\nhint: name the image with --with db=IMAGE\n",
        ),
        (&["--config", "wrong.toml"], "the name is a host name"),
        (&["--with", "db=nowhere:1"], "nowhere:1"),
    ] {
        let outcome = environment.run(&[&["verify", "front:1", "front:1"], flags].concat());
        assert_ne!(outcome.code, 0, "{outcome}");
        assert!(outcome.stderr.contains(wanted), "{wanted}: {outcome}");
    }
}
