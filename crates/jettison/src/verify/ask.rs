//! Putting a question to a container.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use image::Digest;
use sandbox::{Container, Exec, ExitStatus, HostCommand, Process, Stdio, Streams};

use super::Surroundings;
use super::output::Stream;
use super::side::{self, Side};
use crate::container;
use crate::probe::http::{self, exchange};
use crate::probe::{Command, Compare, Probe, Request, normalise, split_words};

/// How long a port that refuses connections is tried again, and something that fails is asked again.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for a server that says it is not ready, if that would do as an answer.
const UNLESS_IT_WILL_DO: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(50);
/// How long a connection may take; within one machine that is a matter of scheduling.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a port may take to show whether it speaks HTTP.
const RECOGNISE: Duration = Duration::from_secs(5);
/// What a server says as long as it, or one behind it, is not ready: bad gateway, service unavailable,
/// gateway timeout (RFC 9110, 15.6).
const NOT_READY: [u16; 3] = [502, 503, 504];

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: Status,
    /// The rest, ready to be compared.
    pub(super) parts: Vec<Part>,
}

/// The short form of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    Exit(ExitStatus),
    Http(u16),
    Connected,
    /// There was none, for this reason.
    None(String),
}

/// A part of an answer, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) text: String,
}

impl Answer {
    fn none(reason: impl Into<String>) -> Self {
        Self {
            status: Status::None(reason.into()),
            parts: Vec::new(),
        }
    }

    /// Returns how long it is worth asking again: something may listen before it can do its work.
    /// `timeout` is for what is sure to be asked too early.
    pub(super) fn patience(&self, probe: &Probe, timeout: Duration) -> Duration {
        match (&self.status, &probe.request) {
            (Status::Http(status), Request::Http(request)) if NOT_READY.contains(status) => {
                match request.expect {
                    http::Expect::Status(expected) if expected == *status => Duration::ZERO,
                    http::Expect::Any => UNLESS_IT_WILL_DO.min(timeout),
                    _ => timeout,
                }
            }
            // A command that cannot be started will not be, and a port was waited for already.
            (Status::None(_), _) => Duration::ZERO,
            _ if self.mistake(probe).is_some() => PATIENCE.min(timeout),
            _ => Duration::ZERO,
        }
    }

    /// Returns what is wrong with it as the original's answer.
    pub(super) fn mistake(&self, probe: &Probe) -> Option<String> {
        match (&self.status, &probe.request) {
            (Status::None(reason), _) => Some(reason.clone()),
            (Status::Http(status), Request::Http(request)) => (!request.expect.allows(*status))
                .then(|| match request.expect {
                    http::Expect::Status(expected) => {
                        format!("it answers {status} instead of {expected}")
                    }
                    _ => format!("it answers {status}; if that is right, write => {status}"),
                }),
            (Status::Exit(status), Request::Exec(command) | Request::Host(command)) => {
                (status.code() != command.expect).then(|| {
                    let said = self.parts.iter().rev().find(|part| !part.text.is_empty());
                    let said = said.and_then(|part| part.text.lines().last());
                    let said = said.map_or(String::new(), |line| format!(": {line}"));
                    let code = status.code();
                    format!("it exits with {code} instead of {}{said}", command.expect)
                })
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(ExitStatus::Code(code)) => write!(f, "exit code {code}"),
            Self::Exit(ExitStatus::Signal(signal)) => write!(f, "ended by signal {signal}"),
            Self::Http(status) => write!(f, "HTTP {status}"),
            Self::Connected => f.write_str("connected"),
            Self::None(reason) => f.write_str(reason),
        }
    }
}

/// Asks one thing. Errors are those of this machine; that there is no answer is an answer.
pub(super) fn ask(
    side: &mut Side,
    probe: &Probe,
    surroundings: &Surroundings<'_>,
    timeout: Duration,
) -> Result<Answer, container::Error> {
    let mut answer = match &probe.request {
        Request::Exec(command) => exec(side, command, timeout)?,
        Request::Host(command) => host(side, command, surroundings, timeout)?,
        Request::Http(request) => match (side.alive(), request.port) {
            (Some(running), Some(port)) => ask_http(&running.container, port, request, timeout),
            (Some(_), None) => Answer::none("no port speaks HTTP; name one as in :8080/"),
            (None, _) => Answer::none(NOT_RUNNING),
        },
        Request::Tcp(port) => match side.alive() {
            Some(running) => match connect(&running.container, *port, PATIENCE) {
                Ok(_) => Answer {
                    status: Status::Connected,
                    parts: Vec::new(),
                },
                Err(error) => Answer::none(format!("cannot connect to port {port}: {error}")),
            },
            None => Answer::none(NOT_RUNNING),
        },
    };
    if probe.compare == Compare::Status && answer.mistake(probe).is_none() {
        answer.parts.clear();
    }
    Ok(answer)
}

const NOT_RUNNING: &str = "the container does not run any more";

/// Runs a command beside the container's own, or, when that has done its work, in a container for itself.
fn exec(side: &mut Side, command: &Command, timeout: Duration) -> Result<Answer, container::Error> {
    let words = match split_words(&command.line) {
        Ok(words) => words,
        Err(invalid) => return Ok(Answer::none(invalid.to_string())),
    };
    let argv: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let streams = streams(command);
    let spec = side.spec.clone();
    if let Some(running) = side.alive() {
        let exec = Exec {
            argv,
            env: spec.env,
            cwd: spec.cwd,
            user: spec.user,
            streams,
            terminal: false,
        };
        return match running.container.exec(&exec) {
            Ok(mut process) => finish(&mut process, command, timeout),
            Err(error) => side::blame(error).map(Answer::none),
        };
    }
    let spec = sandbox::Spec {
        argv,
        streams,
        ..spec
    };
    match side.companions.spawn(&spec) {
        Ok(mut container) => {
            let answer = finish(&mut container.main, command, timeout);
            side.remember(container.take_trace());
            answer
        }
        Err(error) => side::blame(error).map(Answer::none),
    }
}

fn host(
    side: &mut Side,
    command: &Command,
    surroundings: &Surroundings<'_>,
    timeout: Duration,
) -> Result<Answer, container::Error> {
    let name = side.name.clone();
    let Some(running) = side.alive() else {
        return Ok(Answer::none(NOT_RUNNING));
    };
    let mut process = running.container.host_command(&HostCommand {
        argv: ["sh", "-c", &command.line].map(OsString::from).to_vec(),
        env: [
            &surroundings.env[..],
            &[("JETTISON_IMAGE".into(), name.into())],
        ]
        .concat(),
        cwd: surroundings.cwd.clone(),
        streams: streams(command),
    })?;
    finish(&mut process, command, timeout)
}

fn streams(command: &Command) -> Streams {
    let stdin = if command.stdin.is_empty() {
        Stdio::Null
    } else {
        Stdio::Piped
    };
    Streams {
        stdin,
        ..Streams::all(Stdio::Piped)
    }
}

/// Waits for a program and collects what it writes.
fn finish(
    program: &mut Process,
    command: &Command,
    timeout: Duration,
) -> Result<Answer, container::Error> {
    let timeout = command.timeout.unwrap_or(timeout);
    let stdout = Stream::read(program.take_stdout());
    let stderr = Stream::read(program.take_stderr());
    if let Some(mut stdin) = program.take_stdin() {
        let text = command.stdin.clone();
        // A program that does not read its input may end first.
        std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    }
    let Some(status) = program.wait_timeout(timeout)? else {
        program.kill()?;
        let seconds = timeout.as_secs_f64();
        return Ok(Answer::none(format!("it does not end within {seconds} s")));
    };
    Ok(Answer {
        status: Status::Exit(status),
        parts: parts(&stdout, &stderr),
    })
}

/// What an ended program wrote, ready to be compared.
pub(super) fn parts(stdout: &Stream, stderr: &Stream) -> Vec<Part> {
    let part = |name, stream: &Stream| {
        stream.settle();
        let text = comparable(&stream.bytes());
        Part { name, text }
    };
    vec![part("stdout", stdout), part("stderr", stderr)]
}

/// Text is normalised; of anything else the digest is compared.
fn comparable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => normalise::text(text),
        Err(_) => format!("{} bytes, {}\n", bytes.len(), Digest::of(bytes)),
    }
}

fn ask_http(
    container: &Container,
    port: u16,
    request: &http::Request,
    timeout: Duration,
) -> Answer {
    let answer = connect(container, port, PATIENCE)
        .and_then(|connection| exchange_within(connection, request, timeout));
    match answer {
        Ok(response) => {
            let headers = normalise::headers(&response.headers, request.method == "HEAD");
            let body = comparable(&response.body);
            let part = |name, text| Part { name, text };
            Answer {
                status: Status::Http(response.status),
                parts: vec![part("headers", headers), part("body", body)],
            }
        }
        Err(error) => Answer::none(format!("port {port} does not answer: {error}")),
    }
}

fn exchange_within(
    connection: TcpStream,
    request: &http::Request,
    timeout: Duration,
) -> io::Result<http::Response> {
    let deadline = Instant::now() + timeout;
    let bounded = Bounded {
        connection,
        deadline,
    };
    match exchange(bounded, request) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let seconds = timeout.as_secs_f64();
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no complete answer within {seconds} s"),
            ))
        }
        other => other,
    }
}

/// A connection that lasts until a deadline, however little and often the other side sends.
struct Bounded {
    connection: TcpStream,
    deadline: Instant,
}

impl Bounded {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::WouldBlock.into()); // as a read that times out
        }
        Ok(Some(left))
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.connection.set_read_timeout(self.left()?)?;
        self.connection.read(buffer)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.set_write_timeout(self.left()?)?;
        self.connection.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}

/// Connects to a port of a container, and for a while again if nobody listens yet.
fn connect(container: &Container, port: u16, patience: Duration) -> io::Result<TcpStream> {
    let began = Instant::now();
    let addresses = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ];
    loop {
        let [first, second] = addresses.map(|address| container.tcp_connect(address, CONNECT));
        match first.or_else(|error| second.map_err(|_| error)) {
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionRefused
                    && began.elapsed() < patience =>
            {
                std::thread::sleep(INTERVAL);
            }
            other => return other,
        }
    }
}

/// Returns whether a request is answered at once with a status below 400.
pub(super) fn answers(container: &Container, port: u16, request: &http::Request) -> bool {
    status_at_once(container, port, request).is_some_and(|status| status < 400)
}

/// Returns the status of an answer, if there is one at once.
fn status_at_once(container: &Container, port: u16, request: &http::Request) -> Option<u16> {
    let answer = connect(container, port, Duration::ZERO)
        .and_then(|connection| exchange_within(connection, request, RECOGNISE));
    answer.ok().map(|response| response.status)
}

/// What a server answers that wants TLS and is asked without: 400 (nginx, Apache httpd, Tomcat).
const WANTS_TLS: u16 = 400;

/// Returns those ports that speak HTTP; looks again for so long if none does, or if those that do may want TLS: a server
/// takes connections before it answers, on one port after the other.
pub(super) fn http_ports(side: &mut Side, ports: &[u16], patience: Duration) -> Vec<u16> {
    let began = Instant::now();
    let mut heard: Option<Instant> = None;
    loop {
        let Some(running) = side.alive() else {
            return Vec::new();
        };
        let ask = |port: &u16| {
            let status = status_at_once(&running.container, *port, &http::Request::get("/"));
            status.map(|status| (*port, status))
        };
        let found: Vec<(u16, u16)> = ports.iter().filter_map(ask).collect();
        let is_settled =
            found.len() == ports.len() || found.iter().any(|(_, status)| *status != WANTS_TLS);
        if !found.is_empty() {
            heard.get_or_insert_with(Instant::now);
        }
        let is_over = match heard {
            Some(heard) => heard.elapsed() >= UNLESS_IT_WILL_DO,
            None => began.elapsed() >= patience,
        };
        if is_settled || is_over {
            return found.into_iter().map(|(port, _)| port).collect();
        }
        std::thread::sleep(INTERVAL);
    }
}
