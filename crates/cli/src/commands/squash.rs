//! `jettison squash`: several layers into one.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use image::{Compression, Image, Name, Progress as _, Reference};
use jettison::squash::select::Selection;
use jettison::squash::{self, Options, Range, sharing};
use serde_json::json;

use super::Answer;
use crate::error::Usage;
use crate::session::Session;
use crate::size::human;
use crate::ui::table;

/// Merge layers into one: deleted and overwritten bytes go, all that one sees stays
///
/// All layers are merged, but for those of the base of an image that names its
/// base (org.opencontainers.image.base.name). `docker save X | jettison squash - |
/// docker load` works; the flags of docker-squash do what they do there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  jettison squash app:1.2 -o docker-daemon:app:squashed
  docker save app:1.2 | jettison squash - -t app:squashed | docker load
  jettison squash app:1.2 --last 3
  jettison squash app:1.2 --from 'COPY . /app' --recompress zstd:19 -o oci:small
  jettison squash app:1.2 --dedupe")]
pub(crate) struct Args {
    /// The image; `-` reads an archive from standard input
    image: String,
    /// Name of the result [default: NAME:TAG-squashed]
    #[arg(long, short, value_name = "NAME")]
    tag: Option<String>,
    /// Write the result elsewhere too; `-` is standard output (repeatable)
    #[arg(long, short, value_name = "TRANSPORT:REF")]
    output: Vec<String>,
    /// Write the result to this file, as `docker save` does
    #[arg(long, value_name = "FILE")]
    output_path: Option<PathBuf>,
    /// Load the result into the container engine
    #[arg(long)]
    load_image: bool,
    #[command(flatten)]
    which: Which,
    /// Keep the layers, but store each file once, where its bytes came first; the result is proven
    #[arg(long)]
    dedupe: bool,
    /// Comment of the new line of the history
    #[arg(long, short, value_name = "TEXT", conflicts_with = "dedupe")]
    message: Option<String>,
    /// Compress all layers: zstd[:LEVEL] or gzip[:LEVEL]
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    recompress: Option<Compression>,
    /// Compare all files of the result with the original before it is written
    #[arg(long)]
    verify: bool,
}

/// Which layers are merged.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which layers")]
#[group(multiple = false)]
struct Which {
    /// All, those of the base too
    #[arg(long)]
    all: bool,
    /// The last N
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// From one to another, as `analyze` numbers them, both included: 2..5, 2..
    #[arg(long, value_name = "FIRST..LAST", value_parser = Selection::parse_range)]
    range: Option<Selection>,
    /// From the one with this number, digest or instruction on
    #[arg(long, value_name = "LAYER|INSTRUCTION")]
    from: Option<String>,
    /// As docker-squash has it: the last N lines of the history, or all above a layer or an image
    #[arg(long, short, value_name = "N|LAYER|IMAGE")]
    from_layer: Option<String>,
    /// All above those that this image has too [default: the base that the image names]
    #[arg(long, value_name = "IMAGE", num_args = 0..=1, default_missing_value = "")]
    keep_base: Option<String>,
}

/// OCI image specification, "Pre-Defined Annotation Keys".
const BASE_NAME: &str = "org.opencontainers.image.base.name";

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let piped = args.image == "-";
    let spooled = if piped {
        Some(read_input(session)?)
    } else {
        None
    };
    let source = match &spooled {
        Some(file) => Reference::Path(file.path().to_path_buf()),
        None => Reference::parse(&args.image)?,
    };
    let outputs = outputs(args)?;
    let to_stdout = args.output.iter().any(|output| output == "-")
        || piped && outputs.is_empty() && !args.load_image;
    if to_stdout && std::io::stdout().is_terminal() {
        return Err(Usage::error(
            "an image is not written to a terminal",
            "pipe it to `docker load`, or name a file with -o docker-archive:FILE",
        ));
    }
    let opened = session.open(&source)?;
    let own = opened.name.clone().or_else(|| source.name());
    let name = match (&args.tag, &own) {
        (Some(tag), _) => Name::parse(tag)?,
        (None, Some(name)) => name.with_tag_suffix("-squashed"),
        (None, None) => {
            return Err(Usage::error(
                format!("`{}` has no name to derive the result's from", args.image),
                "name the result with -t NAME",
            ));
        }
    };
    let selection = args.which.selection(&opened.image, session)?;
    let range = selection.resolve(&opened.image)?;
    warn_of_sharing(&opened.image, range, session)?;
    let options = Options {
        range,
        dedupe: args.dedupe,
        message: args.message.clone(),
    };
    let ui = session.ui;
    ui.begin("squashing", Some(opened.image.stored_size()));
    let squashed = squash::squash(
        &opened.image,
        &options,
        session.load_options(),
        session.context(),
    )?;
    if args.dedupe || args.verify {
        ui.begin("comparing", None);
        squash::prove(&opened.image, &squashed.image, session.load_options())?;
    }
    let mut result = squashed.image;
    if let Some(how) = args.recompress {
        ui.begin("compressing", Some(result.stored_size()));
        result = image::recompress(&result, how, session.context())?;
    }
    ui.begin("writing", Some(result.stored_size()));
    let mut compressed = None;
    if to_stdout {
        session.write_to_stdout(&result, &name)?;
    } else if !piped || args.tag.is_some() && outputs.is_empty() {
        let written = session.write(&result, &Reference::Name(name.clone()), Some(&name))?;
        let stored = session.open(&Reference::Name(name.clone()))?.image;
        compressed = (written.manifest.digest == stored.digest()).then(|| stored.stored_size());
    }
    for output in &outputs {
        session.write(&result, output, Some(&name))?;
        ui.status(&format!("wrote {output}"));
    }
    ui.end();
    let before = opened.image.layers().len();
    let after = result.layers().len();
    let stored = |image: &Image| {
        let packed = image
            .layers()
            .all(|layer| layer.descriptor.digest != layer.diff_id);
        packed.then(|| image.stored_size())
    };
    let sizes = |compressed: Option<u64>| compressed.map_or_else(|| "-".to_owned(), human);
    let old_name = own.map_or_else(|| args.image.clone(), |name| name.familiar());
    let text = table(
        &["IMAGE", "LAYERS", "UNPACKED", "COMPRESSED"],
        &[
            vec![
                old_name.clone(),
                before.to_string(),
                human(squashed.unpacked_before),
                sizes(stored(&opened.image)),
            ],
            vec![
                name.familiar(),
                after.to_string(),
                human(squashed.unpacked_after),
                sizes(compressed.or_else(|| stored(&result))),
            ],
        ],
    );
    if to_stdout {
        ui.status(text.trim_end());
        return Ok(Answer::Yes);
    }
    let value = json!({
        "name": name.familiar(), "id": result.id(),
        "merged": { "first": range.first, "last": range.end - 1 },
        "layersBefore": before, "layersAfter": after, "layersWritten": squashed.written,
        "unpackedBefore": squashed.unpacked_before, "unpackedAfter": squashed.unpacked_after,
        "compressedBefore": stored(&opened.image),
        "compressedAfter": compressed.or_else(|| stored(&result)),
    });
    ui.result(&value, &text)?;
    Ok(Answer::Yes)
}

/// Keeps what standard input gives, since archives are read at random.
fn read_input(session: &Session<'_>) -> anyhow::Result<tempfile::NamedTempFile> {
    let wrap = |source| image::Error::File {
        verb: "write",
        path: session.scratch().to_path_buf(),
        source,
    };
    let mut file = tempfile::NamedTempFile::new_in(session.scratch()).map_err(wrap)?;
    session.ui.begin("receiving", None);
    std::io::copy(&mut std::io::stdin().lock(), file.as_file_mut()).map_err(wrap)?;
    file.flush().map_err(wrap)?;
    Ok(file)
}

fn outputs(args: &Args) -> anyhow::Result<Vec<Reference>> {
    let mut outputs: Vec<Reference> = args
        .output
        .iter()
        .filter(|output| *output != "-")
        .map(|text| Reference::parse(text))
        .collect::<Result<_, _>>()?;
    if let Some(path) = &args.output_path {
        outputs.push(Reference::DockerArchive {
            path: path.clone(),
            name: None,
        });
    }
    if args.load_image {
        let Some(tag) = &args.tag else {
            return Err(Usage::error(
                "an image without a name cannot be loaded",
                "name the result with -t NAME",
            ));
        };
        outputs.push(Reference::parse(&format!("docker-daemon:{tag}"))?);
    }
    Ok(outputs)
}

fn warn_of_sharing(image: &Image, range: Range, session: &Session<'_>) -> anyhow::Result<()> {
    let mut others = Vec::new();
    for entry in session.store.entries()? {
        let name = entry.name.as_ref().map(Name::familiar);
        let name = name.unwrap_or_else(|| entry.descriptor.digest.to_string());
        let platform = entry.descriptor.platform.clone();
        let platform = platform.unwrap_or_else(|| session.platform().clone());
        // One that cannot be read shares nothing.
        if let Ok(other) = session.store.open_entry(&entry, &platform) {
            others.push((name, other));
        }
    }
    if let Some(lost) = sharing::lost(image, range, &others) {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        session.ui.warning(&format!(
            "{} layer{} of {} that {} other image{} of the store ha{} too will be stored twice: {}",
            lost.layers,
            plural(lost.layers),
            human(lost.bytes),
            lost.images.len(),
            plural(lost.images.len()),
            if lost.images.len() == 1 { "s" } else { "ve" },
            lost.images.join(", "),
        ));
    }
    Ok(())
}

impl Which {
    fn selection(&self, image: &Image, session: &Session<'_>) -> anyhow::Result<Selection> {
        if self.all {
            return Ok(Selection::All);
        }
        if let Some(last) = self.last {
            return Ok(Selection::Last(last));
        }
        if let Some(range) = &self.range {
            return Ok(range.clone());
        }
        if let Some(from) = &self.from {
            return Ok(Selection::From(from.clone()));
        }
        if let Some(from) = &self.from_layer {
            if let Ok(lines) = from.parse() {
                return Ok(Selection::Instructions(lines));
            }
            let after = Selection::After(from.clone());
            if after.resolve(image).is_ok() {
                return Ok(after);
            }
            return above(image, from, session);
        }
        let named = || base_name(image);
        match self.keep_base.as_deref() {
            Some("") => match named() {
                Some(base) => above(image, &base, session),
                None => Err(Usage::error(
                    format!("the image does not name its base (`{BASE_NAME}`)"),
                    "name it, as in --keep-base debian:bookworm",
                )),
            },
            Some(base) => above(image, base, session),
            None => match named() {
                Some(base) => above(image, &base, session),
                None => Ok(Selection::All),
            },
        }
    }
}

fn base_name(image: &Image) -> Option<String> {
    let labels = image.config().labels();
    let label = labels.into_iter().find(|(key, _)| key == BASE_NAME);
    let annotation = image.manifest().annotations.get(BASE_NAME).cloned();
    annotation.or(label.map(|(_, value)| value))
}

/// The layers above those that another image has.
fn above(image: &Image, base: &str, session: &Session<'_>) -> anyhow::Result<Selection> {
    let found = Reference::parse(base)
        .map_err(anyhow::Error::from)
        .and_then(|reference| session.open(&reference));
    let opened = found.map_err(|error| {
        Usage::error(
            format!("cannot find the base `{base}` of the image: {error:#}"),
            "pull it first, name another with --keep-base IMAGE, or merge all layers with --all",
        )
    })?;
    let layers = opened.image.config().diff_ids();
    if layers.is_empty() || !image.config().diff_ids().starts_with(layers) {
        return Err(Usage::error(
            format!("the image does not begin with the layers of `{base}`"),
            "name the very image that it was built on, or merge all layers with --all",
        ));
    }
    Ok(Selection::Above(layers.len()))
}
