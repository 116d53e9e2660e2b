//! Gems that are installed.

use layer::NodeId;
use layer::tree::resolve::Lookup;

use super::super::named::{self, Found, How};
use crate::closure::collector::Collector;
use crate::closure::wanted::is_wanted;

/// Where gems are, besides where `GEM_HOME` and `GEM_PATH` say: `Gem.path` of Debian, Fedora, Alpine, of Ruby's own
/// `./configure`, and of images that set `GEM_HOME` while they are built.
const HOMES: &[&str] = &[
    "usr/share/rubygems-integration/*",
    "usr/lib/*/rubygems-integration/*",
    "var/lib/gems/*",
    "usr/lib/ruby/gems/*",
    "usr/lib/*/ruby/gems/*",
    "usr/local/lib/ruby/gems/*",
    "usr/share/gems",
    "usr/share/ruby/gems/*",
    "usr/lib64/gems/ruby",
    "usr/local/bundle",
    "usr/local/bundle/ruby/*",
];

/// A gem.
#[derive(Debug)]
pub(super) struct Gem {
    pub(super) name: Vec<u8>,
    pub(super) specification: NodeId,
    /// Its files, and what was compiled for it; nothing if they lie among those of others.
    pub(super) directories: Vec<NodeId>,
    /// What it adds to `$LOAD_PATH`.
    pub(super) libraries: Vec<NodeId>,
}

impl Gem {
    /// Returns everything that belongs to it.
    pub(super) fn files(&self, collector: &Collector<'_>, why: &str) -> Vec<Found> {
        let tree = collector.tree();
        let files = self.directories.iter().flat_map(|top| tree.walk(*top));
        let files = files.filter(|node| tree.content(*node).is_some() && is_wanted(tree, *node));
        files
            .chain([self.specification])
            .map(|node| Found {
                node,
                name: why.to_owned(),
                how: How::Whole,
            })
            .collect()
    }
}

/// Returns all gems of an image.
pub(super) fn installed(collector: &Collector<'_>) -> Vec<Gem> {
    let tree = collector.tree();
    let config = collector.input.config;
    let variables = ["GEM_HOME", "GEM_PATH"].map(|name| config.env_var(name).unwrap_or_default());
    let named = variables.iter().flat_map(|value| value.split(':'));
    let mut homes: Vec<NodeId> = named
        .filter(|path| path.starts_with('/'))
        .filter_map(|path| Some(tree.resolve(path.as_bytes()).ok()?.node))
        .collect();
    homes.extend(
        HOMES
            .iter()
            .flat_map(|place| named::matching(collector, place)),
    );
    homes.sort_unstable();
    homes.dedup();
    let mut gems = Vec::new();
    for home in homes {
        let Some(specifications) = tree.child(home, b"specifications") else {
            continue;
        };
        let files = tree.walk(specifications);
        gems.extend(files.filter_map(|file| read(collector, home, file)));
    }
    gems
}

fn read(collector: &Collector<'_>, home: NodeId, specification: NodeId) -> Option<Gem> {
    let tree = collector.tree();
    let full = tree.name(specification).strip_suffix(b".gemspec")?;
    let text = collector.read(specification, 1 << 20).ok()?;
    let mut directories = Vec::new();
    let mut libraries = Vec::new();
    let directory = tree
        .child(home, b"gems")
        .and_then(|gems| tree.child(gems, full));
    if let Some(directory) = directory {
        directories.push(directory);
        for path in require_paths(&text) {
            let found = tree.resolve_at(directory, path, Lookup::STAT).ok();
            libraries.extend(found.map(|found| found.node));
        }
    }
    // `extensions/x86_64-linux/3.1.0/NAME-VERSION`.
    let machines = tree.child(home, b"extensions").into_iter();
    let abis = machines
        .flat_map(|directory| tree.children(directory))
        .flat_map(|machine| tree.children(machine));
    for compiled in abis.filter_map(|abi| tree.child(abi, full)) {
        directories.push(compiled);
        libraries.push(compiled);
    }
    // Versions begin with a digit, names do not end with a number of their own.
    let dash = full
        .windows(2)
        .rposition(|pair| pair[0] == b'-' && pair[1].is_ascii_digit())?;
    Some(Gem {
        name: full[..dash].to_vec(),
        specification,
        directories,
        libraries,
    })
}

/// Returns what a description says of `require_paths`; `lib` is usual.
fn require_paths(text: &[u8]) -> Vec<&[u8]> {
    let said = memchr::memmem::find(text, b"require_paths = [").and_then(|at| {
        let list = &text[at..];
        let end = memchr::memchr(b']', list)?;
        let parts = list[..end].split(|b| *b == b'"').skip(1).step_by(2);
        Some(parts.collect::<Vec<_>>())
    });
    said.filter(|paths| !paths.is_empty())
        .unwrap_or_else(|| vec![b"lib"])
}

#[cfg(test)]
mod tests {
    use super::require_paths;

    #[test]
    fn require_paths_are_read() {
        let one = b"  s.require_paths = [\"lib\".freeze]\n";
        assert_eq!(require_paths(one), [b"lib"]);
        let two = b"  s.require_paths = [\"lib/concurrent-ruby\".freeze, \"ext\".freeze]\n";
        assert_eq!(require_paths(two), [&b"lib/concurrent-ruby"[..], b"ext"]);
        assert_eq!(require_paths(b""), [b"lib"]);
    }
}
