//! `jettison why-not`: which rule drops a path, and what would keep it.

use jettison::closure::decision::{Dispensable, Rule};
use jettison::packages::PackageId;
use jettison::slim::why_not::{self, Decided, Remedy, WhyNot};
use jettison::slim::{Plan, Seen};
use layer::NodeId;
use serde_json::{Value, json};

use super::Answer;
use super::subject::Subject;
use crate::session::Session;
use crate::size::human;
use crate::ui::table;

/// Say why a path does not stay in the slim image, what would keep it, and at which price
///
/// IMAGE is the original. Of a directory, what goes below it is counted by
/// rule. The price is measured: the search is made once more with each flag.
/// Exit code 1 when the path stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison why-not redis:debian /usr/bin/perl
  jettison why-not redis:debian /usr/share/doc --json")]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let keep = &args.subject.keep;
    let found = args.subject.find(session)?;
    let options = keep.options();
    let trace = keep.seen()?;
    let seen = Seen {
        trace: trace.as_ref().into(),
        ..Seen::NOTHING
    };
    let plan = jettison::slim::plan(&found.image, &found.files, &options, &seen)?;
    let answer = Told {
        plan: &plan,
        node: found.node,
        image: found.source.to_string(),
    };
    let stays = plan.keeps(found.node);
    if stays && answer.is_whole() {
        let value = json!({ "path": answer.show(found.node), "kept": true });
        session.ui.result(&value, &answer.stays())?;
        return Ok(Answer::No);
    }
    let why = why_not::explain(&found.image, &plan, &options, &seen, found.node)?;
    session
        .ui
        .result(&answer.json(&why, stays), &answer.text(&why, stays))?;
    Ok(if stays { Answer::No } else { Answer::Yes })
}

/// What is told, and in whose words.
struct Told<'a> {
    plan: &'a Plan<'a>,
    node: NodeId,
    image: String,
}

impl Told<'_> {
    fn show(&self, node: NodeId) -> String {
        layer::display(&self.plan.files.tree.absolute(node)).into_owned()
    }

    /// Returns whether nothing below the path goes.
    fn is_whole(&self) -> bool {
        let mut below = self.plan.files.tree.walk(self.node);
        below.all(|node| self.plan.keeps(node))
    }

    fn stays(&self) -> String {
        let path = self.show(self.node);
        format!(
            "{path} stays; `jettison why {} {path}` says for what\n",
            self.image
        )
    }

    fn text(&self, why: &WhyNot, stays: bool) -> String {
        let mut text = if stays { self.stays() } else { String::new() };
        let path = self.show(self.node);
        let package = self.plan.package_name(self.node);
        let owner = package.map(|name| format!("package {name}, "));
        let (owner, size) = (owner.unwrap_or_default(), human(why.size));
        match why.entries {
            0 | 1 => text.push_str(&format!("{path} ({owner}{size}) goes\n")),
            n => text.push_str(&format!("{path}: {n} paths of it ({owner}{size}) go\n")),
        }
        for decided in &why.rules {
            let words = self.words(decided);
            match why.entries {
                0 | 1 => text.push_str(&format!("  {}: {words}\n", decided.rule.name())),
                _ => text.push_str(&format!(
                    "  {}: {words} ({} paths, {})\n",
                    decided.rule.name(),
                    decided.entries,
                    human(decided.size)
                )),
            }
        }
        text.push_str(&self.nearby(why));
        if why.remedies.is_empty() {
            return text;
        }
        let rows: Vec<Vec<String>> = why.remedies.iter().map(|r| self.row(r)).collect();
        text.push_str("\nIt would stay with\n\n");
        text.push_str(&table(&["FLAG", "ADDS", "PATHS", "LARGEST BESIDES"], &rows));
        text
    }

    fn row(&self, remedy: &Remedy) -> Vec<String> {
        let flag = match (remedy.instead, remedy.value.is_empty()) {
            (true, _) => format!("no {} {}", remedy.flag, remedy.value),
            (false, true) => remedy.flag.to_owned(),
            (false, false) => format!("{} {}", remedy.flag, remedy.value),
        };
        let largest = remedy.largest.first().map_or_else(String::new, |node| {
            format!(
                "{} {}",
                self.show(*node),
                human(self.plan.files.tree.size(*node))
            )
        });
        vec![
            flag,
            human(remedy.cost),
            remedy.entries.to_string(),
            largest,
        ]
    }

    /// What is close to staying, and what is close to it and stays.
    fn nearby(&self, why: &WhyNot) -> String {
        let mut text = String::new();
        let list = |nodes: &[NodeId]| {
            let shown: Vec<String> = nodes.iter().take(5).map(|node| self.show(*node)).collect();
            match nodes.len() - shown.len() {
                0 => shown.join(", "),
                more => format!("{} and {more} more", shown.join(", ")),
            }
        };
        if !why.users.is_empty() {
            let stay = why.users.iter().filter(|n| self.plan.keeps(**n)).count();
            let they = match stay {
                0 => "going as well".to_owned(),
                n => format!("of which {n} stay"),
            };
            text.push_str(&format!("  used by {}, {they}\n", list(&why.users)));
        }
        if !why.dependents.is_empty() {
            let name = |(id, kept): &(_, bool)| {
                let name = &self.plan.packages.package(*id).name;
                match kept {
                    true => format!("{name} (of which something stays)"),
                    false => name.clone(),
                }
            };
            let shown: Vec<String> = why.dependents.iter().take(5).map(name).collect();
            let more = match why.dependents.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            text.push_str(&format!(
                "  its package is installed for {}{more}\n",
                shown.join(", ")
            ));
        }
        for node in &why.relatives {
            let reason = self.plan.evidence(*node).map_or("", |e| e.name());
            text.push_str(&format!("  nearby stays {} ({reason})\n", self.show(*node)));
        }
        text
    }

    /// The rule in a sentence.
    fn words(&self, decided: &Decided) -> String {
        let of = |id: &PackageId| match decided.entries {
            0 | 1 => format!("package {}", self.plan.packages.package(*id).name),
            _ => "a package".to_owned(),
        };
        match &decided.rule {
            Rule::Excluded(pattern) => format!("--exclude {pattern} drops it"),
            Rule::Purpose(_) => purpose(decided.rule.name()).to_owned(),
            Rule::VersionControl => "history of version control, which nothing runs".to_owned(),
            Rule::CompiledSource => {
                "source or intermediate result of a compiler; its programs stay".to_owned()
            }
            Rule::Dispensable(Dispensable::Accelerator) => {
                "it only makes its program faster, which does without it and says no error"
                    .to_owned()
            }
            Rule::Dispensable(Dispensable::IdleDriver) => {
                "the driver of a device that a container does not have".to_owned()
            }
            Rule::Dispensable(Dispensable::Superseded) => {
                "a first state from when it was installed; the run made its own elsewhere"
                    .to_owned()
            }
            Rule::Repeated => "the same is kept under another name".to_owned(),
            Rule::BuildCache => {
                "a cache of builds or installers, which may be thrown away".to_owned()
            }
            Rule::InterpreterGoes(node) => {
                format!("a script for {}, which nothing kept runs", self.show(*node))
            }
            Rule::InterpreterMissing => "a script whose interpreter is not in the image".to_owned(),
            Rule::LargeCompanion { beside, cost } => format!(
                "comes with {}, but nothing kept asks for it, and it would add {}",
                beside.map_or_else(|| "its package".to_owned(), |node| self.show(node)),
                human(*cost)
            ),
            Rule::Base(id) => format!(
                "of the base system ({}) only what something kept asks for stays, and nothing \
                 asks for this",
                of(id)
            ),
            Rule::UnusedPackage(id) => format!("nothing of {} is used", of(id)),
            Rule::LibrariesOnly(id) => format!(
                "of {} only libraries are used, and this is no part of them",
                of(id)
            ),
            Rule::Unseen => {
                "programs could ask for it, but none was seen to, and --level traced keeps no more"
                    .to_owned()
            }
            Rule::Unnamed => "nothing kept names it".to_owned(),
            rule => rule.name().to_owned(),
        }
    }

    fn json(&self, why: &WhyNot, stays: bool) -> Value {
        let show = |nodes: &[NodeId]| -> Vec<String> {
            nodes.iter().map(|node| self.show(*node)).collect()
        };
        let rules: Vec<Value> = why
            .rules
            .iter()
            .map(|decided| {
                json!({
                    "rule": decided.rule.name(), "detail": self.words(decided),
                    "entries": decided.entries, "size": decided.size,
                })
            })
            .collect();
        let dependents: Vec<Value> = why
            .dependents
            .iter()
            .map(|(id, kept)| {
                json!({ "package": self.plan.packages.package(*id).name, "kept": kept })
            })
            .collect();
        let relatives: Vec<Value> = why
            .relatives
            .iter()
            .map(|node| json!({ "path": self.show(*node), "reason": self.plan.evidence(*node) }))
            .collect();
        let remedies: Vec<Value> = why
            .remedies
            .iter()
            .map(|remedy| {
                json!({
                    "flag": remedy.flag, "value": remedy.value, "omit": remedy.instead,
                    "adds": remedy.cost, "entries": remedy.entries, "largest": show(&remedy.largest),
                })
            })
            .collect();
        json!({
            "path": self.show(self.node), "kept": stays,
            "package": self.plan.package_name(self.node),
            "size": why.size, "entries": why.entries, "rules": rules, "usedBy": show(&why.users),
            "dependents": dependents, "nearby": relatives, "remedies": remedies,
        })
    }
}

/// What a class of paths is for, in words.
fn purpose(name: &str) -> &'static str {
    match name {
        "license" => "a licence text: for people, not for programs",
        "documentation" => "manuals and the like: for people, not for programs",
        "locale" => "another language than the image sets with LANG",
        "building" => "needed to build other software, not to run this",
        "debugging" => "symbols for debuggers",
        "shell-completion" => "help for people who type in a shell",
        "package-checks" => "for checkers of packages",
        "service-manager" => "for a service manager, which a container does not have",
        "housekeeping" => "for cron or logrotate, which a container does not run",
        "security-policy" => "policy of the host's security modules",
        "desktop" => "for a graphical desktop",
        "devices" => "for the host's kernel and devices",
        "package-database" => {
            "the package manager's own; what scanners read is written anew from it"
        }
        _ => "not for run time",
    }
}
