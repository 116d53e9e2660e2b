//! Who the users are (passwd(5)), and where they are at home.

use std::str::FromStr;

use layer::NodeId;

use super::collector::Collector;
use super::{Edge, Evidence};

/// Users of the system have lower numbers, and are not logged in (login.defs(5), `UID_MIN`).
const FIRST_PERSON: u32 = 1000;
/// Larger ones stand for nobody (Debian policy 9.2.2).
const LAST_PERSON: u32 = 59_999;

/// Bytes of the largest file in a home that counts as a setting.
const LARGEST_SETTING: u64 = 64 << 10;

/// Where the first files of a home come from (useradd(8), `SKEL_DIR`).
const SKELETON: &[u8] = b"/etc/skel";

/// A line of the user database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: Vec<u8>,
    pub(super) id: u32,
    pub(super) home: Vec<u8>,
    pub(super) shell: Vec<u8>,
}

impl Account {
    /// Whether it is that of a person, or of an application that a person made a user for.
    pub(super) fn is_person(&self) -> bool {
        (FIRST_PERSON..=LAST_PERSON).contains(&self.id)
    }
}

/// Reads them; nothing if there is no database.
pub(super) fn read(collector: &Collector<'_>) -> Vec<Account> {
    let found = collector.tree().resolve(b"/etc/passwd");
    let text = found
        .ok()
        .and_then(|found| collector.read(found.node, 1 << 20).ok());
    let text = text.unwrap_or_default();
    text.split(|b| *b == b'\n').filter_map(parse).collect()
}

fn parse(line: &[u8]) -> Option<Account> {
    let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
    let [name, _, id, _, _, home, shell] = fields[..] else {
        return None;
    };
    Some(Account {
        name: name.to_vec(),
        id: std::str::from_utf8(id)
            .ok()
            .and_then(|id| u32::from_str(id).ok())?,
        home: home.to_vec(),
        shell: shell.to_vec(),
    })
}

/// Keeps the homes, which cost nothing: mail is delivered there, and who logs in begins there. Of those of persons
/// the settings too (`.forward`, `.netrc`, `.pgpass`) that did not merely come with the home.
pub(super) fn keep_homes(collector: &mut Collector<'_>) {
    let tree = collector.tree();
    let skeleton = tree.resolve(SKELETON).ok().map(|found| found.node);
    for account in read(collector) {
        let Some(home) = keep_home(collector, &account) else {
            continue;
        };
        if !account.is_person() {
            continue;
        }
        let came_along = |node: &NodeId| {
            skeleton.is_some_and(|skeleton| tree.child(skeleton, tree.name(*node)).is_some())
        };
        let settings = tree.children(home).into_iter().filter(|node| {
            tree.name(*node).starts_with(b".")
                && tree.content(*node).is_some()
                && tree.size(*node) <= LARGEST_SETTING
        });
        let settings: Vec<NodeId> = settings.filter(|node| !came_along(node)).collect();
        for node in settings {
            collector.keep(node, edge(None, &account));
        }
    }
}

/// Returns the files of homes that are as they came with the home: what a terminal would run says nothing of the image.
pub(super) fn unchanged(collector: &Collector<'_>) -> Vec<NodeId> {
    let tree = collector.tree();
    let Ok(skeleton) = tree.resolve(SKELETON) else {
        return Vec::new();
    };
    let homes = read(collector).into_iter();
    let homes = homes.filter_map(|account| tree.resolve(&account.home).ok());
    let homes: Vec<NodeId> = homes.map(|found| found.node).collect();
    let mut unchanged = Vec::new();
    for original in tree.children(skeleton.node) {
        let read = |node| collector.read(node, LARGEST_SETTING).ok();
        let text = tree.content(original).and_then(|_| read(original));
        for home in &homes {
            let copy = tree.child(*home, tree.name(original));
            let copy = copy.filter(|node| tree.size(*node) == tree.size(original));
            unchanged.extend(copy.filter(|node| text.is_some() && read(*node) == text));
        }
    }
    unchanged
}

/// Keeps the directory of a user's home. Returns it, if it is there.
pub(super) fn keep_home(collector: &mut Collector<'_>, account: &Account) -> Option<NodeId> {
    let tree = collector.tree();
    let found = tree.resolve(&account.home).ok()?;
    if !account.home.starts_with(b"/") || !tree.is_directory(found.node) {
        return None;
    }
    let detail = String::from_utf8_lossy(&account.home).into_owned();
    collector.keep_links(&found.links, None, &detail);
    collector.keep(found.node, edge(None, account));
    Some(found.node)
}

/// The reason for what is in a user's home.
pub(super) fn edge(from: Option<NodeId>, account: &Account) -> Edge {
    Edge::new(
        from,
        Evidence::System,
        format!("home of {}", String::from_utf8_lossy(&account.name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd() {
        let ann = Account {
            name: b"ann".to_vec(),
            id: 1000,
            home: b"/home/ann".to_vec(),
            shell: b"/bin/bash".to_vec(),
        };
        assert!(ann.is_person());
        assert_eq!(
            parse(b"ann:x:1000:1000:Ann,,,:/home/ann:/bin/bash"),
            Some(ann)
        );
        let nobody = parse(b"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin");
        assert!(nobody.is_some_and(|nobody| !nobody.is_person()));
        for wrong in [&b""[..], b"# ann", b"+::::::", b"ann:x:-1:1000::/:/bin/sh"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
