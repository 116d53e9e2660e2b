//! The first line of a script, as the kernel reads it.

/// Bytes of a file that the kernel looks at (`BINPRM_BUF_SIZE`, linux/binfmts.h; 128 before 5.1).
const LOOKED_AT: usize = 256;

/// The interpreter that a file names in its first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shebang {
    /// Path of the interpreter; not always absolute.
    pub interpreter: Vec<u8>,
    /// All that follows, as one argument.
    pub argument: Option<Vec<u8>>,
}

impl Shebang {
    /// Returns the name of what interprets the script in the end: `env` only finds it.
    pub fn program(&self) -> Vec<u8> {
        let is_env = self.interpreter.ends_with(b"/env");
        let found = self.argument.as_deref().filter(|_| is_env);
        found
            .and_then(env_program)
            .unwrap_or_else(|| self.interpreter.clone())
    }
}

/// Parses the first line of a file, of which the first 256 bytes are enough.
///
/// The rules are those of `load_script` (linux, fs/binfmt_script.c): blanks are
/// spaces and tabs, everything behind the interpreter is *one* argument, and a
/// line that does not end within 256 bytes is refused unless the interpreter does.
pub fn shebang(bytes: &[u8]) -> Option<Shebang> {
    let looked_at = &bytes[..bytes.len().min(LOOKED_AT)];
    let line = looked_at.strip_prefix(b"#!")?;
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let end = line.iter().position(|&b| b == b'\n');
    let whole = end.is_some() || bytes.len() < LOOKED_AT;
    let line = &line[..end.unwrap_or(line.len())];
    let start = line.iter().position(|b| !blank(b))?;
    let line = &line[start..];
    // A zero byte ends both strings.
    let name_end = line.iter().position(|b| blank(b) || *b == 0);
    if name_end.is_none() && !whole {
        return None; // cut off inside of the name
    }
    let (name, rest) = line.split_at(name_end.unwrap_or(line.len()));
    let rest = match rest.first() {
        Some(0) | None => &[],
        Some(_) => rest.split(|&b| b == 0).next().unwrap_or_default(),
    };
    let argument = trim(rest, blank);
    (!name.is_empty()).then(|| Shebang {
        interpreter: name.to_vec(),
        argument: (!argument.is_empty()).then(|| argument.to_vec()),
    })
}

fn trim(bytes: &[u8], blank: impl Fn(&u8) -> bool) -> &[u8] {
    let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |at| at + 1);
    &bytes[start..end]
}

/// Returns the program that `env` is told to run by the argument of a [`Shebang`]:
/// `python3` of `#!/usr/bin/env -S PATH=/x python3 -u`.
///
/// Without `-S` the argument is one word, as the kernel passes it.
fn env_program(argument: &[u8]) -> Option<Vec<u8>> {
    let mut split = false;
    let mut rest = argument;
    for option in [&b"-S"[..], b"--split-string=", b"-vS"] {
        if let Some(after) = argument.strip_prefix(option) {
            split = true;
            rest = after;
        }
    }
    if !split {
        let program =
            !argument.is_empty() && !argument.starts_with(b"-") && !argument.contains(&b'=');
        return program.then(|| argument.to_vec());
    }
    let words = rest
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let mut skip = false;
    for word in words {
        if std::mem::take(&mut skip) {
            continue;
        }
        match word {
            // Options of GNU env that take the next word.
            b"-u" | b"-C" | b"--unset" | b"--chdir" => skip = true,
            [b'-', ..] => {}
            _ if word.contains(&b'=') => {}
            _ => {
                let quoted = |b: &u8| matches!(b, b'\'' | b'"');
                return Some(trim(word, quoted).to_vec());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(bytes: &[u8]) -> String {
        match shebang(bytes) {
            None => "none".to_owned(),
            Some(found) => {
                let name = String::from_utf8_lossy(&found.interpreter).into_owned();
                let argument = found.argument.unwrap_or_default();
                format!("{name}|{}", String::from_utf8_lossy(&argument))
            }
        }
    }

    #[test]
    fn the_first_line_is_read_as_the_kernel_reads_it() {
        let long = [b"#!/", "a".repeat(300).as_bytes()].concat();
        let long_argument = [b"#!/bin/sh ", "a".repeat(300).as_bytes(), b"\n"].concat();
        for (bytes, want) in [
            (&b"#!/bin/sh\necho"[..], "/bin/sh|"),
            (b"#!/bin/sh", "/bin/sh|"),
            (b"#! \t/bin/sh -e \t\n", "/bin/sh|-e"),
            (
                b"#!/usr/bin/env -S python3 -u\n",
                "/usr/bin/env|-S python3 -u",
            ),
            (b"#!/bin/sh\r\n", "/bin/sh\r|"), // the well-known "no such file"
            (b"#!sh\n", "sh|"),
            (b"#!/bin/sh\0junk\n", "/bin/sh|"),
            (b"#!\n", "none"),
            (b"#!   \n", "none"),
            (b"#", "none"),
            (b"", "none"),
            (b"\x7fELF", "none"),
            (&long, "none"),
        ] {
            assert_eq!(show(bytes), want, "{}", String::from_utf8_lossy(bytes));
        }
        let cut = shebang(&long_argument).unwrap();
        assert_eq!(cut.argument.unwrap().len(), 256 - "#!/bin/sh ".len());
    }

    #[test]
    fn env_names_the_program() {
        for (argument, want) in [
            ("python3", Some("python3")),
            ("-S python3 -u", Some("python3")),
            ("-S -i A=b  node --x", Some("node")),
            ("-S -u HOME perl", Some("perl")),
            ("--split-string=ruby -w", Some("ruby")),
            ("-i", None),
            ("A=b", None),
            ("", None),
            ("-S", None),
        ] {
            let got = env_program(argument.as_bytes());
            assert_eq!(got.as_deref(), want.map(str::as_bytes), "{argument}");
        }
    }
}
