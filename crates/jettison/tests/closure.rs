//! What is kept, and why, of small images: each test compares the whole list of
//! files that stay.

mod kept;

use jettison::closure::{Error, Options, Watched};
use kept::{base, kept_by_default, program};
use testkit::elf;
use testkit::tree::Builder;

fn kept(image: &Builder, json: &str, options: &Options) -> Result<String, Error> {
    kept::kept(vec![image.tar()], &[], json, options, Watched::Never)
}

#[test]
fn a_program_brings_its_libraries_and_nothing_else() {
    let image = base()
        .executable("usr/bin/app", program().needed("libx.so.1").build())
        .file(
            "usr/lib/libx.so.1.2",
            elf::Builder::library().soname("libx.so.1").build(),
        )
        .symlink("usr/lib/libx.so.1", "libx.so.1.2")
        .file("usr/lib/libunused.so", elf::Builder::library().build())
        .file("usr/share/doc/app/README", "text");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/usr/bin/app entrypoint\n/usr/lib/libx.so.1 symlink\n/usr/lib/libx.so.1.2 needed\n"
    );
}

#[test]
fn a_library_named_in_a_string_is_opened() {
    let image = base()
        .executable(
            "usr/bin/app",
            program().data(b"\0libplugin.so.3\0other.so\0").build(),
        )
        .file(
            "usr/lib/libplugin.so.3",
            elf::Builder::library().needed("libdeep.so").build(),
        )
        .file("usr/lib/libdeep.so", elf::Builder::library().build());
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["/usr/bin/app"]}"#),
        "/usr/bin/app entrypoint\n/usr/lib/libdeep.so needed\n/usr/lib/libplugin.so.3 dlopen\n"
    );
}

#[test]
fn a_path_in_a_program_is_kept_and_a_directory_of_its_own_whole() {
    let image = base()
        .executable(
            "usr/bin/app",
            program()
                .data(b"\0/etc/app.conf\0/usr/lib/app/%s.so\0/usr/share\0")
                .build(),
        )
        .file("etc/app.conf", "dir = /srv/data\n")
        .file("usr/lib/app/a.so", elf::Builder::library().build())
        .file("usr/lib/app/deep/b.txt", "x")
        .file("usr/share/other/big", "x")
        .file("srv/data/one", "1");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/etc/app.conf path\n/srv/data/one plugin-dir\n/usr/bin/app entrypoint\n\
         /usr/lib/app/a.so plugin-dir\n/usr/lib/app/deep/b.txt plugin-dir\n"
    );
}

#[test]
fn what_the_image_is_started_with_is_wanted_whatever_it_is_for() {
    let image = base()
        .executable("usr/bin/serve", program().build())
        .file("usr/share/doc/site/index.html", "x")
        .file("usr/share/doc/site/changelog.gz", "x")
        .file("usr/share/doc/other/index.html", "x")
        .file("usr/share/man/man1/app.1", "x");
    let forms = [
        r#"{"Cmd":["serve","--root=/usr/share/doc/site","/usr/share/man/man1/app.1"]}"#,
        r#"{"Cmd":["/bin/sh","-c","serve --root=/usr/share/doc/site /usr/share/man/man1/app.1"]}"#,
    ];
    let served = "/usr/share/doc/site/changelog.gz plugin-dir\n\
         /usr/share/doc/site/index.html plugin-dir\n/usr/share/man/man1/app.1 entrypoint\n";
    let programs = ["/usr/bin/serve", "/bin/sh entrypoint\n/usr/bin/serve"];
    for (form, programs) in forms.iter().zip(programs) {
        let wanted = format!("{programs} entrypoint\n{served}");
        assert_eq!(kept_by_default(&image, form), wanted);
    }
}

#[test]
fn an_entrypoint_script_brings_its_commands() {
    let script = "#!/bin/sh\nset -e\nif [ \"$(id -u)\" = 0 ]; then chown -R app /data; fi\n. /etc/profile.sh\nexec su-exec app \"$@\"\n";
    let image = base()
        .executable("entry.sh", script)
        .executable("usr/bin/id", program().build())
        .executable("bin/chown", program().build())
        .executable("sbin/su-exec", program().build())
        .executable("usr/bin/server", program().build())
        .executable("usr/bin/unused", program().build())
        .file("etc/profile.sh", "A=1\n");
    assert_eq!(
        kept_by_default(
            &image,
            r#"{"Entrypoint":["/entry.sh"],"Cmd":["server","-x"]}"#
        ),
        "/bin/chown script-command\n/bin/sh interpreter\n/entry.sh entrypoint\n\
         /etc/profile.sh path\n/sbin/su-exec script-command\n/usr/bin/id script-command\n\
         /usr/bin/server entrypoint\n"
    );
}

#[test]
fn the_shell_form_is_read_as_a_script() {
    let image = base()
        .executable("usr/bin/one", program().build())
        .executable("usr/bin/two", program().build());
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["/bin/sh","-c","one && exec two"]}"#),
        "/bin/sh entrypoint\n/usr/bin/one entrypoint\n/usr/bin/two entrypoint\n"
    );
}

#[test]
fn a_script_that_came_along_keeps_no_interpreter() {
    let image = base()
        .executable("usr/bin/app", program().data(b"\0/usr/lib/app/x\0").build())
        .executable("usr/lib/app/x/tool.pl", "#!/usr/bin/perl\n")
        .executable("usr/lib/app/x/tool.sh", "#!/bin/sh\nunused\n")
        .executable("usr/bin/unused", program().build())
        .executable("usr/bin/perl", program().build());
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/usr/bin/app entrypoint\n"
    );
    // With a shell for another reason its script stays, but what it calls does not.
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["/bin/sh","-c","app"]}"#),
        "/bin/sh entrypoint\n/usr/bin/app entrypoint\n/usr/lib/app/x/tool.sh plugin-dir\n"
    );
}

#[test]
fn links_on_the_way_stay_with_their_targets() {
    let image = base()
        .executable("usr/bin/app-1.2", program().build())
        .symlink("etc/alternatives/app", "/usr/bin/app-1.2")
        .symlink("usr/bin/app", "/etc/alternatives/app");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/etc/alternatives/app symlink\n/usr/bin/app symlink\n/usr/bin/app-1.2 entrypoint\n"
    );
}

#[test]
fn an_application_stays_with_its_directory() {
    let image = base()
        .executable("opt/app/bin/app", program().build())
        .file("opt/app/share/data.bin", "x")
        .file("opt/app/.git/config", "x")
        .file(
            "opt/app/cache/CACHEDIR.TAG",
            "Signature: 8a477f597d28d172789f06886806bc55",
        )
        .file("opt/other/file", "x")
        .file("work/index.html", "x");
    assert_eq!(
        kept_by_default(
            &image,
            r#"{"Cmd":["/opt/app/bin/app"],"WorkingDir":"/work"}"#
        ),
        "/opt/app/bin/app entrypoint\n/opt/app/share/data.bin application\n\
         /work/index.html config-user\n"
    );
}

#[test]
fn a_package_stays_with_its_data_and_its_small_companions() {
    let status = "Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDepends: app-data, libc6\n\n\
                  Package: app-data\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n\
                  Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nPriority: required\n\n";
    let image = base()
        .executable("usr/bin/app", program().build())
        .executable("usr/bin/app-cli", program().build())
        .executable("usr/bin/app-huge", program().data(vec![b'x'; 1_200_000]).build())
        .file("usr/share/app/table", "x")
        .file("usr/share/man/man1/app.1.gz", "x")
        .file("usr/share/app-data/words", "x")
        .file("var/lib/dpkg/status", status)
        .file(
            "var/lib/dpkg/info/app.list",
            "/usr/bin/app\n/usr/bin/app-cli\n/usr/bin/app-huge\n/usr/share/app/table\n/usr/share/man/man1/app.1.gz\n",
        )
        .file("var/lib/dpkg/info/app-data.list", "/usr/share/app-data/words\n")
        .file("var/lib/dpkg/info/libc6.list", "/lib/libc.so.6\n");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/usr/bin/app entrypoint\n/usr/bin/app-cli package\n/usr/share/app/table package\n\
         /usr/share/app-data/words package\n"
    );
}

#[test]
fn a_package_of_plug_ins_serves_whoever_depends_on_it() {
    let status = "Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDepends: plugin, libother1\n\n\
                  Package: plugin\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
                  Package: libother1\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n";
    let library = || elf::Builder::library().build();
    let image = base()
        .executable("usr/bin/app", program().build())
        .file("usr/lib/libreplicates.so", library())
        .symlink("usr/lib/plugin/libreplicates.so", "../libreplicates.so")
        .file("usr/lib/libother.so.1", library())
        .file("var/lib/dpkg/status", status)
        .file("var/lib/dpkg/info/app.list", "/usr/bin/app\n")
        .file(
            "var/lib/dpkg/info/plugin.list",
            "/usr/lib/libreplicates.so\n/usr/lib/plugin/libreplicates.so\n",
        )
        .file(
            "var/lib/dpkg/info/libother1.list",
            "/usr/lib/libother.so.1\n",
        );
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/usr/bin/app entrypoint\n/usr/lib/libreplicates.so package\n\
         /usr/lib/plugin/libreplicates.so package\n"
    );
}

#[test]
fn caches_of_installers_go_from_a_home() {
    let home = "home/app";
    let image = base()
        .executable("usr/bin/app", program().build())
        .file("etc/passwd", "app:x:1000:1000::/home/app:/bin/sh\n")
        .file(&format!("{home}/data"), "x")
        .file(
            &format!("{home}/.npm/_cacache/content-v2/sha512/00/11"),
            "x",
        )
        .file(&format!("{home}/.npm/_logs/debug-0.log"), "/usr/bin/npm\n")
        .file(&format!("{home}/.npm/_npx/1/package.json"), "{}")
        .file(&format!("{home}/.cache/pip/http-v2/a/b"), "x")
        .file(&format!("{home}/.cache/models/pip"), "x")
        .file(&format!("{home}/pip/wheels/own"), "x")
        .file(&format!("{home}/go/pkg/mod/cache/download/x"), "x");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"],"User":"app"}"#),
        "/etc/passwd system\n/home/app/.cache/models/pip config-user\n\
         /home/app/.npm/_npx/1/package.json config-user\n/home/app/data config-user\n\
         /home/app/go/pkg config-user\n/home/app/pip/wheels/own config-user\n/usr/bin/app entrypoint\n"
    );
}

#[test]
fn a_library_says_what_it_reads() {
    let image = base()
        .executable(
            "usr/bin/app",
            program()
                .import("getaddrinfo")
                .needed("libssl.so.3")
                .build(),
        )
        .file(
            "usr/lib/libssl.so.3",
            elf::Builder::library().soname("libssl.so.3").build(),
        )
        .file("etc/nsswitch.conf", "hosts: files dns\n")
        .file("etc/hosts", "127.0.0.1 localhost\n")
        .file("etc/services", "http 80/tcp\n")
        .file("etc/ssl/certs/ca-certificates.crt", "x")
        .file("etc/shadow", "x");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/etc/hosts system\n/etc/nsswitch.conf system\n/etc/services nss\n\
         /etc/ssl/certs/ca-certificates.crt ca-certificates\n/usr/bin/app entrypoint\n\
         /usr/lib/libssl.so.3 needed\n"
    );
}

#[test]
fn a_zone_stays_in_the_form_that_its_readers_read() {
    let image = |program: elf::Builder| {
        base()
            .executable("usr/bin/app", program.build())
            .file("usr/share/zoneinfo/Asia/Tokyo", "TZif")
            .file(
                "usr/share/zoneinfo/zone.tab",
                "JP +353916+1394441 Asia/Tokyo",
            )
            .file("usr/share/zoneinfo/tzdata.zi", "# version 2026a")
    };
    let config = r#"{"Cmd":["app"]}"#;
    let compiled = kept_by_default(&image(program().import("localtime")), config);
    assert_eq!(
        compiled,
        "/usr/bin/app entrypoint\n/usr/share/zoneinfo/Asia/Tokyo timezone\n\
         /usr/share/zoneinfo/zone.tab timezone\n"
    );
    let names = program().data(b"\0/usr/share/zoneinfo\0/tzdata.zi\0");
    assert_eq!(
        kept_by_default(&image(names), config),
        "/usr/bin/app entrypoint\n/usr/share/zoneinfo/Asia/Tokyo plugin-dir\n\
         /usr/share/zoneinfo/tzdata.zi plugin-dir\n/usr/share/zoneinfo/zone.tab plugin-dir\n"
    );
}

#[test]
fn a_library_converts_what_it_can_name() {
    let image = |strings: &[u8]| {
        base()
            .executable("usr/bin/app", program().needed("libx.so.1").build())
            .file(
                "usr/lib/libx.so.1",
                elf::Builder::library()
                    .soname("libx.so.1")
                    .import("iconv_open")
                    .data(strings)
                    .build(),
            )
            .file(
                "usr/lib/gconv/gconv-modules",
                "alias DEC// DEC-MCS//\nmodule DEC-MCS// INTERNAL DEC-MCS 1\n\
                 alias JP// JIS//\nmodule JIS// INTERNAL ISO646 2\nmodule GBK// INTERNAL GBK 1\n",
            )
            .file("usr/lib/gconv/DEC-MCS.so", elf::Builder::library().build())
            .file("usr/lib/gconv/ISO646.so", elf::Builder::library().build())
            .file("usr/lib/gconv/GBK.so", elf::Builder::library().build())
    };
    let kept = |strings| kept_by_default(&image(strings), r#"{"Cmd":["app"]}"#);
    assert_eq!(
        kept(b"\0Dec\0JP/\0"),
        "/usr/bin/app entrypoint\n/usr/lib/libx.so.1 needed\n"
    );
    assert_eq!(
        kept(b"\0Dec\0gbk\0"),
        "/usr/bin/app entrypoint\n/usr/lib/gconv/GBK.so gconv\n/usr/lib/gconv/gconv-modules gconv\n\
         /usr/lib/libx.so.1 needed\n"
    );
}

#[test]
fn a_program_converts_what_it_can_be_told_if_it_speaks_of_that() {
    let image = |strings: &[u8]| {
        let app = program().import("iconv_open").data(strings);
        base()
            .executable("usr/bin/app", app.build())
            .file(
                "usr/lib/gconv/gconv-modules",
                "module GBK// INTERNAL GBK 1\n",
            )
            .file("usr/lib/gconv/GBK.so", elf::Builder::library().build())
    };
    let kept = |strings| kept_by_default(&image(strings), r#"{"Cmd":["app"]}"#);
    // As the keyword of a file format.
    assert_eq!(kept(b"\0charset\0UTF-8\0"), "/usr/bin/app entrypoint\n");
    let all = "/usr/bin/app entrypoint\n/usr/lib/gconv/GBK.so gconv\n/usr/lib/gconv/gconv-modules gconv\n";
    assert_eq!(kept(b"\0unknown character set\0"), all);
    assert_eq!(kept(b"\0  --from=CODE  Encoding of the input\0"), all);
}

#[test]
fn a_module_of_a_run_time_converts_what_scripts_tell_it() {
    let image = |module: &str| {
        let text = b"\0wrong encoding: `%s`\0";
        let object = elf::Builder::library().import("iconv_open").data(text);
        base()
            .executable(
                "usr/bin/app",
                program().data(format!("\0/{module}\0")).build(),
            )
            .file(module, object.build())
            .file(
                "usr/lib/gconv/gconv-modules",
                "module GBK// INTERNAL GBK 1\n",
            )
            .file("usr/lib/gconv/GBK.so", elf::Builder::library().build())
    };
    let converts = |module: &str| {
        kept_by_default(&image(module), r#"{"Cmd":["app"]}"#).contains("GBK.so gconv")
    };
    assert!(converts("usr/lib/run/iconv.so"));
    assert!(!converts("usr/lib/run/libtext.so"));
    assert!(!converts("usr/lib/x86_64-linux-gnu/iconv.so"));
}

#[test]
fn a_path_that_is_put_together_of_two_strings_is_found() {
    let strings = b"\0/usr/lib/run\0%s/bin/start\0%s/bin/%s\0%s/app.conf\0/etc\0";
    let image = base()
        .executable("usr/bin/app", program().data(strings).build())
        .executable("usr/bin/speak", program().build())
        .executable("usr/lib/run/bin/start", "#!/usr/bin/speak\n")
        .file("etc/app.conf", "x");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/usr/bin/app entrypoint\n/usr/bin/speak interpreter\n/usr/lib/run/bin/start path\n"
    );
}

#[test]
fn fonts_stay_for_who_has_their_library_built_in_or_looks_for_them() {
    let image = |strings: &[u8]| {
        base()
            .executable("usr/bin/app", program().data(strings).build())
            .file("usr/share/fonts/truetype/a.ttf", "x")
            .file("usr/share/fonts/truetype/copyright.txt", "x")
    };
    let kept = |strings| kept_by_default(&image(strings), r#"{"Cmd":["app"]}"#);
    assert_eq!(kept(b"\0fonts\0"), "/usr/bin/app entrypoint\n");
    let all = "/usr/bin/app entrypoint\n/usr/share/fonts/truetype/a.ttf data\n\
        /usr/share/fonts/truetype/copyright.txt data\n";
    assert_eq!(kept(b"\0FONTCONFIG_FILE\0"), all);
    assert_eq!(kept(b"\0/usr/share/fonts/\0"), all);
}

#[test]
fn a_pattern_that_is_said_to_people_names_nothing() {
    let image = base()
        .executable(
            "usr/bin/app",
            program()
                .data(b"\0/etc/motd\0/usr/share/app/*.txt\0//**\0/usr/share/**/data\0")
                .build(),
        )
        .file(
            "etc/motd",
            "The exact terms are described in\n/usr/share/doc/*/copyright.\n/usr/share/doc/*/copyright\n",
        )
        .file("usr/share/doc/x/copyright", "x")
        .file("usr/share/other/data", "x")
        .file("usr/share/app/a.txt", "x");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/etc/motd path\n/usr/bin/app entrypoint\n/usr/share/app/a.txt path\n"
    );
}

#[test]
fn an_interpreter_stays_with_its_modules() {
    let image = base()
        .executable(
            "usr/local/bin/toy3",
            program().data(b"\0PYTHONPATH\0").build(),
        )
        .file("usr/local/lib/toy3/os.toy", "x")
        .file("usr/local/lib/other/x", "x")
        .executable("app/main.toy", "#!/usr/bin/env toy3\n")
        .executable("usr/bin/env", program().build());
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["/app/main.toy"]}"#),
        "/app/main.toy entrypoint\n/usr/bin/env interpreter\n/usr/local/bin/toy3 interpreter\n\
         /usr/local/lib/toy3/os.toy module\n"
    );
}

#[test]
fn users_add_and_drop() {
    let image = base()
        .executable("usr/bin/app", program().build())
        .executable("usr/bin/extra", program().build())
        .file("data/a/x", "1")
        .file("data/b/y", "2");
    let options = Options {
        entries: vec!["extra --flag".to_owned()],
        include: vec!["/data".to_owned()],
        exclude: vec!["/data/b/**".to_owned()],
        ..Options::default()
    };
    assert_eq!(
        kept(&image, r#"{"Cmd":["app"]}"#, &options).unwrap(),
        "/data/a/x include\n/usr/bin/app entrypoint\n/usr/bin/extra entrypoint\n"
    );
    // What goes has nothing to say.
    let image = base()
        .executable("app/run", "#!/bin/sh\n/usr/bin/extra\n")
        .executable("usr/bin/app", "#!/bin/sh\n. /app/run\n")
        .executable("usr/bin/extra", program().build());
    let options = Options {
        exclude: vec!["/app/run".to_owned()],
        ..Options::default()
    };
    assert_eq!(
        kept(&image, r#"{"Cmd":["app"]}"#, &options).unwrap(),
        "/bin/sh interpreter\n/usr/bin/app entrypoint\n"
    );
}

#[test]
fn what_cannot_be_slimmed_says_why() {
    let image = base().file("usr/bin/start", "#!/bin/sh\n");
    let with = |include: &str, package: &str| Options {
        include: Some(include.to_owned())
            .filter(|text| !text.is_empty())
            .into_iter()
            .collect(),
        include_packages: Some(package.to_owned())
            .filter(|t| !t.is_empty())
            .into_iter()
            .collect(),
        ..Options::default()
    };
    for (json, options, message) in [
        (
            "{}",
            with("", ""),
            "the image has no entry point: neither ENTRYPOINT nor CMD is set",
        ),
        (
            r#"{"Cmd":["gone"]}"#,
            with("", ""),
            "entry point `gone` is not in the image",
        ),
        (
            r#"{"Cmd":["start"]}"#,
            with("", ""),
            "entry point `start` cannot be executed: /usr/bin/start has mode 0644",
        ),
        (
            r#"{"Cmd":["sh"]}"#,
            with("/nowhere", ""),
            "`/nowhere` matches nothing in the image",
        ),
        (
            r#"{"Cmd":["sh"]}"#,
            with("", "gone"),
            "package `gone` is not in the image",
        ),
    ] {
        assert_eq!(
            kept(&image, json, &options).unwrap_err().to_string(),
            message
        );
    }
}

#[test]
fn java_keeps_its_run_time_without_what_only_compilers_and_desktops_read() {
    let list = "/opt/jdk/bin/java\n/opt/jdk/lib/modules\n/opt/jdk/lib/ct.sym\n/opt/jdk/lib/src.zip\n\
                /opt/jdk/lib/libawt_xawt.so\n/opt/jdk/jmods/java.base.jmod\n";
    let image = |class: &[u8]| {
        base()
            .executable(
                "opt/jdk/bin/java",
                program().data(b"\0JDK_JAVA_OPTIONS\0").build(),
            )
            .file("opt/jdk/lib/modules", "x")
            .file("opt/jdk/lib/ct.sym", "x")
            .file("opt/jdk/lib/src.zip", "x")
            .file("opt/jdk/lib/libawt_xawt.so", "x")
            .file("opt/jdk/jmods/java.base.jmod", "x")
            .file("app/Main.class", [b"\xca\xfe\xba\xbe", class].concat())
            .file(
                "var/lib/dpkg/status",
                "Package: jdk\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
            )
            .file("var/lib/dpkg/info/jdk.list", list)
    };
    let config = r#"{"Cmd":["/opt/jdk/bin/java","-cp","/app","Main"],"WorkingDir":"/app"}"#;
    let always = "/opt/jdk/bin/java entrypoint\n";
    let class = "/app/Main.class application\n";
    assert_eq!(
        kept_by_default(&image(b"java/util/List"), config),
        format!("{class}{always}/opt/jdk/lib/modules package\n")
    );
    assert_eq!(
        kept_by_default(&image(b"javax/tools/ToolProvider"), config),
        format!("{class}{always}/opt/jdk/lib/ct.sym package\n/opt/jdk/lib/modules package\n")
    );
    assert_eq!(
        kept_by_default(&image(b"java/awt/Frame"), config),
        format!(
            "{class}{always}/opt/jdk/lib/libawt_xawt.so package\n/opt/jdk/lib/modules package\n"
        )
    );
}

#[test]
fn a_plug_in_that_only_makes_faster_stays_where_the_user_asks_for_it() {
    let jit = elf::Builder::library()
        .soname("jit.so")
        .needed("libLLVM-14.so.1")
        .export("_PG_jit_provider_init");
    let image = base()
        .executable("usr/bin/db", program().build())
        .file("usr/lib/db/jit.so", jit.build())
        .file("usr/lib/db/code.bc", b"BC\xc0\xde1234")
        .file(
            "usr/lib/db/other.so",
            elf::Builder::library().soname("other.so").build(),
        )
        .file(
            "usr/lib/libLLVM-14.so.1",
            elf::Builder::library().soname("libLLVM-14.so.1").build(),
        )
        .file(
            "var/lib/dpkg/status",
            "Package: db\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
        )
        .file(
            "var/lib/dpkg/info/db.list",
            "/usr/bin/db\n/usr/lib/db/jit.so\n/usr/lib/db/code.bc\n/usr/lib/db/other.so\n",
        );
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["db"]}"#),
        "/usr/bin/db entrypoint\n/usr/lib/db/other.so package\n"
    );
    let options = Options {
        include: vec!["/usr/lib/db/jit.so".to_owned()],
        ..Options::default()
    };
    assert_eq!(
        kept(&image, r#"{"Cmd":["db"]}"#, &options).expect("the image can be slimmed"),
        "/usr/bin/db entrypoint\n/usr/lib/db/code.bc package\n/usr/lib/db/jit.so include\n\
         /usr/lib/db/other.so package\n/usr/lib/libLLVM-14.so.1 needed\n"
    );
}

#[test]
fn lua_keeps_where_its_patterns_look() {
    let patterns = b"\0LUA_PATH\0/usr/share/lua/5.4/?.lua;./?.lua\0/usr/lib/lua/5.4/?.so\0";
    let image = base()
        .executable("usr/bin/lua", program().data(patterns).build())
        .file("usr/share/lua/5.4/json.lua", "return {}")
        .file("usr/share/lua/5.1/json.lua", "return {}")
        .file("usr/lib/lua/5.4/core.so", elf::Builder::library().build())
        .file("app/main.lua", "require 'json'");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["lua","/app/main.lua"]}"#),
        "/app/main.lua entrypoint\n/usr/bin/lua entrypoint\n/usr/lib/lua/5.4/core.so module\n\
         /usr/share/lua/5.4/json.lua module\n"
    );
}

#[test]
fn scripts_bring_those_beside_them_and_settings_what_they_name_from_where_they_are() {
    let image = base()
        .executable(
            "opt/server/start.sh",
            "#!/bin/sh\n. \"$(dirname \"$0\")/java.sh\"\nexec app\n",
        )
        .file("opt/server/java.sh", "run() { helper; }")
        .file("opt/server/other.sh", "x")
        .executable(
            "usr/bin/app",
            program().data(b"\0/etc/app/main.conf\0").build(),
        )
        .executable("usr/bin/helper", program().build())
        .file(
            "etc/app/main.conf",
            "load modules/x.so\ninclude_dir = 'conf.d'\n",
        )
        .file("etc/app/modules/x.so", elf::Builder::library().build())
        .directory("etc/app/conf.d");
    let list = kept_by_default(&image, r#"{"Cmd":["/opt/server/start.sh"]}"#);
    for path in [
        "/opt/server/java.sh",
        "/usr/bin/helper",
        "/etc/app/modules/x.so",
    ] {
        assert!(list.contains(path), "{path} is missing of\n{list}");
    }
}
