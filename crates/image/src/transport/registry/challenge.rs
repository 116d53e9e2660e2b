//! What a registry asks for in `WWW-Authenticate` (RFC 9110, 11.6.1).

use ureq::http::HeaderMap;

/// How a registry wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token from somewhere else.
    Bearer {
        /// Where tokens are given out.
        realm: String,
        /// For whom the token is.
        service: String,
        /// What it must allow, as far as the registry says.
        scope: String,
    },
}

impl Challenge {
    /// Returns the best challenge of an answer that this program can meet.
    pub(super) fn find(headers: &HeaderMap) -> Option<Self> {
        let offered: Vec<Self> = headers
            .get_all("www-authenticate")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(parse)
            .collect();
        let bearer = offered.iter().find(|c| matches!(c, Self::Bearer { .. }));
        bearer.or(offered.first()).cloned()
    }
}

/// Parses `SCHEME name=value, name="quoted, value", SCHEME …`.
fn parse(text: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut scheme = String::new();
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() && after.is_empty() {
            found.extend(build(&scheme, &parameters));
            return found;
        }
        match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(value) if !scheme.is_empty() => {
                let (value, left) = parse_value(value.trim_start_matches([' ', '\t']));
                parameters.push((word.to_ascii_lowercase(), value));
                rest = left;
            }
            // Padding of a token68, or nonsense: neither is of use here.
            Some(left) => rest = left,
            None => {
                found.extend(build(&scheme, &parameters));
                parameters.clear();
                word.clone_into(&mut scheme);
                rest = after;
            }
        }
    }
}

fn parse_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

fn build(scheme: &str, parameters: &[(String, String)]) -> Option<Challenge> {
    let get = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service").unwrap_or_default(),
            scope: get("scope").unwrap_or_default(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: &str, scope: &str) -> Challenge {
        let [realm, service, scope] = [realm, service, scope].map(str::to_owned);
        Challenge::Bearer {
            realm,
            service,
            scope,
        }
    }

    #[test]
    fn challenges_are_parsed() {
        for (text, expected) in [
            ("Basic realm=\"Registry\"", vec![Challenge::Basic]),
            (
                "Bearer realm=\"https://auth/token\",service=\"r\",scope=\"repository:a/b:pull,push\"",
                vec![bearer(
                    "https://auth/token",
                    "r",
                    "repository:a/b:pull,push",
                )],
            ),
            (
                "bearer service=r , realm = \"a \\\"b\\\", c\"",
                vec![bearer("a \"b\", c", "r", "")],
            ),
            (
                "Basic realm=\"a, Bearer\", Bearer realm=x",
                vec![Challenge::Basic, bearer("x", "", "")],
            ),
            ("Negotiate YII==, Basic realm=x", vec![Challenge::Basic]),
            ("Bearer service=r", vec![]),
            (
                "Bearer realm=\"unterminated",
                vec![bearer("unterminated", "", "")],
            ),
            ("= == , \"", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
