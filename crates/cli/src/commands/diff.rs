//! `jettison diff`: what differs between two images.

use image::{FileSystem, Image, Progress as _, Reference};
use jettison::diff::{self, Ignore, Side};

use super::Answer;
use crate::render;
use crate::session::Session;

/// Show what differs between two images: paths, settings, sizes by package and directory
///
/// Paths are marked as by `docker diff`: A added, D removed, C changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison diff app:1.2 app:1.3
  jettison diff app:1.2 docker-archive:app.tar --ignore times
  jettison diff app:1.2 app:squashed --exit-code --quiet")]
pub(crate) struct Args {
    /// The first image
    old: String,
    /// The second
    new: String,
    /// Exit with 1 when they differ
    #[arg(long)]
    exit_code: bool,
    /// Do not compare these (repeatable)
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    ignore: Vec<What>,
    /// Lines of each list of sizes; 0 leaves them out
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Modification times
    Times,
    /// Owner and group
    Owner,
    /// Permission bits
    Mode,
    /// Extended attributes
    Xattrs,
    /// Which names are hard links of each other
    Links,
    /// The bytes of files of the same size
    Content,
    /// The settings of the image
    Config,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let (old, old_files) = open(&args.old, session)?;
    let (new, new_files) = open(&args.new, session)?;
    let ignores = |what| args.ignore.contains(&what);
    let ignore = Ignore {
        times: ignores(What::Times),
        owner: ignores(What::Owner),
        mode: ignores(What::Mode),
        xattrs: ignores(What::Xattrs),
        links: ignores(What::Links),
        content: ignores(What::Content),
    };
    let side = |image, files| Side { image, files };
    let mut difference = diff::compare(side(&old, &old_files), side(&new, &new_files), ignore)?;
    if ignores(What::Config) {
        difference.config.clear();
    }
    session.ui.end();
    let text = render::difference::text(&difference, args.top);
    session.ui.result(&difference, &text)?;
    Ok(if args.exit_code && !difference.is_empty() {
        Answer::No
    } else {
        Answer::Yes
    })
}

fn open(reference: &str, session: &Session<'_>) -> anyhow::Result<(Image, FileSystem)> {
    let image = session.open(&Reference::parse(reference)?)?.image;
    session.ui.begin("reading", Some(image.stored_size()));
    let files = FileSystem::load(&image, session.load_options())?;
    Ok((image, files))
}
