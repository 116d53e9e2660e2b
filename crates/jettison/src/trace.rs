//! Traces as files: what the programs of an image were seen to ask for.
//!
//! A trace file is text, one JSON object on a line, described in `docs/trace.md`. Its first
//! line says what it is, every other is one access. Files can be joined with `cat`.
//! Paths are bytes, and JSON is text: in a path, a backslash and every byte that
//! is not part of valid UTF-8 is written as `\\xNN`.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use sandbox::{Access, AccessKind, Outcome, Trace};
use serde::{Deserialize, Serialize};

/// Version of the format.
pub const SCHEMA: u32 = 1;

/// Longest line that is read.
const LONGEST_LINE: u64 = 1 << 20;

/// What can be wrong with a trace file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read it")]
    Read(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {line} is not part of a trace: {reason}")]
    Invalid {
        /// Which line.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// It is of a later version.
    #[error("it has schema {found}, and this jettison reads {SCHEMA}")]
    Schema {
        /// Its version.
        found: u32,
    },
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    /// See [`SCHEMA`].
    jettison_trace: u32,
    /// Id of the image that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// System calls that were looked at.
    events: u64,
    /// Whether all of them were understood.
    complete: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    path: String,
    kind: Kind,
    outcome: Answer,
    #[serde(default = "once")]
    count: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    by: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
}

fn once() -> u64 {
    1
}

macro_rules! names {
    ($name:ident of $type:ident: $($variant:ident),+) => {
        #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum $name { $($variant),+ }

        impl From<$name> for $type {
            fn from(name: $name) -> Self {
                match name { $($name::$variant => Self::$variant),+ }
            }
        }

        impl $name {
            fn of(value: $type) -> Option<Self> {
                match value {
                    $($type::$variant => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
names!(Kind of AccessKind: Open, Execute, Stat, ReadLink, List, Enter, Watch, Connect, Write);
names!(Answer of Outcome: Found, Missing, NotADirectory, Denied, Loop, Unknown);

/// Writes a trace of the image with this id.
///
/// # Errors
/// Those of the writer.
pub fn write(trace: &Trace, image: &str, mut to: impl Write) -> io::Result<()> {
    let header = Header {
        jettison_trace: SCHEMA,
        image: Some(image.to_owned()),
        events: trace.events,
        complete: trace.complete,
    };
    serde_json::to_writer(&mut to, &header)?;
    to.write_all(b"\n")?;
    for access in &trace.accesses {
        let (Some(kind), Some(outcome)) = (Kind::of(access.kind), Answer::of(access.outcome))
        else {
            continue;
        };
        let line = Line {
            path: escape(&access.path),
            kind,
            outcome,
            count: access.count,
            by: escape(&access.by),
            links: access.links.iter().map(|link| escape(link)).collect(),
        };
        serde_json::to_writer(&mut to, &line)?;
        to.write_all(b"\n")?;
    }
    to.flush()
}

/// Reads a trace, or several one after the other.
///
/// # Errors
/// When a line is not part of a trace.
pub fn read(mut from: impl BufRead) -> Result<Trace, Error> {
    let mut whole: Option<Trace> = None;
    let mut part: Option<Trace> = None;
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let length = io::Read::take(&mut from, LONGEST_LINE).read_until(b'\n', &mut text)?;
        if length == 0 {
            break;
        }
        let invalid = |reason: String| Error::Invalid { line, reason };
        if text.trim_ascii().is_empty() {
            continue;
        }
        if let Ok(header) = serde_json::from_slice::<Header>(&text) {
            if header.jettison_trace > SCHEMA {
                let found = header.jettison_trace;
                return Err(Error::Schema { found });
            }
            join(&mut whole, part.take());
            part = Some(Trace {
                accesses: Vec::new(),
                events: header.events,
                complete: header.complete,
            });
            continue;
        }
        let Some(trace) = &mut part else {
            return Err(invalid("the first line of a trace is missing".to_owned()));
        };
        let access =
            serde_json::from_slice::<Line>(&text).map_err(|error| invalid(error.to_string()))?;
        trace.accesses.push(Access {
            path: unescape(&access.path),
            kind: access.kind.into(),
            outcome: access.outcome.into(),
            links: access.links.iter().map(|link| unescape(link)).collect(),
            count: access.count,
            by: Arc::from(unescape(&access.by)),
        });
    }
    join(&mut whole, part);
    whole.ok_or_else(|| Error::Invalid {
        line: 1,
        reason: "it is empty".to_owned(),
    })
}

fn join(whole: &mut Option<Trace>, part: Option<Trace>) {
    match (whole, part) {
        (Some(whole), Some(part)) => whole.merge(part),
        (whole @ None, Some(part)) => {
            let mut sorted = Trace {
                complete: true,
                ..Trace::default()
            };
            sorted.merge(part);
            *whole = Some(sorted);
        }
        (_, None) => {}
    }
}

fn escape(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\x5c"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn unescape(text: &str) -> Vec<u8> {
    let mut path = Vec::new();
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        path.extend_from_slice(&rest[..at]);
        let number = rest
            .get(at + 2..at + 4)
            .filter(|_| rest.get(at + 1) == Some(&b'x'))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match number {
            Some(byte) => {
                path.push(byte);
                rest = &rest[at + 4..];
            }
            None => {
                path.push(b'\\');
                rest = &rest[at + 1..];
            }
        }
    }
    path.extend_from_slice(rest);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(path: &[u8], kind: AccessKind, outcome: Outcome) -> Access {
        Access {
            path: path.to_vec(),
            kind,
            outcome,
            links: vec![b"/bin".to_vec()],
            count: 3,
            by: Arc::from(&b"/usr/bin/odd\\name"[..]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let trace = Trace {
            accesses: vec![
                access(b"/a\xff\\x", AccessKind::ReadLink, Outcome::NotADirectory),
                access("/gr\u{fc}n".as_bytes(), AccessKind::Open, Outcome::Found),
            ],
            events: 12,
            complete: true,
        };
        let mut file = Vec::new();
        write(&trace, "sha256:0", &mut file).unwrap();
        let text = String::from_utf8(file.clone()).unwrap();
        assert!(
            text.contains(
                r#""path":"/a\\xff\\x5cx","kind":"read-link","outcome":"not-a-directory""#
            ),
            "{text}"
        );
        assert_eq!(read(&file[..]).unwrap(), trace);
        // Twice the same, joined.
        let twice = [file.clone(), file].concat();
        let read = read(&twice[..]).unwrap();
        assert_eq!(
            (read.events, read.accesses.len(), read.accesses[0].count),
            (24, 2, 6)
        );
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        for (text, part) in [
            ("", "empty"),
            ("{}\n", "line 1"),
            (
                "{\"path\":\"/a\",\"kind\":\"open\",\"outcome\":\"found\"}\n",
                "first line",
            ),
            (
                "{\"jettisonTrace\":9,\"events\":0,\"complete\":true}\n",
                "schema 9",
            ),
            (
                "{\"jettisonTrace\":1,\"events\":0,\"complete\":true}\n{\"path\":1}\n",
                "line 2",
            ),
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
