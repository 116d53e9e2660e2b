//! What Perl source says that it loads (perlmod(1), `use` and `require` in perlfunc(1)).
//!
//! Perl cannot be parsed without being run, so every name that could be one of a module
//! counts, wherever in the code it stands: more names than are loaded, hardly ever fewer.
//! Documentation (perlpod(1)), lines that are comments, and what follows `__END__` do not count.

use std::collections::BTreeSet;

/// What one source speaks of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    /// Modules: `Foo::Bar`, and `Foo` in a `use`.
    pub(super) modules: BTreeSet<Vec<u8>>,
    /// Of these, what a `use` names: without it nothing of the source runs.
    pub(super) used: BTreeSet<Vec<u8>>,
    /// Those that stand in quotation marks or a `qw`: they may be loaded, or stand in a table.
    pub(super) quoted: BTreeSet<Vec<u8>>,
    /// Beginnings of names that are put together at run time: `Foo::Bar` of `"Foo::Bar::$name"`.
    pub(super) prefixes: BTreeSet<Vec<u8>>,
    /// Paths relative to `@INC` or to the source: `unicore/Name.pl`.
    pub(super) paths: BTreeSet<Vec<u8>>,
}

/// Returns what a source speaks of.
pub(super) fn mentions(text: &[u8]) -> Mentions {
    let mut found = Mentions::default();
    let mut in_pod = false;
    for line in text.split(|b| *b == b'\n') {
        if line.first() == Some(&b'=') && line.get(1).is_some_and(u8::is_ascii_alphabetic) {
            in_pod = !line.starts_with(b"=cut");
            continue;
        }
        let code = line.trim_ascii_start();
        if in_pod || code.starts_with(b"#") {
            continue;
        }
        if code.trim_ascii_end() == b"__END__" {
            break;
        }
        found.add_line(without_comment(code));
    }
    found
}

/// Cuts off ` # ...`, unless a quotation is open there.
fn without_comment(line: &[u8]) -> &[u8] {
    let Some(at) = memchr::memmem::find(line, b" # ") else {
        return line;
    };
    let quotes = |quote| line[..at].iter().filter(|b| **b == quote).count();
    match quotes(b'"') % 2 == 0 && quotes(b'\'') % 2 == 0 {
        true => &line[..at],
        false => line,
    }
}

/// Returns whether a layer of a handle converts to a character set that Encode loads by its name (PerlIO(3),
/// `:encoding`); that for UTF-8 is a part of it.
fn names_encoding(line: &[u8]) -> bool {
    let layer = b":encoding(";
    memchr::memmem::find_iter(line, layer).any(|at| {
        let name = line[at + layer.len()..].to_ascii_lowercase();
        !name.starts_with(b"utf-8") && !name.starts_with(b"utf8")
    })
}

impl Mentions {
    fn add_line(&mut self, line: &[u8]) {
        if names_encoding(line) {
            self.modules.insert(b"Encode".to_vec());
        }
        let list = memchr::memmem::find(line, b"qw").map_or(usize::MAX, |at| at + 2);
        let is_use = [&b"use "[..], b"require ", b"no "]
            .iter()
            .any(|word| line.starts_with(word));
        let mut previous: &[u8] = b"";
        let mut at = 0;
        while at < line.len() {
            if !is_name_byte(line[at]) {
                at += 1;
                continue;
            }
            let start = at;
            let mut end = at;
            // One token: names joined by `::`, or by `/`, `.` and `-` in a path.
            while end < line.len() {
                match line[end] {
                    b if is_name_byte(b) => end += 1,
                    b':' if line[end..].starts_with(b"::") => end += 2,
                    b'/' | b'.' | b'-' if line.get(end + 1).copied().is_some_and(is_name_byte) => {
                        end += 1
                    }
                    _ => break,
                }
            }
            let token = &line[start..end];
            let before = start.checked_sub(1).map(|b| line[b]);
            let quoted = matches!(before, Some(b'"' | b'\''));
            let place = Place {
                is_use,
                is_quoted: quoted,
                is_listed: start >= list,
            };
            self.add_token(token, before, place, previous);
            previous = token;
            at = end;
        }
    }

    fn add_token(&mut self, token: &[u8], before: Option<u8>, place: Place, previous: &[u8]) {
        if place.is_use && previous == b"use" {
            self.used.insert(token.to_vec());
        }
        let is_path = place.is_quoted && token.contains(&b'/')
            || [&b".pl"[..], b".pm", b".ph", b".al"]
                .iter()
                .any(|ending| token.ends_with(ending));
        if is_path && !token.contains(&b':') {
            self.paths.insert(token.to_vec());
            return;
        }
        // `Foo::Bar->method`, `Foo::Bar.$x`: the name ends where others begin.
        let end = token
            .iter()
            .position(|b| b"/.-".contains(b))
            .unwrap_or(token.len());
        let token = &token[..end];
        let is_value = place.is_quoted || place.is_listed;
        let modules = match is_value && !place.is_use {
            true => &mut self.quoted,
            false => &mut self.modules,
        };
        if let Some(prefix) = token.strip_suffix(b"::") {
            if !matches!(before, Some(b'%' | b'*' | b'$' | b'@' | b'&')) && is_name(prefix) {
                modules.insert(prefix.to_vec());
                self.prefixes.insert(prefix.to_vec());
            }
        } else if memchr::memmem::find(token, b"::").is_some() {
            // `Foo::bar()` is a function of `Foo`, `Foo::Bar` a module: both are tried.
            modules.insert(token.to_vec());
            if let Some(at) = memchr::memmem::rfind(token, b"::") {
                modules.insert(token[..at].to_vec());
            }
        } else if [&b"use"[..], b"require", b"no"].contains(&previous) || is_value {
            modules.insert(token.to_vec());
        }
    }
}

/// Where a name stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// On a line that loads modules.
    is_use: bool,
    /// After a quotation mark.
    is_quoted: bool,
    /// After `qw`.
    is_listed: bool,
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| is_name_byte(*b) || *b == b':')
}

#[cfg(test)]
mod tests {
    use super::mentions;

    fn shown(text: &str) -> String {
        let found = mentions(text.as_bytes());
        [&found.modules, &found.quoted, &found.prefixes, &found.paths]
            .map(|names| {
                let names: Vec<_> = names
                    .iter()
                    .map(|name| String::from_utf8_lossy(name))
                    .collect();
                names.join(" ")
            })
            .join("; ")
    }

    #[test]
    fn what_is_used_is_told_from_what_is_spoken_of() {
        let source = "use Test::More ();\n  use Foo;\nrequire Bar;\nno Baz;\nTest::Deep->new";
        let used: Vec<Vec<u8>> = mentions(source.as_bytes()).used.into_iter().collect();
        assert_eq!(used, [b"Foo".to_vec(), b"Test::More".to_vec()]);
    }

    #[test]
    fn modules_prefixes_and_paths_are_found() {
        for (source, want) in [
            ("use strict;", "strict; ; ; "),
            (
                "use base qw(Exporter Foo::Bar);",
                "Exporter Foo Foo::Bar base; ; ; ",
            ),
            ("require Foo::Bar;", "Foo Foo::Bar; ; ; "),
            (
                "my $class = \"Foo::Driver::$name\";",
                "; Foo::Driver; Foo::Driver; ",
            ),
            ("%Foo::Bar::", "; ; ; "),
            ("load 'JSON';", "; JSON; ; "),
            ("my %of = (x => 'Foo::Bar');", "; Foo Foo::Bar; ; "),
            ("use if $], 'deprecate';", "deprecate if; ; ; "),
            ("do \"unicore/Name.pl\";", "; ; ; unicore/Name.pl"),
            ("require 'lib.pl';", "; ; ; lib.pl"),
            ("# use Foo::Bar", "; ; ; "),
            ("use Foo; # or use Bar", "Foo; ; ; "),
            ("=head1\nuse Foo::Bar;\n=cut\nuse Foo;", "Foo; ; ; "),
            ("use Foo;\n__END__\nuse Bar;", "Foo; ; ; "),
            ("Foo::Bar->new", "Foo Foo::Bar; ; ; "),
            ("open $in, '<:encoding(UTF-8)', $name;", "; ; ; "),
            ("open $in, '<:encoding(big5)', $name;", "Encode; ; ; "),
            ("sub get_encoding { database_encoding() }", "; ; ; "),
            ("binmode STDOUT, \":encoding($set)\";", "Encode; ; ; "),
        ] {
            assert_eq!(shown(source), want, "{source}");
        }
    }
}
