//! Keeping a file: with what reason, and whether for certain.

use std::cell::OnceCell;

use layer::NodeId;
use layer::tree::resolve::{Lookup, Unresolved};

use super::{Collector, Optional, Script};
use crate::closure::{Edge, Evidence, Level, dispensable, language, units};

/// How a file comes to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It is needed.
    Certain,
    /// It came along, and nobody has looked whether it may.
    Along,
    /// It came along and may stay.
    Decided,
}

impl Collector<'_> {
    /// Keeps a file and the directories that hold it.
    ///
    /// A file that is needed for certain is *strong*; one that came along, as
    /// part of a package or of a directory, is *weak*. Of a weak file only what
    /// it cannot do without is kept: a script's commands are not, and a script
    /// only if its interpreter is kept for another reason.
    pub(in crate::closure) fn keep(&mut self, node: NodeId, edge: Edge) {
        let strong = self.is_strong(&edge);
        let whole = self.input.options.level == Level::Package;
        let may_wait = !strong || edge.evidence == Evidence::Dlopen;
        if may_wait && !whole && language::decides(self, node, &edge) {
            return;
        }
        let came = if strong { Came::Certain } else { Came::Along };
        self.keep_so(node, edge, came);
    }

    /// Keeps a file that came along, after what it depends on was looked at.
    pub(in crate::closure) fn keep_decided(&mut self, node: NodeId, edge: Edge) {
        self.keep_so(node, edge, Came::Decided);
    }

    /// Keeps a file that was seen to be used.
    pub(in crate::closure) fn keep_for_certain(&mut self, node: NodeId, edge: Edge) {
        self.keep_so(node, edge, Came::Certain);
    }

    /// Keeps a script that came along, once its interpreter is kept for another reason.
    pub(in crate::closure) fn keep_with(&mut self, node: NodeId, interpreter: NodeId, edge: Edge) {
        self.optional.push(Optional {
            node,
            interpreter,
            edge,
            wrapped: OnceCell::new(),
        });
    }

    /// Keeps a file that somebody only asked about. Of a program, what it takes to start it stays with it; what it
    /// says matters once it is kept for another reason.
    pub(in crate::closure) fn keep_glanced(&mut self, node: NodeId, edge: Edge) {
        if !self.graph.keeps(node) {
            self.glanced.insert(node);
            self.keep(node, edge);
        }
    }

    fn keep_so(&mut self, node: NodeId, edge: Edge, came: Came) {
        let strong = came == Came::Certain;
        if !self.input.options.level.allows(edge.evidence) || units::holds(self, node, &edge) {
            return;
        }
        if self.graph.keeps(node) {
            // Another name of it says no more than that it is there.
            let is_name = edge.evidence == Evidence::Symlink && !strong;
            if !is_name && self.glanced.remove(&node) {
                self.queue.push_back(node);
            }
            if strong && self.strong.insert(node) {
                self.graph.replace(node, edge);
                self.queue.push_back(node);
            }
            return;
        }
        // Browsers list all drivers that their sandbox may open.
        if edge.evidence == Evidence::Path && dispensable::is_idle_driver(self, node) {
            return;
        }
        if came == Came::Along {
            if dispensable::why_dispensable(self, node).is_some() {
                return;
            }
            match self.interpreter(node) {
                Script::No => {}
                // Settings name it: programs check that it is there, and seldom run it.
                Script::Of(interpreter)
                    if edge.evidence == Evidence::Path && !self.graph.keeps(interpreter) => {}
                Script::Broken if edge.evidence == Evidence::Path => {}
                Script::Of(interpreter) => {
                    self.keep_with(node, interpreter, edge);
                    return;
                }
                Script::Broken => return,
            }
        } else if strong {
            self.strong.insert(node);
        }
        tracing::debug!(
            "keeping {}: {} {}",
            layer::display(&self.tree().absolute(node)),
            edge.evidence.name(),
            edge.detail
        );
        self.graph.keep(node, edge);
        self.queue.push_back(node);
        let tree = self.tree();
        let (mut child, mut parent) = (node, tree.parent(node));
        while child != tree.root() {
            let edge = Edge::new(Some(child), Evidence::Directory, "");
            if !self.graph.keep(parent, edge) {
                break;
            }
            (child, parent) = (parent, tree.parent(parent));
        }
    }

    fn is_strong(&self, edge: &Edge) -> bool {
        match edge.evidence {
            Evidence::Entrypoint
            | Evidence::Application
            | Evidence::ScriptCommand
            | Evidence::ConfigUser
            | Evidence::Repaired
            | Evidence::Include => true,
            Evidence::Interpreter
            | Evidence::Needed
            | Evidence::Dlopen
            | Evidence::Path
            | Evidence::Symlink => edge.from.is_none_or(|from| self.strong.contains(&from)),
            _ => false,
        }
    }

    /// Keeps what a path leads to, and the symbolic links on the way. Returns
    /// what it leads to, if anything.
    pub(in crate::closure) fn keep_path(
        &mut self,
        base: NodeId,
        path: &[u8],
        from: Option<NodeId>,
        evidence: Evidence,
    ) -> Option<NodeId> {
        let detail = || String::from_utf8_lossy(path).into_owned();
        match self.tree().resolve_at(base, path, Lookup::STAT) {
            Ok(found) => {
                self.keep_links(&found.links, from, &detail());
                self.keep(found.node, Edge::new(from, evidence, path));
                Some(found.node)
            }
            Err(Unresolved::Missing { links, .. }) => {
                // A dangling link is part of the image: it may lead to a volume.
                self.keep_links(&links, from, &detail());
                None
            }
            Err(_) => None,
        }
    }

    pub(in crate::closure) fn keep_links(
        &mut self,
        links: &[NodeId],
        from: Option<NodeId>,
        detail: &str,
    ) {
        for link in links {
            let edge = Edge::new(from, Evidence::Symlink, detail);
            self.keep(*link, edge);
        }
    }

    /// Keeps a directory and what is below it and `wanted`.
    pub(in crate::closure) fn keep_below(
        &mut self,
        top: NodeId,
        edge: &Edge,
        wanted: impl Fn(NodeId) -> bool,
    ) {
        self.keep(top, edge.clone());
        let tree = self.tree();
        let nodes: Vec<NodeId> = tree
            .walk(top)
            .skip(1)
            .filter(|node| wanted(*node))
            .collect();
        for node in nodes {
            let from = edge.from.or(Some(top));
            self.keep(
                node,
                Edge {
                    from,
                    ..edge.clone()
                },
            );
        }
    }
}
