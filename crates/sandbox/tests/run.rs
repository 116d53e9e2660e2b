//! The program: how it is found, what it sees of itself, and how it ends.

mod support;

use std::io::{Read, Write};

use sandbox::{Error, ExitStatus, IdMapping, Spec, Stdio, Streams, User, spawn};
use support::{output, root, run, strings};

#[test]
fn exit_codes_and_signals_are_those_of_the_program() {
    let Some(root) = root() else { return };
    let cases = [
        ("true", ExitStatus::Code(0)),
        ("exit 7", ExitStatus::Code(7)),
        // A signal from inside does not end pid 1, so a child has to show it.
        ("sh -c 'kill -9 $$'; exit $?", ExitStatus::Code(137)),
    ];
    for (script, expected) in cases {
        let (status, _, errors) = run(&root.script(script)).unwrap();
        assert_eq!(status, expected, "{script}: {errors}");
    }
    let mut container = spawn(&root.script("sleep 60")).unwrap();
    assert_eq!(container.main.kill().unwrap(), ExitStatus::Signal(9));
    assert_eq!(container.main.wait().unwrap().code(), 137);
}

#[test]
fn the_program_is_pid_1_and_alone() {
    let Some(root) = root() else { return };
    let script = "echo $$; for p in /proc/[0-9]*; do echo ${p#/proc/}; done";
    let seen = root.output(script);
    assert_eq!(seen, "1\n1\n", "{seen}");
}

#[test]
fn environment_and_directory_are_exactly_those_given() {
    let Some(root) = root() else { return };
    let spec = Spec {
        env: vec![
            ("PATH".into(), "/bin".into()),
            ("GREETING".into(), "good day".into()),
        ],
        cwd: "/work".into(),
        hostname: "ship".to_owned(),
        ..root.spec(&["env"])
    };
    assert_eq!(output(&spec), "PATH=/bin\nGREETING=good day\n");
    let spec = |script| Spec {
        cwd: "/work".into(),
        ..root.script(script)
    };
    assert_eq!(
        output(&spec("pwd; umask; echo a > file; stat -c %a file")),
        "/work\n0022\n644\n"
    );
    let missing = Spec {
        cwd: "/new/one".into(),
        ..root.script("pwd")
    };
    assert_eq!(output(&missing), "/new/one\n");
    assert!(!root.path().join("new").exists());
    let file = Spec {
        cwd: "/etc/passwd".into(),
        ..root.script("pwd")
    };
    let error = spawn(&file).unwrap_err();
    assert_eq!(error.to_string(), "cannot change to the working directory");
}

#[test]
fn the_user_is_the_one_given() {
    let Some(root) = root() else { return };
    assert_eq!(root.output("id -u; id -g"), "0\n0\n");
    let user = User {
        uid: 999,
        gid: 999,
        groups: vec![4, 20],
    };
    let mut spec = Spec {
        user,
        ..root.script("id -u; id -g; id -G; cat /proc/self/status")
    };
    if !root.has_many_ids() {
        assert!(matches!(
            spawn(&spec).unwrap_err(),
            Error::UnmappedUser { uid: 999, gid: 999 }
        ));
        spec.ids = IdMapping::Single {
            inside_uid: 999,
            inside_gid: 999,
        };
    }
    let seen = output(&spec);
    let mut lines = seen.lines();
    assert_eq!((lines.next(), lines.next()), (Some("999"), Some("999")));
    if root.has_many_ids() {
        assert_eq!(lines.next(), Some("999 4 20"));
    }
    assert!(seen.contains("CapEff:\t0000000000000000"), "{seen}");
    assert!(seen.contains("CapPrm:\t0000000000000000"), "{seen}");
}

#[test]
fn root_has_the_capabilities_of_docker() {
    let Some(root) = root() else { return };
    // Without a shell, which has its own mind about signals.
    let seen = output(&root.spec(&["cat", "/proc/self/status"]));
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(
            seen.contains(&format!("{set}:\t00000000a80425fb")),
            "{seen}"
        );
    }
    assert!(seen.contains("CapInh:\t0000000000000000"), "{seen}");
    assert!(seen.contains("NoNewPrivs:\t0"), "{seen}");
    assert!(seen.contains("SigIgn:\t0000000000000000"), "{seen}");
    assert!(seen.contains("SigBlk:\t0000000000000000"), "{seen}");
}

#[test]
fn nothing_of_the_caller_is_open_in_the_program() {
    let Some(root) = root() else { return };
    let seen = root.output("ls /proc/self/fd");
    // Descriptor 3 is the directory that ls reads.
    assert_eq!(seen, "0\n1\n2\n3\n");
}

#[test]
fn a_program_that_cannot_be_started_says_why() {
    let Some(root) = root() else { return };
    root.write("bin/plain", "#!/bin/sh\n");
    root.write("bin/lost", "#!/usr/bin/nowhere\n");
    root.mode("bin/lost", 0o755);
    root.write("bin/garbage", "\x7fELF but not really\n");
    root.mode("bin/garbage", 0o755);
    let cases = [
        ("nowhere", "cannot find program `nowhere`", 127),
        ("/bin/nowhere", "cannot find program `/bin/nowhere`", 127),
        ("/etc/passwd/x", "cannot find program `/etc/passwd/x`", 127),
        ("plain", "cannot execute program `plain`", 126),
        ("/etc", "cannot execute program `/etc`", 126),
        ("garbage", "cannot execute program `garbage`", 126),
        (
            "lost",
            "cannot start program `/bin/lost`: its interpreter is missing",
            127,
        ),
        ("", "cannot run an empty command", 125),
    ];
    for (program, message, code) in cases {
        let error = spawn(&root.spec(&[program])).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            (message, code)
        );
    }
    let zero = Spec {
        argv: strings(&["sh\0"]),
        ..root.spec(&[])
    };
    assert!(matches!(spawn(&zero).unwrap_err(), Error::ZeroByte { .. }));
    let no_root = Spec {
        root: "/nowhere".into(),
        ..root.spec(&["sh"])
    };
    assert_eq!(
        spawn(&no_root).unwrap_err().to_string(),
        "cannot use `/nowhere`"
    );
}

#[test]
fn input_and_output_go_through_pipes() {
    let Some(root) = root() else { return };
    let spec = Spec {
        streams: Streams::all(Stdio::Piped),
        ..root.script("cat; echo said >&2; echo more > /dev/stdout; echo bad > /dev/stderr")
    };
    let mut container = spawn(&spec).unwrap();
    let mut stdin = container.main.take_stdin().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    drop(stdin);
    assert_eq!(support::read(container.main.take_stdout()), "hello\nmore\n");
    assert_eq!(support::read(container.main.take_stderr()), "said\nbad\n");
    assert!(container.main.wait().unwrap().success());
}

#[test]
fn a_user_can_open_its_own_output() {
    let Some(root) = root() else { return };
    if !root.has_many_ids() {
        return; // the user is the caller
    }
    let user = User {
        uid: 999,
        gid: 999,
        groups: Vec::new(),
    };
    assert_eq!(
        output(&Spec {
            user,
            ..root.script("echo log > /dev/stdout")
        }),
        "log\n"
    );
}

#[test]
fn output_can_be_read_while_the_program_runs() {
    let Some(root) = root() else { return };
    let spec = Spec {
        streams: Streams::all(Stdio::Piped),
        ..root.script("while read line; do echo got $line; done")
    };
    let mut container = spawn(&spec).unwrap();
    let (mut stdin, mut stdout) = (
        container.main.take_stdin().unwrap(),
        container.main.take_stdout().unwrap(),
    );
    for word in ["one", "two"] {
        writeln!(stdin, "{word}").unwrap();
        let mut answer = vec![0; 8];
        stdout.read_exact(&mut answer).unwrap();
        assert_eq!(answer, format!("got {word}\n").into_bytes());
    }
    drop(stdin);
    assert!(container.main.wait().unwrap().success());
}
