//! `jettison build`: a Dockerfile to an image.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use dockerfile::{Dockerfile, Ignore};
use image::{Image, Name, Reference};
use jettison::build::{self, NamedContext, Options, Surroundings, Timestamps};
use sandbox::{Caller, IdMapping, Network};
use serde_json::json;

use super::Answer;
use crate::build_input::{self, Input};
use crate::build_output::{Output, Show};
use crate::environment;
use crate::error::Usage;
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
    context: String,
    /// The Dockerfile, - for stdin [default: Dockerfile in the context]
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name of the result in the local store (repeatable)
    #[arg(long, short, value_name = "NAME")]
    tag: Vec<String>,
    /// Write the result elsewhere too: TRANSPORT:REF, a directory, or type=TYPE,dest=PATH (repeatable)
    #[arg(long, short, value_name = "DEST")]
    output: Vec<String>,
    /// Give the result to the container engine of this machine
    #[arg(long)]
    load: bool,
    /// Send the result to its registry
    #[arg(long = "push")]
    send: bool,
    /// The stage to build: name or number [default: the last]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Value of an ARG; without one, that of the variable here (repeatable)
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// A further context that FROM and --from can name: a directory, or docker-image://IMAGE (repeatable)
    #[arg(long, value_name = "NAME=CONTEXT")]
    build_context: Vec<String>,
    /// Label of the result (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Do all steps anew, or those of these stages
    #[arg(long, value_name = "STAGE", num_args = 0..=1, require_equals = true, default_missing_value = "", value_delimiter = ',')]
    no_cache: Vec<String>,
    /// Do the steps of these stages anew (as docker buildx writes it)
    #[arg(long, value_name = "STAGE", value_delimiter = ',', hide = true)]
    no_cache_filter: Vec<String>,
    /// Take remembered steps from there: TRANSPORT:REF, or type=registry,ref=NAME (repeatable)
    #[arg(long, value_name = "SOURCE")]
    cache_from: Vec<String>,
    /// Write the steps of this build there, for other machines (repeatable)
    #[arg(long, value_name = "DEST")]
    cache_to: Vec<String>,
    /// Make the new layers one; the base's stay
    #[arg(long)]
    squash: bool,
    /// Make all layers one
    #[arg(long, conflicts_with = "squash")]
    squash_all: bool,
    /// Open a shell where a command failed
    #[arg(long)]
    debug_shell: bool,
    /// Copy all files for every RUN in place of overlayfs
    #[arg(long, hide = true)]
    no_overlay: bool,
    /// Ask registries for newer bases
    #[arg(long)]
    pull: bool,
    /// What RUN reaches: what this machine reaches, or nothing
    #[arg(long, value_enum, default_value_t = NetworkFlag::Default)]
    network: NetworkFlag,
    /// A name that RUN knows (repeatable)
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// A secret for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME (repeatable)
    #[arg(long, value_name = "id=ID[,src=FILE|,env=NAME]")]
    secret: Vec<String>,
    /// An agent for RUN --mount=type=ssh: default, or ID=SOCKET (repeatable)
    #[arg(long, value_name = "ID[=SOCKET]")]
    ssh: Vec<String>,
    /// File in place of .dockerignore
    #[arg(long, value_name = "FILE")]
    ignorefile: Option<PathBuf>,
    /// No file is younger than this, and the image is made then [default: SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<i64>,
    /// Write the id of the image to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Write what is known of the result to a file, as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// How much is shown of the steps
    #[arg(long, value_enum, default_value_t = ProgressFlag::Auto)]
    progress: ProgressFlag,
    /// Accepted as docker's: nothing is left behind
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rm: Option<String>,
    /// Accepted as docker's
    #[arg(long, hide = true)]
    force_rm: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum NetworkFlag {
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

pub(crate) fn run<'u>(
    args: &Args,
    session: impl FnOnce() -> anyhow::Result<Session<'u>>,
    ui: &Ui,
) -> anyhow::Result<Answer> {
    let Some(ids) = ids() else { return again() };
    let session = session()?;
    let names = args
        .tag
        .iter()
        .map(|tag| Name::parse(tag))
        .collect::<Result<Vec<_>, _>>()?;
    let outputs = outputs(args, &names)?;
    let input = build_input::open(&session, &args.context, args.file.as_deref())?;
    let options = options(args, &session, &input)?;
    let show = Show::new(ui, args.progress == ProgressFlag::Quiet);
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
    tell(args, ui, &image, &names)
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

/// Reads where a cache is: TRANSPORT:REF, or as docker writes it.
fn cache_reference(text: &str, path_key: &str) -> anyhow::Result<Reference> {
    if !text.contains('=') {
        return Ok(Reference::parse(text)?);
    }
    let fields: HashMap<&str, &str> = text
        .split(',')
        .filter_map(|field| field.split_once('='))
        .collect();
    match (
        fields.get("type").copied(),
        fields.get(path_key),
        fields.get("ref"),
    ) {
        (Some("local"), Some(path), _) => Ok(Reference::OciLayout {
            path: path.into(),
            tag: Some("cache".to_owned()),
        }),
        (Some("registry"), _, Some(name)) => Ok(Reference::Registry(Name::parse(name)?)),
        _ => Err(Usage::error(
            format!("`{text}` is not where a cache can be"),
            format!("write TRANSPORT:REF, type=registry,ref=NAME or type=local,{path_key}=DIR"),
        )),
    }
}

/// The ids that commands can have: all of this process's, which is root of the host or of a user
/// namespace; nothing if it is not root.
fn ids() -> Option<IdMapping> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let counts = map
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    Some(if counts.sum::<u64>() == 1 {
        IdMapping::Single {
            inside_uid: 0,
            inside_gid: 0,
        }
    } else {
        IdMapping::Identity
    })
}

/// Does everything again as root of a user namespace.
fn again() -> anyhow::Result<Answer> {
    let ids = IdMapping::detect(&Caller::current());
    let program = std::env::current_exe()?;
    let mut argv = vec![program.into_os_string()];
    argv.extend(std::env::args_os().skip(1));
    let status = sandbox::run_with_ids(&ids, &argv, &environment::all())?;
    Ok(Answer::Code(u8::try_from(status.code()).unwrap_or(u8::MAX)))
}

fn options(args: &Args, session: &Session<'_>, input: &Input) -> anyhow::Result<Options> {
    let dockerfile =
        Dockerfile::parse(&input.text).map_err(|problems| build::Error::Dockerfile {
            file: input.file_name.clone(),
            problems,
        })?;
    let ignore = match &args.ignorefile {
        Some(path) => read_ignore(path)?,
        None => match input.own_ignore.as_deref() {
            Some(path) => read_ignore(path)?,
            None => build::directory_ignore(input.directory())?,
        },
    };
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    let build_args = args
        .build_arg
        .iter()
        .filter_map(|text| match text.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            None => Some((text.clone(), environment::value(text)?)),
        });
    let build_args: Vec<(String, String)> = build_args.collect();
    let epoch = epoch(args, &build_args)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let (all, stages): (Vec<&String>, Vec<&String>) =
        args.no_cache.iter().partition(|stage| stage.is_empty());
    Ok(Options {
        dockerfile,
        file_name: input.file_name.clone(),
        context: input.directory().to_owned(),
        ignore,
        target: args.target.clone(),
        build_args,
        build_contexts: args
            .build_context
            .iter()
            .map(|text| named(text))
            .collect::<Result<_, _>>()?,
        labels: args.label.iter().map(pair).collect(),
        platform: session.platform().clone(),
        no_cache: !all.is_empty(),
        no_cache_stages: stages
            .into_iter()
            .chain(&args.no_cache_filter)
            .cloned()
            .collect(),
        pull: args.pull,
        network: match args.network {
            NetworkFlag::Default | NetworkFlag::Host => Network::Host,
            NetworkFlag::None => Network::None,
        },
        hosts: args
            .add_host
            .iter()
            .map(|text| host(text))
            .collect::<Result<_, _>>()?,
        secrets: args
            .secret
            .iter()
            .map(|text| secret(text))
            .collect::<Result<_, _>>()?,
        ssh: args
            .ssh
            .iter()
            .map(|text| agent(text))
            .collect::<Result<HashMap<_, _>, _>>()?,
        squash: match (args.squash, args.squash_all) {
            (_, true) => Some(build::Squash::All),
            (true, false) => Some(build::Squash::New),
            (false, false) => None,
        },
        copying: args.no_overlay,
        debug_shell: args.debug_shell,
        times: Timestamps {
            epoch,
            now: now.map_or(0, |now| now.as_secs().cast_signed()),
        },
    })
}

fn read_ignore(path: &Path) -> anyhow::Result<Ignore> {
    let bytes = std::fs::read(path).map_err(|source| image::Error::File {
        verb: "read",
        path: path.to_owned(),
        source,
    })?;
    let file = path.display().to_string();
    Ok(Ignore::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|problems| build::Error::Dockerfile { file, problems })?)
}

fn epoch(args: &Args, build_args: &[(String, String)]) -> anyhow::Result<Option<i64>> {
    if args.timestamp.is_some() {
        return Ok(args.timestamp);
    }
    let given = build_args
        .iter()
        .find(|(name, _)| name == "SOURCE_DATE_EPOCH")
        .map(|(_, value)| value.clone());
    let Some(text) = given
        .or_else(|| environment::value("SOURCE_DATE_EPOCH"))
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    let wrong = |_| {
        Usage::error(
            format!("SOURCE_DATE_EPOCH `{text}` is not a number"),
            "it is seconds since 1970",
        )
    };
    text.parse().map(Some).map_err(wrong)
}

fn named(text: &str) -> anyhow::Result<(String, NamedContext)> {
    let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Usage::error(
            format!("`{text}` names no build context"),
            "write NAME=DIRECTORY or NAME=docker-image://IMAGE",
        ));
    };
    let image = value
        .strip_prefix("docker-image://")
        .map(str::to_owned)
        .or_else(|| {
            value
                .strip_prefix("oci-layout://")
                .map(|rest| format!("oci:{rest}"))
        })
        .or_else(|| {
            value
                .starts_with("container-image://")
                .then(|| value.trim_start_matches("container-image://").to_owned())
        });
    let context = match image {
        Some(image) => NamedContext::Image(image),
        None if Path::new(value).is_dir() => NamedContext::Directory(value.into()),
        None => {
            return Err(Usage::error(
                format!("the build context `{value}` is not a directory"),
                "an image is written docker-image://IMAGE",
            ));
        }
    };
    Ok((name.to_owned(), context))
}

fn host(text: &str) -> anyhow::Result<(String, String)> {
    // Addresses of IPv6 have colons too; names have neither.
    let found = text.split_once('=').or_else(|| text.split_once(':'));
    let (name, address) = found
        .ok_or_else(|| Usage::error(format!("`{text}` has no address"), "write NAME:ADDRESS"))?;
    let address = if address == "host-gateway" {
        "127.0.0.1"
    } else {
        address
    };
    Ok((name.to_owned(), address.trim_matches(['[', ']']).to_owned()))
}

fn secret(text: &str) -> anyhow::Result<(String, Vec<u8>)> {
    let mut fields: HashMap<&str, &str> = HashMap::new();
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        fields.insert(if key == "source" { "src" } else { key }, value);
    }
    let id = fields
        .get("id")
        .or(fields.get("src"))
        .copied()
        .filter(|id| !id.is_empty());
    let Some(id) = id else {
        return Err(Usage::error(
            format!("the secret `{text}` has no id"),
            "write id=ID,src=FILE",
        ));
    };
    let bytes = match (fields.get("src"), fields.get("env")) {
        (Some(path), _) => std::fs::read(path).map_err(|source| image::Error::File {
            verb: "read",
            path: (*path).into(),
            source,
        })?,
        (None, env) => {
            let name = env.copied().unwrap_or(id);
            let missing = || {
                Usage::error(
                    format!("the variable `{name}` of the secret `{id}` is not set"),
                    "name a file with src=FILE",
                )
            };
            environment::value(name).ok_or_else(missing)?.into_bytes()
        }
    };
    Ok((id.to_owned(), bytes))
}

fn agent(text: &str) -> anyhow::Result<(String, PathBuf)> {
    let (id, socket) = text.split_once('=').unwrap_or((text, ""));
    let socket = if socket.is_empty() {
        environment::value("SSH_AUTH_SOCK").unwrap_or_default()
    } else {
        socket.to_owned()
    };
    if socket.is_empty() {
        return Err(Usage::error(
            "no SSH agent runs: SSH_AUTH_SOCK is not set",
            "start one, or write ID=SOCKET",
        ));
    }
    Ok((id.to_owned(), socket.into()))
}

fn outputs(args: &Args, names: &[Name]) -> anyhow::Result<Vec<Output>> {
    let mut outputs = args
        .output
        .iter()
        .map(|text| Output::parse(text, names))
        .collect::<anyhow::Result<Vec<_>>>()?;
    if (args.load || args.send) && names.is_empty() {
        return Err(Usage::error(
            "the result has no name to be sent with",
            "name it with -t NAME",
        ));
    }
    for name in names {
        if args.load {
            outputs.push(Output::Image(Reference::DockerDaemon(
                image::reference::DaemonImage::Name(name.clone()),
            )));
        }
        if args.send {
            outputs.push(Output::Image(Reference::Registry(name.clone())));
        }
    }
    Ok(outputs)
}

/// Says what was made.
fn tell(args: &Args, ui: &Ui, image: &Image, names: &[Name]) -> anyhow::Result<Answer> {
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
    let familiar: Vec<String> = names.iter().map(Name::familiar).collect();
    if let Some(path) = &args.metadata_file {
        let metadata = json!({
            "containerimage.config.digest": id,
            "containerimage.digest": image.digest(),
            "image.name": familiar.join(","),
        });
        write(path, &serde_json::to_vec_pretty(&metadata)?)?;
    }
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
