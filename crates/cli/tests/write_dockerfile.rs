//! `jettison slim --write-dockerfile`: what it writes builds the same files, here and elsewhere.

mod common;

use std::process::Command;

use layer::Kind;
use testkit::cli::Environment;
use testkit::tools::has_tool;
use testkit::tree::Builder;

const NAME: &str = "jettison-test/recipe:1";

/// Everything that COPY changes, follows, reads as a pattern or cannot write down.
fn root() -> Builder {
    Builder::new()
        .executable("bin/sh", "not really a shell")
        .executable("usr/bin/start", "#!/bin/sh\necho started\n")
        .executable("usr/bin/[", "a test")
        .file("usr/bin/a*?", "pattern")
        .file("usr/bin/plain", "no pattern")
        .executable("usr/bin/dropped", "nobody asks for it")
        .symlink("usr/bin/first", "start")
        .symlink("lib", "usr/lib")
        .file("usr/lib/libx.so.1.2", "library")
        .symlink("usr/lib/libx.so.1", "libx.so.1.2")
        .symlink("usr/lib/nowhere", "/not/there")
        .file("usr/lib/unused", "u")
        .directory("srv")
        .mode(0o2750)
        .owner(7, 8)
        .directory("srv/empty")
        .mode(0o1777)
        .file("srv/own", "owned")
        .owner(7, 9)
        .mode(0o640)
        .executable("srv/setuid", "s")
        .owner(5, 0)
        .mode(0o4755)
        .file("srv/two words", "spaces")
        .file("srv/dollar$x", "archive")
        .file("srv/über", "ü")
        .hard_link("srv/linked", "srv/own")
        .file("data/deep/one", "one")
        .hard_link("data/deep/two", "data/deep/one")
        .directory("data/deep")
        .mode(0o700)
        .owner(3, 3)
        .file("data/deep/x y/z", "in a whole directory")
        .file("data/deep/$", "whatever its name")
        .symlink("data/deep/l", "x y/z")
        .mode(0o777)
        .file("data/dropped", "d")
        .other("srv/pipe", Kind::Fifo)
        .file(
            "var/lib/dpkg/status",
            "Package: start\nStatus: install ok installed\nVersion: 1.0\nArchitecture: all\n\n",
        )
        .file(
            "var/lib/dpkg/info/start.list",
            "/.\n/usr\n/usr/bin\n/usr/bin/start\n",
        )
}

fn slimmed() -> Environment {
    let environment = common::environment();
    environment.write("root.tar", root().tar());
    let changes = [
        "CMD [\"start\", \"$HOME\"]",
        "ENV PATH=/bin:/usr/bin",
        "ENV PRICE=5 $x",
        "USER 7:8",
        "WORKDIR /srv",
        "EXPOSE 80",
        "LABEL a=\"b c\"",
    ];
    let mut arguments = vec!["import", "root.tar", NAME];
    for change in changes {
        arguments.extend(["--change", change]);
    }
    let _ = environment.run(&arguments).done();
    let mut arguments = vec!["slim", "--no-verify", NAME, "-t", "small"];
    for path in [
        "/usr/bin/[[]",
        "/usr/bin/a*",
        "/usr/bin/plain",
        "/usr/bin/first",
        "/usr/lib/libx*",
        "/usr/lib/nowhere",
        "/srv",
        "/data/deep",
    ] {
        arguments.extend(["--include", path]);
    }
    arguments.extend(["--write-dockerfile", "Dockerfile"]);
    let done = environment.run(&arguments).done();
    assert!(
        done.stderr
            .contains("wrote Dockerfile and Dockerfile.tar.gz\nwarning: what the Dockerfile builds is not the same: a hard link becomes a copy (5 bytes more) where builders copy each file apart\n"),
        "{done}"
    );
    environment
}

/// The one thing that is told to be lost: names of one file that are copied apart.
const SPLIT: &str = "\
C /srv/own  link to /srv/linked -> none

DIRECTORY   CHANGE   BEFORE   AFTER
/srv        +5B      21B      26B";

/// What differs between the slim image and another one, times aside; the config only where it was set.
fn differences(environment: &Environment, other: &str) -> String {
    let diff = environment.run(&["diff", "small", other, "--ignore", "times"]);
    let kept = [
        "Cmd",
        "Env",
        "User",
        "WorkingDir",
        "ExposedPorts",
        "Labels.a",
    ];
    let is_told = |line: &&str| {
        let setting = line.strip_prefix("config config.");
        setting.is_none_or(|rest| kept.iter().any(|key| rest.starts_with(&format!("{key}:"))))
    };
    let lines = diff.stdout.lines().filter(is_told);
    diff.stderr.clone() + &lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_text_says_what_is_copied_and_why() {
    let environment = slimmed();
    let text = std::fs::read_to_string(environment.path("Dockerfile")).unwrap();
    let at = text.find("FROM").expect("there is an instruction");
    assert_eq!(
        &text[at..],
        "\
FROM jettison-test/recipe:1 AS original

FROM scratch AS files
ADD Dockerfile.tar.gz /

# deb start 1.0: 23B in 1 file
#   entry point: CMD
COPY --from=original /usr/bin/start /usr/bin/

# /bin: 18B in 1 file
#   interpreter of /usr/bin/start
COPY --from=original /bin/ /bin/

# /data/deep: 43B in 5 files
#   included with /data/deep
COPY --from=original /data/deep/ /data/deep/

# /srv: 19B in 5 files
#   included with /srv
COPY --from=original [\"/srv/linked\", \"/srv/own\", \"/srv/setuid\", \"/srv/two words\", \"/srv/über\", \"/srv/\"]

# /usr/bin: 10B in 1 file
#   included: /usr/bin/plain
COPY --from=original /usr/bin/plain /usr/bin/

# /usr/lib: 7B in 1 file
#   included: /usr/lib/libx*
COPY --from=original /usr/lib/libx.so.1.2 /usr/lib/

# All of it in one layer.
FROM scratch
COPY --from=files / /

ENV PATH=\"/bin:/usr/bin\"
ENV PRICE=\"5 \\$x\"
LABEL \"a\"=\"b c\"
WORKDIR /srv
USER 7:8
EXPOSE 80/tcp
CMD [\"start\", \"$HOME\"]
"
    );
}

#[test]
fn every_builder_makes_the_same_files_of_it() {
    let environment = slimmed();
    let path = |name: &str| environment.path(name).display().to_string();
    let file = path("Dockerfile");
    let context = path("");
    let build = ["-q", "build", "-f", "Dockerfile", "-t", "own", "."];
    let _ = environment.run(&build).done();
    assert_eq!(differences(&environment, "own"), "", "jettison build");
    let is_root = rustix::process::geteuid().is_root();
    let save = format!("docker-archive:{}", path("original.tar"));
    let _ = environment.run(&["-q", "copy", NAME, &save]).done();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .env("DOCKER_BUILDKIT", "0")
            .output()
            .expect("the program can be started");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
    };
    let built = "jettison-test/recipe:built";
    let docker = std::os::unix::net::UnixStream::connect("/var/run/docker.sock").is_ok();
    if has_tool("docker") && docker {
        run("docker", &["load", "-q", "-i", &path("original.tar")]);
        run(
            "docker",
            &["build", "-q", "-f", &file, "-t", built, &context],
        );
        run("docker", &["save", "-o", &path("docker.tar"), built]);
        run("docker", &["rmi", "-f", built, NAME]);
        let theirs = differences(&environment, "docker-archive:docker.tar");
        assert_eq!(theirs, SPLIT, "docker build");
    }
    if is_root && has_tool("buildah") {
        let archive = format!("docker-archive:{}", path("original.tar"));
        let target = format!("docker-archive:{}", path("buildah.tar"));
        run("buildah", &["pull", "-q", &archive]);
        run(
            "buildah",
            &[
                "bud",
                "-q",
                "--pull-never",
                "-f",
                &file,
                "-t",
                built,
                &context,
            ],
        );
        run("buildah", &["push", "-q", built, &target]);
        run("buildah", &["rmi", "-f", built, NAME]);
        let theirs = differences(&environment, "docker-archive:buildah.tar");
        assert_eq!(theirs, SPLIT, "buildah bud");
    }
}

#[test]
fn an_image_without_a_name_has_no_beginning() {
    let environment = common::environment();
    let _ = environment
        .run(&["-q", "copy", "oci:zstd", "oci:plain"])
        .done();
    let index = environment.path("plain").join("index.json");
    let text = std::fs::read(&index).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    value["manifests"][0]["annotations"] = serde_json::json!({});
    std::fs::write(&index, value.to_string()).unwrap();
    let arguments = [
        "slim",
        "oci:plain",
        "-t",
        "x",
        "--no-verify",
        "--write-dockerfile",
        "Dockerfile",
    ];
    assert_eq!(
        environment.run(&arguments).to_string(),
        "--- stderr\nerror: the image has no name that a Dockerfile could begin with\n\
         hint: give it one: `jettison copy IMAGE NAME`, then slim NAME\n--- exit 2\n"
    );
    assert!(!environment.path("Dockerfile").exists());
}
