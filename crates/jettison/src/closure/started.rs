//! Command lines in settings: what supervisors and schedulers start.
//!
//! Settings that the user wrote are read for what is to be run: values whose key says so
//! (supervisord's `command=`, circus' `cmd =`, `exec`, `program`, `script`, `start`, `run`), in whatever
//! format; jobs of cron (crontab(5)); and the lines of a Procfile (`name: command`). A value counts
//! only if its first word is a program of the image.
//!
//! Settings that packages bring say what a program could start, if it is there (ImageMagick's
//! `delegates.xml`): of those, the programs count that somebody installed by name.

use layer::NodeId;

use super::collector::Collector;
use super::script::split_words;
use super::{Edge, Error, Evidence, package};
use crate::script::{self, Dialect};

/// Parts of the keys whose values are command lines.
const KEYS: &[&str] = &[
    "command", "cmd", "exec", "program", "run", "script", "shell", "start", "stop", "test",
];

/// The table of a system's jobs, and where cron looks for more (cron(8)).
const MAIN_TABLE: &[u8] = b"etc/crontab";
const TABLES: &[u8] = b"/etc/cron.d";

/// Keeps the programs that a setting of the user's starts.
pub(super) fn examine(
    collector: &mut Collector<'_>,
    node: NodeId,
    text: &[u8],
) -> Result<(), Error> {
    let table = Table::of(&collector.tree().path(node));
    if table == Table::Rotations {
        examine_rotations(collector, node, text);
        return Ok(());
    }
    let is_main = collector.tree().path(node) == MAIN_TABLE;
    if is_main {
        keep_tables(collector, node);
    }
    let is_of_others = !collector.is_unpackaged(node);
    // A further table of a package stays only where its jobs are run.
    if is_of_others && (is_main || table != Table::SystemJobs) {
        if table == Table::SystemJobs {
            examine_directories(collector, node, text);
        }
        examine_packaged(collector, node, text);
        return Ok(());
    }
    for line in text.split(|b| *b == b'\n') {
        let Some(command) = command_line(line.trim_ascii(), table) else {
            continue;
        };
        let words = split_words(command);
        let Some(word) = words.first() else { continue };
        if collector.find_command(word).is_none() {
            continue;
        }
        let edge = Edge::new(Some(node), Evidence::ScriptCommand, word);
        collector.keep_command_line(&words, &edge)?;
    }
    Ok(())
}

/// Keeps the tables that cron reads besides its own, of packages that were asked for: what looks after a system is not
/// of these. The author's stay as all that is the author's.
fn keep_tables(collector: &mut Collector<'_>, main: NodeId) {
    let tree = collector.tree();
    let Ok(found) = tree.resolve(TABLES) else {
        return;
    };
    let packages = collector.input.packages;
    for table in tree.children(found.node) {
        let owner = packages.owner(table);
        if owner.is_some_and(|owner| collector.asked.contains(&owner)) {
            collector.keep(
                table,
                Edge::new(Some(main), Evidence::ScriptCommand, TABLES),
            );
        }
    }
}

/// Returns whether a file is one of the tables that cron reads besides its own, of a package that every system has. Cron opens
/// all of them; such jobs scrub file systems and rotate what a container does not have.
pub(super) fn looks_after_system(collector: &Collector<'_>, node: NodeId) -> bool {
    let tree = collector.tree();
    let is_table = tree.absolute(tree.parent(node)) == TABLES;
    let owner = || collector.input.packages.owner(node);
    is_table && owner().is_some_and(|owner| collector.base.contains(&owner))
}

/// Keeps the jobs of directories that a table of cron's own has run (run-parts(8)), as far as they are the author's, or of
/// packages that were asked for: those of the base look after a system.
fn examine_directories(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    let tree = collector.tree();
    let jobs = text
        .split(|b| *b == b'\n')
        .filter_map(|line| job_of_system(line));
    let facts = jobs.map(|command| script::analyze(command, Dialect::Sh));
    let facts = facts.filter(|facts| facts.commands.contains(&b"run-parts"[..]));
    let directories: Vec<Vec<u8>> = facts
        .flat_map(|facts| facts.globs)
        .filter_map(|glob| glob.strip_suffix(b"/*").map(<[u8]>::to_vec))
        .collect();
    for directory in directories {
        let Ok(found) = tree.resolve(&directory) else {
            continue;
        };
        let packages = collector.input.packages;
        let jobs: Vec<NodeId> = tree.children(found.node).into_iter().collect();
        for job in jobs {
            let owner = packages.owner(job);
            let is_wanted = owner.is_none_or(|owner| collector.asked.contains(&owner));
            if !is_wanted || tree.content(job).is_none() || tree.mode(job) & 0o111 == 0 {
                continue;
            }
            let edge = Edge::new(Some(node), Evidence::ScriptCommand, &directory);
            collector.keep_command(b"run-parts", &edge);
            collector.keep(job, edge.clone());
        }
    }
}

/// Keeps the rules of directories that logrotate's own settings include (logrotate(8), `include`) with programs of
/// the packages that brought them: it is run, so logs are rotated.
fn examine_rotations(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    let (tree, packages) = (collector.tree(), collector.input.packages);
    let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let included = lines.filter_map(|line| line.strip_prefix(b"include "));
    let directories = included.filter_map(|path| tree.resolve(path.trim_ascii()).ok());
    for rule in directories.flat_map(|found| tree.children(found.node)) {
        let Some(owner) = packages.owner(rule) else {
            continue;
        };
        // The settings of a server are often a package of their own.
        let all = packages.packages().map(|(id, _)| id);
        let siblings = all.filter(|id| packages.are_siblings(*id, owner));
        let mut programs = siblings
            .flat_map(|id| packages.files(id))
            .filter(|file| package::is_program_in_path(collector, **file))
            .peekable();
        let first = programs.peek().copied();
        let kept = programs.find(|program| collector.graph.keeps(**program));
        let Some(program) = kept.or(first) else {
            continue;
        };
        let edge = Edge::new(Some(node), Evidence::Path, "include");
        collector.keep_with(rule, *program, edge);
    }
}

fn job_of_system(line: &[u8]) -> Option<&[u8]> {
    command_line(line.trim_ascii(), Table::SystemJobs)
}

/// Keeps the programs that a setting of a package's names in a command line, and that were asked for.
fn examine_packaged(collector: &mut Collector<'_>, node: NodeId, text: &[u8]) {
    for line in text.split(|b| *b == b'\n') {
        for word in words_of_commands(line) {
            if !collector.asked_for(word) {
                continue;
            }
            let edge = Edge::new(Some(node), Evidence::Spawn, word);
            collector.keep_command(word, &edge);
        }
    }
}

/// Returns the words of the value of `command=`, in a line of a setting or an attribute of XML, where
/// `&quot;` stands for a quote (XML 1.0, 4.6).
fn words_of_commands(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let value = memchr::memmem::find(line, b"command=").map(|at| &line[at + "command=".len()..]);
    let words = value
        .into_iter()
        .flat_map(|value| value.split(|b| b.is_ascii_whitespace() || b"\"'`&;|()".contains(b)));
    words.filter(|word| word.len() > 1)
}

/// How the lines of a file say what is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    /// `key = value` or `key: value`.
    Keys,
    /// `name: command`.
    Procfile,
    /// Five fields or `@daily`, then the command.
    Jobs,
    /// The same with a user before the command: `/etc/crontab`, `/etc/cron.d`.
    SystemJobs,
    /// Rules for logs, and where there are more.
    Rotations,
}

impl Table {
    fn of(path: &[u8]) -> Self {
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        if path == b"etc/crontab" || path.starts_with(b"etc/cron.d/") {
            Self::SystemJobs
        } else if path.starts_with(b"var/spool/cron/") || path.starts_with(b"etc/crontabs/") {
            Self::Jobs
        } else if path == b"etc/logrotate.conf" {
            Self::Rotations
        } else if name == b"Procfile" {
            Self::Procfile
        } else {
            Self::Keys
        }
    }
}

/// Returns the command line that a line of a setting has.
fn command_line(line: &[u8], table: Table) -> Option<&[u8]> {
    let is_comment = line.first().is_none_or(|b| b"#;".contains(b));
    if is_comment {
        return None;
    }
    match table {
        Table::Jobs => job(line, 0),
        Table::SystemJobs => job(line, 1),
        Table::Rotations => None,
        Table::Procfile | Table::Keys => {
            let end = line.iter().position(|b| b"=:".contains(b))?;
            let (key, value) = (&line[..end], line[end + 1..].trim_ascii());
            let key = String::from_utf8_lossy(key).to_ascii_lowercase();
            let says_so = table == Table::Procfile || KEYS.iter().any(|part| key.contains(part));
            says_so.then_some(value)
        }
    }
}

/// Returns the command of a line of crontab(5), after `more` fields beside those for the time.
fn job(line: &[u8], more: usize) -> Option<&[u8]> {
    let fields = match line.first()? {
        b'@' => 1,
        b'*' | b'0'..=b'9' => 5,
        _ => return None, // a variable
    };
    let mut rest = line;
    for _ in 0..fields + more {
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        rest = rest[end..].trim_ascii_start();
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::{Table, command_line, words_of_commands};

    #[test]
    fn words_of_attributes_are_found() {
        let line = br#"<delegate decode="ps" command="&quot;gs&quot; -q '-sDEVICE=%s' || (gsx)"/>"#;
        let found: Vec<&[u8]> = words_of_commands(line).collect();
        assert_eq!(
            found,
            [
                &b"quot"[..],
                b"gs",
                b"quot",
                b"-q",
                b"-sDEVICE=%s",
                b"gsx",
                b"/>"
            ]
        );
        assert_eq!(words_of_commands(b"decode=\"ps\"").count(), 0);
    }

    #[test]
    fn command_lines_are_found() {
        for (path, line, want) in [
            ("etc/s.conf", "command=nginx -g 'x'", Some("nginx -g 'x'")),
            ("etc/s.conf", "; command=nginx", None),
            ("etc/s.conf", "directory=/srv", None),
            (
                "etc/c.ini",
                "cmd = python -m worker",
                Some("python -m worker"),
            ),
            (
                "app/x.yml",
                "  exec: /bin/run --all",
                Some("/bin/run --all"),
            ),
            (
                "app/Procfile",
                "web: gunicorn app:app",
                Some("gunicorn app:app"),
            ),
            (
                "etc/cron.d/a",
                "*/5 * * * * root /bin/clean -a",
                Some("/bin/clean -a"),
            ),
            ("etc/cron.d/a", "PATH=/bin", None),
            (
                "var/spool/cron/crontabs/root",
                "@daily backup",
                Some("backup"),
            ),
            ("etc/crontabs/root", "0 3 * * * backup", Some("backup")),
        ] {
            let found = command_line(line.trim().as_bytes(), Table::of(path.as_bytes()));
            assert_eq!(found, want.map(str::as_bytes), "{path}: {line}");
        }
    }
}
