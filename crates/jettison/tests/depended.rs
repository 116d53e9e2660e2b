//! What stays because a package depends on it, what does not although one recommends it, and what maintainer scripts made.

mod kept;

use kept::installed::{ESSENTIAL, installed, kept_of, library, package};
use kept::{base, program};
use testkit::elf;

const CONFIG: &str = r#"{"Cmd":["/usr/bin/app"]}"#;

#[test]
fn a_source_names_a_program_of_what_its_package_depends_on() {
    let large = || program().data("x".repeat(5 << 20)).build();
    let image = |depends: &'static str| {
        let layer = base()
            .executable("usr/bin/python3", program().data(b"\0PYTHONHOME\0").build())
            .executable(
                "usr/bin/app",
                "#!/usr/bin/python3\nargs = ['recognise']\nrun(args)\n",
            )
            .executable("usr/bin/recognise", large());
        let packages = [
            ESSENTIAL,
            package("app", depends, &["/usr/bin/app"]),
            package("recogniser", "", &["/usr/bin/recognise"]),
        ];
        installed(layer, &packages, &["recogniser"])
    };
    let rest = "/usr/bin/app entrypoint\n/usr/bin/python3 interpreter\n";
    assert_eq!(
        kept_of(&[image("Depends: recogniser\n")], CONFIG),
        format!("{rest}/usr/bin/recognise script-command\n")
    );
    assert_eq!(kept_of(&[image("")], CONFIG), rest);
    // What is recommended stays if it costs little, and this does not.
    assert_eq!(kept_of(&[image("Recommends: recogniser\n")], CONFIG), rest);
    // A command that came along is seldom run.
    let config = r#"{"Cmd":["python3", "-c", "pass"]}"#;
    let layer = image("Depends: recogniser\n");
    assert!(!kept_of(&[layer], config).contains("recognise"));
}

#[test]
fn small_programs_stay_on_which_what_was_asked_for_depends() {
    let layer = || {
        base()
            .executable("usr/bin/app", program().build())
            .executable("usr/bin/backup", program().build())
            .executable("usr/bin/huge", program().data("x".repeat(5 << 20)).build())
            .executable("usr/bin/compile", program().build())
    };
    let packages = [
        ESSENTIAL,
        package("app", "Depends: tools, compiler\n", &["/usr/bin/app"]),
        package("tools", "", &["/usr/bin/backup", "/usr/bin/huge"]),
        package("compiler", "Section: devel\n", &["/usr/bin/compile"]),
    ];
    let automatic = ["tools", "compiler"];
    assert_eq!(
        kept_of(&[installed(layer(), &packages, &automatic)], CONFIG),
        "/usr/bin/app entrypoint\n/usr/bin/backup package\n"
    );
    let automatic = ["app", "tools", "compiler"];
    assert_eq!(
        kept_of(&[installed(layer(), &packages, &automatic)], CONFIG),
        "/usr/bin/app entrypoint\n"
    );
}

#[test]
fn a_client_that_holds_its_libraries_may_be_as_large_as_its_server() {
    let go = |bytes: usize| {
        let object = elf::Builder::program().note("Go", 4, "id");
        object.data("x".repeat(bytes)).build()
    };
    let kept = |client: usize, source: &'static str| {
        let layer = base()
            .executable("usr/bin/app", go(6 << 20))
            .executable("usr/bin/appctl", go(client));
        let packages = [
            ESSENTIAL,
            package("app-server", "Source: app\n", &["/usr/bin/app"]),
            package("app-client", source, &["/usr/bin/appctl"]),
        ];
        kept_of(&[installed(layer, &packages, &[])], CONFIG)
    };
    let server = "/usr/bin/app entrypoint\n";
    let both = format!("{server}/usr/bin/appctl package\n");
    assert_eq!(kept(5 << 20, "Source: app\n"), both);
    assert_eq!(kept(7 << 20, "Source: app\n"), server);
    assert_eq!(kept(5 << 20, ""), server);
}

#[test]
fn large_data_that_a_distant_library_is_recommended_is_for_few() {
    let image = |needed: &str, depends: &'static str, bytes: usize| {
        let speech = elf::Builder::library().soname("libspeech.so.1");
        let filters = elf::Builder::library().soname("libfilter.so.1");
        let layer = base()
            .executable("usr/bin/app", program().needed(needed).build())
            .file(
                "usr/lib/libfilter.so.1",
                filters.needed("libspeech.so.1").build(),
            )
            .file(
                "usr/lib/libspeech.so.1",
                speech.data(b"\0/usr/share/speech/model\0").build(),
            )
            .file("usr/share/speech/model/words", "x".repeat(bytes));
        let packages = [
            ESSENTIAL,
            package("app", depends, &["/usr/bin/app"]),
            package(
                "libfilter1",
                "Depends: libspeech1\n",
                &["/usr/lib/libfilter.so.1"],
            ),
            package(
                "libspeech1",
                "Recommends: speech-en\n",
                &["/usr/lib/libspeech.so.1"],
            ),
            package(
                "speech-en",
                "",
                &[
                    "/usr/share/speech",
                    "/usr/share/speech/model",
                    "/usr/share/speech/model/words",
                ],
            ),
        ];
        let automatic = ["libfilter1", "libspeech1", "speech-en"];
        let kept = kept_of(&[installed(layer, &packages, &automatic)], CONFIG);
        kept.contains("/usr/share/speech/model/words ")
    };
    let (filter, speech) = ("libfilter.so.1", "libspeech.so.1");
    assert!(!image(filter, "Depends: libfilter1\n", 20_000_000));
    assert!(image(filter, "Depends: libfilter1\n", 13_000_000));
    assert!(image(speech, "Depends: libspeech1\n", 20_000_000));
    assert!(image(
        filter,
        "Depends: libfilter1, speech-en\n",
        20_000_000
    ));
}

#[test]
fn links_that_were_made_for_the_directory_of_a_library_are_followed() {
    let layer = base()
        .executable("usr/bin/app", program().needed("libspell.so.1").build())
        .file("usr/lib/libspell.so.1", library(8))
        .file("usr/lib/spell/latin1.cset", "x")
        .file("usr/lib/spell/de-new.multi", "add de.rws\n")
        .symlink("usr/lib/spell/de.multi", "/etc/alternatives/spell-de")
        .symlink("etc/alternatives/spell-de", "/usr/lib/spell/de-new.multi")
        .symlink("usr/lib/spell/de.rws", "/var/lib/spell/de.rws")
        .file("var/lib/spell/de.rws", "x".repeat(2 << 20))
        .file("usr/lib/spell/huge.cache", "x".repeat(2 << 20));
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
            "spell-de",
            "",
            &["/usr/lib/spell", "/usr/lib/spell/de-new.multi"],
        ),
    ];
    assert_eq!(
        kept_of(&[installed(layer, &packages, &["libspell1"])], CONFIG),
        "/etc/alternatives/spell-de symlink\n/usr/bin/app entrypoint\n\
         /usr/lib/libspell.so.1 needed\n/usr/lib/spell/de-new.multi package\n\
         /usr/lib/spell/de.multi package\n/usr/lib/spell/de.rws package\n\
         /usr/lib/spell/latin1.cset package\n/var/lib/spell/de.rws symlink\n"
    );
}

#[test]
fn assemblies_call_libraries_by_the_names_of_another_system() {
    let config = "<configuration>\n<dllmap dll=\"gdiplus\" target=\"libgdiplus.so.0\" os=\"!windows\"/>\n\
        <dllmap dll=\"odbc32.dll\" target=\"libodbc.so.2\"/>\n</configuration>\n";
    let layer = base()
        .executable("usr/bin/app", "#!/usr/bin/mono\n")
        .executable("usr/bin/mono", program().data(b"\0MONO_CFG_DIR\0").build())
        .file("etc/mono/config", config)
        .file(
            "usr/lib/mono/Drawing.dll",
            b"MZ\0\0GdipDraw\0gdiplus\0kernel32.dll\0",
        )
        .file("usr/lib/libgdiplus.so.0", library(8))
        .file("usr/lib/libodbc.so.2", library(8));
    let packages = [
        ESSENTIAL,
        package("app", "Depends: mono\n", &["/usr/bin/app"]),
        package(
            "mono",
            "",
            &[
                "/usr/bin/mono",
                "/etc/mono/config",
                "/usr/lib/mono/Drawing.dll",
            ],
        ),
        package("libgdiplus", "", &["/usr/lib/libgdiplus.so.0"]),
        package("libodbc2", "", &["/usr/lib/libodbc.so.2"]),
    ];
    let automatic = ["mono", "libgdiplus", "libodbc2"];
    assert_eq!(
        kept_of(&[installed(layer, &packages, &automatic)], CONFIG),
        "/etc/mono/config package\n/usr/bin/app entrypoint\n/usr/bin/mono interpreter\n\
         /usr/lib/libgdiplus.so.0 dlopen\n/usr/lib/mono/Drawing.dll package\n"
    );
}

#[test]
fn a_database_is_named_without_the_endings_of_its_files() {
    let names = b"\0/var/lib/crack/dict\0/usr/lib/app/5.3\0";
    let layer = base()
        .executable("usr/bin/app", program().data(names).build())
        .file("var/lib/crack/dict.pwd", "x")
        .file("var/lib/crack/dict.pwi", "x")
        .file("var/lib/crack/dictionary", "x")
        .file("usr/lib/app/5.3.1", "x");
    assert_eq!(
        kept_of(&[installed(layer, &[ESSENTIAL], &[])], CONFIG),
        "/usr/bin/app entrypoint\n/var/lib/crack/dict.pwd path\n/var/lib/crack/dict.pwi path\n"
    );
    // Debian has them elsewhere, by links of the old names, and so may the directory be.
    let linked = base()
        .executable("usr/bin/app", program().data(names).build())
        .symlink("var/lib/crack", "words")
        .symlink("var/lib/words/dict.pwd", "/var/cache/crack/packed.pwd")
        .symlink("var/lib/words/dict.hwm", "nowhere")
        .file("var/cache/crack/packed.pwd", "x");
    assert_eq!(
        kept_of(&[installed(linked, &[ESSENTIAL], &[])], CONFIG),
        "/usr/bin/app entrypoint\n/var/cache/crack/packed.pwd symlink\n/var/lib/crack symlink\n\
         /var/lib/words/dict.pwd path\n"
    );
}

#[test]
fn a_small_program_of_what_was_asked_for_stays_beside_a_large_one() {
    let kept = |backup: usize| {
        let of_size = |bytes: usize| program().data("x".repeat(bytes)).build();
        let layer = base()
            .executable("usr/bin/app", program().build())
            .executable("usr/bin/backup", of_size(backup))
            .executable("usr/bin/stream", of_size(5 << 20));
        let files = &["/usr/bin/backup", "/usr/bin/stream"];
        let packages = [
            ESSENTIAL,
            package("app", "", &["/usr/bin/app"]),
            package("backup", "", files),
        ];
        kept_of(&[installed(layer, &packages, &[])], CONFIG)
    };
    let both = "/usr/bin/app entrypoint\n/usr/bin/backup package\n";
    assert_eq!(kept(10 << 20), both);
    assert_eq!(kept(22 << 20), format!("{both}/usr/bin/stream package\n"));
}

#[test]
fn a_word_in_a_script_of_a_package_says_little() {
    let script = "#!/bin/sh\nlogging=inspect\neval \"$cmd\"\n";
    let kept = |depends: &'static str, packaged: &'static [&'static str]| {
        let layer = base().executable("usr/bin/app", script).executable(
            "usr/bin/inspect",
            program().data("x".repeat(2 << 20)).build(),
        );
        let packages = [
            ESSENTIAL,
            package("app", depends, packaged),
            package("inspector", "", &["/usr/bin/inspect"]),
        ];
        kept_of(&[installed(layer, &packages, &["inspector"])], CONFIG)
    };
    let script_alone = "/bin/sh interpreter\n/usr/bin/app entrypoint\n";
    let both = format!("{script_alone}/usr/bin/inspect script-command\n");
    let packaged = &["/usr/bin/app"];
    assert_eq!(kept("", packaged), script_alone);
    assert_eq!(kept("Depends: inspector\n", packaged), both);
    // In one that somebody wrote for this image, it may be what is run.
    assert_eq!(kept("", &[]), both);
}

#[test]
fn the_list_of_packages_stays_for_what_asks_it_and_says_nothing_itself() {
    let status = "Package: app\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\
                  Description: has /usr/share/words for /usr/bin/tool\n";
    let layer = |script: &str| {
        base()
            .executable("usr/bin/app", script)
            .executable("usr/bin/tool", program().build())
            .executable(
                "usr/bin/query",
                program().data(b"\0/var/lib/dpkg\0").build(),
            )
            .file("usr/share/words", "x")
            .file("var/lib/dpkg/status", status)
            .file("var/lib/dpkg/info/app.list", "/usr/bin/app\n")
    };
    let kept = |script: &str| kept_of(&[layer(script)], CONFIG);
    assert_eq!(
        kept("#!/bin/sh\nexit\n"),
        "/bin/sh interpreter\n/usr/bin/app entrypoint\n"
    );
    assert_eq!(
        kept("#!/bin/sh\nquery app\n"),
        "/bin/sh interpreter\n/usr/bin/app entrypoint\n/usr/bin/query script-command\n/var/lib/dpkg/status path\n"
    );
}

#[test]
fn small_tools_stay_for_scripts_that_users_add() {
    let kept = |entry: &str| {
        let layer = installed(
            base()
                .executable("usr/bin/tail", program().build())
                .executable("usr/bin/strange", program().build())
                .executable("usr/bin/app", entry),
            &[ESSENTIAL],
            &[],
        );
        kept_of(&[layer], CONFIG)
    };
    assert_eq!(
        kept("#!/bin/sh\nfor f in /hooks/*; do echo $f; done\n"),
        "/bin/sh interpreter\n/usr/bin/app entrypoint\n"
    );
    assert_eq!(
        kept("#!/bin/sh\nfor f in /hooks/*.sh; do . $f; done\n"),
        "/bin/sh interpreter\n/usr/bin/app entrypoint\n/usr/bin/tail spawn\n"
    );
}
