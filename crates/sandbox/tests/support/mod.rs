//! A root directory with busybox in it, and short ways to run something there.
#![allow(dead_code)] // not every test file uses all of it
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by panicking and speaks to people

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sandbox::{Caller, Container, Error, ExitStatus, IdMapping, Spec, Stdio, Streams, spawn};

/// Where Debian's `busybox-static` puts its program.
const BUSYBOX: &str = "/bin/busybox";
/// The commands that the tests use.
const COMMANDS: &[&str] = &[
    "cat", "chmod", "chown", "echo", "env", "false", "hostname", "id", "ip", "kill", "ls", "mkdir",
    "mknod", "mount", "nc", "ps", "pwd", "readlink", "rm", "sh", "sleep", "stat", "stty", "su",
    "test", "touch", "true", "tty", "umask", "wget",
];

/// A root directory that goes away with this value.
pub(crate) struct Root {
    directory: PathBuf,
    pub(crate) ids: IdMapping,
}

/// Makes a root, or says why the test is skipped.
pub(crate) fn root() -> Option<Root> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    if !Path::new(BUSYBOX).exists() {
        skip(&format!(
            "{BUSYBOX} (Debian package busybox-static) is missing"
        ));
        return None;
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("sandbox-test-{}-{number}", std::process::id());
    let root = Root {
        directory: std::env::temp_dir().join(name),
        ids: IdMapping::detect(&Caller::current()),
    };
    for directory in [
        "bin",
        "etc",
        "proc",
        "dev",
        "sys",
        "tmp",
        "run/app/deep",
        "work",
    ] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::copy(BUSYBOX, root.path().join("bin/busybox")).unwrap();
    for command in COMMANDS {
        symlink("busybox", root.path().join("bin").join(command)).unwrap();
    }
    root.write(
        "etc/passwd",
        "root:x:0:0::/:/bin/sh\napp:x:999:999::/:/bin/sh\n",
    );
    root.write("etc/group", "root:x:0:\napp:x:999:\n");
    root.mode("tmp", 0o1777);
    root.mode("run/app", 0o2775);
    root.write("run/app/file", "content of a file\n");
    symlink("app/file", root.path().join("run/link")).unwrap();
    Some(root)
}

/// Says that a test does not run, which is a failure where everything has to be there.
pub(crate) fn skip(reason: &str) {
    #[allow(clippy::disallowed_methods)] // how the test runner says that nothing may be skipped
    let required = std::env::var("JETTISON_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "{reason}");
    eprintln!("skipped: {reason}");
}

impl Root {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// A directory beside the root.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        let path = self.directory.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        fs::write(self.path().join(path), content).unwrap();
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A command with piped output, and with `PATH` as its whole environment.
    pub(crate) fn spec(&self, argv: &[&str]) -> Spec {
        Spec {
            streams: Streams {
                stdin: Stdio::Null,
                ..Streams::all(Stdio::Piped)
            },
            env: vec![("PATH".into(), "/bin".into())],
            ..Spec::new(self.path(), strings(argv), self.ids.clone())
        }
    }

    /// A shell script.
    pub(crate) fn script(&self, script: &str) -> Spec {
        self.spec(&["sh", "-c", script])
    }

    /// Runs a shell script and returns what it prints. It has to succeed.
    #[track_caller]
    pub(crate) fn output(&self, script: &str) -> String {
        output(&self.script(script))
    }

    /// Returns whether the caller has more than one id here.
    pub(crate) fn has_many_ids(&self) -> bool {
        !matches!(self.ids, IdMapping::Single { .. })
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub(crate) fn strings(argv: &[&str]) -> Vec<OsString> {
    argv.iter().map(OsString::from).collect()
}

/// Runs a command to its end: its status, what it wrote to standard output, and to standard error.
pub(crate) fn run(spec: &Spec) -> Result<(ExitStatus, String, String), Error> {
    let mut container = spawn(spec)?;
    let output = read(container.main.take_stdout());
    let errors = read(container.main.take_stderr());
    Ok((container.main.wait()?, output, errors))
}

/// Runs a command that has to succeed, and returns its output.
#[track_caller]
pub(crate) fn output(spec: &Spec) -> String {
    let (status, output, errors) = run(spec).unwrap();
    assert!(status.success(), "{status:?}: {output}{errors}");
    output
}

/// Reads a stream to its end.
pub(crate) fn read(stream: Option<fs::File>) -> String {
    let mut text = String::new();
    if let Some(mut stream) = stream {
        stream.read_to_string(&mut text).unwrap();
    }
    text
}

/// Starts a command and waits for the first byte that it writes.
#[track_caller]
pub(crate) fn started(spec: &Spec) -> Container {
    let mut container = spawn(spec).unwrap();
    let mut stdout = container.main.take_stdout().unwrap();
    let read = stdout.read(&mut [0; 64]).unwrap();
    assert!(read > 0, "{}", self::read(container.main.take_stderr()));
    container
}
