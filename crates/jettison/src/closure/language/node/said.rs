//! What a source says: which packages and modules it loads, which programs it starts, what it hands out.

use layer::NodeId;

use super::{How, Links, Want, manifest, settle};
use crate::closure::collector::Collector;
use crate::closure::language::application;
use crate::closure::units::UnitId;
use crate::source::{Literal, javascript};

/// Endings of declarations of types ("Modules Reference" of TypeScript's manual).
const DECLARATIONS: [&[u8]; 3] = [b".d.ts", b".d.mts", b".d.cts"];

/// What every compiler of TypeScript loads, also where it is part of something else (TypeScript's manual, "lib").
const LIBRARIES: [&str; 2] = ["lib.d.ts", "lib.es5.d.ts"];

/// Longest name of a file that a literal is.
const LONGEST_NAME: usize = 64;

/// Functions of `child_process` and of `execa` and its kin that start a program.
const COMMANDS: &[&str] = &[
    "exec",
    "execSync",
    "execFile",
    "execFileSync",
    "spawn",
    "spawnSync",
    "execa",
    "execaSync",
    "execaCommand",
    "which",
];

/// Parts of names of functions that load what they are given the name of.
const LOADERS: &[&str] = &["require", "import", "load", "resolve", "plugin", "use"];

/// Takes what a source says. `package` is the one that it is of, if it was installed.
pub(super) fn follow(
    collector: &mut Collector<'_>,
    node: NodeId,
    package: Option<UnitId>,
    said: &javascript::Source,
) {
    let ours = package.is_none() && collector.input.packages.owner(node).is_none();
    let name = collector.tree().name(node);
    let is_declaration = DECLARATIONS.iter().any(|ending| name.ends_with(ending));
    let mut asked = Asked {
        links: Links {
            is_dynamic: said.is_dynamic,
            ..Links::default()
        },
        packages: Vec::new(),
    };
    let imported = match is_declaration {
        true => How::Typed,
        false => How::Loaded,
    };
    asked.imports(said, imported);
    if !is_declaration {
        for literal in &said.literals {
            hand_out(collector, package, &literal.text);
            if literal.text.starts_with('/') {
                if ours {
                    application::keep_path(collector, node, &literal.text, ours);
                }
                continue;
            }
            start(collector, node, said, literal, ours);
            asked.literal(literal, ours || said.is_dynamic);
        }
    }
    let wants = asked.packages.into_iter();
    let wants = wants.filter(|(specifier, _)| {
        manifest::package_name(specifier).is_some() || specifier.starts_with('@')
    });
    collector
        .node
        .wants
        .extend(wants.map(|(specifier, how)| Want {
            from: node,
            specifier,
            how,
        }));
    if package.is_none() {
        if ours && said.starts_programs {
            application::keep_command(collector, node, "/bin/sh", true);
        }
        collector.node.sources.insert(node, asked.links);
    } else {
        settle::select_tests(collector, node, &asked.links);
    }
}

/// What a source asks for: modules beside it, and packages.
struct Asked {
    links: Links,
    packages: Vec<(String, How)>,
}

impl Asked {
    /// Takes what is loaded by `require` and `import`.
    fn imports(&mut self, said: &javascript::Source, how: How) {
        for specifier in &said.imports {
            match specifier.starts_with('.') {
                true => self.links.relative.push(specifier.clone()),
                false => self.packages.push((specifier.clone(), how)),
            }
        }
        for prefix in &said.prefixes {
            match prefix.starts_with('.') {
                true => self.links.prefixes.push(prefix.clone()),
                // `require("@scope/" + name)`: whatever begins so.
                false => self.packages.push((prefix.clone(), how)),
            }
        }
    }

    /// Takes a literal that a loader is given, or, with `any`, could be.
    fn literal(&mut self, literal: &Literal, any: bool) {
        let text = &literal.text;
        let callee = literal.callee.as_deref().unwrap_or_default();
        let callee = callee.to_ascii_lowercase();
        let is_loaded = LOADERS.iter().any(|part| callee.contains(part));
        if !any && !is_loaded {
            return;
        }
        match text.starts_with("./") || text.starts_with("../") {
            true => self.links.relative.push(text.clone()),
            false if is_loaded => self.packages.push((text.clone(), How::Given)),
            false => self.packages.push((text.clone(), How::Named)),
        }
    }
}

/// Notes what of its package a source names, which is kept only for who does: documents, declarations of types.
fn hand_out(collector: &mut Collector<'_>, package: Option<UnitId>, text: &str) {
    if text.len() >= LONGEST_NAME {
        return;
    }
    collector.node.compiles |= LIBRARIES.contains(&text);
    let Some(package) = package else {
        return;
    };
    if text.ends_with(".md") {
        collector.node.shown.insert(package);
    }
    if text.ends_with(".d.ts") {
        collector.node.typed.insert(package);
    }
}

/// Keeps a program that a source starts.
fn start(
    collector: &mut Collector<'_>,
    node: NodeId,
    said: &javascript::Source,
    literal: &Literal,
    ours: bool,
) {
    let callee = literal.callee.as_deref().unwrap_or_default();
    let is_started = literal.first && COMMANDS.contains(&callee);
    // Package managers say by which shell they run scripts, and start that further down.
    if said.starts_programs && (is_started || literal.text == "sh") {
        application::keep_command(collector, node, &literal.text, ours);
    }
}
