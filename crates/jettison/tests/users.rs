//! What stays for the users of an image: their homes, and what who logs in may run.

mod kept;

use kept::{base, kept_by_default, program};
use testkit::elf;
use testkit::tree::Builder;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
    ann:x:1000:1000:Ann,,,:/home/ann:/bin/zsh\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";

/// A server, tools, and a user with a home.
fn image(server: &elf::Builder) -> Builder {
    base()
        .file("etc/passwd", PASSWD)
        .file("etc/shells", "# shells\n/bin/sh\n/bin/zsh\n")
        .executable("usr/sbin/server", server.build())
        .executable("bin/zsh", program().build())
        .executable("usr/bin/tty", program().build())
        .executable("usr/bin/greet", "#!/bin/sh\nfigure hello\n")
        .executable("usr/bin/figure", program().build())
        .executable("usr/bin/apt", program().build())
        .file("etc/skel/.profile", "x")
        .file("home/ann/.profile", "x")
        .file("home/ann/.forward", "x")
        .file("home/ann/work/report", "x")
        .directory("home/bo")
        .file("root/.ssh/authorized_keys", "x")
        .file("root/.cache/index", "x")
        .file(
            "var/lib/dpkg/status",
            "Package: apt\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
        )
        .file("var/lib/dpkg/info/apt.list", "/usr/bin/apt\n/var/lib/apt\n")
        .directory("var/lib/apt")
}

/// A server that imports functions.
fn server(functions: &[&str]) -> elf::Builder {
    let functions = functions.iter();
    functions.fold(program(), |server, name| server.import(name))
}

/// What gives users a terminal over the network.
const SERVES: &[&str] = &["getspnam", "initgroups", "execv", "listen", "openpty"];

const CONFIG: &str = r#"{"Cmd":["/usr/sbin/server"]}"#;

#[test]
fn homes_stay_with_settings_that_did_not_come_with_them() {
    let passwd = format!("{PASSWD}bo:x:1001:1001::/home/bo:/bin/sh\n");
    let image = image(&program()).file("etc/passwd", passwd);
    assert_eq!(
        kept_by_default(&image, CONFIG),
        "/etc/passwd system\n/home/ann/.forward system\n/home/bo system\n\
         /usr/sbin/server entrypoint\n"
    );
}

#[test]
fn a_program_that_logs_in_brings_shells() {
    let login = server(&["pam_start", "initgroups", "execve"]);
    assert_eq!(
        kept_by_default(&image(&login), CONFIG),
        "/bin/sh path\n/bin/zsh path\n/etc/passwd system\n/home/ann/.forward system\n\
         /usr/sbin/server entrypoint\n"
    );
}

#[test]
fn who_gets_a_terminal_over_the_network_may_run_what_path_leads_to() {
    let serves = server(SERVES);
    assert_eq!(
        kept_by_default(&image(&serves), CONFIG),
        "/bin/sh path\n/bin/zsh path\n/etc/passwd system\n/home/ann/.forward system\n\
         /home/ann/.profile system\n/home/ann/work/report system\n\
         /root/.ssh/authorized_keys system\n/usr/bin/figure path\n/usr/bin/greet path\n\
         /usr/bin/tty path\n/usr/sbin/server entrypoint\n"
    );
}

#[test]
fn users_who_are_made_at_the_start_may_run_it_too_if_they_get_a_shell() {
    let kept = |shell: &str| {
        let entry =
            format!("#!/bin/sh\nset -- --shell {shell}\nuseradd \"$@\" \"$NAME\"\nexec server\n");
        let image = image(&server(SERVES))
            .file("etc/passwd", "root:x:0:0:root:/:/bin/sh\n")
            .symlink("root/.ssh", "/none")
            .executable("usr/sbin/useradd", program().build())
            .executable("entry", entry);
        kept_by_default(&image, r#"{"Cmd":["/entry"]}"#)
    };
    let without = "/bin/sh interpreter\n/entry entrypoint\n/etc/passwd system\n\
        /usr/sbin/server script-command\n/usr/sbin/useradd script-command\n";
    assert_eq!(kept("/usr/sbin/nologin"), without);
    assert_eq!(
        kept("/bin/zsh"),
        "/bin/sh interpreter\n/bin/zsh path\n/entry entrypoint\n/etc/passwd system\n\
         /usr/bin/figure path\n/usr/bin/greet path\n/usr/bin/tty path\n\
         /usr/sbin/server script-command\n/usr/sbin/useradd script-command\n"
    );
}

#[test]
fn an_interpreter_has_functions_for_everything() {
    let interpreter = server(SERVES);
    assert_eq!(
        kept_by_default(&image(&interpreter.data(b"\0GUILE_LOAD_PATH\0")), CONFIG),
        "/bin/sh path\n/bin/zsh path\n/etc/passwd system\n/home/ann/.forward system\n\
         /usr/sbin/server entrypoint\n"
    );
}

#[test]
fn a_shell_that_does_a_single_thing_is_no_reason_for_others() {
    let serves = server(SERVES);
    let git = PASSWD.replace("/bin/zsh", "/usr/bin/figure");
    let image = image(&serves).file("etc/passwd", git);
    // But root has a key.
    assert!(kept_by_default(&image, CONFIG).contains("/usr/bin/tty path"));
    let keyless = image
        .file("root/.ssh/authorized_keys", "")
        .symlink("root/.ssh", "/none");
    assert_eq!(
        kept_by_default(&keyless, CONFIG),
        "/bin/sh path\n/etc/passwd system\n/home/ann/.forward system\n\
         /usr/bin/figure path\n/usr/sbin/server entrypoint\n"
    );
}

#[test]
fn completions_go_and_logs_say_what_was() {
    let sources =
        "for f in \"$DIR/bash_completion\"; do . \"$f\"; done\n. \"$DIR/bash_completion\"\n";
    let profile = ". /etc/profile.d/completion.sh\ncat /var/log/app.log /etc/app.conf\n";
    let image = base()
        .executable("usr/bin/app", format!("#!/bin/sh\n{profile}"))
        .executable("usr/bin/tool", program().build())
        .file("etc/profile.d/completion.sh", sources)
        .file(
            "usr/share/bash-completion/bash_completion",
            "/usr/bin/tool --list\n",
        )
        .file("var/log/app.log", "/srv/data/a was read\n")
        .file("etc/app.conf", "data = /srv/data/b\n")
        .file("srv/data/a", "x")
        .file("srv/data/b", "x")
        .file(
            "var/lib/dpkg/status",
            "Package: completion\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n",
        )
        .file(
            "var/lib/dpkg/info/completion.list",
            "/etc/profile.d/completion.sh\n/usr/share/bash-completion/bash_completion\n",
        );
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["app"]}"#),
        "/bin/sh interpreter\n/etc/app.conf path\n/etc/profile.d/completion.sh path\n\
         /srv/data/b path\n/usr/bin/app entrypoint\n/var/log/app.log path\n"
    );
}
