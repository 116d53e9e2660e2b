//! `jettison why-not`.

mod common;

use testkit::cli::Environment;
use testkit::elf;
use testkit::tree::Builder;

const STATUS: &str = "\
Package: start
Status: install ok installed
Architecture: amd64
Version: 1
Depends: libodd1

Package: libodd1
Status: install ok installed
Architecture: amd64
Version: 1

Package: idle
Status: install ok installed
Architecture: amd64
Version: 1
Depends: libidle1

Package: libidle1
Status: install ok installed
Architecture: amd64
Version: 1

Package: shell
Status: install ok installed
Priority: required
Architecture: amd64
Version: 1
";

/// An image with a program that loads a library, one of each that nothing uses, and a base.
fn environment() -> Environment {
    let library = |name: &str| elf::Builder::library().soname(name).build();
    let program = |name: &str| {
        elf::Builder::program()
            .interpreter("/lib/ld.so")
            .needed(name)
    };
    let jit = elf::Builder::library()
        .needed("libLLVM-14.so.1")
        .export("_PG_jit_provider_init")
        .build();
    let info = "var/lib/dpkg/info";
    let rootfs = Builder::new()
        .executable("lib/ld.so", library("ld.so"))
        .executable("usr/bin/start", program("libodd.so.1").build())
        .file("usr/share/start/data", "kept")
        .file("usr/lib/start/jit.so", jit)
        .file("usr/share/doc/start/README", "x".repeat(500))
        .executable("usr/bin/tool", "#!/usr/bin/idle\nsomething\n")
        .file("usr/lib/libodd.so.1", library("libodd.so.1"))
        .file("usr/share/misc/odd", "nobody reads it")
        .executable("usr/bin/idle", program("libidle.so.1").build())
        .file("usr/lib/libidle.so.1", library("libidle.so.1"))
        .executable("usr/bin/sh", program("libodd.so.1").build())
        .file("srv/left", "by somebody")
        .file("var/lib/dpkg/status", STATUS)
        .file(
            &format!("{info}/start.list"),
            "/usr/bin/start\n/usr/share/start/data\n/usr/lib/start/jit.so\n/usr/share/doc/start/README\n/usr/bin/tool\n",
        )
        .file(
            &format!("{info}/libodd1:amd64.list"),
            "/usr/lib/libodd.so.1\n/usr/share/misc/odd\n",
        )
        .file(&format!("{info}/idle.list"), "/usr/bin/idle\n")
        .file(
            &format!("{info}/libidle1:amd64.list"),
            "/usr/lib/libidle.so.1\n",
        )
        .file(&format!("{info}/shell.list"), "/usr/bin/sh\n");
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    environment.write("rootfs.tar", rootfs.tar());
    let arguments = ["import", "rootfs.tar", "i:1", "--change", "CMD [\"start\"]"];
    let _ = environment.run(&arguments).done();
    environment
}

/// Returns the first lines of the answer, up to the table.
fn rule(environment: &Environment, arguments: &[&str]) -> String {
    let command = [&["why-not", "i:1"], arguments].concat();
    let told = environment.run(&command);
    let text = told.stdout.split("\nIt would stay with\n").next();
    format!("{}exit {}\n", text.unwrap_or_default(), told.code)
}

#[test]
fn each_rule_says_so() {
    let environment = environment();
    for (arguments, want) in [
        (
            &["/srv/left"][..],
            "/srv/left (11B) goes\n  unnamed: nothing kept names it\nexit 0\n",
        ),
        (
            &["/usr/share/doc/start/README"],
            "/usr/share/doc/start/README (package start, 500B) goes\n  \
             documentation: manuals and the like: for people, not for programs\n  \
             nearby stays /usr/share/start/data (package)\n  nearby stays /usr/bin/start (entrypoint)\nexit 0\n",
        ),
        (
            &["/usr/bin/tool"],
            "/usr/bin/tool (package start, 26B) goes\n  \
             interpreter-goes: a script for /usr/bin/idle, which nothing kept runs\n  \
             nearby stays /usr/bin/start (entrypoint)\n  nearby stays /usr/share/start/data (package)\nexit 0\n",
        ),
        (
            &["/usr/lib/start/jit.so"],
            "/usr/lib/start/jit.so (package start, 448B) goes\n  \
             accelerator: it only makes its program faster, which does without it and says no error\n  \
             nearby stays /usr/bin/start (entrypoint)\n  nearby stays /usr/share/start/data (package)\nexit 0\n",
        ),
        (
            &["/usr/share/misc/odd"],
            "/usr/share/misc/odd (package libodd1, 15B) goes\n  \
             libraries-only: of package libodd1 only libraries are used, and this is no part of them\n  \
             its package is installed for start (of which something stays)\n  \
             nearby stays /usr/lib/libodd.so.1 (needed)\nexit 0\n",
        ),
        (
            &["/usr/share/start/data", "--exclude", "/usr/share/start"],
            "/usr/share/start/data (package start, 4B) goes\n  \
             excluded: --exclude /usr/share/start drops it\n  \
             nearby stays /usr/bin/start (entrypoint)\nexit 0\n",
        ),
        (
            &["/usr/bin/start"],
            "/usr/bin/start stays; `jettison why i:1 /usr/bin/start` says for what\nexit 1\n",
        ),
    ] {
        assert_eq!(rule(&environment, arguments), want, "{arguments:?}");
    }
}

#[test]
fn who_would_need_it_and_what_it_costs() {
    let environment = environment();
    let told = environment
        .run(&["why-not", "i:1", "/usr/lib/libidle.so.1"])
        .done();
    let size = testkit::elf::Builder::library()
        .soname("libidle.so.1")
        .build()
        .len();
    let want = format!(
        "/usr/lib/libidle.so.1 (package libidle1, {size}B) goes\n  \
         unused-package: nothing of package libidle1 is used\n  \
         used by /usr/bin/idle, going as well\n  its package is installed for idle\n  \
         nearby stays /usr/lib/libodd.so.1 (needed)\n\nIt would stay with\n\n\
         FLAG                              ADDS   PATHS   LARGEST BESIDES\n\
         --include /usr/lib/libidle.so.1   {size}B   1\n\
         --include-package libidle1        {size}B   1\n"
    );
    assert_eq!(told.stdout, want);
}

#[test]
fn the_price_is_what_slim_then_pays() {
    let environment = environment();
    let json = environment
        .run(&["why-not", "--json", "i:1", "/usr/bin/idle"])
        .done();
    let value: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(value["rules"][0]["rule"], "unused-package");
    // Bytes of files; the rewritten package metadata grows by what comes back.
    let unpacked = |flags: &[&str]| -> u64 {
        let slim = ["slim", "--no-verify", "i:1", "--report", "report.json"];
        let _ = environment.run(&[&slim, flags].concat()).done();
        let bytes = std::fs::read(environment.path("report.json")).expect("it is there");
        let report: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        let kept = report["kept"].as_array().expect("it is a list").iter();
        let files = kept.filter(|file| file["reason"] != "package-metadata");
        files.filter_map(|file| file["size"].as_u64()).sum()
    };
    let remedies = value["remedies"].as_array().expect("it is a list");
    let flags: Vec<&str> = remedies.iter().filter_map(|r| r["flag"].as_str()).collect();
    assert_eq!(flags, ["--include", "--include-package", "--entry"]);
    let before = unpacked(&[]);
    for remedy in remedies {
        let (flag, word) = (remedy["flag"].as_str(), remedy["value"].as_str());
        let after = unpacked(&[flag.expect("text"), word.expect("text")]);
        assert!(after > before);
        assert_eq!(remedy["adds"], after - before, "{remedy}");
    }
}

#[test]
fn a_directory_is_counted_by_rule() {
    let environment = environment();
    let json = environment.run(&["why-not", "--json", "i:1", "/usr"]);
    assert_eq!(json.code, 1, "it stays, though not all of it: {json}");
    let value: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    let rules: Vec<(&str, u64)> = value["rules"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter_map(|rule| Some((rule["rule"].as_str()?, rule["entries"].as_u64()?)))
        .collect();
    assert_eq!(value["kept"], true);
    for want in [
        "base",
        "unused-package",
        "documentation",
        "interpreter-goes",
        "libraries-only",
    ] {
        assert!(
            rules.iter().any(|(rule, _)| *rule == want),
            "{want} in {rules:?}"
        );
    }
}

#[test]
fn a_path_that_is_not_there() {
    let environment = environment();
    let missing = environment.run(&["why-not", "i:1", "/nothing"]);
    assert_eq!(missing.code, 2, "{missing}");
    assert!(
        missing.stderr.contains("`/nothing` is not in `i:1`"),
        "{missing}"
    );
}
