//! Requests to a registry: where it is, who asks, redirects and further attempts.
//!
//! A token or password goes to the host that asked for it and nowhere else;
//! it is in no message.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use ureq::http::{Method, Request, Response, StatusCode, Uri, request};
use ureq::{Agent, Body, SendBody};

use super::agents::{Agents, is_loopback};
use super::challenge::Challenge;
use super::endpoint::Endpoint;
use super::token::Tokens;
use super::{Options, Turn};
use crate::blob::Blobs;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::Descriptor;
use crate::name::Name;
use crate::progress::{Counted, Progress};
use crate::transport::http::{self, Backoff};

/// Answers other than images are short; what is longer is no message.
const MAX_MESSAGE: u64 = 64 << 10;
const MAX_REDIRECTS: usize = 10;
/// How much longer than for an answer to a question to wait for one to an
/// upload: a registry on object storage copies a layer of gigabytes in minutes.
const MORE_FOR_WRITES: u32 = 10;

/// A client, with what it learned about the hosts it met.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) options: Options,
    pub(super) agents: Agents,
    origins: Mutex<HashMap<String, String>>,
    pub(super) challenges: Mutex<HashMap<String, Challenge>>,
    /// By host and scope. Locked while one is fetched, so that threads share it.
    pub(super) tokens: Mutex<Tokens>,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'c> {
    pub(super) endpoint: &'c Endpoint,
    /// For messages: "pull the manifest of `redis`".
    pub(super) action: &'c str,
    /// Whose image it is about.
    pub(super) name: &'c Name,
    /// What a token must allow.
    pub(super) scope: &'c str,
    pub(super) method: &'c Method,
    pub(super) target: Target<'c>,
    pub(super) headers: &'c [(&'static str, String)],
    pub(super) content: Content<'c>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'c> {
    /// Below `/v2/` of the endpoint.
    Path(&'c str),
    /// Where the registry said.
    Url(&'c Uri),
}

/// What a request carries. It can be sent again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'c> {
    Nothing,
    Bytes(&'c [u8]),
    /// A blob, from an offset on.
    Blob {
        blobs: &'c Blobs,
        descriptor: &'c Descriptor,
        from: u64,
        progress: &'c dyn Progress,
    },
}

impl Call<'_> {
    pub(super) fn fail(&self, reason: impl Into<String>, status: Option<u16>) -> Error {
        self.endpoint.remote(self.action, reason, status)
    }

    /// Turns an answer that is not the one hoped for into an error.
    pub(super) fn refused(&self, response: Response<Body>) -> Error {
        let status = response.status();
        let (message, code) = message(response);
        let subject = format!("{}/{}", self.endpoint.host, self.name.repository);
        let missing = matches!(
            code.as_str(),
            "NAME_UNKNOWN" | "MANIFEST_UNKNOWN" | "NOT_FOUND"
        );
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Denied {
                service: self.endpoint.host.clone(),
                subject,
                reason: message,
            },
            // What is written need not be there; then it is the repository that lacks.
            status if reads(self.method) && (status == StatusCode::NOT_FOUND || missing) => {
                Error::NotFound {
                    subject: self.name.familiar(),
                    place: self.endpoint.host.clone(),
                }
            }
            status => self.fail(message, Some(status.as_u16())),
        }
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Returns whether the same may work a little later.
pub(super) fn may_pass(error: &Error) -> bool {
    match error {
        Error::Remote { status, .. } => status.is_none_or(is_passing),
        _ => false,
    }
}

pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504)
}

impl Client {
    pub(super) fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            options: options.clone(),
            agents: Agents::new(options)?,
            origins: Mutex::default(),
            challenges: Mutex::default(),
            tokens: Mutex::default(),
        })
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff {
            first: self.options.pause,
        }
    }

    /// Returns the places to read a host's images from, in turn.
    pub(super) fn endpoints(&self, host: &str) -> Result<Vec<Endpoint>> {
        let mirrors = |turn: Turn| {
            let all = self.options.mirrors.iter();
            all.filter(move |mirror| mirror.of_host == host && mirror.turn == turn)
                .map(|mirror| Endpoint::of_mirror(&mirror.base))
        };
        let own = std::iter::once(Ok(self.endpoint(host)));
        mirrors(Turn::First)
            .chain(own)
            .chain(mirrors(Turn::Last))
            .collect()
    }

    /// Returns the host itself.
    pub(super) fn endpoint(&self, host: &str) -> Endpoint {
        Endpoint::of_host(host)
    }

    /// Sends a request until it is answered with something other than a failure
    /// that may pass, at most `retries` more times.
    pub(super) fn send(&self, call: &Call<'_>, retries: u32) -> Result<Response<Body>> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (error, asked) = match self.attempt(call) {
                Ok(response) if is_passing(response.status().as_u16()) => {
                    let asked = http::retry_after(response.headers());
                    (call.refused(response), asked)
                }
                Ok(response) => return Ok(response),
                Err(error) if may_pass(&error) => (error, None),
                Err(error) => return Err(error),
            };
            let pause = self.backoff().pause(attempt, asked);
            match pause.filter(|_| attempt <= retries) {
                Some(pause) => {
                    tracing::debug!(%error, ?pause, "trying again");
                    std::thread::sleep(pause);
                }
                None => return Err(error),
            }
        }
    }

    /// Sends a request, once more if a token had to be had.
    pub(super) fn attempt(&self, call: &Call<'_>) -> Result<Response<Body>> {
        let url = match call.target {
            Target::Path(path) => {
                let url = format!("{}/v2/{path}", self.origin(call)?);
                let parsed = url.parse::<Uri>();
                parsed.map_err(|error| call.fail(format!("`{url}`: {error}"), None))?
            }
            Target::Url(url) => url.clone(),
        };
        // The first time to learn what is asked for, the second with a token that
        // may be too old, the third with a new one.
        let mut authorization = self.authorization(call)?;
        for _ in 0..2 {
            let response = self.follow(call, &url, authorization.as_deref())?;
            if response.status() != StatusCode::UNAUTHORIZED || !self.is_ours(call, &url) {
                return Ok(response);
            }
            let Some(challenge) = Challenge::find(response.headers()) else {
                return Ok(response);
            };
            self.forget_token(call, authorization.as_deref());
            lock(&self.challenges).insert(call.endpoint.authority.clone(), challenge);
            let next = self.authorization(call)?;
            // A password that was refused will be refused again, and so will none.
            if next == authorization {
                return Ok(response);
            }
            authorization = next;
        }
        self.follow(call, &url, authorization.as_deref())
    }

    /// Sends a request and follows redirects of those that only read.
    fn follow(
        &self,
        call: &Call<'_>,
        url: &Uri,
        authorization: Option<&str>,
    ) -> Result<Response<Body>> {
        let reads = reads(call.method);
        let mut url = url.clone();
        for _ in 0..MAX_REDIRECTS {
            // Storage elsewhere has its own signature in the address, and must
            // not be told a token for the registry.
            let authorization = authorization.filter(|_| self.is_ours(call, &url));
            let response = self.once(call, &url, authorization)?;
            let location = http::header(response.headers(), "location");
            match location.filter(|_| reads && response.status().is_redirection()) {
                Some(location) => {
                    url = http::join(&url, location)
                        .ok_or_else(|| call.fail("it redirects to no address", None))?;
                }
                None => return Ok(response),
            }
        }
        Err(call.fail("it redirects in a circle", None))
    }

    fn once(
        &self,
        call: &Call<'_>,
        url: &Uri,
        authorization: Option<&str>,
    ) -> Result<Response<Body>> {
        let mut request = Request::builder().method(call.method).uri(url);
        for (name, value) in call.headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let agent = self.agents.for_url(url, &self.options.proxy.except);
        // What goes wrong with the content is told apart from what goes wrong on the way.
        let broken = RefCell::new(None);
        let result = match call.content {
            Content::Nothing if reads(call.method) => {
                let request = request.body(SendBody::none());
                request
                    .map_err(ureq::Error::Http)
                    .and_then(|request| agent.run(request))
            }
            Content::Nothing => send_bytes(agent, request, b""),
            Content::Bytes(bytes) => send_bytes(agent, request, bytes),
            Content::Blob {
                blobs,
                descriptor,
                from,
                progress,
            } => {
                let digest = descriptor.digest;
                let mut blob = blobs.open(descriptor)?;
                io::copy(&mut (&mut blob).take(from), &mut io::sink())
                    .map_err(|source| Error::Blob { digest, source })?;
                let length = descriptor.size.saturating_sub(from);
                let mut source = Source {
                    inner: Counted {
                        inner: blob,
                        progress,
                    },
                    left: length,
                    broken: &broken,
                };
                send_reader(agent, request, length, &mut source)
            }
        };
        if let (Content::Blob { descriptor, .. }, Some(source)) = (call.content, broken.take()) {
            let digest = descriptor.digest;
            return Err(Error::Blob { digest, source });
        }
        result.map_err(|error| call.fail(http::cause(&error), None))
    }

    /// Returns whether an address belongs to the endpoint itself.
    pub(super) fn is_ours(&self, call: &Call<'_>, url: &Uri) -> bool {
        let known = lock(&self.origins).get(&call.endpoint.key()).cloned();
        known.is_some_and(|known| known == http::origin(url))
    }

    /// Returns scheme and authority of an endpoint; finds out for this machine's own.
    fn origin(&self, call: &Call<'_>) -> Result<String> {
        let endpoint = call.endpoint;
        let authority = &endpoint.authority;
        if let Some(known) = lock(&self.origins).get(&endpoint.key()) {
            return Ok(known.clone());
        }
        let (https, http) = (
            format!("https://{authority}"),
            format!("http://{authority}"),
        );
        let plain = self.options.plain_http.iter();
        let mut asked = plain.filter(|host| *host == authority || **host == endpoint.host);
        let origin = match endpoint.scheme {
            Some("http") => http,
            None if asked.next().is_some() => http,
            None if is_loopback(authority) => self.try_tls(call, https, http)?,
            _ => https,
        };
        lock(&self.origins).insert(endpoint.key(), origin.clone());
        Ok(origin)
    }

    /// Finds out whether a port of this machine speaks TLS. One that does with a
    /// certificate that nobody vouches for is not talked to in plain HTTP instead.
    fn try_tls(&self, call: &Call<'_>, https: String, http: String) -> Result<String> {
        let ask = |origin: &str| self.agents.direct.get(format!("{origin}/v2/")).call();
        let error = match ask(&https) {
            Ok(_) => return Ok(https),
            Err(error) => error,
        };
        let fails = |error: &ureq::Error| Err(call.fail(http::cause(error), None));
        match http::tls_failure(&error) {
            Some(rustls::Error::InvalidMessage(_)) => {}
            None if matches!(error, ureq::Error::Io(_)) => {}
            _ => return fails(&error),
        }
        match ask(&http) {
            Ok(_) => Ok(http),
            Err(_) => fails(&error),
        }
    }

    /// Returns the endpoint's address of a `Location`. Registries behind a proxy
    /// that ends TLS say `http` of themselves; they mean what they were called by.
    pub(super) fn location(&self, call: &Call<'_>, response: &Response<Body>) -> Result<Uri> {
        let location = http::header(response.headers(), "location");
        let refuse = || call.fail("its answer names no place to upload to", None);
        let origin = self.origin(call)?;
        let base: Uri = match call.target {
            Target::Path(path) => format!("{origin}/v2/{path}")
                .parse()
                .map_err(|_| refuse())?,
            Target::Url(url) => url.clone(),
        };
        let url = http::join(&base, location.ok_or_else(refuse)?).ok_or_else(refuse)?;
        match origin.strip_prefix("https://") {
            Some(ours) if http::origin(&url) == format!("http://{ours}") => {
                let path = url.path_and_query().map_or("/", |path| path.as_str());
                format!("{origin}{path}").parse().map_err(|_| refuse())
            }
            _ => Ok(url),
        }
    }
}

/// Returns what a registry says went wrong, and its code (distribution
/// specification, "Error Codes"), or else the status.
pub(super) fn message(response: Response<Body>) -> (String, String) {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        errors: Vec<Item>,
        /// Of token servers.
        details: Option<String>,
        error_description: Option<String>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        code: serde_json::Value,
        #[serde(default)]
        message: Option<String>,
    }
    let status = response.status();
    let bytes = http::read_body(response, MAX_MESSAGE).unwrap_or_default();
    let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
    let mut said = Vec::new();
    let mut code = String::new();
    if let Some(answer) = answer {
        for item in answer.errors {
            let own = item.code.as_str().unwrap_or_default().to_owned();
            said.push(
                item.message
                    .filter(|m| !m.is_empty())
                    .unwrap_or_else(|| own.clone()),
            );
            code = own;
        }
        said.extend(answer.details);
        said.extend(answer.error_description);
    }
    said.retain(|text| !text.is_empty());
    let said = http::printable(&said.join("; "));
    match said.is_empty() {
        true => (format!("HTTP status {status}"), code),
        false => (format!("{said} (HTTP status {})", status.as_u16()), code),
    }
}

pub(super) fn send_bytes(
    agent: &Agent,
    request: request::Builder,
    bytes: &[u8],
) -> Result<Response<Body>, ureq::Error> {
    send_reader(agent, request, bytes.len() as u64, &mut &*bytes)
}

fn send_reader(
    agent: &Agent,
    request: request::Builder,
    length: u64,
    reader: &mut dyn Read,
) -> Result<Response<Body>, ureq::Error> {
    let request = request
        .header("content-length", length)
        .body(SendBody::from_reader(reader))
        .map_err(ureq::Error::Http)?;
    // Registries hash and move what they were sent before they answer.
    let patience = agent.config().timeouts().recv_response;
    let request = agent.configure_request(request);
    let request = request.timeout_recv_response(patience.map(|limit| limit * MORE_FOR_WRITES));
    agent.run(request.build())
}

/// A blob on its way. Remembers that reading failed, which to the HTTP client is
/// one more broken connection; and holds the last bytes back until the blob
/// has proved right, since the client does not read on to the end.
struct Source<'b, R> {
    inner: R,
    left: u64,
    broken: &'b RefCell<Option<io::Error>>,
}

impl<R: Read> Source<'_, R> {
    fn read_verified(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        if self.left == 0 && read > 0 {
            io::copy(&mut self.inner, &mut io::sink())?;
        }
        Ok(read)
    }
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_verified(buffer).map_err(|error| {
            let kind = error.kind();
            *self.broken.borrow_mut() = Some(error);
            kind.into()
        })
    }
}

/// Returns the digest that a registry says a document has, for the log.
pub(super) fn promised_digest(response: &Response<Body>) -> Option<Digest> {
    http::header(response.headers(), "docker-content-digest")?
        .parse()
        .ok()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
