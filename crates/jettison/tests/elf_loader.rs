//! Which file a loader would load: one table row for each rule.

use jettison::elf::Object;
use jettison::loader::{Closure, EdgeKind, Environment, Flavour, Loader, Process, Rule};
use testkit::elf::{self, Builder};
use testkit::tree::{self, TestTree};

/// A tree with glibc's loader, as Debian has it.
fn debian() -> tree::Builder {
    let loader = Builder::library()
        .soname("ld-linux-x86-64.so.2")
        .data("\0/etc/ld.so.cache\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0/etc/\0");
    tree::Builder::new()
        .symlink("lib", "usr/lib")
        .symlink("lib64", "usr/lib64")
        .file(
            "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            loader.build(),
        )
        .symlink(
            "usr/lib64/ld-linux-x86-64.so.2",
            "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        )
}

/// A tree with musl's loader, as Alpine has it.
fn alpine() -> tree::Builder {
    tree::Builder::new()
        .file(
            "lib/ld-musl-x86_64.so.1",
            Builder::library().soname("libc.musl-x86_64.so.1").build(),
        )
        .symlink("lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1")
}

fn library() -> Vec<u8> {
    Builder::library().build()
}

/// Shows a closure as text: one line for each edge, then what is missing.
fn show(image: &TestTree, closure: &Closure) -> Vec<String> {
    let edges = closure.edges.iter().map(|edge| {
        let links: String = edge
            .links
            .iter()
            .map(|link| format!(" via {}", image.path(*link)))
            .collect();
        let star = if edge.alternative { "*" } else { "" };
        format!(
            "{} -> {}{star} {:?}{links}",
            image.path(edge.from),
            image.path(edge.to),
            edge.rule
        )
    });
    let missing = closure.missing.iter().map(|unmet| {
        let name = String::from_utf8_lossy(&unmet.name);
        format!("{} lacks {name} {:?}", image.path(unmet.from), unmet.kind)
    });
    edges.chain(missing).collect()
}

fn load_in(image: &TestTree, environment: Environment) -> Closure {
    let loader = Loader::new(&image.tree, &image.contents, environment);
    loader
        .closure(image.node("app/bin/run"))
        .expect("the program can be read")
}

fn load(image: &TestTree) -> Vec<String> {
    show(image, &load_in(image, Environment::default()))
}

/// Returns what the program's libraries come from, without the loader's line.
fn libraries(image: &TestTree) -> Vec<String> {
    load(image).into_iter().skip(1).collect()
}

fn program() -> Builder {
    Builder::program().needed("liba.so")
}

#[test]
fn the_loader_and_default_directories_are_those_of_the_image() {
    let image = debian()
        .file("app/bin/run", program().build())
        .file("usr/lib/x86_64-linux-gnu/liba.so.1.2", library())
        .symlink("usr/lib/x86_64-linux-gnu/liba.so", "liba.so.1.2")
        .file("usr/lib/liba.so", library())
        .build();
    assert_eq!(
        load(&image),
        [
            "/app/bin/run -> /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 Path \
             via /lib64 via /usr/lib64/ld-linux-x86-64.so.2 via /lib",
            "/app/bin/run -> /usr/lib/x86_64-linux-gnu/liba.so.1.2 Default \
             via /lib via /usr/lib/x86_64-linux-gnu/liba.so",
        ]
    );
}

#[test]
fn search_paths_apply_in_the_order_of_glibc() {
    // Each row adds what comes before everything in the rows above.
    let mut builder = debian();
    let mut app = program();
    let mut rows = vec![("usr/lib/liba.so", "Default")];
    rows.push(("run/liba.so", "Runpath"));
    for (path, rule) in rows {
        if rule == "Runpath" {
            app = app.runpath("/run");
        }
        builder = builder.file(path, library());
        let image = builder.clone().file("app/bin/run", app.build()).build();
        assert_eq!(
            libraries(&image)[0].split(" via").next().unwrap(),
            format!("/app/bin/run -> /{path} {rule}")
        );
    }
    let image = builder
        .file("env/liba.so", library())
        .file("app/bin/run", app.build())
        .build();
    let environment = Environment {
        library_path: Some(b"/nothing;/env".to_vec()),
        ..Environment::default()
    };
    let closure = load_in(&image, environment);
    assert_eq!(closure.edges[1].rule, Rule::LibraryPath);
}

#[test]
fn rpath_comes_first_but_not_beside_runpath() {
    let base = debian()
        .file("r/liba.so", library())
        .file("usr/lib/liba.so", library());
    let with = |app: Builder| base.clone().file("app/bin/run", app.build()).build();
    let environment = || Environment {
        library_path: Some(b"/usr/lib".to_vec()),
        ..Environment::default()
    };
    let rule = |image: &TestTree| load_in(image, environment()).edges[1].rule;
    assert_eq!(rule(&with(program().rpath("/x:/r"))), Rule::Rpath);
    assert_eq!(
        rule(&with(program().rpath("/r").runpath("/x"))),
        Rule::LibraryPath
    );
    assert_eq!(rule(&with(program().runpath("/r"))), Rule::LibraryPath);
}

#[test]
fn rpath_is_inherited_and_runpath_is_not() {
    let base = debian()
        .file("r/liba.so", Builder::library().needed("libb.so").build())
        .file("r/libb.so", library());
    let inherited = base
        .clone()
        .file("app/bin/run", program().rpath("/r").build())
        .build();
    assert_eq!(
        libraries(&inherited),
        [
            "/app/bin/run -> /r/liba.so Rpath",
            "/r/liba.so -> /r/libb.so Rpath",
        ]
    );
    let not = base
        .clone()
        .file("app/bin/run", program().runpath("/r").build())
        .build();
    assert_eq!(
        libraries(&not),
        [
            "/app/bin/run -> /r/liba.so Runpath",
            "/r/liba.so lacks libb.so Needed",
        ]
    );
    // A RUNPATH of its own keeps the library from looking at the program's RPATH.
    let library = Builder::library().needed("libb.so").runpath("/none");
    let cut = debian()
        .file("r/liba.so", library.build())
        .file("r/libb.so", self::library())
        .file("app/bin/run", program().rpath("/r").build())
        .build();
    assert_eq!(libraries(&cut)[1], "/r/liba.so lacks libb.so Needed");
}

#[test]
fn origin_is_where_the_loader_found_the_object() {
    // The program through its real path, the library through the path of the search.
    let image = debian()
        .file("real/bin/run", program().runpath("$ORIGIN/../lib").build())
        .symlink("app/bin/run", "../../real/bin/run")
        .symlink("real/lib/liba.so", "/store/liba.so")
        .file(
            "store/liba.so",
            Builder::library()
                .needed("libb.so")
                .runpath("${ORIGIN}/private")
                .build(),
        )
        .file("real/lib/private/libb.so", library())
        .file("store/private/libb.so", library())
        .build();
    let loader = Loader::new(&image.tree, &image.contents, Environment::default());
    let program = image.tree.resolve(b"app/bin/run").unwrap().node;
    let closure = loader.closure(program).unwrap();
    assert_eq!(
        show(&image, &closure)[1..],
        [
            "/real/bin/run -> /store/liba.so Runpath via /real/lib/liba.so",
            "/store/liba.so -> /real/lib/private/libb.so Runpath",
        ]
    );
    assert_eq!(closure.links().len(), 4);
}

#[test]
fn lib_and_platform_stand_for_directories() {
    for (path, found) in [
        ("/opt/$LIB", "/opt/lib/x86_64-linux-gnu/liba.so"),
        ("/opt/${PLATFORM}", "/opt/haswell/liba.so"),
    ] {
        let image = debian()
            .file("app/bin/run", program().runpath(path).build())
            .file(&found[1..], library())
            .build();
        assert_eq!(
            libraries(&image),
            [format!("/app/bin/run -> {found} Runpath")]
        );
    }
    let image = tree::Builder::new()
        .file("lib64/ld-linux-x86-64.so.2", library())
        .file("app/bin/run", program().runpath("/opt/$LIB").build())
        .file("opt/lib/liba.so", library())
        .file("opt/lib64/liba.so", library())
        .build();
    assert_eq!(
        libraries(&image),
        ["/app/bin/run -> /opt/lib64/liba.so Runpath"]
    );
}

#[test]
fn objects_of_another_class_or_machine_are_passed_over() {
    let image = debian()
        .file("app/bin/run", program().runpath("/1:/2:/3:/4:/5").build())
        .file("1/liba.so", Builder::library().narrow().machine(3).build())
        .file("2/liba.so", Builder::library().machine(183).build())
        .file("3/liba.so", Builder::library().big_endian().build())
        .file("4/liba.so", "/* GNU ld script */")
        .file("5/liba.so", library())
        .build();
    assert_eq!(libraries(&image), ["/app/bin/run -> /5/liba.so Runpath"]);
}

#[test]
fn variants_for_processors_come_along() {
    let image = debian()
        .file("app/bin/run", program().build())
        .file("usr/lib/liba.so", library())
        .file("usr/lib/glibc-hwcaps/x86-64-v2/liba.so", library())
        .file(
            "usr/lib/glibc-hwcaps/x86-64-v3/liba.so",
            Builder::library().needed("libv3.so").build(),
        )
        .file("usr/lib/tls/haswell/liba.so", library())
        .file("usr/lib/libv3.so", library())
        .build();
    assert_eq!(
        libraries(&image),
        [
            "/app/bin/run -> /usr/lib/liba.so Default via /lib",
            "/app/bin/run -> /usr/lib/glibc-hwcaps/x86-64-v3/liba.so* Default via /lib",
            "/app/bin/run -> /usr/lib/glibc-hwcaps/x86-64-v2/liba.so* Default via /lib",
            "/app/bin/run -> /usr/lib/tls/haswell/liba.so* Default via /lib",
            "/usr/lib/glibc-hwcaps/x86-64-v3/liba.so -> /usr/lib/libv3.so Default via /lib",
        ]
    );
    let only = debian()
        .file("app/bin/run", program().build())
        .file("usr/lib/glibc-hwcaps/x86-64-v2/liba.so", library())
        .build();
    assert_eq!(
        libraries(&only),
        ["/app/bin/run -> /usr/lib/glibc-hwcaps/x86-64-v2/liba.so Default via /lib"]
    );
}

/// Writes a cache in the new format.
fn cache(entries: &[(&str, &str, u64)]) -> Vec<u8> {
    let mut strings = Vec::new();
    let mut table = Vec::new();
    let base = 48 + 24 * entries.len();
    for (name, path, hwcap) in entries {
        table.extend(0x303u32.to_le_bytes());
        for text in [name, path] {
            table.extend(((base + strings.len()) as u32).to_le_bytes());
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
        }
        table.extend(0u32.to_le_bytes());
        table.extend(hwcap.to_le_bytes());
    }
    let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
    bytes.extend((entries.len() as u32).to_le_bytes());
    bytes.extend((strings.len() as u32).to_le_bytes());
    bytes.resize(48, 0);
    bytes.extend(table);
    bytes.extend(strings);
    bytes
}

#[test]
fn the_cache_comes_before_the_default_directories() {
    let entries = [
        ("liba.so", "/opt/32/liba.so", 0),
        ("liba.so", "/opt/v3/liba.so", 1 << 62),
        ("liba.so", "/opt/liba.so", 0),
        ("liba.so", "/opt/second/liba.so", 0),
    ];
    let base = debian()
        .file("etc/ld.so.cache", cache(&entries))
        .file(
            "opt/32/liba.so",
            Builder::library().narrow().machine(3).build(),
        )
        .file("opt/v3/liba.so", library())
        .file("opt/liba.so", library())
        .file("opt/second/liba.so", library())
        .file("usr/lib/liba.so", library());
    let image = base.clone().file("app/bin/run", program().build()).build();
    assert_eq!(
        libraries(&image),
        [
            "/app/bin/run -> /opt/liba.so Cache",
            "/app/bin/run -> /opt/v3/liba.so* Cache",
        ]
    );
    // A stale entry falls through to the default directories.
    let stale = debian()
        .file("etc/ld.so.cache", cache(&[("liba.so", "/gone/liba.so", 0)]))
        .file("usr/lib/liba.so", library())
        .file("app/bin/run", program().build())
        .build();
    assert_eq!(
        libraries(&stale),
        ["/app/bin/run -> /usr/lib/liba.so Default via /lib"]
    );
}

#[test]
fn no_default_libraries_means_neither_directories_nor_their_cache_entries() {
    let app = program().needed("libb.so").value(0x6fff_fffb, 0x800);
    let entries = [
        ("liba.so", "/usr/lib/liba.so", 0),
        ("libb.so", "/opt/libb.so", 0),
    ];
    let image = debian()
        .file("etc/ld.so.cache", cache(&entries))
        .file("usr/lib/liba.so", library())
        .file("opt/libb.so", library())
        .file("app/bin/run", app.build())
        .build();
    assert_eq!(
        libraries(&image),
        [
            "/app/bin/run -> /opt/libb.so Cache",
            "/app/bin/run lacks liba.so Needed",
        ]
    );
}

#[test]
fn configuration_stands_in_for_a_missing_cache() {
    let base = debian()
        .file("app/bin/run", program().build())
        .file(
            "etc/ld.so.conf",
            "# comment\ninclude ld.so.conf.d/*.conf\nhwcap 1 nosegneg\n/late\n",
        )
        .file("etc/ld.so.conf.d/b.conf", "/second,/third # more\n")
        .file(
            "etc/ld.so.conf.d/a.conf",
            "include /etc/ld.so.conf\n/first=libc6\n",
        )
        .file("etc/ld.so.conf.d/.hidden.conf", "/hidden\n")
        .file("hidden/liba.so", library())
        .file("third/liba.so", library());
    let image = base.clone().build();
    assert_eq!(
        libraries(&image),
        ["/app/bin/run -> /third/liba.so Configured"]
    );
    // An included file comes in the place of its line.
    let late = base.clone().file("late/liba.so", library()).build();
    assert_eq!(
        libraries(&late),
        ["/app/bin/run -> /third/liba.so Configured"]
    );
    let cached = base.file("etc/ld.so.cache", cache(&[])).build();
    assert_eq!(libraries(&cached), ["/app/bin/run lacks liba.so Needed"]);
}

#[test]
fn names_with_a_slash_are_paths() {
    let app = Builder::program()
        .needed("$ORIGIN/../x/liba.so")
        .needed("./libb.so");
    let image = debian()
        .file("app/bin/run", app.build())
        .file("app/x/liba.so", library())
        .file("work/libb.so", library())
        .build();
    let environment = Environment {
        working_directory: b"/work".to_vec(),
        ..Environment::default()
    };
    let closure = load_in(&image, environment);
    assert_eq!(
        show(&image, &closure)[1..],
        [
            "/app/bin/run -> /app/x/liba.so Path",
            "/app/bin/run -> /work/libb.so Path",
        ]
    );
}

#[test]
fn preloaded_libraries_come_first() {
    let image = debian()
        .file("app/bin/run", program().build())
        .file("usr/lib/liba.so", library())
        .file("opt/libp.so", library())
        .file("usr/lib/libq.so", library())
        .file("etc/ld.so.preload", "# none\nlibq.so libnone.so\n")
        .build();
    let environment = Environment {
        preload: Some(b"/opt/libp.so:".to_vec()),
        ..Environment::default()
    };
    let closure = load_in(&image, environment);
    let kinds: Vec<(&EdgeKind, String)> = closure
        .edges
        .iter()
        .map(|edge| (&edge.kind, image.path(edge.to)))
        .collect();
    assert_eq!(kinds[1], (&EdgeKind::Preload, "/opt/libp.so".into()));
    assert_eq!(kinds[2], (&EdgeKind::Preload, "/usr/lib/libq.so".into()));
    assert_eq!(kinds[3], (&EdgeKind::Needed, "/usr/lib/liba.so".into()));
    assert!(closure.missing[0].optional);
}

#[test]
fn objects_are_loaded_once_by_name_soname_and_file() {
    let app = Builder::program()
        .needed("libcycle.so")
        .needed("libalias.so")
        .needed("libc.so.6");
    let cycle = Builder::library()
        .needed("libcycle.so")
        .needed("libby-soname.so");
    let image = debian()
        .file("app/bin/run", app.build())
        .file("usr/lib/libcycle.so", cycle.build())
        .symlink("usr/lib/libalias.so", "libcycle.so")
        .file(
            "usr/lib/libc.so.6",
            Builder::library()
                .soname("libby-soname.so")
                .needed("ld-linux-x86-64.so.2")
                .build(),
        )
        .build();
    let closure = load_in(&image, Environment::default());
    let objects: Vec<String> = closure.objects.iter().map(|at| image.path(*at)).collect();
    assert_eq!(
        objects,
        [
            "/app/bin/run",
            "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "/usr/lib/libcycle.so",
            "/usr/lib/libc.so.6",
        ]
    );
    assert_eq!(closure.missing, []);
    let loaded = closure
        .edges
        .iter()
        .filter(|edge| edge.rule == Rule::Loaded);
    assert_eq!(loaded.count(), 3);
}

#[test]
fn musl_searches_as_musl_does() {
    let app = Builder::library()
        .interpreter(elf::MUSL_X86_64)
        .needed("liba.so")
        .needed("libc.musl-x86_64.so.1")
        .needed("libpthread.so.0")
        .runpath("/r");
    // RUNPATH is inherited; LD_LIBRARY_PATH comes before it; other tokens void a path.
    let base = alpine()
        .file("app/bin/run", app.build())
        .file("r/liba.so", Builder::library().needed("libb.so").build())
        .file(
            "r/libb.so",
            Builder::library()
                .runpath("/v/$LIB")
                .needed("libd.so")
                .build(),
        )
        .file("usr/local/lib/libd.so", library())
        .file("usr/lib/libd.so", library())
        .file("usr/lib/glibc-hwcaps/x86-64-v3/libd.so", library());
    let image = base.clone().build();
    let musl = "/lib/ld-musl-x86_64.so.1";
    assert_eq!(
        load(&image),
        [
            format!("/app/bin/run -> {musl} Path"),
            "/app/bin/run -> /r/liba.so Rpath".into(),
            format!("/app/bin/run -> {musl} Loaded"),
            format!("/app/bin/run -> {musl} Loaded"),
            "/r/liba.so -> /r/libb.so Rpath".into(),
            "/r/libb.so -> /usr/local/lib/libd.so Default".into(),
        ]
    );
    let configured = base
        .file("etc/ld-musl-x86_64.path", "/nothing\n/usr/lib:/x\n")
        .file("env/liba.so", library())
        .build();
    let environment = Environment {
        library_path: Some(b"/env".to_vec()),
        ..Environment::default()
    };
    let closure = load_in(&configured, environment);
    assert_eq!(closure.edges[1].rule, Rule::LibraryPath);
    let lines = libraries(&configured).join("\n");
    assert!(lines.contains("-> /usr/lib/libd.so Default"), "{lines}");
}

#[test]
fn the_flavour_is_that_of_the_file_behind_the_name() {
    let flavour = |image: &TestTree, bytes: &[u8]| {
        let object: Object = jettison::elf::parse(bytes).unwrap().unwrap();
        let loader = Loader::new(&image.tree, &image.contents, Environment::default());
        loader.flavour(&object).unwrap()
    };
    let program = program().build();
    assert_eq!(flavour(&debian().build(), &program), Flavour::Glibc);
    // Alpine's libc6-compat.
    let compat = alpine().symlink("lib64/ld-linux-x86-64.so.2", "/lib/libc.musl-x86_64.so.1");
    assert_eq!(flavour(&compat.build(), &program), Flavour::Musl);
    // Libraries have no interpreter: what they need tells.
    let module = Builder::library().needed("libc.musl-x86_64.so.1").build();
    assert_eq!(flavour(&alpine().build(), &module), Flavour::Musl);
    let module = Builder::library().needed("libc.so.6").build();
    assert_eq!(flavour(&debian().build(), &module), Flavour::Glibc);
    assert_eq!(
        flavour(&tree::Builder::new().build(), &module),
        Flavour::Other
    );
}

#[test]
fn a_glibc_program_on_musl_lacks_its_interpreter() {
    let image = alpine().file("app/bin/run", program().build()).build();
    assert_eq!(
        load(&image),
        [
            "/app/bin/run lacks /lib64/ld-linux-x86-64.so.2 Interpreter",
            "/app/bin/run lacks liba.so Needed",
        ]
    );
}

#[test]
fn without_a_known_loader_the_usual_directories_are_searched() {
    for (path, machine) in [
        ("usr/lib/aarch64-linux-gnu/liba.so", 183),
        ("usr/lib64/liba.so", 62),
        ("lib/liba.so", 62),
        ("lib/s390x-linux-gnu/liba.so", 22),
    ] {
        let object = |builder: Builder| {
            let builder = builder.machine(machine);
            let builder = if machine == 22 {
                builder.big_endian()
            } else {
                builder
            };
            builder.build()
        };
        let image = tree::Builder::new()
            .file("app/bin/run", object(Builder::library().needed("liba.so")))
            .file(path, object(Builder::library()))
            .build();
        assert_eq!(load(&image), [format!("/app/bin/run -> /{path} Default")]);
    }
}

#[test]
fn libraries_opened_by_name_are_found_from_their_opener() {
    let image = debian()
        .file("app/bin/run", program().build())
        .file(
            "usr/lib/liba.so",
            Builder::library().runpath("/plugins").build(),
        )
        .file(
            "plugins/libplugin.so",
            Builder::library().needed("libdep.so").build(),
        )
        .file("usr/lib/libdep.so", library())
        .build();
    let loader = Loader::new(&image.tree, &image.contents, Environment::default());
    let mut process = Process::start(&loader, image.node("app/bin/run")).unwrap();
    let opener = image.node("usr/lib/liba.so");
    let opened = process.open(opener, b"libplugin.so").unwrap();
    assert_eq!(opened, Some(image.node("plugins/libplugin.so")));
    assert_eq!(process.open(opener, b"libnone.so").unwrap(), None);
    let from_program = process.open(image.node("app/bin/run"), b"libother.so");
    assert_eq!(from_program.unwrap(), None);
    let closure = process.into_closure();
    assert_eq!(
        show(&image, &closure)[2..],
        [
            "/usr/lib/liba.so -> /plugins/libplugin.so Runpath",
            "/plugins/libplugin.so -> /usr/lib/libdep.so Default via /lib",
            "/usr/lib/liba.so lacks libnone.so Opened",
            "/app/bin/run lacks libother.so Opened",
        ]
    );
}

#[test]
fn what_is_no_program_has_a_name() {
    let mut broken = program().build();
    broken.truncate(100);
    let image = debian()
        .file("app/script", "#!/bin/sh\n")
        .file("app/broken", broken)
        .build();
    let loader = Loader::new(&image.tree, &image.contents, Environment::default());
    let message = |path: &str| loader.closure(image.node(path)).unwrap_err().to_string();
    assert_eq!(message("app/script"), "`/app/script` is not an ELF object");
    assert_eq!(
        message("app/broken"),
        "cannot find what `/app/broken` loads"
    );
}
