//! What stays because it was installed by name, or adds to what is kept, and what does not because it merely came along.

mod kept;

use kept::installed::{ESSENTIAL, Package, installed, kept_of, library, package};
use kept::{base, program};
use testkit::elf;
use testkit::tree::Builder;

const CONFIG: &str = r#"{"Cmd":["/usr/bin/app"]}"#;

#[test]
fn a_package_that_adds_to_a_kept_one_stays() {
    let layer = base()
        .executable("usr/bin/app", program().build())
        .file("usr/lib/office/libcore.so", library(8))
        .file("usr/lib/office/libwriter.so", library(8))
        .file("usr/lib/office/libother.so", library(8))
        .file("usr/share/writer/styles.xml", "<styles/>")
        .file("usr/share/far/data", "x");
    let packages = [
        ESSENTIAL,
        package(
            "office-core",
            "Source: office\n",
            &[
                "/usr/bin/app",
                "/usr/lib/office",
                "/usr/lib/office/libcore.so",
            ],
        ),
        package(
            "office-writer",
            "Source: office\nDepends: office-core\n",
            &[
                "/usr/lib/office",
                "/usr/lib/office/libwriter.so",
                "/usr/share/writer/styles.xml",
            ],
        ),
        // Of another source, and in another place.
        package(
            "stranger",
            "Depends: office-core\n",
            &["/usr/lib/office", "/usr/lib/office/libother.so"],
        ),
        package(
            "office-far",
            "Source: office\nDepends: office-core\n",
            &["/usr/share/far/data"],
        ),
    ];
    let automatic = ["office-writer", "stranger", "office-far"];
    assert_eq!(
        kept_of(&[installed(layer, &packages, &automatic)], CONFIG),
        "/usr/bin/app entrypoint\n/usr/lib/office/libcore.so package\n\
         /usr/lib/office/libwriter.so package\n/usr/share/writer/styles.xml package\n"
    );
}

#[test]
fn what_was_asked_for_adds_to_what_it_depends_on() {
    let image = |fields: &'static str, automatic: &[&str]| {
        let layer = base()
            .executable("usr/bin/app", program().build())
            .file("usr/share/app/std/one.m", "function")
            .file("usr/share/app/packages/more/two.m", "function")
            .file("usr/share/app/index", "more")
            .file("usr/share/app/cache", "x".repeat(2 << 20))
            .file("usr/share/more/three.m", "function");
        let app = package(
            "app",
            "",
            &[
                "/usr/bin/app",
                "/usr/share/app",
                "/usr/share/app/packages",
                "/usr/share/app/std/one.m",
            ],
        );
        let more = package(
            "app-more",
            fields,
            &[
                "/usr/share/app/packages/more/two.m",
                "/usr/share/more/three.m",
            ],
        );
        kept_of(
            &[installed(layer, &[ESSENTIAL, app, more], automatic)],
            CONFIG,
        )
    };
    let own = "/usr/bin/app entrypoint\n/usr/share/app/index package\n";
    let (std, more) = (
        "/usr/share/app/std/one.m package\n",
        "/usr/share/app/packages/more/two.m package\n",
    );
    let with = format!("{own}{more}{std}/usr/share/more/three.m package\n");
    let without = format!("{own}{std}");
    assert_eq!(image("Depends: app\n", &[]), with);
    assert_eq!(image("Depends: app\n", &["app-more"]), without);
    assert_eq!(image("Section: devel\nDepends: app\n", &[]), without);
    assert_eq!(image("", &[]), without);
}

#[test]
fn what_was_asked_for_adds_to_the_directory_of_a_library() {
    let layer = base()
        .executable("usr/bin/app", program().needed("libspell.so.1").build())
        .file("usr/lib/libspell.so.1", library(8))
        .file("usr/lib/spell/latin1.cset", "x")
        .file("usr/lib/spell/en.dict", "x")
        .symlink("usr/lib/spell/en.words", "/var/lib/spell/en.words")
        .file("var/lib/spell/en.words", "made when it was installed")
        .file("usr/lib/spell/de.dict", "x")
        .file("usr/share/doc/spell-en/README", "x");
    let packages = [
        ESSENTIAL,
        package("app", "", &["/usr/bin/app"]),
        package(
            "libspell1",
            "",
            &[
                "/usr/lib/libspell.so.1",
                "/usr/lib/spell",
                "/usr/lib/spell/latin1.cset",
            ],
        ),
        package(
            "spell-en",
            "",
            &[
                "/usr/lib/spell",
                "/usr/lib/spell/en.dict",
                "/usr/lib/spell/en.words",
                "/usr/share/doc/spell-en/README",
            ],
        ),
        package(
            "spell-de",
            "",
            &["/usr/lib/spell", "/usr/lib/spell/de.dict"],
        ),
    ];
    let automatic = ["libspell1", "spell-de"];
    assert_eq!(
        kept_of(&[installed(layer, &packages, &automatic)], CONFIG),
        "/usr/bin/app entrypoint\n/usr/lib/libspell.so.1 needed\n/usr/lib/spell/en.dict package\n\
         /usr/lib/spell/en.words package\n/usr/lib/spell/latin1.cset package\n\
         /var/lib/spell/en.words symlink\n"
    );
}

#[test]
fn a_public_library_beside_a_program_stays_if_it_costs_next_to_nothing() {
    let layer = base()
        .executable("usr/bin/app", program().build())
        .file("usr/lib/libsmall.so.1", library(8))
        .file("usr/lib/libbinding.so.1", {
            elf::Builder::library().needed("libpython.so.3").build()
        })
        .file("usr/lib/libpython.so.3", library(4_000_000));
    let packages = [
        ESSENTIAL,
        package(
            "app",
            "",
            &[
                "/usr/bin/app",
                "/usr/lib/libsmall.so.1",
                "/usr/lib/libbinding.so.1",
            ],
        ),
        package("libpython", "", &["/usr/lib/libpython.so.3"]),
    ];
    assert_eq!(
        kept_of(&[installed(layer, &packages, &["libpython"])], CONFIG),
        "/usr/bin/app entrypoint\n/usr/lib/libsmall.so.1 package\n"
    );
}

#[test]
fn what_came_with_a_home_says_nothing() {
    let image = |settings: &str| {
        let layer = base()
            .executable("usr/bin/app", program().build())
            .executable("usr/bin/pager", program().build())
            .file("etc/passwd", "app:x:1000:1000::/home/app:/bin/sh\n")
            .file("etc/skel/.bashrc", "test -x /usr/bin/pager\n")
            .file("home/app/.bashrc", settings);
        kept_of(
            &[installed(layer, &[ESSENTIAL], &[])],
            r#"{"Cmd":["/usr/bin/app"],"User":"app"}"#,
        )
    };
    let rest = "/etc/passwd system\n/home/app/.bashrc config-user\n/usr/bin/app entrypoint\n";
    assert_eq!(image("test -x /usr/bin/pager\n"), rest);
    assert_eq!(
        image("exec    /usr/bin/pager\n"),
        format!("{rest}/usr/bin/pager path\n")
    );
}

#[test]
fn cron_runs_the_jobs_of_packages_that_were_asked_for() {
    let layer = base()
        .executable("usr/bin/app", program().data(b"\0/etc/crontab\0").build())
        .executable("usr/bin/awk", program().build())
        .executable("usr/bin/run-parts", program().build())
        .executable("usr/sbin/rotate", program().build())
        .file(
            "etc/crontab",
            "25 6 * * * root cd / && run-parts --report /etc/cron.daily\n",
        )
        .executable("etc/cron.daily/base", "#!/bin/sh\nawk 1\n")
        .executable("etc/cron.daily/rotate", "#!/bin/sh\nrotate\n")
        .executable("etc/cron.daily/other", "#!/bin/sh\nawk 2\n")
        .executable("usr/sbin/poll", program().data("x".repeat(5 << 20)).build())
        .file("etc/cron.d/base", "* * * * * root awk 3\n")
        .file("etc/cron.d/rotate", "*/5 * * * * root poll >/dev/null\n")
        .file("etc/cron.d/other", "* * * * * root awk 4\n");
    let packages = [
        package(
            "dash",
            "Essential: yes\n",
            &[
                "/bin/sh",
                "/usr/bin/awk",
                "/usr/bin/run-parts",
                "/etc/cron.daily/base",
                "/etc/cron.d/base",
            ],
        ),
        package("app", "", &["/usr/bin/app", "/etc/crontab"]),
        package(
            "rotate",
            "",
            &[
                "/usr/sbin/rotate",
                "/usr/sbin/poll",
                "/etc/cron.daily/rotate",
                "/etc/cron.d/rotate",
            ],
        ),
        package("other", "", &["/etc/cron.daily/other", "/etc/cron.d/other"]),
    ];
    assert_eq!(
        kept_of(&[installed(layer, &packages, &["other"])], CONFIG),
        "/bin/sh interpreter\n/etc/cron.d/rotate script-command\n\
         /etc/cron.daily/rotate script-command\n/etc/crontab path\n\
         /usr/bin/app entrypoint\n/usr/bin/run-parts script-command\n\
         /usr/sbin/poll script-command\n/usr/sbin/rotate script-command\n"
    );
}

#[test]
fn what_is_served_has_its_state() {
    let layer = base()
        .executable("usr/bin/app", program().build())
        .file("etc/app.conf", "root /usr/share/press\n")
        .file("usr/share/press/index.php", "<?php")
        .file("usr/share/press/languages/de.mo", "x")
        .file("usr/share/press/themes/plain/style.css", "x")
        .file("var/lib/press/index.php", "<?php")
        .symlink(
            "var/lib/press/themes/plain",
            "/usr/share/press/themes/plain",
        )
        .symlink(
            "var/lib/press/languages/de.mo",
            "/usr/share/press/languages/de.mo",
        )
        .symlink("var/lib/press/gone", "/usr/share/doc/press");
    let packages = [
        ESSENTIAL,
        package("app", "", &["/usr/bin/app", "/etc/app.conf"]),
        package(
            "press",
            "",
            &[
                "/usr/share/press",
                "/usr/share/press/index.php",
                "/usr/share/press/languages/de.mo",
                "/var/lib/press/index.php",
            ],
        ),
        package(
            "press-theme",
            "Source: press\n",
            &[
                "/usr/share/press",
                "/usr/share/press/themes/plain/style.css",
                "/var/lib/press/themes/plain",
            ],
        ),
    ];
    let config = r#"{"Cmd":["/usr/bin/app","/etc/app.conf"]}"#;
    assert_eq!(
        kept_of(&[installed(layer, &packages, &[])], config),
        "/etc/app.conf entrypoint\n/usr/bin/app entrypoint\n/usr/share/press/index.php plugin-dir\n\
         /usr/share/press/languages/de.mo plugin-dir\n\
         /usr/share/press/themes/plain/style.css plugin-dir\n/var/lib/press/index.php package\n\
         /var/lib/press/languages/de.mo package\n/var/lib/press/themes/plain package\n"
    );
}

#[test]
fn logs_are_rotated_of_what_stays() {
    let layer = base()
        .executable("usr/bin/app", program().build())
        .executable("usr/sbin/server", program().build())
        .executable("usr/sbin/other", program().build())
        .file("etc/logrotate.conf", "weekly\ninclude /etc/logrotate.d\n")
        .file("etc/logrotate.d/server", "x")
        .file("etc/logrotate.d/other", "x");
    let packages = [
        ESSENTIAL,
        package("app", "", &["/usr/bin/app", "/etc/logrotate.conf"]),
        package("server", "", &["/usr/sbin/server"]),
        package(
            "server-common",
            "Source: server\n",
            &["/etc/logrotate.d/server"],
        ),
        package("other", "", &["/usr/sbin/other", "/etc/logrotate.d/other"]),
    ];
    assert_eq!(
        kept_of(&[installed(layer, &packages, &["other"])], CONFIG),
        "/etc/logrotate.conf package\n/etc/logrotate.d/server path\n/usr/bin/app entrypoint\n\
         /usr/sbin/server package\n"
    );
}

#[test]
fn words_name_no_tools_of_developers_but_to_what_depends_on_them() {
    let image = |fields: &'static str| {
        let layer = base()
            .executable(
                "usr/bin/app",
                program().import("system").data(b"\0size -x\0").build(),
            )
            .executable(
                "usr/bin/size",
                program().data("x".repeat(2_000_000)).build(),
            );
        let packages = [
            ESSENTIAL,
            Package {
                name: "app",
                fields,
                files: &["/usr/bin/app"],
            },
            package("binutils", "Section: devel\n", &["/usr/bin/size"]),
        ];
        kept_of(&[installed(layer, &packages, &["binutils"])], CONFIG)
    };
    let rest = "/bin/sh interpreter\n/usr/bin/app entrypoint\n";
    assert_eq!(image(""), rest);
    assert_eq!(
        image("Depends: binutils\n"),
        format!("{rest}/usr/bin/size spawn\n")
    );
}

#[test]
fn an_important_package_on_top_of_the_base_was_asked_for() {
    let tools = |layer: Builder| layer.executable("usr/bin/top", program().build());
    let packages = [
        ESSENTIAL,
        package("app", "", &["/usr/bin/app"]),
        package("procps", "Priority: important\n", &["/usr/bin/top"]),
    ];
    let app = || Builder::new().executable("usr/bin/app", program().build());
    let below = kept_of(&[tools(base()), installed(app(), &packages, &[])], CONFIG);
    assert_eq!(below, "/usr/bin/app entrypoint\n");
    let above = kept_of(&[base(), installed(tools(app()), &packages, &[])], CONFIG);
    assert_eq!(above, "/usr/bin/app entrypoint\n/usr/bin/top package\n");
}

#[test]
fn commands_of_one_source_have_their_tools() {
    let image = |source: &'static str| {
        let layer = base()
            .executable("usr/bin/app", program().build())
            .executable("usr/bin/awk", program().build())
            .executable("usr/bin/cycle", "#!/bin/sh\nawk 1\n");
        let packages = [
            ESSENTIAL,
            package(
                "app-light",
                "Source: app\nDepends: app-base\n",
                &["/usr/bin/app"],
            ),
            package("app-base", source, &["/usr/bin/cycle"]),
        ];
        let config = r#"{"Cmd":["/bin/sh","-c","app --all"]}"#;
        kept_of(&[installed(layer, &packages, &["app-base"])], config)
    };
    let with = image("Source: app\n");
    assert!(with.contains("/usr/bin/awk spawn\n"), "{with}");
    let without = image("Source: other\n");
    assert!(!without.contains("/usr/bin/awk"), "{without}");
}

#[test]
fn a_word_of_a_program_names_what_its_package_speaks_of() {
    let large = || program().data("x".repeat(4 << 20)).build();
    let words = b"\0viewer\0compile\0size\0meant\0small\0";
    let app = program().import("execvp").data(words).build();
    let layer = base()
        .executable("usr/bin/app", app)
        .executable("usr/bin/viewer", large())
        .executable("usr/bin/compile", large())
        .executable("usr/bin/size", large())
        .executable("usr/bin/meant", large())
        .executable("usr/bin/small", program().build());
    let packages = [
        ESSENTIAL,
        package("app", "Suggests: viewer-bin | other\n", &["/usr/bin/app"]),
        package("viewer-bin", "", &["/usr/bin/viewer"]),
        package("compiler", "", &["/usr/bin/compile"]),
        // Somebody asked for these by name: one is called like its package.
        package("tools", "", &["/usr/bin/size"]),
        package("meant", "", &["/usr/bin/meant"]),
        package("little", "", &["/usr/bin/small"]),
    ];
    let automatic = ["viewer-bin", "compiler", "little"];
    assert_eq!(
        kept_of(&[installed(layer, &packages, &automatic)], CONFIG),
        "/usr/bin/app entrypoint\n/usr/bin/meant spawn\n/usr/bin/small spawn\n/usr/bin/viewer spawn\n"
    );
}

#[test]
fn an_interpreter_stays_for_scripts_beside_its_library() {
    let layer = |source: &'static str| {
        let data = b"\0/usr/share/wiki\0";
        let app = program().needed("libphp.so").data(data).build();
        let layer = base()
            .executable("usr/bin/app", app)
            .file("usr/lib/libphp.so", library(8))
            .file("usr/share/wiki/index.php", "<?php")
            .executable("usr/share/wiki/update.php", "#!/usr/bin/php\n<?php")
            .executable("usr/bin/php", program().data("x".repeat(5 << 20)).build());
        let packages = [
            ESSENTIAL,
            package("app", "", &["/usr/bin/app"]),
            package("libphp", "Source: php\n", &["/usr/lib/libphp.so"]),
            package("php-cli", source, &["/usr/bin/php"]),
            package(
                "wiki",
                "",
                &["/usr/share/wiki/index.php", "/usr/share/wiki/update.php"],
            ),
        ];
        installed(layer, &packages, &["libphp", "php-cli", "wiki"])
    };
    let rest = "/usr/lib/libphp.so needed\n/usr/share/wiki/index.php plugin-dir\n";
    assert_eq!(
        kept_of(&[layer("Source: php\n")], CONFIG),
        format!(
            "/usr/bin/app entrypoint\n/usr/bin/php interpreter\n{rest}/usr/share/wiki/update.php plugin-dir\n"
        )
    );
    assert_eq!(
        kept_of(&[layer("Source: other\n")], CONFIG),
        format!("/usr/bin/app entrypoint\n{rest}")
    );
}

#[test]
fn an_interpreter_stays_for_commands_of_what_was_asked_for_and_depends_on_it() {
    let image = |fields: &'static str, automatic: &[&str]| {
        let layer = base()
            .executable("usr/bin/app", program().build())
            .executable("usr/bin/app-query", "#!/usr/bin/run\nsay\n")
            .executable("usr/bin/run", program().data("x".repeat(5 << 20)).build());
        let packages = [
            ESSENTIAL,
            package("app", fields, &["/usr/bin/app", "/usr/bin/app-query"]),
            package("run", "Source: run\n", &[]),
            package("run-base", "Source: run\n", &["/usr/bin/run"]),
        ];
        kept_of(&[installed(layer, &packages, automatic)], CONFIG)
    };
    let automatic = ["run", "run-base"];
    assert_eq!(
        image("Depends: run\n", &automatic),
        "/usr/bin/app entrypoint\n/usr/bin/app-query package\n/usr/bin/run interpreter\n"
    );
    let alone = "/usr/bin/app entrypoint\n";
    assert_eq!(image("Recommends: run\n", &automatic), alone);
    assert_eq!(image("Depends: run\n", &["app", "run", "run-base"]), alone);
}

#[test]
fn a_script_that_only_runs_a_program_is_another_name_of_it() {
    let layer = base()
        .executable("usr/bin/app", program().data(b"\0/usr/bin/gzip\0").build())
        .executable("usr/bin/gzip", program().build())
        .executable("usr/bin/sed", program().build())
        .executable("usr/bin/zcat", "#!/bin/sh\nexec gzip -cd \"$@\"\n")
        .executable("usr/bin/zgrep", "#!/bin/sh\ngzip -cd | sed x\n")
        .executable("usr/bin/zpy", "#!/usr/bin/python\ngzip\n");
    let packages = [
        package(
            "gzip",
            "Essential: yes\n",
            &[
                "/usr/bin/gzip",
                "/usr/bin/zcat",
                "/usr/bin/zgrep",
                "/usr/bin/zpy",
                "/bin/sh",
            ],
        ),
        package("sed", "Essential: yes\n", &["/usr/bin/sed"]),
    ];
    let config = r#"{"Entrypoint":["sh","-c","exec app"]}"#;
    let kept = kept_of(&[installed(layer, &packages, &[])], config);
    assert!(kept.contains("/usr/bin/zcat package\n"), "{kept}");
    assert!(
        !kept.contains("/usr/bin/zgrep ") && !kept.contains("/usr/bin/zpy "),
        "{kept}"
    );
}

#[test]
fn another_name_of_a_script_goes_with_it() {
    let layer = base()
        .executable("usr/bin/app", program().build())
        .executable("usr/bin/app-enable", "#!/usr/bin/run\nsay\n")
        .symlink("usr/bin/app-disable", "app-enable")
        .executable("usr/bin/run", program().data("x".repeat(5 << 20)).build());
    let packages = [
        ESSENTIAL,
        package(
            "app",
            "",
            &[
                "/usr/bin/app",
                "/usr/bin/app-enable",
                "/usr/bin/app-disable",
            ],
        ),
        package("run", "", &["/usr/bin/run"]),
    ];
    let image = |config| kept_of(&[installed(layer.clone(), &packages, &["run"])], config);
    assert_eq!(image(CONFIG), "/usr/bin/app entrypoint\n");
    assert_eq!(
        image(r#"{"Entrypoint":["run"],"Cmd":["app"]}"#)
            .lines()
            .count(),
        4
    );
}

#[test]
fn a_setting_written_by_the_user_names_tools_of_the_base_system() {
    let words = "merge = /usr/bin/awk\n";
    let layer = base()
        .executable("usr/bin/app", program().data(b"\0/etc/wiki\0").build())
        .executable("usr/bin/awk", program().build())
        .file("etc/wiki/packaged.conf", words);
    let packages = [
        ESSENTIAL,
        package("app", "", &["/usr/bin/app", "/etc/wiki/packaged.conf"]),
    ];
    let image = installed(layer, &packages, &[]);
    let settings = "/etc/wiki/packaged.conf package\n";
    assert_eq!(
        kept_of(&[image], CONFIG),
        format!("{settings}/usr/bin/app entrypoint\n")
    );
    // So are scripts, with what runs them.
    let layer = base()
        .executable("usr/bin/app", program().data(b"\0/etc/wiki\0").build())
        .executable("usr/bin/awk", program().build())
        .executable("usr/bin/mark", "#!/usr/bin/speak\n")
        .executable("usr/bin/speak", program().build())
        .file("etc/wiki/packaged.conf", words)
        .file(
            "etc/wiki/written.conf",
            "merge = /usr/bin/awk\nmark = /usr/bin/mark\n",
        );
    assert_eq!(
        kept_of(&[installed(layer, &packages, &[])], CONFIG),
        format!(
            "{settings}/etc/wiki/written.conf plugin-dir\n/usr/bin/app entrypoint\n/usr/bin/awk path\n\
             /usr/bin/mark path\n/usr/bin/speak interpreter\n"
        )
    );
}

#[test]
fn a_script_stays_with_the_program_that_it_stands_for() {
    let layer = |bytes: usize| {
        let program_of = |bytes: usize| program().data("x".repeat(bytes)).build();
        let layer = base()
            .executable("usr/bin/app", "#!/bin/sh\ntrue\n")
            .executable("usr/bin/pack", "#!/bin/sh\nexec /usr/lib/zip/pack \"$@\"\n")
            .executable("usr/lib/zip/pack", program_of(bytes));
        let packages = [
            ESSENTIAL,
            package("app", "", &["/usr/bin/app"]),
            package("zip", "", &["/usr/bin/pack", "/usr/lib/zip/pack"]),
        ];
        installed(layer, &packages, &[])
    };
    let rest = "/bin/sh interpreter\n/usr/bin/app entrypoint\n";
    assert_eq!(
        kept_of(&[layer(1)], CONFIG),
        format!("{rest}/usr/bin/pack package\n/usr/lib/zip/pack spawn\n")
    );
    assert_eq!(kept_of(&[layer(4 << 20)], CONFIG), rest);
}

#[test]
fn the_program_that_a_package_is_named_after_was_asked_for() {
    let large = |bytes: usize| program().data("x".repeat(bytes)).build();
    let layer = base()
        .executable("usr/bin/app", program().build())
        .executable("usr/bin/convert", large(20 << 20))
        .executable("usr/bin/compile", large(20 << 20))
        .executable("usr/bin/query", large(5 << 20))
        .executable("usr/bin/query-bench", large(5 << 20))
        .executable("usr/bin/dependency", large(20 << 20));
    let packages = [
        ESSENTIAL,
        package("app", "", &["/usr/bin/app"]),
        package("convert", "Section: text\n", &["/usr/bin/convert"]),
        package("compile", "Section: devel\n", &["/usr/bin/compile"]),
        // The client is in a part of what was asked for.
        package(
            "query-client",
            "Source: query\nDepends: query-client-core, dependency\n",
            &["/usr/bin/query-bench"],
        ),
        package("query-client-core", "Source: query\n", &["/usr/bin/query"]),
        package("dependency", "", &["/usr/bin/dependency"]),
    ];
    let image = installed(layer, &packages, &["query-client-core", "dependency"]);
    assert_eq!(
        kept_of(&[image], CONFIG),
        "/usr/bin/app entrypoint\n/usr/bin/convert package\n/usr/bin/query package\n"
    );
}

#[test]
fn small_data_that_was_asked_for_stays_whole() {
    let names = b"\0/usr/share/dns/root.key\0";
    let kept = |automatic: &[&str], size: usize, files: &'static [&'static str]| {
        let layer = base()
            .executable("usr/bin/app", program().data(names).build())
            .file("usr/share/dns/root.key", "x")
            .file("usr/share/dns/root.hints", "x".repeat(size))
            .file(files[2], "x");
        let packages = [
            ESSENTIAL,
            package("app", "", &["/usr/bin/app"]),
            package("dns-data", "", files),
        ];
        kept_of(&[installed(layer, &packages, automatic)], CONFIG)
    };
    let without = "/usr/bin/app entrypoint\n/usr/share/dns/root.key path\n";
    let with = "/usr/bin/app entrypoint\n/usr/share/dns/root.hints package\n/usr/share/dns/root.key path\n";
    let readme = &[
        "/usr/share/dns/root.key",
        "/usr/share/dns/root.hints",
        "/usr/share/doc/dns-data/README",
    ];
    let settings = &[
        "/usr/share/dns/root.key",
        "/usr/share/dns/root.hints",
        "/etc/dns.conf",
    ];
    assert_eq!(kept(&[], 9, readme), with);
    assert_eq!(kept(&["dns-data"], 9, readme), without);
    assert_eq!(kept(&[], 2 << 20, readme), without);
    assert_eq!(kept(&[], 9, settings), without);
}

#[test]
fn sub_commands_that_were_asked_for_stay_with_their_tool() {
    let large = program().data("x".repeat(20 << 20)).build();
    let kept = |command: &str| {
        let layer = base()
            .executable("usr/bin/git", program().build())
            .executable("usr/bin/git-lfs", large.clone())
            .executable("usr/bin/hg-lfs", large.clone());
        let packages = [
            ESSENTIAL,
            package("git", "Section: vcs\n", &["/usr/bin/git"]),
            package("git-lfs", "Section: vcs\n", &["/usr/bin/git-lfs"]),
            package("hg-lfs", "Section: vcs\n", &["/usr/bin/hg-lfs"]),
        ];
        let config = format!(r#"{{"Cmd":["{command}"]}}"#);
        kept_of(&[installed(layer, &packages, &[])], &config)
    };
    assert_eq!(
        kept("git"),
        "/usr/bin/git entrypoint\n/usr/bin/git-lfs package\n"
    );
    assert_eq!(kept("sh"), "/bin/sh entrypoint\n/usr/bin/git package\n");
}
