//! Requests to a registry: where it is, who asks, redirects and further attempts.
//!
//! A token or password goes to the host that asked for it and nowhere else;
//! it is in no message.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{Method, Request, Response, StatusCode, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::challenge::Challenge;
use super::credentials::{Credential, basic};
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
/// Tokens of some registries list every group of the user.
const MAX_TOKEN: u64 = 1 << 20;
const MAX_REDIRECTS: usize = 10;

/// A client, with what it learned about the hosts it met.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) options: Options,
    agents: Agents,
    origins: Mutex<HashMap<String, String>>,
    challenges: Mutex<HashMap<String, Challenge>>,
    /// By host and scope. Locked while one is fetched, so that threads share it.
    tokens: Mutex<HashMap<(String, String), Token>>,
}

#[derive(Debug)]
struct Agents {
    direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
}

#[derive(Clone)]
struct Token {
    value: String,
    expires: Option<Instant>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A place that has the images of a host: itself or a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As people write it: `docker.io`.
    pub(super) host: String,
    /// What is connected to: `registry-1.docker.io`.
    authority: String,
    /// If a mirror's address says.
    scheme: Option<&'static str>,
    prefix: String,
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

impl Endpoint {
    fn of_host(host: &str) -> Self {
        let authority = match host {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        Self {
            host: host.to_owned(),
            authority: authority.to_owned(),
            scheme: None,
            prefix: String::new(),
        }
    }

    fn of_mirror(base: &str) -> Result<Self> {
        let (scheme, rest) = match base.split_once("://") {
            Some(("https", rest)) => (Some("https"), rest),
            Some(("http", rest)) => (Some("http"), rest),
            Some((scheme, _)) => {
                return Err(Error::Reference {
                    reference: base.to_owned(),
                    reason: format!("a mirror cannot be reached by `{scheme}://`"),
                });
            }
            None => (None, base),
        };
        let rest = rest.trim_end_matches('/');
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let mut prefix = prefix.to_owned();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        Ok(Self {
            scheme,
            prefix,
            ..Self::of_host(authority)
        })
    }

    /// Returns the name that a repository has here.
    pub(super) fn repository(&self, name: &Name) -> String {
        format!("{}{}", self.prefix, name.repository)
    }

    fn key(&self) -> String {
        format!("{}//{}", self.scheme.unwrap_or_default(), self.authority)
    }

    fn remote(&self, action: &str, reason: impl Into<String>, status: Option<u16>) -> Error {
        Error::Remote {
            service: self.host.clone(),
            action: action.to_owned(),
            reason: reason.into(),
            status,
        }
    }
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
            _ if status == StatusCode::NOT_FOUND || missing => Error::NotFound {
                subject: self.name.familiar(),
                place: self.endpoint.host.clone(),
            },
            status => self.fail(message, Some(status.as_u16())),
        }
    }
}

/// Returns whether the same may work a little later.
pub(super) fn may_pass(error: &Error) -> bool {
    match error {
        Error::Remote { status, .. } => status.is_none_or(is_passing),
        _ => false,
    }
}

fn is_passing(status: u16) -> bool {
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
        let mut renewed = false;
        loop {
            let authorization = self.authorization(call)?;
            let response = self.follow(call, &url, authorization.as_deref())?;
            let ours = self.is_ours(call, &url);
            if response.status() != StatusCode::UNAUTHORIZED || renewed || !ours {
                return Ok(response);
            }
            let Some(challenge) = Challenge::find(response.headers()) else {
                return Ok(response);
            };
            let key = self.token_key(call);
            self.tokens().remove(&key);
            let known = {
                let mut challenges = lock(&self.challenges);
                challenges.insert(call.endpoint.authority.clone(), challenge.clone())
                    == Some(challenge.clone())
            };
            // A password that was refused will be refused again.
            if known && challenge == Challenge::Basic && authorization.is_some() {
                return Ok(response);
            }
            renewed = true;
        }
    }

    /// Sends a request and follows redirects of those that only read.
    fn follow(
        &self,
        call: &Call<'_>,
        url: &Uri,
        authorization: Option<&str>,
    ) -> Result<Response<Body>> {
        let reads = matches!(*call.method, Method::GET | Method::HEAD);
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
            Content::Nothing if *call.method == Method::GET || *call.method == Method::HEAD => {
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
    fn is_ours(&self, call: &Call<'_>, url: &Uri) -> bool {
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

    fn tokens(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Token>> {
        lock(&self.tokens)
    }

    fn token_key(&self, call: &Call<'_>) -> (String, String) {
        (call.endpoint.authority.clone(), call.scope.to_owned())
    }

    /// Returns what a host is known to want to see before it answers.
    fn authorization(&self, call: &Call<'_>) -> Result<Option<String>> {
        let challenge = lock(&self.challenges)
            .get(&call.endpoint.authority)
            .cloned();
        let find = || {
            let credentials = &self.options.credentials;
            credentials.find(&call.endpoint.host, &call.endpoint.repository(call.name))
        };
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(match find()? {
                Some(Credential::Password { username, password }) => {
                    Some(basic(&username, &password))
                }
                Some(Credential::IdentityToken(token)) => Some(format!("Bearer {token}")),
                None => None,
            }),
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let mut tokens = self.tokens();
                let key = self.token_key(call);
                let fresh = |token: &&Token| token.expires.is_none_or(|at| at > Instant::now());
                if let Some(token) = tokens.get(&key).filter(fresh) {
                    return Ok(Some(format!("Bearer {}", token.value)));
                }
                let scopes = merge_scopes(call.scope, &scope);
                let token = self.fetch_token(call, &realm, &service, &scopes, find()?)?;
                let value = format!("Bearer {}", token.value);
                tokens.insert(key, token);
                Ok(Some(value))
            }
        }
    }

    /// Fetches a token (Docker's "Token Authentication" and "OAuth 2").
    fn fetch_token(
        &self,
        call: &Call<'_>,
        realm: &str,
        service: &str,
        scopes: &[String],
        credential: Option<Credential>,
    ) -> Result<Token> {
        let refuse = |reason: String, status| {
            let action = format!("get a token to {}", call.action);
            call.endpoint.remote(&action, reason, status)
        };
        let url: Uri = realm
            .parse()
            .map_err(|_| refuse(format!("`{realm}` is not an address"), None))?;
        let place = url.authority().map_or("", |authority| authority.as_str());
        let plain = url.scheme_str() != Some("https");
        let asked = self.options.plain_http.iter().any(|host| host == place);
        if plain
            && credential.is_some()
            && !is_loopback(place)
            && !asked
            && !self.is_ours(call, &url)
        {
            let reason = format!("it sends passwords to `{place}` without encryption");
            return Err(refuse(reason, None));
        }
        let mut form = vec![("service", service)];
        form.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
        let agent = self.agents.for_url(&url, &self.options.proxy.except);
        let mut attempt = 0;
        let response = loop {
            attempt += 1;
            let result = match &credential {
                Some(Credential::IdentityToken(token)) => {
                    // OAuth wants all scopes in one parameter.
                    let scope = scopes.join(" ");
                    let form = [
                        ("grant_type", "refresh_token"),
                        ("service", service),
                        ("client_id", "jettison"),
                        ("scope", scope.as_str()),
                        ("refresh_token", token.as_str()),
                    ];
                    let request = Request::builder()
                        .method(Method::POST)
                        .uri(&url)
                        .header("content-type", "application/x-www-form-urlencoded");
                    send_bytes(agent, request, encode(&form).as_bytes())
                }
                other => {
                    let separator = if realm.contains('?') { '&' } else { '?' };
                    let mut request = agent.get(format!("{realm}{separator}{}", encode(&form)));
                    if let Some(Credential::Password { username, password }) = other {
                        request = request.header("authorization", basic(username, password));
                    }
                    request.call()
                }
            };
            let (error, asked) = match result {
                Ok(response) if is_passing(response.status().as_u16()) => {
                    let asked = http::retry_after(response.headers());
                    let status = response.status().as_u16();
                    (refuse(message(response).0, Some(status)), asked)
                }
                Ok(response) => break response,
                Err(error) => (
                    refuse(format!("{place}: {}", http::cause(&error)), None),
                    None,
                ),
            };
            let pause = self.backoff().pause(attempt, asked);
            match pause.filter(|_| attempt <= self.options.retries) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(error),
            }
        };
        let status = response.status();
        if matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
        ) {
            return Err(Error::Denied {
                service: call.endpoint.host.clone(),
                subject: format!("{}/{}", call.endpoint.host, call.name.repository),
                reason: message(response).0,
            });
        }
        if !status.is_success() {
            return Err(refuse(message(response).0, Some(status.as_u16())));
        }
        let bytes = http::read_body(response, MAX_TOKEN)
            .map_err(|error| refuse(format!("{place}: {error}"), None))?;
        parse_token(&bytes).ok_or_else(|| refuse(format!("{place} gives none"), None))
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

fn parse_token(bytes: &[u8]) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(bytes).ok()?;
    let value = answer.token.or(answer.access_token)?;
    let usable = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
    // Renewed a little early: an upload that fails at its end is an expensive way
    // to learn that a token is too old. Registries that do not say mean a minute.
    let seconds = answer.expires_in.filter(|s| s.is_finite()).unwrap_or(60.0);
    let lifetime = Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)).mul_f64(0.8);
    let expires = Instant::now().checked_add(lifetime);
    usable.then_some(Token { value, expires })
}

/// Unites what is needed with what a registry says is needed.
fn merge_scopes(ours: &str, theirs: &str) -> Vec<String> {
    let mut scopes: Vec<String> = ours.split(' ').map(str::to_owned).collect();
    for scope in theirs.split(' ').filter(|scope| !scope.is_empty()) {
        let (resource, actions) = scope.rsplit_once(':').unwrap_or((scope, ""));
        let covered = scopes.iter().any(|own| {
            let (other, allowed) = own.rsplit_once(':').unwrap_or((own, ""));
            let allowed: Vec<&str> = allowed.split(',').collect();
            other == resource && actions.split(',').all(|action| allowed.contains(&action))
        });
        if !covered {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

/// Encodes a form (`application/x-www-form-urlencoded`).
fn encode(form: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => {
                    text.push(byte as char);
                }
                byte => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    text
}

/// Returns what a registry says went wrong, and its code (distribution
/// specification, "Error Codes"), or else the status.
fn message(response: Response<Body>) -> (String, String) {
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

impl Agents {
    fn new(options: &Options) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(certificates(options)?)))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = |proxy: Option<ureq::Proxy>| {
            http::settings(options.timeouts)
                .tls_config(tls.clone())
                .user_agent(options.user_agent.clone())
                .proxy(proxy)
                .build()
                .new_agent()
        };
        let proxied = |address: &Option<String>| match address {
            Some(address) => match ureq::Proxy::new(address) {
                Ok(proxy) => Ok(Some(agent(Some(proxy)))),
                // The address may hold a password and is not quoted.
                Err(_) => Err(Error::Remote {
                    service: "the proxy".to_owned(),
                    action: "be used".to_owned(),
                    reason: "its address makes no sense".to_owned(),
                    status: None,
                }),
            },
            None => Ok(None),
        };
        Ok(Self {
            direct: agent(None),
            http: proxied(&options.proxy.http)?,
            https: proxied(&options.proxy.https)?,
        })
    }

    fn for_url(&self, url: &Uri, except: &[String]) -> &Agent {
        let host = url.host().unwrap_or_default();
        let proxied = match url.scheme_str() {
            Some("http") => &self.http,
            _ => &self.https,
        };
        let direct = is_loopback(host) || except.iter().any(|entry| is_within(host, entry));
        match proxied {
            Some(agent) if !direct => agent,
            _ => &self.direct,
        }
    }
}

/// Returns whether a host is meant by an entry of `NO_PROXY`.
fn is_within(host: &str, entry: &str) -> bool {
    let entry = entry
        .trim()
        .trim_start_matches("*.")
        .trim_start_matches('.');
    let entry = entry.rsplit_once(':').map_or(entry, |(name, port)| {
        match port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') {
            true => name,
            false => entry,
        }
    });
    let inner = host
        .len()
        .checked_sub(entry.len())
        .filter(|_| !entry.is_empty());
    entry == "*"
        || inner.is_some_and(|at| {
            host.is_char_boundary(at)
                && host[at..].eq_ignore_ascii_case(entry)
                && (at == 0 || host[..at].ends_with('.'))
        })
}

/// Returns whether a host, with or without port, is this machine.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Where distributions keep the certificates they trust (the list of Go's crypto/x509).
const SYSTEM_CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

fn certificates(options: &Options) -> Result<Vec<Certificate<'static>>> {
    let parse = |pem: &[u8]| -> Vec<Certificate<'static>> {
        let items = ureq::tls::parse_pem(pem);
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        items.filter_map(certificate).collect()
    };
    let system = SYSTEM_CERTIFICATES
        .iter()
        .find_map(|path| std::fs::read(path).ok());
    let mut trusted = system.map(|pem| parse(&pem)).unwrap_or_default();
    if trusted.is_empty() {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        trusted.extend(bundled.map(|der| Certificate::from_der(der)));
    }
    for pem in &options.ca_certificates {
        let given = parse(pem);
        if given.is_empty() {
            return Err(Error::Remote {
                service: "TLS".to_owned(),
                action: "use the CA certificates given".to_owned(),
                reason: "there is no certificate in them".to_owned(),
                status: None,
            });
        }
        trusted.extend(given);
    }
    Ok(trusted)
}

fn send_bytes(
    agent: &Agent,
    request: ureq::http::request::Builder,
    bytes: &[u8],
) -> Result<Response<Body>, ureq::Error> {
    send_reader(agent, request, bytes.len() as u64, &mut &*bytes)
}

fn send_reader(
    agent: &Agent,
    request: ureq::http::request::Builder,
    length: u64,
    reader: &mut dyn Read,
) -> Result<Response<Body>, ureq::Error> {
    let request = request
        .header("content-length", length)
        .body(SendBody::from_reader(reader))
        .map_err(ureq::Error::Http)?;
    agent.run(request)
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What these hold is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised() {
        for (authority, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("127.9.0.1:80", true),
            ("[::1]:5000", true),
            ("localhost.example", false),
            ("10.0.0.1:5000", false),
            ("127.0.0.1.example", false),
        ] {
            assert_eq!(is_loopback(authority), expected, "{authority}");
        }
    }

    #[test]
    fn exceptions_from_the_proxy() {
        for (host, entry, expected) in [
            ("a.example", "example", true),
            ("a.example", ".example", true),
            ("a.example", "*.example", true),
            ("example", "example:443", true),
            ("A.Example", "a.example", true),
            ("badexample", "example", false),
            ("a.example", "", false),
            ("x", "*", true),
        ] {
            assert_eq!(is_within(host, entry), expected, "{host} {entry}");
        }
    }

    #[test]
    fn scopes_are_united() {
        let ours = "repository:a:pull,push";
        assert_eq!(merge_scopes(ours, "repository:a:pull"), [ours]);
        assert_eq!(
            merge_scopes(ours, "repository:a:delete registry:catalog:*"),
            [ours, "repository:a:delete", "registry:catalog:*"]
        );
    }

    #[test]
    fn mirrors_are_parsed() {
        let mirror = Endpoint::of_mirror("http://h:1/a/b/").unwrap();
        let name = Name::parse("redis").unwrap();
        assert_eq!(mirror.repository(&name), "a/b/library/redis");
        assert_eq!((&*mirror.host, mirror.scheme), ("h:1", Some("http")));
        assert!(Endpoint::of_mirror("ftp://x").is_err());
    }
}
