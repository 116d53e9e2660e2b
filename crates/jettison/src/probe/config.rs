//! Probes in a file, `jettison.toml`, for those who would not type them each time.
//!
//! ```toml
//! [container]
//! env = { MODE = "test" }
//! volumes = ["./fixtures:/data:ro"]
//! wait-for = ["6379"]
//! timeout = 30
//!
//! [[with]]
//! name = "db"
//! image = "postgres:16"
//! env = { POSTGRES_PASSWORD = "x" }
//!
//! [[probe]]
//! http = "POST /items => 201"
//! headers = { Authorization = "Bearer x" }
//! body = '{"name": "a"}'
//!
//! [[probe]]
//! exec = "redis-cli get a"
//! expect = 0
//! compare = "output"
//! ```

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;

use super::http::Expect;
use super::{Command, Compare, Invalid, Probe, Request, WaitFor};

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct File {
    /// Variables to set.
    pub env: Vec<(String, String)>,
    /// `HOST:CONTAINER[:ro]`, as written.
    pub volumes: Vec<String>,
    /// What runs beside it, in this order.
    pub with: Vec<With>,
    /// When it is ready.
    pub wait_for: Vec<WaitFor>,
    /// Seconds.
    pub timeout: Option<f64>,
    /// In the order of the file.
    pub probes: Vec<Probe>,
}

/// An image that runs beside both, in their network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct With {
    /// The host name that it is reached by.
    pub name: String,
    /// The image, as it is named on the command line.
    pub image: String,
    /// Variables to set.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// In place of the image's command.
    #[serde(default)]
    pub command: Vec<String>,
}

impl With {
    fn check(self) -> Result<Self, Invalid> {
        if !is_host_name(&self.name) {
            let reason = "the name is a host name, as in db=postgres:16";
            return Err(Invalid::new("what runs beside it", &self.name, reason));
        }
        Ok(self)
    }
}

/// `NAME=IMAGE`, as it is typed.
impl FromStr for With {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts = text.split_once('=').filter(|(_, image)| !image.is_empty());
        let (name, image) = parts.ok_or_else(|| {
            let reason = "write NAME=IMAGE, as in db=postgres:16";
            Invalid::new("what runs beside it", text, reason)
        })?;
        let with = Self {
            name: name.to_owned(),
            image: image.to_owned(),
            ..Self::default()
        };
        with.check()
    }
}

/// Letters, digits, hyphens and dots (RFC 1123), and the underscores that Compose allows.
fn is_host_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    container: Container,
    #[serde(default)]
    with: Vec<With>,
    #[serde(default)]
    probe: Vec<Table>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Container {
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    wait_for: Vec<String>,
    timeout: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    http: Option<String>,
    exec: Option<String>,
    host: Option<String>,
    tcp: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    stdin: Option<String>,
    expect: Option<i32>,
    compare: Option<Compare>,
}

/// Reads the text of a `jettison.toml`.
///
/// # Errors
/// With the line, when it is not TOML; with the probe, when that makes no sense.
pub fn parse(text: &str) -> Result<File, Invalid> {
    let document: Document = toml::from_str(text)
        .map_err(|error| Invalid::new("the file", "jettison.toml", error.to_string().trim_end()))?;
    let wait_for = document.container.wait_for.iter();
    Ok(File {
        env: document.container.env.into_iter().collect(),
        volumes: document.container.volumes,
        with: document
            .with
            .into_iter()
            .map(With::check)
            .collect::<Result<_, _>>()?,
        wait_for: wait_for
            .map(|text| text.parse())
            .collect::<Result<_, _>>()?,
        timeout: document.container.timeout,
        probes: document
            .probe
            .into_iter()
            .map(Table::probe)
            .collect::<Result<_, _>>()?,
    })
}

impl Table {
    fn probe(self) -> Result<Probe, Invalid> {
        let shown = format!("{:?}", self.shown());
        let refuse = |reason: &str| Err(Invalid::new("the probe", shown.trim_matches('"'), reason));
        let mut probe = match (&self.http, &self.exec, &self.host, self.tcp) {
            (Some(http), None, None, None) => Probe::http(http.parse()?),
            (None, Some(line), None, None) => Probe::exec(line)?,
            (None, None, Some(line), None) => Probe::host(line),
            (None, None, None, Some(port)) => Probe::tcp(port),
            _ => return refuse("it needs exactly one of http, exec, host and tcp"),
        };
        match &mut probe.request {
            Request::Http(request) => {
                if self.stdin.is_some() {
                    return refuse("a request has a body, no stdin");
                }
                request.headers.extend(self.headers);
                request.body = self.body.unwrap_or(std::mem::take(&mut request.body));
                match self.expect.map(u16::try_from) {
                    Some(Ok(status)) => request.expect = Expect::Status(status),
                    Some(Err(_)) => return refuse("a status is a number such as 404"),
                    None => {}
                }
            }
            Request::Exec(command) | Request::Host(command) => {
                if !self.headers.is_empty() || self.body.is_some() {
                    return refuse("a command has neither headers nor a body");
                }
                let Command { expect, stdin, .. } = command;
                *expect = self.expect.unwrap_or_default();
                *stdin = self.stdin.unwrap_or_default();
            }
            Request::Tcp(_) => {
                let more = self.expect.is_some() || self.compare.is_some();
                if more || self.body.is_some() || self.stdin.is_some() || !self.headers.is_empty() {
                    return refuse("a connection is all that is asked of a port");
                }
            }
        }
        probe.compare = self.compare.unwrap_or(probe.compare);
        Ok(probe)
    }

    fn shown(&self) -> String {
        let words = [&self.http, &self.exec, &self.host];
        let words = words.into_iter().flatten().next().cloned();
        words
            .or_else(|| self.tcp.map(|port| port.to_string()))
            .unwrap_or_else(|| "[[probe]]".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_flags_say_and_more() {
        let file = parse(
            r#"
            [container]
            env = { B = "2", A = "1" }
            volumes = ["./x:/x"]
            wait-for = ["80", "ready"]
            timeout = 2.5
            [[probe]]
            http = "POST :80/items"
            headers = { X = "y" }
            body = "b"
            expect = 201
            [[probe]]
            exec = "cat"
            stdin = "hello"
            expect = 1
            compare = "status"
            [[probe]]
            host = "make test"
            compare = "output"
            [[probe]]
            tcp = 80
            "#,
        )
        .unwrap();
        assert_eq!(
            file.env,
            [("A".into(), "1".into()), ("B".into(), "2".into())]
        );
        assert_eq!(file.timeout, Some(2.5));
        assert_eq!(file.wait_for.len(), 2);
        let names: Vec<_> = file.probes.iter().map(Probe::name).collect();
        assert_eq!(
            names,
            [
                "http POST :80/items",
                "exec cat",
                "host make test",
                "tcp 80"
            ]
        );
        let Request::Http(request) = &file.probes[0].request else {
            panic!("not http");
        };
        assert_eq!((request.expect, &*request.body), (Expect::Status(201), "b"));
        let Request::Exec(command) = &file.probes[1].request else {
            panic!("not exec");
        };
        assert_eq!((command.expect, &*command.stdin), (1, "hello"));
        assert_eq!(file.probes[1].compare, Compare::Status);
        assert_eq!(file.probes[2].compare, Compare::Output);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("[[probe]]\nhttp='/'\nexec='x'", "exactly one"),
            ("[[probe]]", "exactly one"),
            ("[[probe]]\nexec='a | b'", "needs a shell"),
            (
                "[[probe]]\nexec='a'\nbody='x'",
                "neither headers nor a body",
            ),
            ("[[probe]]\nhttp='/'\nstdin='x'", "no stdin"),
            ("[[probe]]\ntcp=80\nexpect=1", "all that is asked"),
            ("[[prob]]", "unknown field"),
            ("[container]\ntimeout='x'", "line 2"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
