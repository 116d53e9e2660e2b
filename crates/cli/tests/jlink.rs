//! `slim --jlink`, with a stand-in for the JDK: a directory laid out like one, whose `jlink` is a script that does
//! with its options what jlink(1) says.

mod containers;

use containers::{import, root};
use serde_json::Value;
use testkit::cli::Environment;

/// Writes the names of the modules where the modules would be.
const JLINK: &str = "#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in
    --add-modules) modules=$2 ;;
    --output) out=$2 ;;
    --compress) level=$2 ;;
  esac
  shift
done
case $modules in *fail*) echo \"Error: Module fail not found\" >&2; exit 1 ;; esac
mkdir -p \"$out/lib\" \"$out/bin\"
echo \"$modules $level\" > \"$out/lib/modules\"
echo made > \"$out/lib/libjvm.so\"
echo made > \"$out/bin/java\"
echo made > \"$out/release\"
";

/// A server that reads the modules and serves what it was given.
const START: &str = "#!/bin/sh
cat /opt/jdk/lib/modules /opt/jdk/lib/classes.jsa > /dev/null 2>&1
exec /bin/httpd -f -p 8080 -h /srv
";

fn with_kit(modules: &[&str]) -> Option<Environment> {
    let kit = root()?
        .executable("start", START)
        .file("srv/index.html", "hello\n")
        .executable("opt/jdk/bin/jlink", JLINK)
        .executable("opt/jdk/bin/javac", "#!/bin/sh\n")
        .executable("opt/jdk/bin/java", "#!/bin/sh\n")
        .file("opt/jdk/release", "JAVA_VERSION=\"21.0.2\"\n")
        .file("opt/jdk/lib/modules", "all of them, and more\n")
        .file("opt/jdk/lib/libjvm.so", "the machine\n")
        .file("opt/jdk/lib/classes.jsa", "for the old modules\n")
        .file("opt/jdk/lib/security/policy", "the distribution's own\n");
    let kit = modules.iter().fold(kit, |kit, name| {
        kit.file(&format!("opt/jdk/jmods/{name}.jmod"), "JM")
    });
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    import(
        &environment,
        &kit,
        "java:1",
        &["CMD [\"/start\"]", "EXPOSE 8080"],
    );
    Some(environment)
}

/// Returns what the slim image has in a file, if it has it.
fn content(environment: &Environment, path: &str) -> Option<String> {
    let shown = environment.run(&["run", "java:slim", "cat", path]);
    (shown.code == 0).then_some(shown.stdout)
}

#[test]
fn the_run_time_is_made_anew_without_tools() {
    let modules = [
        "java.base",
        "java.sql",
        "jdk.compiler",
        "jdk.jlink",
        "jdk.zipfs",
    ];
    let Some(environment) = with_kit(&modules) else {
        return;
    };
    let flags = [
        "slim",
        "--json",
        "--jlink",
        "--include-shell",
        "--include",
        "/opt/jdk",
    ];
    let slim = environment
        .run(&[&flags[..], &["java:1", "-t", "java:slim", "--http", "/"]].concat())
        .done();
    let slim: Value = serde_json::from_str(&slim.stdout).expect("the result is JSON");
    assert_eq!(slim["proven"], true);
    assert_eq!(slim["repaired"], Value::Array(Vec::new()));
    for (path, wanted) in [
        // Tools are left out, and the level of compression has the name that this release knows.
        ("lib/modules", Some("java.base,java.sql,jdk.zipfs zip-6\n")),
        ("release", Some("made\n")),
        // Not one of what was made takes the place of the image's own.
        ("lib/libjvm.so", Some("the machine\n")),
        ("lib/security/policy", None),
        ("lib/classes.jsa", None),
        ("bin/javac", None),
        ("jmods/java.base.jmod", None),
    ] {
        let found = content(&environment, &format!("/opt/jdk/{path}"));
        assert_eq!(found.as_deref(), wanted, "{path}");
    }
}

#[test]
fn without_jlink_or_when_it_fails_nothing_is_written() {
    for (modules, code, wanted) in [
        (
            &[][..],
            2,
            "error: there is no Java run time with `bin/jlink` and `jmods` in the image\n\
             hint: a JDK has them, a JRE does not; without --jlink it stays as it is\n",
        ),
        (
            &["java.base", "fail"],
            3,
            "error: `/opt/jdk/bin/jlink` failed in the image: Error: Module fail not found\n",
        ),
    ] {
        let Some(environment) = with_kit(modules) else {
            return;
        };
        let slim = environment.run(&[
            "slim",
            "--jlink",
            "java:1",
            "-t",
            "java:slim",
            "--http",
            "/",
        ]);
        assert!(slim.stderr.contains(wanted), "{slim}");
        assert_eq!(slim.code, code);
        let images = environment.run(&["images"]).done().stdout;
        assert!(!images.contains("java:slim"), "{images}");
    }
}
