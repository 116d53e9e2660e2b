//! HTTP requests as people write them, and just enough of HTTP/1.1 to make one.
//!
//! One request over one connection that the caller opened, since the way into a container's network is
//! not an address. No TLS, no redirects, no compression: what the server says is what is compared.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::str::FromStr;

use super::Invalid;

/// Most bytes of the status line and the headers; servers allow 8 to 64 KB.
const MOST_HEAD: usize = 256 << 10;
/// Most bytes of a body.
const MOST_BODY: u64 = 64 << 20;
/// Most interim answers (1xx) before the real one.
const MOST_INTERIM: usize = 8;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// For instance `GET`.
    pub method: String,
    /// The port; without one, each that speaks HTTP.
    pub port: Option<u16>,
    /// Path and query.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// What the original has to answer with.
    pub expect: Expect,
}

/// Which status the original has to answer with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expect {
    /// Anything below 400.
    #[default]
    Success,
    /// This one.
    Status(u16),
    /// Whatever it is, the other has to answer the same.
    Any,
}

impl Expect {
    /// Returns whether a status is as expected.
    #[must_use]
    pub fn allows(self, status: u16) -> bool {
        match self {
            Self::Success => status < 400,
            Self::Status(expected) => status == expected,
            Self::Any => true,
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// For instance 200.
    pub status: u16,
    /// In the order received, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of its transfer.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns a GET request.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            port: None,
            path: path.to_owned(),
            headers: Vec::new(),
            body: String::new(),
            expect: Expect::Success,
        }
    }
}

impl FromStr for Request {
    type Err = Invalid;

    /// `[METHOD] [:PORT]/PATH [BODY] [=> STATUS]`
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: &str| Invalid::new("the request", text, reason);
        let mut request = Self::get("");
        let mut rest = text.trim();
        let expected = rest
            .strip_prefix("=> ")
            .map(|status| ("", status))
            .or_else(|| rest.rsplit_once(" => "));
        if let Some((before, status)) = expected {
            let status = status.trim().parse().ok();
            let status = status.filter(|status| (100..600).contains(status));
            let status = status.ok_or_else(|| refuse("a status is a number such as 404"))?;
            request.expect = Expect::Status(status);
            rest = before.trim_end();
        }
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        if !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_uppercase()) {
            first.clone_into(&mut request.method);
            rest = after.trim_start();
        }
        let (target, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let path = match target.strip_prefix(':') {
            Some(with_port) => {
                let (port, path) =
                    with_port.split_at(with_port.find('/').unwrap_or(with_port.len()));
                let port = port.parse().ok().filter(|port| *port != 0);
                request.port = Some(port.ok_or_else(|| refuse("there is no such port"))?);
                path
            }
            None => target,
        };
        if !path.starts_with('/') || path.chars().any(char::is_control) {
            return Err(refuse("write [METHOD] [:PORT]/PATH [BODY] [=> STATUS]"));
        }
        path.clone_into(&mut request.path);
        body.trim().clone_into(&mut request.body);
        Ok(request)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.path)
    }
}

/// Makes a request over a connection. The connection is used up.
///
/// # Errors
/// `InvalidData` when the other side does not speak HTTP; otherwise those of the connection.
pub fn exchange(mut connection: impl Read + Write, request: &Request) -> io::Result<Response> {
    let written = connection.write_all(&encode(request));
    // A server that refuses early may close before it has read everything; its answer counts.
    let answer = read_response(connection, &request.method);
    match (written, answer) {
        (_, Ok(answer)) => Ok(answer),
        (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
    }
}

fn encode(request: &Request) -> Vec<u8> {
    let host = match request.port {
        None | Some(80) => "localhost".to_owned(),
        Some(port) => format!("localhost:{port}"),
    };
    let has = |name: &str| {
        request
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    let mut add = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
    for (name, value) in [
        ("Host", &*host),
        ("User-Agent", "jettison"),
        ("Accept", "*/*"),
    ] {
        if !has(name) {
            add(name, value);
        }
    }
    for (name, value) in &request.headers {
        add(name, value);
    }
    if !request.body.is_empty() || matches!(&*request.method, "POST" | "PUT" | "PATCH") {
        add("Content-Length", &request.body.len().to_string());
        if !has("Content-Type") {
            let json = request.body.starts_with(['{', '[']);
            let form = "application/x-www-form-urlencoded"; // as curl has it
            add("Content-Type", if json { "application/json" } else { form });
        }
    }
    add("Connection", "close");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(request.body.as_bytes());
    bytes
}

fn read_response(connection: impl Read, method: &str) -> io::Result<Response> {
    let mut input = io::BufReader::new(connection);
    for _ in 0..MOST_INTERIM {
        let (status, headers) = read_head(&mut input)?;
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let empty = method == "HEAD" || matches!(status, 101 | 204 | 304);
        let body = if empty {
            Vec::new()
        } else {
            read_body(&mut input, &headers)?
        };
        return Ok(Response {
            status,
            headers,
            body,
        });
    }
    Err(not_http("it only sends interim answers"))
}

type Head = (u16, Vec<(String, String)>);

fn read_head(input: &mut impl BufRead) -> io::Result<Head> {
    let mut left = MOST_HEAD;
    let first = line(input, &mut left)?;
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse::<u16>().ok())
        .ok_or_else(|| not_http("its answer does not begin with HTTP/1"))?;
    let mut headers = Vec::new();
    loop {
        let line = line(input, &mut left)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| not_http("a header has no colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_body(input: &mut impl BufRead, headers: &[(String, String)]) -> io::Result<Vec<u8>> {
    let header = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.to_ascii_lowercase())
    };
    let mut body = Vec::new();
    if header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let size = line(input, &mut MOST_HEAD.clone())?;
            let digits = size.split(';').next().unwrap_or_default().trim();
            let size =
                u64::from_str_radix(digits, 16).map_err(|_| not_http("a chunk has no size"))?;
            if size == 0 {
                return Ok(body);
            }
            take(input, size, &mut body)?;
            line(input, &mut MOST_HEAD.clone())?;
        }
    }
    if let Some(length) = header("content-length") {
        let length = length
            .parse()
            .map_err(|_| not_http("its content-length is no number"))?;
        take(input, length, &mut body)?;
    } else {
        input.take(MOST_BODY + 1).read_to_end(&mut body)?;
        bounded(body.len() as u64)?;
    }
    Ok(body)
}

fn take(input: &mut impl Read, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    bounded(length.saturating_add(body.len() as u64))?;
    if input.take(length).read_to_end(body)? as u64 == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn bounded(length: u64) -> io::Result<()> {
    if length > MOST_BODY {
        return Err(io::Error::other(format!(
            "the body is larger than the {MOST_BODY} bytes allowed"
        )));
    }
    Ok(())
}

fn line(input: &mut impl BufRead, left: &mut usize) -> io::Result<String> {
    let mut line = Vec::new();
    input.take(*left as u64).read_until(b'\n', &mut line)?;
    *left -= line.len();
    if line.pop() != Some(b'\n') {
        let reason = if *left == 0 {
            "its head is too long"
        } else {
            "the connection ended within a line"
        };
        return Err(not_http(reason));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn not_http(reason: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("this is not HTTP: {reason}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_documented() {
        let parts = |text: &str| {
            let r: Request = text.parse().unwrap();
            (r.method, r.port, r.path, r.body, r.expect)
        };
        let expected = |method: &str, port, path: &str, body: &str, status: Option<u16>| {
            let expect = status.map_or(Expect::Success, Expect::Status);
            (
                method.to_owned(),
                port,
                path.to_owned(),
                body.to_owned(),
                expect,
            )
        };
        for (text, want) in [
            ("/", expected("GET", None, "/", "", None)),
            ("/a?b=c", expected("GET", None, "/a?b=c", "", None)),
            (":8080/x", expected("GET", Some(8080), "/x", "", None)),
            ("HEAD /x", expected("HEAD", None, "/x", "", None)),
            ("/no => 404", expected("GET", None, "/no", "", Some(404))),
            (
                r#"POST :80/items {"a": 1} => 201"#,
                expected("POST", Some(80), "/items", r#"{"a": 1}"#, Some(201)),
            ),
        ] {
            assert_eq!(parts(text), want, "{text}");
        }
        for text in ["", "x", "GET", ":0/", ":x/", ":80", "/ => many", "/ => 42"] {
            assert!(text.parse::<Request>().is_err(), "{text}");
        }
    }

    /// A connection that answers with fixed bytes.
    struct Fixed<'a>(&'a [u8]);

    impl Read for Fixed<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Fixed<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bodies_end_where_they_say() {
        for (answer, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhix", 200, "hi"),
            ("HTTP/1.0 404 No\nA: b\n\nto the end", 404, "to the end"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n3\r\n you\r\n0\r\n\r\n",
                200,
                "hi yo",
            ),
            ("HTTP/1.1 204 -\r\n\r\nrest", 204, ""),
            ("HTTP/1.1 100 -\r\n\r\nHTTP/1.1 200 -\r\n\r\nx", 200, "x"),
        ] {
            let answer = answer.replace("3\r\n you", "3\r\n yo");
            let got = exchange(Fixed(answer.as_bytes()), &Request::get("/")).unwrap();
            assert_eq!((got.status, &*got.body), (status, body.as_bytes()));
        }
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        let huge = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(MOST_HEAD));
        for answer in [
            "",
            "-ERR wrong number of arguments\r\n",
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/2 200\r\n\r\n",
            &huge,
        ] {
            assert!(exchange(Fixed(answer.as_bytes()), &Request::get("/")).is_err());
        }
    }

    #[test]
    fn a_request_is_written_with_what_servers_need() {
        let request: Request = "POST :8080/x {} => 200".parse().unwrap();
        let text = String::from_utf8(encode(&request)).unwrap();
        assert_eq!(
            text,
            "POST /x HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: jettison\r\nAccept: */*\r\n\
             Content-Length: 2\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}"
        );
    }
}
