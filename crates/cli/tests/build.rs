//! What `jettison build` says and does; which images it makes is in `conformance.rs`.

mod containers;

use testkit::cli::{Environment, Outcome};

/// Writes files of a context and builds it.
fn build(environment: &Environment, files: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    for (name, content) in files {
        environment.write(&format!("ctx/{name}"), content);
    }
    let mut all = vec!["build", "ctx"];
    all.extend(arguments);
    environment.run(&all)
}

/// What is said, without times and sizes.
fn said(outcome: &Outcome) -> String {
    let lines = outcome
        .stderr
        .lines()
        .map(|line| match line.rsplit_once(", ") {
            Some((_, rest)) if line.starts_with("  ") && rest.ends_with(" s") => {
                "  made".to_owned()
            }
            _ => line.to_owned(),
        });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn steps_are_shown_and_remembered() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let files = [
        (
            "Dockerfile",
            "FROM box:1 AS app\nENV A=1\nRUN echo hello \\\n  && echo no-newline | head -c 5\nCOPY f /f\nCMD [\"x\"]\n",
        ),
        ("f", "content"),
    ];
    let first = build(&environment, &files, &["-t", "app"]).done();
    assert_eq!(
        said(&first),
        "[app 1/4] ENV A=1\n[app 2/4] RUN echo hello && echo no-newline | head -c 5\n  hello\n  no-ne\n[app 3/4] COPY f /f\n  made\n\
         [app 4/4] CMD [\"x\"]\n"
    );
    let second = build(&environment, &[], &["-t", "app"]).done();
    assert_eq!(
        said(&second),
        "[app 1/4] ENV A=1\n[app 2/4] RUN echo hello && echo no-newline | head -c 5\n  cached\n[app 3/4] COPY f /f\n  cached\n\
         [app 4/4] CMD [\"x\"]\n"
    );
    assert_eq!(first.stdout, second.stdout, "the same image");
    // A touched file is the same file; another content is not.
    environment.write("ctx/f", "content");
    assert!(
        build(&environment, &[], &[])
            .done()
            .stderr
            .matches("cached")
            .count()
            == 2
    );
    let changed = build(&environment, &[("f", "CONTENT")], &[]).done();
    assert_eq!(said(&changed).matches("cached").count(), 1, "{changed}");
    let anew = build(&environment, &[], &["--no-cache"]).done();
    assert_eq!(said(&anew).matches("cached").count(), 0, "{anew}");
    let stage = build(&environment, &[], &["--no-cache=app"]).done();
    assert_eq!(said(&stage).matches("cached").count(), 0, "{stage}");
}

#[test]
fn a_step_that_fails_is_shown_with_its_lines() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let text = "FROM box:1\nRUN echo before; \\\n    # why\n    exit 7\n";
    let outcome = build(&environment, &[("Dockerfile", text)], &["-t", "never"]);
    assert_eq!(
        outcome.to_string(),
        "--- stderr\n[stage-0 1/1] RUN echo before; exit 7\n  before\nerror: RUN failed (ctx/Dockerfile:2-4)\n   2 | RUN echo before; \\\n   \
         3 |     # why\n   4 |     exit 7\n  caused by: the command ended with exit code 7\n\
         hint: look around in the files before it with --debug-shell\n--- exit 3\n"
    );
    let images = environment.run(&["images"]).done();
    assert!(!images.stdout.contains("never"), "{images}");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    for (text, expected) in [
        (
            "FROM box:1\nRUM x\nCOPY a\n",
            "error: cannot understand `ctx/Dockerfile`\nctx/Dockerfile:2:1: unknown instruction `RUM`\n   2 | RUM x\n     | ^^^ did you mean RUN?\n\
             ctx/Dockerfile:3:6: COPY needs at least a source and a destination\n   3 | COPY a\n     |      ^ the last word is where to copy to, as in COPY . /app/\n",
        ),
        (
            "FROM box:1\nCOPY nothing /\n",
            "error: COPY failed (ctx/Dockerfile:2)\n   2 | COPY nothing /\n  caused by: `nothing` is not in the build context\n\
             hint: paths to copy are relative to the build context, not to the Dockerfile\n",
        ),
        (
            "FROM box:1\nUSER nobody-here\nRUN true\n",
            "[stage-0 1/2] USER nobody-here\n[stage-0 2/2] RUN true\nerror: RUN failed (ctx/Dockerfile:3)\n   3 | RUN true\n  \
             caused by: cannot find user `nobody-here` in the image's `/etc/passwd`\n\
             hint: a user can also be a number, as in --user 1000:1000\n",
        ),
        (
            "ARG X\nFROM $X\n",
            "error: FROM failed (ctx/Dockerfile:2)\n   2 | FROM $X\n  caused by: `$X` is empty: its variables have no value before the first FROM\n",
        ),
        (
            "FROM box:1\nENV A=${B^}\n",
            "error: ENV failed (ctx/Dockerfile:2)\n   2 | ENV A=${B^}\n  caused by: `^` does not exist in `${B…}`\n",
        ),
    ] {
        let outcome = build(&environment, &[("Dockerfile", text)], &[]);
        assert_eq!(
            (outcome.stderr.as_str(), outcome.code),
            (expected, 2),
            "{text}"
        );
    }
}

#[test]
fn the_same_inputs_give_the_same_image_elsewhere() {
    let text = "FROM box:1\nRUN echo made > /made && mkdir /d\nCOPY f /d/\nWORKDIR /w\n";
    let ids: Vec<_> = (0..2)
        .filter_map(|_| {
            let environment = containers::with_box(&[])?;
            let files = [("Dockerfile", text), ("f", "f")];
            let outcome = build(&environment, &files, &["-q", "--timestamp", "1700000000"]).done();
            std::thread::sleep(std::time::Duration::from_millis(1100));
            Some(outcome.stdout)
        })
        .collect();
    if let [one, other] = &ids[..] {
        assert_eq!(one, other);
    }
}

#[test]
fn caches_travel() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let text = "FROM box:1\nRUN date > /made\nCOPY f /\n";
    let files = [("Dockerfile", text), ("f", "f")];
    let first = build(
        &environment,
        &files,
        &["-q", "--cache-to", "type=local,dest=cache"],
    )
    .done();
    let Some(other) = containers::with_box(&[]) else {
        return;
    };
    let cache = format!("type=local,src={}", environment.path("cache").display());
    let second = build(&other, &files, &["-q", "--cache-from", &cache]).done();
    assert_eq!(first.stdout, second.stdout);
    let missing = build(&other, &files, &["--cache-from", "oci:nowhere"]).done();
    assert_eq!(
        missing.stderr.lines().next(),
        Some("warning: no cache from oci:nowhere: no image `nowhere`")
    );
}

#[test]
fn contexts_come_from_stdin() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let dockerfile = environment
        .run_with_input(
            &["build", "-q", "-t", "one", "-"],
            b"FROM box:1\nRUN echo x > /x\n",
        )
        .done();
    assert!(dockerfile.stdout.starts_with("sha256:"), "{dockerfile}");
    let tar = testkit::tree::Builder::new()
        .file(
            "Dockerfile",
            "FROM box:1\nCOPY f /f\nCMD [\"cat\", \"/f\"]\n",
        )
        .file("f", "from a tar")
        .tar();
    let _ = environment
        .run_with_input(&["build", "-q", "-t", "two", "-"], &tar)
        .done();
    assert_eq!(environment.run(&["run", "two"]).done().stdout, "from a tar");
    environment.write("ctx/f", "from a directory");
    let piped = ["build", "-q", "-t", "three", "-f", "-", "ctx"];
    let _ = environment
        .run_with_input(&piped, b"FROM two\nCOPY f /f\n")
        .done();
    assert_eq!(
        environment.run(&["run", "three"]).done().stdout,
        "from a directory"
    );
}

#[test]
fn results_go_where_they_are_wanted() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let files = [("Dockerfile", "FROM scratch\nCOPY f d/\n"), ("f", "f")];
    let flags = [
        "-t",
        "r:1",
        "-o",
        "oci:layout:r",
        "-o",
        "type=docker,dest=r.tar",
        "-o",
        "out",
        "--iidfile",
        "id",
        "--metadata-file",
        "meta",
    ];
    let outcome = build(&environment, &files, &flags).done();
    let id = std::fs::read_to_string(environment.path("id")).unwrap();
    assert!(id.starts_with("sha256:"), "{outcome}");
    let meta = std::fs::read_to_string(environment.path("meta")).unwrap();
    assert!(meta.contains(&id), "{meta}");
    assert_eq!(
        std::fs::read_to_string(environment.path("out/d/f")).unwrap(),
        "f"
    );
    for image in ["r:1", "oci:layout:r", "docker-archive:r.tar"] {
        let copied = environment.run(&["copy", image, "docker-archive:again.tar"]);
        assert_eq!(copied.code, 0, "{image}: {copied}");
        std::fs::remove_file(environment.path("again.tar")).unwrap();
    }
}

#[test]
fn secrets_are_there_and_leave_nothing() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    environment.write("key", "hush");
    let text = "FROM box:1\nRUN --mount=type=secret,id=key cat /run/secrets/key > /dev/null && test \"$(cat /run/secrets/key)\" = hush\n\
                RUN --mount=type=secret,id=key,env=KEY test \"$KEY\" = hush\nRUN test ! -e /run/secrets/key\n";
    let _ = build(
        &environment,
        &[("Dockerfile", text)],
        &["--secret", "id=key,src=key", "-t", "s", "-o", "s"],
    )
    .done();
    let found = std::process::Command::new("grep")
        .args(["-r", "hush"])
        .arg(environment.path("s"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn named_contexts_stand_for_images_and_directories() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    environment.write("lib/l.txt", "lib");
    let files = [(
        "Dockerfile",
        "FROM base\nCOPY --from=lib l.txt /l\nCMD [\"cat\", \"/l\"]\n",
    )];
    let flags = [
        "-q",
        "-t",
        "n",
        "--build-context",
        "base=docker-image://box:1",
        "--build-context",
        "lib=lib",
    ];
    let _ = build(&environment, &files, &flags).done();
    assert_eq!(environment.run(&["run", "n"]).done().stdout, "lib");
}

#[test]
fn repositories_are_contexts_and_sources() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    if !testkit::tools::has_tool("git") {
        return;
    }
    environment.write(
        "repo/sub/Dockerfile",
        "FROM box:1\nCOPY f /f\nCMD [\"cat\", \"/f\"]\n",
    );
    environment.write("repo/sub/f", "from git");
    let repository = environment.path("repo").display().to_string();
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["add", "."],
        &[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "commit",
            "-q",
            "-m",
            "x",
        ],
        &["update-server-info"],
    ] {
        let mut all = vec!["-C", &repository];
        all.extend(arguments);
        testkit::tools::run("git", &all);
    }
    let serving = testkit::tools::has_tool("busybox");
    if !serving {
        return;
    }
    std::fs::rename(environment.path("repo/.git"), environment.path("r.git")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let root = environment.path("").display().to_string();
    let address = format!("127.0.0.1:{port}");
    let _server = testkit::tools::Running::start(
        "busybox",
        &["httpd", "-f", "-p", &address, "-h", &root],
        &environment.path("log"),
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    let url = format!("http://{address}/r.git#main:sub");
    let _ = environment.run(&["build", "-q", "-t", "g", &url]).done();
    assert_eq!(environment.run(&["run", "g"]).done().stdout, "from git");
    let text = format!(
        "FROM box:1\nADD http://{address}/r.git#main /src/\nADD http://{address}/repo/sub/f /g\nCMD [\"cat\", \"/src/sub/f\", \"/g\"]\n"
    );
    let _ = build(&environment, &[("Dockerfile", &text)], &["-q", "-t", "h"]).done();
    assert_eq!(
        environment.run(&["run", "h"]).done().stdout,
        "from gitfrom git"
    );
    let wrong = format!(
        "FROM box:1\nADD --checksum=sha256:{} http://{address}/repo/sub/f /g\n",
        "0".repeat(64)
    );
    let refused = build(&environment, &[("Dockerfile", &wrong)], &[]);
    assert!(
        refused.stderr.contains("has the checksum sha256:") && refused.code == 2,
        "{refused}"
    );
}

#[test]
fn without_overlayfs_the_image_is_the_same() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let text = "FROM box:1\nRUN mkdir -p /d/e && echo 1 > /d/a && echo 2 > /d/e/b && ln /d/a /d/h && ln -s a /d/l\n\
                RUN rm /d/a && mv /d/e /d/f && chmod 700 /d && echo x > /etc/new\nRUN rm -r /d && mkdir /d && touch /d/z\n";
    let flags = ["-q", "--no-cache", "--timestamp", "1"];
    let overlay = build(
        &environment,
        &[("Dockerfile", text)],
        &[&flags[..], &["-t", "o"]].concat(),
    )
    .done();
    let copying = build(
        &environment,
        &[],
        &[&flags[..], &["-t", "c", "--no-overlay"]].concat(),
    )
    .done();
    drop((overlay, copying));
    let dump = |name: &str| {
        let directory = environment.path(name);
        let _ = environment
            .run_with_input(
                &["build", "-q", "-o", &directory.display().to_string(), "-"],
                format!("FROM {name}\n").as_bytes(),
            )
            .done();
        let text = testkit::dump::directory(&directory, testkit::dump::Fields::ALL);
        text.lines()
            .filter(|line| {
                line.starts_with("d/") || line.starts_with("d ") || line.starts_with("etc/")
            })
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    assert_eq!(dump("c"), dump("o"));
}

#[test]
fn a_killed_build_leaves_nothing_in_the_way() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    environment.write(
        "ctx/Dockerfile",
        "FROM box:1\nRUN echo a > /a\nRUN touch /started && sleep 60\n",
    );
    let mut child = environment
        .command(&["build", "ctx"])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let snapshots = environment.store().join("cache/snapshots");
    let working = || {
        let entries = std::fs::read_dir(&snapshots)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("work-"))
            .count()
    };
    let started = || {
        let entries = std::fs::read_dir(&snapshots)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.path().join("upper/started"))
            .any(|path| path.exists())
    };
    for _ in 0..600 {
        if started() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(working(), 1);
    let outcome = build(
        &environment,
        &[("Dockerfile", "FROM box:1\nRUN echo a > /a\nRUN true\n")],
        &["-t", "after"],
    )
    .done();
    assert!(outcome.stderr.contains("cached"), "{outcome}");
    assert_eq!(working(), 0);
}

#[test]
fn a_build_killed_at_any_moment_leaves_the_store_valid() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let blobs = environment.store().join("blobs/sha256");
    for pause in 0..20 {
        environment.write("ctx/data", format!("{pause} ").repeat(500_000));
        environment.write(
            "ctx/Dockerfile",
            format!(
                "FROM box:1 AS made\nCOPY data /one\nRUN echo {pause} > /two\nRUN rm /one\n\
                 FROM box:1\nCOPY --from=made /two /\nCOPY data /three\n"
            ),
        );
        let mut child = environment
            .command(&["build", "-q", "-t", "made:1", "ctx"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause * 12));
        child.kill().unwrap();
        child.wait().unwrap();
        for entry in std::fs::read_dir(&blobs).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".tmp-") {
                continue; // swept later
            }
            let bytes = std::fs::read(entry.path()).unwrap();
            let digest = testkit::fixture::digest(&bytes);
            assert_eq!(digest, format!("sha256:{name}"), "killed after {pause}");
        }
        assert_eq!(environment.run(&["images"]).code, 0);
    }
    let outcome = environment.run(&["build", "-t", "made:1", "ctx"]);
    assert_eq!(outcome.code, 0, "{outcome}");
    let left = std::fs::read_dir(environment.store().join("cache/snapshots"))
        .into_iter()
        .flatten()
        .flatten();
    let left: Vec<_> = left
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("work-"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing_half_made() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    environment.write("ctx/data", "0123456789abcdef".repeat(2_000_000));
    environment.write("ctx/Dockerfile", "FROM box:1\nCOPY data /data\nRUN true\n");
    // A disk of its own for the store, with little room.
    let small_disk = r#"
        cp -a "$JETTISON_STORE" "$JETTISON_STORE.saved"
        mount -t tmpfs -o size=16m none "$JETTISON_STORE" || exit 77
        cp -a "$JETTISON_STORE.saved/." "$JETTISON_STORE"
        (cd "$JETTISON_STORE" && find . | sort > ../before)
        "$0" build -q -t made:1 ctx; code=$?
        cd "$JETTISON_STORE"
        find . | grep -v '^./cache' | sort > ../after
        grep -v '^./cache' ../before | diff - ../after >&2 || exit 78
        find . -name 'work-*' -exec echo left behind {} \; >&2
        exit $code
    "#;
    let ordinary = environment.command(&[]);
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["--mount", "--map-root-user", "sh", "-c", small_disk]);
    unshare.arg(ordinary.get_program());
    for (name, value) in ordinary.get_envs() {
        unshare.env(name, value.unwrap_or_default());
    }
    if let Some(directory) = ordinary.get_current_dir() {
        unshare.current_dir(directory);
    }
    let output = unshare.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("hint: free some space"), "{said}");
    assert!(!said.contains("left behind"), "{said}");
}
