//! What two runs of the same program may say differently: one table, [`RULES`], and one for headers.
//!
//! Every rule replaces what it recognises by its name in angle brackets; the rest is compared byte for
//! byte. The same table is in `docs/verify.md`, and a test keeps both together.

/// Something that is different each time.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is; the text is replaced by this in angle brackets.
    pub name: &'static str,
    /// Texts that are replaced from the first byte to the last.
    pub examples: &'static [&'static str],
    /// Returns how many bytes at the beginning of a text are one, given the byte before.
    find: fn(&str, Option<u8>) -> Option<usize>,
}

/// The rules, the first that fits wins. They apply to what commands print, and to bodies and header values
/// of HTTP, except to `Last-Modified`.
pub const RULES: &[Rule] = &[
    Rule {
        name: "time",
        examples: &[
            "2026-11-20T18:24:30Z",
            "2026-11-20 18:24:30,123 +0100",
            "2026/11/20 18:24:30",
            "Fri, 20 Nov 2026 18:24:30 GMT",
            "Fri Nov 20 18:24:30 2026",
            "Fri Nov  6 18:24:30 UTC 2026",
            "20/Nov/2026:18:24:30 +0000",
            "20 Nov 2026 18:24:30.600",
            "Nov 20 18:24:30",
            "18:24:30.5",
            "1795199070",
            "1795199070.25",
            "1795199070123",
        ],
        find: time,
    },
    Rule {
        name: "duration",
        examples: &["0.123 s", "12ms", "3 µs", "1.5 seconds", "2s"],
        find: duration,
    },
    Rule {
        name: "port",
        examples: &[":32768", ":54321", ":60999"],
        find: ephemeral_port,
    },
    Rule {
        name: "pid",
        examples: &["pid 17", "PID: 17", "pid=17"],
        find: pid,
    },
    Rule {
        name: "address",
        examples: &["0x7ffd12345678"],
        find: address,
    },
    Rule {
        name: "uuid",
        examples: &["123e4567-e89b-12d3-a456-426614174000"],
        find: uuid,
    },
];

/// Headers that say how an answer is transferred, or what is compared elsewhere. They are left out, except
/// `Content-Length` in the answer to HEAD.
pub const LEFT_OUT: &[&str] = &[
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
];

/// Headers whose value belongs to one request. Only their presence is compared.
pub const PER_REQUEST: &[&str] = &[
    "date",
    "age",
    "expires",
    "x-request-id",
    "x-correlation-id",
    "x-trace-id",
    "x-b3-traceid",
    "x-amzn-trace-id",
    "x-amz-request-id",
    // The transaction: which one it is depends on the thread that took the request (Varnish, vcl-var(7)).
    "x-varnish",
    // What a cache did with it: that depends on who asked before (RFC 9211).
    "cache-status",
    "cdn-cache-status",
    "x-cache-hits",
    "traceparent",
    "x-runtime",
    "x-response-time",
    "server-timing",
];

/// What caches do with a request, as headers of any name say it in one word (nginx, `$upstream_cache_status`; Varnish, Squid and
/// their kin say `HIT` and `MISS`).
const CACHE_STATES: &[&str] = &[
    "BYPASS",
    "EXPIRED",
    "HIT",
    "MISS",
    "REVALIDATED",
    "STALE",
    "UPDATING",
];

/// Replaces what is different each time.
#[must_use]
pub fn text(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    'text: while let Some(next) = rest.chars().next() {
        // Nothing begins in the middle of a word or of a number.
        let inside = before.is_some_and(|b: u8| b.is_ascii_alphanumeric() || b == b'_');
        if next == ':' || next.is_ascii_alphanumeric() && !inside {
            for rule in RULES {
                let found = (rule.find)(rest, before);
                if let Some(length) = found.filter(|length| ends(rest, *length)) {
                    result.push('<');
                    result.push_str(rule.name);
                    result.push('>');
                    before = Some(b'>');
                    rest = &rest[length..];
                    continue 'text;
                }
            }
        }
        let (taken, after) = rest.split_at(next.len_utf8());
        result.push_str(taken);
        before = taken.bytes().last();
        rest = after;
    }
    result
}

/// Returns headers as they are compared: one `name: value` on a line, sorted.
#[must_use]
pub fn headers(headers: &[(String, String)], head_only: bool) -> String {
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !LEFT_OUT.contains(&&**name) || head_only && name == "content-length")
        .map(|(name, value)| match &**name {
            "last-modified" => format!("{name}: {value}\n"),
            "set-cookie" => format!("{name}: {}\n", cookie(value)),
            name if PER_REQUEST.contains(&name) || says_cache_state(value) => {
                format!("{name}: <varies>\n")
            }
            _ => format!("{name}: {}\n", self::text(value)),
        })
        .collect();
    lines.sort();
    lines.concat()
}

/// Returns whether a value begins with what a cache did: `HIT`, `MISS from proxy:3128`.
fn says_cache_state(value: &str) -> bool {
    let word = value.split([' ', ',', ';']).next().unwrap_or_default();
    CACHE_STATES.contains(&word)
}

/// Keeps a cookie's name and attributes; its value is a session, as a rule.
fn cookie(value: &str) -> String {
    let (pair, attributes) = value.split_once(';').unwrap_or((value, ""));
    let name = pair.split('=').next().unwrap_or_default();
    let attributes: String = attributes
        .split(';')
        .map(|attribute| format!(";{}", self::text(attribute)))
        .collect();
    format!("{name}=<varies>{attributes}")
}

/// Returns whether a text of this length is not the beginning of a longer word.
fn ends(text: &str, length: usize) -> bool {
    let after = text[length..].chars().next();
    after.is_none_or(|next| !next.is_alphanumeric() && next != '_')
}

/// Shapes of times. `0` is a digit, `~` a digit or a blank, `W` a weekday, `M` a month, `Z` a zone's name.
const TIMES: &[&str] = &[
    "0000-00-00T00:00:00",
    "0000-00-00 00:00:00",
    "0000/00/00 00:00:00",
    "W, 00 M 0000 00:00:00",
    "W M ~0 00:00:00 0000",
    "W M ~0 00:00:00 Z 0000",
    "00/M/0000:00:00:00",
    "00 M 0000 00:00:00",
    "M ~0 00:00:00",
    "00:00:00",
];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn time(text: &str, _: Option<u8>) -> Option<usize> {
    if let Some(length) = TIMES.iter().find_map(|pattern| shape(text, pattern)) {
        let length = length + fraction(&text[length..]);
        return Some(length + zone(&text[length..]));
    }
    // Seconds and milliseconds since 1970, from the years 2020 to 2040.
    let count = digits(text);
    let number: u64 = text[..count].parse().ok()?;
    match count {
        10 if (1_577_836_800..2_208_988_800).contains(&number) => {
            Some(count + fraction(&text[count..]))
        }
        13 if (1_577_836_800_000..2_208_988_800_000).contains(&number) => Some(count),
        _ => None,
    }
}

/// Returns the length of what fits a shape at the beginning of a text.
fn shape(text: &str, pattern: &str) -> Option<usize> {
    let mut rest = text;
    for expected in pattern.bytes() {
        let length = match expected {
            b'W' | b'M' => {
                let names: &[&str] = if expected == b'W' { &WEEKDAYS } else { &MONTHS };
                names.iter().find(|name| rest.starts_with(**name))?.len()
            }
            b'Z' => {
                let letters = rest.bytes().take_while(u8::is_ascii_uppercase).count();
                Some(letters).filter(|count| (3..=5).contains(count))?
            }
            _ => {
                let next = rest.bytes().next()?;
                let fits = match expected {
                    b'0' => next.is_ascii_digit(),
                    b'~' => next.is_ascii_digit() || next == b' ',
                    literal => next == literal,
                };
                fits.then_some(1)?
            }
        };
        rest = &rest[length..];
    }
    Some(text.len() - rest.len())
}

/// Returns the length of `.123` or `,123`.
fn fraction(text: &str) -> usize {
    let separated = text.strip_prefix(['.', ',']);
    match separated.map(digits) {
        Some(count) if count > 0 => 1 + count,
        _ => 0,
    }
}

/// Returns the length of `Z`, `+01:00`, ` +0100`, ` GMT` or ` UTC`.
fn zone(text: &str) -> usize {
    if text.starts_with('Z') {
        return 1;
    }
    let offsets = [
        "+00:00", "-00:00", "+0000", "-0000", " +0000", " -0000", " +00:00", " -00:00",
    ];
    let offset = offsets.iter().find_map(|pattern| shape(text, pattern));
    let named = || {
        [" GMT", " UTC"]
            .iter()
            .find(|zone| text.starts_with(**zone))
    };
    offset.unwrap_or_else(|| named().map_or(0, |zone| zone.len()))
}

fn duration(text: &str, before: Option<u8>) -> Option<usize> {
    const UNITS: [&str; 9] = [
        "nanoseconds",
        "seconds",
        "second",
        "secs",
        "sec",
        "ns",
        "us",
        "ms",
        "s",
    ];
    let count = digits(text);
    if count == 0 || before == Some(b'.') {
        return None;
    }
    let number = match text[count..].strip_prefix('.').map(digits) {
        Some(decimals) if decimals > 0 => count + 1 + decimals,
        _ => count,
    };
    let blank = usize::from(text[number..].starts_with(' '));
    let unit = &text[number + blank..];
    let micro = ["µs", "μs"]; // two characters look like this
    let found = micro
        .iter()
        .chain(&UNITS)
        .find(|name| unit.starts_with(**name) && ends(unit, name.len()))?;
    Some(number + blank + found.len())
}

/// A port that the kernel chose for a client (`ip_local_port_range`: 32768 to 60999) after an address.
fn ephemeral_port(text: &str, before: Option<u8>) -> Option<usize> {
    let after_address = before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b']');
    let count = digits(text.strip_prefix(':')?);
    let port: u32 = text[1..=count].parse().ok()?;
    (after_address && (32768..=60999).contains(&port)).then_some(1 + count)
}

fn pid(text: &str, _: Option<u8>) -> Option<usize> {
    let word = text.get(..3)?.eq_ignore_ascii_case("pid");
    let rest = &text[3..];
    let number = rest.trim_start_matches([' ', ':', '=', '#']);
    let between = rest.len() - number.len();
    let count = digits(number);
    (word && (1..=3).contains(&between) && count > 0).then_some(3 + between + count)
}

/// A place in memory: at least 32 bits long, so that codes and sizes stay.
fn address(text: &str, _: Option<u8>) -> Option<usize> {
    let hex = text.strip_prefix("0x")?;
    let count = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
    (8..=16).contains(&count).then_some(2 + count)
}

fn uuid(text: &str, _: Option<u8>) -> Option<usize> {
    let bytes = text.as_bytes().get(..36)?;
    let fits = bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    fits.then_some(36)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_replaced_whole() {
        for rule in RULES {
            for example in rule.examples {
                // A port belongs to an address.
                let host = if example.starts_with(':') {
                    "localhost"
                } else {
                    ""
                };
                let wanted = format!("({host}<{}>)", rule.name);
                assert_eq!(text(&format!("({host}{example})")), wanted, "{example}");
            }
        }
    }

    #[test]
    fn the_guide_has_the_same_tables() {
        let guide = include_str!("../../../../docs/verify.md");
        let list = |texts: &[&str]| {
            let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
            quoted.join(", ")
        };
        for rule in RULES {
            let row = format!("| `<{}>` | {} |\n", rule.name, list(rule.examples));
            assert!(guide.contains(&row), "{row}");
        }
        assert!(guide.contains(&format!("| {} | left out", list(LEFT_OUT))));
        assert!(guide.contains(&format!("| {} | compared by presence", list(PER_REQUEST))));
    }

    #[test]
    fn everything_else_stays() {
        for same in [
            "",
            "PONG",
            "Redis server v=7.0.15 sha=00000000:0 bits=64",
            "drwxr-xr-x 2 redis redis 4096 Nov 20 17:03 .",
            "listening on 0.0.0.0:6379 and :80",
            "a:1 b:32767 c:61000 x:54321a",
            "pids 17, rapid 5, pid file, pid_max 4",
            "0x10 0xff",
            "1.2.3s4 12mm 5 stars 10 sets",
            "2026-11-20",
            "1234567890 12345678901",
            "ünïcödé 0 µ",
            "123e4567-e89b-12d3-a456-42661417400",
        ] {
            assert_eq!(text(same), same);
        }
        assert_eq!(
            text("started in 12 ms at 18:24:30, pid 7"),
            "started in <duration> at <time>, <pid>"
        );
        assert_eq!(
            text("[::1]:40000 127.0.0.1:40000"),
            "[::1]<port> 127.0.0.1<port>"
        );
    }

    #[test]
    fn headers_are_compared_in_no_order_and_without_what_is_per_request() {
        let given = |list: &[(&str, &str)]| {
            let list = list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            list.collect::<Vec<_>>()
        };
        let list = given(&[
            ("server", "nginx/1.22.1"),
            ("date", "Fri, 20 Nov 2026 18:24:30 GMT"),
            ("content-length", "5"),
            ("connection", "close"),
            ("last-modified", "Fri, 20 Nov 2026 18:24:30 GMT"),
            (
                "set-cookie",
                "id=abc; Path=/; Expires=Fri, 20 Nov 2026 18:24:30 GMT",
            ),
            ("etag", "\"64-5\""),
            ("x-cache", "HIT"),
            ("x-cache-lookup", "MISS from proxy:3128"),
            ("x-case", "HITS"),
        ]);
        assert_eq!(
            headers(&list, false),
            "date: <varies>\netag: \"64-5\"\nlast-modified: Fri, 20 Nov 2026 18:24:30 GMT\n\
             server: nginx/1.22.1\nset-cookie: id=<varies>; Path=/; Expires=<time>\n\
             x-cache-lookup: <varies>\nx-cache: <varies>\nx-case: HITS\n"
        );
        assert!(headers(&list, true).starts_with("content-length: 5\n"));
    }
}
