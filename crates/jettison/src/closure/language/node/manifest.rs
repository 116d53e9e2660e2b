//! `package.json`: what a package is called, where it begins, what it requires
//! (npm documentation, "package.json").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Largest `package.json` that is read.
pub(super) const MAX_MANIFEST: u64 = 4 << 20;

/// What a package says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) name: String,
    /// `dependencies`, `optionalDependencies` and `peerDependencies`.
    pub(super) requires: BTreeSet<String>,
    /// `peerDependencies` that are not optional.
    pub(super) hosts: BTreeSet<String>,
    /// Required for developing it, and not otherwise.
    pub(super) development: BTreeSet<String>,
    /// `main`, `module`, `bin` and what `exports` leads to.
    pub(super) entries: Vec<String>,
    pub(super) scripts: BTreeMap<String, String>,
    os: Vec<String>,
    cpu: Vec<String>,
    libc: Vec<String>,
}

/// Reads a `package.json`; what makes no sense is passed over.
pub(super) fn parse(text: &[u8]) -> Manifest {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let Ok(value) = serde_json::from_slice::<Value>(text) else {
        return Manifest::default();
    };
    let keys = |field: &str| -> BTreeSet<String> {
        let object = value.get(field).and_then(Value::as_object);
        object
            .into_iter()
            .flat_map(|object| object.keys().cloned())
            .collect()
    };
    let list = |field: &str| -> Vec<String> {
        match value.get(field) {
            Some(Value::Array(items)) => items
                .iter()
                .filter_map(|item| Some(item.as_str()?.to_owned()))
                .collect(),
            Some(Value::String(one)) => vec![one.clone()],
            _ => Vec::new(),
        }
    };
    let optional_peers: BTreeSet<String> = keys("peerDependenciesMeta");
    let hosts: BTreeSet<String> = keys("peerDependencies")
        .difference(&optional_peers)
        .cloned()
        .collect();
    let mut requires = keys("dependencies");
    requires.extend(keys("optionalDependencies"));
    requires.extend(keys("peerDependencies"));
    requires.extend(optional_peers);
    let development = keys("devDependencies")
        .difference(&requires)
        .cloned()
        .collect();
    let mut entries = Vec::new();
    for field in ["main", "module", "bin", "exports"] {
        strings(value.get(field), &mut entries, 16);
    }
    let scripts = value.get("scripts").and_then(Value::as_object);
    let scripts = scripts.into_iter().flatten();
    Manifest {
        name: value
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        requires,
        hosts,
        development,
        entries,
        scripts: scripts
            .filter_map(|(name, line)| Some((name.clone(), line.as_str()?.to_owned())))
            .collect(),
        os: list("os"),
        cpu: list("cpu"),
        libc: list("libc"),
    }
}

fn strings(value: Option<&Value>, found: &mut Vec<String>, deepest: u8) {
    match value {
        Some(Value::String(text)) => found.push(text.clone()),
        Some(Value::Object(object)) if deepest > 0 => {
            object
                .values()
                .for_each(|value| strings(Some(value), found, deepest - 1));
        }
        Some(Value::Array(items)) if deepest > 0 => {
            items
                .iter()
                .for_each(|value| strings(Some(value), found, deepest - 1));
        }
        _ => {}
    }
}

/// Where an image runs, in the words of Node.js.
#[derive(Debug, Clone, Copy)]
pub(super) struct Platform<'p> {
    /// `process.arch`: `x64`, `arm64`, ….
    pub(super) cpu: &'p str,
    /// `glibc` or `musl`, where it is known.
    pub(super) libc: Option<&'p str>,
}

impl Manifest {
    /// Returns whether the package says that it runs there.
    pub(super) fn runs_on(&self, platform: Platform<'_>) -> bool {
        admits(&self.os, "linux")
            && admits(&self.cpu, platform.cpu)
            && platform.libc.is_none_or(|libc| admits(&self.libc, libc))
    }
}

/// A list admits what it names, or all but what it names with `!`.
fn admits(list: &[String], what: &str) -> bool {
    let refused = list.iter().any(|item| item.strip_prefix('!') == Some(what));
    let names: Vec<&String> = list.iter().filter(|item| !item.starts_with('!')).collect();
    !refused && (names.is_empty() || names.iter().any(|name| *name == what || *name == "any"))
}

/// Returns the package that a specifier is about: `@a/b` of `@a/b/c`; nothing for
/// paths, built-in modules with a scheme, and imports of one's own (`#x`).
pub(super) fn package_name(specifier: &str) -> Option<&str> {
    let first = specifier.chars().next()?;
    if matches!(first, '.' | '/' | '#') && !specifier.starts_with(".prisma/")
        || specifier.contains(':')
        || specifier.contains('\\')
    {
        return None;
    }
    let mut slashes = specifier.match_indices('/').map(|(at, _)| at);
    let end = match first {
        '@' => slashes
            .nth(1)
            .or_else(|| specifier.contains('/').then_some(specifier.len()))?,
        _ => slashes.next().unwrap_or(specifier.len()),
    };
    let name = &specifier[..end];
    let fits = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"@/._-~".contains(&b));
    (fits && !name.ends_with('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_say_what_is_required() {
        let read = parse(
            br#"{"name":"x","main":"a.js","bin":{"y":"b.js"},"exports":{".":{"import":"./c.mjs","require":["./d.cjs"]}},
            "dependencies":{"a":"1"},"optionalDependencies":{"b":"1"},"peerDependencies":{"c":"1","d":"1"},
            "peerDependenciesMeta":{"d":{"optional":true},"e":{"optional":true}},"devDependencies":{"a":"1","f":"1"},
            "scripts":{"start":"node a.js"},"os":["!win32"],"cpu":["x64"],"libc":["glibc"]}"#,
        );
        assert_eq!(read.requires.iter().cloned().collect::<String>(), "abcde");
        assert_eq!(read.hosts.iter().cloned().collect::<String>(), "c");
        assert_eq!(read.development.iter().cloned().collect::<String>(), "f");
        assert_eq!(read.entries, ["a.js", "b.js", "./c.mjs", "./d.cjs"]);
        assert_eq!(read.scripts["start"], "node a.js");
        for (cpu, libc, want) in [
            ("x64", Some("glibc"), true),
            ("x64", None, true),
            ("arm64", Some("glibc"), false),
            ("x64", Some("musl"), false),
        ] {
            assert_eq!(read.runs_on(Platform { cpu, libc }), want, "{cpu} {libc:?}");
        }
        assert_eq!(parse(b"[1]"), Manifest::default());
        assert_eq!(parse(b"{\"dependencies\": 3}"), Manifest::default());
    }

    #[test]
    fn specifiers_name_packages() {
        for (specifier, want) in [
            ("express", Some("express")),
            ("lodash/fp", Some("lodash")),
            ("@a/b", Some("@a/b")),
            ("@a/b/c/d", Some("@a/b")),
            ("@a", None),
            ("./x", None),
            ("/x", None),
            ("#internal", None),
            ("node:fs", None),
            ("two words", None),
            ("", None),
        ] {
            assert_eq!(package_name(specifier), want, "{specifier}");
        }
    }
}
