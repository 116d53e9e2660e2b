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
    /// Whether it calls itself a tool for packages, as setuptools does, which `venv` puts into every environment up
    /// to Python 3.11.
    pub(super) is_packaging_tool: bool,
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

/// Trove classifier of what makes and installs packages.
const PACKAGING: &str = "Topic :: System :: Archiving :: Packaging";

/// Topics that tools of development have besides. What has others too is of use to applications.
const ABOUT_DEVELOPMENT: &[&str] = &[
    "Topic :: Software Development",
    "Topic :: Education :: Testing",
    "Topic :: Documentation",
    "Topic :: System",
    "Topic :: Utilities",
];

/// Reads the headers of core metadata.
pub(super) fn metadata(text: &[u8]) -> Metadata {
    let text = String::from_utf8_lossy(text);
    let mut metadata = Metadata::default();
    let mut serves = false;
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match field.to_ascii_lowercase().as_str() {
            "name" => metadata.name = normalise(value),
            "requires-dist" => metadata.requires.extend(requirement(value)),
            "classifier" => {
                let is_one_of =
                    |topics: &[&str]| topics.iter().any(|topic| value.starts_with(topic));
                metadata.is_development_tool |= is_one_of(DEVELOPMENT);
                metadata.is_packaging_tool |= value == PACKAGING;
                serves |= value.starts_with("Topic ::") && !is_one_of(ABOUT_DEVELOPMENT);
            }
            _ => {}
        }
    }
    metadata.is_development_tool &= !serves;
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

/// Reads `name[extra,…] (>=version) ; marker` (PEP 508), and `name==version`.
pub(super) fn requirement(text: &str) -> Option<Requirement> {
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
            Classifier: Topic :: Software Development :: Testing\n\
            Classifier: Topic :: System :: Archiving :: Packaging\n\nRequires-Dist: body\n";
        let read = metadata(text);
        assert_eq!(read.name, "zope-interface-x");
        assert!(read.is_development_tool && read.is_packaging_tool);
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
}
