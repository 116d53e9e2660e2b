//! `jettison diff`.

mod common;

use testkit::tree::Builder;

fn environment() -> testkit::cli::Environment {
    let environment = common::environment();
    let old = Builder::new()
        .file("etc/same", "same")
        .file("etc/bytes", "aaaa")
        .file("etc/size", "1")
        .file("etc/mode", "m")
        .file("etc/time", "t")
        .symlink("etc/link", "same")
        .file("gone/x", "12345")
        .file("one", "1")
        .hard_link("two", "one")
        .file("kind", "was a file")
        .tar();
    let new = Builder::new()
        .file("etc/same", "same")
        .file("etc/bytes", "aaab")
        .file("etc/size", "12")
        .file("etc/mode", "m")
        .mode(0o600)
        .owner(5, 6)
        .xattr("user.x", "1")
        .file("etc/time", "t")
        .mtime(7, 500_000_000)
        .symlink("etc/link", "other")
        .file("new/y", "1234567")
        .file("one", "1")
        .file("two", "1")
        .directory("kind")
        .tar();
    environment.write("old.tar", common::archive("old:1", &[("ADD", old)]));
    environment.write("new.tar", common::archive("new:1", &[("ADD", new)]));
    environment
}

#[test]
fn everything_that_differs_is_named() {
    let environment = environment();
    let different = environment.run(&["diff", "docker-archive:old.tar", "docker-archive:new.tar"]);
    assert_eq!(
        different.to_string(),
        "\
C /etc/bytes  content
C /etc/link  target same -> other
C /etc/mode  mode 0644 -> 0600, owner 0:0 -> 5:6, xattrs none -> user.x=31
C /etc/size  size 1 -> 2
C /etc/time  time 0.000000000 -> 7.500000000
D /gone/
D /gone/x  5B
C /kind/  type file -> directory, mode 0644 -> 0755
A /new/
A /new/y  7B
C /two  link to /one -> none

DIRECTORY   CHANGE   BEFORE   AFTER
/new        +7B      0B       7B
/etc        +1B      11B      12B
/gone       -5B      5B       0B
--- exit 0
"
    );
}

#[test]
fn what_is_ignored_does_not_count() {
    let environment = environment();
    let pair = [
        "diff",
        "docker-archive:old.tar",
        "docker-archive:new.tar",
        "--exit-code",
    ];
    assert_eq!(environment.run(&pair).code, 1);
    let same = [
        "diff",
        "docker-archive:old.tar",
        "docker-archive:old.tar",
        "--exit-code",
    ];
    assert_eq!(environment.run(&same).to_string(), "--- exit 0\n");
    let ignoring = [
        &pair[..],
        &[
            "--ignore",
            "times,owner,mode,xattrs,links,content",
            "--top",
            "0",
        ],
    ]
    .concat();
    assert_eq!(
        environment.run(&ignoring).to_string(),
        "\
C /etc/link  target same -> other
C /etc/size  size 1 -> 2
D /gone/
D /gone/x  5B
C /kind/  type file -> directory
A /new/
A /new/y  7B
--- exit 1
"
    );
}

#[test]
fn settings_are_compared_by_key() {
    let environment = common::with_start();
    let arguments = [
        "import",
        "rootfs.tar",
        "start:2",
        "--change",
        "CMD [\"other\"]",
        "--change",
        "ENV A=1",
        "--change",
        "EXPOSE 80",
    ];
    let _ = environment.run(&arguments).done();
    let different = environment.run(&["diff", "start:1", "start:2"]);
    assert_eq!(
        different.to_string(),
        "\
config config.Cmd: [\"start\"] -> [\"other\"]
config config.Env.A: not set -> 1
config config.ExposedPorts.80/tcp: not set -> {}
--- exit 0
"
    );
}
