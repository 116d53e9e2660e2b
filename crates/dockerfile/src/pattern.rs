//! Globs: those of Go's `filepath.Match` with `**` besides, and those of `${v#pattern}`.

/// A pattern that means nothing, such as `[` without an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError(pub String);

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is not a pattern", self.0)
    }
}

impl std::error::Error for PatternError {}

/// A glob over paths: `*` and `?` stop at `/`, `**` does not, `[a-z]` and `[^a-z]` are classes, `\`
/// makes the next character ordinary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    One(char),
    /// Any character but `/`.
    Any,
    /// Any number of characters but `/`.
    Star,
    /// Any number of characters.
    StarStar,
    /// Any number of directories, none among them: `**/`.
    Directories,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads a glob.
    ///
    /// # Errors
    /// A class that is not closed or is empty, and `\` at the end.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        Self::read(text, false)
    }

    /// Reads a pattern of `.dockerignore`, where `**` stands for directories wherever it is, except at
    /// the end.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub fn ignoring(text: &str) -> Result<Self, PatternError> {
        Self::read(text, true)
    }

    fn read(text: &str, directories: bool) -> Result<Self, PatternError> {
        let refuse = || PatternError(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            parts.push(match c {
                '*' if rest.peek() == Some(&'*') => {
                    while rest.next_if_eq(&'*').is_some() {}
                    let slash = rest.next_if_eq(&'/').is_some();
                    match (slash, rest.peek()) {
                        // At the end, `**/` is `**`, too: .gitignore has it so.
                        (_, None) => Part::StarStar,
                        (true, _) => Part::Directories,
                        (false, _) if directories => Part::Directories,
                        (false, _) => Part::StarStar,
                    }
                }
                '*' => Part::Star,
                '?' => Part::Any,
                '\\' => Part::One(rest.next().ok_or_else(refuse)?),
                '[' => class(&mut rest).ok_or_else(refuse)?,
                c => Part::One(c),
            });
        }
        Ok(Self { parts })
    }

    /// Returns whether a text has anything that makes it a pattern.
    pub fn is_wild(text: &str) -> bool {
        let mut escaped = false;
        text.chars().any(|c| {
            let wild = !escaped && matches!(c, '*' | '?' | '[');
            escaped = !escaped && c == '\\';
            wild
        })
    }

    /// Returns whether the whole of a path matches.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        self.ends(&path).contains(&path.len())
    }

    /// Returns whether a path, or a directory above it, matches.
    pub fn matches_or_above(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        let ends = self.ends(&path);
        ends.iter()
            .any(|end| *end == path.len() || path.get(*end) == Some(&'/') && *end > 0)
    }

    /// The places of a path that the whole pattern may end at. All ways are followed at once, so the time
    /// is bounded by the product of the lengths, whatever the pattern.
    fn ends(&self, path: &[char]) -> Vec<usize> {
        let mut at = vec![false; path.len() + 1];
        at[0] = true;
        for part in &self.parts {
            let mut next = vec![false; path.len() + 1];
            // Of parts that repeat: whether a way leads to here.
            let mut running = false;
            for (here, reached) in at.iter().enumerate() {
                let c = path.get(here).copied();
                match part {
                    Part::One(wanted) => {
                        if *reached && c == Some(*wanted) {
                            next[here + 1] = true;
                        }
                    }
                    Part::Any => {
                        if *reached && c.is_some_and(|c| c != '/') {
                            next[here + 1] = true;
                        }
                    }
                    Part::Class { negated, ranges } => {
                        let holds = |c: char| {
                            ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
                        };
                        if *reached && c.is_some_and(|c| c != '/' && holds(c)) {
                            next[here + 1] = true;
                        }
                    }
                    Part::Star => {
                        running |= *reached;
                        next[here] |= running;
                        running &= c != Some('/');
                    }
                    Part::StarStar => {
                        running |= *reached;
                        next[here] |= running;
                    }
                    Part::Directories => {
                        if *reached || running && here > 0 && path[here - 1] == '/' {
                            next[here] = true;
                        }
                        running |= *reached;
                    }
                }
            }
            at = next;
        }
        at.iter()
            .enumerate()
            .filter(|(_, reached)| **reached)
            .map(|(end, _)| end)
            .collect()
    }
}

/// What follows `[`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match rest.next()? {
            ']' if !ranges.is_empty() => return Some(Part::Class { negated, ranges }),
            ']' | '-' => return None,
            '\\' => rest.next()?,
            c => c,
        };
        let mut high = low;
        if rest.next_if_eq(&'-').is_some() {
            high = match rest.next()? {
                ']' | '-' => return None,
                '\\' => rest.next()?,
                c => c,
            };
        }
        ranges.push((low, high));
    }
}

/// Matches the patterns of `${v#…}`: `*` and `?` match everything, `\` makes the next character ordinary.
pub(crate) fn shell_match(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut at = vec![false; text.len() + 1];
    at[0] = true;
    let mut pattern = pattern.chars();
    while let Some(c) = pattern.next() {
        let mut next = vec![false; text.len() + 1];
        match c {
            '*' => {
                let first = at
                    .iter()
                    .position(|reached| *reached)
                    .unwrap_or(text.len() + 1);
                next.iter_mut()
                    .skip(first)
                    .for_each(|reached| *reached = true);
            }
            c => {
                let wanted = match c {
                    '?' => None,
                    '\\' => Some(pattern.next().unwrap_or('\\')),
                    c => Some(c),
                };
                for (here, found) in text.iter().enumerate() {
                    next[here + 1] = at[here] && wanted.is_none_or(|wanted| wanted == *found);
                }
            }
        }
        at = next;
    }
    at[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_go() {
        for (pattern, path, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*", "a/b", false),
            ("*c", "abc", true),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("**", "a/b/c", true),
            ("**/c", "c", true),
            ("**/c", "a/b/c", true),
            ("**/c", "a/bc", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("a/**/d", "a/d", true),
            ("a/**/d", "a/b/c/d", true),
            ("**/*.go", "x/y.go", true),
            ("dir/**.txt", "dir/a/b.txt", true),
            ("héllo?", "hélloé", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).unwrap().matches(path),
                expected,
                "{pattern} {path}"
            );
        }
        for bad in ["[", "[]a]", "[a-", "[-x]", "a\\"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_directory_that_matches_covers_what_is_in_it() {
        for (pattern, path, expected) in [
            ("a", "a/b/c", true),
            ("a*", "abc/d", true),
            ("b", "a/b", false),
            ("**/b", "a/b/c", true),
            ("a/b", "a/bc", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).unwrap().matches_or_above(path),
                expected,
                "{pattern} {path}"
            );
        }
    }
}
