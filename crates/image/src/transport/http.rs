//! What the clients of registries and of engines share: time-outs, pauses
//! between attempts, bounded bodies, and causes in words.

use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read};
use std::time::Duration;

use ureq::Body;
use ureq::http::{HeaderMap, Response, Uri};

/// How long to wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, name look-up included.
    pub connect: Duration,
    /// For the first byte of an answer.
    pub response: Duration,
    /// For more bytes, in the midst of a body.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// Ten seconds, one minute and one minute: a registry that unpacks a
    /// manifest from cold storage needs most of the second.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(60),
        }
    }
}

/// Returns the settings that every client here has: statuses and redirects are
/// looked at by us, and the environment's proxy is not.
pub(crate) fn settings(
    timeouts: Timeouts,
) -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_resolve(Some(timeouts.connect))
        .timeout_connect(Some(timeouts.connect))
        .timeout_recv_response(Some(timeouts.response))
        .timeout_per_read(Some(timeouts.idle))
        .timeout_per_write(Some(timeouts.idle))
}

/// Pauses between attempts: doubled each time, with jitter, never above [`LONGEST_PAUSE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The first pause, on average.
    pub(crate) first: Duration,
}

/// Who asks for a longer pause is better served by an error.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Backoff {
    /// Returns the pause before attempt `attempt` (from 1), or nothing when the
    /// other side asks for more than is reasonable.
    pub(crate) fn pause(self, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if let Some(asked) = asked {
            return (asked <= LONGEST_PAUSE).then_some(asked);
        }
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
        let full = self.first.saturating_mul(factor).min(LONGEST_PAUSE);
        // Between half and one and a half, so that a fleet does not come back at once.
        // The keys of a hash map are the randomness that std has.
        let random = std::hash::RandomState::new().build_hasher().finish();
        Some(full / 2 + full.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64))
    }
}

/// Returns the seconds of `Retry-After`; the date form is rare, and not read.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = header(headers, "retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns a header that is text.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Reads a body of at most `limit` bytes; a longer one is [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read_body(response: Response<Body>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let body = response.into_body();
    body.into_reader()
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(plain)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Returns what others wrote, fit for a terminal: no control characters, not too long.
pub(crate) fn printable(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(500).collect()
}

/// Puts the client's error behind an I/O error into words.
pub(crate) fn plain(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(inner) => io::Error::new(error.kind(), cause(inner)),
        None => error,
    }
}

/// Returns why no answer came.
pub(crate) fn cause(error: &ureq::Error) -> String {
    if let Some(error) = tls_failure(error) {
        return format!("TLS: {error}");
    }
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "it took too long to answer".to_owned(),
        ureq::Error::HostNotFound => "the host is unknown".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        other => other.to_string(),
    }
}

/// Returns what went wrong with TLS, if that was it.
pub(crate) fn tls_failure(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// Returns `SCHEME://HOST[:PORT]`.
pub(crate) fn origin(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{authority}")
}

/// Resolves a `Location` against the address that answered with it (RFC 3986, 5.2).
pub(crate) fn join(base: &Uri, location: &str) -> Option<Uri> {
    if location.starts_with("https://") || location.starts_with("http://") {
        return location.parse().ok();
    }
    if location.starts_with("//") {
        return format!("{}:{location}", base.scheme_str()?).parse().ok();
    }
    if location.starts_with('/') {
        return format!("{}{location}", origin(base)).parse().ok();
    }
    let path = base.path();
    let directory = &path[..path.rfind('/')? + 1];
    format!("{}{directory}{location}", origin(base))
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        let base: Uri = "https://h:1/v2/a/blobs/uploads/?x=1".parse().unwrap();
        for (location, url) in [
            ("https://other/x?y", "https://other/x?y"),
            ("/v2/a/1?s=2", "https://h:1/v2/a/1?s=2"),
            ("//cdn/x", "https://cdn/x"),
            ("1?s", "https://h:1/v2/a/blobs/uploads/1?s"),
        ] {
            assert_eq!(join(&base, location).unwrap().to_string(), url);
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
        };
        let asked = Some(Duration::from_secs(3));
        assert_eq!(backoff.pause(1, asked), asked);
        assert_eq!(backoff.pause(1, Some(Duration::from_secs(3600))), None);
        for attempt in 1..40 {
            let pause = backoff.pause(attempt, None).unwrap();
            let full = Duration::from_millis(100) * 2_u32.pow((attempt - 1).min(12));
            assert!(pause >= full.min(LONGEST_PAUSE) / 2, "{attempt} {pause:?}");
            assert!(pause <= LONGEST_PAUSE * 3 / 2);
        }
    }
}
