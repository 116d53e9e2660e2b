//! A second opinion on written images: every digest, size and diff_id computed
//! again, by code that shares nothing with the code that wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What is wrong with an image, one line each.
type Problems = Vec<String>;

/// Checks an OCI image layout on disk. Returns the number of its images.
///
/// # Panics
/// When anything is wrong, with all of it.
pub fn layout(root: &Path) -> usize {
    let mut blobs = BTreeMap::new();
    let mut problems = Problems::new();
    let directory = root.join("blobs/sha256");
    for entry in std::fs::read_dir(&directory).expect("the layout has blobs") {
        let entry = entry.expect("the directory can be read");
        let bytes = std::fs::read(entry.path()).expect("the blob can be read");
        blobs.insert(entry.file_name().to_string_lossy().into_owned(), bytes);
    }
    let read = |name: &str| std::fs::read(root.join(name)).expect("the layout is complete");
    let images = whole(
        &blobs,
        &read("oci-layout"),
        &read("index.json"),
        &mut problems,
    );
    report(root, &problems);
    images
}

/// Checks a tar file of an OCI image layout. Returns the number of its images.
///
/// # Panics
/// When anything is wrong, with all of it.
pub fn oci_archive(file: &Path) -> usize {
    let members = members(file);
    let mut problems = Problems::new();
    let blobs = members
        .iter()
        .filter_map(|(name, bytes)| {
            let digest = name.strip_prefix("blobs/sha256/")?;
            Some((digest.to_owned(), bytes.clone()))
        })
        .collect();
    let images = whole(
        &blobs,
        &members["oci-layout"],
        &members["index.json"],
        &mut problems,
    );
    report(file, &problems);
    images
}

/// Checks what `docker load` will read. Returns the names of the images.
///
/// # Panics
/// When anything is wrong, with all of it.
pub fn docker_archive(file: &Path) -> Vec<String> {
    let members = members(file);
    let mut problems = Problems::new();
    let mut names = Vec::new();
    let manifest = json("manifest.json", &members["manifest.json"], &mut problems);
    for item in list(&manifest) {
        let config_name = item["Config"].as_str().unwrap_or_default();
        let Some(config) = members.get(config_name) else {
            problems.push(format!("config `{config_name}` is missing"));
            continue;
        };
        if config_name != format!("{}.json", sha256(config)) {
            problems.push(format!("config `{config_name}` has another digest"));
        }
        let config = json(config_name, config, &mut problems);
        let diff_ids = list(&config["rootfs"]["diff_ids"]);
        let layers = list(&item["Layers"]);
        if diff_ids.len() != layers.len() {
            problems.push(format!(
                "{} layers for {} diff_ids",
                layers.len(),
                diff_ids.len()
            ));
        }
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            let name = layer.as_str().unwrap_or_default();
            let digest = members.get(name).map(|bytes| sha256(bytes));
            let wanted = diff_id.as_str().and_then(|id| id.strip_prefix("sha256:"));
            if digest.as_deref() != wanted {
                problems.push(format!("layer `{name}` is {digest:?}, not {diff_id}"));
            }
        }
        let tags = list(&item["RepoTags"]).iter();
        names.extend(tags.filter_map(|tag| Some(tag.as_str()?.to_owned())));
    }
    report(file, &problems);
    names
}

fn report(subject: &Path, problems: &[String]) {
    let list = problems.join("\n");
    assert!(
        problems.is_empty(),
        "`{}` is wrong:\n{list}",
        subject.display()
    );
}

fn members(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(file).expect("the archive can be read");
    let archive = crate::tree::merge([bytes]);
    let (tree, contents) = (&archive.tree, &archive.contents);
    tree.walk(tree.root())
        .filter_map(|node| {
            let bytes = contents.read(tree.content(node)?, u64::MAX);
            let name = String::from_utf8_lossy(&tree.path(node)).into_owned();
            Some((name, bytes.expect("the member can be read")))
        })
        .collect()
}

struct Check<'a> {
    blobs: &'a BTreeMap<String, Vec<u8>>,
    reached: BTreeSet<String>,
    images: usize,
    problems: &'a mut Problems,
}

fn whole(
    blobs: &BTreeMap<String, Vec<u8>>,
    marker: &[u8],
    index: &[u8],
    problems: &mut Problems,
) -> usize {
    if json("oci-layout", marker, problems)["imageLayoutVersion"] != "1.0.0" {
        problems.push("oci-layout: not version 1.0.0".to_owned());
    }
    for (name, bytes) in blobs {
        let digest = sha256(bytes);
        if *name != digest {
            problems.push(format!("blob `{name}` has digest {digest}"));
        }
    }
    let index = json("index.json", index, problems);
    let mut check = Check {
        blobs,
        reached: BTreeSet::new(),
        images: 0,
        problems,
    };
    check.index(&index);
    let (images, reached) = (check.images, check.reached);
    for name in blobs.keys().filter(|name| !reached.contains(*name)) {
        problems.push(format!("blob `{name}` belongs to nothing"));
    }
    images
}

impl Check<'_> {
    fn index(&mut self, index: &Value) {
        self.expect(index["schemaVersion"] == 2, "an index is not of version 2");
        for descriptor in list(&index["manifests"]) {
            let Some(bytes) = self.blob(descriptor) else {
                continue;
            };
            let document = json("manifest", &bytes, self.problems);
            let same = document["mediaType"] == descriptor["mediaType"];
            self.expect(
                same,
                "a manifest calls itself otherwise than its descriptor",
            );
            match descriptor["mediaType"].as_str().unwrap_or_default() {
                "application/vnd.oci.image.index.v1+json" => self.index(&document),
                "application/vnd.oci.image.manifest.v1+json" => self.manifest(&document),
                other => self.problems.push(format!("`{other}` in an OCI index")),
            }
        }
    }

    fn manifest(&mut self, manifest: &Value) {
        self.images += 1;
        self.expect(
            manifest["schemaVersion"] == 2,
            "a manifest is not of version 2",
        );
        let kind = &manifest["config"]["mediaType"];
        let is_config = *kind == "application/vnd.oci.image.config.v1+json";
        self.expect(is_config, "the config has another media type");
        let Some(config) = self.blob(&manifest["config"]) else {
            return;
        };
        let config = json("config", &config, self.problems);
        let diff_ids = list(&config["rootfs"]["diff_ids"]);
        let layers = list(&manifest["layers"]);
        let same = diff_ids.len() == layers.len();
        self.expect(same, "layers and diff_ids differ in number");
        let made = |entry: &&Value| entry["empty_layer"] != true;
        let history = list(&config["history"]);
        let counted = history.is_empty() || history.iter().filter(made).count() == layers.len();
        self.expect(counted, "the history speaks of other layers");
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            let Some(bytes) = self.blob(layer) else {
                continue;
            };
            let mut plain = Vec::new();
            let read = match layer["mediaType"].as_str().unwrap_or_default() {
                "application/vnd.oci.image.layer.v1.tar" => (&bytes[..]).read_to_end(&mut plain),
                "application/vnd.oci.image.layer.v1.tar+gzip" => {
                    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain)
                }
                "application/vnd.oci.image.layer.v1.tar+zstd" => {
                    zstd::stream::copy_decode(&bytes[..], &mut plain).map(|()| plain.len())
                }
                other => {
                    self.problems
                        .push(format!("`{other}` is no layer of OCI's"));
                    continue;
                }
            };
            if let Err(error) = read {
                self.problems
                    .push(format!("layer {}: {error}", layer["digest"]));
            }
            let actual = format!("sha256:{}", sha256(&plain));
            if *diff_id != actual {
                self.problems
                    .push(format!("layer {} unpacks to {actual}", layer["digest"]));
            }
        }
    }

    fn blob(&mut self, descriptor: &Value) -> Option<Vec<u8>> {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let name = digest.strip_prefix("sha256:").unwrap_or_default();
        self.reached.insert(name.to_owned());
        let Some(bytes) = self.blobs.get(name) else {
            self.problems.push(format!("blob `{digest}` is missing"));
            return None;
        };
        let same = descriptor["size"] == bytes.len();
        self.expect(same, "a descriptor gives another size");
        Some(bytes.clone())
    }

    fn expect(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.problems.push(otherwise.to_owned());
        }
    }
}

fn json(name: &str, bytes: &[u8], problems: &mut Problems) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| {
        problems.push(format!("{name}: {error}"));
        Value::Null
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |list| &list[..])
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
