//! Expansion of shell words, case by case. What the forms mean is in the Dockerfile reference and in
//! POSIX, "Parameter Expansion".

use dockerfile::Expander;

fn lookup(name: &str) -> Option<String> {
    let value = match name {
        "PWD" => "/home",
        "SHELL" => "bash",
        "EMPTY" => "",
        "SPACED" => "a  b c",
        "FILE" => "dir/archive.tar.gz",
        "é" => "accent",
        "STAR" => "a*b",
        _ => return None,
    };
    Some(value.to_owned())
}

fn expand(text: &str) -> String {
    Expander::new('\\', &lookup)
        .expand(text)
        .unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn words_expand_as_the_reference_says() {
    for (text, expected) in [
        ("", ""),
        ("hello", "hello"),
        ("he'll'o", "hello"),
        ("he\"ll\"o", "hello"),
        ("'he\"llo'", "he\"llo"),
        ("\"he'llo\"", "he'llo"),
        ("he\\llo", "hello"),
        ("he\\\\llo", "he\\llo"),
        ("\"he\\llo\"", "he\\llo"),
        ("\"he\\\"llo\"", "he\"llo"),
        ("'he\\llo'", "he\\llo"),
        ("hello\\", "hello"),
        ("'hello", "error: a single quote is not closed"),
        ("\"hello", "error: a double quote is not closed"),
        ("$PWD", "/home"),
        ("${PWD}", "/home"),
        ("a${PWD}b", "a/homeb"),
        ("$PWDx", ""),
        ("\\$PWD", "$PWD"),
        ("'$PWD'", "$PWD"),
        ("\"$PWD\"", "/home"),
        ("\"\\$PWD\"", "$PWD"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("$1", ""),
        ("$12x", "x"),
        ("$@x", "x"),
        ("${é}", "accent"),
        ("${PWD", "error: `${` is not closed with `}`"),
        ("${}", "error: `${` is not followed by a name"),
        ("${:-x}", "error: `${` is not followed by a name"),
        ("${XXX:-word}", "word"),
        ("${XXX:-$PWD:)}", "/home:)"),
        ("${XXX:-${SHELL}}", "bash"),
        ("${XXX:-${YYY:-z}}", "z"),
        ("${XXX:-\"a b\"}", "a b"),
        ("${XXX-word}", "word"),
        ("${EMPTY:-word}", "word"),
        ("${EMPTY-word}", ""),
        ("${PWD:-word}", "/home"),
        ("${PWD:+word}", "word"),
        ("${XXX:+word}", ""),
        ("${EMPTY:+word}", ""),
        ("${EMPTY+word}", "word"),
        ("${PWD:?}", "/home"),
        ("${XXX:?}", "error: variable `XXX` is not set"),
        ("${XXX:?please set}", "error: XXX: please set"),
        ("${EMPTY:?}", "error: variable `EMPTY` is empty"),
        ("${EMPTY?}", ""),
        ("${PWD:#x}", "error: `:#` does not exist in `${PWD…}`"),
        ("${PWD^^}", "error: `^` does not exist in `${PWD…}`"),
        ("${FILE#*/}", "archive.tar.gz"),
        ("${FILE#*.}", "tar.gz"),
        ("${FILE##*.}", "gz"),
        ("${FILE%.*}", "dir/archive.tar"),
        ("${FILE%%.*}", "dir/archive"),
        ("${FILE%/*}", "dir"),
        ("${FILE#nothing}", "dir/archive.tar.gz"),
        ("${FILE#?ir/}", "archive.tar.gz"),
        ("${STAR%\\**}", "a"),
        ("${FILE/a/A}", "dir/Archive.tar.gz"),
        ("${FILE//a/A}", "dir/Archive.tAr.gz"),
        ("${FILE/.*/}", "dir/archive"),
        ("${FILE//\\//-}", "dir-archive.tar.gz"),
        ("${FILE/x/y}", "dir/archive.tar.gz"),
        ("${FILE/x}", "error: `/` is missing"),
        ("${XXX#a}", ""),
    ] {
        assert_eq!(expand(text), expected, "{text}");
    }
}

#[test]
fn words_divide_at_spaces_outside_of_quotes() {
    for (text, expected) in [
        ("a b", vec!["a", "b"]),
        ("'a b' c", vec!["a b", "c"]),
        ("a\\ b c", vec!["a b", "c"]),
        ("$SPACED", vec!["a", "b", "c"]),
        ("\"$SPACED\"", vec!["a  b c"]),
        ("x${SPACED}y", vec!["xa", "b", "cy"]),
        ("$XXX", vec![]),
        ("''", vec![]),
    ] {
        let words = Expander::new('\\', &lookup).expand_words(text).unwrap();
        assert_eq!(words, expected, "{text}");
    }
}

#[test]
fn another_escape_character_leaves_backslashes_alone() {
    let expander = Expander::new('`', &lookup);
    assert_eq!(
        expander.expand("C:\\dir\\$SHELL`$SHELL").unwrap(),
        "C:\\dir\\bash$SHELL"
    );
}

#[test]
fn here_documents_keep_their_quotes() {
    let expander = Expander {
        plain_quotes: true,
        ..Expander::new('\\', &lookup)
    };
    assert_eq!(
        expander.expand("it's \"$SHELL\" \\$SHELL").unwrap(),
        "it's \"bash\" $SHELL"
    );
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let text = format!("{}x{}", "${A:-".repeat(100_000), "}".repeat(100_000));
    assert_eq!(expand(&text), "error: `${` is nested too deeply");
}
