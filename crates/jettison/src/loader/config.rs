//! `/etc/ld.so.conf`, `/etc/ld.so.preload` and musl's path file.

use std::collections::HashSet;

use layer::{NodeId, Tree};

use super::{Error, Loader};

/// Bytes of one configuration file; real ones have a few lines.
const MAX_FILE: u64 = 1 << 20;
/// Files included, in all.
const MAX_FILES: usize = 1000;

/// Something that ldconfig comes to, in order.
enum Step {
    File(Vec<u8>),
    Directory(Vec<u8>),
}

/// Returns the directories that ldconfig(8) would scan before the default ones.
pub(super) fn configured(loader: &Loader<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let mut directories = Vec::new();
    let mut seen = HashSet::new();
    // What comes next is last, so that an included file takes the place of its line.
    let mut pending = vec![Step::File(b"/etc/ld.so.conf".to_vec())];
    while let Some(step) = pending.pop() {
        let path = match step {
            Step::File(path) => path,
            Step::Directory(directory) => {
                directories.push(directory);
                continue;
            }
        };
        let Some((node, text)) = read(loader, &path)? else {
            continue;
        };
        if seen.len() >= MAX_FILES || !seen.insert(loader.tree().inode(node)) {
            continue;
        }
        let lines = text.split(|byte| *byte == b'\n');
        let steps: Vec<Step> = lines
            .flat_map(|line| steps(loader.tree(), &path, line))
            .collect();
        pending.extend(steps.into_iter().rev());
    }
    Ok(directories)
}

/// Reads one line of the file at `path`.
fn steps(tree: &Tree, path: &[u8], line: &[u8]) -> Vec<Step> {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    let words = line.split(|byte| b" \t\r,:".contains(byte));
    let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
    match words[..] {
        [b"include", ref patterns @ ..] => patterns
            .iter()
            .flat_map(|pattern| glob(tree, &beside(path, pattern)))
            .map(Step::File)
            .collect(),
        // Gives a legacy subdirectory its bit; has no effect on what is found.
        [b"hwcap", ..] => Vec::new(),
        _ => words
            .into_iter()
            .map(directory)
            .map(Step::Directory)
            .collect(),
    }
}

/// Returns the libraries of `/etc/ld.so.preload`.
pub(super) fn preloaded(loader: &Loader<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let Some((_, text)) = read(loader, b"/etc/ld.so.preload")? else {
        return Ok(Vec::new());
    };
    let lines = text.split(|byte| *byte == b'\n');
    let names = lines.flat_map(|line| {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        line.split(|byte| b" \t:".contains(byte))
    });
    let names = names.filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// Returns the directories of musl's path file, where there is one.
pub(super) fn musl_path(loader: &Loader<'_>, path: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let text = read(loader, path)?.map(|(_, text)| text);
    Ok(text.map(|text| {
        text.split(|byte| b":\n".contains(byte))
            .filter(|directory| !directory.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    }))
}

/// Returns the bytes of a regular file, and the file itself.
pub(super) fn read(loader: &Loader<'_>, path: &[u8]) -> Result<Option<(NodeId, Vec<u8>)>, Error> {
    read_up_to(loader, path, MAX_FILE)
}

/// As [`read`], with a limit; a larger file is no such file.
pub(super) fn read_up_to(
    loader: &Loader<'_>,
    path: &[u8],
    limit: u64,
) -> Result<Option<(NodeId, Vec<u8>)>, Error> {
    let Ok(found) = loader.tree().resolve(path) else {
        return Ok(None);
    };
    let Some(content) = loader.tree().content(found.node) else {
        return Ok(None);
    };
    if content.size > limit {
        return Ok(None);
    }
    match loader.contents().read(content, limit) {
        Ok(bytes) => Ok(Some((found.node, bytes))),
        Err(source) => Err(Error::Read {
            path: loader.tree().absolute(found.node),
            source,
        }),
    }
}

/// Strips the type that old files give after a directory, as in `/usr/lib=libc5`.
fn directory(word: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(b'=', word).unwrap_or(word.len());
    word[..end].to_vec()
}

/// Returns a path relative to the directory of a file.
fn beside(file: &[u8], path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") {
        return path.to_vec();
    }
    let slash = memchr::memrchr(b'/', file).map_or(0, |slash| slash + 1);
    [&file[..slash], path].concat()
}

/// Returns the paths that match a pattern of glob(7), sorted.
fn glob(tree: &Tree, pattern: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![Vec::new()];
    for part in layer::components(pattern) {
        let mut next = Vec::new();
        for base in found {
            if !part.iter().any(|byte| b"*?[".contains(byte)) {
                next.push([&base[..], b"/", part].concat());
                continue;
            }
            let Ok(directory) = tree.resolve(&base) else {
                continue;
            };
            for child in tree.children(directory.node) {
                let name = tree.name(child);
                let hidden = name.starts_with(b".") && !part.starts_with(b".");
                if !hidden && matches(part, name) {
                    next.push([&base[..], b"/", name].concat());
                }
            }
        }
        next.truncate(MAX_FILES);
        found = next;
    }
    found
}

/// Returns whether a name matches a pattern with `*`, `?` and `[...]`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on when the last `*` takes one byte more: no recursion, so
    // that `*a*a*a*` costs at most the product of the lengths.
    let mut retry: Option<(&[u8], &[u8])> = None;
    let (mut pattern, mut name) = (pattern, name);
    loop {
        let step = match (pattern, name) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                retry = Some((rest, name));
                pattern = rest;
                continue;
            }
            ([b'?', rest @ ..], [_, after @ ..]) => Some((rest, after)),
            ([b'[', rest @ ..], [byte, after @ ..]) => {
                in_class(rest, *byte).map(|rest| (rest, after))
            }
            ([wanted, rest @ ..], [byte, after @ ..]) if wanted == byte => Some((rest, after)),
            _ => None,
        };
        if let Some(next) = step {
            (pattern, name) = next;
            continue;
        }
        let Some((rest, [_, after @ ..])) = retry else {
            return false;
        };
        retry = Some((rest, after));
        (pattern, name) = (rest, after);
    }
}

/// Returns what follows a class, `class` being what follows its `[`, if the byte is in it.
fn in_class(class: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, class) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    // A `]` that comes first is a member.
    let end = memchr::memchr(b']', class.get(1..)?)? + 1;
    let (mut members, rest) = (&class[..end], &class[end + 1..]);
    let mut within = false;
    while let [first, after @ ..] = members {
        members = match after {
            [b'-', last, after @ ..] => {
                within |= (first..=last).contains(&&byte);
                after
            }
            _ => {
                within |= *first == byte;
                after
            }
        };
    }
    (within != negated).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_shell() {
        for (pattern, name, want) in [
            ("*.conf", "libc.conf", true),
            ("*.conf", "libc.conf.bak", false),
            ("*", "", true),
            ("a*b*c", "axxbxxbxc", true),
            ("a*b*c", "axxbxxbx", false),
            ("x86_64-?.conf", "x86_64-1.conf", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", false),
            ("", "a", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                want,
                "{pattern} {name}"
            );
        }
    }
}
