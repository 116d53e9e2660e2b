//! What a trace says about what programs asked for.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sandbox::{Access, AccessKind, Exec, HostCommand, IdMapping, Spec, Trace, TraceOptions, spawn};
use support::{Root, root, strings};

/// Compiles a program of the tests into a root, or says why the test is skipped.
fn compile(root: &Root, source: &str, name: &str, flags: &[&str]) -> Option<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/support")
        .join(source);
    let target: PathBuf = root.path().join("bin").join(name);
    let compiled = Command::new("cc")
        .args(flags)
        .arg("-o")
        .arg(&target)
        .arg(&source)
        .output();
    if !compiled.is_ok_and(|output| output.status.success()) {
        support::skip(&format!("cc {} does not work here", flags.join(" ")));
        return None;
    }
    Some(())
}

/// A root with the workload in it and some links.
fn prepared() -> Option<Root> {
    let root = root()?;
    compile(
        &root,
        "workload.c",
        "workload",
        &["-O1", "-static", "-pthread"],
    )?;
    let at = |path: &str| root.path().join(path);
    fs::create_dir_all(at("data/deep")).unwrap();
    fs::create_dir_all(at("jail/etc")).unwrap();
    for file in ["data/file", "data/deep/file", "jail/etc/inside"] {
        root.write(file, "content\n");
    }
    symlink("file", at("data/relative")).unwrap();
    symlink("/data/relative", at("data/absolute")).unwrap();
    symlink("../data/deep", at("data/directory")).unwrap();
    symlink("nowhere", at("data/dangling")).unwrap();
    symlink("loop", at("data/loop")).unwrap();
    symlink("/etc/inside", at("jail/link")).unwrap();
    Some(root)
}

fn traced(root: &Root, argv: &[&str]) -> Spec {
    Spec {
        trace: Some(TraceOptions::default()),
        ..root.spec(argv)
    }
}

/// The same, by ptrace(2).
fn by_ptrace(spec: &Spec) -> Spec {
    let options = spec.trace.clone().unwrap_or_default();
    Spec {
        trace: Some(TraceOptions {
            ptrace: true,
            ..options
        }),
        ..spec.clone()
    }
}

/// Runs a command and returns its trace, after seeing that it is the same by ptrace(2).
#[track_caller]
fn trace(spec: &Spec) -> Trace {
    let trace = trace_once(spec);
    assert_eq!(text(&trace_once(&by_ptrace(spec)), &[]), text(&trace, &[]));
    trace
}

/// Runs a command once and returns its trace.
#[track_caller]
fn trace_once(spec: &Spec) -> Trace {
    let mut container = spawn(spec).unwrap();
    let errors = support::read(container.main.take_stderr());
    let status = container.main.wait().unwrap();
    assert!(status.success(), "{status:?}: {errors}");
    let trace = container.take_trace().unwrap();
    assert!(trace.complete);
    assert!(container.take_trace().is_none());
    trace
}

/// Writes a trace as text, without what is about these paths: the program itself.
fn text(trace: &Trace, without: &[&str]) -> String {
    let mut text = String::new();
    let readable = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    for access in &trace.accesses {
        let path = readable(&access.path);
        if without.iter().any(|prefix| path.starts_with(prefix)) {
            continue;
        }
        let links: Vec<_> = access.links.iter().map(|link| readable(link)).collect();
        text += &format!(
            "{:?} {:?} {}x {path}",
            access.outcome, access.kind, access.count
        );
        if !links.is_empty() {
            text += &format!(" by way of {}", links.join(" "));
        }
        text.push('\n');
    }
    text
}

/// Runs the workload and compares what the trace says about it.
#[track_caller]
fn check(root: &Root, commands: &str, expected: &[&str]) {
    let words: Vec<_> = ["workload"]
        .into_iter()
        .chain(commands.split_whitespace())
        .collect();
    let seen = text(&trace(&traced(root, &words)), &["/bin/"]);
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected, "{commands}");
}

#[test]
fn paths_are_resolved_as_the_kernel_does() {
    let Some(root) = prepared() else { return };
    let cases: [(&str, &[&str]); 14] = [
        ("open /data/file", &["Found Open 1x /data/file"]),
        ("open //data/./deep/../file", &["Found Open 1x /data/file"]),
        (
            "chdir /data open file chdir deep open ../file",
            &[
                "Found Enter 1x /data",
                "Found Enter 1x /data/deep",
                "Found Open 2x /data/file",
            ],
        ),
        (
            "openat /data deep/file",
            &["Found Open 1x /data", "Found Open 1x /data/deep/file"],
        ),
        ("openat2 /data/file", &["Found Open 1x /data/file"]),
        (
            "open /data/relative",
            &["Found Open 1x /data/file by way of /data/relative"],
        ),
        (
            "stat /data/absolute",
            &["Found Stat 1x /data/file by way of /data/absolute /data/relative"],
        ),
        (
            "open /data/directory/file open /data/directory/../file",
            &[
                "Found Open 1x /data/deep/file by way of /data/directory",
                "Found Open 1x /data/file by way of /data/directory",
            ],
        ),
        (
            "lstat /data/relative readlink /data/absolute nofollow /data/dangling",
            &[
                "Found ReadLink 1x /data/absolute",
                "Found Open 1x /data/dangling",
                "Found Stat 1x /data/relative",
            ],
        ),
        (
            "lstat /data/directory/",
            &["Found Stat 1x /data/deep by way of /data/directory"],
        ),
        (
            "open /proc/self/cwd/data/file open /proc/self/exe",
            &["Found Open 1x /data/file"],
        ),
        (
            "chroot /jail open /link open /../etc/inside chdir / stat link",
            &[
                "Found Enter 2x /jail",
                "Found Open 2x /jail/etc/inside by way of /jail/link",
                "Found Stat 1x /jail/etc/inside by way of /jail/link",
            ],
        ),
        (
            "chdir /data chroot /jail open file open ../data/file",
            &[
                "Found Enter 1x /data",
                "Found Open 2x /data/file",
                "Found Enter 1x /jail",
            ],
        ),
        (
            "fork chdir /data thread open file",
            &["Found Enter 1x /data", "Found Open 1x /data/file"],
        ),
    ];
    for (commands, expected) in cases {
        check(&root, commands, expected);
    }
}

#[test]
fn failures_say_what_was_asked_for() {
    let Some(root) = prepared() else { return };
    fs::create_dir(root.path().join("secret")).unwrap();
    root.write("secret/file", "");
    root.mode("secret", 0);
    let cases: [(&str, &[&str]); 8] = [
        (
            "open /data/none open /data/none",
            &["Missing Open 2x /data/none"],
        ),
        (
            "chdir /data stat none/../x access ./none/",
            &[
                "Found Enter 1x /data",
                "Missing Stat 1x /data/none",
                "Missing Stat 1x /data/x",
            ],
        ),
        ("stat /data/file/x", &["NotADirectory Stat 1x /data/file/x"]),
        (
            "stat /data/dangling",
            &["Missing Stat 1x /data/dangling by way of /data/dangling"],
        ),
        (
            "stat /data/loop",
            &["Loop Stat 1x /data/loop by way of /data/loop"],
        ),
        (
            "open /data/directory/none",
            &["Missing Open 1x /data/directory/none by way of /data/directory"],
        ),
        // Root of the container may search it, and so the caller has to be able to.
        (
            "open /secret/file stat /secret/none",
            &["Found Open 1x /secret/file", "Missing Stat 1x /secret/none"],
        ),
        ("stat / exec /bin/none", &["Found Stat 1x /"]),
    ];
    for (commands, expected) in cases {
        check(&root, commands, expected);
    }
    root.mode("secret", 0o700);
}

#[test]
fn every_kind_of_question_is_seen() {
    let Some(root) = prepared() else { return };
    let commands = "access /data/file statfs /data getxattr /data/deep fstat list /data/deep watch /data/deep \
        chdir /tmp create new truncate new touch new rename new old link old other symlink old soft \
        mkdir dir mknod pipe unlink old bind socket connect socket connect /run/none.sock ring";
    check(
        &root,
        commands,
        &[
            "Found Stat 1x /data",
            "Found Open 1x /data/deep",
            "Found Stat 1x /data/deep",
            "Found List 2x /data/deep",
            "Found Watch 1x /data/deep",
            "Found Stat 1x /data/file",
            "Missing Connect 1x /run/none.sock",
            "Found Enter 1x /tmp",
            "Missing Write 1x /tmp/dir",
            "Found Write 3x /tmp/new",
            "Missing Write 1x /tmp/new",
            "Found Open 1x /tmp/old",
            "Found Write 1x /tmp/old",
            "Missing Write 1x /tmp/old",
            "Missing Write 1x /tmp/other",
            "Missing Write 1x /tmp/pipe",
            "Found Connect 1x /tmp/socket",
            "Missing Write 1x /tmp/socket",
            "Missing Write 1x /tmp/soft",
        ],
    );
}

#[test]
fn programs_are_seen_with_their_interpreters() {
    let Some(root) = prepared() else { return };
    root.write("data/script", "#!/bin/inner with words\n");
    root.write("bin/inner", "#! /bin/sh\nread line < /data/file\n");
    for script in ["data/script", "bin/inner"] {
        root.mode(script, 0o755);
    }
    let trace = trace(&traced(&root, &["workload", "exec", "/data/script"]));
    assert_eq!(
        text(&trace, &[]),
        "Found Execute 1x /bin/busybox by way of /bin/sh\n\
        Found Open 1x /bin/inner\n\
        Found Execute 1x /bin/inner\n\
        Found Execute 1x /bin/workload\n\
        Found Open 1x /data/file\n\
        Found Execute 1x /data/script\n"
    );
    let by = |kind, path: &str| {
        let wanted = |it: &&Access| it.kind == kind && it.path == path.as_bytes();
        let found = trace.accesses.iter().find(wanted);
        String::from_utf8_lossy(&found.unwrap().by).into_owned()
    };
    assert_eq!(by(AccessKind::Execute, "/bin/workload"), "");
    assert_eq!(by(AccessKind::Execute, "/data/script"), "/bin/workload");
    assert_eq!(by(AccessKind::Execute, "/bin/inner"), "/data/script");
    assert_eq!(by(AccessKind::Open, "/data/file"), "/bin/busybox");
}

#[test]
fn files_of_the_kernel_are_recorded_if_wanted() {
    let Some(root) = prepared() else { return };
    symlink("/proc/self/mounts", root.path().join("etc/mtab")).unwrap();
    let spec = traced(
        &root,
        &["workload", "open", "/dev/null", "stat", "/proc/self/stat"],
    );
    assert_eq!(text(&trace(&spec), &["/bin"]), "");
    let options = TraceOptions {
        kernel_files: true,
        ..TraceOptions::default()
    };
    let spec = Spec {
        trace: Some(options),
        ..spec
    };
    let seen = text(&trace(&spec), &["/bin"]);
    assert_eq!(
        seen,
        "Found Open 1x /dev/null\nFound ReadLink 1x /proc/self/exe\nFound Stat 1x /proc/self/stat\n"
    );
    // The link to it belongs to the image.
    check(
        &root,
        "open /etc/mtab",
        &["Found Open 1x /proc/self/mounts by way of /etc/mtab"],
    );
}

#[test]
fn commands_that_are_run_later_are_traced_too() {
    let Some(root) = prepared() else { return };
    let spec = traced(&root, &["workload", "wait"]);
    for spec in [&spec, &by_ptrace(&spec)] {
        run_later(spec);
    }
}

fn run_later(spec: &Spec) {
    let mut container = spawn(spec).unwrap();
    let exec = Exec {
        argv: strings(&["/bin/workload", "open", "/data/file"]),
        ..Exec::default()
    };
    for _ in 0..2 {
        assert!(container.exec(&exec).unwrap().wait().unwrap().success());
    }
    let host = HostCommand {
        argv: strings(&["/bin/cat", "/etc/passwd"]),
        ..HostCommand::default()
    };
    assert!(
        container
            .host_command(&host)
            .unwrap()
            .wait()
            .unwrap()
            .success()
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    while !text(&container.trace().unwrap(), &[]).contains("Found Open 2x /data/file") {
        assert!(Instant::now() < deadline);
    }
    container.main.kill().unwrap();
    let seen = text(&container.take_trace().unwrap(), &[]);
    assert_eq!(
        seen,
        "Found Execute 3x /bin/workload\nFound Open 2x /data/file\n"
    );
}

#[test]
fn a_container_with_one_id_pretends_and_is_traced() {
    let Some(root) = prepared() else { return };
    let single = IdMapping::Single {
        inside_uid: 0,
        inside_gid: 0,
    };
    let script = "echo > /tmp/x; chown 999:999 /tmp/x && cat /data/relative";
    let spec = Spec {
        ids: single,
        ..traced(&root, &["sh", "-c", script])
    };
    let seen = text(&trace(&spec), &[]);
    assert!(
        seen.contains("Found Open 1x /data/file by way of /data/relative\n"),
        "{seen}"
    );
}

#[test]
fn a_program_that_another_user_runs_is_traced() {
    let Some(root) = prepared() else { return };
    if !root.has_many_ids() {
        return;
    }
    // With its set-user-id bit the program of another user is out of reach for all but the owner of the namespace.
    root.mode("bin/busybox", 0o4755);
    root.mode("bin/workload", 0o4711);
    let mut spec = traced(&root, &["workload", "exec", "/data/script"]);
    root.write(
        "data/script",
        "#!/bin/sh\nbusybox ls /data > /dev/null\nexec /bin/workload open /data/relative\n",
    );
    root.mode("data/script", 0o755);
    (spec.user.uid, spec.user.gid) = (999, 999);
    let seen = text(&trace(&spec), &["/bin"]);
    let expected = "Found Open 1x /data/file by way of /data/relative\n";
    assert!(seen.contains(expected), "{seen}");
    assert!(seen.contains("Found Execute 1x /data/script\n"), "{seen}");
    // Which directory is listed, only its descriptor says.
    assert!(seen.contains("Found List 2x /data\n"), "{seen}");
}

#[test]
fn programs_of_another_architecture_are_traced() {
    let Some(root) = prepared() else { return };
    if compile(
        &root,
        "workload32.c",
        "workload32",
        &["-m32", "-nostdlib", "-static"],
    )
    .is_none()
    {
        return;
    }
    let seen = text(&trace(&traced(&root, &["workload32"])), &[]);
    let expected =
        "Found Execute 1x /bin/workload32\nFound Open 1x /data/file by way of /data/relative\n";
    assert_eq!(seen, expected);
}

#[test]
fn a_traced_container_can_be_killed_at_any_time() {
    let Some(root) = prepared() else { return };
    let spec = traced(&root, &["workload", "many", "/tmp", "8", "1000000"]);
    for spec in [&spec, &by_ptrace(&spec)] {
        for milliseconds in [0, 1, 5, 20] {
            let mut container = spawn(spec).unwrap();
            std::thread::sleep(Duration::from_millis(milliseconds));
            if milliseconds % 2 == 0 {
                container.main.kill().unwrap();
                assert!(container.take_trace().unwrap().complete);
            }
        }
    }
}

#[test]
fn signals_mean_to_a_traced_program_what_they_mean_to_others() {
    let Some(root) = prepared() else { return };
    // One that is stopped and continued, one that a signal ends, and one that expects one.
    let script = "sleep 0.1 & kill -STOP $!; kill -CONT $!; wait $! && echo woken; \
        sleep 9 & kill -TERM $!; wait $!; echo $?; \
        trap 'cat /data/file' USR1; kill -USR1 $$";
    let spec = traced(&root, &["sh", "-c", script]);
    for spec in [&spec, &by_ptrace(&spec)] {
        let mut container = spawn(spec).unwrap();
        let output = support::read(container.main.take_stdout());
        assert!(container.main.wait().unwrap().success());
        assert_eq!(output, "woken\n143\ncontent\n");
        let seen = text(&container.take_trace().unwrap(), &[]);
        assert!(seen.contains("Found Open 1x /data/file\n"), "{seen}");
    }
}

#[test]
fn nothing_is_lost_by_ptrace_either() {
    let Some(root) = prepared() else { return };
    let spec = traced(&root, &["workload", "many", "/tmp", "16", "1000"]);
    let trace = trace_once(&by_ptrace(&spec));
    let files = trace.accesses.iter();
    let files = files.filter(|access| access.path.starts_with(b"/tmp/"));
    assert_eq!(files.filter(|access| access.count == 1).count(), 16_000);
}

#[test]
fn a_million_files_opened_by_sixteen_processes_are_all_there() {
    const PROCESSES: usize = 16;
    const FILES: usize = 62_500;
    let Some(root) = prepared() else { return };
    let (processes, files) = (PROCESSES.to_string(), FILES.to_string());
    let begin = Instant::now();
    let trace = trace_once(&traced(
        &root,
        &["workload", "many", "/tmp", &processes, &files],
    ));
    println!("{:?}, {} events", begin.elapsed(), trace.events);
    let mut seen = vec![false; PROCESSES * FILES];
    for access in &trace.accesses {
        let Some(name) = access.path.strip_prefix(b"/tmp/") else {
            continue;
        };
        let name = std::str::from_utf8(name).unwrap();
        let (process, file) = name.split_once('-').unwrap();
        let (process, file): (usize, usize) = (process.parse().unwrap(), file.parse().unwrap());
        assert_eq!(access.count, 1);
        seen[process * FILES + file] = true;
    }
    assert!(seen.iter().all(|&seen| seen));
}
