//! Further commands in a running container.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::io::Read;

use sandbox::{Exec, ExitStatus, Network, Spec, Stdio, Streams, User, Writes};
use support::{Root, root, started, strings};

fn script(script: &str) -> Exec {
    Exec {
        argv: strings(&["sh", "-c", script]),
        env: vec![
            ("PATH".into(), "/bin".into()),
            ("WHO".into(), "exec".into()),
        ],
        cwd: "/work".into(),
        user: User::default(),
        streams: Streams {
            stdin: Stdio::Null,
            ..Streams::all(Stdio::Piped)
        },
        terminal: false,
    }
}

/// Runs a command in a container that waits, and returns its output.
fn exec(root: &Root, spec: &Spec, exec: &Exec) -> (ExitStatus, String) {
    let _ = root;
    let container = started(spec);
    let mut process = container.exec(exec).unwrap();
    let seen = support::read(process.take_stdout());
    let errors = support::read(process.take_stderr());
    (process.wait().unwrap(), seen + &errors)
}

#[test]
fn a_command_is_inside_in_every_respect() {
    let Some(root) = root() else { return };
    for network in [Network::Private, Network::Host] {
        let first = "echo here > /etc/mark; hostname > /run/mark; echo up; sleep 60; true";
        let spec = Spec {
            hostname: "ship".into(),
            network,
            writes: Writes::Memory,
            ..root.script(first)
        };
        let inside = "cat /etc/mark /run/mark; hostname; pwd; echo $WHO; cat /proc/1/comm; \
            for n in mnt pid net ipc uts user cgroup; do \
            [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done; \
            grep CapEff /proc/self/status; [ $$ -gt 1 ] && [ $$ -lt 20 ] && exit 9";
        let (status, seen) = exec(&root, &spec, &script(inside));
        let capabilities = "CapEff:\t00000000a80425fb\n";
        assert_eq!(
            seen,
            format!("here\nship\nship\n/work\nexec\nsh\n{capabilities}")
        );
        assert_eq!(status, ExitStatus::Code(9));
    }
}

#[test]
fn a_command_may_have_another_user() {
    let Some(root) = root() else { return };
    let spec = root.script("echo up; exec sleep 60");
    let user = User {
        uid: 999,
        gid: 999,
        groups: vec![7],
    };
    let command = Exec {
        user,
        ..script("id -u; id -G; echo log > /dev/stderr")
    };
    let container = started(&spec);
    match container.exec(&command) {
        Ok(mut process) => {
            assert_eq!(support::read(process.take_stdout()), "999\n999 7\n");
            assert_eq!(support::read(process.take_stderr()), "log\n");
            assert!(process.wait().unwrap().success());
        }
        Err(error) => assert!(!root.has_many_ids(), "{error}"),
    }
}

#[test]
fn a_command_ends_with_its_container_or_by_force() {
    let Some(root) = root() else { return };
    let mut container = started(&root.script("echo up; exec sleep 60"));
    let mut process = container.exec(&script("sleep 60")).unwrap();
    assert!(process.pid() > 1);
    assert_eq!(process.try_wait().unwrap(), None);
    assert_eq!(process.kill().unwrap(), ExitStatus::Signal(9));
    let mut process = container.exec(&script("sleep 60")).unwrap();
    container.main.kill().unwrap();
    assert_eq!(process.wait().unwrap(), ExitStatus::Signal(9));
    assert!(container.exec(&script("true")).is_err());
}

#[test]
fn a_command_that_cannot_be_started_says_why() {
    let Some(root) = root() else { return };
    let container = started(&root.script("echo up; exec sleep 60"));
    let missing = Exec {
        argv: strings(&["nowhere"]),
        ..script("")
    };
    assert_eq!(container.exec(&missing).unwrap_err().exit_code(), 127);
    let directory = Exec {
        cwd: "/nowhere".into(),
        ..script("true")
    };
    let error = container.exec(&directory).unwrap_err();
    assert_eq!(error.to_string(), "cannot change to the working directory");
}

#[test]
fn a_command_may_have_a_terminal() {
    let Some(root) = root() else { return };
    let container = started(&root.script("echo up; exec sleep 60"));
    let command = script("tty; test -t 0 && test -t 2 && echo both");
    let mut process = container
        .exec(&Exec {
            terminal: true,
            ..command
        })
        .unwrap();
    let mut seen = Vec::new();
    // A terminal whose program has ended answers with an error, not with an end.
    let _ = std::fs::File::from(process.take_terminal().unwrap()).read_to_end(&mut seen);
    assert_eq!(String::from_utf8(seen).unwrap(), "/dev/pts/0\r\nboth\r\n");
    assert!(process.wait().unwrap().success());
}
