//! Paths as bytes.

/// What the kernel appends to the path of a file that has been removed.
pub(super) const DELETED: &[u8] = b" (deleted)";

/// Appends a path to the path of the directory that it starts from, without empty names and `.`. What is
/// left says the same to the kernel: `..` and a slash at the end stay.
pub(super) fn squeeze(base: &[u8], path: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let base = if path.first() == Some(&b'/') {
        b""
    } else {
        base
    };
    // Almost every path is so already.
    if is_squeezed(path) && (base.is_empty() || base.first() == Some(&b'/') && is_squeezed(base)) {
        into.extend_from_slice(base);
        if path.first() != Some(&b'/') {
            into.push(b'/');
        }
        into.extend_from_slice(path);
        return;
    }
    for name in base
        .split(|&byte| byte == b'/')
        .chain(path.split(|&byte| byte == b'/'))
    {
        if !matches!(name, b"" | b".") {
            into.push(b'/');
            into.extend_from_slice(name);
        }
    }
    let directory = path.ends_with(b"/") || path.ends_with(b"/.") || path == b".";
    if into.is_empty() || (directory && path != b".") {
        into.push(b'/');
    }
}

/// Returns whether a path has no empty names, and none that begins with a dot, and does not end in a slash.
fn is_squeezed(path: &[u8]) -> bool {
    let names = path.strip_prefix(b"/").unwrap_or(path);
    !names
        .split(|&byte| byte == b'/')
        .any(|name| name.is_empty() || name.starts_with(b"."))
}

/// Removes `.`, `..`, empty names and a slash at the end from an absolute path, without looking whether
/// what a `..` follows is a link.
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(path.len());
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => up(&mut clean),
            name => {
                clean.push(b'/');
                clean.extend_from_slice(name);
            }
        }
    }
    if clean.is_empty() {
        clean.push(b'/');
    }
    clean
}

/// Removes the last name of a path.
pub(super) fn up(path: &mut Vec<u8>) {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    path.truncate(slash.unwrap_or(0));
}

/// Returns the directory part of an absolute path; empty for that of a path in `/`.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    path.get(..slash.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_together_and_cleaned() {
        let cases: [(&str, &str, &str, &str); 10] = [
            ("/", "etc/passwd", "/etc/passwd", "/etc/passwd"),
            ("/a/b", "../c", "/a/b/../c", "/a/c"),
            ("/a", "/x//y/./z", "/x/y/z", "/x/y/z"),
            ("/a", "d/", "/a/d/", "/a/d"),
            ("/a", "d/.", "/a/d/", "/a/d"),
            ("/a", ".", "/a", "/a"),
            ("/a", "./", "/a/", "/a"),
            ("/", "/", "/", "/"),
            ("/", "..", "/..", "/"),
            ("/a", "...", "/a/...", "/a/..."),
        ];
        for (base, path, squeezed, cleaned) in cases {
            let mut into = Vec::new();
            squeeze(base.as_bytes(), path.as_bytes(), &mut into);
            assert_eq!(String::from_utf8_lossy(&into), squeezed, "{base} {path}");
            assert_eq!(String::from_utf8_lossy(&clean(&into)), cleaned);
        }
    }
}
