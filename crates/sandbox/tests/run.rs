//! The program: how it is found, what it sees of itself, and how it ends.

mod support;

use sandbox::{Error, ExitStatus, IdMapping, Spec, User};
use support::{output, root, run};

#[test]
fn exit_codes_and_signals_are_those_of_the_program() {
    let Some(root) = root() else { return };
    let cases = [
        ("true", ExitStatus::Code(0)),
        ("exit 7", ExitStatus::Code(7)),
        // A signal does not end pid 1 unless it comes from outside, so a child has to show it.
        ("sh -c 'kill -9 $$'; exit $?", ExitStatus::Code(137)),
    ];
    for (script, expected) in cases {
        let (status, _, errors) = run(&root.script(script)).unwrap();
        assert_eq!(status, expected, "{script}: {errors}");
    }
}

#[test]
fn the_program_is_pid_1_and_alone() {
    let Some(root) = root() else { return };
    let seen =
        root.output("echo $$; ls /proc | while read n; do case $n in [0-9]*) echo $n; esac; done");
    let mut lines = seen.lines();
    assert_eq!(lines.next(), Some("1"));
    assert!(lines.all(|pid| pid.parse::<u32>().unwrap() < 10), "{seen}");
}
