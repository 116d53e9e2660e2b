//! What is kept of a small image, as text.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod installed;

use std::collections::BTreeSet;

use image::{Config, FileSystem};
use jettison::closure::{self, Closure, Error, Options, Watched};
use jettison::packages::PackageDb;
use layer::NodeId;
use testkit::elf;
use testkit::tree::{Builder, merge};

pub(crate) const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A system with a loader, a C library and a shell.
pub(crate) fn base() -> Builder {
    Builder::new()
        .executable(
            LOADER,
            elf::Builder::library()
                .soname("ld-linux-x86-64.so.2")
                .build(),
        )
        .file(
            "lib/libc.so.6",
            elf::Builder::library().soname("libc.so.6").build(),
        )
        .executable("bin/sh", program().build())
        .directory("tmp")
        .mode(0o1777)
}

pub(crate) fn program() -> elf::Builder {
    elf::Builder::program()
        .interpreter(LOADER)
        .needed("libc.so.6")
}

fn config(json: &str, instructions: &[&str]) -> Config {
    let history: Vec<String> = instructions
        .iter()
        .map(|text| format!(r#"{{"created_by":"{text}"}}"#))
        .collect();
    let history = history.join(",");
    let digest = format!(r#""sha256:{}""#, "0".repeat(64));
    let layers = vec![digest; instructions.len()].join(",");
    let text = format!(
        r#"{{"os":"linux","architecture":"amd64","config":{json},"history":[{history}],"rootfs":{{"type":"layers","diff_ids":[{layers}]}}}}"#
    );
    Config::parse(text.into_bytes()).expect("the test's config is valid")
}

/// Searches an image for what has to stay. `instructions` are those of the layers, as far as the history has them;
/// `trace` is what was seen when it ran.
pub(crate) fn search(
    layers: Vec<Vec<u8>>,
    instructions: &[&str],
    json: &str,
    options: &Options,
    trace: Watched<'_>,
) -> Result<(FileSystem, Closure), Error> {
    let built = merge(layers);
    let files = FileSystem {
        tree: built.tree,
        contents: built.contents,
        unpacked: 0,
    };
    let packages =
        PackageDb::read(&files.tree, &files.contents).expect("the databases can be read");
    let config = config(json, instructions);
    let input = closure::Input {
        files: &files,
        config: &config,
        packages: &packages,
        options,
        trace,
        repairs: &BTreeSet::new(),
    };
    let closure = closure::compute(&input)?;
    Ok((files, closure))
}

/// Returns the kept files and links with their reasons, sorted, one on a line;
/// directories (but empty ones of users and of Python) and the loader's chain are left out.
pub(crate) fn kept(
    layers: Vec<Vec<u8>>,
    instructions: &[&str],
    json: &str,
    options: &Options,
    trace: Watched<'_>,
) -> Result<String, Error> {
    let (files, closure) = search(layers, instructions, json, options, trace)?;
    let tree = &files.tree;
    // Of directories those that hold nothing: others are there for what they hold.
    let is_full = |node: &NodeId| tree.children(*node).iter().any(|n| closure.graph.keeps(*n));
    let places = [&b"home/"[..], b"usr/lib/python3"];
    let is_place = |node: &NodeId| places.iter().any(|top| tree.path(*node).starts_with(top));
    let is_home = |node: &NodeId| is_place(node) && !is_full(node);
    let is_shown = |node: &NodeId| !tree.is_directory(*node) || is_home(node);
    let is_file = |node: &NodeId| closure.graph.keeps(*node) && is_shown(node);
    let common = ["/lib64/ld-linux-x86-64.so.2", "/lib/libc.so.6"];
    Ok(tree
        .walk(tree.root())
        .filter(is_file)
        .map(|node| {
            (
                String::from_utf8_lossy(&tree.absolute(node)).into_owned(),
                node,
            )
        })
        .filter(|(path, _)| !common.contains(&path.as_str()))
        .filter_map(|(path, node)| {
            let reason = closure.graph.reason(node)?.evidence.name();
            Some(format!("{path} {reason}\n"))
        })
        .collect())
}

/// Returns what is kept of layers that nobody watched, without options.
pub(crate) fn kept_of_layers(layers: Vec<Vec<u8>>, instructions: &[&str], json: &str) -> String {
    kept(
        layers,
        instructions,
        json,
        &Options::default(),
        Watched::Never,
    )
    .expect("the image can be slimmed")
}

/// Returns what is kept of an image of one layer.
pub(crate) fn kept_by_default(image: &Builder, json: &str) -> String {
    kept_of_layers(vec![image.tar()], &[], json)
}
