//! `--chmod`: octal, or as chmod(1) writes changes.

/// A change of modes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chmod {
    /// This mode, whatever it was.
    Absolute(u32),
    /// Changes, in order.
    Symbolic(Vec<Clause>),
}

/// One of `u+x`, `go-w`, `a=rX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    who: u32,
    operation: char,
    permissions: String,
}

impl Chmod {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .map(Self::Absolute);
        }
        let clauses: Option<Vec<Vec<Clause>>> = text.split(',').map(clause).collect();
        Some(Self::Symbolic(clauses?.concat()))
    }

    /// Returns what becomes of a mode.
    pub(super) fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            Self::Absolute(mode) => *mode,
            Self::Symbolic(clauses) => clauses
                .iter()
                .fold(mode, |mode, clause| clause.apply(mode, is_dir)),
        }
    }
}

/// Reads `[ugoa]*([+-=][rwxXstugo]*)+`.
fn clause(text: &str) -> Option<Vec<Clause>> {
    let end = text.find(['+', '-', '='])?;
    let mut who = 0;
    for c in text[..end].chars() {
        who |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    if who == 0 {
        who = 0o7777;
    }
    let mut clauses = Vec::new();
    let mut rest = &text[end..];
    while let Some(operation) = rest.chars().next() {
        let after = &rest[1..];
        let length = after.find(['+', '-', '=']).unwrap_or(after.len());
        let permissions = &after[..length];
        if permissions
            .chars()
            .any(|c| !matches!(c, 'r' | 'w' | 'x' | 'X' | 's' | 't' | 'u' | 'g' | 'o'))
        {
            return None;
        }
        clauses.push(Clause {
            who,
            operation,
            permissions: permissions.to_owned(),
        });
        rest = &after[length..];
    }
    Some(clauses)
}

impl Clause {
    fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        // One digit of three bits as those of all three.
        let spread = |bits: u32| bits << 6 | bits << 3 | bits;
        let mut bits = 0;
        for c in self.permissions.chars() {
            bits |= match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_dir || mode & 0o111 != 0 => 0o111,
                's' => 0o6000,
                't' => 0o1000,
                'u' => spread(mode >> 6 & 7),
                'g' => spread(mode >> 3 & 7),
                'o' => spread(mode & 7),
                _ => 0,
            };
        }
        bits &= self.who;
        match self.operation {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => {
                // As coreutils: set-id bits of directories stay unless they are named.
                let special = if is_dir { 0o6000 } else { 0 };
                mode & !(self.who & !special) | bits
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change_as_with_chmod() {
        for (text, before, is_dir, after) in [
            ("755", 0o600, false, 0o755),
            ("4755", 0o600, false, 0o4755),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("a=rX", 0o640, false, 0o444),
            ("a=rX", 0o740, false, 0o555),
            ("a=rX", 0o600, true, 0o555),
            ("go-rwx", 0o755, false, 0o700),
            ("u=rwx,go=rx", 0o600, false, 0o755),
            ("g=u", 0o740, false, 0o770),
            ("u+s", 0o755, false, 0o4755),
            ("g+s,o+t", 0o755, true, 0o3755),
            ("u+w-x", 0o555, false, 0o655),
        ] {
            assert_eq!(
                Chmod::parse(text).unwrap().apply(before, is_dir),
                after,
                "{text} {before:o}"
            );
        }
        for bad in ["", "8", "77777", "u", "u+q", "z+x", "u+x,"] {
            assert_eq!(Chmod::parse(bad), None, "{bad}");
        }
    }
}
