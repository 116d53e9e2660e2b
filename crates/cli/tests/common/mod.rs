//! What the tests of commands share.
#![allow(dead_code, reason = "each test uses a part")]

use testkit::cli::Environment;
use testkit::fixture::{self, Compression};

/// A clean environment with one image in several formats, and a small root.
pub(crate) fn environment() -> Environment {
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    environment.write("app.tar", fixture::old_docker_archive());
    environment.write("rootfs.tar", rootfs());
    fixture::layout(Compression::Zstd).write(&environment.path("zstd"));
    environment
}

/// A file system with a script, its shell, and something that nothing needs.
pub(crate) fn rootfs() -> Vec<u8> {
    testkit::tree::Builder::new()
        .executable("bin/sh", "not really a shell")
        .executable("usr/bin/start", "#!/bin/sh\necho started\n")
        .file("usr/share/doc/start/copyright", "x".repeat(10_000))
        .tar()
}

/// An environment whose store has the image `start:1`.
pub(crate) fn with_start() -> Environment {
    let environment = environment();
    let arguments = [
        "import",
        "rootfs.tar",
        "start:1",
        "--change",
        "CMD [\"start\"]",
    ];
    let _ = environment.run(&arguments).done();
    environment
}
