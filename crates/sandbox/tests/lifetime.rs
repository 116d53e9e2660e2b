//! Ends: of the program, by force, by signal, and of the caller.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use sandbox::{ExitStatus, HostCommand, Spec, spawn, watch_signals};
use support::{root, run, started};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Set for the process that one test starts, kills and looks after.
const VICTIM: &str = "SANDBOX_TEST_VICTIM";

/// Returns how many processes have a word among their arguments.
fn processes_with(word: &str) -> usize {
    let all = std::fs::read_dir("/proc").unwrap();
    all.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|arguments| {
            arguments
                .split(|&byte| byte == 0)
                .any(|it| it == word.as_bytes())
        })
        .count()
}

/// A script that leaves processes behind, in sessions of their own, that all carry a word.
fn many(word: &str) -> String {
    format!(
        "for i in 1 2 3; do (sh -c 'trap \"\" TERM HUP; sleep 300; true' {word} &) & done; echo up; exec sh -c 'sleep 300; true' {word}"
    )
}

#[test]
fn kill_and_drop_leave_nothing_behind() {
    let Some(root) = root() else { return };
    for dropped in [false, true] {
        let word = format!("word-{}-{dropped}", std::process::id());
        let mut container = started(&root.script(&many(&word)));
        let deadline = Instant::now() + TIMEOUT;
        while processes_with(&word) != 4 {
            assert!(Instant::now() < deadline, "{}", processes_with(&word));
        }
        if dropped {
            drop(container);
        } else {
            assert_eq!(container.main.kill().unwrap(), ExitStatus::Signal(9));
        }
        assert_eq!(processes_with(&word), 0);
    }
}

#[test]
fn processes_that_outlive_the_first_one_end_with_it() {
    let Some(root) = root() else { return };
    let word = format!("orphan-{}", std::process::id());
    let script = format!("sh -c 'sleep 300; true' {word} > /dev/null 2>&1 & exit 3");
    assert_eq!(run(&root.script(&script)).unwrap().0, ExitStatus::Code(3));
    assert_eq!(processes_with(&word), 0);
}

#[test]
fn a_program_is_stopped_by_a_signal_that_it_handles() {
    let Some(root) = root() else { return };
    let script = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done";
    let mut container = spawn(&root.script(script)).unwrap();
    let mut stdout = container.main.take_stdout().unwrap();
    stdout.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(container.main.try_wait().unwrap(), None);
    assert_eq!(
        container
            .main
            .wait_timeout(Duration::from_millis(20))
            .unwrap(),
        None
    );
    container.main.signal(15).unwrap();
    assert_eq!(
        container.main.wait_timeout(TIMEOUT).unwrap(),
        Some(ExitStatus::Code(5))
    );
    assert_eq!(support::read(Some(stdout)), "bye\n");
    container.main.signal(15).unwrap();
    assert!(
        container.main.signal(1000).is_ok(),
        "a container that has ended is left in peace"
    );
}

#[test]
fn a_signal_may_be_any_that_exists() {
    let Some(root) = root() else { return };
    let container = started(&root.script("echo up; sleep 60"));
    let command = HostCommand {
        argv: support::strings(&["/bin/sleep", "60"]),
        ..HostCommand::default()
    };
    let mut process = container.host_command(&command).unwrap();
    // A real-time signal, as systemd has for its end.
    process.signal(37).unwrap();
    assert_eq!(process.wait().unwrap(), ExitStatus::Signal(37));
    assert!(container.main.signal(1000).is_err());
}

#[test]
fn signals_of_the_caller_are_passed_on() {
    let Some(root) = root() else { return };
    let script = "trap 'exit 6' USR1; echo up; while :; do sleep 0.05; done";
    let mut container = started(&root.script(script));
    let forwarding = watch_signals().unwrap().forward_to(&container).unwrap();
    assert!(watch_signals().is_err(), "one at a time");
    Command::new("kill")
        .args(["-USR1", &std::process::id().to_string()])
        .status()
        .unwrap();
    assert_eq!(
        container.main.wait_timeout(TIMEOUT).unwrap(),
        Some(ExitStatus::Code(6))
    );
    drop(forwarding);
}

#[test]
fn fifty_containers_run_at_once() {
    let Some(root) = root() else { return };
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..50 {
            let root = &root;
            scope.spawn(move || {
                let spec = Spec {
                    hostname: format!("c{number}"),
                    ..root.script("hostname; sleep 1")
                };
                let (status, seen, errors) = run(&spec).unwrap();
                assert_eq!(
                    (status.code(), seen),
                    (0, format!("c{number}\n")),
                    "{errors}"
                );
            });
        }
    });
    assert!(
        begin.elapsed() < Duration::from_secs(40),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_container_outlives_the_thread_that_made_it() {
    let Some(root) = root() else { return };
    let spec = root.script("sleep 0.3; exit 4");
    let mut container = std::thread::spawn(move || spawn(&spec).unwrap())
        .join()
        .unwrap();
    assert_eq!(container.main.wait().unwrap(), ExitStatus::Code(4));
}

/// Not a test by itself: what the next test runs in a process of its own.
#[test]
fn victim() {
    #[allow(clippy::disallowed_methods)] // how the test below tells this process what to do
    let Ok(word) = std::env::var(VICTIM) else {
        return;
    };
    let Some(root) = root() else { return };
    let mut container = started(&root.script(&many(&word)));
    println!("container is up");
    container.main.wait().unwrap();
}

#[test]
fn a_container_does_not_outlive_its_caller() {
    let Some(root) = root() else { return };
    let word = format!("victim-{}", std::process::id());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, &word)
        .env("TMPDIR", root.beside("of the victim"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = String::new();
    while !seen.contains("container is up") {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "{seen}");
        seen.push(char::from(byte[0]));
    }
    let deadline = Instant::now() + TIMEOUT;
    while processes_with(&word) < 4 {
        assert!(Instant::now() < deadline, "{}", processes_with(&word));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while processes_with(&word) > 0 {
        assert!(
            Instant::now() < deadline,
            "{} are left",
            processes_with(&word)
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
