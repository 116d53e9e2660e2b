//! What `slim` takes out of files that stay, of programs that a compiler makes: debug information, and data of ICU that
//! nothing can read. A stand-in for ICU lists what it finds in its data.

mod containers;

use std::path::Path;

use containers::import;
use serde_json::Value;
use testkit::cli::Environment;
use testkit::tools::{has_tool, run};
use testkit::tree::Builder;

/// Items of the archive: names, and how many bytes they have.
const ITEMS: &[(&str, usize)] = &[
    ("icudt72l/brkitr/char.brk", 100_000),
    ("icudt72l/cnvalias.icu", 1000),
    ("icudt72l/coll/de.res", 30_001),
    ("icudt72l/ibm-37_P100-1995.cnv", 777),
    ("icudt72l/root.res", 40_000),
    ("icudt72l/zone/en.res", 50_000),
];

/// What the linker puts into the library with the data.
const DATA: &str = r#"
__asm__(".section .rodata\n.balign 16\n.global icudt72_dat\n.type icudt72_dat, %object\n"
        "icudt72_dat: .incbin \"archive\"\n.size icudt72_dat, . - icudt72_dat\n.previous");
"#;
/// The library that reads it: names of items, and their first and last bytes. The same under the names of calls
/// that read different parts.
const COMMON: &str = r#"
#include <stdint.h>
#include <stdio.h>
extern const unsigned char icudt72_dat[];
static uint32_t at(const unsigned char *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
void ucnv_list_72(void) {
  const unsigned char *toc = icudt72_dat + (icudt72_dat[0] | icudt72_dat[1] << 8);
  for (uint32_t i = 0; i < at(toc); i++)
    printf("%s %c\n", toc + at(toc + 4 + 8 * i), toc[at(toc + 8 + 8 * i)]);
}
void ucol_list_72(void) { ucnv_list_72(); }
void udat_list_72(void) { ucnv_list_72(); }
"#;
const LISTER: &str = "void CALL(void);\nint main(void) { CALL(); return 0; }\n";

/// An archive in ICU's "common data" format: each item is full of one letter.
fn archive() -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes[..2].copy_from_slice(&32_u16.to_le_bytes());
    bytes[2..17].copy_from_slice(b"\xda\x27\x14\0\0\0\0\0\x02\0CmnD\x01");
    let names: String = ITEMS.iter().map(|(name, _)| format!("{name}\0")).collect();
    let before = 4 + 8 * ITEMS.len();
    let mut table = (ITEMS.len() as u32).to_le_bytes().to_vec();
    let (mut name_at, mut items) = (before, Vec::new());
    let first = (before + names.len()).next_multiple_of(16);
    for ((name, length), letter) in ITEMS.iter().zip(b'a'..) {
        table.extend((name_at as u32).to_le_bytes());
        table.extend(((first + items.len()) as u32).to_le_bytes());
        name_at += name.len() + 1;
        items.extend(vec![letter; *length]);
        items.resize(items.len().next_multiple_of(16), 0);
    }
    table.extend(names.bytes());
    table.resize(first, 0);
    [bytes, table, items].concat()
}

/// Compiles the libraries, and a program that calls `call`.
fn compile(directory: &Path, call: &str) {
    std::fs::write(directory.join("archive"), archive()).expect("it can be written");
    for (name, text) in [("data.c", DATA), ("common.c", COMMON), ("lister.c", LISTER)] {
        std::fs::write(directory.join(name), text).expect("it can be written");
    }
    let at = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let include = format!("-Wa,-I{}", directory.display());
    let (data, common) = (at("libicudata.so.72"), at("libicuuc.so.72"));
    let shared = ["-shared", "-fPIC", "-o"];
    let soname = |name| format!("-Wl,-soname,{name}");
    let compile = |parts: &[&str]| run("cc", &[&shared[..], parts].concat());
    compile(&[&data, &at("data.c"), &include, &soname("libicudata.so.72")]);
    compile(&[
        &common,
        &at("common.c"),
        &data,
        &soname("libicuuc.so.72"),
        "-Wl,--no-as-needed",
    ]);
    let call = format!("-DCALL={call}_72");
    let padding = "-g3";
    let arguments = [&at("lister"), &at("lister.c"), &common, &data, &call];
    let arguments = arguments.map(String::as_str);
    run(
        "cc",
        &[&[padding, "-include", "stdio.h", "-o"], &arguments[..]].concat(),
    );
}

/// An image of the program, with the C library of this machine.
fn image(environment: &Environment, call: &str) -> Builder {
    let directory = environment.path("built");
    std::fs::create_dir_all(&directory).expect("a directory can be made");
    compile(&directory, call);
    let built = |name: &str| std::fs::read(directory.join(name)).expect("it was made");
    let loader = match std::env::consts::ARCH {
        "aarch64" => "lib/ld-linux-aarch64.so.1",
        _ => "lib64/ld-linux-x86-64.so.2",
    };
    let loaded = |name: &str| {
        let found = run("cc", &[&format!("-print-file-name={name}")]);
        std::fs::read(found.trim()).expect("a compiler has its C library")
    };
    let status =
        "Package: libicu72\nStatus: install ok installed\nVersion: 72.1-3\nArchitecture: amd64\n\n";
    Builder::new()
        .executable(
            loader,
            loaded(loader.rsplit('/').next().unwrap_or_default()),
        )
        .file("usr/lib/libc.so.6", loaded("libc.so.6"))
        .file("usr/lib/libicudata.so.72", built("libicudata.so.72"))
        .file("usr/lib/libicuuc.so.72", built("libicuuc.so.72"))
        .executable("usr/bin/lister", built("lister"))
        .file("var/lib/dpkg/status", status)
        .file(
            "var/lib/dpkg/info/libicu72.list",
            "/.\n/usr\n/usr/lib\n/usr/lib/libicudata.so.72\n/usr/lib/libicuuc.so.72\n",
        )
        .file(
            "var/lib/dpkg/info/libicu72.md5sums",
            "0123456789abcdef0123456789abcdef  usr/lib/libicudata.so.72\n\
             fedcba9876543210fedcba9876543210  usr/lib/libicuuc.so.72\n",
        )
}

/// Makes a slim image, and returns what it prints and the report's lines of files that lost something.
fn slim(call: &str, flags: &[&str]) -> (Environment, String, Vec<String>) {
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    let root = image(&environment, call);
    import(&environment, &root, "icu:1", &["CMD [\"/usr/bin/lister\"]"]);
    let report = environment.path("report.json");
    // What it lists is its answer: of another list a proof would say so.
    let fixed = ["slim", "icu:1", "-t", "icu:slim", "--no-verify"];
    let report_flags = ["--report", &*report.to_string_lossy()];
    let _ = environment
        .run(&[&fixed[..], &report_flags, flags].concat())
        .done();
    let shown = environment.run(&["run", "icu:slim"]).done().stdout;
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("it was written"))
        .expect("the report is JSON");
    let kept = report["kept"].as_array().expect("there are files");
    let lighter = kept.iter().filter(|file| !file["lighter"].is_null());
    let lines = lighter.map(|file| {
        let (path, lighter) = (&file["path"], &file["lighter"]);
        assert!(file["size"].as_u64() < lighter["whole"].as_u64(), "{file}");
        format!(
            "{} {}",
            path.as_str().unwrap_or_default(),
            lighter["without"]
        )
    });
    let lines = lines.collect();
    (environment, shown, lines)
}

const ALL: &str = "icudt72l/brkitr/char.brk a\nicudt72l/cnvalias.icu b\nicudt72l/coll/de.res c\n\
    icudt72l/ibm-37_P100-1995.cnv d\nicudt72l/root.res e\nicudt72l/zone/en.res f\n";

#[test]
fn what_only_converts_needs_only_converters() {
    if !has_tool("cc") {
        return;
    }
    let (environment, shown, lighter) = slim("ucnv_list", &[]);
    assert_eq!(
        shown,
        "icudt72l/cnvalias.icu b\nicudt72l/ibm-37_P100-1995.cnv d\n"
    );
    assert_eq!(
        lighter,
        [
            "/usr/bin/lister \"debug information\"",
            "/usr/lib/libicudata.so.72 \"ICU data that nothing reads\"",
        ]
    );
    // `COPY` cannot take a part out of a file: it lies in the archive, as it is now.
    let flags = ["--no-verify", "--write-dockerfile", "Dockerfile"];
    let _ = environment
        .run(&[&["slim", "icu:1", "-t", "icu:slim"], &flags[..]].concat())
        .done();
    let dockerfile = std::fs::read_to_string(environment.path("Dockerfile"));
    let dockerfile = dockerfile.expect("it was written");
    assert!(
        dockerfile.contains("/usr/lib/libicuuc.so.72"),
        "{dockerfile}"
    );
    assert!(!dockerfile.contains("libicudata"), "{dockerfile}");
    let archive = environment.path("Dockerfile.tar.gz");
    let listed = run("tar", &["tzvf", &archive.to_string_lossy()]);
    let data = listed
        .lines()
        .find(|line| line.ends_with("usr/lib/libicudata.so.72"));
    let size = data.and_then(|line| line.split_whitespace().nth(2)?.parse::<usize>().ok());
    assert!(size.is_some_and(|size| size < 100_000), "{listed}");
}

#[test]
fn what_sorts_needs_no_time_zones() {
    if !has_tool("cc") {
        return;
    }
    let (_, shown, _) = slim("ucol_list", &[]);
    assert_eq!(
        shown,
        "icudt72l/cnvalias.icu b\nicudt72l/coll/de.res c\nicudt72l/ibm-37_P100-1995.cnv d\nicudt72l/root.res e\n"
    );
}

#[test]
fn what_calls_more_and_who_wants_it_whole_keep_all_data() {
    if !has_tool("cc") {
        return;
    }
    for (call, flags, lighter) in [
        (
            "udat_list",
            &[][..],
            &["/usr/bin/lister \"debug information\""][..],
        ),
        ("ucnv_list", &["--whole-files"], &[]),
        ("ucnv_list", &["--level", "package"], &[]),
        (
            "ucnv_list",
            &["--preserve", "/usr/lib", "--preserve", "/usr/bin/lister"],
            &[],
        ),
    ] {
        let (_, shown, found) = slim(call, flags);
        assert_eq!(shown, ALL, "{call} {flags:?}");
        assert_eq!(found, lighter, "{call} {flags:?}");
    }
}
