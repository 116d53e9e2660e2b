//! Command lines: which programs they run, and which files they name.

use std::rc::Rc;

use layer::NodeId;
use layer::tree::resolve::{Lookup, Resolved};

use super::collector::Collector;
use super::{Edge, Error, Evidence, mentioned, own, script};

/// What a container gets where the image sets no PATH (moby, oci/defaults).
pub(super) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Collector<'_> {
    /// Keeps the program that `name` runs: by PATH, or at its path. Returns
    /// what it is, if there is one.
    pub(super) fn keep_command(&mut self, name: &[u8], caller: &Edge) -> Option<NodeId> {
        let (path, found) = self.find_command(name)?;
        self.keep_found(&path, &found, caller);
        Some(found.node)
    }

    fn keep_found(&mut self, path: &[u8], found: &Resolved, caller: &Edge) {
        let shown = String::from_utf8_lossy(path).into_owned();
        if caller.evidence == Evidence::Spawn {
            // A weak reason does not become a strong one by a link.
            for link in &found.links {
                self.keep(*link, caller.clone());
            }
        } else {
            self.keep_links(&found.links, caller.from, &shown);
        }
        self.keep(found.node, caller.clone());
        self.reached
            .entry(found.node)
            .or_default()
            .insert(found.links.clone());
        super::package::program_found(self, found.node);
        if matches!(
            caller.evidence,
            Evidence::Entrypoint | Evidence::ScriptCommand
        ) {
            own::keep_application(self, found.node);
        }
    }

    pub(super) fn find_command(&self, name: &[u8]) -> Option<(Vec<u8>, Resolved)> {
        let tree = self.tree();
        self.places_of_command(name).find(|(_, found)| {
            tree.content(found.node).is_some() && tree.mode(found.node) & 0o111 != 0
        })
    }

    /// Returns the first file that has the name of a command, whether it may be executed or not.
    pub(super) fn find_file_of_command(&self, name: &[u8]) -> Option<NodeId> {
        let found = self.places_of_command(name).next();
        found.map(|(_, found)| found.node)
    }

    /// Looks a command up wherever it may be.
    fn places_of_command(&self, name: &[u8]) -> impl Iterator<Item = (Vec<u8>, Resolved)> {
        let tree = self.tree();
        let workdir = self.working_directory();
        let candidates: Vec<Vec<u8>> = if name.contains(&b'/') {
            vec![name.to_vec()]
        } else {
            // Nearly every word of a program or source is asked about, and hardly any is a command.
            let directories = self.command_directories();
            let directories = directories.iter();
            let holders = directories.filter(|(_, node)| tree.child(*node, name).is_some());
            holders
                .map(|(directory, _)| [directory.as_slice(), name].join(&b'/'))
                .collect()
        };
        candidates.into_iter().filter_map(move |path| {
            let found = tree.resolve_at(workdir, &path, Lookup::STAT).ok()?;
            Some((path, found))
        })
    }

    /// Returns the directories that commands are looked for in, as far as they are there: those of PATH, then those that
    /// it has by default.
    pub(super) fn command_directories(&self) -> Rc<Vec<(Vec<u8>, NodeId)>> {
        let mut known = self.command_places.borrow_mut();
        // PATH only ever gets longer.
        if known.0 != Some(self.path.len()) {
            let (tree, workdir) = (self.tree(), self.working_directory());
            let defaults = DEFAULT_PATH.split(':').map(|dir| dir.as_bytes().to_vec());
            let mut directories = self.path.clone();
            for directory in defaults {
                if !directories.contains(&directory) {
                    directories.push(directory);
                }
            }
            let there = directories.into_iter().filter_map(|directory| {
                let found = tree.resolve_at(workdir, &directory, Lookup::STAT).ok()?;
                Some((directory, found.node))
            });
            *known = (Some(self.path.len()), Rc::new(there.collect()));
        }
        Rc::clone(&known.1)
    }

    /// Keeps what a whole command line needs: its program, a script given to a
    /// shell with `-c`, and the files and directories that its words name.
    pub(super) fn keep_command_line(
        &mut self,
        words: &[Vec<u8>],
        caller: &Edge,
    ) -> Result<Option<NodeId>, Error> {
        let Some((program, arguments)) = words.split_first() else {
            return Ok(None);
        };
        let found = self.keep_command(program, caller);
        let shell_text = arguments
            .iter()
            .position(|word| word.starts_with(b"-") && word.ends_with(b"c"))
            .and_then(|at| arguments.get(at + 1))
            .filter(|_| is_shell(program));
        if let Some(text) = shell_text {
            script::keep_shell_text(self, text, caller)?;
            return Ok(found);
        }
        for word in arguments {
            self.keep_argument(word, caller);
        }
        Ok(found)
    }

    /// Keeps what an argument names, if it names something: a path from `/` or
    /// from the working directory, also behind `--option=`, and a path from `/` behind `name=`.
    pub(super) fn keep_argument(&mut self, word: &[u8], caller: &Edge) {
        let value = match word.iter().position(|b| *b == b'=') {
            Some(equals) if word.starts_with(b"-") || word.get(equals + 1) == Some(&b'/') => {
                &word[equals + 1..]
            }
            _ => word,
        };
        if value.is_empty() || value.starts_with(b"-") || value == b"." {
            return;
        }
        let base = self.working_directory();
        mentioned::keep_mentioned(self, base, value, caller);
        if !value.contains(&b'/') {
            // An entry point that runs its arguments: `exec "$@"`.
            self.keep_command(value, caller);
        }
    }

    pub(super) fn working_directory(&self) -> NodeId {
        let tree = self.tree();
        let found = tree.resolve(self.input.config.working_dir().as_bytes());
        found.map_or(tree.root(), |found| found.node)
    }
}

/// Shells that POSIX's `sh -c` and its descendants are called by. It decides
/// only whether an argument is read as a script, never whether it is kept.
fn is_shell(program: &[u8]) -> bool {
    let name = program.rsplit(|b| *b == b'/').next().unwrap_or_default();
    [
        &b"sh"[..],
        b"bash",
        b"dash",
        b"ash",
        b"ksh",
        b"zsh",
        b"mksh",
    ]
    .contains(&name)
}
