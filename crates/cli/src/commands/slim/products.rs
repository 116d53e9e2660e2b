//! What slimming gives besides the image.

use std::path::Path;

use image::Image;
use jettison::seccomp;
use jettison::slim::Plan;
use serde::Serialize;

use super::write_file;
use crate::session::Session;

/// What became of `--seccomp`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seccomp {
    /// Calls that the profile allows.
    allowed: usize,
    /// Calls that Docker's default profile allows.
    default: usize,
    /// Programs and libraries whose code was read.
    objects: usize,
    /// Those because of which all that the default allows is allowed.
    unread: Vec<Unread>,
    #[serde(skip)]
    path: String,
}

#[derive(Debug, Serialize)]
struct Unread {
    path: String,
    reason: &'static str,
}

type Inspection = Box<dyn std::error::Error + Send + Sync>;

/// Writes the seccomp profile of what stays.
pub(super) fn seccomp(plan: &Plan<'_>, image: &Image, path: &Path) -> Result<Seccomp, Inspection> {
    let architecture = image.platform().architecture;
    let profile = seccomp::profile(plan.files, &architecture, |node| plan.keeps(node))?;
    let mut text = serde_json::to_vec_pretty(&profile.document())?;
    text.push(b'\n');
    write_file(path, &text)?;
    let tree = &plan.files.tree;
    let unread = profile.unread.iter().map(|(node, reason)| Unread {
        path: layer::display(&tree.absolute(*node)).into_owned(),
        reason,
    });
    Ok(Seccomp {
        allowed: profile.allowed().len(),
        default: profile.default_allowed().len(),
        objects: profile.objects,
        unread: unread.collect(),
        path: path.display().to_string(),
    })
}

/// Says how much the profile allows, and why it is not less.
pub(super) fn tell_seccomp(profile: &Seccomp, session: &Session<'_>) {
    let Seccomp {
        allowed,
        default,
        objects,
        path,
        ..
    } = profile;
    session.ui.status(&format!(
        "{path} allows {allowed} of the {default} system calls that Docker's default does \
         (code of {objects} programs and libraries)"
    ));
    if let Some(first) = profile.unread.first() {
        let more = match profile.unread.len() {
            1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        session.ui.warning(&format!(
            "all that the default allows is in it, because of `{}`: {}{more}",
            first.path, first.reason
        ));
    }
}
