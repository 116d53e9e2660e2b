//! Flags of `jettison build` that say where results go and what commands have, and `jettison builder`.

mod containers;

use testkit::cli::{Environment, Outcome};
use testkit::registry::{Faults, Registry};

/// Writes a Dockerfile and builds it.
fn build(environment: &Environment, dockerfile: &str, arguments: &[&str]) -> Outcome {
    environment.write("ctx/Dockerfile", dockerfile);
    let mut all = vec!["build", "ctx"];
    all.extend(arguments);
    environment.run(&all)
}

#[test]
fn files_go_into_a_tar() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    environment.write("ctx/f", "content");
    let text = "FROM scratch\nCOPY --chown=5:6 f d/\n";
    let file = build(&environment, text, &["-o", "type=tar,dest=new/files.tar"]).done();
    assert!(file.stdout.contains("IMAGE ID"), "{file}");
    let piped = build(&environment, text, &["-o", "-"]).done();
    let tar = environment.path("new/files.tar");
    // A small tar of plain text is text.
    assert_eq!(piped.stdout.into_bytes(), std::fs::read(&tar).unwrap());
    let listed = std::process::Command::new("tar")
        .args(["--numeric-owner", "-tvf"])
        .arg(&tar)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let fields = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        format!("{} {} {} {}", fields[0], fields[1], fields[2], fields[5])
    };
    let listed: Vec<String> = listed.lines().map(fields).collect();
    assert_eq!(listed, ["drwxr-xr-x 5/6 0 d/", "-rw-r--r-- 5/6 7 d/f"]);
}

#[test]
fn outputs_are_named_as_docker_names_them() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let text = "FROM box:1\nLABEL a=b\n";
    let flags = [
        "-t",
        "n:1",
        "-o",
        "type=oci,tar=false,dest=layout",
        "-o",
        "type=cacheonly",
        "-o",
        "type=docker,dest=-",
    ];
    let outcome = build(&environment, text, &flags);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("manifest.json"), "an archive");
    let copied = environment.run(&["copy", "oci:layout:n:1", "docker-archive:again.tar"]);
    assert_eq!(copied.code, 0, "{copied}");
    let wrong = build(&environment, text, &["-o", "type=zip,dest=x"]);
    assert_eq!(
        (wrong.stderr.as_str(), wrong.code),
        (
            "error: there is no output of type `zip`\nhint: there are local, tar, oci, docker, registry, image and cacheonly\n",
            2
        )
    );
}

#[test]
fn commands_have_the_limits_that_are_wanted() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let text = "FROM box:1\nRUN echo \"$(ulimit -Sn) $(ulimit -Hn)\"; grep -o '/dev/shm .*size=[0-9a-z]*' /proc/mounts | grep -o 'size=.*'\n";
    let flags = ["--ulimit", "nofile=77:88", "--shm-size", "1m"];
    let outcome = build(&environment, text, &flags).done();
    assert!(
        outcome.stderr.contains("\n  77 88\n  size=1024k\n"),
        "{outcome}"
    );
    let wrong = build(&environment, text, &["--ulimit", "nofile=9:1"]);
    assert_eq!(wrong.code, 2, "{wrong}");
}

#[test]
fn an_agent_is_there_where_it_is_wanted() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let socket = environment.path("agent");
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let text = "FROM box:1\nRUN --mount=type=ssh,required test -S \"$SSH_AUTH_SOCK\" && echo \"$SSH_AUTH_SOCK\"\n\
                RUN test -z \"$SSH_AUTH_SOCK\" && test ! -e /run/buildkit\n";
    let without = build(&environment, text, &[]);
    assert!(
        without.code == 2 && without.stderr.contains("use --ssh default"),
        "{without}"
    );
    let flag = format!("default={}", socket.display());
    let outcome = build(&environment, text, &["--ssh", &flag]).done();
    assert!(
        outcome.stderr.contains("\n  /run/buildkit/ssh_agent.0\n"),
        "{outcome}"
    );
}

#[test]
fn a_shell_opens_where_a_command_failed() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    environment.write(
        "ctx/Dockerfile",
        "FROM box:1\nWORKDIR /w\nRUN echo half-made > f; exit 3\n",
    );
    let outcome =
        environment.run_with_input(&["build", "--debug-shell", "ctx"], b"cat /w/f; pwd\nexit\n");
    let lines: Vec<&str> = outcome.stdout.lines().map(str::trim_end).collect();
    assert!(
        lines.contains(&"half-made") && lines.contains(&"/w") && outcome.code == 3,
        "{outcome}"
    );
}

#[test]
fn newer_bases_are_asked_for() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let registry = Registry::start(Faults::default());
    let name = format!("{}/base:1", registry.host());
    let send = |text: &str| {
        let flags = ["-q", "-t", name.as_str(), "--push"];
        let _ = build(&environment, text, &flags).done();
    };
    send("FROM box:1\nCMD [\"echo\", \"old\"]\n");
    let Some(other) = containers::with_box(&[]) else {
        return;
    };
    let said = |flags: &[&str]| {
        let text = format!("FROM {name}\nLABEL a=b\n");
        let _ = build(&other, &text, &[&["-q", "-t", "mine"], flags].concat()).done();
        other.run(&["run", "mine"]).done().stdout
    };
    assert_eq!(said(&[]), "old\n");
    send("FROM box:1\nCMD [\"echo\", \"new\"]\n");
    assert_eq!(said(&[]), "old\n", "what is here is good enough");
    assert_eq!(said(&["--pull"]), "new\n");
}

#[test]
fn what_builds_remember_can_be_seen_and_removed() {
    let Some(environment) = containers::with_box(&[]) else {
        return;
    };
    let text = "FROM box:1\nRUN --mount=type=cache,target=/c echo x >> /c/f && echo \"in c: $(cat /c/f | grep -c x)\"\nRUN echo a > /a\n";
    let again = |flags: &[&str]| build(&environment, text, &[&["-t", "r"], flags].concat()).done();
    let first = again(&[]);
    assert!(first.stderr.contains("in c: 1"), "{first}");
    let types = || {
        let listed = environment.run(&["builder", "du"]).done().stdout;
        let mut types: Vec<String> = listed
            .lines()
            .skip(1)
            .filter_map(|line| {
                line.split("   ").map(str::trim).find(|word| {
                    word.contains("exec.") || *word == "regular" || *word == "source.local"
                })
            })
            .map(str::to_owned)
            .collect();
        types.sort();
        types.dedup();
        types
    };
    assert_eq!(types(), ["exec.cachemount", "regular", "source.local"]);

    let young = environment
        .run(&["builder", "prune", "--filter", "until=1h"])
        .done();
    assert_eq!(young.stdout, "");
    assert_eq!(again(&[]).stderr.matches("  cached").count(), 2);

    let mounts = environment
        .run(&[
            "builder",
            "prune",
            "-f",
            "--filter",
            "type=exec.cachemount",
            "--filter",
            "id=/c",
        ])
        .done();
    assert!(
        mounts.stdout.contains("/c ") && mounts.stdout.lines().count() == 2,
        "{mounts}"
    );
    assert_eq!(types(), ["regular", "source.local"]);
    assert_eq!(again(&[]).stderr.matches("  cached").count(), 2);
    let anew = again(&["--no-cache"]);
    assert!(anew.stderr.contains("in c: 1"), "the mount is new: {anew}");

    let enough = environment
        .run(&["builder", "prune", "--keep-storage", "1GB"])
        .done();
    assert_eq!(enough.stdout, "");
    let _ = environment
        .run(&["builder", "prune", "--all", "--force"])
        .done();
    assert_eq!(types(), [""; 0]);
    let image = environment.run(&["run", "r", "cat", "/a"]).done();
    assert_eq!(image.stdout, "a\n", "images stay");
    let last = again(&[]);
    assert_eq!(last.stderr.matches("  cached").count(), 0, "{last}");

    let wrong = environment.run(&["builder", "prune", "--filter", "age=1h"]);
    assert_eq!(
        (wrong.stderr.as_str(), wrong.code),
        (
            "error: there is no filter `age=1h`\nhint: there are until=DURATION, type=TYPE and id=ID\n",
            2
        )
    );
}
