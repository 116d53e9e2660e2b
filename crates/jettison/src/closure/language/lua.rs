//! Lua: the directories that `package.path` and `package.cpath` name.
//!
//! Both are lists of patterns such as `/usr/share/lua/5.1/?.lua` (Lua manual, `package.path`), compiled into the
//! interpreter or the library that is one. Modules are small, and stay whole.

use layer::NodeId;
use layer::tree::resolve::Lookup;

use super::Language;
use crate::closure::collector::Collector;
use crate::closure::facts::Fact;
use crate::closure::wanted::is_wanted;
use crate::closure::{Edge, Evidence};

/// Largest interpreter whose strings are read.
const LARGEST: u64 = 64 << 20;

pub(super) struct Lua;

impl Language for Lua {
    fn variables(&self) -> &'static [&'static str] {
        &["LUA_PATH", "LUA_CPATH"]
    }

    fn keep(&self, collector: &mut Collector<'_>, interpreter: NodeId) {
        if !collector.facts.insert(Fact::Runtime(interpreter)) {
            return;
        }
        let tree = collector.tree();
        let text = collector.read(interpreter, LARGEST).unwrap_or_default();
        let config = collector.input.config;
        let variables =
            ["LUA_PATH", "LUA_CPATH"].map(|name| config.env_var(name).unwrap_or_default());
        let strings = text
            .split(|b| !b.is_ascii_graphic())
            .chain(variables.iter().map(String::as_bytes));
        for pattern in strings.flat_map(|list| list.split(|b| *b == b';')) {
            let Some(mark) = pattern.iter().position(|b| *b == b'?') else {
                continue;
            };
            let directory = &pattern[..mark];
            if !directory.starts_with(b"/") || directory.len() < 2 || !directory.ends_with(b"/") {
                continue;
            }
            let Ok(found) = tree.resolve_at(tree.root(), directory, Lookup::STAT) else {
                continue;
            };
            if crate::closure::directories::is_shared(tree, found.node) {
                continue;
            }
            let detail = String::from_utf8_lossy(pattern).into_owned();
            collector.keep_links(&found.links, Some(interpreter), &detail);
            let edge = Edge::new(Some(interpreter), Evidence::Module, detail);
            collector.keep_below(found.node, &edge, |node| is_wanted(tree, node));
        }
    }
}
