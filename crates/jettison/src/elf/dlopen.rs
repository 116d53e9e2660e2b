//! Notes in which an object says what it opens at run time.
//!
//! The format is "dlopen() Metadata for ELF Files": notes of owner `FDO` and
//! type 0x407c0c0a that hold a JSON array, zero-padded.

use serde::Deserialize;

/// Type of the note; its owner is `FDO`.
pub(super) const NOTE_TYPE: u32 = 0x407c_0c0a;

/// One feature of an object, and the libraries that bring it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DlopenNote {
    /// Short name of the feature, where one is given.
    pub feature: Option<String>,
    /// The feature in words, where given.
    pub description: Option<String>,
    /// How much the object wants it.
    pub priority: Priority,
    /// Names passed to dlopen(3), most wanted first; the first found is used.
    pub sonames: Vec<String>,
}

/// How much an object wants a library that it opens at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Rarely used.
    Suggested,
    /// Used where present; the default.
    Recommended,
    /// It does not work without.
    Required,
}

#[derive(Deserialize)]
struct Record {
    soname: Vec<String>,
    feature: Option<String>,
    description: Option<String>,
    priority: Option<String>,
}

/// Reads the payload of one note.
pub(super) fn parse(payload: &[u8]) -> Option<Vec<DlopenNote>> {
    let end = payload.iter().rposition(|b| *b != 0)? + 1;
    let records: Vec<Record> = serde_json::from_slice(&payload[..end]).ok()?;
    let notes = records.into_iter().map(|record| DlopenNote {
        feature: record.feature,
        description: record.description,
        priority: match record.priority.as_deref() {
            Some("required") => Priority::Required,
            Some("suggested") => Priority::Suggested,
            // The specification: "recommended" where absent.
            _ => Priority::Recommended,
        },
        sonames: record.soname,
    });
    Some(notes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_the_specification_are_read() {
        let payload = br#"[{"soname":["libpcre2-8.so.0"],"feature":"PCRE2","description":"Support for regular expressions","priority":"suggested","x":1},{"soname":["a","b"]}]"#;
        let mut padded = payload.to_vec();
        padded.extend_from_slice(&[0, 0, 0]);
        let notes = parse(&padded).unwrap();
        assert_eq!(notes[0].feature.as_deref(), Some("PCRE2"));
        assert_eq!(notes[0].priority, Priority::Suggested);
        assert_eq!(notes[1].sonames, ["a", "b"]);
        assert_eq!(notes[1].priority, Priority::Recommended);
    }

    #[test]
    fn other_payloads_are_refused() {
        for payload in [&b""[..], b"\0\0", b"{}", b"[{}]", b"[1]", b"[{\"soname\":"] {
            assert_eq!(parse(payload), None);
        }
    }
}
