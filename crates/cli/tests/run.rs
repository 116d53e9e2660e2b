//! `jettison run`: as `docker run`, with busybox for an image.

mod containers;

use std::io::Read as _;
use std::process::Stdio;

use containers::{import, root, with_box};

#[test]
fn the_surroundings_are_those_of_the_image() {
    let changes = [
        "ENTRYPOINT [\"sh\",\"-c\"]",
        "CMD [\"id; pwd; env\"]",
        "USER root",
        "WORKDIR /made/here",
        "ENV A=1",
    ];
    let Some(environment) = with_box(&changes) else {
        return;
    };
    let run = environment
        .run(&["run", "--hostname", "ship", "box:1"])
        .done();
    let mut lines: Vec<&str> = run.stdout.lines().collect();
    lines[2..].sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(
        lines,
        [
            "uid=0(root) gid=0(root) groups=0(root)",
            "/made/here",
            "A=1",
            "HOME=/root",
            "HOSTNAME=ship",
            path,
            "PWD=/made/here",
            "SHLVL=1",
        ]
    );
}

#[test]
fn flags_are_dockers() {
    let Some(environment) = with_box(&["CMD [\"true\"]", "ENV A=image", "ENV B=image"]) else {
        return;
    };
    environment.write("data/file", "from the host\n");
    environment.write("vars", "# comment\nC=file\nA=file\n");
    let text = |arguments: &[&str]| {
        let arguments = [&["run"], arguments].concat();
        environment.run(&arguments).done().stdout
    };
    let shown = "echo $A $B $C $HOME";
    let flags = [
        "--env-file",
        "vars",
        "-e",
        "A=flag",
        "-e",
        "B",
        "box:1",
        "sh",
        "-c",
        shown,
    ];
    assert_eq!(text(&flags), "flag file /root\n");
    let mounted = [
        "-v",
        "./data:/data:ro",
        "-w",
        "/data",
        "box:1",
        "sh",
        "-c",
        "cat file; touch x || echo no",
    ];
    assert_eq!(text(&mounted), "from the host\nno\n");
    assert!(!environment.path("data/x").exists());
    let writable = ["-v", "./data:/data", "box:1", "touch", "/data/x"];
    assert_eq!(text(&writable), "");
    assert!(environment.path("data/x").exists());
    let entry = ["--entrypoint", "echo", "box:1", "one", "--two"];
    assert_eq!(text(&entry), "one --two\n");
    let read_only = [
        "--read-only",
        "box:1",
        "sh",
        "-c",
        "touch /x || touch /tmp/x && echo tmp",
    ];
    assert_eq!(text(&read_only), "tmp\n");
    let tmpfs = [
        "--tmpfs",
        "/cache:mode=700",
        "box:1",
        "stat",
        "-c",
        "%a",
        "/cache",
    ];
    assert_eq!(text(&tmpfs), "700\n");
    // A volume takes the short form of --verbose, which keeps its long one.
    assert_eq!(text(&["--verbose", "box:1", "true"]), "");
}

#[test]
fn users_are_names_or_numbers() {
    let Some(environment) = with_box(&[
        "CMD [\"sh\",\"-c\",\"id -u; id -g; echo $HOME\"]",
        "USER app",
    ]) else {
        return;
    };
    let ids = |flags: &[&str]| {
        environment
            .run(&[&["run"], flags, &["box:1"]].concat())
            .done()
            .stdout
    };
    assert_eq!(ids(&[]), "1000\n1001\n/home/app\n");
    assert_eq!(ids(&["--user", "root"]), "0\n0\n/root\n");
    assert_eq!(ids(&["-u", "7:44"]), "7\n44\n/\n");
    let unknown = environment.run(&["run", "-u", "nobody", "box:1"]);
    assert_eq!(unknown.code, 125);
    assert!(
        unknown
            .stderr
            .contains("cannot find user `nobody` in the image's `/etc/passwd`"),
        "{unknown}"
    );
}

#[test]
fn exit_codes_are_dockers() {
    let Some(environment) = with_box(&[]) else {
        return;
    };
    for (arguments, code, part) in [
        (&["box:1", "sh", "-c", "exit 7"][..], 7, ""),
        (
            &["box:1", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"],
            137,
            "",
        ),
        (&["box:1", "nosuch"], 127, "cannot find program `nosuch`"),
        (&["box:1", "/etc/passwd"], 126, "cannot execute program"),
        (&["box:1"], 125, "the image names no command"),
        (
            &["-w", "here", "box:1", "true"],
            125,
            "is not an absolute path",
        ),
        (&["./nosuch", "true"], 125, "nosuch"),
    ] {
        let run = environment.run(&[&["run"], arguments].concat());
        assert_eq!(run.code, code, "{run}");
        assert!(run.stderr.contains(part), "{run}");
    }
}

#[test]
fn standard_input_is_connected_when_asked() {
    let Some(environment) = with_box(&["CMD [\"cat\"]"]) else {
        return;
    };
    let with = environment
        .run_with_input(&["run", "-i", "box:1"], b"hello")
        .done();
    assert_eq!(with.stdout, "hello");
    let without = environment
        .run_with_input(&["run", "box:1"], b"hello")
        .done();
    assert_eq!(without.stdout, "");
}

#[test]
fn signals_reach_the_program_and_nothing_is_left_behind() {
    let script = "CMD [\"sh\",\"-c\",\"trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done\"]";
    let Some(environment) = with_box(&[script]) else {
        return;
    };
    let mut child = environment
        .command(&["run", "box:1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 6];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"ready\n");
    let pid = child.id().to_string();
    testkit::tools::run("kill", &["-TERM", &pid]);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "caught\n");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let scratch = std::fs::read_dir(environment.store().join("tmp")).unwrap();
    assert_eq!(scratch.count(), 0, "the unpacked image is removed");
}

#[test]
fn nothing_outlives_a_run_that_is_killed_at_any_moment() {
    let Some(environment) = with_box(&["CMD [\"sleep\",\"98765.4\"]"]) else {
        return;
    };
    for pause in 0..25 {
        let mut child = environment.command(&["run", "box:1"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause * 4));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let left = || {
        let processes = std::fs::read_dir("/proc").unwrap();
        let command = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline"));
        let commands = processes.filter_map(|entry| command(entry.ok()?).ok());
        commands
            .filter(|c| c.windows(7).any(|w| w == b"98765.4"))
            .count()
    };
    for _ in 0..100 {
        if left() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(left(), 0, "containers outlive their runs");
}

#[test]
fn what_a_killed_run_leaves_is_swept() {
    let Some(environment) = with_box(&["CMD [\"sh\",\"-c\",\"echo ready; sleep 100\"]"]) else {
        return;
    };
    let mut child = environment
        .command(&["run", "box:1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 6])
        .unwrap();
    let left = || {
        std::fs::read_dir(environment.store().join("tmp"))
            .unwrap()
            .count()
    };
    // One that is in use stays.
    let _ = environment.run(&["run", "box:1", "true"]).done();
    assert_eq!(left(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(left(), 1);
    // Its last process may take a moment to be gone.
    for _ in 0..50 {
        let _ = environment.run(&["run", "box:1", "true"]).done();
        if left() == 0 {
            return;
        }
    }
    panic!("the leftover is still there");
}

#[test]
fn an_image_for_another_machine_is_refused_at_once() {
    let Some(environment) = with_box(&[]) else {
        return;
    };
    let Some(root) = root() else { return };
    environment.write("root.tar", root.tar());
    let arguments = [
        "--platform",
        "linux/s390x",
        "import",
        "-q",
        "root.tar",
        "other:1",
        "--change",
        "CMD [\"true\"]",
    ];
    let _ = environment.run(&arguments).done();
    let run = environment.run(&["--platform", "linux/s390x", "run", "other:1"]);
    assert_eq!(run.code, 125);
    assert!(
        run.stderr
            .contains("the image is for linux/s390x, but this machine runs linux/"),
        "{run}"
    );
    let slim = environment.run(&["--platform", "linux/s390x", "slim", "other:1"]);
    assert_eq!(slim.code, 2, "{slim}");
    assert!(slim.stderr.contains("--no-verify"), "{slim}");
}

#[test]
fn volumes_that_the_image_lacks_are_made() {
    let Some(environment) = with_box(&[
        "VOLUME /data",
        "CMD [\"sh\",\"-c\",\"touch /data/x && echo fine\"]",
    ]) else {
        return;
    };
    for flags in [&["run"][..], &["run", "--read-only"]] {
        let run = environment.run(&[flags, &["box:1"]].concat()).done();
        assert_eq!(run.stdout, "fine\n");
    }
    let Some(root) = root() else { return };
    let root = root.file("data/x", "").mode(0o644);
    import(
        &environment,
        &root,
        "box:1",
        &[
            "VOLUME /data",
            "CMD [\"sh\",\"-c\",\"echo y > /data/x && echo fine\"]",
        ],
    );
    let run = environment.run(&["run", "--read-only", "box:1"]).done();
    assert_eq!(run.stdout, "fine\n");
}
