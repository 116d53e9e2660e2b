//! A registry in memory that misbehaves on request.
//!
//! Plain HTTP/1.1 on a loopback port, one thread per connection. It implements
//! what clients use of the distribution specification, two ways to log in, and
//! [`Faults`].

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// A running registry; it ends with the process.
#[derive(Debug, Clone)]
pub struct Registry {
    host: String,
    state: Arc<Mutex<State>>,
}

/// How to get in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Login {
    /// Just so.
    #[default]
    Open,
    /// Name and password with each request.
    Basic,
    /// Tokens of this registry's own token server, which wants name and password.
    Bearer,
}

/// The name that gets in.
pub const USER: &str = "user";
/// Its password.
pub const PASSWORD: &str = "pass:word";
/// The refresh token that gets in.
pub const REFRESH: &str = "refresh+token";

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// How to get in.
    pub login: Login,
    /// All tokens expire, once each, when a request comes whose `METHOD PATH`
    /// contains the text.
    pub expiries: Vec<String>,
    /// Answers to give in place of the real one, once each, to a request whose
    /// `METHOD PATH` contains the text: text, status, further header.
    pub answers: Vec<(&'static str, u16, &'static str)>,
    /// How many blob downloads break, each after as many bytes.
    pub broken_downloads: (u32, usize),
    /// How many blob uploads break, each after as many bytes.
    pub broken_uploads: (u32, usize),
    /// `Range` is ignored.
    pub ignore_range: bool,
    /// Blobs are given with a byte changed.
    pub corrupt: bool,
    /// Blobs are redirected to this other registry.
    pub blobs_at: Option<String>,
    /// The pause before each answer.
    pub slow: Duration,
    /// Uploads that broke cannot be resumed.
    pub forget_uploads: bool,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `METHOD PATH`, with the query.
    pub line: String,
    /// By name in lower case.
    pub headers: HashMap<String, String>,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    blobs: HashMap<String, Vec<u8>>,
    /// Which repository has which blob.
    links: HashMap<(String, String), ()>,
    manifests: HashMap<(String, String), (String, Vec<u8>)>,
    uploads: HashMap<String, Vec<u8>>,
    tokens: HashMap<String, String>,
    requests: Vec<Request>,
    counter: u32,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The connection is closed after so many bytes of the body.
    cut: Option<usize>,
}

impl Answer {
    fn new(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self {
            status,
            headers,
            body,
            cut: None,
        }
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        let json = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        Self::new(status)
            .with("content-type", "application/json")
            .body(json.into_bytes())
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

/// Returns the digest of bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Registry {
    /// Starts a registry.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub fn start(faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let port = listener.local_addr().expect("an address").port();
        let state = State {
            faults,
            ..State::default()
        };
        let registry = Self {
            host: format!("127.0.0.1:{port}"),
            state: Arc::new(Mutex::new(state)),
        };
        let server = registry.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || {
                    // Whatever ends a connection is the client's business.
                    let _ = server.serve(&stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        registry
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Changes what goes wrong.
    pub fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Returns how many requests so far contain a text in `METHOD PATH`.
    pub fn count(&self, text: &str) -> usize {
        let state = self.state();
        let hits = state.requests.iter().filter(|r| r.line.contains(text));
        hits.count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.state().requests.clear();
    }

    /// Stores a blob; returns its digest.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        self.state().store(repository, &digest, bytes.to_vec());
        digest
    }

    /// Stores a manifest under a tag and its digest, which it returns.
    pub fn put_manifest(&self, repository: &str, tag: &str, kind: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        for reference in [tag, &digest] {
            let key = (repository.to_owned(), reference.to_owned());
            let value = (kind.to_owned(), bytes.to_vec());
            self.state().manifests.insert(key, value);
        }
        digest
    }

    /// Returns a manifest: media type and bytes.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Vec<u8>)> {
        let key = (repository.to_owned(), reference.to_owned());
        self.state().manifests.get(&key).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut words = line.split_whitespace();
            let (Some(method), Some(path)) = (words.next(), words.next()) else {
                return Ok(()); // A TLS greeting, for instance.
            };
            let line = format!("{method} {path}");
            let mut headers = HashMap::new();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header)?;
                match header.trim_end().split_once(':') {
                    Some((name, value)) => {
                        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                    }
                    None => break,
                }
            }
            let request = Request { line, headers };
            let body = self.read_body(&request, &mut reader)?;
            self.state().requests.push(request.clone());
            let answer = match body {
                Some(body) => self.state().answer(&self.host, &request, &body),
                None => return Ok(()),
            };
            let pause = self.state().faults.slow;
            std::thread::sleep(pause);
            let head = request.line.starts_with("HEAD");
            let mut text = format!("HTTP/1.1 {} Status\r\n", answer.status);
            for (name, value) in &answer.headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len()));
            let mut stream = stream;
            stream.write_all(text.as_bytes())?;
            if !head {
                let end = answer.cut.unwrap_or(answer.body.len());
                stream.write_all(&answer.body[..end.min(answer.body.len())])?;
            }
            if answer.cut.is_some() {
                return Ok(());
            }
        }
    }

    /// Reads what a request carries; nothing when the connection is to break.
    fn read_body(&self, request: &Request, reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
        let length = request.headers.get("content-length");
        let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        let upload = request.line.contains("/uploads/") && length > 0;
        let cut = {
            let mut state = self.state();
            let (times, after) = &mut state.faults.broken_uploads;
            let hit = upload && *times > 0;
            *times -= u32::from(hit);
            hit.then_some((*after).min(length))
        };
        let Some(cut) = cut else {
            reader.read_exact(&mut body)?;
            return Ok(Some(body));
        };
        reader.read_exact(&mut body[..cut])?;
        let mut state = self.state();
        if !state.faults.forget_uploads {
            let id = upload_id(&request.line);
            state.uploads.entry(id).or_default().extend(&body[..cut]);
        } else {
            let id = upload_id(&request.line);
            state.uploads.remove(&id);
        }
        Ok(None)
    }
}

/// `PUT /v2/a/blobs/uploads/ID?digest=…`
fn upload_id(line: &str) -> String {
    let path = line.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

impl State {
    fn store(&mut self, repository: &str, digest: &str, bytes: Vec<u8>) {
        self.blobs.insert(digest.to_owned(), bytes);
        self.links
            .insert((repository.to_owned(), digest.to_owned()), ());
    }

    fn answer(&mut self, host: &str, request: &Request, body: &[u8]) -> Answer {
        let planned = self.faults.answers.iter();
        let mut planned = planned.enumerate();
        if let Some((at, _)) = planned.find(|(_, (text, ..))| request.line.contains(text)) {
            let (_, status, header) = self.faults.answers.remove(at);
            let answer = Answer::error(status, "PLANNED", "as planned");
            return match header.split_once(": ") {
                Some((name, value)) => answer.with(name, value),
                None => answer,
            };
        }
        let (method, target) = request.line.split_once(' ').unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: HashMap<String, String> = pairs(query);
        if path == "/token" {
            return self.token(method, request, &query, body);
        }
        if let Err(answer) = self.admit(host, request) {
            return *answer;
        }
        let Some(rest) = path.strip_prefix("/v2/") else {
            return Answer::error(404, "NOT_FOUND", "no such page");
        };
        if rest.is_empty() {
            return Answer::new(200);
        }
        if let Some((repository, id)) = rest.split_once("/blobs/uploads/") {
            return self.upload(method, repository, id, &query, body, request);
        }
        if let Some((repository, digest)) = rest.split_once("/blobs/") {
            return self.blob(repository, digest, request);
        }
        match rest.split_once("/manifests/") {
            Some((repository, reference)) if method == "PUT" => {
                let kind = request.headers.get("content-type").cloned();
                let digest = digest(body);
                for reference in [reference, &digest] {
                    let key = (repository.to_owned(), reference.to_owned());
                    let value = (kind.clone().unwrap_or_default(), body.to_vec());
                    self.manifests.insert(key, value);
                }
                Answer::new(201).with("docker-content-digest", digest)
            }
            Some((repository, reference)) => {
                let key = (repository.to_owned(), reference.to_owned());
                match self.manifests.get(&key) {
                    Some((kind, bytes)) => Answer::new(200)
                        .with("content-type", kind)
                        .with("docker-content-digest", digest(bytes))
                        .body(bytes.clone()),
                    None => Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
                }
            }
            None => Answer::error(404, "NAME_UNKNOWN", "repository unknown"),
        }
    }

    fn admit(&mut self, host: &str, request: &Request) -> Result<(), Box<Answer>> {
        let given = request.headers.get("authorization").map(String::as_str);
        let refuse = |challenge: String| {
            let answer = Answer::error(401, "UNAUTHORIZED", "authentication required");
            Err(Box::new(answer.with("www-authenticate", challenge)))
        };
        match self.faults.login {
            Login::Open => Ok(()),
            Login::Basic if given == Some(&basic()) => Ok(()),
            Login::Basic => refuse("Basic realm=\"a, b\"".to_owned()),
            Login::Bearer => {
                let token = given.and_then(|given| given.strip_prefix("Bearer "));
                let mut due = self.faults.expiries.iter();
                if let Some(at) = due.position(|text| request.line.contains(&**text)) {
                    self.faults.expiries.remove(at);
                    self.tokens.clear();
                }
                let known = token.and_then(|token| self.tokens.get(token));
                let needed = needed_scope(&request.line);
                match known {
                    Some(scope) if scope.contains(&needed) => Ok(()),
                    _ => refuse(format!(
                        "Bearer realm=\"http://{host}/token\",service=\"test\",scope=\"{needed}\""
                    )),
                }
            }
        }
    }

    fn token(
        &mut self,
        method: &str,
        request: &Request,
        query: &HashMap<String, String>,
        body: &[u8],
    ) -> Answer {
        let form = pairs(&String::from_utf8_lossy(body));
        let (admitted, scope) = match method {
            "POST" => {
                let right = form.get("refresh_token").map(String::as_str) == Some(REFRESH);
                (
                    right && form["grant_type"] == "refresh_token",
                    form.get("scope"),
                )
            }
            _ => {
                let right = request.headers.get("authorization") == Some(&basic());
                (right, query.get("scope"))
            }
        };
        if !admitted {
            return Answer::error(401, "UNAUTHORIZED", "incorrect username or password");
        }
        self.counter += 1;
        let token = format!("token{}", self.counter);
        let scope = scope.cloned().unwrap_or_default();
        self.tokens.insert(token.clone(), scope);
        let key = if method == "POST" {
            "access_token"
        } else {
            "token"
        };
        Answer::new(200).body(format!(r#"{{"{key}":"{token}","expires_in":300}}"#).into_bytes())
    }

    fn blob(&mut self, repository: &str, digest: &str, request: &Request) -> Answer {
        let key = (repository.to_owned(), digest.to_owned());
        let found = self.links.get(&key).and(self.blobs.get(digest));
        let Some(bytes) = found else {
            return Answer::error(404, "BLOB_UNKNOWN", "blob unknown");
        };
        if let Some(other) = &self.faults.blobs_at {
            let location = format!("http://{other}/v2/{repository}/blobs/{digest}?signature=s");
            return Answer::new(307).with("location", location);
        }
        let mut bytes = bytes.clone();
        if self.faults.corrupt
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
        }
        let all = bytes.len();
        let range = request
            .headers
            .get("range")
            .filter(|_| !self.faults.ignore_range);
        let start = range.and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .trim_end_matches('-')
                .parse()
                .ok()
        });
        let mut answer = match start {
            Some(start) if start < all => Answer::new(206)
                .with("content-range", format!("bytes {start}-{}/{all}", all - 1))
                .body(bytes.split_off(start)),
            Some(_) => return Answer::new(416),
            None => Answer::new(200).body(bytes),
        };
        let (times, after) = &mut self.faults.broken_downloads;
        if *times > 0 && request.line.starts_with("GET") && answer.body.len() > *after {
            *times -= 1;
            answer.cut = Some(*after);
        }
        answer
    }

    fn upload(
        &mut self,
        method: &str,
        repository: &str,
        id: &str,
        query: &HashMap<String, String>,
        body: &[u8],
        request: &Request,
    ) -> Answer {
        if method == "POST" {
            if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from")) {
                let source = (from.clone(), digest.clone());
                if self.links.contains_key(&source) {
                    self.links
                        .insert((repository.to_owned(), digest.clone()), ());
                    return Answer::new(201);
                }
            }
            self.counter += 1;
            let id = format!("upload{}", self.counter);
            self.uploads.insert(id.clone(), Vec::new());
            // Relative, as the specification allows.
            return Answer::new(202).with(
                "location",
                format!("/v2/{repository}/blobs/uploads/{id}?state=x"),
            );
        }
        let Some(content) = self.uploads.get_mut(id) else {
            return Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
        };
        let location = format!("/v2/{repository}/blobs/uploads/{id}?state=y");
        if method == "GET" {
            let range = format!("0-{}", content.len().saturating_sub(1));
            return Answer::new(204)
                .with("location", location)
                .with("range", range);
        }
        if let Some(range) = request.headers.get("content-range")
            && !range.starts_with(&format!("{}-", content.len()))
        {
            return Answer::error(416, "RANGE_INVALID", "range invalid");
        }
        content.extend(body);
        if method == "PATCH" {
            let range = format!("0-{}", content.len().saturating_sub(1));
            return Answer::new(202)
                .with("location", location)
                .with("range", range);
        }
        let content = self.uploads.remove(id).unwrap_or_default();
        let promised = query.get("digest").cloned().unwrap_or_default();
        if digest(&content) != promised {
            return Answer::error(400, "DIGEST_INVALID", "the digest is another");
        }
        self.store(repository, &promised, content);
        Answer::new(201).with("docker-content-digest", promised)
    }
}

fn needed_scope(line: &str) -> String {
    let path = line.split_once("/v2/").map_or("", |(_, path)| path);
    let end = ["/blobs/", "/manifests/"]
        .iter()
        .find_map(|part| path.find(part));
    let repository = &path[..end.unwrap_or(0)];
    match line.starts_with("GET") || line.starts_with("HEAD") {
        true => format!("repository:{repository}:pull"),
        false => format!("repository:{repository}:pull,push"),
    }
}

fn basic() -> String {
    // `user:pass:word` in base64.
    "Basic dXNlcjpwYXNzOndvcmQ=".to_owned()
}

fn pairs(text: &str) -> HashMap<String, String> {
    let mut found: HashMap<String, String> = HashMap::new();
    for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        let entry = found.entry(name.to_owned()).or_default();
        if !entry.is_empty() {
            entry.push(' ');
        }
        entry.push_str(&unescape(value));
    }
    found
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
