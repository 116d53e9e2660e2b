//! The flags of `build`, as what the library is to do.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use dockerfile::{Dockerfile, Ignore};
use image::{Name, Reference};
use jettison::build::{self, NamedContext, Options, Timestamps};
use sandbox::Network;

use crate::build_input::Input;
use crate::build_output::Output;
use crate::commands::build::{Args, NetworkFlag};
use crate::environment;
use crate::error::Usage;
use crate::session::Session;

pub(crate) fn options(
    args: &Args,
    session: &Session<'_>,
    input: &Input,
) -> anyhow::Result<Options> {
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
        limits: args.ulimit.clone(),
        shared_memory: args.shm_size,
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

pub(crate) fn outputs(args: &Args, names: &[Name]) -> anyhow::Result<Vec<Output>> {
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

/// Reads where a cache is: TRANSPORT:REF, or as docker writes it.
pub(crate) fn cache_reference(text: &str, path_key: &str) -> anyhow::Result<Reference> {
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
