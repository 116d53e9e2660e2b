//! Paths in configuration files, whatever their syntax.

use std::collections::BTreeSet;

/// Bytes that end a path: white space, and what the syntaxes of configuration
/// files put around values.
const DELIMITERS: &[u8] = b" \t\r\n\x0b\x0c\"'`=:,;()<>[]{}|&\\\0";

/// Longest path that is looked at (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// Paths found in a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextPaths {
    /// What looks like an absolute path.
    pub paths: BTreeSet<Vec<u8>>,
    /// What looks like a pattern of absolute paths: `/etc/nginx/conf.d/*.conf`.
    pub patterns: BTreeSet<Vec<u8>>,
    /// What looks like a shared object without the directory that it is in: `mod_x.so`, `modules/x.so`.
    pub objects: BTreeSet<Vec<u8>>,
}

/// Returns everything in a text that looks like an absolute path, or like the name of a plug-in.
///
/// A token begins with `/` after white space, a quote or one of `= : , ; ( ) < > [ ] { }`
/// and ends before the next of them. Paths in comments count: a line that is
/// commented out today is a feature that is switched on tomorrow. Of a token with a
/// variable (`/run/$x`, `/run/%i`) the directory before it is returned.
pub fn paths_in_text(text: &[u8]) -> TextPaths {
    let mut found = TextPaths::default();
    for token in text.split(|b| DELIMITERS.contains(b)) {
        if token.ends_with(b".so") && token.len() > 4 && token.len() <= MAX_PATH && token[0] != b'/'
        {
            found.objects.insert(token.to_vec());
            continue;
        }
        if token.len() < 2 || token.len() > MAX_PATH || token[0] != b'/' || token[1] == b'/' {
            continue; // `//` is a comment or the middle of a URL
        }
        let variable = token.iter().position(|b| matches!(b, b'$' | b'%' | b'@'));
        if let Some(at) = variable.filter(|&at| token[at] != b'@' || token[at - 1] == b'/') {
            let end = memchr::memrchr(b'/', &token[..at]).unwrap_or(0);
            if end > 0 {
                found.paths.insert(token[..=end].to_vec());
            }
            continue;
        }
        // Sentences end behind paths.
        let end = token.iter().rposition(|b| !matches!(b, b'.' | b'!' | b'#'));
        let token = &token[..end.map_or(0, |at| at + 1)];
        if token.len() < 2 {
            continue;
        }
        if token.iter().any(|b| matches!(b, b'*' | b'?')) {
            found.patterns.insert(token.to_vec());
        } else {
            found.paths.insert(token.to_vec());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let found = paths_in_text(text.as_bytes());
        let join = |set: BTreeSet<Vec<u8>>| {
            let texts = set
                .iter()
                .map(|path| String::from_utf8_lossy(path).into_owned());
            texts.collect::<Vec<_>>().join(" ")
        };
        format!("{} | {}", join(found.paths), join(found.patterns))
    }

    #[test]
    fn absolute_paths_are_found_in_any_syntax() {
        for (text, want) in [
            (
                "include /etc/nginx/conf.d/*.conf;",
                " | /etc/nginx/conf.d/*.conf",
            ),
            (
                "error_log  /var/log/nginx/error.log notice;",
                "/var/log/nginx/error.log | ",
            ),
            ("key=\"/etc/a b\"", "/etc/a | "),
            ("PATH=/usr/bin:/bin", "/bin /usr/bin | "),
            ("{\"path\":\"/srv/x\",\"l\":[\"/a/b\"]}", "/a/b /srv/x | "),
            ("<Directory /var/www/>", "/var/www/ | "),
            ("http://example.org/x // comment", " | "),
            ("# see /usr/share/doc/x.", "/usr/share/doc/x | "),
            ("fastcgi_param X /app$fastcgi_script_name;", " | "),
            ("root /var/www/$host/html;", "/var/www/ | "),
            ("ExecStart=/usr/bin/x %i /run/%i", "/run/ /usr/bin/x | "),
            ("a/b relative ./c /", " | "),
            ("/tmp/file-?.txt", " | /tmp/file-?.txt"),
            (
                "LoadModule mpm /usr/lib/m.so\r\n/x@1.0",
                "/usr/lib/m.so /x@1.0 | ",
            ),
        ] {
            assert_eq!(show(text), want, "{text}");
        }
    }

    #[test]
    fn plug_ins_are_named_without_their_directory() {
        let found = paths_in_text(b"load_module modules/x.so;\nPlugin=auth_y.so\n/a/z.so .so");
        let objects: Vec<&[u8]> = found.objects.iter().map(Vec::as_slice).collect();
        assert_eq!(objects, [&b"auth_y.so"[..], b"modules/x.so"]);
    }

    #[test]
    fn any_bytes_are_accepted() {
        for text in [
            &b""[..],
            b"/",
            b"\0/\0",
            b"/\xff\xfe",
            b"/$",
            b"/@",
            b"/...",
            b"/a/@",
        ] {
            paths_in_text(text);
        }
        assert_eq!(paths_in_text(&vec![b'/'; 100_000]), TextPaths::default());
    }
}
