//! What stays because the author of an image put it there, and because settings start it.

mod kept;

use kept::{base, program};
use testkit::elf;
use testkit::tree::Builder;

/// A base, and layers with the instructions that made them.
fn kept_of(layers: &[(&str, Builder)], json: &str) -> String {
    let tars = std::iter::once(base().tar());
    let tars = tars.chain(layers.iter().map(|(_, layer)| layer.tar()));
    let mut instructions = vec!["ADD base.tar /"];
    instructions.extend(layers.iter().map(|(text, _)| *text));
    kept::kept_of_layers(tars.collect(), &instructions, json)
}

const DPKG: &str =
    "Package: other\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n";

#[test]
fn what_was_copied_stays_though_nothing_names_it() {
    let app = Builder::new().executable("app", program().build());
    let copied = Builder::new()
        .file("web/index.html", "x")
        .file("web/main.go", "package main")
        .file("web/.git/config", "x")
        .file("tmp/installer.deb", "x")
        .directory("web/uploads");
    let made = Builder::new()
        .file("srv/static/app.css", "x")
        .file("build/leftover.bin", "x");
    let kept = kept_of(
        &[
            ("COPY app /app", app),
            ("COPY web /web", copied),
            ("/bin/sh -c make-static", made),
        ],
        r#"{"Cmd":["/app"]}"#,
    );
    assert_eq!(
        kept,
        "/app entrypoint\n/srv/static/app.css authored\n/web/index.html authored\n"
    );
}

#[test]
fn what_run_made_under_a_name_that_it_says_stays() {
    let app = Builder::new().executable("app", program().build());
    let made = Builder::new()
        .file("etc/app.p12", "x")
        .file("etc/app.d/server.key", "x")
        .file("opt/app/model.bin", "x")
        .file("opt/source.tar.gz", "x")
        .file("var/tmp/x.conf", "x")
        .executable("opt/tool/bin/install", program().build())
        .executable("usr/local/bin/fetched", program().build());
    let later = Builder::new().file("etc/later.conf", "x");
    let kept = kept_of(
        &[
            ("COPY app /app", app),
            (
                "/bin/sh -c mkdir -p /etc/app.d && cd /etc/app.d && keytool -keystore \
                 /etc/app.p12 && openssl req -keyout server.key && make --output=$DATA/model.bin && \
                 curl -o /opt/source.tar.gz && curl -o /var/tmp/x.conf && /opt/tool/bin/install x && \
                 curl --output /usr/local/bin/fetched && /usr/local/bin/fetched --version",
                made,
            ),
            ("RUN /bin/sh -c configure", later),
        ],
        r#"{"Cmd":["/app"],"Env":["PATH=/usr/local/bin:/usr/bin","DATA=/opt/app"]}"#,
    );
    assert_eq!(
        kept,
        "/app entrypoint\n/etc/app.d/server.key application\n/etc/app.p12 application\n\
         /opt/app/model.bin authored\n/usr/local/bin/fetched application\n"
    );
}

#[test]
fn what_a_copied_command_runs_stays_and_of_a_copied_script_elsewhere_what_is_cheap() {
    let layer = Builder::new()
        .executable("usr/bin/app", program().build())
        .executable("usr/bin/dump", program().build())
        .executable(
            "usr/bin/large",
            program().data("x".repeat(2_000_000)).build(),
        )
        .executable("usr/bin/rare", program().build());
    let scripts = Builder::new()
        .executable("usr/local/bin/backup", "#!/bin/sh\ndump --all\n")
        .executable("opt/notes/rarely.sh", "#!/bin/sh\nrare\nlarge\n");
    let kept = kept_of(
        &[
            ("RUN /bin/sh -c install # buildkit", layer),
            ("COPY scripts / # buildkit", scripts),
        ],
        r#"{"Cmd":["app"]}"#,
    );
    assert_eq!(
        kept,
        "/bin/sh interpreter\n/opt/notes/rarely.sh authored\n/usr/bin/app entrypoint\n\
         /usr/bin/dump script-command\n/usr/bin/rare spawn\n/usr/local/bin/backup application\n"
    );
}

#[test]
fn the_interpreter_of_a_copied_script_that_can_be_executed_stays() {
    let installed = Builder::new()
        .executable("usr/bin/app", program().build())
        .executable("usr/bin/env", program().build())
        .executable("usr/bin/awk", program().build())
        .executable("usr/bin/perl", program().build())
        .executable("usr/bin/ruby", program().build());
    let scripts = Builder::new()
        .executable("opt/filter", "#!/usr/bin/env awk\n{ print }\n")
        .executable("opt/clean.sh", "#!/bin/sh\nrm -r /opt/work\n")
        .file("opt/read.pl", "#!/usr/bin/perl\n1;\n");
    let unused = Builder::new().executable("opt/made", "#!/usr/bin/ruby\n1\n");
    let kept = kept_of(
        &[
            ("RUN install", installed),
            ("COPY scripts /opt", scripts),
            ("RUN make", unused),
        ],
        r#"{"Cmd":["app"]}"#,
    );
    assert_eq!(
        kept,
        "/bin/sh interpreter\n/opt/clean.sh authored\n/opt/filter application\n\
         /opt/read.pl authored\n/usr/bin/app entrypoint\n/usr/bin/awk interpreter\n\
         /usr/bin/env interpreter\n"
    );
}

#[test]
fn what_was_copied_is_the_authors_though_its_mode_was_changed_afterwards() {
    let installed = Builder::new().executable("usr/bin/app", program().build());
    let script = "#!/bin/sh\nexec app --all\n";
    let kept = kept_of(
        &[
            ("/bin/sh -c apt-get install -y app", installed),
            (
                "COPY alarm /usr/local/bin",
                Builder::new().file("usr/local/bin/alarm", script),
            ),
            (
                "/bin/sh -c chmod +x /usr/local/bin/alarm",
                Builder::new().executable("usr/local/bin/alarm", script),
            ),
            (
                "/bin/sh -c make-report",
                Builder::new().executable("usr/local/bin/made", "#!/bin/sh\nother\n"),
            ),
        ],
        r#"{"Cmd":["/bin/sh"]}"#,
    );
    assert_eq!(
        kept,
        "/bin/sh entrypoint\n/usr/bin/app script-command\n/usr/local/bin/alarm application\n"
    );
}

#[test]
fn a_layer_that_brings_a_system_is_no_application() {
    let system = Builder::new()
        .executable("bin/sh", program().build())
        .file("opt/unused", "x");
    let app = Builder::new().executable("usr/bin/app", program().build());
    let kept = kept_of(
        &[("RUN install", app), ("COPY --from=build / /", system)],
        r#"{"Cmd":["app"]}"#,
    );
    assert_eq!(kept, "/usr/bin/app entrypoint\n");
}

#[test]
fn what_a_supervisor_is_set_to_start_stays() {
    let installed = Builder::new()
        .executable(
            "usr/bin/supervise",
            program().data(b"\0/etc/supervise.conf\0").build(),
        )
        .executable("usr/sbin/server", program().build())
        .executable("usr/sbin/worker", program().build())
        .executable("usr/sbin/idle", program().build())
        .file("var/lib/dpkg/status", DPKG);
    let settings = Builder::new()
        .file(
            "etc/supervise.conf",
            "[one]\ncommand=server -g 'daemon off;'\n; command=idle\ndirectory=/srv\n",
        )
        .file("etc/cron.d/app", "*/5 * * * * root worker /opt/jobs\n")
        .file("opt/jobs/list", "x");
    let kept = kept_of(
        &[("RUN install", installed), ("COPY settings /", settings)],
        r#"{"Cmd":["supervise"]}"#,
    );
    assert_eq!(
        kept,
        "/etc/cron.d/app application\n/etc/supervise.conf path\n/opt/jobs/list application\n\
         /usr/bin/supervise entrypoint\n/usr/sbin/server script-command\n\
         /usr/sbin/worker script-command\n"
    );
}

#[test]
fn other_names_of_a_program_stay_with_it() {
    let installed = Builder::new()
        .executable("usr/sbin/config-update", program().build())
        .symlink("usr/bin/dot", "../sbin/config-update")
        .symlink("usr/bin/neato", "dot")
        .symlink("usr/bin/identify", "/etc/alternatives/identify")
        .symlink("etc/alternatives/identify", "/usr/bin/neato")
        .symlink("usr/bin/gone", "missing")
        .symlink("usr/bin/sh2", "/bin/unkept")
        .executable("bin/unkept", program().build());
    let kept = kept_of(&[("RUN install", installed)], r#"{"Cmd":["dot"]}"#);
    assert_eq!(
        kept,
        "/etc/alternatives/identify package\n/usr/bin/dot symlink\n/usr/bin/identify package\n\
         /usr/bin/neato package\n/usr/sbin/config-update entrypoint\n"
    );
}

#[test]
fn a_tool_of_the_base_keeps_what_it_has_a_shell_start() {
    let status = "Package: tar\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nEssential: yes\n\n\
                  Package: gzip\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nEssential: yes\n\n";
    let installed = Builder::new()
        .executable(
            "bin/tar",
            program().import("execv").data(b"\0gzip\0/bin/sh\0").build(),
        )
        .executable("bin/gzip", program().build())
        .file("var/lib/dpkg/status", status)
        .file("var/lib/dpkg/info/tar.list", "/bin/tar\n")
        .file("var/lib/dpkg/info/gzip.list", "/bin/gzip\n");
    let kept = kept_of(&[("RUN install", installed)], r#"{"Cmd":["tar"]}"#);
    assert_eq!(kept, "/bin/gzip spawn\n/bin/sh path\n/bin/tar entrypoint\n");
}

#[test]
fn data_behind_a_link_of_a_distribution_stays() {
    let status = "Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n";
    let installed = Builder::new()
        .executable("usr/bin/app", program().build())
        .symlink("usr/lib/app/data", "../../share/app-data/all")
        .file("usr/share/app-data/all/de.dat", "x")
        .file("usr/share/app-data/beside", "x")
        .file("var/lib/dpkg/status", status)
        .file(
            "var/lib/dpkg/info/app.list",
            "/usr/bin/app\n/usr/lib/app/data\n",
        );
    let kept = kept_of(&[("RUN install", installed)], r#"{"Cmd":["app"]}"#);
    assert_eq!(
        kept,
        "/usr/bin/app entrypoint\n/usr/lib/app/data package\n\
         /usr/share/app-data/all/de.dat plugin-dir\n"
    );
}

#[test]
fn an_embedded_perl_looks_where_it_looks() {
    let place = "usr/lib/x86_64-linux-gnu";
    let interpreter = |paths: &[u8]| [b"\0PERL5LIB\0", paths, b"\0"].concat();
    let installed = Builder::new()
        .executable(
            "usr/bin/app",
            program().data(b"\0libperl.so.5\0plain.so\0").build(),
        )
        .file(
            &format!("{place}/libperl.so.5"),
            elf::Builder::library()
                .soname("libperl.so.5")
                .data(interpreter(b"/usr/share/perl/5.36"))
                .build(),
        )
        .file(&format!("{place}/perl-base/strict.pm"), "1;")
        .file("usr/share/perl/5.36/strict.pm", "1;");
    let kept = kept_of(&[("RUN install", installed)], r#"{"Cmd":["app"]}"#);
    assert!(
        kept.contains("/usr/share/perl/5.36/strict.pm module\n"),
        "{kept}"
    );
}

#[test]
fn all_commands_of_a_line_for_a_shell_stay() {
    let installed = Builder::new()
        .executable(
            "usr/bin/app",
            program()
                .import("system")
                .data(b"\0rm -rf %s ; mkdir -p %s && touch %s\0say hello\0")
                .build(),
        )
        .executable("bin/rm", program().build())
        .executable("bin/mkdir", program().build())
        .executable("bin/touch", program().build())
        .executable("bin/say", program().build());
    let kept = kept_of(&[("RUN install", installed)], r#"{"Cmd":["app"]}"#);
    assert_eq!(
        kept,
        "/bin/mkdir spawn\n/bin/rm spawn\n/bin/sh interpreter\n/bin/touch spawn\n/usr/bin/app entrypoint\n"
    );
}

#[test]
fn what_was_asked_for_by_name_may_cost_more_and_a_script_of_a_package_is_part_of_it() {
    let package = |name: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
        )
    };
    let status = [package("server"), package("tool"), package("other")].concat();
    let large = || program().data("x".repeat(2_000_000)).build();
    let script = |bytes: usize| format!("#!/usr/bin/run\n{}", "x".repeat(bytes));
    let installed = Builder::new()
        .executable(
            "usr/bin/server",
            program().data(b"\0/usr/bin/run\0").build(),
        )
        .executable("usr/bin/run", program().build())
        .executable("usr/lib/server/script/control", script(2_000_000))
        .executable("usr/bin/control", script(2_000_000))
        .executable("usr/bin/tool", large())
        .executable("usr/bin/other", large())
        .file("var/lib/dpkg/status", status)
        .file(
            "var/lib/dpkg/info/server.list",
            "/usr/bin/server\n/usr/bin/control\n/usr/lib/server/script/control\n",
        )
        .file("var/lib/dpkg/info/tool.list", "/usr/bin/tool\n")
        .file("var/lib/dpkg/info/other.list", "/usr/bin/other\n")
        .file(
            "var/lib/apt/extended_states",
            "Package: other\nArchitecture: amd64\nAuto-Installed: 1\n\n",
        );
    let kept = kept_of(&[("RUN install", installed)], r#"{"Cmd":["server"]}"#);
    assert_eq!(
        kept,
        "/usr/bin/run path\n/usr/bin/server entrypoint\n/usr/bin/tool package\n\
         /usr/lib/server/script/control package\n"
    );
}
