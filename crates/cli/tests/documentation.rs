//! `docs/cli.md` is the help of every command, and up to date.
//!
//! `JETTISON_REGENERATE=1 cargo test --package cli --test documentation` writes it anew.

use testkit::cli::Environment;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");

fn help(environment: &Environment, command: &[&str]) -> String {
    let arguments = [command, &["--help"]].concat();
    let mut command = environment.command(&arguments);
    // Its value would be shown.
    let output = command
        .env_remove("JETTISON_STORE")
        .output()
        .expect("it can be started");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("help is text")
}

/// The names in the list of commands, in its order.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = list.take_while(|line| line.starts_with("  "));
    // A description that does not fit goes on further to the right.
    let first = lines.filter(|line| !line.starts_with("   "));
    let names = first.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Options of every command are described once.
fn own(help: &str) -> &str {
    let common = ["\nRegistry options:", "\nGlobal options:"];
    let ends = common.iter().filter_map(|heading| help.find(heading));
    help[..ends.min().unwrap_or(help.len())].trim_end()
}

#[test]
fn the_reference_is_what_the_program_says() {
    let environment = Environment::new(env!("CARGO_BIN_EXE_jettison"));
    let overview = help(&environment, &[]);
    let mut text = format!(
        "# Command line\n\nGenerated from the program's own help (`just docs`). Exit codes: 0 done; \
         1 the answer is\nno; 2 wrong usage or input; 3 the operation failed; 70 a bug.\n\n\
         ## jettison\n\n```text\n{}\n```\n",
        overview.trim_end()
    );
    for name in commands(&overview) {
        let help = help(&environment, &[&name]);
        // What follows the options of every command are the examples.
        let examples = help
            .find("\nExample")
            .map_or("", |at| help[at..].trim_end());
        let own = own(&help);
        let examples = if own.contains(examples.trim_start()) {
            ""
        } else {
            examples
        };
        let gap = if examples.is_empty() { "" } else { "\n" };
        text.push_str(&format!(
            "\n## jettison {name}\n\n```text\n{own}{gap}{examples}\n```\n"
        ));
    }
    let text: String = text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    #[expect(clippy::disallowed_methods, reason = "asked for by who runs the test")]
    if std::env::var_os("JETTISON_REGENERATE").is_some() {
        std::fs::write(PATH, &text).expect("the page can be written");
    }
    let page = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(page == text, "docs/cli.md is out of date: run `just docs`");
}
