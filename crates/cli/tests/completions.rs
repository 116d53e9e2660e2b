//! `jettison completions`.

mod common;

use common::environment;

#[test]
fn for_every_shell() {
    let environment = environment();
    for (shell, sign) in [
        ("bash", "complete -F _jettison"),
        ("zsh", "#compdef jettison"),
        ("fish", "complete -c jettison"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer[jettison]"),
    ] {
        let script = environment.run(&["completions", shell]).done();
        assert!(script.stdout.contains(sign), "{shell}: {script}");
        assert!(script.stdout.contains("docker-archive") || script.stdout.contains("slim"));
    }
    assert!(!environment.store().exists(), "nothing else is touched");
}

#[test]
fn a_shell_that_is_none() {
    let refused = environment().run(&["completions", "cmd"]);
    assert_eq!((refused.code, &*refused.stdout), (2, ""));
    assert!(
        refused.stderr.contains("possible values: bash"),
        "{refused}"
    );
}
