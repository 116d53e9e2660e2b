//! What the tests of transports share.
#![allow(dead_code, unused_imports, reason = "each test uses a part")]

use std::collections::BTreeMap;

use image::transport::Context;
use image::transport::layout::Layout;
use image::{Config, Image, NewImage, Platform, Silent, Spool};
use layer::Metadata;
pub(crate) use testkit::tools::{Running, has_tool, lacks, run};

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
    testkit::chain(&error)
}
