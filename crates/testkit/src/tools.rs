//! Programs of the machine that tests take for witnesses.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Returns whether a program is installed; says so when it is not, and fails
/// where all are required.
pub fn has_tool(name: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        lacks(name);
    }
    found
}

/// Says that a test is left out for want of something.
///
/// # Panics
/// When the environment says that everything must be there
/// (`JETTISON_REQUIRE_TOOLS=1`, as `./test` does).
pub fn lacks(name: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by their environment"
    )]
    let required = std::env::var("JETTISON_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "`{name}` is required and not there");
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    {
        eprintln!("skipped: {test} needs `{name}`, which is not there");
    }
}

/// Runs a program that must succeed; returns what it prints.
///
/// # Panics
/// When it does not succeed, with what it says.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {error}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A program that runs until it is dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts a program; what it says goes to the file `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(program: &str, arguments: &[&str], log: &Path) -> Self {
        let log = std::fs::File::create(log).expect("the log can be made");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
