//! Who one is to a registry: what `docker login` and `podman login` left behind.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde::Deserialize;

use crate::error::{Error, Result};

/// Proof of who one is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password, or an access token in its place.
        password: String,
    },
    /// A refresh token (OAuth 2), as some registries hand out at login.
    IdentityToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
        })
    }
}

/// Knows credentials. Asked only when a registry wants some.
pub trait Credentials: Send + Sync + fmt::Debug {
    /// Returns the credential for a repository of a host, if there is one.
    ///
    /// # Errors
    /// When one should be there but cannot be had.
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>>;
}

/// Has no credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

impl Credentials for Anonymous {
    fn find(&self, _: &str, _: &str) -> Result<Option<Credential>> {
        Ok(None)
    }
}

/// By host.
impl Credentials for BTreeMap<String, Credential> {
    fn find(&self, host: &str, _: &str) -> Result<Option<Credential>> {
        Ok(self.get(host).cloned())
    }
}

/// The files that logins are kept in: Docker's `config.json`, the `auth.json`
/// of podman and its kin. The first that knows a host counts.
#[derive(Clone, Default)]
pub struct AuthFiles(Vec<AuthFile>);

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthFile {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl fmt::Debug for AuthFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthFiles({})", self.0.len())
    }
}

/// Docker Hub's key in these files, from the days of the first protocol.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

impl AuthFiles {
    /// Reads files; those that do not exist are passed over.
    ///
    /// # Errors
    /// When a file cannot be read or understood.
    pub fn read<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut files = Self::default();
        for path in paths {
            let path = path.as_ref();
            match std::fs::read(path) {
                Ok(bytes) => files.add(&bytes).map_err(|source| Error::File {
                    verb: "understand",
                    path: path.to_path_buf(),
                    source,
                })?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::file("read", path)(error)),
            }
        }
        Ok(files)
    }

    /// Adds the content of a file.
    ///
    /// # Errors
    /// When it is not JSON of the expected shape; the message quotes none of it.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = serde_json::from_slice(bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let reason = format!("not the JSON of a login file, line {line}, column {column}");
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })?;
        self.0.push(file);
        Ok(())
    }
}

impl Credentials for AuthFiles {
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        for file in &self.0 {
            if let Some(found) = file.find(host, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl AuthFile {
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        let key = if host == "docker.io" {
            DOCKER_HUB
        } else {
            host
        };
        let own = self.cred_helpers.iter();
        let own = own.filter(|(server, _)| normalise(server) == host);
        let helper = own.map(|(_, helper)| helper).next();
        for helper in helper.into_iter().chain(&self.creds_store) {
            if let Some(found) = ask_helper(helper, key)? {
                return Ok(Some(found));
            }
        }
        // containers-auth.json(5): the longest path that leads to the repository counts.
        let mut path = format!("{host}/{repository}");
        loop {
            let same = |(server, _): &(&String, &Auth)| normalise(server) == path;
            if let Some((_, auth)) = self.auths.iter().find(same)
                && let Some(found) = auth.credential(host)?
            {
                return Ok(Some(found));
            }
            match path.rfind('/') {
                Some(end) => path.truncate(end),
                None => return Ok(None),
            }
        }
    }
}

impl Auth {
    fn credential(&self, host: &str) -> Result<Option<Credential>> {
        let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        if let Some(token) = text(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken(token)));
        }
        if let Some(auth) = text(&self.auth) {
            let refuse = || Error::Remote {
                service: "the login file".to_owned(),
                action: format!("give credentials for `{host}`"),
                reason: "its `auth` is not NAME:PASSWORD in base64".to_owned(),
                status: None,
            };
            let bytes = BASE64.decode(auth.trim()).map_err(|_| refuse())?;
            let pair = String::from_utf8(bytes).map_err(|_| refuse())?;
            let (username, password) = pair.split_once(':').ok_or_else(refuse)?;
            return Ok(Some(Credential::Password {
                username: username.to_owned(),
                // Docker pads with NULs.
                password: password.trim_matches('\0').to_owned(),
            }));
        }
        match (text(&self.username), text(&self.password)) {
            (Some(username), Some(password)) => {
                Ok(Some(Credential::Password { username, password }))
            }
            _ => Ok(None),
        }
    }
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the value of `Authorization` for a name and a password.
pub(super) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{username}:{password}")))
}

/// Brings a server's key into the form that names have: `https://index.docker.io/v1/`
/// is `docker.io`, `https://host/v2/` is `host`.
fn normalise(server: &str) -> String {
    let bare = server
        .strip_prefix("https://")
        .or_else(|| server.strip_prefix("http://"))
        .unwrap_or(server)
        .trim_end_matches('/');
    let bare = bare
        .strip_suffix("/v1")
        .or_else(|| bare.strip_suffix("/v2"))
        .unwrap_or(bare);
    match bare {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Runs `docker-credential-HELPER get` (docker/docker-credential-helpers, "Development").
/// A helper that is not installed has no credentials: login files are copied
/// between machines, and public images are to be had all the same.
fn ask_helper(helper: &str, server: &str) -> Result<Option<Credential>> {
    let program = format!("docker-credential-{helper}");
    let refuse = |reason: String| Error::Remote {
        service: program.clone(),
        action: format!("give credentials for `{server}`"),
        reason,
        status: None,
    };
    let name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if helper.is_empty() || !helper.bytes().all(name) {
        return Err(refuse("that is not the name of a helper".to_owned()));
    }
    let started = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::debug!(program, "credential helper is not installed");
            return Ok(None);
        }
        Err(error) => return Err(refuse(error.to_string())),
    };
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input says why with its status.
        let _ = input.write_all(server.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|error| refuse(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.lines().next().unwrap_or_default().trim();
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(refuse(format!("{} ({said})", output.status)));
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|_| refuse("its answer is not the expected JSON".to_owned()))?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => Credential::IdentityToken(answer.secret),
        _ => Credential::Password {
            username: answer.username,
            password: answer.secret,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(username: &str, password: &str) -> Option<Credential> {
        let (username, password) = (username.to_owned(), password.to_owned());
        Some(Credential::Password { username, password })
    }

    #[test]
    fn logins_are_found_by_host_and_path() {
        let mut files = AuthFiles::default();
        let docker = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"bWU6cDp3"},
            "h.example:5000":{"username":"u","password":"p"},
            "empty.example":{},
            "token.example":{"auth":"MDAwOg==","identitytoken":"hush"}}}"#;
        let podman = r#"{"auths":{"q.example/team":{"auth":"dGVhbTp0"},"q.example/team/a":{"auth":"YTph"},
            "empty.example":{"auth":"ZTpl"}}}"#;
        files.add(docker.as_bytes()).unwrap();
        files.add(podman.as_bytes()).unwrap();
        let find = |host: &str, repository: &str| files.find(host, repository).unwrap();
        assert_eq!(find("docker.io", "library/redis"), password("me", "p:w"));
        assert_eq!(find("h.example:5000", "x"), password("u", "p"));
        assert_eq!(find("h.example", "x"), None);
        assert_eq!(find("empty.example", "x"), password("e", "e"));
        assert_eq!(find("q.example", "team/a"), password("a", "a"));
        assert_eq!(find("q.example", "team/b"), password("team", "t"));
        assert_eq!(find("q.example", "other"), None);
        let token = Some(Credential::IdentityToken("hush".to_owned()));
        assert_eq!(find("token.example", "x"), token);
        assert!(!format!("{files:?} {token:?}").contains("hush"));
    }

    #[test]
    fn bad_files_are_refused_without_quoting_them() {
        let mut files = AuthFiles::default();
        let error = files.add(br#"{"auths": "hunter2"}"#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        files
            .add(br#"{"auths":{"h":{"auth":"aHVudGVyMg"}}}"#)
            .unwrap();
        let error = files.find("h", "x").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        files
            .add(br#"{"credHelpers":{"g":"../evil"},"credsStore":"jettison-absent"}"#)
            .unwrap();
        assert!(files.find("g", "x").is_err());
        assert_eq!(files.find("absent", "x").unwrap(), None);
    }
}
