//! Which process has which ids.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use rustix::io::Errno;

use super::ids::Ids;

/// How far up ancestors are looked for.
const GENERATIONS: usize = 64;
/// When more processes are known than this, those that have ended are forgotten.
const MANY: usize = 4096;

/// A process, told from a later one with the same number by when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    number: i32,
    began: u64,
}

impl Process {
    /// Returns its number and the path of the program that it runs. Neither children nor the next program
    /// have both.
    pub(super) fn program(self) -> Option<(i32, PathBuf)> {
        let path = fs::read_link(format!("/proc/{}/exe", self.number)).ok()?;
        Some((self.number, path))
    }
}

/// The ids of the processes that have others than the first process of the container, or have asked.
#[derive(Debug, Default)]
pub(super) struct Table {
    known: HashMap<i32, (u64, Ids)>,
}

impl Table {
    /// Finds the process that a thread belongs to.
    pub(super) fn process(&self, thread: i32) -> Result<Process, Errno> {
        let status = read(thread, "status")?;
        let number = field(&status, "Tgid:").ok_or(Errno::SRCH)?;
        let began = began(number)?;
        Ok(Process { number, began })
    }

    /// Returns the ids of a process: its own, if it has changed them, otherwise those of the nearest
    /// ancestor that is known.
    pub(super) fn ids(&mut self, process: Process, first: Ids) -> Ids {
        let mut found = None;
        let mut at = process;
        for _ in 0..GENERATIONS {
            if let Some((began, ids)) = self.known.get(&at.number)
                && *began == at.began
            {
                found = Some(ids.clone());
                break;
            }
            let parent = read(at.number, "status")
                .ok()
                .and_then(|status| field(&status, "PPid:"))
                .filter(|parent| *parent > 1);
            let Some(number) = parent else { break };
            let Ok(began) = began(number) else { break };
            at = Process { number, began };
        }
        let ids = found.unwrap_or(first);
        // From now on it is a process of its own: what the parent does later is not inherited.
        self.put(process, ids.clone());
        ids
    }

    pub(super) fn put(&mut self, process: Process, ids: Ids) {
        if self.known.len() > MANY {
            // A process that has ended may still have children that nobody has seen yet; there is a limit
            // to what can be remembered.
            self.known
                .retain(|number, (began, _)| self::began(*number) == Ok(*began));
        }
        self.known.insert(process.number, (process.began, ids));
    }
}

fn read(process: i32, file: &str) -> Result<String, Errno> {
    fs::read_to_string(format!("/proc/{process}/{file}")).map_err(|_| Errno::SRCH)
}

/// Returns when a process began, in ticks since the machine did: field 22 of its `stat`. The name before it
/// may contain anything.
fn began(process: i32) -> Result<u64, Errno> {
    let text = read(process, "stat")?;
    let after_name = text.rsplit_once(')').map(|(_, rest)| rest);
    let field = after_name.and_then(|rest| rest.split_whitespace().nth(19));
    field
        .and_then(|field| field.parse().ok())
        .ok_or(Errno::SRCH)
}

fn field(status: &str, name: &str) -> Option<i32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_have_the_ids_of_their_parent_until_they_change_them() {
        let mut table = Table::default();
        let own = i32::try_from(std::process::id()).unwrap();
        let parent = table.process(own).unwrap();
        table.put(parent, Ids::of((7, 8)));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let number = i32::try_from(child.id()).unwrap();
        let process = table.process(number).unwrap();
        assert_eq!(table.ids(process, Ids::of((0, 0))), Ids::of((7, 8)));
        table.put(parent, Ids::of((0, 0)));
        assert_eq!(table.ids(process, Ids::of((0, 0))), Ids::of((7, 8)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(table.process(number), Err(Errno::SRCH));
    }
}
