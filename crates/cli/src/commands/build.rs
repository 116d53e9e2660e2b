//! `jettison build`: a Dockerfile to an image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use image::{Image, Name};
use jettison::build::{self, Surroundings};
use sandbox::Limit;
use serde_json::json;

use super::Answer;
use crate::build_input;
use crate::build_options::{cache_reference, options, outputs};
use crate::build_output::{Output, Show};
use crate::error::Usage;
use crate::rootless;
use crate::session::Session;
use crate::size::human;
use crate::ui::{Ui, table};

/// Build an image from a Dockerfile, without a daemon and without root
///
/// Flags are those of `docker build`. The result is in the local store; `-o` writes it
/// elsewhere too. SOURCE_DATE_EPOCH makes the result reproducible.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison build -t web .
  jettison build -t web --target test --build-arg GO_VERSION=1.22 -f docker/Dockerfile .
  jettison build -t web -o docker-daemon:web https://git.example/web.git#main
  jettison build -o ./files .
  tar c . | jettison build -t web -")]
pub(crate) struct Args {
    /// Directory, repository (URL[#REF[:DIR]]), or - for a tar or a Dockerfile on stdin
    #[arg(default_value = ".", value_name = "CONTEXT")]
    pub(crate) context: String,
    /// The Dockerfile, - for stdin [default: Dockerfile in the context]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Name of the result in the local store (repeatable)
    #[arg(long, short, value_name = "NAME")]
    pub(crate) tag: Vec<String>,
    /// Write the result elsewhere too: TRANSPORT:REF, a directory, or type=TYPE,dest=PATH (repeatable)
    #[arg(long, short, value_name = "DEST")]
    pub(crate) output: Vec<String>,
    /// Give the result to the container engine of this machine
    #[arg(long)]
    pub(crate) load: bool,
    /// Send the result to its registry
    #[arg(long = "push")]
    pub(crate) send: bool,
    /// The stage to build: name or number [default: the last]
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Value of an ARG; without one, that of the variable here (repeatable)
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) build_arg: Vec<String>,
    /// A further context that FROM and --from can name: a directory, or docker-image://IMAGE (repeatable)
    #[arg(long, value_name = "NAME=CONTEXT")]
    pub(crate) build_context: Vec<String>,
    /// Label of the result (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// Do all steps anew, or those of these stages
    #[arg(long, value_name = "STAGE", num_args = 0..=1, require_equals = true, default_missing_value = "", value_delimiter = ',')]
    pub(crate) no_cache: Vec<String>,
    /// Do the steps of these stages anew (as docker buildx writes it)
    #[arg(long, value_name = "STAGE", value_delimiter = ',', hide = true)]
    pub(crate) no_cache_filter: Vec<String>,
    /// Take remembered steps from there: TRANSPORT:REF, or type=registry,ref=NAME (repeatable)
    #[arg(long, value_name = "SOURCE")]
    pub(crate) cache_from: Vec<String>,
    /// Write the steps of this build there, for other machines (repeatable)
    #[arg(long, value_name = "DEST")]
    pub(crate) cache_to: Vec<String>,
    /// Make the new layers one; the base's stay
    #[arg(long)]
    pub(crate) squash: bool,
    /// Make all layers one
    #[arg(long, conflicts_with = "squash")]
    pub(crate) squash_all: bool,
    /// Open a shell where a command failed
    #[arg(long)]
    pub(crate) debug_shell: bool,
    /// Copy all files for every RUN in place of overlayfs
    #[arg(long, hide = true)]
    pub(crate) no_overlay: bool,
    /// Ask registries for newer bases
    #[arg(long)]
    pub(crate) pull: bool,
    /// What RUN reaches: what this machine reaches, or nothing
    #[arg(long, value_enum, default_value_t = NetworkFlag::Default)]
    pub(crate) network: NetworkFlag,
    /// A name that RUN knows (repeatable)
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub(crate) add_host: Vec<String>,
    /// A secret for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME (repeatable)
    #[arg(long, value_name = "id=ID[,src=FILE|,env=NAME]")]
    pub(crate) secret: Vec<String>,
    /// An agent for RUN --mount=type=ssh: default, or ID=SOCKET (repeatable)
    #[arg(long, value_name = "ID[=SOCKET]")]
    pub(crate) ssh: Vec<String>,
    /// File in place of .dockerignore
    #[arg(long, value_name = "FILE")]
    pub(crate) ignorefile: Option<PathBuf>,
    /// No file is younger than this, and the image is made then [default: SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timestamp: Option<i64>,
    /// Write the id of the image to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write what is known of the result to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// Bound on what each command of RUN uses: NAME=SOFT[:HARD] as ulimit has them (repeatable)
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = limit)]
    pub(crate) ulimit: Vec<Limit>,
    /// Size of /dev/shm for RUN
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = crate::size::parse_memory)]
    pub(crate) shm_size: u64,
    /// How much is shown of the steps
    #[arg(long, value_enum, default_value_t = ProgressFlag::Auto)]
    pub(crate) progress: ProgressFlag,
    /// Accepted as docker's: nothing is left behind
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) rm: Option<String>,
    /// Accepted as docker's
    #[arg(long, hide = true)]
    pub(crate) force_rm: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum NetworkFlag {
    Default,
    Host,
    None,
}

/// How much is shown of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProgressFlag {
    Auto,
    Plain,
    Tty,
    Quiet,
}

fn limit(text: &str) -> Result<Limit, String> {
    Limit::parse(text).ok_or_else(|| {
        format!("`{text}` is no limit; use for instance nofile=1024:4096, nproc=100 or core=0")
    })
}

pub(crate) fn run<'u>(
    args: &Args,
    session: impl FnOnce() -> anyhow::Result<Session<'u>>,
    ui: &Ui,
) -> anyhow::Result<Answer> {
    let Some(ids) = rootless::ids() else {
        return rootless::again();
    };
    if args.progress == ProgressFlag::Tty && !ui.animates() {
        return Err(Usage::error(
            "--progress=tty needs a terminal on stderr",
            "plain and auto do without",
        ));
    }
    let session = session()?;
    let names = args
        .tag
        .iter()
        .map(|tag| Name::parse(tag))
        .collect::<Result<Vec<_>, _>>()?;
    let outputs = outputs(args, &names)?;
    let input = build_input::open(&session, &args.context, args.file.as_deref())?;
    let options = options(args, &session, &input)?;
    let show = Show::new(ui, args.progress);
    let guard = session.store.writing()?;
    for text in &args.cache_from {
        import_cache(text, &session)?;
    }
    let surroundings = Surroundings {
        store: &session.store,
        remote: session.remote(),
        context: session.context(),
        ids: &ids,
        report: &show,
    };
    let build::Built { image, cache } = build::build(&options, surroundings)?;
    for name in &names {
        session.store.tag(&image, name, BTreeMap::new())?;
    }
    if names.is_empty() {
        session.store.keep(&image)?;
    }
    drop(guard);
    for output in &outputs {
        output.write(&session, &image, names.first())?;
        ui.status(&format!("wrote {output}"));
    }
    for text in &args.cache_to {
        let reference = cache_reference(text, "dest")?;
        session.write(&cache, &reference, None)?;
        ui.status(&format!("wrote the cache to {reference}"));
    }
    remember(args, &image, &names)?;
    if outputs.iter().any(Output::takes_stdout) {
        return Ok(Answer::Yes);
    }
    tell(ui, &image, &names)
}

/// Remembers the steps of a cache. One that is not there yet is no error.
fn import_cache(text: &str, session: &Session<'_>) -> anyhow::Result<()> {
    let reference = cache_reference(text, "src")?;
    match session.open(&reference) {
        Ok(opened) => {
            build::import_cache(&opened.image, &session.store, session.context())?;
        }
        Err(error) => session
            .ui
            .warning(&format!("no cache from {reference}: {error}")),
    }
    Ok(())
}

/// Writes the files that say what was made.
fn remember(args: &Args, image: &Image, names: &[Name]) -> anyhow::Result<()> {
    let id = image.id().to_string();
    let write = |path: &PathBuf, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(|source| image::Error::File {
            verb: "write",
            path: path.clone(),
            source,
        })
    };
    if let Some(path) = &args.iidfile {
        write(path, id.as_bytes())?;
    }
    if let Some(path) = &args.metadata_file {
        let familiar: Vec<String> = names.iter().map(Name::familiar).collect();
        let metadata = json!({
            "containerimage.config.digest": id,
            "containerimage.digest": image.digest(),
            "image.name": familiar.join(","),
        });
        write(path, &serde_json::to_vec_pretty(&metadata)?)?;
    }
    Ok(())
}

/// Says what was made.
fn tell(ui: &Ui, image: &Image, names: &[Name]) -> anyhow::Result<Answer> {
    let id = image.id().to_string();
    let familiar: Vec<String> = names.iter().map(Name::familiar).collect();
    let layers: Vec<_> = image.layers().map(|layer| json!({ "digest": layer.descriptor.digest, "diff_id": layer.diff_id, "size": layer.descriptor.size })).collect();
    let value = json!({ "names": familiar, "id": id, "digest": image.digest(), "compressed": image.stored_size(), "layers": layers });
    let shown = if familiar.is_empty() {
        vec!["-".to_owned()]
    } else {
        familiar
    };
    let rows: Vec<Vec<String>> = shown
        .into_iter()
        .map(|name| {
            vec![
                name,
                image.id().short(),
                image.layers().len().to_string(),
                human(image.stored_size()),
            ]
        })
        .collect();
    let text = if ui.is_quiet() {
        format!("{id}\n")
    } else {
        table(&["IMAGE", "IMAGE ID", "LAYERS", "COMPRESSED"], &rows)
    };
    ui.result(&value, &text)?;
    Ok(Answer::Yes)
}
