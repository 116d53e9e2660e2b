//! `jettison import`: an image from the tar of a file system.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use image::config::HistoryEntry;
use image::{Config, Name, NewImage};
use layer::read::TarReader;
use layer::{Contents, FileSlice, Tree};
use serde_json::{Value, json};

use super::Answer;
use crate::error::Usage;
use crate::session::Session;
use crate::size::human;

/// Make an image of the tar of a file system
///
/// As `docker import`: one layer, and a config made of the --change flags.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mmdebstrap --variant=minbase --include=redis-server bookworm - |
    jettison import - redis:debian --change 'CMD [\"redis-server\"]' --change 'EXPOSE 6379'")]
pub(crate) struct Args {
    /// The tar file, plain, gzip or zstd; - for standard input
    file: PathBuf,
    /// Name of the image in the local store
    name: String,
    /// A Dockerfile instruction for the config: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL,
    /// USER, VOLUME, WORKDIR (repeatable)
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Time of creation, RFC 3339
    #[arg(long, value_name = "TIME", default_value = "1970-01-01T00:00:00Z")]
    created: String,
}

pub(crate) fn run(args: &Args, session: &Session<'_>) -> anyhow::Result<Answer> {
    let name = Name::parse(&args.name)?;
    let context = session.context();
    let empty = Config::empty(session.platform(), &args.created);
    let config = args
        .change
        .iter()
        .try_fold(empty, |config, change| apply(&config, change))?;

    let spooled = context.spool.file()?;
    let input: Box<dyn Read + Send> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&args.file).map_err(|source| image::Error::File {
            verb: "open",
            path: args.file.clone(),
            source,
        })?)
    };
    let (_, mut input) = layer::codec::decompress(input)?;
    let length = io::copy(&mut input, &mut &spooled)?;
    let slice = FileSlice::new(std::sync::Arc::new(spooled), 0, length);

    let mut tree = Tree::bounded(context.limits);
    let mut reader = TarReader::seekable(slice.reader(), 0, context.limits);
    while let Some(member) = reader.next_member()? {
        tree.apply(0, member)?;
    }
    let contents = Contents::new(vec![slice]);
    let _guard = session.store.writing()?;
    let layout = session.store.layout();
    let layer = image::write_layer(layout, context, |tar| {
        tar.write_tree(&tree, &contents, |_| true)
    })?;
    let history = HistoryEntry {
        created: Some(args.created.clone()),
        created_by: "jettison import".to_owned(),
        ..HistoryEntry::default()
    };
    let config = config.with_layers(&[layer.diff_id], &[history]);
    let new = NewImage {
        config: &config,
        layers: std::slice::from_ref(&layer),
        annotations: BTreeMap::new(),
    };
    let image = new.store(layout)?;
    session.store.tag(&image, &name, BTreeMap::new())?;
    let value = json!({
        "name": name.familiar(), "id": image.id(), "digest": image.digest(),
        "compressed": layer.descriptor.size, "unpacked": layer.unpacked,
    });
    let size = human(layer.unpacked);
    session.ui.status(&format!(
        "imported {} ({} entries, {size})",
        name.familiar(),
        tree.len()
    ));
    session.ui.result(&value, &format!("{}\n", image.id()))?;
    Ok(Answer::Yes)
}

/// Applies one instruction to a config.
fn apply(config: &Config, change: &str) -> anyhow::Result<Config> {
    let (keyword, rest) = change
        .trim()
        .split_once(char::is_whitespace)
        .unwrap_or((change, ""));
    let rest = rest.trim();
    let refuse = |why: &str| {
        Usage::error(
            format!("cannot apply `{change}`: {why}"),
            "write it as in a Dockerfile",
        )
    };
    let command = || -> Value {
        match serde_json::from_str::<Vec<String>>(rest) {
            Ok(words) => json!(words),
            Err(_) => json!(["/bin/sh", "-c", rest]),
        }
    };
    let words = || -> Vec<String> {
        serde_json::from_str(rest)
            .unwrap_or_else(|_| rest.split_whitespace().map(str::to_owned).collect())
    };
    let add = |key: &str, added: &dyn Fn(&str) -> (String, Value)| {
        let mut map = config.value()["config"][key]
            .as_object()
            .cloned()
            .unwrap_or_default();
        for word in words() {
            let (name, value) = added(&word);
            map.insert(name, value);
        }
        config.with_setting(key, Value::Object(map))
    };
    if rest.is_empty() {
        return Err(refuse("it has no argument"));
    }
    Ok(match keyword.to_ascii_uppercase().as_str() {
        "CMD" => config.with_setting("Cmd", command()),
        "ENTRYPOINT" => config.with_setting("Entrypoint", command()),
        "USER" => config.with_setting("User", json!(rest)),
        "WORKDIR" => config.with_setting("WorkingDir", json!(rest)),
        "STOPSIGNAL" => config.with_setting("StopSignal", json!(rest)),
        "EXPOSE" => add("ExposedPorts", &|word| {
            let port = if word.contains('/') {
                word.to_owned()
            } else {
                format!("{word}/tcp")
            };
            (port, json!({}))
        }),
        "VOLUME" => add("Volumes", &|word| (word.to_owned(), json!({}))),
        "ENV" | "LABEL" => {
            let (key, value) = rest
                .split_once('=')
                .or_else(|| rest.split_once(char::is_whitespace))
                .ok_or_else(|| refuse("expected NAME=VALUE"))?;
            let value = value.trim().trim_matches('"');
            if keyword.eq_ignore_ascii_case("ENV") {
                let mut env = config.env();
                env.retain(|line| line.split_once('=').is_none_or(|(name, _)| name != key));
                env.push(format!("{key}={value}"));
                config.with_setting("Env", json!(env))
            } else {
                let mut labels = config.value()["config"]["Labels"]
                    .as_object()
                    .cloned()
                    .unwrap_or_default();
                labels.insert(key.to_owned(), json!(value));
                config.with_setting("Labels", Value::Object(labels))
            }
        }
        _ => return Err(refuse("this instruction does not belong to a config")),
    })
}
