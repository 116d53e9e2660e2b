//! Kept files and the reasons for them.

use std::collections::{HashMap, HashSet};

use layer::NodeId;
use serde::Serialize;

/// In what way one file needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Named by ENTRYPOINT, CMD, HEALTHCHECK or by the user as an entry point.
    Entrypoint,
    /// Interpreter of an ELF program or of a script (`#!`).
    Interpreter,
    /// Loaded with a program (`DT_NEEDED`).
    Needed,
    /// Opened by name with dlopen(3): from a note or a string.
    Dlopen,
    /// Name service modules and files (nsswitch.conf).
    Nss,
    /// Character set conversion.
    Gconv,
    /// Language of messages, formats and character classes.
    Locale,
    /// Certificates of authorities, and settings of TLS libraries.
    CaCertificates,
    /// Time zones.
    Timezone,
    /// Named by USER, WORKDIR, VOLUME or ENV.
    ConfigUser,
    /// A symbolic link on the way to something kept, or its target.
    Symlink,
    /// In the directory that the user put a program into.
    Application,
    /// The author of the image copied it there, or had it made where data belongs.
    Authored,
    /// A command that a script may call.
    ScriptCommand,
    /// A command that stands in a program which can start others.
    Spawn,
    /// A path that stands in a program, a script or a setting.
    Path,
    /// Part of a language's run time.
    Module,
    /// A directory whose files a program opens by name.
    PluginDir,
    /// From the package of a kept program.
    Package,
    /// Databases that a library reads: terminals, file types, fonts.
    Data,
    /// What every run time environment expects of an image.
    System,
    /// Was seen to be used while the image ran.
    Traced,
    /// Was missed by the slim image, and put back.
    Repaired,
    /// Asked for by the user.
    Include,
    /// Holds something kept.
    Directory,
}

impl Evidence {
    /// Returns the name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Entrypoint => "entrypoint",
            Self::Interpreter => "interpreter",
            Self::Needed => "needed",
            Self::Dlopen => "dlopen",
            Self::Nss => "nss",
            Self::Gconv => "gconv",
            Self::Locale => "locale",
            Self::CaCertificates => "ca-certificates",
            Self::Timezone => "timezone",
            Self::ConfigUser => "config-user",
            Self::Symlink => "symlink",
            Self::Application => "application",
            Self::Authored => "authored",
            Self::ScriptCommand => "script-command",
            Self::Spawn => "spawn",
            Self::Path => "path",
            Self::Module => "module",
            Self::PluginDir => "plugin-dir",
            Self::Package => "package",
            Self::Data => "data",
            Self::System => "system",
            Self::Traced => "traced",
            Self::Repaired => "repaired",
            Self::Include => "include",
            Self::Directory => "directory",
        }
    }
}

/// Why a file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The file that needs it; nothing for what the config or the user asks.
    pub from: Option<NodeId>,
    /// In what way.
    pub evidence: Evidence,
    /// The words that say so: a library's name, a string, an instruction.
    pub detail: String,
}

impl Edge {
    /// Returns a reason, with the words that say so.
    pub(super) fn new(from: Option<NodeId>, evidence: Evidence, words: impl AsRef<[u8]>) -> Self {
        Self {
            from,
            evidence,
            detail: String::from_utf8_lossy(words.as_ref()).into_owned(),
        }
    }

    /// Returns the same reason in other words.
    pub(super) fn saying(&self, words: impl AsRef<[u8]>) -> Self {
        Self::new(self.from, self.evidence, words)
    }
}

/// Kept files and the reasons for them.
#[derive(Debug, Default)]
pub struct Graph {
    reasons: HashMap<NodeId, Edge>,
    order: Vec<NodeId>,
}

impl Graph {
    /// Keeps a file. The first reason counts, since it leads back to an entry
    /// point; returns whether the file is new.
    pub(super) fn keep(&mut self, node: NodeId, edge: Edge) -> bool {
        match self.reasons.entry(node) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(edge);
                self.order.push(node);
                true
            }
        }
    }

    /// Gives a kept file a better reason.
    pub(super) fn replace(&mut self, node: NodeId, edge: Edge) {
        self.reasons.insert(node, edge);
    }

    /// Drops files.
    pub(super) fn drop_all(&mut self, nodes: &HashSet<NodeId>) {
        self.reasons.retain(|node, _| !nodes.contains(node));
        self.order.retain(|node| !nodes.contains(node));
    }

    /// Returns whether a file is kept.
    pub fn keeps(&self, node: NodeId) -> bool {
        self.reasons.contains_key(&node)
    }

    /// Returns the reason for a file.
    pub fn reason(&self, node: NodeId) -> Option<&Edge> {
        self.reasons.get(&node)
    }

    /// Returns the kept files in the order in which they were found.
    pub fn nodes(&self) -> &[NodeId] {
        &self.order
    }

    /// Returns the reasons from a file back to an entry point.
    pub fn chain(&self, node: NodeId) -> Vec<(NodeId, &Edge)> {
        let mut chain: Vec<(NodeId, &Edge)> = Vec::new();
        let mut at = Some(node);
        while let Some(node) = at {
            let Some(edge) = self.reason(node) else { break };
            if chain.iter().any(|(seen, _)| *seen == node) {
                break;
            }
            chain.push((node, edge));
            at = edge.from;
        }
        chain
    }
}
