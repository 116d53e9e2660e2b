//! Facts read from objects built by hand.

use jettison::elf::{self, Class, Endian, Kind, Object, Priority, machine, strings};
use testkit::elf::{Builder, Hash};

fn parse(bytes: &[u8]) -> Object {
    elf::parse(bytes)
        .expect("the object is valid")
        .expect("the bytes are ELF")
}

fn texts(names: &[Vec<u8>]) -> Vec<&str> {
    names
        .iter()
        .map(|name| std::str::from_utf8(name).expect("names in the test are text"))
        .collect()
}

fn full() -> Builder {
    Builder::program()
        .needed("libm.so.6")
        .needed("libc.so.6")
        .soname("libself.so.1")
        .rpath("/a:/b")
        .runpath("$ORIGIN/../lib")
        .string(0x7fff_ffff, "libfilter.so")
        .string(0x7fff_fffd, "libaux.so")
        .value(0x6fff_fffb, 0x800)
        .import("dlopen")
        .weak_import("__gmon_start__")
        .export("main")
        .versions("libc.so.6", &["GLIBC_2.34", "GLIBC_2.2.5"])
        .versions("libm.so.6", &["GLIBC_2.29"])
        .note("Go", 4, "id")
        .note(
            "FDO",
            0x407c_0c0a,
            r#"[{"soname":["libz.so.1"],"priority":"required"}]"#,
        )
        .data("\0/etc/app.conf\0")
}

/// Every class, byte order and machine, with and without section headers.
fn variants() -> Vec<(Builder, Class, Endian, u16)> {
    let mut variants = Vec::new();
    for (wide, big, processor) in [
        (true, false, machine::X86_64),
        (true, false, machine::AARCH64),
        (true, true, machine::S390),
        (false, false, machine::X86),
        (false, true, machine::POWERPC),
        (false, false, machine::X86_64),
    ] {
        let mut builder = full().machine(processor);
        if !wide {
            builder = builder.narrow();
        }
        if big {
            builder = builder.big_endian();
        }
        let class = if wide { Class::Bits64 } else { Class::Bits32 };
        let endian = if big { Endian::Big } else { Endian::Little };
        variants.push((builder.clone(), class, endian, processor));
        variants.push((builder.sections(), class, endian, processor));
    }
    variants
}

#[test]
fn every_class_and_byte_order_is_read() {
    for (builder, class, endian, processor) in variants() {
        let bytes = builder.build();
        let object = parse(&bytes);
        assert_eq!(object.defects, [""; 0]);
        assert_eq!((object.class, object.endian), (class, endian));
        assert_eq!(
            (object.machine, object.kind),
            (processor, Kind::SharedObject)
        );
        assert_eq!(
            object.interpreter.as_deref(),
            Some(testkit::elf::GLIBC_X86_64.as_bytes())
        );
        assert_eq!(texts(&object.needed), ["libm.so.6", "libc.so.6"]);
        assert_eq!(object.soname.as_deref(), Some(&b"libself.so.1"[..]));
        assert_eq!(object.rpath.as_deref(), Some(&b"/a:/b"[..]));
        assert_eq!(object.runpath.as_deref(), Some(&b"$ORIGIN/../lib"[..]));
        assert!(object.no_default_libraries && object.go && !object.is_static());
        assert_eq!(object.filters.len(), 2);
        assert!(!object.filters[0].optional && object.filters[1].optional);
        assert_eq!(object.dlopen[0].sonames, ["libz.so.1"]);
        assert_eq!(object.dlopen[0].priority, Priority::Required);
        let mut found = Vec::new();
        strings::terminated(&bytes[..], &object.data, |string| {
            found.push(string.to_vec())
        })
        .unwrap();
        assert_eq!(texts(&found), ["/etc/app.conf"]);
        let versions: Vec<(&[u8], &[u8])> = object
            .versions
            .iter()
            .map(|required| (&required.library[..], &required.version[..]))
            .collect();
        assert_eq!(
            versions,
            [
                (&b"libc.so.6"[..], &b"GLIBC_2.34"[..]),
                (b"libc.so.6", b"GLIBC_2.2.5"),
                (b"libm.so.6", b"GLIBC_2.29"),
            ]
        );
    }
}

#[test]
fn undefined_symbols_are_found_whatever_the_hash_table() {
    for hash in [Hash::Gnu, Hash::SysV, Hash::Absent] {
        for exports in 0..3 {
            let mut builder = Builder::library()
                .hash(hash)
                .import("open")
                .weak_import("maybe")
                .import("close");
            for index in 0..exports {
                builder = builder.export(&format!("export{index}"));
            }
            let object = parse(&builder.build());
            let imports: Vec<&[u8]> = object.imports.iter().collect();
            assert_eq!(imports, [&b"close"[..], b"maybe", b"open"], "{hash:?}");
            assert_eq!(object.weak_imports.iter().collect::<Vec<_>>(), [b"maybe"]);
        }
    }
}

#[test]
fn what_is_not_elf_is_nothing() {
    for bytes in [
        &b""[..],
        b"\x7fELF",
        b"#!/bin/sh\nexec /bin/true\n",
        &[0; 4096],
    ] {
        assert!(elf::parse(bytes).unwrap().is_none());
    }
}

#[test]
fn a_static_program_needs_nothing() {
    let object = parse(&Builder::library().kind(2).data("hello").build());
    assert_eq!(object.kind, Kind::Executable);
    assert!(object.is_static() && object.imports.is_empty());
}

#[test]
fn a_note_that_is_not_as_specified_is_a_defect() {
    let bytes = Builder::program().note("FDO", 0x407c_0c0a, "{}").build();
    let object = parse(&bytes);
    assert_eq!(object.defects, ["a dlopen note is not as specified"]);
    assert_eq!(
        object.interpreter.unwrap(),
        testkit::elf::GLIBC_X86_64.as_bytes()
    );
}

/// A program whose linker stored one string as the tail of another where it could.
fn compiled(text: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("there is room for a program");
    let source = directory.path().join("names.c");
    let program = directory.path().join("names");
    std::fs::write(&source, text).expect("there is room for a program");
    let done = std::process::Command::new("cc")
        .args(["-O1", "-fPIE", "-pie", "-Wl,-O1", "-o"])
        .args([&program, &source])
        .status();
    assert!(done.is_ok_and(|status| status.success()), "cc failed");
    std::fs::read(&program).expect("cc has written it")
}

#[test]
fn instructions_lead_into_strings_that_others_end_with() {
    let bytes = compiled(
        "#include <stdio.h>\n\
        int main(int argc, char **argv) {\n\
        if (argc > 2) puts(\"application/x-gzip\"); else puts(\"gzip\");\n\
        return puts(\"bzip2\"); }\n",
    );
    let object = elf::parse(&bytes[..]).unwrap().unwrap();
    let places = elf::references(&bytes[..]).unwrap();
    let mut words = Vec::new();
    elf::strings::tails(&bytes[..], &object.data, &places, |word| {
        words.push(word.to_vec())
    })
    .unwrap();
    assert_eq!(words, [b"gzip"]);
    assert!(elf::references(&b"#!/bin/sh"[..]).unwrap().is_empty());
    assert!(elf::references(&bytes[..64]).unwrap().is_empty());
}

#[test]
fn pointers_lead_into_strings_that_others_end_with() {
    let bytes = compiled(
        "#include <stdio.h>\n\
        const char *const names[] = { \"ungzip\", \"gzip\" };\n\
        int main(int argc, char **argv) { return puts(names[argc % 2]); }\n",
    );
    let words: Vec<&[u8]> = elf::pointers(&bytes[..])
        .unwrap()
        .into_iter()
        .map(|at| bytes[at as usize..].split(|b| *b == 0).next().unwrap())
        .filter(|word| word.ends_with(b"zip"))
        .collect();
    assert_eq!(words, [&b"ungzip"[..], b"gzip"]);
    assert!(elf::pointers(&b"#!/bin/sh"[..]).unwrap().is_empty());
    assert!(elf::pointers(&bytes[..bytes.len() / 8]).unwrap().is_empty());
}
