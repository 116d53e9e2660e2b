//! What is asked of a running container, as plain data, and how people write it.
//!
//! A [`Probe`] is a question whose answer two images have in common if they are the same in what matters:
//! an HTTP request, a command inside, a command of the host, a connection. Asking is the business of
//! [`crate::verify`]; so is what counts as the same answer ([`normalise`]).

pub mod config;
pub mod http;
pub mod normalise;
mod words;

pub use words::split as split_words;

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// How long a test suite may take.
const SUITE: Duration = Duration::from_secs(1800);

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is asked.
    pub request: Request,
    /// How much of the answer is compared.
    pub compare: Compare,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// An HTTP request.
    Http(http::Request),
    /// A command inside the container.
    Exec(Command),
    /// A command of the host, run by its shell in the container's network.
    Host(Command),
    /// A connection to a port.
    Tcp(u16),
}

/// A command and the exit code that is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// As written.
    pub line: String,
    /// What the original has to exit with.
    pub expect: i32,
    /// What it reads from standard input.
    pub stdin: String,
    /// How long it may take, if that differs from what others may.
    pub timeout: Option<Duration>,
}

/// How much of an answer is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// The exit code or HTTP status.
    Status,
    /// All of it.
    Output,
}

/// When a container counts as ready. Without one of these: when its ports listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitFor {
    /// A port listens.
    Port(u16),
    /// A request is answered with a status below 400.
    Http(http::Request),
    /// Standard output or standard error contains this.
    Text(String),
    /// So much time has passed.
    Time(Duration),
}

/// A probe, a condition or a configuration file that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand {what} `{text}`: {reason}")]
pub struct Invalid {
    what: &'static str,
    text: String,
    reason: String,
}

impl Invalid {
    pub(crate) fn new(what: &'static str, text: &str, reason: impl Into<String>) -> Self {
        Self {
            what,
            text: text.to_owned(),
            reason: reason.into(),
        }
    }
}

impl Probe {
    /// Returns the probe for an HTTP request; everything is compared.
    #[must_use]
    pub fn http(request: http::Request) -> Self {
        Self {
            request: Request::Http(request),
            compare: Compare::Output,
        }
    }

    /// Asks this port, if it is a request.
    pub(crate) fn set_port(&mut self, port: u16) {
        if let Request::Http(request) = &mut self.request {
            request.port = Some(port);
        }
    }

    /// Takes whatever status a request is answered with, as long as both answer the same.
    pub(crate) fn accept_any_status(&mut self) {
        if let Request::Http(request) = &mut self.request {
            request.expect = http::Expect::Any;
        }
    }

    /// Returns the probe for a command inside, split into words as a shell does; everything is compared.
    ///
    /// # Errors
    /// If the line needs a shell.
    pub fn exec(line: &str) -> Result<Self, Invalid> {
        words::split(line)?;
        Ok(Self {
            request: Request::Exec(Command::new(line)),
            compare: Compare::Output,
        })
    }

    /// Returns the probe for a command of the host. What test suites and benchmarks print differs each
    /// time, so only the exit code is compared.
    #[must_use]
    pub fn host(line: &str) -> Self {
        Self {
            request: Request::Host(Command::new(line)),
            compare: Compare::Status,
        }
    }

    /// Returns the probe for a user's own test suite: a command of the host that may take half an hour.
    #[must_use]
    pub fn suite(line: &str) -> Self {
        Self {
            request: Request::Host(Command {
                timeout: Some(SUITE),
                ..Command::new(line)
            }),
            compare: Compare::Status,
        }
    }

    /// Returns the probe for a port.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self {
            request: Request::Tcp(port),
            compare: Compare::Status,
        }
    }

    /// Returns its name in reports.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.request {
            Request::Http(request) => format!("http {request}"),
            Request::Exec(command) => format!("exec {}", command.line),
            Request::Host(command) => format!("host {}", command.line),
            Request::Tcp(port) => format!("tcp {port}"),
        }
    }
}

impl Command {
    fn new(line: &str) -> Self {
        Self {
            line: line.to_owned(),
            expect: 0,
            stdin: String::new(),
            timeout: None,
        }
    }
}

impl FromStr for WaitFor {
    type Err = Invalid;

    /// `6379` is a port, `2s` and `0.5s` a time, `/health` and `:8080/health` a request; anything else is text.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new("the condition", text, "it is empty"));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text
                .parse()
                .map(Self::Port)
                .map_err(|_| Invalid::new("the condition", text, "there is no such port"));
        }
        if text.starts_with('/') || text.starts_with(':') && text.contains('/') {
            return Ok(Self::Http(text.parse()?));
        }
        let seconds = text
            .strip_suffix('s')
            .filter(|number| number.starts_with(|c: char| c.is_ascii_digit()))
            .and_then(|number| number.parse::<f64>().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(seconds.map_or_else(|| Self::Text(text.to_owned()), Self::Time))
    }
}

impl std::fmt::Display for WaitFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Port(port) => write!(f, "port {port}"),
            Self::Http(request) => write!(f, "{request}"),
            Self::Text(text) => write!(f, "`{text}` in its output"),
            Self::Time(time) => write!(f, "{} s", time.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_told_apart_by_their_form() {
        for (text, expected) in [
            ("6379", WaitFor::Port(6379)),
            ("2s", WaitFor::Time(Duration::from_secs(2))),
            ("0.5s", WaitFor::Time(Duration::from_millis(500))),
            ("ready", WaitFor::Text("ready".to_owned())),
            ("listens", WaitFor::Text("listens".to_owned())),
            ("a:/b", WaitFor::Text("a:/b".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let http = |text: &str| match text.parse().unwrap() {
            WaitFor::Http(request) => (request.port, request.path),
            other => panic!("{other:?}"),
        };
        assert_eq!(http("/health"), (None, "/health".to_owned()));
        assert_eq!(http(":8080/"), (Some(8080), "/".to_owned()));
        assert!("70000".parse::<WaitFor>().is_err());
        assert!("".parse::<WaitFor>().is_err());
    }
}
