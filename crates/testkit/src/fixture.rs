//! Images in every format, made by hand: what the transports must read.

#![allow(clippy::missing_panics_doc)] // a fixture can be made, or the test is wrong

use std::path::Path;

use serde_json::{Value, json};
use sha2::Digest as _;

use crate::tree::Builder;

/// The layers of the image that all fixtures have: two, base first.
pub fn layers() -> [Vec<u8>; 2] {
    let lower = Builder::new()
        .file("etc/name", "lower")
        .file("app", "v1")
        .executable("bin/sh", "x");
    let upper = Builder::new().file("etc/name", "upper").whiteout("app");
    [lower.tar(), upper.tar()]
}

/// What its merged tree is.
pub const TREE: &str = "\
. dir 0755 0:0 0
bin dir 0755 0:0 0
bin/sh file 0755 0:0 0 1 \"x\"
etc dir 0755 0:0 0
etc/name file 0644 0:0 0 5 \"upper\"
";

/// A config for these layers, with fields that no specification knows.
pub fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "os.features": ["win32k"],
        "config": { "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "ArgsEscaped": true,
            "Healthcheck": { "Test": ["NONE"], "StartInterval": 5_000_000_000_u64 } },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": diff_ids.iter().map(|id| json!({ "created_by": id, "author": "me" })).collect::<Vec<_>>(),
        "moby.buildkit.cache.v0": [{ "x": 1.50 }],
    });
    // Not the spacing that this program writes: bytes must survive as they are.
    serde_json::to_vec_pretty(&config).expect("a fixture can be made")
}

/// `sha256:` and the digest in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

/// The digest in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, bytes).expect("a fixture can be made");
    gzip.finish().expect("a fixture can be made")
}

/// A tar file, member by member; a name that ends in `->` is a symbolic link.
pub fn tar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let add = |tar: Builder, (name, bytes): &(&str, Vec<u8>)| match name.strip_suffix("->") {
        Some(name) => tar.symlink(name, &String::from_utf8_lossy(bytes)),
        None => tar.file(name, bytes),
    };
    members.iter().fold(Builder::new(), add).tar()
}

/// What `docker save` wrote before Engine 25: a directory for each layer, and
/// those that two images share as links.
pub fn old_docker_archive() -> Vec<u8> {
    let [lower, upper] = layers();
    let both = config(&[lower.clone(), upper.clone()]);
    let base = config(std::slice::from_ref(&lower));
    let (both_name, base_name) = (
        format!("{}.json", hex(&both)),
        format!("{}.json", hex(&base)),
    );
    let manifest = json!([
        { "Config": both_name, "RepoTags": ["app:1", "example.com/app:one"],
          "Layers": ["aaa/layer.tar", "bbb/layer.tar"] },
        { "Config": base_name, "RepoTags": ["base:latest"], "Layers": ["ccc/layer.tar"] },
    ]);
    tar(&[
        ("aaa/VERSION", b"1.0".to_vec()),
        ("aaa/json", b"{}".to_vec()),
        ("aaa/layer.tar", lower),
        ("bbb/layer.tar", upper),
        ("ccc/layer.tar->", b"../aaa/layer.tar".to_vec()),
        (&both_name, both),
        (&base_name, base),
        ("manifest.json", bytes(&manifest)),
        ("repositories", b"{\"app\":{\"1\":\"bbb\"}}".to_vec()),
    ])
}

/// What `docker save` writes since: an OCI layout with a `manifest.json` beside.
pub fn new_docker_archive() -> Vec<u8> {
    let layers = layers();
    let config = config(&layers);
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
    let manifest = json!([{ "Config": blob(&config), "RepoTags": ["app:1"],
        "Layers": [blob(&layers[0]), blob(&layers[1])] }]);
    let Layout { mut members, .. } = layout(Compression::None);
    members.push(("manifest.json".to_owned(), bytes(&manifest)));
    let members: Vec<(&str, Vec<u8>)> = members
        .iter()
        .map(|(name, bytes)| (&**name, bytes.clone()))
        .collect();
    tar(&members)
}

/// Of the layers of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None.
    None,
    /// One gzip member.
    Gzip,
    /// One zstd frame.
    Zstd,
}

/// The files of an OCI layout, and its parts for tests that change one.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Files by name.
    pub members: Vec<(String, Vec<u8>)>,
    /// The manifest, to be changed.
    pub manifest: Value,
}

/// An OCI layout with the image of all fixtures, tagged `app:1`.
pub fn layout(compression: Compression) -> Layout {
    let plain = layers();
    let config = config(&plain);
    let (suffix, stored) = match compression {
        Compression::None => ("", plain.to_vec()),
        Compression::Gzip => ("+gzip", plain.iter().map(|layer| gzip(layer)).collect()),
        Compression::Zstd => {
            let pack =
                |layer: &Vec<u8>| zstd::encode_all(&layer[..], 1).expect("a fixture can be made");
            ("+zstd", plain.iter().map(pack).collect())
        }
    };
    let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
    let layers: Vec<Value> = stored
        .iter()
        .map(|layer| descriptor(&media_type, layer))
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers,
        "annotations": { "com.example.note": "kept" },
    });
    let mut members: Vec<(String, Vec<u8>)> = stored
        .into_iter()
        .chain([config])
        .map(|bytes| (blob_name(&bytes), bytes))
        .collect();
    let index = add_manifest(&mut members, &manifest);
    members.push(("index.json".to_owned(), index));
    members.push((
        "oci-layout".to_owned(),
        br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
    ));
    Layout { members, manifest }
}

impl Layout {
    /// The same with another manifest.
    #[must_use]
    pub fn with_manifest(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.manifest);
        let index = add_manifest(&mut self.members, &self.manifest);
        self.with_member("index.json", index)
    }

    /// The same with another file.
    #[must_use]
    pub fn with_member(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.members.retain(|(other, _)| other != name);
        self.members.push((name.to_owned(), bytes));
        self
    }

    /// As `oci-archive:` has it.
    pub fn tar(&self) -> Vec<u8> {
        let member = |(name, bytes): &(String, Vec<u8>)| (name.clone(), bytes.clone());
        let members: Vec<(String, Vec<u8>)> = self.members.iter().map(member).collect();
        let members: Vec<(&str, Vec<u8>)> = members
            .iter()
            .map(|(name, bytes)| (&**name, bytes.clone()))
            .collect();
        tar(&members)
    }

    /// As `oci:` has it.
    pub fn write(&self, root: &Path) {
        for (name, bytes) in &self.members {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("a fixture can be made"))
                .expect("a fixture can be made");
            std::fs::write(path, bytes).expect("a fixture can be made");
        }
    }
}

fn add_manifest(members: &mut Vec<(String, Vec<u8>)>, manifest: &Value) -> Vec<u8> {
    let manifest = bytes(manifest);
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "app:1" });
    members.push((blob_name(&manifest), manifest));
    bytes(&json!({ "schemaVersion": 2, "manifests": [entry] }))
}

/// The descriptor of a blob.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// Where a blob lies in a layout.
pub fn blob_name(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(bytes))
}

/// JSON without spaces.
pub fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("a fixture can be made")
}
