//! Names of layer members: bytes, relative to the root, without `.` and `..`.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// Iterates over the components of `path`, without empty ones and `.`.
pub fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&b| b == b'/')
        .filter(|c| !c.is_empty() && *c != b".")
}

/// Shows a path of an image to a person: absolute, with control characters escaped.
pub fn display(path: &[u8]) -> Cow<'static, str> {
    let text: String = String::from_utf8_lossy(path)
        .chars()
        .flat_map(|c| {
            let escape = c.is_control();
            let plain = (!escape).then_some(c);
            let escaped = escape.then(|| c.escape_default()).into_iter().flatten();
            plain.into_iter().chain(escaped)
        })
        .collect();
    Cow::Owned(text)
}

/// Turns the name of a tar member into a path relative to the root.
///
/// `./a//b/` and `a/b` are the same member; `.` and `/` name the root and give
/// an empty path.
///
/// # Errors
/// A name that is absolute or that climbs above the root with `..` is refused:
/// no image builder writes one, and every reader that was lenient here has had
/// a path-traversal advisory.
pub fn clean_member_name(name: &[u8]) -> Result<Vec<u8>> {
    let escapes = |how| {
        Err(Error::Escapes {
            path: name.to_vec(),
            how,
        })
    };
    if name.contains(&0) {
        return escapes("contains a zero byte");
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in components(name) {
        if part == b".." {
            if parts.pop().is_none() {
                return escapes("climbs out of the root with `..`");
            }
        } else {
            parts.push(part);
        }
    }
    if name.first() == Some(&b'/') && !parts.is_empty() {
        return escapes("is an absolute path");
    }
    Ok(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_names_are_cleaned() {
        for (name, want) in [
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("a/./b", "a/b"),
            ("a/x/../b", "a/b"),
            (".", ""),
            ("/", ""),
            ("./", ""),
        ] {
            assert_eq!(
                clean_member_name(name.as_bytes()).unwrap(),
                want.as_bytes(),
                "{name}"
            );
        }
    }

    #[test]
    fn member_names_that_leave_the_root_are_refused() {
        for name in ["..", "../a", "a/../../b", "/etc/passwd", "a\0b"] {
            let error = clean_member_name(name.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Escapes { .. }), "{name}: {error}");
        }
    }
}
