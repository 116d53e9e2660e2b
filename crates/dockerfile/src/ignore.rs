//! `.dockerignore`: what of a context does not take part.
//!
//! The rules are those of moby's `patternmatcher`: one glob on a line, matched from the context's root;
//! a directory that matches takes everything below it along; `!` brings back what an earlier line took
//! away; the last line that says something about a path decides.

use crate::pattern::Pattern;
use crate::problem::{Problem, Problems, Span};

/// The patterns of a `.dockerignore`, or of `--exclude`.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    keeps: bool,
    text: String,
    pattern: Pattern,
}

impl Ignore {
    /// Reads the text of a `.dockerignore`.
    ///
    /// # Errors
    /// Every line that is not a pattern.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let mut ignore = Self::default();
        let mut problems = Vec::new();
        let mut start = 0;
        for (at, line) in text.split('\n').enumerate() {
            let span = Span {
                start,
                end: start + line.len(),
            };
            start += line.len() + 1;
            let line = if at == 0 {
                line.trim_start_matches('\u{feff}')
            } else {
                line
            };
            if line.starts_with('#') {
                continue;
            }
            if let Err(message) = ignore.add(line) {
                let hint = Some(
                    "a literal `[`, `*`, `?` or `\\` is written with `\\` before it".to_owned(),
                );
                let trimmed = line.trim();
                let offset = span.start + text[span.start..span.end].find(trimmed).unwrap_or(0);
                let span = Span {
                    start: offset,
                    end: offset + trimmed.len(),
                };
                problems.push(Problem {
                    span,
                    message,
                    hint,
                });
            }
        }
        if problems.is_empty() {
            Ok(ignore)
        } else {
            Err(Problems::new(text, problems))
        }
    }

    /// Takes single patterns, as `--exclude` gives them.
    ///
    /// # Errors
    /// The first that is not one.
    pub fn of<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, String> {
        let mut ignore = Self::default();
        for pattern in patterns {
            ignore.add(pattern)?;
        }
        Ok(ignore)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        let (keeps, rest) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if rest.is_empty() {
            return if keeps {
                Err("`!` is not followed by a pattern".to_owned())
            } else {
                Ok(())
            };
        }
        let text = clean(rest);
        let pattern = Pattern::ignoring(&text).map_err(|error| error.to_string())?;
        self.rules.push(Rule {
            keeps,
            text,
            pattern,
        });
        Ok(())
    }

    /// Returns whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns whether a path below the root, without leading slash, is left out.
    pub fn ignores(&self, path: &str) -> bool {
        let mut ignored = false;
        for rule in &self.rules {
            // A line that could not change the answer is not asked.
            if rule.keeps == ignored && rule.pattern.matches_or_above(path) {
                ignored = !rule.keeps;
            }
        }
        ignored
    }

    /// Returns whether something below a directory that is left out may be kept all the same.
    pub fn may_keep_below(&self, directory: &str) -> bool {
        let below = format!("{directory}/");
        self.rules.iter().filter(|rule| rule.keeps).any(|rule| {
            // What comes before the first special character is literal.
            let literal = rule
                .text
                .split(['*', '?', '[', '\\'])
                .next()
                .unwrap_or_default();
            literal.starts_with(&below) || below.starts_with(literal)
        })
    }
}

/// Makes a path plain: no `.`, no empty components, `..` undone, no slash at either end.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if path.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: [&str; 12] = [
        "Dockerfile",
        "README.md",
        "a.log",
        "dir",
        "dir/b.log",
        "dir/keep.log",
        "dir/sub/c.log",
        "node_modules/x/index.js",
        "src/main.go",
        "src/node_modules/y.js",
        "temp1",
        " spaced",
    ];

    fn kept(text: &str) -> Vec<&'static str> {
        let ignore = Ignore::parse(text).unwrap();
        CONTEXT
            .into_iter()
            .filter(|path| !ignore.ignores(path))
            .collect()
    }

    fn left_out(text: &str) -> Vec<&'static str> {
        let ignore = Ignore::parse(text).unwrap();
        CONTEXT
            .into_iter()
            .filter(|path| ignore.ignores(path))
            .collect()
    }

    #[test]
    fn lines_leave_out_what_mobys_would() {
        for (text, expected) in [
            ("", vec![]),
            ("# *.log\n\n", vec![]),
            ("*.log", vec!["a.log"]),
            ("/a.log", vec!["a.log"]),
            ("./a.log  \r", vec!["a.log"]),
            (
                "**/*.log",
                vec!["a.log", "dir/b.log", "dir/keep.log", "dir/sub/c.log"],
            ),
            (
                "dir",
                vec!["dir", "dir/b.log", "dir/keep.log", "dir/sub/c.log"],
            ),
            (
                "dir/",
                vec!["dir", "dir/b.log", "dir/keep.log", "dir/sub/c.log"],
            ),
            ("dir/**", vec!["dir/b.log", "dir/keep.log", "dir/sub/c.log"]),
            ("dir/*", vec!["dir/b.log", "dir/keep.log", "dir/sub/c.log"]),
            (
                "**/node_modules",
                vec!["node_modules/x/index.js", "src/node_modules/y.js"],
            ),
            ("node_modules", vec!["node_modules/x/index.js"]),
            ("temp?", vec!["temp1"]),
            ("x/../temp1", vec!["temp1"]),
            ("!README.md", vec![]),
            ("*.md\n!README.md", vec![]),
            ("!README.md\n*.md", vec!["README.md"]),
        ] {
            assert_eq!(left_out(text), expected, "{text:?}");
        }
        assert_eq!(
            kept("*\n!src\n! README.md\nsrc/node_modules"),
            ["README.md", "src/main.go"]
        );
        assert_eq!(kept("**\n!dir/keep.log"), ["dir/keep.log"]);
    }

    #[test]
    fn directories_are_entered_only_where_something_may_be_kept() {
        let ignore = Ignore::parse("*\n!dir/sub/c.log\n").unwrap();
        assert!(ignore.may_keep_below("dir"));
        assert!(ignore.may_keep_below("dir/sub"));
        assert!(!ignore.may_keep_below("node_modules"));
        assert!(
            Ignore::parse("*\n!**/x")
                .unwrap()
                .may_keep_below("node_modules")
        );
    }

    #[test]
    fn lines_that_are_no_patterns_are_all_named() {
        let problems = Ignore::parse("ok\n  a[\n!\n").unwrap_err();
        assert_eq!(
            problems.render(".dockerignore"),
            ".dockerignore:2:3: `a[` is not a pattern\n   2 |   a[\n     |   ^^ a literal `[`, `*`, `?` or \
             `\\` is written with `\\` before it\n.dockerignore:3:1: `!` is not followed by a pattern\n   \
             3 | !\n     | ^ a literal `[`, `*`, `?` or `\\` is written with `\\` before it"
        );
    }
}
