//! How an engine is reached: HTTP over a Unix socket, TCP, or the standard
//! streams of `docker system dial-stdio` on another machine.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ureq::http::{Method, Request, Response, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Body, SendBody};

use super::Options;
use crate::error::Error;
use crate::transport::http;

/// An engine at an endpoint.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    endpoint: String,
    agent: Agent,
    base: String,
}

impl Engine {
    /// Understands an endpoint; nothing is connected to yet.
    pub(super) fn new(endpoint: &str, options: &Options) -> Result<Self, String> {
        let settings = http::settings(options.timeouts).build();
        let (address, base) = match endpoint.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => (
                Some(Address::Socket(path.into())),
                "http://engine".to_owned(),
            ),
            Some(("ssh", rest)) => (
                Some(parse_ssh(&options.ssh, rest)?),
                "http://engine".to_owned(),
            ),
            Some(("tcp" | "http", rest)) if !rest.is_empty() => {
                (None, format!("http://{}", rest.trim_end_matches('/')))
            }
            Some(("https", _)) => return Err("TLS to engines is not supported".to_owned()),
            _ => {
                let known = "unix:///PATH, tcp://HOST:PORT or ssh://HOST";
                return Err(format!("it is not an endpoint ({known})"));
            }
        };
        let agent = match address {
            Some(address) => Agent::with_parts(settings, address, NoNames),
            None => settings.new_agent(),
        };
        Ok(Self {
            endpoint: endpoint.to_owned(),
            agent,
            base,
        })
    }

    /// Returns the endpoint as it was given.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Asks for something that takes no work.
    pub(super) fn ask(
        &self,
        path: &str,
        patience: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let request = request.config().timeout_recv_response(Some(patience));
        request.build().call()
    }

    /// Asks for something that may take long.
    pub(super) fn get(&self, path: &str) -> Result<Response<Body>, ureq::Error> {
        self.agent.get(format!("{}{path}", self.base)).call()
    }

    /// Sends a tar, in chunks since its length is not known.
    pub(super) fn post(
        &self,
        path: &str,
        body: SendBody<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/x-tar")
            .body(body)
            .map_err(ureq::Error::Http)?;
        self.agent.run(request)
    }

    /// Wraps a failure to talk.
    pub(super) fn fails(&self, action: &str, error: &ureq::Error) -> Error {
        self.refuses(action, http::cause(error))
    }

    /// Wraps a refusal.
    pub(super) fn refuses(&self, action: &str, reason: impl Into<String>) -> Error {
        Error::Remote {
            service: self.endpoint.clone(),
            action: action.to_owned(),
            reason: reason.into(),
            status: None,
        }
    }
}

/// Where there is no host name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Socket(PathBuf),
    Ssh {
        program: String,
        destination: String,
        port: Option<u16>,
    },
}

/// Understands `[USER@]HOST[:PORT]`.
fn parse_ssh(program: &str, rest: &str) -> Result<Address, String> {
    let rest = rest.split('/').next().unwrap_or_default();
    let (destination, port) = match rest.rsplit_once(':') {
        Some((destination, port)) if !port.ends_with(']') => {
            let port = port
                .parse()
                .map_err(|_| format!("`{port}` is not a port"))?;
            (destination, Some(port))
        }
        _ => (rest, None),
    };
    // `ssh` would take it for an option.
    if destination.is_empty() || destination.starts_with('-') {
        return Err("it has no host".to_owned());
    }
    Ok(Address::Ssh {
        program: program.to_owned(),
        destination: destination.to_owned(),
        port,
    })
}

impl Connector<()> for Address {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        let (stream, child) = match self {
            Self::Socket(path) => (UnixStream::connect(path)?, None),
            Self::Ssh {
                program,
                destination,
                port,
            } => dial(program, destination, *port)?,
        };
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Connection {
            stream,
            child,
            buffers,
        }))
    }
}

/// Starts `docker system dial-stdio` at the other end; its streams are one end of a socket pair.
fn dial(
    program: &str,
    destination: &str,
    port: Option<u16>,
) -> io::Result<(UnixStream, Option<Child>)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    let child = command
        .args(["--", destination, "docker", "system", "dial-stdio"])
        .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::null())
        .spawn()?;
    Ok((ours, Some(child)))
}

/// A connection to an engine.
struct Connection {
    stream: UnixStream,
    child: Option<Child>,
    buffers: LazyBuffers,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It ends with the connection; this makes sure, and buries it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Names a timeout as such, so that it is not taken for a broken connection.
fn timely<T>(result: io::Result<T>, timeout: NextTimeout) -> Result<T, ureq::Error> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => ureq::Error::Io(error),
    })
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = timeout.for_write();
        let limit = timeout.not_zero().map(|limit| *limit);
        self.stream.set_write_timeout(limit)?;
        let output = &self.buffers.output()[..amount];
        timely((&self.stream).write_all(output), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = timeout.for_read();
        let limit = timeout.not_zero().map(|limit| *limit);
        self.stream.set_read_timeout(limit)?;
        let input = self.buffers.input_append_buf();
        let read = loop {
            match (&self.stream).read(input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break timely(result, timeout)?,
            }
        };
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        // Idle, it has nothing to say: bytes or an end both make it useless.
        let probe = self.stream.set_nonblocking(true).and_then(|()| {
            let result = (&self.stream).read(&mut [0; 1]);
            self.stream.set_nonblocking(false)?;
            result
        });
        probe.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// There are no names to look up.
#[derive(Debug)]
struct NoNames;

impl Resolver for NoNames {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_understood() {
        let ssh = |destination: &str, port| {
            Ok(Address::Ssh {
                program: "s".to_owned(),
                destination: destination.to_owned(),
                port,
            })
        };
        assert_eq!(parse_ssh("s", "me@host:22"), ssh("me@host", Some(22)));
        assert_eq!(parse_ssh("s", "host/"), ssh("host", None));
        assert_eq!(parse_ssh("s", "[::1]"), ssh("[::1]", None));
        let options = Options::default();
        for endpoint in ["unix:///a", "tcp://h:1", "http://h:1/", "ssh://h"] {
            assert!(Engine::new(endpoint, &options).is_ok(), "{endpoint}");
        }
        for endpoint in [
            "",
            "/var/run/docker.sock",
            "unix://relative",
            "npipe:////./x",
            "https://h",
            "ssh://-oProxyCommand=x",
            "ssh://h:port",
        ] {
            assert!(Engine::new(endpoint, &options).is_err(), "{endpoint}");
        }
    }
}
