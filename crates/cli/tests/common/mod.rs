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

/// What `docker save` writes of an image with these layers, each with the
/// instruction that made it.
pub(crate) fn archive(name: &str, layers: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let history: Vec<_> = layers
        .iter()
        .map(|(instruction, _)| serde_json::json!({ "created_by": instruction, "created": "2026-01-01T00:00:00Z" }))
        .collect();
    let ids: Vec<String> = layers.iter().map(|(_, tar)| fixture::digest(tar)).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": { "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": ids }, "history": history,
        "vendor": { "kept": true },
    });
    let config = fixture::bytes(&config);
    let config_name = format!("{}.json", fixture::hex(&config));
    let names: Vec<String> = (0..layers.len())
        .map(|at| format!("{at}/layer.tar"))
        .collect();
    let manifest =
        serde_json::json!([{ "Config": config_name, "RepoTags": [name], "Layers": names }]);
    let mut members: Vec<(&str, Vec<u8>)> = names
        .iter()
        .zip(layers)
        .map(|(name, (_, tar))| (name.as_str(), tar.clone()))
        .collect();
    members.push((&config_name, config));
    members.push(("manifest.json", fixture::bytes(&manifest)));
    fixture::tar(&members)
}
