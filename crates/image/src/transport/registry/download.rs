//! Files from anywhere, over the same certificates and proxies as images.

use std::io::{Read, Write};

use ureq::http::Uri;

use super::Options;
use super::agents::Agents;
use crate::digest::{Digest, HashingWriter};
use crate::error::{Error, Result};
use crate::transport::http;

/// As many redirects as curl follows by default in browsers' manner.
const MAX_REDIRECTS: usize = 20;

/// A file that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Of its bytes.
    pub digest: Digest,
    /// Number of bytes.
    pub size: u64,
    /// `Last-Modified`, in seconds since 1970.
    pub last_modified: Option<i64>,
}

/// Fetches a file over HTTP, following redirects, and writes it to `output`. No login is sent.
///
/// # Errors
/// [`Error::Remote`] when there is no answer, or another than 200.
pub fn download(url: &str, options: &Options, output: &mut dyn Write) -> Result<Downloaded> {
    let failed = |reason: String, status: Option<u16>| Error::Remote {
        service: url.to_owned(),
        action: "be fetched".to_owned(),
        reason,
        status,
    };
    let agents = Agents::new(options)?;
    let mut at: Uri = url
        .parse()
        .map_err(|_| failed("it is not a URL".to_owned(), None))?;
    for _ in 0..=MAX_REDIRECTS {
        let agent = agents.for_url(&at, &options.proxy.except);
        let response = agent
            .get(&at)
            .call()
            .map_err(|error| failed(http::cause(&error), None))?;
        let status = response.status();
        if status.is_redirection()
            && let Some(location) = http::header(response.headers(), "location")
        {
            at = http::join(&at, location)
                .ok_or_else(|| failed("it redirects to nowhere".to_owned(), None))?;
            continue;
        }
        if status.as_u16() != 200 {
            let reason = format!("the answer is {status}");
            return Err(failed(reason, Some(status.as_u16())));
        }
        let last_modified = http::header(response.headers(), "last-modified").and_then(seconds);
        let mut hashed = HashingWriter::new(output);
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = body
                .read(&mut buffer)
                .map_err(|error| failed(http::plain(error).to_string(), None))?;
            if read == 0 {
                break;
            }
            hashed
                .write_all(&buffer[..read])
                .map_err(Error::file("write", url))?;
        }
        let (_, digest, size) = hashed.finish();
        return Ok(Downloaded {
            digest,
            size,
            last_modified,
        });
    }
    Err(failed("it redirects without end".to_owned(), None))
}

/// Reads the fixed form of RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let fields: Vec<&str> = text
        .split([' ', ',', ':'])
        .filter(|f| !f.is_empty())
        .collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = fields[..] else {
        return None;
    };
    let number = |text: &str| text.parse::<i64>().ok();
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let (year, day) = (number(year)?, number(day)?);
    // Days of the civil calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + number(hour)? * 3600 + number(minute)? * 60 + number(second)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_of_http_are_understood() {
        assert_eq!(
            super::seconds("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(
            super::seconds("Tue, 29 Feb 2000 00:00:00 GMT"),
            Some(951_782_400)
        );
        assert_eq!(super::seconds("yesterday"), None);
    }
}
