//! `docker-daemon:`: images of a Docker engine, or of Podman, which answers alike
//! (Docker Engine API, "Images").
//!
//! The API knows whole archives only: an image is spooled before it can be
//! read, and is sent as one when it is written. `socket` is how an engine is
//! reached.

mod socket;

use std::io::{self, PipeReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Response, StatusCode};
use ureq::{Body, SendBody};

use self::socket::Engine;
use super::http::{self, Timeouts};
use super::{Context, Opened, Written, docker_archive, tar_file::TarFile};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::name::Name;
use crate::progress::Counted;
use crate::reference::DaemonImage;

/// Descriptions of images list every layer and label, and are small all the same.
const MAX_ANSWER: u64 = 16 << 20;

/// How to talk to engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where engines may be, tried in order: `unix:///PATH`, `tcp://HOST:PORT`,
    /// `http://HOST:PORT`, `ssh://[USER@]HOST[:PORT]`.
    pub endpoints: Vec<String>,
    /// How long to wait. An engine unpacks or packs a whole image before it
    /// answers, which takes minutes for large ones.
    pub timeouts: Timeouts,
    /// How long to wait for answers that take no work.
    pub patience: Duration,
    /// The program for `ssh://`, run as `ssh [-p PORT] -- HOST docker system dial-stdio`.
    pub ssh: String,
}

impl Default for Options {
    /// No endpoints; an hour for work, and half a minute for all else.
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            timeouts: Timeouts {
                connect: Duration::from_secs(10),
                response: Duration::from_secs(3600),
                idle: Duration::from_secs(3600),
            },
            patience: Duration::from_secs(30),
            ssh: "ssh".to_owned(),
        }
    }
}

/// An image that an engine has.
#[derive(Debug, Clone)]
pub struct Found {
    engine: Engine,
    /// What the engine knows it by.
    reference: String,
    description: Description,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    id: String,
    #[serde(rename = "RootFS", default)]
    root_fs: RootFs,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl Found {
    /// Returns the endpoint that has it.
    pub fn endpoint(&self) -> &str {
        self.engine.endpoint()
    }

    /// Returns the engine's id of the image, with its algorithm.
    pub fn id(&self) -> &str {
        &self.description.id
    }
}

/// Looks for an image in the engines that answer.
///
/// # Errors
/// [`Error::Remote`] listing the endpoints when no engine answers, or when one
/// answers with a failure.
pub fn find(image: &DaemonImage, options: &Options) -> Result<Option<Found>> {
    let mut silent = Vec::new();
    for endpoint in &options.endpoints {
        let engine = match reach(endpoint, options) {
            Ok(engine) => engine,
            Err(reason) => {
                silent.push(reason);
                continue;
            }
        };
        for reference in references(image) {
            if let Some(description) = describe(&engine, &reference, options)? {
                return Ok(Some(Found {
                    engine,
                    reference,
                    description,
                }));
            }
        }
    }
    if silent.len() == options.endpoints.len() {
        return Err(nobody(&silent));
    }
    Ok(None)
}

/// Opens an image of an engine. Its archive is spooled.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Remote`]; as [`docker_archive::open`].
pub fn open(image: &DaemonImage, options: &Options, context: Context<'_>) -> Result<Opened> {
    let Some(found) = find(image, options)? else {
        let subject = match image {
            DaemonImage::Name(name) => name.familiar(),
            DaemonImage::Id(id) => id.clone(),
        };
        let place = options.endpoints.join(", ");
        return Err(Error::NotFound { subject, place });
    };
    let mut opened = open_found(&found, context)?;
    if let DaemonImage::Name(name) = image {
        opened.name = Some(name.clone());
    }
    Ok(opened)
}

/// Opens an image that was found.
///
/// # Errors
/// [`Error::Remote`]; as [`docker_archive::open`].
pub fn open_found(found: &Found, context: Context<'_>) -> Result<Opened> {
    let Found {
        engine,
        reference,
        description,
    } = found;
    let action = format!("export the image `{reference}`");
    let path = format!("/images/{reference}/get");
    let response = engine.get(&path).map_err(|e| engine.fails(&action, &e))?;
    if response.status() != StatusCode::OK {
        return Err(refused(engine, &action, response));
    }
    // A layer as large as may be, for each, and as much again for the rest.
    let layers = description.root_fs.layers.as_ref().map_or(0, Vec::len) as u64;
    let limit = context.limits.bytes.saturating_mul(layers + 1);
    let body = response.into_body().into_with_config().limit(u64::MAX);
    let counted = Counted {
        inner: body.reader(),
        progress: context.progress,
    };
    let spooled = context.spool.file()?;
    context.progress.begin("export", None);
    let copied = io::copy(&mut counted.take(limit.saturating_add(1)), &mut &spooled);
    context.progress.end();
    let copied = copied.map_err(|error| engine.refuses(&action, http::plain(error).to_string()))?;
    if copied > limit {
        let subject = reference.clone();
        return Err(Error::TooLarge { subject, limit });
    }
    let label = format!("docker-daemon:{reference}");
    docker_archive::open_archive(TarFile::index(spooled, Path::new(&label))?, None)
}

/// Writes an image to the first engine that answers, under a name, and sees that it is there.
///
/// # Errors
/// [`Error::Remote`]; when a layer cannot be read.
pub fn write(
    image: &Image,
    name: &Name,
    options: &Options,
    context: Context<'_>,
) -> Result<Written> {
    let mut silent = Vec::new();
    let mut reached = None;
    for endpoint in &options.endpoints {
        match reach(endpoint, options) {
            Ok(engine) => {
                reached = Some(engine);
                break;
            }
            Err(reason) => silent.push(reason),
        }
    }
    let engine = reached.ok_or_else(|| nobody(&silent))?;
    let name = Name {
        tag: Some(name.tag.clone().unwrap_or_else(|| "latest".to_owned())),
        digest: None,
        ..name.clone()
    };
    let written = load(image, &name, &engine, context)?;
    let action = format!("load the image `{}`", name.familiar());
    let Some(description) = describe(&engine, &name.to_string(), options)? else {
        return Err(engine.refuses(&action, "it has not got it afterwards"));
    };
    // Engines that keep images as containerd does call them by their manifest,
    // which they make themselves; their layers tell as much.
    let layers: Vec<String> = image
        .layers()
        .map(|layer| layer.diff_id.to_string())
        .collect();
    let same_id = description
        .id
        .parse::<Digest>()
        .is_ok_and(|id| id == image.id());
    if !same_id && description.root_fs.layers.unwrap_or_default() != layers {
        let reason = format!("it has another image under that name, {}", description.id);
        return Err(engine.refuses(&action, reason));
    }
    Ok(written)
}

/// Sends an image as an archive that is made while it is sent.
fn load(image: &Image, name: &Name, engine: &Engine, context: Context<'_>) -> Result<Written> {
    let action = format!("load the image `{}`", name.familiar());
    let (reader, writer) = io::pipe().map_err(Error::file("make a pipe in", "memory"))?;
    let complete = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let making = scope.spawn(|| {
            let output = io::BufWriter::with_capacity(1 << 20, writer);
            let (output, written) =
                docker_archive::write_spelled(image, output, Some(name), Name::to_string, context)?;
            complete.store(true, Ordering::Release);
            drop(output);
            Ok(written)
        });
        let mut archive = Archive {
            reader,
            complete: &complete,
            truncated: false,
        };
        let answer = engine.post("/images/load", SendBody::from_reader(&mut archive));
        let truncated = archive.truncated;
        // Ends the thread, should the engine not have taken everything.
        drop(archive);
        let made = match making.join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        if truncated {
            return made;
        }
        let response = answer.map_err(|error| engine.fails(&action, &error))?;
        if response.status() != StatusCode::OK {
            return Err(refused(engine, &action, response));
        }
        let bytes = http::read_body(response, MAX_ANSWER)
            .map_err(|error| engine.refuses(&action, error.to_string()))?;
        match failure_in(&bytes) {
            Some(reason) => Err(engine.refuses(&action, reason)),
            None => made,
        }
    })
}

/// An archive in the making. Its end counts only when the maker says it is whole:
/// a pipe ends in the same way when the maker fails.
struct Archive<'c> {
    reader: PipeReader,
    complete: &'c AtomicBool,
    truncated: bool,
}

impl Read for Archive<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if read == 0 && !buffer.is_empty() && !self.complete.load(Ordering::Acquire) {
            self.truncated = true;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}

/// Returns the failure that a stream of progress messages ends with.
fn failure_in(stream: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Message {
        error: Option<String>,
    }
    let messages = serde_json::Deserializer::from_slice(stream).into_iter::<Message>();
    messages
        .map_while(|message| message.ok())
        .find_map(|message| message.error)
}

/// Returns an engine that answers, or why it does not.
fn reach(endpoint: &str, options: &Options) -> Result<Engine, String> {
    let engine =
        Engine::new(endpoint, options).map_err(|reason| format!("{endpoint}: {reason}"))?;
    match engine.ask("/_ping", options.patience) {
        Ok(response) if response.status() == StatusCode::OK => Ok(engine),
        Ok(response) => Err(format!("{endpoint}: HTTP status {}", response.status())),
        Err(error) => Err(format!("{endpoint}: {}", http::cause(&error))),
    }
}

fn nobody(silent: &[String]) -> Error {
    let reason = match silent.is_empty() {
        true => "no endpoint is known".to_owned(),
        false => format!("tried {}", silent.join("; ")),
    };
    Error::Remote {
        service: "a container engine".to_owned(),
        action: "be reached".to_owned(),
        reason,
        status: None,
    }
}

/// What an engine may know an image by. Podman has what it built itself as
/// `localhost/NAME`, and its users write `NAME`.
fn references(image: &DaemonImage) -> Vec<String> {
    match image {
        DaemonImage::Id(id) => vec![id.clone()],
        DaemonImage::Name(name) => {
            let mut references = vec![name.to_string()];
            if name.host == "docker.io" {
                let own = name.repository.strip_prefix("library/");
                let local = Name {
                    host: "localhost".to_owned(),
                    repository: own.unwrap_or(&name.repository).to_owned(),
                    ..name.clone()
                };
                references.push(local.to_string());
            }
            references
        }
    }
}

fn describe(engine: &Engine, reference: &str, options: &Options) -> Result<Option<Description>> {
    let action = format!("describe the image `{reference}`");
    let response = engine
        .ask(&format!("/images/{reference}/json"), options.patience)
        .map_err(|error| engine.fails(&action, &error))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        _ => return Err(refused(engine, &action, response)),
    }
    let bytes = http::read_body(response, MAX_ANSWER)
        .map_err(|error| engine.refuses(&action, error.to_string()))?;
    let description = serde_json::from_slice(&bytes);
    let description = description.map_err(|error| engine.refuses(&action, error.to_string()))?;
    Ok(Some(description))
}

fn refused(engine: &Engine, action: &str, response: Response<Body>) -> Error {
    #[derive(Deserialize)]
    struct Answer {
        message: String,
    }
    let status = response.status();
    let bytes = http::read_body(response, MAX_ANSWER).unwrap_or_default();
    let answer = serde_json::from_slice::<Answer>(&bytes);
    let reason = match answer {
        Ok(answer) => http::printable(&answer.message),
        Err(_) => format!("HTTP status {status}"),
    };
    Error::Remote {
        service: engine.endpoint().to_owned(),
        action: action.to_owned(),
        reason,
        status: Some(status.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_found_in_progress_messages() {
        let stream = b"{\"stream\":\"Loaded\"}\r\n{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}\r\n";
        assert_eq!(failure_in(stream).as_deref(), Some("no space"));
        assert_eq!(
            failure_in(b"{\"status\":\"x\"}{\"stream\":\"Loaded\"}"),
            None
        );
        assert_eq!(failure_in(b"plain text"), None);
    }

    #[test]
    fn short_names_are_looked_for_as_podman_has_them() {
        let image = |text: &str| DaemonImage::Name(Name::parse(text).unwrap());
        let short = references(&image("app:1"));
        assert_eq!(short, ["docker.io/library/app:1", "localhost/app:1"]);
        assert_eq!(references(&image("q.io/a/b")), ["q.io/a/b:latest"]);
        let of_a_user = references(&image("me/app"));
        assert_eq!(
            of_a_user,
            ["docker.io/me/app:latest", "localhost/me/app:latest"]
        );
    }
}
