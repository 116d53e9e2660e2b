//! What is selected, open and filtered, and which rows that gives.

use std::cmp::Reverse;
use std::collections::HashSet;

use jettison::analyze::Analysis;
use layer::{NodeId, Tree};

use super::history::{History, Mark, Moment};
use super::mouse::Areas;

/// Most rows that a filter gives; more are no help to anybody.
const MOST_MATCHES: usize = 20_000;
/// Trees up to this size are filtered at every key.
const QUICK: usize = 400_000;

/// Which half has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Layers,
    Files,
}

/// What the keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Browse,
    /// Letters go into the filter.
    Filter,
    Help,
}

/// One line of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) node: NodeId,
    pub(super) depth: u16,
    /// Whether no sibling follows.
    pub(super) last: bool,
    /// The row of the directory that it is in; the root has none.
    pub(super) parent: Option<u32>,
}

/// Everything that the screen shows.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub(super) tree: &'a Tree,
    pub(super) analysis: &'a Analysis,
    history: History,
    pub(super) moment: Moment,
    pub(super) pane: Pane,
    pub(super) mode: Mode,
    pub(super) layer: usize,
    /// Marks for all layers up to the selected one, not for it alone.
    pub(super) aggregated: bool,
    pub(super) by_size: bool,
    pub(super) attributes: bool,
    /// Marks that are not shown.
    pub(super) without: HashSet<Mark2>,
    open: HashSet<NodeId>,
    pub(super) filter: String,
    pub(super) rows: Vec<Row>,
    pub(super) row: usize,
    /// First row on the screen.
    pub(super) top: usize,
    /// Rows of the tree on the screen, as drawn last.
    pub(super) page: usize,
    /// Where the lists are on the screen, as drawn last.
    pub(super) areas: Areas,
}

/// A mark, to be kept in a set.
pub(super) type Mark2 = u8;

impl<'a> Model<'a> {
    pub(super) fn new(tree: &'a Tree, analysis: &'a Analysis) -> Self {
        let history = History::new(tree);
        let moment = history.at(tree, 0, 0);
        let mut model = Self {
            tree,
            analysis,
            history,
            moment,
            pane: Pane::Layers,
            mode: Mode::Browse,
            layer: 0,
            aggregated: false,
            by_size: true,
            attributes: true,
            without: HashSet::new(),
            open: HashSet::from([tree.root()]),
            filter: String::new(),
            rows: Vec::new(),
            row: 0,
            top: 0,
            page: 1,
            areas: Areas::default(),
        };
        model.look();
        model
    }

    /// Computes the tree anew, for another layer or another kind of marks.
    fn look(&mut self) {
        let layer = self.layer as u16;
        // Of all layers together, the first is what the others change.
        let since = if self.aggregated { 1 } else { layer };
        self.moment = self.history.at(self.tree, since.min(layer), layer);
        self.arrange();
    }

    pub(super) fn select_layer(&mut self, layer: usize) {
        let layer = layer.min(self.analysis.layers.len().saturating_sub(1));
        if layer != self.layer {
            self.layer = layer;
            self.look();
        }
    }

    pub(super) fn aggregate(&mut self, aggregated: bool) {
        if aggregated != self.aggregated {
            self.aggregated = aggregated;
            self.look();
        }
    }

    pub(super) fn toggle_mark(&mut self, mark: Mark) {
        let mark = mark as u8;
        if !self.without.remove(&mark) {
            self.without.insert(mark);
        }
        self.arrange();
    }

    pub(super) fn toggle_order(&mut self) {
        self.by_size = !self.by_size;
        self.arrange();
    }

    pub(super) fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        if self.tree.len() <= QUICK {
            self.arrange();
        }
    }

    pub(super) fn is_open(&self, node: NodeId) -> bool {
        !self.filter.is_empty() || self.open.contains(&node)
    }

    /// Opens or closes the directory at the cursor.
    pub(super) fn toggle(&mut self) {
        if let Some(row) = self.rows.get(self.row).copied()
            && self.tree.is_directory(row.node)
        {
            if !self.open.remove(&row.node) {
                self.open.insert(row.node);
            }
            self.arrange();
        }
    }

    /// Opens the directory at the cursor, or goes into it.
    pub(super) fn enter(&mut self) {
        match self.rows.get(self.row) {
            Some(row) if self.tree.is_directory(row.node) && !self.is_open(row.node) => {
                self.toggle();
            }
            _ => self.move_row(1),
        }
    }

    /// Closes the directory at the cursor, or goes to the one above.
    pub(super) fn leave(&mut self) {
        let Some(row) = self.rows.get(self.row).copied() else {
            return;
        };
        if self.tree.is_directory(row.node) && self.open.contains(&row.node) {
            self.toggle();
            return;
        }
        let parent = self.tree.parent(row.node);
        if let Some(at) = self.rows.iter().position(|row| row.node == parent) {
            self.row = at;
        }
    }

    /// Closes all directories; opens all if they are closed.
    pub(super) fn toggle_all(&mut self) {
        if self.open.len() > 1 {
            self.open.retain(|node| *node == self.tree.root());
        } else {
            let shown = |node: &NodeId| self.moment.shown[node.index()];
            let directories = self.tree.all_nodes().filter(|n| self.tree.is_directory(*n));
            self.open.extend(directories.filter(shown));
        }
        self.arrange();
    }

    pub(super) fn move_row(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(1);
        self.row = self.row.saturating_add_signed(by).min(last);
    }

    /// Lays out the rows; the cursor stays where it is, if that is still there.
    pub(super) fn arrange(&mut self) {
        let at = self.rows.get(self.row).map(|row| row.node);
        let matching = self.matching();
        let mut rows = Vec::new();
        let mut pending = vec![(self.tree.root(), 0_u16, true, None)];
        while let Some((node, depth, last, parent)) = pending.pop() {
            let own = (node != self.tree.root()).then_some(rows.len() as u32);
            if node != self.tree.root() {
                rows.push(Row {
                    node,
                    depth: depth - 1,
                    last,
                    parent,
                });
            }
            if !self.tree.is_directory(node) || !self.is_open(node) {
                continue;
            }
            let mut children: Vec<NodeId> = self
                .tree
                .all_children(node)
                .filter(|child| self.is_wanted(*child))
                .filter(|child| matching.as_ref().is_none_or(|set| set.contains(child)))
                .collect();
            let name = |node: &NodeId| self.tree.name(*node);
            if self.by_size {
                let bytes = |node: &NodeId| self.moment.bytes[node.index()];
                children.sort_by(|a, b| {
                    (Reverse(bytes(a)), name(a)).cmp(&(Reverse(bytes(b)), name(b)))
                });
            } else {
                children.sort_by(|a, b| name(a).cmp(name(b)));
            }
            let count = children.len();
            let rest = children.into_iter().enumerate().rev();
            pending.extend(rest.map(|(at, child)| (child, depth + 1, at + 1 == count, own)));
        }
        self.rows = rows;
        self.row = at
            .and_then(|node| self.rows.iter().position(|row| row.node == node))
            .unwrap_or(self.row)
            .min(self.rows.len().saturating_sub(1));
    }

    fn is_wanted(&self, node: NodeId) -> bool {
        let at = node.index();
        self.moment.shown[at] && !self.without.contains(&(self.moment.marks[at] as u8))
    }

    /// Paths that the filter matches, with the directories above them.
    fn matching(&self) -> Option<HashSet<NodeId>> {
        if self.filter.is_empty() {
            return None;
        }
        let wanted = self.filter.to_lowercase().into_bytes();
        let mut matching = HashSet::new();
        let mut pending = vec![(self.tree.root(), 0)];
        let mut path: Vec<u8> = Vec::new();
        while let Some((node, length)) = pending.pop() {
            path.truncate(length);
            path.push(b'/');
            path.extend(self.tree.name(node).iter().map(u8::to_ascii_lowercase));
            // Only what the filter has in the last component, or a whole path, is a
            // match; what lies below a match comes with it when that is opened.
            let from = if wanted.contains(&b'/') { 0 } else { length };
            if path[from..]
                .windows(wanted.len())
                .any(|part| part == wanted)
            {
                let mut at = node;
                while matching.insert(at) && at != self.tree.root() {
                    at = self.tree.parent(at);
                }
                if matching.len() > MOST_MATCHES {
                    break;
                }
            }
            let here = if node == self.tree.root() {
                0
            } else {
                path.len()
            };
            let children = self.tree.all_children(node).filter(|n| self.is_wanted(*n));
            pending.extend(children.map(|child| (child, here)));
        }
        Some(matching)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keys;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn recorded() -> Tree {
        let layers = [
            testkit::tree::Builder::new()
                .file("etc/a", "1234")
                .file("etc/b", "12")
                .file("srv/old/x", "123456789"),
            testkit::tree::Builder::new()
                .file("etc/a", "12345")
                .file("new/file", "1")
                .whiteout("srv/old"),
        ];
        let mut tree = Tree::new().recording();
        for (at, layer) in layers.iter().enumerate() {
            let tar = layer.tar();
            let limits = layer::Limits::default();
            let mut reader = layer::read::TarReader::new(&tar[..], at as u32, limits);
            while let Some(member) = reader.next_member().unwrap() {
                tree.apply(at as u32, member).unwrap();
            }
        }
        tree
    }

    fn analysis() -> Analysis {
        let layer = |index: u32| {
            serde_json::json!({ "index": index, "digest": image::Digest::of(b"x"),
                "diffId": image::Digest::of(b"x"), "instruction": format!("RUN {index}"),
                "created": null, "unpacked": 15, "compressed": null, "entries": 3, "added": 1,
                "changed": 1, "removed": 1, "hidden": 0, "hides": 0 })
        };
        serde_json::from_value(serde_json::json!({ "schema": 1,
            "image": { "name": "app", "id": image::Digest::of(b"x"),
                "digest": image::Digest::of(b"x"),
                "platform": serde_json::to_value(image::Platform::host()).unwrap() },
            "sizes": { "unpacked": 21, "visible": 8, "compressed": null, "entries": 6 },
            "efficiency": 0.4, "wasted": 13, "wastedOfUser": 1.0, "reclaimable": 13,
            "layers": [layer(0), layer(1)], "causes": [], "packages": [], "directories": [],
            "files": [] }))
        .unwrap()
    }

    fn press(model: &mut Model<'_>, keys: &str) {
        for key in keys.chars() {
            let (code, modifiers) = match key {
                '⇥' => (KeyCode::Tab, KeyModifiers::NONE),
                '↓' => (KeyCode::Down, KeyModifiers::NONE),
                '⏎' => (KeyCode::Enter, KeyModifiers::NONE),
                '⎋' => (KeyCode::Esc, KeyModifiers::NONE),
                'Ⓡ' => (KeyCode::Char('r'), KeyModifiers::CONTROL),
                'Ⓐ' => (KeyCode::Char('a'), KeyModifiers::CONTROL),
                'Ⓢ' => (KeyCode::Char('o'), KeyModifiers::CONTROL),
                other => (KeyCode::Char(other), KeyModifiers::NONE),
            };
            let _ = keys::press(model, KeyEvent::new(code, modifiers));
        }
    }

    fn shown(model: &Model<'_>) -> Vec<String> {
        let row = |row: &Row| {
            let mark = match model.moment.marks[row.node.index()] {
                Mark::Unchanged => ' ',
                Mark::Changed => 'C',
                Mark::Added => 'A',
                Mark::Removed => 'D',
            };
            let path = String::from_utf8_lossy(&model.tree.path(row.node)).into_owned();
            format!("{mark} {path} {}", model.moment.bytes[row.node.index()])
        };
        model.rows.iter().map(row).collect()
    }

    #[test]
    fn a_layer_shows_what_it_does() {
        let (tree, analysis) = (recorded(), analysis());
        let mut model = Model::new(&tree, &analysis);
        assert_eq!(shown(&model), ["  srv 9", "  etc 6"]);
        press(&mut model, "↓");
        assert_eq!(shown(&model), ["C etc 7", "A new 1", "C srv 0"]);
        press(&mut model, "⇥g ");
        assert_eq!(
            shown(&model),
            ["C etc 7", "C etc/a 5", "  etc/b 2", "A new 1", "C srv 0"]
        );
        press(&mut model, "/old");
        assert_eq!(shown(&model), ["C srv 0", "D srv/old 0"]);
        press(&mut model, "⎋Ⓢ");
        assert_eq!(
            shown(&model),
            ["C etc 7", "C etc/a 5", "  etc/b 2", "A new 1", "C srv 0"]
        );
        press(&mut model, "Ⓐ");
        assert_eq!(
            shown(&model),
            ["C etc 7", "C etc/a 5", "  etc/b 2", "C srv 0"]
        );
    }
}
