//! Paths looked up as the kernel does, with `/` meaning the root of the tree.

use super::{NodeId, Tree};
use crate::path::components;

/// Symbolic links followed in one look-up before it is called a loop
/// (`MAXSYMLINKS` of Linux, path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A path that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Where it leads.
    pub node: NodeId,
    /// The symbolic links that were followed, in order.
    pub links: Vec<NodeId>,
}

/// A path that does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// Something on the way does not exist.
    Missing {
        /// The deepest directory reached.
        directory: NodeId,
        /// What it lacks, and what would follow.
        rest: Vec<Vec<u8>>,
        /// The symbolic links that were followed, in order.
        links: Vec<NodeId>,
    },
    /// Something on the way is not a directory.
    NotADirectory(NodeId),
    /// More than 40 symbolic links.
    Loop,
    /// The path, or a link on it, climbs above the root (only where that is asked for).
    Climbs,
}

/// What to do with the last component and with `..` at the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup {
    /// Whether a symbolic link at the end is followed.
    pub follow: bool,
    /// Whether `..` at the root stays there, as in the kernel; otherwise it is [`Unresolved::Climbs`].
    pub clamp: bool,
}

impl Lookup {
    /// As stat(2): the last link is followed.
    pub const STAT: Self = Self {
        follow: true,
        clamp: true,
    };
    /// As lstat(2): the last link is the result.
    pub const LSTAT: Self = Self {
        follow: false,
        clamp: true,
    };
}

impl Tree {
    /// Looks up a path from the root on, without following any link.
    pub fn lookup(&self, path: &[u8]) -> Option<NodeId> {
        components(path).try_fold(self.root(), |at, name| self.child(at, name))
    }

    /// Looks up a path from the root on as stat(2) does.
    ///
    /// # Errors
    /// The reason why nothing is there.
    pub fn resolve(&self, path: &[u8]) -> Result<Resolved, Unresolved> {
        self.resolve_at(self.root(), path, Lookup::STAT)
    }

    /// Looks up a path from `base` on; an absolute path starts at the root.
    ///
    /// # Errors
    /// The reason why nothing is there.
    pub fn resolve_at(
        &self,
        base: NodeId,
        path: &[u8],
        how: Lookup,
    ) -> Result<Resolved, Unresolved> {
        let mut at = if path.first() == Some(&b'/') {
            self.root()
        } else {
            base
        };
        let mut links = Vec::new();
        // Components still to go, last first.
        let mut rest: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        while let Some(name) = rest.pop() {
            if !self.is_directory(at) {
                return Err(Unresolved::NotADirectory(at));
            }
            if name == b".." {
                if at == self.root() && !how.clamp {
                    return Err(Unresolved::Climbs);
                }
                at = self.parent(at);
                continue;
            }
            let Some(child) = self.child(at, &name) else {
                rest.push(name);
                rest.reverse();
                return Err(Unresolved::Missing {
                    directory: at,
                    rest,
                    links,
                });
            };
            match self.link_target(child) {
                Some(target) if how.follow || !rest.is_empty() => {
                    if links.len() == MAX_LINKS {
                        return Err(Unresolved::Loop);
                    }
                    links.push(child);
                    if target.first() == Some(&b'/') {
                        at = self.root();
                    }
                    rest.extend(components(target).rev().map(<[u8]>::to_vec));
                }
                _ => at = child,
            }
        }
        Ok(Resolved { node: at, links })
    }
}
