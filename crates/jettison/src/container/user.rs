//! Who a program runs as: `USER` looked up in the image's own files, by docker's rules.

use image::FileSystem;
use sandbox::User;

use super::Error;

/// Bytes of `/etc/passwd` and `/etc/group` that are read; real ones have a few thousand.
const MOST: u64 = 16 << 20;

/// A user of the image, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) user: User,
    pub(crate) home: String,
}

/// The image's users and groups.
#[derive(Debug, Default)]
pub(crate) struct Users {
    passwd: String,
    group: String,
}

impl Users {
    /// Reads the two files. One that is missing is empty.
    pub(crate) fn read(files: &FileSystem) -> Self {
        Self {
            passwd: text(files, b"/etc/passwd"),
            group: text(files, b"/etc/group"),
        }
    }

    /// Takes the texts of `/etc/passwd` and `/etc/group`.
    pub(crate) fn of(passwd: String, group: String) -> Self {
        Self { passwd, group }
    }

    /// Finds what `USER` names: `name`, `uid`, each also with `:group` or `:gid`; empty for root.
    ///
    /// A name is looked up before a number is taken for one, so a user may be called `1000`. Groups that
    /// list the user are supplementary, unless a group is given. (moby/sys/user, `GetExecUser`.)
    pub(crate) fn find(&self, wanted: &str) -> Result<Found, Error> {
        let (name, group) = wanted.split_once(':').unwrap_or((wanted, ""));
        let number = if name.is_empty() { Some(0) } else { id(name) };
        let entry =
            self.passwd.lines().filter_map(Entry::parse).find(|entry| {
                (!name.is_empty() && entry.name == name) || Some(entry.uid) == number
            });
        let unknown = |what, name: &str, file| Error::Unknown {
            what,
            name: name.to_owned(),
            file,
        };
        let (uid, mut gid) = match (&entry, number) {
            (Some(entry), _) => (entry.uid, entry.gid),
            (None, Some(number)) => (number, 0),
            (None, None) => return Err(unknown("user", name, "/etc/passwd")),
        };
        let mut groups = Vec::new();
        if group.is_empty() {
            let own = entry.as_ref().map(|entry| entry.name);
            let listed = |line: &str| {
                let (_, gid, members) = group_line(line)?;
                let member = own.is_some_and(|own| members.split(',').any(|one| one == own));
                member.then_some(gid)
            };
            groups = self.group.lines().filter_map(listed).collect();
        } else {
            let named = |line: &str| {
                let (name, gid, _) = group_line(line)?;
                (name == group || Some(gid) == id(group)).then_some(gid)
            };
            let found = self.group.lines().find_map(named);
            gid = found
                .or_else(|| id(group))
                .ok_or_else(|| unknown("group", group, "/etc/group"))?;
        }
        groups.insert(0, gid);
        groups.dedup();
        let home = entry
            .map(|entry| entry.home)
            .filter(|home| !home.is_empty());
        Ok(Found {
            user: User { uid, gid, groups },
            home: home.unwrap_or("/").to_owned(),
        })
    }
}

/// A line of `/etc/passwd`, as far as it matters.
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.trim().split(':').collect();
        Some(Self {
            name: fields.first()?,
            uid: id(fields.get(2)?)?,
            gid: id(fields.get(3)?)?,
            home: fields.get(5).copied().unwrap_or_default(),
        })
    }
}

/// Name, id and members of a line of `/etc/group`.
fn group_line(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.trim().split(':');
    let name = fields.next()?;
    let gid = id(fields.nth(1)?)?;
    Some((name, gid, fields.next().unwrap_or_default()))
}

/// Reads an id. The kernel keeps the largest number for "none", and docker allows 31 bits.
fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && *number <= i32::MAX as u32)
}

fn text(files: &FileSystem, path: &[u8]) -> String {
    let bytes = files.tree.resolve(path).ok().and_then(|found| {
        let content = files.tree.content(found.node)?;
        files.contents.read(content, MOST).ok()
    });
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        Users {
            passwd: "root:x:0:0:root:/root:/bin/sh\n\
                     # a comment\n\
                     redis:x:999:998::/var/lib/redis:/bin/false\n\
                     1234:x:50:51::/odd:\n\
                     nohome:x:60:61:::\n\
                     broken:x:many:0::/:\n"
                .to_owned(),
            group: "root:x:0:\nredis:x:998:\nvideo:x:44:other,redis\nwheel:x:10:redis\nbad:x\n"
                .to_owned(),
        }
    }

    #[test]
    fn users_are_found_as_docker_finds_them() {
        for (wanted, uid, gid, groups, home) in [
            ("", 0, 0, vec![0], "/root"),
            ("root", 0, 0, vec![0], "/root"),
            ("redis", 999, 998, vec![998, 44, 10], "/var/lib/redis"),
            ("999", 999, 998, vec![998, 44, 10], "/var/lib/redis"),
            ("redis:video", 999, 44, vec![44], "/var/lib/redis"),
            ("redis:7", 999, 7, vec![7], "/var/lib/redis"),
            ("4000", 4000, 0, vec![0], "/"),
            ("4000:4001", 4000, 4001, vec![4001], "/"),
            (":video", 0, 44, vec![44], "/root"),
            ("1234", 50, 51, vec![51], "/odd"),
            ("nohome", 60, 61, vec![61], "/"),
        ] {
            let found = users().find(wanted).unwrap();
            let user = User { uid, gid, groups };
            let home = home.to_owned();
            assert_eq!(found, Found { user, home }, "{wanted}");
        }
    }

    #[test]
    fn users_that_the_image_does_not_know_are_refused_by_name() {
        for (wanted, message) in [
            (
                "nginx",
                "cannot find user `nginx` in the image's `/etc/passwd`",
            ),
            (
                "broken",
                "cannot find user `broken` in the image's `/etc/passwd`",
            ),
            (
                "redis:www",
                "cannot find group `www` in the image's `/etc/group`",
            ),
            ("-1", "cannot find user `-1` in the image's `/etc/passwd`"),
            (
                "4294967295",
                "cannot find user `4294967295` in the image's `/etc/passwd`",
            ),
        ] {
            assert_eq!(users().find(wanted).unwrap_err().to_string(), message);
        }
        let empty = Users::default().find("").unwrap();
        assert_eq!((empty.user.uid, &*empty.home), (0, "/"));
    }
}
