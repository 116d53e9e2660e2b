//! Node.js: the packages that are required.
//!
//! - `index`: what is installed, and which files are of what;
//! - `manifest`: `package.json`;
//! - `said`: what a source says;
//! - `reach`: which modules of an application are run;
//! - `settle`: which packages are needed, by what is required and declared.
//!
//! Node.js itself is one program: what it needs besides stands in it, such as the
//! modules that Debian takes out of it. Package managers, headers and packages
//! for developing stay only if something asks for them.

mod index;
mod manifest;
mod reach;
mod said;
mod settle;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use layer::NodeId;

use super::{Language, application};
use crate::closure::collector::{Collector, Script};
use crate::closure::units::{Owner, UnitId};
use crate::closure::{Error, own};
use crate::source::{self, javascript};
use index::Index;
use manifest::Manifest;

/// Node.js, and libraries that are it.
pub(super) struct Node;

/// Run times that also run what is written in TypeScript, wherever it is.
pub(super) struct TypeScript;

/// What is known so far.
#[derive(Debug, Default)]
pub(in crate::closure) struct State {
    index: Index,
    scanned: HashSet<NodeId>,
    wants: Vec<Want>,
    done: usize,
    /// Sources of the application and what they load of each other.
    sources: BTreeMap<NodeId, Links>,
    /// Manifests of the application, by directory.
    manifests: BTreeMap<NodeId, Manifest>,
    /// Packages whose documents are shown.
    shown: BTreeSet<UnitId>,
    /// Packages whose own code names declarations of types.
    typed: BTreeSet<UnitId>,
    /// Words that could be names of scripts, or modules to begin with.
    words: BTreeSet<String>,
    scripts_run: BTreeSet<(NodeId, String)>,
    /// Whether a run time compiles TypeScript itself, or a package has the compiler in it.
    compiles: bool,
}

/// Modules of an application that one of them loads.
#[derive(Debug, Default)]
struct Links {
    relative: Vec<String>,
    prefixes: Vec<String>,
    is_dynamic: bool,
}

/// A package that a source asks for.
#[derive(Debug, Clone)]
struct Want {
    from: NodeId,
    specifier: String,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Required or imported.
    Loaded,
    /// Imported by a declaration of types, which compilers read.
    Typed,
    /// Given to what may load it, by its name.
    Given,
    /// Named in a string, which a loader may be given, or in settings.
    Named,
    /// Declared in a manifest of the application.
    Declared,
}

impl Language for Node {
    fn variables(&self) -> &'static [&'static str] {
        // In the program itself; `NODE_PATH` is read by its JavaScript.
        &["NODE_PENDING_DEPRECATION", "NODE_ICU_DATA"]
    }

    fn prepare(&self, collector: &mut Collector<'_>) {
        collector.node.index = index::build(collector);
    }

    fn keep(&self, collector: &mut Collector<'_>, _interpreter: NodeId) {
        collector.units.mark_running(Owner::Node);
    }

    fn examine(
        &self,
        collector: &mut Collector<'_>,
        node: NodeId,
        first: &[u8],
    ) -> Result<bool, Error> {
        let tree = collector.tree();
        let unit = collector.units.of(node);
        let package = unit.filter(|unit| collector.node.index.packages.contains_key(unit));
        if tree.name(node) == b"package.json" {
            if unit.is_none() && collector.node.scanned.insert(node) {
                let text = collector.read(node, manifest::MAX_MANIFEST)?;
                declare(collector, node, manifest::parse(&text));
            }
            return Ok(package.is_some());
        }
        if !is_source(collector, node, first) {
            if unit.is_none() && application::is_text(collector, node, first) {
                let fresh = collector.node.scanned.insert(node);
                if fresh {
                    let text = collector.read(node, application::MAX_TEXT)?;
                    let text = String::from_utf8_lossy(&text);
                    name_words(collector, node, &text);
                    if first.starts_with(b"#!") {
                        take_words(collector, &text);
                    }
                }
            }
            return Ok(false);
        }
        if unit.is_none() && super::is_entry(collector, node) {
            own::keep_application(collector, node);
        }
        if collector.node.scanned.insert(node) {
            let text = collector.read(node, source::MAX_SOURCE)?;
            said::follow(collector, node, package, &javascript::scan(&text));
        }
        Ok(!first.starts_with(b"#!"))
    }

    fn settle(&self, collector: &mut Collector<'_>) -> Result<bool, Error> {
        settle::settle(collector)
    }

    fn owner(&self) -> Option<Owner> {
        Some(Owner::Node)
    }
}

impl Language for TypeScript {
    fn variables(&self) -> &'static [&'static str] {
        &["BUN_INSTALL", "DENO_DIR"]
    }

    fn keep(&self, collector: &mut Collector<'_>, _interpreter: NodeId) {
        collector.units.mark_running(Owner::Node);
        collector.node.compiles = true;
    }
}

fn is_source(collector: &Collector<'_>, node: NodeId, first: &[u8]) -> bool {
    let name = collector.tree().name(node);
    let endings = [".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".jsx", ".tsx"];
    if endings
        .iter()
        .any(|ending| name.ends_with(ending.as_bytes()))
    {
        return true;
    }
    if !first.starts_with(b"#!") {
        return false;
    }
    let Script::Of(interpreter) = collector.interpreter(node) else {
        return false;
    };
    collector.tree().name(interpreter).starts_with(b"node")
}

/// A manifest of the application says what it needs to run.
fn declare(collector: &mut Collector<'_>, node: NodeId, manifest: Manifest) {
    let directory = collector.tree().parent(node);
    for specifier in &manifest.requires {
        let (specifier, how) = (specifier.clone(), How::Declared);
        collector.node.wants.push(Want {
            from: node,
            specifier,
            how,
        });
    }
    collector.node.manifests.insert(directory, manifest);
}

/// Words of a command line may name scripts and modules.
fn take_words(collector: &mut Collector<'_>, text: &str) {
    let outside = |c: char| c.is_whitespace() || "\"';&|()<>$`,[]{}".contains(c);
    let words = text
        .split(outside)
        .filter(|word| (2..256).contains(&word.len()));
    collector.node.words.extend(words.map(str::to_owned));
}

/// Words of settings and command lines may name packages.
fn name_words(collector: &mut Collector<'_>, node: NodeId, text: &str) {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || "_.-@/:".contains(c));
    for word in text
        .split(outside)
        .filter(|word| (2..256).contains(&word.len()))
    {
        if manifest::package_name(word).is_some() {
            let specifier = word.to_owned();
            collector.node.wants.push(Want {
                from: node,
                specifier,
                how: How::Named,
            });
        }
    }
}

/// Returns the image's machine in the words of Node.js (`process.arch`).
fn cpu(collector: &Collector<'_>) -> &'static str {
    match collector.input.config.platform().architecture.as_str() {
        "amd64" => "x64",
        "arm64" => "arm64",
        "386" => "ia32",
        "arm" => "arm",
        "ppc64le" => "ppc64",
        "s390x" => "s390x",
        "riscv64" => "riscv64",
        _ => "",
    }
}
