//! Sums over files: by cause and place, by package, by directory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use image::Survey;
use layer::{NodeId, Tree, display};

use super::cause::CAUSES;
use super::find::Find;
use super::report::{CauseBytes, DirectoryBytes, FileBytes, Item, PackageBytes, Place};
use crate::installed::Installed;

/// Components of a path that make a place of visible files.
const PLACE_DEPTH: usize = 3;

/// Returns the layer that a file's bytes are in.
pub(super) fn content_layer(tree: &Tree, node: NodeId) -> u32 {
    let content = tree.content(node);
    content.map_or_else(|| tree.layer(node), |content| content.layer)
}

/// Bytes by layer, for the few layers that one thing is from.
#[derive(Debug, Clone, Default)]
struct ByLayer(Vec<(u32, u64)>);

impl ByLayer {
    fn add(&mut self, layer: u32, bytes: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == layer) {
            Some((_, sum)) => *sum += bytes,
            None => self.0.push((layer, bytes)),
        }
    }

    fn largest(&self) -> u32 {
        let largest = self
            .0
            .iter()
            .max_by_key(|(layer, bytes)| (*bytes, Reverse(*layer)));
        largest.map_or(0, |(layer, _)| *layer)
    }
}

/// Sums of the visible files of an image.
#[derive(Debug)]
pub(super) struct Sums {
    /// Bytes of all of them.
    pub(super) visible: u64,
    /// By node of a directory, bytes and number of files below.
    below: HashMap<NodeId, (u64, u64)>,
    /// By package.
    packages: Vec<(u64, u64, ByLayer)>,
}

impl Sums {
    pub(super) fn new(tree: &Tree, installed: &Installed) -> Self {
        let mut sums = Self {
            visible: 0,
            below: HashMap::new(),
            packages: vec![Default::default(); installed.packages().len()],
        };
        // Files of one directory come together as a rule: its sum is added to
        // those above when another one begins.
        let mut run = (tree.root(), 0, 0);
        tree.each_file(|node| {
            let bytes = tree.size(node);
            sums.visible += bytes;
            if run.0 != tree.parent(node) {
                sums.add_to_directories(tree, run);
                run = (tree.parent(node), 0, 0);
            }
            run.1 += bytes;
            run.2 += 1;
            if let Some(owner) = installed.owner(node) {
                let sum = &mut sums.packages[owner];
                sum.0 += bytes;
                sum.1 += 1;
                sum.2.add(content_layer(tree, node), bytes);
            }
        });
        sums.add_to_directories(tree, run);
        sums
    }

    fn add_to_directories(&mut self, tree: &Tree, (start, bytes, files): (NodeId, u64, u64)) {
        let mut at = start;
        loop {
            let sum = self.below.entry(at).or_default();
            sum.0 += bytes;
            sum.1 += files;
            if at == tree.root() {
                return;
            }
            at = tree.parent(at);
        }
    }

    /// Returns all packages, largest first.
    pub(super) fn packages(&self, tree: &Tree, installed: &Installed) -> Vec<PackageBytes> {
        let mut packages: Vec<PackageBytes> = installed
            .packages()
            .iter()
            .zip(&self.packages)
            .map(|(package, (bytes, files, layers))| PackageBytes {
                manager: package.manager,
                name: package.name.clone(),
                version: package.version.clone(),
                path: package.place.map(|node| shown(tree, node)),
                bytes: *bytes,
                files: *files,
                layer: layers.largest(),
            })
            .collect();
        packages.sort_by(|a, b| (b.bytes, &a.name, &a.path).cmp(&(a.bytes, &b.name, &b.path)));
        packages
    }

    /// Returns the largest directories.
    pub(super) fn directories(&self, tree: &Tree, most: usize) -> Vec<DirectoryBytes> {
        let mut largest: Vec<(&NodeId, &(u64, u64))> = self
            .below
            .iter()
            .filter(|(_, (bytes, _))| *bytes > 0)
            .collect();
        let by_bytes = |(node, (bytes, _)): &(&NodeId, &(u64, u64))| (Reverse(*bytes), **node);
        if largest.len() > most {
            largest.select_nth_unstable_by_key(most, by_bytes);
            largest.truncate(most);
        }
        largest.sort_by_key(by_bytes);
        // The layer of most bytes, for those that are listed only.
        let mut layers: HashMap<NodeId, ByLayer> = largest
            .iter()
            .map(|(node, _)| (**node, ByLayer::default()))
            .collect();
        tree.each_file(|node| {
            let (layer, bytes) = (content_layer(tree, node), tree.size(node));
            let mut at = tree.parent(node);
            loop {
                if let Some(by_layer) = layers.get_mut(&at) {
                    by_layer.add(layer, bytes);
                }
                if at == tree.root() {
                    return;
                }
                at = tree.parent(at);
            }
        });
        largest
            .into_iter()
            .map(|(node, (bytes, files))| DirectoryBytes {
                path: shown(tree, *node),
                bytes: *bytes,
                files: *files,
                layer: layers[node].largest(),
            })
            .collect()
    }
}

/// Returns the largest visible files.
pub(super) fn files(tree: &Tree, installed: &Installed, most: usize) -> Vec<FileBytes> {
    let mut largest: Vec<(Reverse<u64>, NodeId)> = Vec::new();
    tree.each_file(|node| {
        largest.push((Reverse(tree.size(node)), node));
        if largest.len() >= 2 * most.max(512) {
            largest.select_nth_unstable(most);
            largest.truncate(most);
        }
    });
    largest.sort_unstable();
    largest.truncate(most);
    let package = |node| {
        let package = &installed.packages()[installed.owner(node)?];
        Some(format!("{} {}", package.name, package.version))
    };
    largest
        .into_iter()
        .map(|(Reverse(bytes), node)| FileBytes {
            path: shown(tree, node),
            bytes,
            layer: content_layer(tree, node),
            package: package(node),
        })
        .collect()
}

/// Sums finds by cause and by place; what they take compressed, if layers are.
pub(super) fn causes(
    survey: &Survey,
    compressed: bool,
    finds: &[Find],
    most: usize,
) -> Vec<CauseBytes> {
    let tree = &survey.files.tree;
    let stored = |find: &Find| stored(survey, find);
    let mut by_cause: BTreeMap<_, Vec<&Find>> = BTreeMap::new();
    for find in finds {
        by_cause.entry(find.cause).or_default().push(find);
    }
    CAUSES
        .iter()
        .filter_map(|cause| Some((cause, by_cause.remove(cause)?)))
        .map(|(cause, mut finds)| {
            let mut places = places(tree, &finds, most, stored);
            if !compressed {
                places.iter_mut().for_each(|place| place.compressed = None);
            }
            let taken: f64 = finds.iter().map(|find| stored(find)).sum();
            finds.sort_unstable_by_key(|find| (Reverse(find.bytes), find.node));
            let (bytes, count) = (finds.iter().map(|f| f.bytes).sum(), finds.len());
            let items = finds.into_iter().take(most).map(|find| Item {
                path: shown(tree, find.node),
                bytes: find.bytes,
                layer: content_layer(tree, find.node),
                by: find.by,
                other: find.other.map(|node| shown(tree, node)),
            });
            CauseBytes {
                cause: *cause,
                title: cause.title().to_owned(),
                hidden: cause.is_hidden(),
                bytes,
                compressed: compressed.then_some(taken.round() as u64),
                files: count as u64,
                remedy: cause.remedy().to_owned(),
                places,
                items: items.collect(),
                omitted: count.saturating_sub(most) as u64,
            }
        })
        .collect()
}

/// Bytes of the blobs that a find would save: all that its file takes, or its share of that.
fn stored(survey: &Survey, find: &Find) -> f64 {
    let tree = &survey.files.tree;
    let Some(content) = tree.content(find.node).filter(|content| content.size > 0) else {
        return 0.0;
    };
    survey.stored(content) * find.bytes as f64 / content.size as f64
}

/// Finds together by directory, largest first.
fn places(tree: &Tree, finds: &[&Find], most: usize, stored: impl Fn(&Find) -> f64) -> Vec<Place> {
    let mut sums: HashMap<NodeId, (u64, u64, ByLayer, f64)> = HashMap::new();
    for find in finds {
        let place = if find.cause.is_hidden() {
            hidden_place(tree, find)
        } else {
            ancestor(tree, find.node)
        };
        let sum = sums.entry(place).or_default();
        sum.0 += find.bytes;
        sum.1 += 1;
        sum.2.add(content_layer(tree, find.node), find.bytes);
        sum.3 += stored(find);
    }
    let mut places: Vec<(NodeId, (u64, u64, ByLayer, f64))> = sums.into_iter().collect();
    places.sort_unstable_by_key(|(node, (bytes, ..))| (Reverse(*bytes), *node));
    places.truncate(most);
    places
        .into_iter()
        .map(|(node, (bytes, files, layers, taken))| Place {
            path: if tree.is_directory(node) && node != tree.root() {
                format!("{}/", shown(tree, node))
            } else {
                shown(tree, node)
            },
            bytes,
            compressed: Some(taken.round() as u64),
            files,
            layer: layers.largest(),
        })
        .collect()
}

/// Of a hidden file the topmost directory that was removed with it, or that
/// has many like it; a file that was removed alone stands for itself.
fn hidden_place(tree: &Tree, find: &Find) -> NodeId {
    if find.other.is_some() {
        return ancestor(tree, find.node);
    }
    let mut place = find.node;
    while tree.is_removed(tree.parent(place)) {
        place = tree.parent(place);
    }
    place
}

/// The directory three levels below the root, or the file's own where that is higher.
fn ancestor(tree: &Tree, node: NodeId) -> NodeId {
    let mut chain = Vec::new();
    let mut at = tree.parent(node);
    while at != tree.root() {
        chain.push(at);
        at = tree.parent(at);
    }
    match chain.len() {
        0 => node,
        length => chain[length.saturating_sub(PLACE_DEPTH)],
    }
}

fn shown(tree: &Tree, node: NodeId) -> String {
    display(&tree.absolute(node)).into_owned()
}
