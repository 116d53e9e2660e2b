//! Scripts that nobody has seen yet: those that a user of the image adds, and which an entry point looks for.

use layer::NodeId;

use crate::closure::collector::Collector;
use crate::closure::{Edge, Evidence, companion};

/// What people type to look around, and what small scripts are made of: the utilities of POSIX that deal with files, text
/// and processes (IEEE Std 1003.1, "Utilities"), and their nearest of kin from the same packages.
#[rustfmt::skip] // a table
pub(in crate::closure) const SHELL_COMMANDS: &[&str] = &[
    "sh", "bash", "awk", "base64", "basename", "cat", "chgrp", "chmod", "chown", "cmp", "comm", "cp", "cut",
    "date", "dd", "df", "diff", "dirname", "du", "echo", "env", "expr", "false", "find", "fold", "grep", "gunzip",
    "gzip", "head", "hostname", "id", "join", "kill", "ln", "ls", "md5sum", "mkdir", "mkfifo", "mktemp", "mv",
    "nl", "nohup", "nproc", "od", "paste", "printf", "ps", "pwd", "readlink", "realpath", "rm", "rmdir", "sed",
    "seq", "sha256sum", "sleep", "sort", "split", "stat", "tail", "tar", "tee", "test", "timeout", "touch", "tr",
    "true", "tty", "uname", "uniq", "wc", "which", "whoami", "xargs",
];

/// What somebody writes who looks for shell scripts: in a pattern of files, or of a `case`.
const PATTERN: &[u8] = b"*.sh";

/// Keeps what small scripts are made of, where an author's script looks for others by their ending, as entry points do in
/// `/docker-entrypoint.d` and the like: what users mount there is not in the image.
pub(super) fn keep_for_hooks(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    if !collector.is_unpackaged(node) || !looks_for_scripts(text) {
        return;
    }
    for command in SHELL_COMMANDS {
        let edge = Edge::new(Some(node), Evidence::Spawn, "for scripts that users add");
        companion::word_found(collector, command.as_bytes(), &edge, true);
    }
}

fn looks_for_scripts(text: &[u8]) -> bool {
    let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_start);
    let mut code = lines.filter(|line| !line.starts_with(b"#"));
    code.any(|line| {
        let mut found = memchr::memmem::find_iter(line, PATTERN);
        found.any(|at| {
            let next = line.get(at + PATTERN.len());
            next.is_none_or(|b| !b.is_ascii_alphanumeric() && !b"._-*".contains(b))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_looked_for_by_their_ending() {
        for (text, want) in [
            (
                "for f in /docker-entrypoint.d/*.sh; do . \"$f\"; done\n",
                true,
            ),
            ("case \"$f\" in\n    *.sh) . \"$f\" ;;\nesac\n", true),
            ("find /hooks -name '*.sh' -exec {} \\;\n", true),
            ("  # runs *.sh\nexec app\n", false),
            ("rm -f /tmp/*.shm /tmp/*.sh.bak\n", false),
            ("sh run.sh\n", false),
        ] {
            assert_eq!(looks_for_scripts(text.as_bytes()), want, "{text}");
        }
    }
}
