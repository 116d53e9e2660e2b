//! The engine transport against the engines of this machine.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use common::{Bench, Running, chain, has_tool, lacks, read_all, run};
use image::reference::DaemonImage;
use image::transport::engine::{self, Options};
use image::transport::{self, Remote, registry};
use image::{Error, Name, Reference, Store};

const DOCKER: &str = "/var/run/docker.sock";

fn at(endpoint: &str) -> Options {
    Options {
        endpoints: vec![endpoint.to_owned()],
        ..Options::default()
    }
}

/// Removes images of the machine's engine when a test is over, however it ends.
struct Remove(Vec<String>);

impl Drop for Remove {
    fn drop(&mut self) {
        let mut command = std::process::Command::new("docker");
        let _ = command.args(["rmi", "-f"]).args(&self.0).output();
    }
}

fn has_docker() -> bool {
    if !has_tool("docker") {
        return false;
    }
    let answers = std::os::unix::net::UnixStream::connect(DOCKER).is_ok();
    if !answers {
        lacks(DOCKER);
    }
    answers
}

/// Writes an image, reads it back by name and id, and loads it again.
fn round_trip(options: &Options, tag: &str) -> Name {
    let bench = Bench::new();
    let image = bench.image(&[(&format!("usr/{tag}"), 700_000), ("usr/two", 100)]);
    let name = Name::parse(&format!("jettison-test/round:{tag}")).unwrap();
    let wanted = DaemonImage::Name(name.clone());
    assert!(engine::find(&wanted, options).unwrap().is_none());
    let missing = engine::open(&wanted, options, bench.context()).unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");

    for _ in 0..2 {
        let written = engine::write(&image, &name, options, bench.context()).unwrap();
        assert_eq!(written.manifest.digest, image.digest());
        assert!(written.bytes > 700_000);
    }
    let found = engine::find(&wanted, options).unwrap().unwrap();
    assert_eq!(found.id(), image.id().to_string());
    assert_eq!(found.endpoint(), options.endpoints.last().unwrap());
    for wanted in [wanted, DaemonImage::Id(image.id().hex())] {
        let opened = engine::open(&wanted, options, bench.context()).unwrap();
        assert_eq!(opened.image.id(), image.id());
        assert_eq!(opened.image.config().cmd(), ["/x"]);
        assert!(read_all(&opened.image).unwrap() > 700_000);
    }
    name
}

#[test]
fn docker_takes_and_gives() {
    if !has_docker() {
        return;
    }
    let tag = format!("docker-{}", std::process::id());
    let _remove = Remove(vec![format!("jettison-test/round:{tag}")]);
    // The first endpoint is dead; the second answers.
    let options = Options {
        endpoints: vec!["unix:///nonexistent".to_owned(), format!("unix://{DOCKER}")],
        ..Options::default()
    };
    let name = round_trip(&options, &tag);
    let listed = run("docker", &["images", "-q", &name.familiar()]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn docker_over_tcp() {
    // The machine's engine has no TCP port; a relay gives it one.
    if !has_docker() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = std::os::unix::net::UnixStream::connect(DOCKER).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || std::io::copy(&mut &server, &mut &client));
        }
    });
    let tag = format!("tcp-{}", std::process::id());
    let _remove = Remove(vec![format!("jettison-test/round:{tag}")]);
    round_trip(&at(&endpoint), &tag);
}

#[test]
fn docker_over_ssh() {
    // A program in the place of ssh that stays on this machine.
    if !has_docker() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let program = bench.path("ssh");
    let script = "#!/bin/sh\n[ \"$*\" = '-p 2222 -- me@host docker system dial-stdio' ] || exit 9\n\
        exec docker system dial-stdio\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let tag = format!("ssh-{}", std::process::id());
    let _remove = Remove(vec![format!("jettison-test/round:{tag}")]);
    let options = Options {
        ssh: program.display().to_string(),
        ..at("ssh://me@host:2222")
    };
    round_trip(&options, &tag);
}

#[test]
fn docker_imports_are_opened_by_bare_name() {
    if !has_docker() {
        return;
    }
    let bench = Bench::new();
    let tar = bench.path("root.tar");
    run(
        "tar",
        &["-cf", tar.to_str().unwrap(), "-C", "/etc", "hostname"],
    );
    let name = format!("jettison-test-import:{}", std::process::id());
    let id = run("docker", &["import", tar.to_str().unwrap(), &name]);
    let _remove = Remove(vec![name.clone()]);
    let store = Store::open(&bench.path("store")).unwrap();
    let (registry, engine) = (
        registry::Options::default(),
        at(&format!("unix://{DOCKER}")),
    );
    let remote = Remote {
        registry: &registry,
        engine: &engine,
        store: Some(&store),
    };
    let reference = Reference::parse(&name).unwrap();
    let opened = transport::open(&reference, remote, bench.context()).unwrap();
    assert_eq!(opened.image.id().to_string(), id.trim());
    assert_eq!(opened.name.map(|name| name.familiar()), Some(name));
    assert!(read_all(&opened.image).unwrap() > 1000);
    // Once it is in the store, it comes from there.
    transport::write(&opened.image, &reference, None, remote, bench.context()).unwrap();
    let dead = at("unix:///nonexistent");
    let remote = Remote {
        engine: &dead,
        ..remote
    };
    let stored = transport::open(&reference, remote, bench.context()).unwrap();
    assert_eq!(stored.image.id(), opened.image.id());
    let by_id = Reference::parse(id.trim()).unwrap();
    let stored = transport::open(&by_id, remote, bench.context()).unwrap();
    assert_eq!(stored.image.id(), opened.image.id());
}

#[test]
fn podman_takes_and_gives() {
    if !has_tool("podman") {
        return;
    }
    let bench = Bench::new();
    let path = |name: &str| bench.path(name).display().to_string();
    let storage = [
        "--root",
        &path("root"),
        "--runroot",
        &path("run"),
        "--storage-driver",
        "vfs",
    ];
    let socket = bench.path("podman.sock");
    let endpoint = format!("unix://{}", socket.display());
    let mut arguments = storage.to_vec();
    arguments.extend(["system", "service", "--time=0", &endpoint]);
    let log = bench.path("podman.log");
    let _service = Running::start("podman", &arguments, &log);
    wait_for(&socket, &log);
    let name = round_trip(&at(&endpoint), "podman");
    // What Podman calls `localhost/…` is found by its short name.
    let mut arguments = storage.to_vec();
    let own = "localhost/jettison-own:1";
    let full = name.to_string();
    arguments.extend(["tag", &full, own]);
    run("podman", &arguments);
    let short = DaemonImage::Name(Name::parse("jettison-own:1").unwrap());
    let opened = engine::open(&short, &at(&endpoint), bench.context()).unwrap();
    assert_eq!(opened.image.config().cmd(), ["/x"]);
}

fn wait_for(socket: &Path, log: &Path) {
    for _ in 0..300 {
        if std::os::unix::net::UnixStream::connect(socket).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no service: {}", std::fs::read_to_string(log).unwrap());
}

#[test]
fn engines_that_are_not_there_are_listed() {
    let options = Options {
        endpoints: vec!["unix:///nonexistent".to_owned(), "npipe://x".to_owned()],
        ..Options::default()
    };
    let name = DaemonImage::Name(Name::parse("x").unwrap());
    let error = chain(engine::find(&name, &options).unwrap_err());
    assert!(
        error.contains(
            "a container engine cannot be reached: tried unix:///nonexistent: No such file"
        ),
        "{error}"
    );
    assert!(
        error.contains("npipe://x: it is not an endpoint"),
        "{error}"
    );
    let bench = Bench::new();
    let image = bench.image(&[("x", 1)]);
    let name = Name::parse("x").unwrap();
    let error = engine::write(&image, &name, &Options::default(), bench.context()).unwrap_err();
    assert!(chain(error).contains("no endpoint is known"));
}

/// An engine that answers each request with the next of these, after reading it whole.
fn scripted(socket: &Path, answers: Vec<(u16, &'static str)>) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            let mut buffer = [0; 64 << 10];
            loop {
                let read = stream.read(&mut buffer).unwrap_or(0);
                seen.extend(&buffer[..read]);
                let chunked = seen.windows(7).any(|window| window == b"chunked");
                let end: &[u8] = if chunked { b"0\r\n\r\n" } else { b"\r\n\r\n" };
                if read == 0 || seen.ends_with(end) {
                    break;
                }
            }
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} S\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
}

#[test]
fn engines_that_fail_are_quoted() {
    let bench = Bench::new();
    let image = bench.image(&[("x", 200_000)]);
    let name = Name::parse("x").unwrap();
    for (case, answers, expected) in [
        (
            "load",
            vec![
                (200, "OK"),
                (200, "{\"stream\":\"a\"}\n{\"error\":\"no space left\"}"),
            ],
            "no space left",
        ),
        (
            "status",
            vec![(200, "OK"), (500, "{\"message\":\"broken\\u001b[31m\"}")],
            "broken[31m",
        ),
        (
            "other",
            vec![(200, "OK"), (200, "{}"), (200, "{\"Id\":\"sha256:1\"}")],
            "another image under that name",
        ),
        (
            "gone",
            vec![(200, "OK"), (200, "{}"), (404, "{}")],
            "has not got it",
        ),
    ] {
        let socket = bench.path(case);
        scripted(&socket, answers);
        let options = at(&format!("unix://{}", socket.display()));
        let error = engine::write(&image, &name, &options, bench.context()).unwrap_err();
        let error = chain(error);
        assert!(error.contains(expected), "{case}: {error}");
    }
    // A layer that cannot be read is the image's fault, not the engine's.
    let descriptor = &image.manifest().layers[0];
    let blob = bench
        .path("source")
        .join("blobs/sha256")
        .join(descriptor.digest.hex());
    std::fs::write(blob, b"other").unwrap();
    let socket = bench.path("source-broken");
    scripted(&socket, vec![(200, "OK"), (200, "{}")]);
    let options = at(&format!("unix://{}", socket.display()));
    let error = engine::write(&image, &name, &options, bench.context()).unwrap_err();
    assert!(chain(error).contains(&descriptor.digest.to_string()));
    // An archive that breaks off.
    let socket = bench.path("short");
    scripted(
        &socket,
        vec![(200, "OK"), (200, "{\"Id\":\"sha256:1\"}"), (200, "no tar")],
    );
    let options = at(&format!("unix://{}", socket.display()));
    let wanted = DaemonImage::Name(name);
    let error = engine::open(&wanted, &options, bench.context()).unwrap_err();
    assert!(matches!(error, Error::Archive { .. }), "{error}");
}

#[test]
fn engines_that_hang_are_given_up() {
    let bench = Bench::new();
    let socket = bench.path("silent");
    let _listener = UnixListener::bind(&socket).unwrap();
    let options = Options {
        patience: Duration::from_millis(100),
        ..at(&format!("unix://{}", socket.display()))
    };
    let name = DaemonImage::Name(Name::parse("x").unwrap());
    let error = chain(engine::find(&name, &options).unwrap_err());
    assert!(error.contains("too long"), "{error}");
}
