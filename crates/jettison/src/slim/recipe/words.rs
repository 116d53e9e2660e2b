//! Paths and values as Dockerfiles write them, such that all builders read the same.

use super::ORIGINAL;

/// Returns a path that stands in an instruction as it is; nothing for one that no line of
/// text can hold, or that builders do not agree on: `[[]` is `[` for Docker, and an error for buildah.
pub(super) fn path(path: &[u8]) -> Option<&str> {
    let path = std::str::from_utf8(path).ok()?;
    let bad = |c: char| c.is_control() || "\\\"'$`*?[".contains(c);
    (!path.contains(bad)).then_some(path)
}

/// Copies files into a directory, or the directory itself; nothing where a path cannot be written.
pub(super) fn copy(sources: &[&[u8]], directory: &[u8]) -> Option<String> {
    let mut target = path(directory)?.trim_end_matches('/').to_owned();
    target.push('/');
    let mut words: Vec<String> = Vec::with_capacity(sources.len() + 1);
    for source in sources {
        let slash = if *source == directory { "/" } else { "" };
        words.push(format!("{}{slash}", path(source)?));
    }
    words.push(target);
    let spaced = words.iter().any(|word| word.contains(char::is_whitespace));
    if spaced {
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        return Some(format!("COPY --from={ORIGINAL} [{}]", words.join(", ")));
    }
    Some(match &words[..] {
        [source, target] => format!("COPY --from={ORIGINAL} {source} {target}"),
        _ => format!("COPY --from={ORIGINAL} \\\n    {}", words.join(" \\\n    ")),
    })
}

/// A value in quotes; nothing for one with several lines.
pub(super) fn quoted(value: &str) -> Option<String> {
    if value.contains(['\n', '\r', '\0']) {
        return None;
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '\\' | '"' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    Some(text)
}

/// A word without quotes where a variable would be replaced.
pub(super) fn plain(value: &str) -> Option<String> {
    if value.contains(['\n', '\r', '\0']) {
        return None;
    }
    let escape = |c: char| matches!(c, '\\' | '"' | '\'' | '$').then_some('\\');
    let text = value.chars().flat_map(|c| escape(c).into_iter().chain([c]));
    Some(text.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_what_builders_read() {
        for (sources, directory, want) in [
            (
                &["/usr/lib/json"][..],
                "/usr/lib/json",
                "COPY --from=original /usr/lib/json/ /usr/lib/json/",
            ),
            (&["/a"], "/", "COPY --from=original /a /"),
            (
                &["/usr/bin/a", "/usr/bin/b"],
                "/usr/bin",
                "COPY --from=original \\\n    /usr/bin/a \\\n    /usr/bin/b \\\n    /usr/bin/",
            ),
            (
                &["/srv/a b"],
                "/srv",
                "COPY --from=original [\"/srv/a b\", \"/srv/\"]",
            ),
        ] {
            let sources: Vec<&[u8]> = sources.iter().map(|text| text.as_bytes()).collect();
            assert_eq!(copy(&sources, directory.as_bytes()).unwrap(), want);
        }
        for bad in [
            &b"/a\nb"[..],
            b"/a$b",
            b"/a\\b",
            b"/a\"b",
            b"/\xff",
            b"/[",
            b"/*",
        ] {
            assert_eq!(path(bad), None);
        }
        assert_eq!(quoted("a $b \"c\" \\").unwrap(), r#""a \$b \"c\" \\""#);
        assert_eq!(quoted("a\nb"), None);
        assert_eq!(plain("/a $b").unwrap(), r"/a \$b");
    }
}
