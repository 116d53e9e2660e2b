//! Any bytes as the documents of an image, and any text as a reference:
//! nothing may panic, and what is written is read back the same.
//!
//! `cargo +nightly fuzz run manifest`

#![no_main]

use image::manifest::Document;
use image::{Config, Digest, Name, Platform, Reference};
use layer::{Kind, Metadata};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Document::Index(index)) = Document::parse(bytes, None) {
        let platform: Platform = "linux/arm64/v8".parse().expect("a platform");
        let _ = index.choose("x", &platform);
        let json = serde_json::to_vec(&index).expect("an index is JSON");
        let again = Document::parse(&json, None).expect("its JSON is an index");
        assert_eq!(again, Document::Index(index));
    }
    if let Ok(config) = Config::parse(bytes.to_vec()) {
        let _ = (config.platform(), config.entrypoint(), config.cmd());
        let _ = (config.exposed_ports(), config.volumes(), config.labels());
        let _ = (config.healthcheck(), config.env_var("PATH"), config.user());
        let other = config.with_layers(&[Digest::of(b"x")], &config.history());
        let other = other.with_setting("Cmd", serde_json::json!(["x"]));
        let again = Config::parse(other.bytes().to_vec()).expect("a changed config is one");
        assert_eq!(again, other);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(name) = Name::parse(text) {
            assert_eq!(Name::parse(&name.to_string()).expect("a whole name"), name);
            assert_eq!(Name::parse(&name.familiar()).expect("a short name"), name);
        }
        let _ = Reference::parse(text);
    }
    docker_archive(bytes);
});

/// An archive with these bytes as its `manifest.json`.
fn docker_archive(manifest: &[u8]) {
    let mut tar = layer::write::TarWriter::new(Vec::new());
    let metadata = Metadata::default();
    for (name, bytes) in [
        ("manifest.json", manifest),
        ("config.json", b"{\"rootfs\":{\"diff_ids\":[]}}"),
        ("index.json", manifest),
    ] {
        let written = tar.write_bytes(name.as_bytes(), &metadata, bytes);
        written.expect("memory can be written");
    }
    let kind = Kind::Symlink(b"manifest.json".to_vec());
    let path = b"a/layer.tar".to_vec();
    let link = layer::Entry {
        path,
        kind,
        metadata,
    };
    tar.write_entry(&link).expect("memory can be written");
    let bytes = tar.finish().expect("memory can be written");
    let mut file = tempfile::tempfile().expect("a temporary file can be made");
    std::io::Write::write_all(&mut file, &bytes).expect("the temporary file can be written");
    let path = std::path::Path::new("fuzzed.tar");
    let archive = image::transport::tar_file::TarFile::index(file, path).expect("a tar file");
    let _ = image::transport::docker_archive::open_archive(archive, None);
}
