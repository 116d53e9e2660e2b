//! Images that can be run: busybox, and what a test adds.
#![allow(dead_code, reason = "each test uses a part")]

use std::path::Path;

use testkit::cli::Environment;
use testkit::tools::lacks;
use testkit::tree::Builder;

/// Where Debian's `busybox-static` puts its program.
const BUSYBOX: &str = "/bin/busybox";
/// The commands that the images of tests have.
const COMMANDS: &[&str] = &[
    "sh", "cat", "echo", "id", "env", "sleep", "httpd", "kill", "pwd", "date", "ls", "touch",
    "hostname", "true", "nc", "head", "wget", "stat", "mkdir", "rm", "tail", "grep",
];

/// A root with busybox, or nothing where that is not installed.
pub(crate) fn root() -> Option<Builder> {
    let Ok(busybox) = std::fs::read(BUSYBOX) else {
        lacks("busybox-static");
        return None;
    };
    assert!(
        Path::new("/proc/self/ns/user").exists(),
        "user namespaces are needed"
    );
    let root = Builder::new()
        .file(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
        )
        .file("etc/group", "root:x:0:\napp:x:1001:\nextra:x:44:app\n")
        .executable("bin/busybox", busybox)
        .directory("tmp")
        .mode(0o1777);
    let link = |root: Builder, command: &&str| root.symlink(&format!("bin/{command}"), "busybox");
    Some(COMMANDS.iter().fold(root, link))
}

/// An environment whose store has the image `box:1`.
pub(crate) fn with_box(changes: &[&str]) -> Option<Environment> {
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    import(&environment, &root()?, "box:1", changes);
    Some(environment)
}

/// Puts an image into the store.
pub(crate) fn import(environment: &Environment, root: &Builder, name: &str, changes: &[&str]) {
    environment.write("root.tar", root.tar());
    let mut arguments = vec!["import", "--quiet", "root.tar", name];
    arguments.extend(changes.iter().flat_map(|change| ["--change", change]));
    let _ = environment.run(&arguments).done();
}
