//! Programs that compiled code and scripts of packages name, and files that are not what their ending says.

mod kept;

use kept::{base, kept_by_default, program};
use testkit::elf;
use testkit::tree::Builder;

const STATUS: &str = "Package: coreutils\nEssential: yes\nStatus: install ok installed\n\
    Architecture: amd64\nVersion: 1\n\n\
    Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n";

/// Tools, which a package database makes those of the system, and not the user's.
fn tools() -> Builder {
    base()
        .executable("usr/bin/sort", program().build())
        .executable("usr/bin/date", program().build())
        .executable("usr/bin/vi", program().build())
        .file("var/lib/dpkg/status", format!("{STATUS}\n"))
        .file(
            "var/lib/dpkg/info/coreutils.list",
            "/bin/sh\n/usr/bin/sort\n/usr/bin/date\n/usr/bin/vi\n",
        )
}

/// The constant pool of a class: its names, and a literal.
fn class(name: &str, literal: &str) -> Vec<u8> {
    let text = |text: &str| [&[1, 0, text.len() as u8], text.as_bytes()].concat();
    let pool = [text(name), text(literal), vec![8, 0, 2]].concat();
    [&b"\xca\xfe\xba\xbe\0\0\0\x3d\0\x04"[..], &pool].concat()
}

#[test]
fn classes_name_what_they_start() {
    let image = |name: &str| {
        tools()
            .executable(
                "usr/bin/java",
                program().data(b"\0JDK_JAVA_OPTIONS\0").build(),
            )
            .file("app/Main.class", class(name, "date -u; sort"))
    };
    let config = r#"{"Cmd":["java","-cp","/app","Main"],"WorkingDir":"/app"}"#;
    let rest = "/app/Main.class application\n";
    assert_eq!(
        kept_by_default(&image("java/lang/ProcessBuilder"), config),
        format!("{rest}/usr/bin/date spawn\n/usr/bin/java entrypoint\n/usr/bin/sort spawn\n")
    );
    assert_eq!(
        kept_by_default(&image("java/lang/Object"), config),
        format!("{rest}/usr/bin/java entrypoint\n")
    );
}

#[test]
fn classes_that_a_server_deploys_are_the_application() {
    let system = tools()
        .executable(
            "usr/bin/java",
            program().data(b"\0JDK_JAVA_OPTIONS\0").build(),
        )
        .file("var/lib/dpkg/info/app.list", "/usr/bin/java\n");
    let place = "var/lib/app/webapps/a/WEB-INF/classes/A.class";
    let deployed = Builder::new().file(place, class("java/lang/ProcessBuilder", "date -u"));
    let kept = kept::kept_of_layers(
        vec![system.tar(), deployed.tar()],
        &["ADD base.tar /", "COPY a /var/lib/app/webapps/a"],
        r#"{"Cmd":["java"]}"#,
    );
    assert_eq!(
        kept,
        format!("/usr/bin/date spawn\n/usr/bin/java entrypoint\n/{place} authored\n")
    );
}

#[test]
fn a_script_of_a_package_that_a_library_names_may_be_run() {
    let library = elf::Builder::library()
        .soname("libfont.so.1")
        .import("execvp");
    let image = |says: &str| {
        tools()
            .executable("usr/bin/app", program().needed("libfont.so.1").build())
            .file("usr/lib/libfont.so.1", library.clone().data(says).build())
            .executable("usr/bin/make-font", "#!/bin/sh\nsort\n")
            .executable("usr/bin/edit-font", "#!/bin/sh\nvi\n")
            .file(
                "var/lib/dpkg/status",
                format!(
                    "{STATUS}Depends: fonts\n\n\
                     Package: fonts\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"
                ),
            )
            .file(
                "var/lib/dpkg/info/app.list",
                "/usr/bin/app\n/usr/lib/libfont.so.1\n",
            )
            .file(
                "var/lib/dpkg/info/fonts.list",
                "/usr/bin/make-font\n/usr/bin/edit-font\n",
            )
    };
    let config = r#"{"Cmd":["/bin/sh","-c","app"]}"#;
    let scripts = "/usr/bin/edit-font package\n/usr/bin/make-font package\n";
    let first = "/bin/sh entrypoint\n/usr/bin/app entrypoint\n";
    let library = "/usr/lib/libfont.so.1 needed\n";
    assert_eq!(
        kept_by_default(&image("\0make-font\0"), config),
        format!("{first}{scripts}/usr/bin/sort spawn\n{library}")
    );
    assert_eq!(
        kept_by_default(&image("\0make\0font\0"), config),
        format!("{first}{scripts}{library}")
    );
}

#[test]
fn modules_of_guile_are_no_sources_of_go() {
    let modules = "usr/lib/guile/3.0/ccache/ice-9/boot-9.go";
    let image = tools()
        .executable(
            "usr/bin/guile",
            program().data(b"\0GUILE_LOAD_PATH\0").build(),
        )
        .file(modules, "x")
        .file("usr/lib/guile/3.0/main.go", "package main")
        .file(
            "var/lib/dpkg/info/app.list",
            format!("/usr/bin/guile\n/{modules}\n/usr/lib/guile/3.0/main.go\n"),
        );
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["guile"]}"#),
        format!("/usr/bin/guile entrypoint\n/{modules} package\n")
    );
}

#[test]
fn settings_of_the_application_name_what_was_asked_for() {
    let image = |file: &str, text: &str| {
        let media = "Package: media\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDepends: media-bin\n\n\
            Package: media-bin\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
            Package: other\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n";
        let automatic =
            |name: &str| format!("Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n");
        let large = || program().data("x".repeat(4 << 20)).build();
        tools()
            .executable("app/run", program().build())
            .executable("usr/bin/play-6", large())
            .symlink("etc/alternatives/play", "/usr/bin/play-6")
            .symlink("usr/bin/play", "/etc/alternatives/play")
            .executable("usr/bin/other", large())
            .file(file, text)
            .file("var/lib/dpkg/status", format!("{STATUS}\n{media}\n"))
            .file(
                "var/lib/apt/extended_states",
                automatic("media-bin") + &automatic("other"),
            )
            .file(
                "var/lib/dpkg/info/media.list",
                "/usr/share/doc/media/copyright\n",
            )
            .file("var/lib/dpkg/info/media-bin.list", "/usr/bin/play-6\n")
            .file("var/lib/dpkg/info/other.list", "/usr/bin/other\n")
    };
    let config = r#"{"Cmd":["/app/run"],"WorkingDir":"/app"}"#;
    let jobs = r#"{"effects": {"tool": "play", "args": ["-n"]}, "more": "other"}"#;
    assert_eq!(
        kept_by_default(&image("app/jobs.json", jobs), config),
        "/app/jobs.json application\n/app/run entrypoint\n/etc/alternatives/play symlink\n\
         /usr/bin/play symlink\n/usr/bin/play-6 script-command\n"
    );
    assert_eq!(
        kept_by_default(&image("app/package.json", jobs), config),
        "/app/package.json application\n/app/run entrypoint\n"
    );
}

#[test]
fn a_source_of_a_package_names_what_was_asked_for_and_its_packager_suggests() {
    let image = |suggests: &str, asked: bool| {
        let checker =
            "Package: checks\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n";
        let automatic = match asked {
            true => "",
            false => "Package: checks\nArchitecture: all\nAuto-Installed: 1\n\n",
        };
        tools()
            .executable("usr/bin/run", program().build())
            .executable(
                "usr/bin/app",
                "#!/usr/bin/run\n# 'checker'\nfind_program('checker');\n",
            )
            .executable(
                "usr/bin/checker",
                program().data("x".repeat(4 << 20)).build(),
            )
            .file(
                "var/lib/dpkg/status",
                format!("{STATUS}{suggests}\n{checker}"),
            )
            .file("var/lib/apt/extended_states", automatic)
            .file("var/lib/dpkg/info/app.list", "/usr/bin/app\n")
            .file("var/lib/dpkg/info/checks.list", "/usr/bin/checker\n")
    };
    let stays = |image: &Builder| {
        kept_by_default(image, r#"{"Cmd":["app"]}"#).contains("/usr/bin/checker ")
    };
    assert!(stays(&image("Suggests: checks\n", true)));
    assert!(!stays(&image("Source: checks\nSuggests: checks\n", true)));
    assert!(!stays(&image("Suggests: checks\n", false)));
    assert!(!stays(&image("", true)));
}

#[test]
fn a_command_of_a_package_that_is_run_starts_what_its_lines_for_a_shell_say() {
    let image = tools()
        .executable("usr/bin/perl", program().data(b"\0PERL5LIB\0").build())
        .executable("usr/bin/start", "#!/bin/sh\nensite site\n")
        .executable(
            "usr/bin/ensite",
            "#!/usr/bin/perl\nsub vi {}\nmy $now = qx{date -u | sort};\n",
        )
        .executable("usr/bin/other", "#!/usr/bin/perl\nqx{vi};\n")
        .file(
            "var/lib/dpkg/info/app.list",
            "/usr/bin/ensite\n/usr/bin/other\n",
        );
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["/usr/bin/start"]}"#),
        "/bin/sh interpreter\n/usr/bin/date script-command\n/usr/bin/ensite script-command\n\
         /usr/bin/other package\n/usr/bin/perl interpreter\n/usr/bin/sort script-command\n\
         /usr/bin/start entrypoint\n"
    );
}

#[test]
fn what_finds_the_interpreter_of_a_command_stays_with_it() {
    let image = tools()
        .executable("usr/bin/env", program().build())
        .executable("usr/bin/perl", program().data(b"\0PERL5LIB\0").build())
        .executable("usr/bin/app", program().build())
        .executable("usr/bin/app-tool", "#!/usr/bin/env perl\n")
        .file("usr/share/app/part", "#!/usr/bin/env perl\n")
        .file(
            "var/lib/dpkg/info/app.list",
            "/usr/bin/app\n/usr/bin/app-tool\n/usr/share/app/part\n",
        );
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["sh", "-c", "app; perl x"]}"#),
        "/bin/sh entrypoint\n/usr/bin/app entrypoint\n/usr/bin/app-tool package\n\
         /usr/bin/env interpreter\n/usr/bin/perl entrypoint\n/usr/share/app/part package\n"
    );
}

#[test]
fn neither_recipes_nor_tables_of_words_start_anything() {
    let words: String = (0..300)
        .map(|number| format!("    'word{number}',\n"))
        .collect();
    let image = |file: &str, text: &str| {
        let automatic = "Package: app\nArchitecture: amd64\nAuto-Installed: 1\n\n";
        let edit =
            "Package: edit\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n";
        let large = program().data("x".repeat(5 << 20)).build();
        tools()
            .executable("app/run", program().build())
            .executable("usr/bin/edit-more", large)
            .file(file, text)
            .file("var/lib/dpkg/status", format!("{STATUS}\n{edit}"))
            .file("var/lib/apt/extended_states", automatic)
            .file("var/lib/dpkg/info/edit.list", "/usr/bin/edit-more\n")
    };
    let config = r#"{"Cmd":["/app/run"],"WorkingDir":"/app"}"#;
    let starts = |image: &Builder| kept_by_default(image, config).contains("/usr/bin/edit-more ");
    let line = "RUN [\"edit-more\", \"x\"]\n";
    assert!(starts(&image("app/steps.rb", line)));
    for recipe in [
        "Dockerfile",
        "Dockerfile.test",
        "app.dockerfile",
        ".gitlab-ci.yml",
    ] {
        let shebang = format!("#!/bin/sh\n{line}edit-more\n");
        assert!(
            !starts(&image(&format!("app/{recipe}"), &shebang)),
            "{recipe}"
        );
    }
    // Of what somebody else wrote.
    let table = format!("WORDS = (\n{words}    'edit-more',\n)\n");
    let module = "app/node_modules/words/index.js";
    assert!(starts(&image(module, "['edit-more']")));
    assert!(!starts(&image(module, &table)));
}

#[test]
fn a_page_has_its_server_run_a_line_of_a_shell() {
    let config = r#"{"Cmd":["/app/serve"],"WorkingDir":"/app"}"#;
    let runs = |page: &str| {
        let image = tools()
            .executable("app/serve", program().build())
            .executable("usr/bin/translate", program().build())
            .file("app/index.shtml", page);
        let kept = kept_by_default(&image, config);
        ["/bin/sh ", "/usr/bin/translate "].map(|path| kept.contains(path))
    };
    let page = |directive: &str| format!("<p>It is <!--#{directive} -->.</p>");
    let both = "exec cmd=\"echo now | translate a-z A-Z\"";
    assert_eq!(runs(&page(both)), [true, true]);
    assert_eq!(runs(&page("exec cgi='/cgi-bin/translate'")), [false; 2]);
    assert_eq!(runs("translate"), [false; 2]);
}
