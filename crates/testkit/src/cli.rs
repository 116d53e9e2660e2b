//! A clean place to run the program in, and what it says as one text.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A temporary home, store and working directory, and no environment besides.
#[derive(Debug)]
pub struct Environment {
    program: PathBuf,
    root: tempfile::TempDir,
}

/// What a run said and how it ended. Its `Display` is the whole of it, with the
/// environment's directory shown as `@` and digests by their first digits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "whether the program did what it should is the point of a test"]
pub struct Outcome {
    /// Results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
    /// The exit code; a signal is -1.
    pub code: i32,
}

impl Environment {
    /// Takes the program, `env!("CARGO_BIN_EXE_jettison")`; `JETTISON` in the environment names another build of it,
    /// such as the one that is released.
    ///
    /// # Panics
    /// When no directory can be made.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests are told by their environment"
        )]
        let other = std::env::var_os("JETTISON").map(PathBuf::from);
        let program = other.unwrap_or_else(|| program.into());
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::create_dir(root.path().join("work")).expect("it can be written to");
        Self { program, root }
    }

    /// Returns a path below the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// Returns the directory of the store.
    pub fn store(&self) -> PathBuf {
        self.root.path().join("store")
    }

    /// Writes a file below the working directory.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).expect("directories can be made");
        std::fs::write(&path, bytes).expect("the file can be written");
        path
    }

    /// Returns the program, set up but not started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env_clear()
            .env("HOME", self.root.path().join("home"))
            .env("PATH", "/usr/bin:/bin")
            .env("JETTISON_STORE", self.store())
            // No engine of the machine is to answer for a bare name.
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .env("CONTAINER_HOST", "unix:///nonexistent/podman.sock")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output();
        self.outcome(&output.expect("the program can be started"))
    }

    /// Runs the program with bytes on its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        let file = self.write("../stdin", input);
        let file = std::fs::File::open(file).expect("the file was just written");
        let output = self.command(arguments).stdin(file).output();
        self.outcome(&output.expect("the program can be started"))
    }

    /// Shows every file of the store and the working directory, with digests: to
    /// tell that nothing was written. Directories are without their times, which
    /// temporary files change.
    pub fn files(&self) -> String {
        let fields = crate::dump::Fields::ALL;
        let dump = crate::dump::directory(self.root.path(), fields);
        let lines = dump.lines().filter(|line| !line.starts_with("stdin "));
        lines
            .map(|line| match line.split_once(" dir ") {
                Some((path, _)) => format!("{path}/\n"),
                None => format!("{line}\n"),
            })
            .collect()
    }

    fn outcome(&self, output: &std::process::Output) -> Outcome {
        let text = |bytes: &[u8]| normalised(&String::from_utf8_lossy(bytes), self.root.path());
        Outcome {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

/// Paths of the environment as `@/…`, digests as `sha256:0123…`.
fn normalised(text: &str, root: &Path) -> String {
    let text = text.replace(&root.display().to_string(), "@");
    let mut parts = text.split("sha256:");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let hex = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        result.push_str("sha256:");
        match hex {
            64 => {
                result.push_str(&part[..4]);
                result.push('…');
                result.push_str(&part[64..]);
            }
            _ => result.push_str(part),
        }
    }
    result
}

impl Outcome {
    /// Returns this, having made sure that the program succeeded.
    ///
    /// # Panics
    /// When it did not.
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr\n{}", self.stderr)?;
        }
        writeln!(f, "--- exit {}", self.code)
    }
}
