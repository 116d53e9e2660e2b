//! `jettison why`: the chain of reasons for a path.

use jettison::slim::{self, Seen};
use serde_json::json;

use super::Answer;
use super::subject::Subject;
use crate::session::Session;
use crate::size::human;

/// Say why a path stays in the slim image: the chain from the entry point to it
///
/// IMAGE is the original. Exit code 1 when the path does not stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison why redis:debian /usr/lib/x86_64-linux-gnu/libssl.so.3
  jettison slim web:1 --save-trace web.trace && jettison why web:1 /srv/data --trace web.trace")]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let keep = &args.subject.keep;
    let found = args.subject.find(session)?;
    let tree = &found.files.tree;
    let trace = keep.seen()?;
    let seen = Seen {
        trace: trace.as_ref().into(),
        ..Seen::NOTHING
    };
    let options = keep.options();
    let spool = session.load_options().spool;
    let plan = slim::plan(&found.image, &found.files, &options, &seen)?.lighten(&options, spool)?;
    let show = |node| layer::display(&tree.absolute(node)).into_owned();
    let chain = plan.closure.graph.chain(found.node);
    let package = plan.package_name(found.node);
    if chain.is_empty() || !plan.keeps(found.node) {
        let owner = package
            .map(|p| format!(" (package {p})"))
            .unwrap_or_default();
        let text = format!(
            "{}{owner} is removed: nothing kept needs it\n",
            show(found.node)
        );
        session.ui.result(
            &json!({ "path": show(found.node), "kept": false, "package": package }),
            &text,
        )?;
        if trace.is_none() {
            let status = "the image was read, not run: --trace FILE adds what a run has seen";
            session.ui.status(status);
        }
        return Ok(Answer::No);
    }
    let mut text = String::new();
    let mut links = Vec::new();
    for (depth, (node, edge)) in chain.iter().enumerate() {
        let indent = "  ".repeat(depth);
        let detail = if edge.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", edge.detail)
        };
        let by = if edge.from.is_some() { " of" } else { "" };
        text.push_str(&format!(
            "{indent}{}\n{indent}  is {}{detail}{by}\n",
            show(*node),
            edge.evidence.name()
        ));
        links.push(json!({
            "path": show(*node), "reason": edge.evidence, "detail": edge.detail,
            "by": edge.from.map(show), "package": plan.package_name(*node),
        }));
    }
    let lighter = plan.lighter.get(&found.node);
    if let Some(lighter) = lighter {
        let (size, whole) = (plan.files.tree.size(found.node), lighter.whole);
        text.push_str(&format!(
            "{} stay of {}: it is without {}\n",
            human(size),
            human(whole),
            lighter.without
        ));
    }
    let value = json!({
        "path": show(found.node), "kept": true, "chain": links, "lighter": lighter,
    });
    session.ui.result(&value, &text)?;
    Ok(Answer::Yes)
}
