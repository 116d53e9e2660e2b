//! A command line split into words as a shell splits it, for containers that have no shell.

use super::Invalid;

/// Splits a line at blanks, with `'…'`, `"…"` and `\` as a shell has them.
///
/// # Errors
/// If a quote is not closed, or if there is anything that only a shell can do: expansions, pipes,
/// redirections, several commands. Passing those on as plain words would surprise whoever wrote them.
pub fn split(line: &str) -> Result<Vec<String>, Invalid> {
    let refuse = |reason: String| Err(Invalid::new("the command", line, reason));
    let needs_shell = |what: char| {
        refuse(format!(
            "`{what}` needs a shell; quote it, or write sh -c '…' where the image has one"
        ))
    };
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut rest = line.chars();
    while let Some(next) = rest.next() {
        match next {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(inside) => word.push(inside),
                        None => return refuse("a quote is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('"') => break,
                        Some('\\') => match rest.next() {
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                            Some('\n') => {}
                            Some(other) => word.extend(['\\', other]),
                            None => return refuse("a quote is not closed".to_owned()),
                        },
                        Some(expansion @ ('$' | '`')) => return needs_shell(expansion),
                        Some(inside) => word.push(inside),
                        None => return refuse("a quote is not closed".to_owned()),
                    }
                }
            }
            '\\' => match rest.next() {
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return refuse("a backslash ends it".to_owned()),
            },
            '$' | '`' | '|' | '&' | ';' | '<' | '>' | '(' | ')' => return needs_shell(next),
            '#' if word.is_none() => break,
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    if words.is_empty() {
        return refuse("it is empty".to_owned());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        for (line, words) in [
            ("redis-cli ping", &["redis-cli", "ping"][..]),
            ("  a\tb  ", &["a", "b"]),
            (r#"echo 'a  b' "c d"e"#, &["echo", "a  b", "c de"]),
            (
                r#"sh -c 'echo $HOME | cat'"#,
                &["sh", "-c", "echo $HOME | cat"],
            ),
            (r#"a\ b "\$x" "\n" ''"#, &["a b", "$x", "\\n", ""]),
            ("ls # a comment", &["ls"]),
            ("a#b", &["a#b"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn what_needs_a_shell_is_refused() {
        for (line, part) in [
            ("a | b", "`|` needs a shell"),
            ("a > b", "`>` needs a shell"),
            ("echo $HOME", "`$` needs a shell"),
            ("echo \"$HOME\"", "`$` needs a shell"),
            ("a; b", "`;` needs a shell"),
            ("'a", "not closed"),
            ("\"a", "not closed"),
            ("a\\", "backslash"),
            ("", "empty"),
        ] {
            let error = split(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
