//! Java: the run time, without what only compilers, debuggers and desktops read.
//!
//! A run time is a directory with `lib/modules`, an image of all modules in one file
//! (JEP 220, "Run-time image structure"); it stays whole, since classes are found by name. Beside it
//! lie files of which it is known who reads them. Whether one of those readers could run,
//! the classes of the application say ([`archive`]), and which programs they start ([`constants`]).

mod archive;
mod constants;

use layer::{NodeId, Tree};

use super::{Language, application};
use crate::closure::collector::Collector;
use crate::closure::{Edge, Error, Evidence, libraries, spoken};
use crate::elf::machine;
use archive::{Said, Uses};

/// Who reads a file of the run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// `javac`, and programs that compile: signatures of older releases (JEP 247).
    Compiler,
    /// `jlink` and `javac --system` (JEP 261, "Packaging: JMOD files").
    Linker,
    /// Debuggers of people.
    Nobody,
    /// Windows on a screen: `GraphicsEnvironment.isHeadless` says when there are none, which is
    /// wherever `DISPLAY` is not set.
    Desktop,
}

/// What is known of the Java of an image.
#[derive(Default)]
pub(in crate::closure) struct State {
    /// Files that nothing is known to read yet.
    waiting: Vec<(NodeId, Edge, Reader)>,
    /// What the application's classes name.
    uses: Uses,
}

pub(super) struct Jvm;

impl Language for Jvm {
    fn variables(&self) -> &'static [&'static str] {
        &["JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS"]
    }

    fn keep(&self, _collector: &mut Collector<'_>, _interpreter: NodeId) {
        // The package or the directory of the run time brings it.
    }

    fn decides(&self, collector: &mut Collector<'_>, node: NodeId, edge: &Edge) -> bool {
        let tree = collector.tree();
        let Some(reader) = reader(tree, node) else {
            return false;
        };
        if is_there(collector, node, reader) {
            return false;
        }
        collector.jvm.waiting.push((node, edge.clone(), reader));
        true
    }

    fn examine(
        &self,
        collector: &mut Collector<'_>,
        node: NodeId,
        first: &[u8],
    ) -> Result<bool, Error> {
        let is_class = first.starts_with(b"\xca\xfe\xba\xbe");
        let is_archive = first.starts_with(b"PK\x03\x04");
        if !is_class && !is_archive {
            return Ok(false);
        }
        let bytes = collector.read(node, archive::LARGEST)?;
        let platform = collector.input.config.platform();
        let said = match is_class {
            true => Said::by_class(&bytes),
            false => Said::by_archive(&bytes, machine::of(&platform.architecture)),
        };
        collector.jvm.uses.windows |= said.uses.windows;
        collector.jvm.uses.compiler |= said.uses.compiler;
        for library in &said.needed {
            libraries::keep(collector, node, library);
        }
        // What a server deploys came along with its directory, and is the application all the same.
        let own = collector.is_own(node) || collector.authored.contains(&node);
        for literal in &said.literals {
            spoken::keep_literal(collector, node, literal, own);
        }
        if own {
            for path in &said.paths {
                application::keep_path(collector, node, &String::from_utf8_lossy(path), true);
            }
        }
        for literal in &said.of_libraries {
            spoken::keep_literal(collector, node, literal, false);
        }
        Ok(true)
    }

    fn reconsider(&self, collector: &mut Collector<'_>) {
        for (node, edge, reader) in std::mem::take(&mut collector.jvm.waiting) {
            if is_there(collector, node, reader) {
                collector.keep_decided(node, edge);
            } else {
                collector.jvm.waiting.push((node, edge, reader));
            }
        }
    }
}

/// Returns who reads a file of a run time; nothing for those that all programs need.
fn reader(tree: &Tree, node: NodeId) -> Option<Reader> {
    let name = tree.name(node);
    let reader = match name {
        b"ct.sym" => Reader::Compiler,
        b"src.zip" => Reader::Nobody,
        // An archive of shared classes for heaps above 32 GB; without one the classes are
        // loaded from `modules` (`-Xshare:auto`, the default; JEP 310).
        b"classes_nocoops.jsa" => Reader::Nobody,
        b"libawt_xawt.so" | b"libsplashscreen.so" | b"libjawt.so" => Reader::Desktop,
        _ if name.ends_with(b".jmod") => Reader::Linker,
        _ => return None,
    };
    let above = std::iter::successors(Some(node), |node| Some(tree.parent(*node)));
    let is_home = |directory: NodeId| {
        let library = tree.child(directory, b"lib");
        library.is_some_and(|library| tree.child(library, b"modules").is_some())
    };
    above.skip(1).take(4).any(is_home).then_some(reader)
}

/// Whether a reader could run.
fn is_there(collector: &Collector<'_>, node: NodeId, reader: Reader) -> bool {
    let uses = collector.jvm.uses;
    match reader {
        Reader::Nobody => false,
        Reader::Compiler => uses.compiler || runs(collector, node, b"javac"),
        Reader::Linker => runs(collector, node, b"jlink") || runs(collector, node, b"jdeps"),
        Reader::Desktop => uses.windows || collector.input.config.env_var("DISPLAY").is_some(),
    }
}

/// Whether a program of the same run time is needed for certain.
fn runs(collector: &Collector<'_>, node: NodeId, name: &[u8]) -> bool {
    let tree = collector.tree();
    let above = std::iter::successors(Some(node), |node| Some(tree.parent(*node)));
    above
        .skip(1)
        .take(4)
        .filter_map(|directory| tree.child(tree.child(directory, b"bin")?, name))
        .any(|program| {
            collector.graph.reason(program).is_some_and(|edge| {
                edge.evidence != Evidence::Package && edge.evidence != Evidence::PluginDir
            })
        })
}
