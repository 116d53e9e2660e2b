//! What is kept, and why, of small images: each test compares the whole list of
//! files that stay.

use std::collections::BTreeSet;

use image::{Config, FileSystem};
use jettison::closure::{self, Error, Options};
use jettison::packages::PackageDb;
use layer::NodeId;
use testkit::elf;
use testkit::tree::Builder;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A system with a loader, a C library and a shell.
fn base() -> Builder {
    Builder::new()
        .executable(
            LOADER,
            elf::Builder::library()
                .soname("ld-linux-x86-64.so.2")
                .build(),
        )
        .file(
            "lib/libc.so.6",
            elf::Builder::library().soname("libc.so.6").build(),
        )
        .executable("bin/sh", program().build())
        .directory("tmp")
        .mode(0o1777)
}

fn program() -> elf::Builder {
    elf::Builder::program()
        .interpreter(LOADER)
        .needed("libc.so.6")
}

fn config(json: &str) -> Config {
    let text = format!(
        r#"{{"os":"linux","architecture":"amd64","config":{json},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
    );
    Config::parse(text.into_bytes()).expect("the test's config is valid")
}

/// Returns the kept files and links with their reasons, sorted, one on a line;
/// directories and the loader's chain are left out.
fn kept(image: &Builder, json: &str, options: &Options) -> Result<String, Error> {
    let built = image.build();
    let files = FileSystem {
        tree: built.tree,
        contents: built.contents,
        unpacked: 0,
    };
    let tree = &files.tree;
    let packages = PackageDb::read(tree, &files.contents).expect("the databases can be read");
    let config = config(json);
    let input = closure::Input {
        files: &files,
        config: &config,
        packages: &packages,
        options,
        trace: None,
        repairs: &BTreeSet::new(),
    };
    let closure = closure::compute(&input)?;
    let is_file = |node: &NodeId| !tree.is_directory(*node) && closure.graph.keeps(*node);
    let common = ["/lib64/ld-linux-x86-64.so.2", "/lib/libc.so.6"];
    Ok(tree
        .walk(tree.root())
        .filter(is_file)
        .map(|node| {
            (
                String::from_utf8_lossy(&tree.absolute(node)).into_owned(),
                node,
            )
        })
        .filter(|(path, _)| !common.contains(&path.as_str()))
        .filter_map(|(path, node)| {
            let reason = closure.graph.reason(node)?.evidence.name();
            Some(format!("{path} {reason}\n"))
        })
        .collect())
}

fn kept_by_default(image: &Builder, json: &str) -> String {
    kept(image, json, &Options::default()).expect("the image can be slimmed")
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
}

#[test]
fn what_cannot_be_slimmed_says_why() {
    let image = base();
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
