//! `$ORIGIN`, `$LIB` and `$PLATFORM` in search paths (ld.so(8), "Dynamic string tokens").

/// What the tokens stand for. More than one value, where the host decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'t> {
    pub(super) origin: &'t [u8],
    pub(super) lib: &'t [Vec<u8>],
    pub(super) platform: &'t [Vec<u8>],
}

/// Most expansions of one text: `$LIB` and `$PLATFORM` can be repeated.
const MAX_EXPANSIONS: usize = 64;

/// Returns every expansion of a text; the text itself where it has no tokens.
/// Anything else after a `$` stays as it is.
pub(super) fn expand(text: &[u8], tokens: &Tokens<'_>) -> Vec<Vec<u8>> {
    let mut results = vec![Vec::new()];
    let mut rest = text;
    while let Some(dollar) = memchr::memchr(b'$', rest) {
        append(&mut results, &rest[..dollar]);
        rest = &rest[dollar + 1..];
        let origin = [tokens.origin.to_vec()];
        let known: [(&[u8], &[Vec<u8>]); 3] = [
            (b"ORIGIN", &origin),
            (b"LIB", tokens.lib),
            (b"PLATFORM", tokens.platform),
        ];
        let token = known
            .iter()
            .find_map(|(name, values)| after(rest, name).map(|rest| (rest, *values)));
        match token {
            Some((after, values)) => {
                rest = after;
                results = results
                    .iter()
                    .flat_map(|start| values.iter().map(|value| [&start[..], value].concat()))
                    .take(MAX_EXPANSIONS)
                    .collect();
            }
            None => append(&mut results, b"$"),
        }
    }
    append(&mut results, rest);
    results
}

/// Returns whether a text has a `$` that begins neither `$ORIGIN` nor
/// `${ORIGIN}`: musl ignores a path with one altogether.
pub(super) fn has_unknown_to_musl(text: &[u8]) -> bool {
    memchr::memchr_iter(b'$', text)
        .any(|at| !text[at..].starts_with(b"$ORIGIN") && !text[at..].starts_with(b"${ORIGIN}"))
}

fn append(results: &mut [Vec<u8>], text: &[u8]) {
    for result in results {
        result.extend_from_slice(text);
    }
}

/// Returns what follows the token, as glibc's `is_dst` decides: in braces, or
/// not followed by what could be part of a name.
fn after<'t>(text: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    if let Some(inside) = text.strip_prefix(b"{") {
        return inside.strip_prefix(name)?.strip_prefix(b"}");
    }
    let rest = text.strip_prefix(name)?;
    let continues = rest
        .first()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (!continues).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_expanded_with_and_without_braces() {
        let lib = [b"lib64".to_vec(), b"lib".to_vec()];
        let platform = [b"x86_64".to_vec()];
        let tokens = Tokens {
            origin: b"/opt/app/bin",
            lib: &lib,
            platform: &platform,
        };
        for (text, want) in [
            ("/usr/lib", &["/usr/lib"][..]),
            ("$ORIGIN/../lib", &["/opt/app/bin/../lib"]),
            ("${ORIGIN}x", &["/opt/app/binx"]),
            ("$ORIGINAL", &["$ORIGINAL"]),
            ("${ORIGIN", &["${ORIGIN"]),
            ("/a/$LIB/b", &["/a/lib64/b", "/a/lib/b"]),
            ("/$PLATFORM$", &["/x86_64$"]),
            ("", &[""]),
        ] {
            let want: Vec<Vec<u8>> = want.iter().map(|text| text.as_bytes().to_vec()).collect();
            assert_eq!(expand(text.as_bytes(), &tokens), want, "{text}");
        }
        let many = b"$LIB".repeat(40);
        assert_eq!(expand(&many, &tokens).len(), MAX_EXPANSIONS);
    }
}
