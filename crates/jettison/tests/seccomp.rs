//! Seccomp profiles: of programs that a compiler makes, and of what the machine has.

use std::collections::BTreeSet;
use std::path::Path;

use image::FileSystem;
use jettison::seccomp::{self, Profile};
use testkit::tools::{has_tool, run};
use testkit::tree::Builder;

/// Returns what the profile of these programs allows, what the runtime needs left out.
fn extra(programs: &[(&str, Vec<u8>)]) -> (BTreeSet<&'static str>, Profile) {
    let add = |tree: Builder, (name, bytes): &(&str, Vec<u8>)| tree.executable(name, bytes);
    let profile = profile(programs.iter().fold(Builder::new(), add));
    let nothing = self::profile(Builder::new()).allowed();
    (
        profile.allowed().difference(&nothing).copied().collect(),
        profile,
    )
}

fn profile(tree: Builder) -> Profile {
    let built = tree.build();
    let files = FileSystem {
        tree: built.tree,
        contents: built.contents,
        unpacked: 0,
    };
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    seccomp::profile(&files, architecture, |_| true).expect("the files can be read")
}

/// Compiles a program without a C library.
fn compile(source: &str, flags: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (input, output) = (directory.path().join("a.c"), directory.path().join("a"));
    std::fs::write(&input, format!("{CALL}{source}")).expect("it can be written");
    let paths = [&output, &input].map(|path| path.to_string_lossy().into_owned());
    let mut arguments = vec![
        "-O2",
        "-nostdlib",
        "-ffreestanding",
        "-o",
        &*paths[0],
        &*paths[1],
    ];
    arguments.extend(flags);
    run("cc", &arguments);
    std::fs::read(output).expect("it was made")
}

/// A system call in the way of either machine; numbers differ, so names are used.
const CALL: &str = r#"
#include <sys/syscall.h>
static inline __attribute__((always_inline)) long call(long n, long a) {
#ifdef __x86_64__
    long r; __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a) : "rcx", "r11", "memory"); return r;
#else
    register long x8 __asm__("x8") = n; register long x0 __asm__("x0") = a;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8) : "memory"); return x0;
#endif
}
"#;

fn names(list: &[&'static str]) -> BTreeSet<&'static str> {
    list.iter().copied().collect()
}

#[test]
fn numbers_are_followed_to_where_they_are_said() {
    if !has_tool("cc") {
        return;
    }
    for (source, want) in [
        (
            "void _start(void) { call(SYS_sync, 0); call(SYS_exit, 0); }",
            &["sync"][..],
        ),
        (
            "void _start(long a) { long n = SYS_getsid;\n\
             if (a) { __asm__ volatile(\"\" ::: \"memory\"); n = SYS_getpriority; }\n\
             call(n, 0); for (;;); }",
            &["getpriority", "getsid"],
        ),
        // The number comes from callers of callers.
        (
            "__attribute__((noinline)) static long wrap(long n, long a) { return call(n, a); }\n\
             __attribute__((noinline)) long twice(long n) { return wrap(n, 1) + wrap(n, 2); }\n\
             void _start(void) { twice(SYS_fsync); twice(SYS_syncfs); for (;;); }",
            &["fsync", "syncfs"],
        ),
        // And through a pointer that is not known.
        (
            "__attribute__((noinline)) static long wrap(long n, long a) { return call(n, a); }\n\
             long (*volatile pointer)(long, long) = wrap;\n\
             void _start(void) { pointer(SYS_vmsplice, 0); for (;;); }",
            &["vmsplice"],
        ),
        // In a loop that ends above its beginning.
        (
            "void _start(long *a) { long n = SYS_mincore; for (; *a; a++) if (call(n, *a) > 3) call(SYS_tee, 0); for (;;); }",
            &["mincore", "tee"],
        ),
    ] {
        for flags in [
            &["-static", "-fno-pie", "-no-pie"][..],
            &["-static-pie", "-fpie"],
        ] {
            let (found, profile) = extra(&[("start", compile(source, flags))]);
            let unread: Vec<_> = profile.unread.iter().map(|(_, why)| *why).collect();
            assert_eq!(
                (found, unread),
                (names(want), Vec::new()),
                "{source} {flags:?}"
            );
        }
    }
}

#[test]
fn where_the_number_is_data_all_of_the_default_is_allowed() {
    if !has_tool("cc") {
        return;
    }
    let source = "volatile long number; void _start(void) { call(number, 0); for (;;); }";
    let (_, profile) = extra(&[("start", compile(source, &["-static"]))]);
    assert_eq!(profile.unread.len(), 1);
    assert_eq!(profile.allowed(), profile.default_allowed());
}

#[test]
fn of_a_library_only_what_is_reached() {
    if !has_tool("cc") {
        return;
    }
    let library = "\
        static long inner(void) { return call(SYS_swapoff, 0) + call(SYS_sync, 0); }\n\
        long (*volatile table[1])(void) = { inner };\n\
        long read(void) { return call(SYS_read, 0); }\n\
        long write(void) { return call(SYS_write, 0); }\n\
        long fork(void) { return table[0](); }\n\
        long used(void) { return call(SYS_tee, 0); }\n\
        long unused(void) { return call(SYS_vmsplice, 0); }\n\
        void *dlsym(void *a, const char *b) { return 0; }\n\
        long named(void) { return call(SYS_splice, 0); }\n";
    let library = compile(library, &["-shared", "-fpic", "-Wl,-soname,libc.so.6"]);
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("libc.so.6");
    std::fs::write(&path, &library).expect("it can be written");
    let path = path.to_string_lossy().into_owned();
    let program = "long used(void); void *dlsym(void *, const char *);\n\
        void _start(void) { used(); dlsym(0, \"named\"); for (;;); }";
    let flags = [
        "-fpie",
        "-pie",
        "-Wl,--unresolved-symbols=ignore-all",
        &path,
    ];
    let program = compile(program, &flags);
    let (found, profile) = extra(&[("app", program), ("libc.so.6", library)]);
    assert_eq!(profile.unread, []);
    // `swapoff` is reached, and Docker forbids it.
    assert_eq!(found, names(&["splice", "sync", "tee"]));
}

/// A real C library and loader: what a program that prints does is found, and far from everything.
#[test]
fn the_machines_own_programs() {
    let needed = run("ldd", &["/bin/true"]);
    let paths: Vec<&str> = needed
        .split_whitespace()
        .filter(|word| word.starts_with('/') && Path::new(word).exists())
        .collect();
    let mut programs = vec![("bin/true", std::fs::read("/bin/true").expect("it is there"))];
    programs.extend(
        paths
            .iter()
            .map(|path| (*path, std::fs::read(path).expect("it is there"))),
    );
    let (_, profile) = extra(&programs);
    let (allowed, all) = (profile.allowed(), profile.default_allowed());
    assert_eq!(profile.unread, []);
    for name in [
        "mmap",
        "mprotect",
        "openat",
        "write",
        "exit_group",
        "brk",
        "close",
    ] {
        assert!(allowed.contains(name), "{name}");
    }
    for name in ["mq_open", "shmget", "fanotify_mark"] {
        assert!(!allowed.contains(name), "{name}");
    }
    assert!(
        allowed.len() * 2 < all.len(),
        "{} of {}",
        allowed.len(),
        all.len()
    );
}

#[test]
fn conditions_are_those_of_the_default() {
    let profile = profile(Builder::new());
    let document = profile.document();
    assert_eq!(document["defaultAction"], "SCMP_ACT_ERRNO");
    assert_eq!(
        document["archMap"][0]["subArchitectures"],
        serde_json::json!([])
    );
    let rules = document["syscalls"].as_array().expect("it is a list");
    let of = |name: &str| -> Vec<&serde_json::Value> {
        let has = |rule: &&serde_json::Value| {
            let names = rule["names"].as_array().expect("it is a list");
            names.iter().any(|other| other == name)
        };
        rules.iter().filter(has).collect()
    };
    let clone = of("clone");
    assert_eq!(clone.len(), 2, "{clone:?}");
    assert_eq!(clone[1]["args"][0]["op"], "SCMP_CMP_MASKED_EQ");
    assert_eq!(clone[1]["excludes"]["caps"][0], "CAP_SYS_ADMIN");
    assert_eq!(of("clone3")[1]["errnoRet"], 38);
    assert!(of("mount").is_empty() && of("io_uring_setup").is_empty());
}
