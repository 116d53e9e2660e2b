//! The direction of dependencies between our crates, exactly as ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

const WANTED: &[(&str, &[&str])] = &[
    (
        "cli",
        &["dockerfile", "image", "jettison", "layer", "sandbox"],
    ),
    ("dockerfile", &[]),
    ("image", &["layer"]),
    ("jettison", &["dockerfile", "image", "layer", "sandbox"]),
    ("layer", &[]),
    ("sandbox", &[]),
    ("testkit", &["layer"]),
];

#[test]
fn arrows_point_down_only() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo describes the workspace");
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        found.entry(name).or_default();
        for dependency in &package.dependencies {
            let on = dependency.name.as_str();
            match dependency.kind {
                DependencyKind::Development => {}
                _ if on == "testkit" => panic!("`{name}` may use testkit in its tests only"),
                _ if ours.contains(on) => drop(found.entry(name).or_default().insert(on)),
                _ => {}
            }
        }
    }
    let wanted: BTreeMap<&str, BTreeSet<&str>> = WANTED
        .iter()
        .map(|(name, on)| (*name, on.iter().copied().collect()))
        .collect();
    assert_eq!(found, wanted);
}
