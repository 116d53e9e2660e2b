//! What Ruby source says that it loads (`Kernel#require` and its like in Ruby's documentation).
//!
//! Ruby cannot be parsed without most of Ruby, but the names of what is loaded are nearly always literals on
//! the line that loads them. Comments and what follows `__END__` do not count.

use std::collections::BTreeSet;

/// What one source speaks of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    /// Names given to `require`, `load` and `autoload`, and of gems: `json/ext`.
    pub(super) names: BTreeSet<Vec<u8>>,
    /// Beginnings of names that are put together at run time: `rack/` of `"rack/#{name}"`.
    pub(super) prefixes: BTreeSet<Vec<u8>>,
    /// Names relative to the source.
    pub(super) relative: BTreeSet<Vec<u8>>,
    /// Beginnings of such names.
    pub(super) relative_prefixes: BTreeSet<Vec<u8>>,
    /// Libraries of C: `libsodium.so.23`, `libvips.so` of `ffi_lib 'vips'`.
    pub(super) libraries: BTreeSet<Vec<u8>>,
}

/// Words that load what is named on their line. `activate_bin_path` and `bin_path` are what RubyGems writes into
/// the programs of gems.
const LOADS: &[&[u8]] = &[
    b"require",
    b"require_relative",
    b"require_dependency",
    b"load",
    b"autoload",
    b"activate_bin_path",
    b"bin_path",
];

/// Words that load a library of C (`FFI::Library#ffi_lib` of the gem ffi, `Fiddle.dlopen` and `Fiddle::Importer#dlload` of
/// Ruby).
const OPENS: &[&[u8]] = &[b"ffi_lib", b"dlopen", b"dlload"];

/// Returns what a source speaks of. Of the user's own, every word counts: a gem is used by methods of its name, and
/// template engines are chosen by symbols.
pub(super) fn mentions(text: &[u8], own: bool) -> Mentions {
    let mut found = Mentions::default();
    let mut in_comment = false;
    for line in text.split(|b| *b == b'\n') {
        match line {
            _ if line.starts_with(b"=begin") => in_comment = true,
            _ if line.starts_with(b"=end") => in_comment = false,
            _ if line.trim_ascii_end() == b"__END__" => break,
            _ if in_comment || line.trim_ascii_start().starts_with(b"#") => {}
            _ => found.add_line(line, own),
        }
    }
    found
}

impl Mentions {
    fn add_line(&mut self, line: &[u8], own: bool) {
        if own {
            let words = line.split(|b| !is_name_byte(*b));
            let words = words.map(trim).filter(|word| word.len() > 1);
            self.names.extend(words.map(<[u8]>::to_vec));
        }
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let mut words = line.split(|b| !is_word(b));
        self.add_libraries(line, words.clone().any(|word| OPENS.contains(&word)));
        // `gem` is a variable as often as not.
        let starts = |with: &[u8]| line.trim_ascii_start().starts_with(with);
        let is_gem = starts(b"gem '") || starts(b"gem \"") || starts(b"gem(");
        let verb = words.find(|word| LOADS.contains(word));
        let Some(verb) = verb.or(is_gem.then_some(b"gem")) else {
            return;
        };
        let is_relative = verb == b"require_relative";
        for literal in literals(line) {
            let literal = literal.strip_prefix(b"./").unwrap_or(literal);
            if let Some(at) = memchr::memmem::find(literal, b"#{") {
                let prefix = &literal[..at];
                // `../` alone would be anything.
                let names = prefix.iter().any(u8::is_ascii_alphanumeric);
                if prefix.ends_with(b"/") && prefix.len() > 2 && names {
                    match is_relative || prefix.starts_with(b"../") {
                        true => self.relative_prefixes.insert(prefix.to_vec()),
                        false => self.prefixes.insert(prefix.to_vec()),
                    };
                }
            } else if is_relative || literal.starts_with(b"../") {
                self.relative.insert(literal.to_vec());
            } else {
                for name in literal.split(u8::is_ascii_whitespace) {
                    let is_version = !name.iter().any(u8::is_ascii_alphabetic);
                    if !is_version && name.iter().copied().all(is_name_byte) {
                        self.names.insert(name.to_vec());
                        self.relative.insert(name.to_vec());
                    }
                }
            }
        }
    }
}

impl Mentions {
    /// Adds the libraries that a line names. Where it `opens` some, `sodium` is `libsodium.so`.
    fn add_libraries(&mut self, line: &[u8], opens: bool) {
        if !opens && memchr::memmem::find(line, b".so").is_none() {
            return;
        }
        let names = literals(line).into_iter();
        for literal in names.clone().filter(|_| opens) {
            // `"/usr/lib/#{arch}/libsass.#{ending}"`
            let name = literal.rsplit(|b| *b == b'/').next().unwrap_or_default();
            if let Some(at) = memchr::memmem::find(name, b".#{")
                && name.starts_with(b"lib")
            {
                self.libraries.insert([&name[..at], b".so"].concat());
            }
        }
        let names = names.flat_map(|literal| literal.split(u8::is_ascii_whitespace));
        for name in names.filter(|name| name.len() > 1 && name.iter().copied().all(is_name_byte)) {
            let is_whole = memchr::memmem::find(name, b".so").is_some();
            if is_whole && name.starts_with(b"lib") {
                self.libraries.insert(name.to_vec());
            } else if opens && !is_whole && !name.contains(&b'/') {
                self.libraries.insert([b"lib", name, b".so"].concat());
            }
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./".contains(&byte)
}

fn trim(word: &[u8]) -> &[u8] {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let start = word.iter().position(plain).unwrap_or(word.len());
    let end = word.iter().rposition(plain).map_or(start, |last| last + 1);
    &word[start..end]
}

/// Returns what stands between quotes on a line, and in lists such as `%w[a b]` and `%q<a>`.
fn literals(line: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let (open, close) = match &line[at..] {
            [b'#', b' ', ..] => break, // a comment, as no quotation is open
            [quote @ (b'"' | b'\''), ..] => (at + 1, *quote),
            [b'%', b'w' | b'i' | b'q' | b'Q', bracket, ..] => match bracket {
                b'[' => (at + 3, b']'),
                b'(' => (at + 3, b')'),
                b'{' => (at + 3, b'}'),
                b'<' => (at + 3, b'>'),
                _ => (at + 1, 0),
            },
            _ => {
                at += 1;
                continue;
            }
        };
        let length = memchr::memchr(close, &line[open..]).filter(|_| close != 0);
        match length {
            Some(length) => {
                found.push(&line[open..open + length]);
                at = open + length + 1;
            }
            None => at = open,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::mentions;

    fn shown(text: &str, own: bool) -> String {
        let found = mentions(text.as_bytes(), own);
        let sets = [
            &found.names,
            &found.prefixes,
            &found.relative,
            &found.relative_prefixes,
            &found.libraries,
        ];
        let shown = sets.map(|names| {
            let names = names.iter().map(|name| String::from_utf8_lossy(name));
            names.collect::<Vec<_>>().join(" ")
        });
        shown.join("; ").trim_end_matches("; ").to_owned()
    }

    #[test]
    fn what_is_loaded_is_found() {
        for (source, want) in [
            ("require 'json/ext'", "json/ext; ; json/ext"),
            ("require \"set\" # or 'sorted_set'", "set; ; set"),
            ("require_relative 'a/b'", "; ; a/b"),
            ("autoload :Mock, 'rack/mock'", "rack/mock; ; rack/mock"),
            ("  require \"rack/#{name}\"", "; rack/"),
            ("require_relative \"db/#{name}\"", "; ; ; db/"),
            ("require_relative(\"../#{feature}\")", ""),
            (
                "require File.expand_path('../lib/x', __FILE__)",
                "; ; ../lib/x",
            ),
            ("%w[a b/c].each { |x| require x }", "a b/c; ; a b/c"),
            ("gem 'puma', '>= 5'", "puma; ; puma"),
            ("gem_name = 'puma'; load_path", ""),
            ("%q<rack>.then { |x| require x }", "rack; ; rack"),
            ("register 'haml', 'tilt/haml'", ""),
            ("# require 'x'", ""),
            (
                "ffi_lib ['sodium', 'libsodium.so.23']",
                "; ; ; ; libsodium.so libsodium.so.23",
            ),
            ("ffi_lib library_name('vips', 42)", "; ; ; ; libvips.so"),
            (
                "ffi_lib \"/usr/lib/#{CONFIG['arch']}/libsass.#{dl_ext}\"",
                "; ; ; ; libsass.so",
            ),
            ("NAME = 'libx.so.1'", "; ; ; ; libx.so.1"),
            ("require 'liba.so'", "liba.so; ; liba.so; ; liba.so"),
            ("=begin\nrequire 'x'\n=end\nrequire 'y'", "y; ; y"),
            ("require 'x'\n__END__\nrequire 'y'", "x; ; x"),
        ] {
            assert_eq!(shown(source, false), want, "{source}");
        }
    }

    #[test]
    fn every_word_of_the_users_own_counts() {
        assert_eq!(
            shown("get('/') { haml :page }; set :server, 'puma'", true),
            "get haml page puma server set"
        );
    }
}
