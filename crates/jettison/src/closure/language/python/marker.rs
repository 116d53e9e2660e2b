//! Conditions of requirements: `python_version < "3.8" and extra == "socks"`
//! (Python Packaging User Guide, "Dependency specifiers", environment markers).

use super::distribution::normalise;

/// What markers are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Platform<'p> {
    /// As in `python3.11`: `3.11`.
    pub(super) version: &'p str,
    /// `x86_64`, `aarch64`, ….
    pub(super) machine: &'p str,
    /// Extras that somebody wants.
    pub(super) extras: &'p [String],
}

/// Returns whether a condition holds. What is not understood does.
pub(super) fn holds(marker: &str, platform: Platform<'_>) -> bool {
    let tokens = tokens(marker);
    if tokens.is_empty() {
        return true;
    }
    let mut at = 0;
    any(&tokens, &mut at, platform, 32).unwrap_or(true)
}

#[derive(Debug, PartialEq)]
enum Token<'m> {
    Word(&'m str),
    Text(&'m str),
    Sign(&'m str),
}

fn tokens(marker: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                let end = rest[1..].find(first).map_or(rest.len(), |end| end + 1);
                tokens.push(Token::Text(&rest[1..end]));
                (end + 1).min(rest.len())
            }
            '(' | ')' => {
                tokens.push(Token::Sign(&rest[..1]));
                1
            }
            '<' | '>' | '=' | '!' | '~' => {
                let other = |c: char| !"<>=!~".contains(c);
                let end = rest.find(other).unwrap_or(rest.len());
                tokens.push(Token::Sign(&rest[..end]));
                end
            }
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let other = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.');
                let end = rest.find(other).unwrap_or(rest.len());
                tokens.push(Token::Word(&rest[..end]));
                end
            }
            c => c.len_utf8(),
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

fn any(tokens: &[Token<'_>], at: &mut usize, platform: Platform<'_>, deepest: u8) -> Option<bool> {
    let mut value = all(tokens, at, platform, deepest)?;
    while tokens.get(*at) == Some(&Token::Word("or")) {
        *at += 1;
        value |= all(tokens, at, platform, deepest)?;
    }
    Some(value)
}

fn all(tokens: &[Token<'_>], at: &mut usize, platform: Platform<'_>, deepest: u8) -> Option<bool> {
    let mut value = one(tokens, at, platform, deepest)?;
    while tokens.get(*at) == Some(&Token::Word("and")) {
        *at += 1;
        value &= one(tokens, at, platform, deepest)?;
    }
    Some(value)
}

fn one(tokens: &[Token<'_>], at: &mut usize, platform: Platform<'_>, deepest: u8) -> Option<bool> {
    if tokens.get(*at) == Some(&Token::Sign("(")) {
        *at += 1;
        let value = any(tokens, at, platform, deepest.checked_sub(1)?)?;
        *at += usize::from(tokens.get(*at) == Some(&Token::Sign(")")));
        return Some(value);
    }
    let left = tokens.get(*at)?;
    let (operator, right) = match (tokens.get(*at + 1)?, tokens.get(*at + 2)?) {
        (Token::Word("not"), Token::Word("in")) => {
            *at += 1;
            ("not in", tokens.get(*at + 2)?)
        }
        (Token::Word(operator) | Token::Sign(operator), right) => (*operator, right),
        (Token::Text(_), _) => return None,
    };
    *at += 3;
    let (variable, value, swapped) = match (left, right) {
        (Token::Word(variable), Token::Text(value)) => (*variable, *value, false),
        (Token::Text(value), Token::Word(variable)) => (*variable, *value, true),
        _ => return Some(true),
    };
    Some(compare(variable, operator, value, swapped, platform))
}

fn compare(
    variable: &str,
    operator: &str,
    value: &str,
    swapped: bool,
    platform: Platform<'_>,
) -> bool {
    let actual = match variable {
        "extra" => {
            let wanted = platform.extras.contains(&normalise(value));
            return if operator == "!=" { !wanted } else { wanted };
        }
        "os_name" => "posix",
        "sys_platform" => "linux",
        "platform_system" => "Linux",
        "platform_machine" => platform.machine,
        "implementation_name" => "cpython",
        "platform_python_implementation" => "CPython",
        "python_version" | "python_full_version" if !platform.version.is_empty() => {
            return compare_versions(platform.version, operator, value, swapped);
        }
        _ => return true,
    };
    match (operator, swapped) {
        ("==" | "===", _) => actual == value,
        ("!=", _) => actual != value,
        ("in", false) => value.contains(actual),
        ("in", true) => actual.contains(value),
        ("not in", false) => !value.contains(actual),
        ("not in", true) => !actual.contains(value),
        _ => true,
    }
}

/// Only the first two numbers are known, and they decide.
fn compare_versions(actual: &str, operator: &str, value: &str, swapped: bool) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split('.')
            .take(2)
            .filter_map(|part| part.trim().parse().ok())
            .collect()
    };
    let (a, b) = (numbers(actual), numbers(value));
    let third = value.split('.').count() > 2;
    if b.is_empty() || operator.contains("in") {
        return true;
    }
    match (operator, swapped) {
        ("<", false) | (">", true) => a < b || third && a == b,
        ("<=", false) | (">=", true) => a <= b,
        (">", false) | ("<", true) => a > b || third && a == b,
        (">=", false) | ("<=", true) => a >= b,
        ("==" | "===", _) if !value.contains('*') => a == b,
        ("!=", _) if !value.contains('*') && !third => a != b,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_decided() {
        let extras = vec!["socks".to_owned()];
        let platform = Platform {
            version: "3.11",
            machine: "x86_64",
            extras: &extras,
        };
        for (marker, want) in [
            ("", true),
            ("sys_platform == 'win32'", false),
            (
                "sys_platform != \"win32\" and python_version >= '3.8'",
                true,
            ),
            ("python_version < '3.10' or extra == 'socks'", true),
            (
                "(python_version < '3.10' or extra == 'dev') and os_name == 'posix'",
                false,
            ),
            ("'linux' in sys_platform", true),
            ("platform_machine not in 'arm64 aarch64'", true),
            ("python_full_version < '3.11.4'", true),
            ("python_version > '3.11'", false),
            ("'3.12' <= python_version", false),
            ("extra == 'SOCKS'", true),
            ("what is this", true),
            ("((((", true),
            ("python_version ==", true),
        ] {
            assert_eq!(holds(marker, platform), want, "{marker}");
        }
    }
}
