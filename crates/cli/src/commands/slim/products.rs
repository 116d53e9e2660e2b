//! What slimming gives besides the image.

use std::path::{Path, PathBuf};

use image::{Image, Name, Reference};
use jettison::seccomp;
use jettison::slim::Plan;
use jettison::slim::origin::Origin;
use jettison::slim::recipe::Recipe;
use jettison::slim::report::Summary;
use layer::codec::gzip::{Level, ParallelGzip};
use serde::Serialize;

use super::write_file;
use crate::error::Usage;
use crate::render;
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
    let profile = seccomp::profile(&plan.files, &architecture, |node| plan.keeps(node))?;
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

/// What is known of a Dockerfile before anything is read.
#[derive(Debug)]
pub(super) struct Dockerfile {
    path: PathBuf,
    /// What stands after `FROM`.
    source: String,
    result: String,
}

/// A Dockerfile and what lies beside it, not written yet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenOut {
    dockerfile: PathBuf,
    archive: PathBuf,
    /// Groups of files that are copied.
    groups: usize,
    /// What the instructions cannot express.
    lacks: Vec<String>,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    bytes: Vec<u8>,
}

impl Dockerfile {
    /// Prepares to write a Dockerfile that builds `result` from the image that `origin` leads to.
    pub(super) fn new(path: &Path, origin: &Origin, result: &str) -> anyhow::Result<Self> {
        let name = match (&origin.reference, &origin.name) {
            (Some(Reference::Registry(place)), name) => {
                let digest = place.digest.or(origin.digest);
                let named = name.as_ref().unwrap_or(place);
                Name {
                    digest,
                    ..named.clone()
                }
            }
            (_, Some(name)) => name.clone(),
            (_, None) => {
                return Err(Usage::error(
                    "the image has no name that a Dockerfile could begin with",
                    "give it one: `jettison copy IMAGE NAME`, then slim NAME",
                ));
            }
        };
        if path.file_name().is_none() {
            return Err(Usage::error(
                format!("`{}` is no name of a file", path.display()),
                "name the Dockerfile, as in --write-dockerfile slim/Dockerfile",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            source: name.familiar(),
            result: result.to_owned(),
        })
    }

    /// Describes what stays.
    pub(super) fn describe(
        &self,
        plan: &Plan<'_>,
        image: &Image,
        summary: &Summary,
        threads: usize,
    ) -> Result<WrittenOut, Inspection> {
        let recipe = Recipe::new(plan, image.config())?;
        let mut archive = self.path.clone().into_os_string();
        archive.push(".tar.gz");
        let archive = PathBuf::from(archive);
        let base = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        let names = render::recipe::Names {
            source: &self.source,
            result: &self.result,
            dockerfile: &base(&self.path),
            archive: &base(&archive),
        };
        let packed = ParallelGzip::new(Vec::new(), Level::DEFAULT, threads);
        let bytes = recipe.write_archive(plan, packed)?.finish()?;
        Ok(WrittenOut {
            dockerfile: self.path.clone(),
            text: render::recipe::text(&recipe, summary, &names),
            groups: recipe.groups.len(),
            lacks: recipe.lacks,
            archive,
            bytes,
        })
    }
}

impl WrittenOut {
    /// Writes both files.
    pub(super) fn write(&self, session: &Session<'_>) -> anyhow::Result<()> {
        write_file(&self.dockerfile, self.text.as_bytes())?;
        write_file(&self.archive, &self.bytes)?;
        session.ui.status(&format!(
            "wrote {} and {}",
            self.dockerfile.display(),
            self.archive.display()
        ));
        for lack in &self.lacks {
            session.ui.warning(&format!(
                "what the Dockerfile builds is not the same: {lack}"
            ));
        }
        Ok(())
    }
}
