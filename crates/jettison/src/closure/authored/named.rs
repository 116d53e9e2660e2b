//! What RUN made under a name that it says: `openssl req -keyout /etc/app/key.pem`, `echo x > /etc/app.conf`.

use std::collections::BTreeSet;

use layer::tree::resolve::Lookup;
use layer::{NodeId, Tree};

use crate::closure::directories::is_shared;
use crate::script::{self, Dialect};

/// Endings of what is unpacked or installed, and then no longer of use.
const ARCHIVES: &[&[u8]] = &[
    b".tar",
    b".tar.gz",
    b".tar.xz",
    b".tar.bz2",
    b".tar.zst",
    b".tgz",
    b".txz",
    b".deb",
    b".rpm",
    b".apk",
    b".whl",
];

/// Returns what the operands of a command of RUN lead to, without following a link at the end. What it starts is no
/// operand: `/opt/venv/bin/pip install x` needs pip, and is done.
pub(super) fn named_by(
    tree: &Tree,
    command: &str,
    environment: &[(Vec<u8>, Vec<u8>)],
) -> BTreeSet<NodeId> {
    let words = script::analyze_with(command.as_bytes(), Dialect::Bash, environment).words;
    let at = |base, path: &[u8]| tree.resolve_at(base, path, Lookup::LSTAT).ok();
    let (absolute, relative): (Vec<_>, Vec<_>) =
        words.iter().partition(|word| word.starts_with(b"/"));
    let mut named: BTreeSet<NodeId> = absolute
        .iter()
        .filter_map(|word| at(tree.root(), word))
        .map(|found| found.node)
        .collect();
    // `cd /etc/app && openssl req -keyout key.pem`
    let directories: Vec<NodeId> = named
        .iter()
        .copied()
        .filter(|node| tree.is_directory(*node) && !is_shared(tree, *node))
        .collect();
    let is_file =
        |word: &[u8]| word.contains(&b'.') && !word.starts_with(b"-") && !word.ends_with(b".");
    for word in relative.into_iter().filter(|word| is_file(word)) {
        for directory in &directories {
            named.extend(at(*directory, word).map(|found| found.node));
        }
    }
    named.retain(|node| {
        let name = tree.name(*node);
        !ARCHIVES.iter().any(|ending| name.ends_with(ending))
    });
    named
}
