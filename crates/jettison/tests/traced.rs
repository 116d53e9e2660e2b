//! What a trace adds to what is kept of small images.

mod kept;

use jettison::closure::{Error, Options, Run, Watched};
use jettison::trace;
use kept::{base, program};
use sandbox::Trace;
use testkit::elf;
use testkit::tree::Builder;

/// What is kept of an image whose server asked for the files of `accesses`: kind, outcome and path.
fn kept(image: &Builder, accesses: &[(&str, &str, &str)]) -> String {
    let trace = seen(accesses);
    search(image, Watched::Seen(&trace)).expect("the image can be slimmed")
}

fn search(image: &Builder, trace: Watched<'_>) -> Result<String, Error> {
    let json = r#"{"Cmd":["server"]}"#;
    kept::kept(vec![image.tar()], &[], json, &Options::default(), trace)
}

fn seen(accesses: &[(&str, &str, &str)]) -> Trace {
    let mut text = "{\"jettisonTrace\":1,\"events\":1,\"complete\":true}\n".to_owned();
    for (kind, outcome, path) in accesses {
        text += &format!(
            "{{\"path\":\"{path}\",\"kind\":\"{kind}\",\"outcome\":\"{outcome}\",\"count\":1,\"by\":\"/usr/bin/server\"}}\n"
        );
    }
    trace::read(text.as_bytes()).expect("the test's trace is valid")
}

fn image() -> Builder {
    base()
        .executable("usr/bin/server", program().build())
        .executable(
            "usr/bin/tool",
            program()
                .needed("libtool.so")
                .data(b"\0/usr/lib/tool\0libplugin.so\0")
                .build(),
        )
        .file("usr/lib/libtool.so", elf::Builder::library().build())
        .file("usr/lib/libplugin.so", elf::Builder::library().build())
        .file("usr/lib/tool/part", "x")
}

#[test]
fn a_program_that_is_only_asked_about_can_start() {
    let stat = ("stat", "found", "/usr/bin/tool");
    assert_eq!(
        kept(&image(), &[stat]),
        "/usr/bin/server entrypoint\n/usr/bin/tool traced\n/usr/lib/libtool.so needed\n"
    );
    let whole = "/usr/bin/server entrypoint\n/usr/bin/tool traced\n/usr/lib/libplugin.so dlopen\n\
                 /usr/lib/libtool.so needed\n/usr/lib/tool/part plugin-dir\n";
    let run = ("execute", "found", "/usr/bin/tool");
    assert_eq!(kept(&image(), &[stat, run]), whole);
    // Somebody else says that it is needed.
    let script = image().executable("usr/bin/script", "#!/bin/sh\ntool\n");
    let script_runs = ("execute", "found", "/usr/bin/script");
    let with_script = kept(&script, &[stat, script_runs]);
    assert!(
        with_script.contains("/usr/lib/tool/part plugin-dir\n"),
        "{with_script}"
    );
}

#[test]
fn what_was_taken_for_a_directory_is_not_missed() {
    let image = image()
        .executable("usr/bin/machine", program().build())
        .symlink("usr/bin/x86_64", "machine");
    let below = ("open", "not-a-directory", "/usr/bin/x86_64/libtool.so");
    let asked = ("stat", "found", "/usr/bin/machine");
    assert_eq!(
        kept(&image, &[asked, below]),
        "/usr/bin/server entrypoint\n"
    );
    // It was opened all the same.
    let opened = ("open", "found", "/usr/bin/machine");
    assert_eq!(
        kept(&image, &[opened, below]),
        "/usr/bin/machine traced\n/usr/bin/server entrypoint\n/usr/bin/x86_64 package\n"
    );
}

#[test]
fn a_directory_of_distributions_that_was_asked_for_stays_though_all_of_them_go() {
    let site = "usr/lib/python3.11/dist-packages";
    let image = base()
        .executable("usr/bin/server", "#!/usr/bin/python3.11\n")
        .executable(
            "usr/bin/python3.11",
            program().data(b"\0PYTHONPATH\0").build(),
        )
        .file("usr/lib/python3.11/os.py", "")
        .file(&format!("{site}/gone/__init__.py"), "")
        .file(
            &format!("{site}/gone-1.0.dist-info/METADATA"),
            "Name: gone\n",
        )
        .file(
            &format!("{site}/gone-1.0.dist-info/RECORD"),
            "gone/__init__.py,,\ngone-1.0.dist-info/METADATA,,\n",
        );
    let asked = |path: &str| ("stat", "found", format!("/{site}{path}"));
    let accesses = [asked(""), asked("/gone"), asked("/gone-1.0.dist-info")];
    let accesses = accesses
        .iter()
        .map(|(kind, outcome, path)| (*kind, *outcome, path.as_str()));
    let accesses: Vec<_> = accesses.collect();
    assert_eq!(
        kept(&image, &accesses),
        "/usr/bin/python3.11 interpreter\n/usr/bin/server entrypoint\n\
         /usr/lib/python3.11/dist-packages traced\n/usr/lib/python3.11/os.py module\n"
    );
}

#[test]
fn a_first_state_goes_where_the_run_made_its_own() {
    let names: Vec<String> = (0..19)
        .map(|number| format!("base/{number}"))
        .chain(["VERSION".to_owned()])
        .collect();
    let mut image = base()
        .executable(
            "usr/bin/server",
            program().data(b"\0/etc/db.conf\0").build(),
        )
        .file("etc/db.conf", "data = /var/lib/db/main\n")
        .file(
            "var/lib/dpkg/status",
            "Package: db\nStatus: install ok installed\n",
        )
        .file("var/lib/dpkg/info/db.list", "/usr/bin/server\n");
    for name in &names {
        image = image.file(&format!("var/lib/db/main/{name}"), "x");
    }
    let made = |top: &str, count: usize| -> Vec<String> {
        let last = names.iter().rev();
        last.take(count)
            .map(|name| format!("{top}/{name}"))
            .collect()
    };
    let run = |opened: &[String]| {
        let accesses: Vec<_> = opened
            .iter()
            .map(|path| ("open", "found", path.as_str()))
            .collect();
        kept(&image, &accesses)
    };
    let server = "/etc/db.conf path\n/usr/bin/server entrypoint\n";
    assert_eq!(run(&made("/data", 11)), server);
    let whole: String = {
        let mut lines: Vec<String> = made("/var/lib/db/main", 20);
        lines.sort();
        let lines = lines.iter().map(|path| format!("{path} application\n"));
        lines.collect()
    };
    let whole = format!("{server}{whole}");
    // Somebody looked how to reach the other server.
    let mut asked = made("/data", 20);
    asked.push("/var/lib/db/main/VERSION".to_owned());
    let version = "/var/lib/db/main/VERSION traced\n";
    assert_eq!(run(&asked), format!("{server}{version}"));
    // Some of the names are anybody's; and a state that was read is in use, whatever else is.
    assert_eq!(run(&made("/data", 10)), whole);
    let both = [made("/data", 20), made("/var/lib/db/main", 2)].concat();
    assert_eq!(run(&both), whole);
}

#[test]
fn a_run_is_waited_for() {
    let accesses = [("execute", "found", "/usr/bin/tool")];
    let (image, run) = (image(), Run::default());
    let awaited = std::thread::scope(|scope| {
        let watching = run.watch();
        let search = scope.spawn(|| search(&image, Watched::Running(&run)));
        watching.end(Some(seen(&accesses)));
        search.join().expect("the search does not panic")
    });
    assert_eq!(
        awaited.expect("the image can be slimmed"),
        kept(&image, &accesses)
    );
    assert_eq!(run.into_trace(), Some(seen(&accesses)));
}

#[test]
fn nobody_waits_for_a_run_that_failed() {
    let run = Run::default();
    drop(run.watch());
    let found = search(&image(), Watched::Running(&run));
    assert!(matches!(found, Err(Error::NotSeen)), "{found:?}");
}

#[test]
fn tables_that_look_after_a_system_start_nothing() {
    let kept = |essential: &str| {
        let status = format!(
            "Package: base\nStatus: install ok installed\n{essential}Architecture: all\nVersion: 1\n"
        );
        let image = image()
            .file("etc/cron.d/base", "* * * * * root /usr/bin/tool -a\n")
            .file("var/lib/dpkg/status", status)
            .file("var/lib/dpkg/info/base.list", "/etc/cron.d/base\n");
        kept(&image, &[("open", "found", "/etc/cron.d/base")])
    };
    let table = "/etc/cron.d/base traced\n";
    assert_eq!(
        kept("Essential: yes\n"),
        format!("{table}/usr/bin/server entrypoint\n")
    );
    assert!(
        kept("").contains("/usr/bin/tool script-command\n"),
        "{}",
        kept("")
    );
}
