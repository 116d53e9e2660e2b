//! Names that have a meaning to the shell, and programs that run other programs.

/// Utilities that dash or bash run themselves (dash(1) and bash(1), "BUILTINS"),
/// and words of their grammar, sorted.
const BUILTINS: &[&str] = &[
    "!",
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "chdir",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
    "{",
    "}",
];

/// Returns whether the shell runs `name` itself.
pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.binary_search(&name).is_ok()
}

/// Builtins whose operands of the form `name=value` are assignments.
pub(super) fn declares(name: &str) -> bool {
    matches!(
        name,
        "export" | "readonly" | "local" | "declare" | "typeset"
    )
}

/// Builtins whose operands are text or names of variables, never a command.
pub(super) fn takes_text(name: &str) -> bool {
    matches!(name, "echo" | "printf" | "read" | "unset" | "getopts")
}

/// Shells, of which `-c` makes the next operand a script.
pub(super) fn is_shell(name: &str) -> bool {
    matches!(
        name,
        "sh" | "bash" | "dash" | "ash" | "ksh" | "mksh" | "zsh" | "su" | "runuser" | "script"
    )
}

/// A program whose operands end with a command.
#[derive(Debug)]
pub(super) struct Wrapper {
    pub(super) name: &'static str,
    /// Operands before the command.
    operands: usize,
    /// Options whose value is the next word.
    valued: &'static [&'static str],
    /// Whether builtins and functions are run too.
    pub(super) internal: bool,
}

const fn wrapper(name: &'static str, operands: usize, valued: &'static [&'static str]) -> Wrapper {
    Wrapper {
        name,
        operands,
        valued,
        internal: false,
    }
}

const fn internal(name: &'static str, valued: &'static [&'static str]) -> Wrapper {
    Wrapper {
        name,
        operands: 0,
        valued,
        internal: true,
    }
}

/// Programs that run the command in their operands, by their manual pages, sorted.
const WRAPPERS: &[Wrapper] = &[
    internal("builtin", &[]),
    wrapper("busybox", 0, &[]),
    wrapper("catatonit", 0, &[]),
    wrapper(
        "chpst",
        0,
        &[
            "-u", "-U", "-b", "-/", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c", "-t",
            "-e",
        ],
    ),
    wrapper("chroot", 1, &[]),
    wrapper("chrt", 1, &["-T", "-P", "-D"]),
    internal("command", &[]),
    wrapper("dbus-run-session", 0, &[]),
    wrapper("doas", 0, &["-u", "-C"]),
    wrapper("dumb-init", 0, &["-r", "--rewrite"]),
    wrapper(
        "env",
        0,
        &["-u", "--unset", "-C", "--chdir", "-S", "--split-string"],
    ),
    wrapper("exec", 0, &["-a"]),
    wrapper("fakeroot", 0, &["-l", "-s", "-i", "-b"]),
    wrapper("faketime", 1, &["-f"]),
    wrapper("flock", 1, &["-w", "--timeout", "-E"]),
    wrapper("gosu", 1, &[]),
    wrapper("ionice", 0, &["-c", "-n", "--class", "--classdata"]),
    wrapper("nice", 0, &["-n", "--adjustment"]),
    wrapper("nohup", 0, &[]),
    wrapper("nsenter", 0, &["-t", "--target", "-S", "-G"]),
    wrapper("numactl", 0, &["-N", "-m", "-C", "-i", "-p"]),
    wrapper("prlimit", 0, &["-p", "--pid"]),
    wrapper("runuser", 0, &["-u", "--user", "-g", "-G", "-s"]),
    wrapper("s6-setuidgid", 1, &[]),
    wrapper("setarch", 1, &[]),
    wrapper(
        "setpriv",
        0,
        &[
            "--reuid",
            "--regid",
            "--groups",
            "--inh-caps",
            "--bounding-set",
            "--ambient-caps",
            "--securebits",
            "--pdeathsig",
        ],
    ),
    wrapper("setsid", 0, &[]),
    wrapper("setuidgid", 1, &[]),
    wrapper(
        "softlimit",
        0,
        &[
            "-m", "-d", "-s", "-l", "-a", "-o", "-p", "-f", "-c", "-r", "-t",
        ],
    ),
    wrapper(
        "stdbuf",
        0,
        &["-i", "-o", "-e", "--input", "--output", "--error"],
    ),
    wrapper("strace", 0, &["-o", "-e", "-p", "-s", "-u"]),
    wrapper("su-exec", 1, &[]),
    wrapper(
        "sudo",
        0,
        &["-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-U"],
    ),
    wrapper(
        "systemd-run",
        0,
        &["-p", "-u", "-E", "--unit", "--property"],
    ),
    wrapper("taskset", 1, &[]),
    internal("time", &["-o", "-f"]),
    wrapper("timeout", 1, &["-k", "-s", "--kill-after", "--signal"]),
    wrapper("tini", 0, &["-p", "-e"]),
    wrapper("unshare", 0, &["-S", "-G", "-R", "-w"]),
    wrapper("watch", 0, &["-n", "--interval"]),
    wrapper("wait-for", 1, &["-t"]),
    wrapper(
        "xargs",
        0,
        &[
            "-n",
            "-I",
            "-L",
            "-P",
            "-d",
            "-a",
            "-s",
            "-E",
            "--max-args",
            "--max-procs",
            "--delimiter",
            "--arg-file",
        ],
    ),
];

impl Wrapper {
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        WRAPPERS.iter().find(|wrapper| wrapper.name == name)
    }

    /// Returns where in the operands the command begins. Of an operand, nothing
    /// is known if it is not constant.
    pub(super) fn command(&self, operands: &[Option<&str>]) -> Option<usize> {
        let mut left = self.operands;
        let mut at = 0;
        let mut options = true;
        while at < operands.len() {
            match operands[at] {
                Some("--") if options => options = false,
                // `command -v` only asks.
                Some("-v" | "-V") if self.name == "command" => return None,
                // The name that follows is a user, and the command a string or a shell.
                Some("-c") if is_shell(self.name) => return None,
                Some(word) if options && word.len() > 1 && word.starts_with('-') => {
                    at += usize::from(self.valued.contains(&word));
                }
                Some(word) if self.name == "env" && is_assignment(word) => {}
                _ if left > 0 => left -= 1,
                _ => return Some(at),
            }
            at += 1;
        }
        None
    }
}

/// Returns whether a word is `name=value`.
pub(super) fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else {
        return false;
    };
    is_variable(name)
}

/// Returns whether a word can be the name of a variable.
pub(super) fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
        && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(BUILTINS.is_sorted());
    }

    #[test]
    fn the_command_of_a_wrapper_is_found() {
        for (line, want) in [
            ("exec app", Some("app")),
            ("exec -a name app", Some("app")),
            ("gosu redis app x", Some("app")),
            ("timeout -k 5 10 app", Some("app")),
            ("env -i A=b C=d app e=f", Some("app")),
            ("setpriv --reuid=x --clear-groups -- app", Some("app")),
            ("xargs -0 -n 1 app", Some("app")),
            ("xargs -r0 app", Some("app")),
            ("nice app", Some("app")),
            ("command -v app", None),
            ("command app", Some("app")),
            ("runuser -u postgres -- app", Some("app")),
            ("runuser -c app", None),
            ("nohup", None),
        ] {
            let mut words = line.split(' ');
            let wrapper = Wrapper::of(words.next().unwrap()).unwrap();
            let words: Vec<Option<&str>> = words.map(Some).collect();
            let got = wrapper.command(&words).and_then(|at| words[at]);
            assert_eq!(got, want, "{line}");
        }
    }
}
