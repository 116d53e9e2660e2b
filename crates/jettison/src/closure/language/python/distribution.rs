//! Installed distributions: what they consist of and what they require.
//!
//! The formats are those of the Python Packaging User Guide, "Recording installed
//! projects", "Core metadata specifications", "Dependency specifiers" and "Entry
//! points specification".

use std::collections::BTreeMap;

/// Reads `RECORD`: paths relative to the directory that holds the distributions.
pub(super) fn record(text: &[u8]) -> Vec<Vec<u8>> {
    let lines = text.split(|b| *b == b'\n');
    lines
        .filter_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let path = match line.strip_prefix(b"\"") {
                // CSV: a quote in a quoted field is doubled, and ends it otherwise.
                Some(rest) => {
                    let mut path = Vec::new();
                    let mut bytes = rest.iter().peekable();
                    while let Some(&byte) = bytes.next() {
                        if byte == b'"' && bytes.next_if_eq(&&b'"').is_none() {
                            break;
                        }
                        path.push(byte);
                    }
                    path
                }
                None => line
                    .split(|b| *b == b',')
                    .next()
                    .unwrap_or_default()
                    .to_vec(),
            };
            (!path.is_empty()).then_some(path)
        })
        .collect()
}

/// What `METADATA` (or `PKG-INFO`, and `requires.txt` of older ones) says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Normalised name.
    pub(super) name: String,
    /// What it requires, as it is written.
    pub(super) requires: Vec<Requirement>,
    /// Whether it calls itself a tool of development: such are imported by others
    /// for their own tests and builds.
    pub(super) is_development_tool: bool,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// Normalised name.
    pub(super) name: String,
    /// Extras of it that are wanted.
    pub(super) extras: Vec<String>,
    /// The condition.
    pub(super) marker: String,
}

/// Trove classifiers of what runs before anything is deployed.
const DEVELOPMENT: &[&str] = &[
    "Topic :: Software Development :: Testing",
    "Topic :: Software Development :: Build Tools",
    "Topic :: Software Development :: Quality Assurance",
    "Framework :: Pytest",
    "Framework :: tox",
];

/// Reads the headers of core metadata.
pub(super) fn metadata(text: &[u8]) -> Metadata {
    let text = String::from_utf8_lossy(text);
    let mut metadata = Metadata::default();
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match field.to_ascii_lowercase().as_str() {
            "name" => metadata.name = normalise(value),
            "requires-dist" => metadata.requires.extend(requirement(value)),
            "classifier" => {
                metadata.is_development_tool |=
                    DEVELOPMENT.iter().any(|topic| value.starts_with(topic));
            }
            _ => {}
        }
    }
    metadata
}

/// Reads `requires.txt` of an `.egg-info` (setuptools): sections are extras and conditions.
pub(super) fn requires_txt(text: &[u8]) -> Vec<Requirement> {
    let text = String::from_utf8_lossy(text);
    let mut extra = String::new();
    let mut requires = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            let (name, marker) = section.split_once(':').unwrap_or((section, ""));
            let extra_of = (!name.is_empty()).then(|| format!("extra == '{name}'"));
            let marker = (!marker.is_empty()).then(|| format!("({marker})"));
            extra = extra_of
                .into_iter()
                .chain(marker)
                .collect::<Vec<_>>()
                .join(" and ");
        } else if let Some(mut found) = requirement(line) {
            if !extra.is_empty() {
                found.marker.clone_from(&extra);
            }
            requires.push(found);
        }
    }
    requires
}

/// Reads `name[extra,…] (>=version) ; marker`.
fn requirement(text: &str) -> Option<Requirement> {
    let (what, marker) = text.split_once(';').unwrap_or((text, ""));
    let end = what
        .find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
        .unwrap_or(what.len());
    let name = normalise(&what[..end]);
    let rest = what[end..].trim_start();
    let extras = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let extras = extras.map_or_else(Vec::new, |(list, _)| {
        list.split(',').map(normalise).collect()
    });
    (!name.is_empty()).then(|| Requirement {
        name,
        extras,
        marker: marker.trim().to_owned(),
    })
}

/// Names are compared in lower case, with runs of `-`, `_` and `.` as one `-`.
pub(super) fn normalise(name: &str) -> String {
    let mut normal = String::new();
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

/// Reads `entry_points.txt`: groups, and the modules that each leads to.
pub(super) fn entry_points(text: &[u8]) -> BTreeMap<String, Vec<String>> {
    let text = String::from_utf8_lossy(text);
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut group = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            group = Some(name.trim().to_owned());
            continue;
        }
        let Some((_, target)) = line.split_once('=') else {
            continue;
        };
        let module = target
            .trim()
            .split([':', '[', ' '])
            .next()
            .unwrap_or_default();
        if let Some(group) = &group {
            groups
                .entry(group.clone())
                .or_default()
                .push(module.to_owned());
        }
    }
    groups
}

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
    fn records_list_files() {
        let text = b"a/b.py,sha256=x,3\r\n\"a,\"\"b\"\".py\",,\n../../bin/a,,\n\n";
        let paths: Vec<String> = record(text)
            .into_iter()
            .map(|path| String::from_utf8_lossy(&path).into_owned())
            .collect();
        assert_eq!(paths, ["a/b.py", "a,\"b\".py", "../../bin/a"]);
    }

    #[test]
    fn metadata_names_requirements() {
        let text = b"Metadata-Version: 2.1\nName: Zope.Interface_x\nRequires-Dist: Foo-Bar[x, Y_z] (>=1.0) ; extra == 'q'\n\
            Classifier: Topic :: Software Development :: Testing\n\nRequires-Dist: body\n";
        let read = metadata(text);
        assert_eq!(read.name, "zope-interface-x");
        assert!(read.is_development_tool);
        let want = Requirement {
            name: "foo-bar".to_owned(),
            extras: vec!["x".to_owned(), "y-z".to_owned()],
            marker: "extra == 'q'".to_owned(),
        };
        assert_eq!(read.requires, [want]);
        let old = requires_txt(b"a>=1\n\n[x]\nb\n\n[:python_version<'3']\nc\n");
        let shown: Vec<_> = old
            .iter()
            .map(|r| format!("{} {}", r.name, r.marker))
            .collect();
        assert_eq!(shown, ["a ", "b extra == 'x'", "c (python_version<'3')"]);
    }

    #[test]
    fn entry_points_lead_to_modules() {
        let text = b"[console_scripts]\nx = a.b:main\n[my.group]\ny=c [extra]\n";
        let groups = entry_points(text);
        assert_eq!(groups["console_scripts"], ["a.b"]);
        assert_eq!(groups["my.group"], ["c"]);
    }

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
