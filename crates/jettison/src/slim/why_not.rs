//! Why a path goes, and what would keep it at which price.
//!
//! The price is not guessed: the plan is made once more with the flag that would
//! keep the path, and the difference counted.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use image::{FileSystem, Image};
use layer::{NodeId, NodeKind, Tree};

use super::{Error, Plan, Seen, report};
use crate::closure::decision::{Judge, Rule};
use crate::closure::{self, Closure, Level, Options};
use crate::elf::{self, TreeFile};
use crate::packages::PackageId;

/// Paths that are named where there may be thousands.
const NAMED: usize = 5;

/// All there is to say about a path that goes.
#[derive(Debug)]
pub struct WhyNot {
    /// The rule that decided, with files and bytes of what it decided; of a
    /// directory there may be several, most bytes first.
    pub rules: Vec<Decided>,
    /// Bytes of the path and everything below that goes.
    pub size: u64,
    /// Names that go with it.
    pub entries: u64,
    /// What would keep it if it stayed itself: programs that load it, scripts that it interprets.
    pub users: Vec<NodeId>,
    /// The installed packages that depend on its package, and whether anything of them stays.
    pub dependents: Vec<(PackageId, bool)>,
    /// Files nearby that stay: of its package, or in its directory.
    pub relatives: Vec<NodeId>,
    /// What would keep it, cheapest first.
    pub remedies: Vec<Remedy>,
}

/// What a rule decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The rule.
    pub rule: Rule,
    /// Names for which it decided.
    pub entries: u64,
    /// Their bytes.
    pub size: u64,
}

/// What the user can add to keep a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// The flag to give, or with `instead` to leave out.
    pub flag: &'static str,
    /// Its value; empty for flags without.
    pub value: String,
    /// The flag was given, and should not be.
    pub instead: bool,
    /// Bytes that are added to the slim image.
    pub cost: u64,
    /// Names that are added.
    pub entries: u64,
    /// The largest of what is added besides the path itself, largest first.
    pub largest: Vec<NodeId>,
}

/// Says why `node` goes by this plan, which was made with `seen`. Of a directory that stays it is about
/// what goes below it.
///
/// # Errors
/// When files of the image cannot be read.
pub fn explain(
    image: &Image,
    plan: &Plan<'_>,
    options: &Options,
    seen: &Seen<'_>,
    node: NodeId,
) -> Result<WhyNot, Error> {
    let asked = input(image, plan, options, seen);
    let wider = Options {
        level: Level::App,
        ..options.clone()
    };
    let wider = match options.level {
        Level::Traced => Some(closure::compute(&input(image, plan, &wider, seen))?),
        _ => None,
    };
    let judge = Judge::new(&asked, &plan.closure, wider.as_ref());
    let tree = &plan.files.tree;
    let going: Vec<NodeId> = tree.walk(node).filter(|node| !plan.keeps(*node)).collect();
    let mut rules: BTreeMap<&'static str, Decided> = BTreeMap::new();
    let mut counted = HashSet::new();
    let mut size = 0;
    for node in &going {
        // A directory goes because all in it does.
        if tree.is_directory(*node) && tree.unsorted_children(*node).next().is_some() {
            continue;
        }
        let rule = judge.rule(*node)?;
        let bytes = if tree.links(*node) == 1 || counted.insert(tree.inode(*node)) {
            tree.size(*node)
        } else {
            0
        };
        size += bytes;
        let decided = rules.entry(rule.name()).or_insert(Decided {
            rule,
            entries: 0,
            size: 0,
        });
        decided.entries += 1;
        decided.size += bytes;
    }
    let mut rules: Vec<Decided> = rules.into_values().collect();
    rules.sort_by_key(|decided| std::cmp::Reverse((decided.size, decided.entries)));
    let owner = plan.packages.owner(node);
    let mut trials = Trials {
        plan,
        node,
        before: &plan.closure,
        remedies: Vec::new(),
    };
    for (flag, value, instead, changed) in candidates(plan, options, &judge, &rules, node) {
        match closure::compute(&input(image, plan, &changed, seen)) {
            Ok(closure) => trials.add(flag, value, instead, &closure),
            // A program that cannot be an entry point, or a name that a pattern does not match.
            Err(error) => tracing::debug!(%error, flag, value, "no remedy"),
        }
    }
    let mut remedies = trials.remedies;
    remedies.sort_by_key(|remedy| remedy.cost);
    Ok(WhyNot {
        rules,
        size,
        entries: going.len() as u64,
        users: users(&plan.files, plan, &judge, node),
        dependents: owner.map_or_else(Vec::new, |owner| dependents(plan, &judge, owner)),
        relatives: relatives(plan, &judge, node),
        remedies,
    })
}

fn input<'a>(
    image: &'a Image,
    plan: &'a Plan<'_>,
    options: &'a Options,
    seen: &Seen<'a>,
) -> closure::Input<'a> {
    closure::Input {
        files: &plan.files,
        config: image.config(),
        packages: &plan.packages,
        options,
        trace: seen.trace,
        repairs: seen.repairs,
    }
}

/// What could be tried: flag, value, whether it is to be left out, and the options with that.
fn candidates(
    plan: &Plan<'_>,
    options: &Options,
    judge: &Judge<'_>,
    rules: &[Decided],
    node: NodeId,
) -> Vec<(&'static str, String, bool, Options)> {
    let tree = &plan.files.tree;
    let path = String::from_utf8_lossy(&tree.absolute(node)).into_owned();
    let mut found = Vec::new();
    let excluding = rules.iter().find_map(|decided| match &decided.rule {
        Rule::Excluded(pattern) => Some(pattern),
        _ => None,
    });
    if let Some(pattern) = excluding {
        let mut changed = options.clone();
        changed.exclude.retain(|other| other != pattern);
        found.push(("--exclude", pattern.clone(), true, changed));
        // Nothing else helps against what the user says.
        return found;
    }
    if options.level == Level::Traced {
        let mut changed = options.clone();
        changed.level = Level::App;
        found.push(("--level", "app".to_owned(), false, changed));
    }
    let mut changed = options.clone();
    if plan.replaced.contains(&node) {
        changed.preserve.push(path.clone());
        found.push(("--preserve", path.clone(), false, changed));
    } else {
        changed.include.push(path.clone());
        found.push(("--include", path.clone(), false, changed));
    }
    if let Some(owner) = plan.packages.owner(node) {
        let name = plan.packages.package(owner).name.clone();
        let mut changed = options.clone();
        changed.include_packages.push(name.clone());
        found.push(("--include-package", name, false, changed));
    }
    if judge.is_program(node) && !path.contains([' ', '\'', '"', '\\']) {
        let mut changed = options.clone();
        changed.entries.push(path.clone());
        found.push(("--entry", path, false, changed));
        if !options.include_shell {
            let mut changed = options.clone();
            changed.include_shell = true;
            found.push(("--include-shell", String::new(), false, changed));
        }
    }
    found
}

struct Trials<'a> {
    plan: &'a Plan<'a>,
    node: NodeId,
    before: &'a Closure,
    remedies: Vec<Remedy>,
}

impl Trials<'_> {
    /// Counts what the trial keeps beyond the plan, if it keeps the path.
    fn add(&mut self, flag: &'static str, value: String, instead: bool, after: &Closure) {
        let tree = &self.plan.files.tree;
        // Databases of packages are written anew, unless they are to stay as they are.
        let kept_out = self.plan.replaced.contains(&self.node);
        if kept_out && !after.preserved.contains(&self.node) || !after.graph.keeps(self.node) {
            return;
        }
        let is_new = |node: NodeId| after.graph.keeps(node) && !self.before.graph.keeps(node);
        let bytes = |closure: &Closure| report::bytes_of(tree, |node| closure.graph.keeps(node));
        let mut largest: Vec<NodeId> = tree
            .walk(tree.root())
            .filter(|node| *node != self.node && tree.size(*node) > 0 && is_new(*node))
            .collect();
        let added = after.graph.nodes().iter();
        let entries = added.filter(|node| is_new(**node)).count();
        largest.sort_by_key(|node| std::cmp::Reverse(tree.size(*node)));
        largest.truncate(NAMED);
        self.remedies.push(Remedy {
            flag,
            value,
            instead,
            cost: bytes(after).0.saturating_sub(bytes(self.before).0),
            entries: entries as u64,
            largest,
        });
    }
}

/// Returns the installed packages that depend on `owner`.
fn dependents(plan: &Plan<'_>, judge: &Judge<'_>, owner: PackageId) -> Vec<(PackageId, bool)> {
    let packages = &plan.packages;
    let mut found: Vec<(PackageId, bool)> = packages
        .packages()
        .filter(|(id, _)| packages.dependencies(*id).contains(&owner))
        .map(|(id, _)| (id, !judge.kept_files(id).is_empty()))
        .collect();
    found.sort_by_key(|(id, kept)| (!kept, *id));
    found
}

/// Returns programs and libraries that load a library, or scripts that a program interprets.
fn users(files: &FileSystem, plan: &Plan<'_>, judge: &Judge<'_>, node: NodeId) -> Vec<NodeId> {
    let tree = &files.tree;
    let Some(target) = followed(tree, node) else {
        return Vec::new();
    };
    let names = library_names(files, target);
    let is_program = judge.is_program(target);
    let uses = |other: &NodeId| {
        if *other == target || tree.size(*other) == 0 {
            return false;
        }
        if is_program && judge.interpreter(*other) == Some(target) {
            return true;
        }
        if names.is_empty() {
            return false;
        }
        let needed = object(files, *other).map_or(Vec::new(), |object| object.needed);
        needed.iter().any(|name| names.contains(name))
    };
    let mut found: Vec<NodeId> = tree.walk(tree.root()).filter(uses).collect();
    // Those that stay, if any, ask for it in vain.
    found.sort_by_key(|user| !plan.keeps(*user));
    found
}

/// Follows a symbolic link to a regular file.
fn followed(tree: &Tree, node: NodeId) -> Option<NodeId> {
    let target = tree.resolve(&tree.absolute(node)).ok()?.node;
    matches!(tree.kind(target), NodeKind::File(_)).then_some(target)
}

fn object(files: &FileSystem, node: NodeId) -> Option<elf::Object> {
    let content = files.tree.content(node)?;
    let contents = &files.contents;
    elf::parse(TreeFile { contents, content }).ok()?
}

/// Returns the names by which a library is asked for; none for what is no library.
fn library_names(files: &FileSystem, node: NodeId) -> BTreeSet<Vec<u8>> {
    let tree = &files.tree;
    let Some(object) = object(files, node).filter(|object| object.interpreter.is_none()) else {
        return BTreeSet::new();
    };
    let own = tree.name(node).to_vec();
    object.soname.into_iter().chain([own]).collect()
}

/// Returns kept files near a path: of its package, then in its directory, those
/// whose names are most alike first.
fn relatives(plan: &Plan<'_>, judge: &Judge<'_>, node: NodeId) -> Vec<NodeId> {
    let tree = &plan.files.tree;
    let alike = |other: &NodeId| {
        let (one, two) = (tree.path(node), tree.path(*other));
        let common = one.iter().zip(&two).take_while(|(a, b)| a == b).count();
        (std::cmp::Reverse(common), *other)
    };
    let owner = plan.packages.owner(node);
    let mut found = owner.map_or_else(Vec::new, |owner| judge.kept_files(owner));
    if found.is_empty() && node != tree.root() {
        let siblings = tree.children(tree.parent(node)).into_iter();
        found = siblings
            .filter(|other| *other != node && plan.keeps(*other) && !tree.is_directory(*other))
            .collect();
    }
    found.sort_by_key(alike);
    found.truncate(NAMED);
    found
}
