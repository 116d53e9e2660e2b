//! What calls of ICU read of its data: a directory of it for each kind of thing, and what is at its top.
//!
//! Only calls whose kind of data is certain are here ("ICU Data", "Customizing ICU's data library", and the headers that
//! the lines name); whatever else is called may read everything, as all of C++ may.

/// What is at the top, besides the tables of character sets: properties, normalisation, what there is for a locale.
pub(super) const TOP: &str = "";

/// The directories.
pub(super) const PARTS: [&str; 9] = [
    "brkitr", "coll", "curr", "lang", "rbnf", "region", "translit", "unit", "zone",
];

/// Names of locales in words, which are those of their keywords too: `@currency=EUR` (`uldnames.h`).
const DISPLAY: &[&str] = &[TOP, "brkitr", "curr", "lang", "region"];

/// Beginnings of names, and what these calls read besides tables of character sets. The first that fits counts.
const CALLS: &[(&str, &[&str])] = &[
    // "uclean.h", "utypes.h", "uversion.h"
    ("u_cleanup", &[]),
    ("u_errorName", &[]),
    ("u_getVersion", &[]),
    ("u_init", &[]),
    ("u_version", &[]),
    // "utrace.h", "ucptrie.h", "umutablecptrie.h", "utmscale.h": the caller's own.
    ("utrace_", &[]),
    ("ucptrie_", &[]),
    ("umutablecptrie_", &[]),
    ("utmscale_", &[]),
    // "ucnv.h", "ucnv_err.h", "ucnvsel.h"
    ("ucnv_getDisplayName", &[TOP]),
    ("ucnv_", &[]),
    ("UCNV_", &[]),
    // "ustring.h": titles are made word by word.
    ("u_strlen", &[]),
    ("u_strToTitle", &[TOP, "brkitr"]),
    ("u_str", &[TOP]),
    ("u_mem", &[TOP]),
    ("u_austr", &[TOP]),
    ("u_uastr", &[TOP]),
    ("u_countChar32", &[TOP]),
    ("u_unescape", &[TOP]),
    ("u_UCharsToChars", &[TOP]),
    // "uchar.h"
    ("u_char", &[TOP]),
    ("u_digit", &[TOP]),
    ("u_enumChar", &[TOP]),
    ("u_foldCase", &[TOP]),
    ("u_forDigit", &[TOP]),
    ("u_getBidiPairedBracket", &[TOP]),
    ("u_getCombiningClass", &[TOP]),
    ("u_getIntProperty", &[TOP]),
    ("u_getNumericValue", &[TOP]),
    ("u_getProperty", &[TOP]),
    ("u_getUnicodeVersion", &[TOP]),
    ("u_hasBinaryProperty", &[TOP]),
    ("u_is", &[TOP]),
    ("u_tolower", &[TOP]),
    ("u_totitle", &[TOP]),
    ("u_toupper", &[TOP]),
    // "uiter.h", "utext.h", "uenum.h", "uset.h", "uscript.h", "ubidi.h", "ushape.h"
    ("uiter_", &[TOP]),
    ("utext_", &[TOP]),
    ("uenum_", &[TOP]),
    ("uset_", &[TOP]),
    ("uscript_", &[TOP]),
    ("ubidi_", &[TOP]),
    ("ubiditransform_", &[TOP]),
    ("u_shapeArabic", &[TOP]),
    // "ucpmap.h" (a property of all characters), "ulistformatter.h", "ugender.h"
    ("ucpmap_", &[TOP]),
    ("ulistfmt_", &[TOP]),
    ("ugender_", &[TOP]),
    // "unorm2.h", "unorm.h", "uidna.h", "usprep.h", "uspoof.h", "ucsdet.h"
    ("unorm2_", &[TOP]),
    ("unorm_", &[TOP]),
    ("uidna_", &[TOP]),
    ("usprep_", &[TOP]),
    ("uspoof_", &[TOP]),
    ("ucsdet_", &[TOP]),
    // "ubrk.h", "ucasemap.h", "uregex.h" (`\X`, and `\b` between words)
    ("ubrk_", &[TOP, "brkitr"]),
    ("ucasemap_", &[TOP, "brkitr"]),
    ("uregex_", &[TOP, "brkitr"]),
    // "ucol.h", "ucoleitr.h", "usearch.h"
    (
        "ucol_getDisplayName",
        &[TOP, "brkitr", "coll", "curr", "lang", "region"],
    ),
    ("ucol_", &[TOP, "coll"]),
    ("usearch_", &[TOP, "brkitr", "coll"]),
    // "uloc.h", "uldnames.h"
    ("uloc_getDisplay", DISPLAY),
    ("uloc_", &[TOP]),
    ("uldn_", DISPLAY),
    // "utrans.h": some rules begin at words.
    ("utrans_", &[TOP, "brkitr", "translit"]),
];

/// Returns what a call reads besides tables of character sets, `name` without ICU's version; nothing if it is not known.
pub(super) fn read_by(name: &[u8]) -> Option<&'static [&'static str]> {
    let found = CALLS
        .iter()
        .find(|(begin, _)| name.starts_with(begin.as_bytes()));
    found.map(|(_, parts)| *parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_what_its_header_is_about() {
        for (name, want) in [
            ("ucnv_open", Some(&[][..])),
            ("UCNV_FROM_U_CALLBACK_STOP", Some(&[])),
            ("ucol_open", Some(&[TOP, "coll"])),
            ("u_strToTitle", Some(&[TOP, "brkitr"])),
            ("u_strToUpper", Some(&[TOP])),
            ("uloc_getDisplayName", Some(DISPLAY)),
            ("uloc_toLanguageTag", Some(&[TOP])),
            ("utrace_setLevel", Some(&[])),
            ("udat_open", None),
            ("unum_open", None),
            ("ures_open", None),
            ("_ZN6icu_7213UnicodeStringC1EPKc", None),
        ] {
            assert_eq!(read_by(name.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn no_beginning_hides_behind_an_earlier_one() {
        for (at, (name, _)) in CALLS.iter().enumerate() {
            let first = CALLS.iter().position(|(begin, _)| name.starts_with(begin));
            assert_eq!(first, Some(at), "{name}");
        }
        let parts = CALLS.iter().flat_map(|(_, parts)| *parts);
        for part in parts {
            assert!(*part == TOP || PARTS.contains(part), "{part}");
        }
    }
}
