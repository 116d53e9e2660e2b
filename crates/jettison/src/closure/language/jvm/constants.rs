//! The strings of a class, from its constant pool (JVMS 4.4).

use std::collections::BTreeSet;

use memchr::memmem;

/// What starts programs: the class itself, and libraries and languages that have their own way to.
const STARTS: &[&[u8]] = &[
    b"java/lang/ProcessBuilder",
    b"org/apache/commons/exec/",
    b"org/zeroturnaround/exec/",
    b"scala/sys/process/",
    b"org/codehaus/groovy/runtime/ProcessGroovyMethods",
    b"clojure.java.shell",
];

/// Returns the literals of a class whose code starts programs; of another one, nothing.
pub(super) fn of_class_that_starts(class: &[u8]) -> BTreeSet<&[u8]> {
    let names = |name: &[u8]| memmem::find(class, name).is_some();
    let starts = STARTS.iter().any(|name| names(name))
        || names(b"java/lang/Runtime") && names(b"java/lang/Process");
    match starts {
        true => literals(class).unwrap_or_default(),
        false => BTreeSet::new(),
    }
}

/// Returns the literals of a class that could be absolute paths.
pub(super) fn paths(class: &[u8]) -> BTreeSet<&[u8]> {
    let mut found = literals(class).unwrap_or_default();
    found.retain(|text| text.starts_with(b"/") && text.len() > 2 && !text.contains(&0));
    found
}

/// Returns the literals: what a `CONSTANT_String` refers to. Nothing if the class is damaged.
fn literals(class: &[u8]) -> Option<BTreeSet<&[u8]>> {
    let short = |at: usize| {
        let bytes = class.get(at..at + 2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(bytes)))
    };
    let count = short(8)?;
    let mut texts = vec![None; count];
    let mut strings = Vec::new();
    let (mut at, mut index) = (10, 1);
    while index < count {
        let tag = *class.get(at)?;
        let mut slots = 1;
        at += match tag {
            1 => {
                let length = short(at + 1)?;
                texts[index] = Some(class.get(at + 3..at + 3 + length)?);
                3 + length
            }
            8 => {
                strings.push(short(at + 1)?);
                3
            }
            3 | 4 | 9..=12 | 17 | 18 => 5,
            // Long and double count as two (JVMS 4.4.5).
            5 | 6 => {
                slots = 2;
                9
            }
            7 | 16 | 19 | 20 => 3,
            15 => 4,
            _ => return None,
        };
        index += slots;
    }
    let said = strings
        .into_iter()
        .filter_map(|index| texts.get(index).copied().flatten());
    Some(said.collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A class with these names and literals, and a number in front of them.
    pub(crate) fn class(names: &[&str], strings: &[&str]) -> Vec<u8> {
        let text = |text: &str| {
            let length = u16::try_from(text.len()).unwrap().to_be_bytes();
            [&[1], &length[..], text.as_bytes()].concat()
        };
        let mut pool = vec![[&[5][..], &[0; 8]].concat()];
        pool.extend(names.iter().map(|name| text(name)));
        let mut index = 3 + names.len();
        for string in strings {
            pool.push(text(string));
            pool.push([&[8], &u16::try_from(index).unwrap().to_be_bytes()[..]].concat());
            index += 2;
        }
        let count = u16::try_from(index).unwrap().to_be_bytes();
        [b"\xca\xfe\xba\xbe\0\0\0\x3d", &count[..], &pool.concat()].concat()
    }

    #[test]
    fn literals_are_told_from_names() {
        let class = class(&["java/lang/ProcessBuilder", "find"], &["sh", "date -u"]);
        let found = of_class_that_starts(&class);
        assert_eq!(found, BTreeSet::from([&b"sh"[..], b"date -u"]));
    }

    #[test]
    fn paths_are_absolute() {
        let class = class(&["/a/Name"], &["/etc/app.p12", "etc/x", "/", "/srv/data"]);
        let found = paths(&class);
        assert_eq!(found, BTreeSet::from([&b"/etc/app.p12"[..], b"/srv/data"]));
    }

    #[test]
    fn a_class_that_starts_nothing_names_nothing() {
        let quiet = class(&["java/lang/String"], &["sh"]);
        assert_eq!(of_class_that_starts(&quiet), BTreeSet::new());
        let runtime = class(&["java/lang/Runtime", "java/lang/Process"], &["sh"]);
        assert_eq!(of_class_that_starts(&runtime), BTreeSet::from([&b"sh"[..]]));
    }

    #[test]
    fn a_damaged_class_names_nothing() {
        let whole = class(&["java/lang/ProcessBuilder"], &["sh"]);
        for length in 34..whole.len() {
            assert_eq!(of_class_that_starts(&whole[..length]), BTreeSet::new());
        }
    }
}
