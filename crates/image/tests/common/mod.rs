//! What the tests of transports share.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use image::transport::Context;
use image::transport::layout::Layout;
use image::{Config, Image, NewImage, Platform, Silent, Spool};
use layer::Metadata;

/// Scratch space, and the rest of a context.
pub(crate) struct Bench {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) spool: Spool,
    pub(crate) platform: Platform,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path().join("spool")).unwrap();
        Self {
            directory,
            spool,
            platform: "linux/amd64".parse().unwrap(),
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            spool: &self.spool,
            platform: &self.platform,
            limits: layer::Limits::default(),
            threads: 2,
            level: layer::codec::gzip::Level::DEFAULT,
            progress: &Silent,
        }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Makes an image with a layer per content, each a file that does not compress.
    pub(crate) fn image(&self, contents: &[(&str, usize)]) -> Image {
        let layout = Layout::create(&self.path("source")).unwrap();
        let metadata = Metadata {
            mode: 0o755,
            ..Metadata::default()
        };
        let layers: Vec<_> = contents
            .iter()
            .map(|(name, size)| {
                image::write_layer(&layout, self.context(), |tar| {
                    tar.write_bytes(name.as_bytes(), &metadata, &noise(name, *size))
                })
                .unwrap()
            })
            .collect();
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
        let config = Config::empty(&self.platform, "2020-01-01T00:00:00Z")
            .with_setting("Cmd", serde_json::json!(["/x"]))
            .with_layers(&diff_ids, &[]);
        let image = NewImage {
            config: &config,
            layers: &layers,
            annotations: BTreeMap::new(),
        };
        image.store(&layout).unwrap()
    }
}

/// Bytes without pattern, the same for the same seed.
pub(crate) fn noise(seed: &str, size: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Reads every layer to its end, which verifies it.
pub(crate) fn read_all(image: &Image) -> Result<u64, String> {
    let mut total = 0;
    for layer in image.layers() {
        let mut blob = image.blobs().open(layer.descriptor).map_err(chain)?;
        total += std::io::copy(&mut blob, &mut std::io::sink()).map_err(chain)?;
    }
    Ok(total)
}

/// An error with its causes.
pub(crate) fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Returns whether a program is installed; says so when it is not, and fails
/// where all are required.
pub(crate) fn has_tool(name: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        lacks(name);
    }
    found
}

/// Says that a test is left out for want of something.
pub(crate) fn lacks(name: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by their environment"
    )]
    let required = std::env::var("JETTISON_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "`{name}` is required and not there");
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    {
        eprintln!("skipped: {test} needs `{name}`, which is not there");
    }
}

/// Runs a program that must succeed; returns what it prints.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {error}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A program that runs until it is dropped.
pub(crate) struct Running(std::process::Child);

impl Running {
    pub(crate) fn start(program: &str, arguments: &[&str], log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
