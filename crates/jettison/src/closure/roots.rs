//! Where the search begins: the config, and what the user adds.

use layer::NodeId;

use super::collector::Collector;
use super::{Edge, Error, Evidence, package, script};

/// Keeps what the config says to run, and what the user asks for.
pub(super) fn add(collector: &mut Collector<'_>) -> Result<(), Error> {
    let config = collector.input.config;
    let bytes = |words: Vec<String>| -> Vec<Vec<u8>> {
        words.into_iter().map(String::into_bytes).collect()
    };
    let options = collector.input.options;
    let mut command = bytes(config.entrypoint());
    command.extend(bytes(config.cmd()));
    let entries: Vec<Vec<Vec<u8>>> = options
        .entries
        .iter()
        .map(|line| script::split_words(line.as_bytes()))
        .collect();
    if command.is_empty()
        && entries.is_empty()
        && options.include.is_empty()
        && options.preserve.is_empty()
    {
        return Err(Error::NoEntryPoint);
    }
    if !command.is_empty() {
        run(
            collector,
            &command,
            if config.entrypoint().is_empty() {
                "CMD"
            } else {
                "ENTRYPOINT"
            },
        )?;
    }
    for words in entries {
        run(collector, &words, "--entry")?;
    }
    if let Some(test) = config.healthcheck() {
        let edge = Edge::new(None, Evidence::Entrypoint, "HEALTHCHECK");
        collector.keep_command_line(&bytes(test), &edge)?;
    }
    include(collector)
}

fn run(collector: &mut Collector<'_>, words: &[Vec<u8>], detail: &str) -> Result<(), Error> {
    let edge = Edge::new(None, Evidence::Entrypoint, detail);
    match collector.keep_command_line(words, &edge)? {
        Some(_) => Ok(()),
        None => Err(missing(
            collector,
            words.first().map(Vec::as_slice).unwrap_or_default(),
        )),
    }
}

/// Says why a program does not run.
fn missing(collector: &Collector<'_>, name: &[u8]) -> Error {
    let tree = collector.tree();
    let program = String::from_utf8_lossy(name).into_owned();
    let file = collector.find_file_of_command(name);
    match file.filter(|file| tree.content(*file).is_some()) {
        Some(file) => Error::EntryPointNotExecutable {
            program,
            path: String::from_utf8_lossy(&tree.absolute(file)).into_owned(),
            mode: tree.mode(file),
        },
        None => Error::EntryPointMissing { program },
    }
}

fn include(collector: &mut Collector<'_>) -> Result<(), Error> {
    let options = collector.input.options;
    let tree = collector.tree();
    let included = options.include.iter().map(|pattern| (pattern, false));
    let preserved = options.preserve.iter().map(|pattern| (pattern, true));
    for (pattern, preserve) in included.chain(preserved) {
        let found: Vec<NodeId> = match tree.resolve(pattern.as_bytes()) {
            Ok(found) => {
                collector.keep_links(&found.links, None, pattern);
                vec![found.node]
            }
            Err(_) => tree
                .walk(tree.root())
                .filter(|node| fast_glob::glob_match(pattern.as_bytes(), tree.absolute(*node)))
                .collect(),
        };
        if found.is_empty() {
            return Err(Error::NothingIncluded(pattern.clone()));
        }
        let edge = Edge::new(None, Evidence::Include, pattern.clone());
        for node in found {
            collector.keep_below(node, &edge, |_| true);
            if preserve {
                collector.preserved.extend(tree.walk(node));
                let above = std::iter::successors(Some(node), |node| {
                    (*node != tree.root()).then(|| tree.parent(*node))
                });
                collector.preserved.extend(above);
            }
        }
    }
    for name in &options.include_packages {
        let packages = collector.input.packages;
        let ids = packages.named(name);
        if ids.is_empty() {
            return Err(Error::NoSuchPackage(name.clone()));
        }
        for id in ids {
            package::keep_whole(collector, *id);
        }
    }
    if options.include_shell {
        for command in script::SHELL_COMMANDS {
            let edge = Edge::new(None, Evidence::Include, "--include-shell");
            collector.keep_command(command.as_bytes(), &edge);
        }
    }
    Ok(())
}
