//! Pages with Perl in them: components of HTML::Mason, and what Mojolicious and Text::EPL render (HTML::Mason::Devel(3),
//! "Embedding Perl code in HTML"; Mojo::Template(3), "SYNTAX").

/// Endings of their names; components of Mason often have none, or that of what they make.
const ENDINGS: &[&[u8]] = &[
    b".ep", b".epl", b".mas", b".mc", b".mhtml", b".mi", b".html", b".htm", b".txt",
];

/// Blocks of Mason that hold nothing but code.
const BLOCKS: &[&[u8]] = &[
    b"once", b"init", b"perl", b"shared", b"cleanup", b"filter", b"args",
];

/// Returns whether a file with such a name and beginning may be one.
pub(super) fn may_be(name: &[u8], first: &[u8]) -> bool {
    let is_named = !name.contains(&b'.') || ENDINGS.iter().any(|ending| name.ends_with(ending));
    let has = |part: &[u8]| memchr::memmem::find(first, part).is_some();
    let has_line = || first.split(|byte| *byte == b'\n').any(is_code);
    let is_page = is_named && !first.starts_with(b"#!");
    is_page && (has(b"<%") || has(b"<& ") || has(b"<&|") || has_line())
}

/// A line of code: `% use POSIX;`, and a comment, `%# note`.
fn is_code(line: &[u8]) -> bool {
    matches!(line, [b'%', b' ' | b'#' | b'=' | b'\t', ..])
}

/// Returns the code in a page, line by line.
pub(super) fn code(page: &[u8]) -> Vec<u8> {
    let mut code = Vec::new();
    let mut in_block = false;
    for line in page.split(|byte| *byte == b'\n') {
        if in_block {
            in_block = memchr::memmem::find(line, b"</%").is_none();
            code.extend(line);
        } else if is_code(line) {
            code.extend(line[1..].trim_ascii_start());
        } else if let Some(rest) = begins_block(line) {
            in_block = memchr::memmem::find(rest, b"</%").is_none();
            code.extend(rest);
        } else {
            for part in between(line) {
                code.extend(part);
                code.push(b'\n');
            }
        }
        code.push(b'\n');
    }
    code
}

/// Returns what follows the beginning of a block, `<%init>`.
fn begins_block(line: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(line, b"<%")?;
    let rest = &line[at + 2..];
    let end = rest.iter().position(|byte| *byte == b'>')?;
    let name = rest[..end].to_ascii_lowercase();
    BLOCKS.contains(&&name[..]).then_some(&rest[end + 1..])
}

/// Returns what stands between `<%` and `%>`.
fn between(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let opened = memchr::memmem::find_iter(line, b"<%");
    opened.map(|at| {
        let inner = &line[at + 2..];
        let end = memchr::memmem::find(inner, b"%>").unwrap_or(inner.len());
        inner[..end].trim_ascii()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_page_is_told_from_its_text() {
        let page =
            b"%# Copyright\n<h1>use CGI</h1>\n% use POSIX;\n<% Foo::Bar->new %> and <%= 1 %>\n\
            <%ONCE>\nuse I18N::LangTags::List;\n</%ONCE>\n<%doc>\nuse Nothing;\n</%doc>\n";
        let code = String::from_utf8(code(page)).expect("the page is text");
        let lines: Vec<&str> = code.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                "# Copyright",
                "use POSIX;",
                "Foo::Bar->new",
                "= 1",
                "use I18N::LangTags::List;",
                "</%ONCE>",
                "doc>"
            ]
        );
    }

    #[test]
    fn a_page_shows_it_where_it_begins() {
        for (name, first, want) in [
            ("SelectLang", "%# BEGIN\n<select>", true),
            ("index.html.ep", "<p><%= $name %>", true),
            ("index.html", "<p>100 %</p>", false),
            ("index.php", "<% x %>", false),
            ("report", "#!/usr/bin/perl\n%= <%", false),
            ("README", "use it well", false),
        ] {
            assert_eq!(may_be(name.as_bytes(), first.as_bytes()), want, "{name}");
        }
    }
}
