//! Package databases of whole images: trees are made here, read, reduced and read again.

#![allow(clippy::unwrap_used)] // the lint's exemption covers test functions, not what they call

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use jettison::packages::remain::{Remains, remains};
use jettison::packages::{Format, PackageDb, PackageId, State};
use layer::read::TarReader;
use layer::write::TarWriter;
use layer::{Contents, Entry, FileSlice, Kind, Limits, Metadata, NodeId, Tree};

/// An image of one layer under construction.
struct Image {
    tar: TarWriter<fs::File>,
}

impl Image {
    fn new() -> Self {
        let tar = TarWriter::new(tempfile::tempfile().unwrap());
        Self { tar }
    }

    fn file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let metadata = Metadata::default();
        self.tar
            .write_bytes(path.as_bytes(), &metadata, bytes.as_ref())
            .unwrap();
        self
    }

    fn link(mut self, path: &str, target: &str) -> Self {
        let entry = Entry {
            path: path.into(),
            kind: Kind::Symlink(target.into()),
            metadata: Metadata::default(),
        };
        self.tar.write_entry(&entry).unwrap();
        self
    }

    fn directory(mut self, path: &str) -> Self {
        let entry = Entry {
            path: path.into(),
            kind: Kind::Directory,
            metadata: Metadata::default(),
        };
        self.tar.write_entry(&entry).unwrap();
        self
    }

    fn finish(self) -> (Tree, Contents) {
        let mut file = self.tar.finish().unwrap();
        file.flush().unwrap();
        let slice = FileSlice::new(Arc::new(file.try_clone().unwrap()), 0, {
            file.metadata().unwrap().len()
        });
        let mut reader = TarReader::new(slice.reader(), 0, Limits::default());
        let mut tree = Tree::new();
        while let Some(member) = reader.next_member().unwrap() {
            tree.apply(0, member).unwrap();
        }
        (tree, Contents::new(vec![slice]))
    }
}

fn read((tree, contents): &(Tree, Contents)) -> PackageDb {
    PackageDb::read(tree, contents).unwrap()
}

fn node(tree: &Tree, path: &str) -> NodeId {
    let found = tree.lookup(path.as_bytes());
    found.unwrap_or_else(|| panic!("{path} is not in the tree"))
}

/// Lists every file with the packages that own it, and every listed directory.
fn ownership(tree: &Tree, db: &PackageDb) -> String {
    let mut out = String::new();
    for node in tree.walk(tree.root()) {
        let (owners, slash) = if tree.is_directory(node) {
            (db.owners_of_directory(node), "/")
        } else {
            (db.owners(node), "")
        };
        let names: Vec<&str> = owners
            .iter()
            .map(|&id| db.package(id).name.as_str())
            .collect();
        let path = String::from_utf8(tree.absolute(node)).unwrap();
        if !names.is_empty() && path != "/" {
            out += &format!("{path}{slash}: {}\n", names.join(" "));
        }
    }
    out
}

/// Lists the files of a result with their content.
fn dump(remains: &Remains) -> String {
    let mut out = String::new();
    for file in &remains.files {
        let path = String::from_utf8_lossy(&file.path);
        let text = String::from_utf8_lossy(&file.bytes);
        out += &format!("=== {path} {:04o}\n{text}", file.mode);
    }
    out
}

fn names(db: &PackageDb, ids: impl IntoIterator<Item = PackageId>) -> String {
    let names: Vec<_> = ids
        .into_iter()
        .map(|id| db.package(id).name.clone())
        .collect();
    names.join(" ")
}

const STATUS: &str = "\
Package: base-files
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 12.4

Package: dash
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 0.5.12-2
Pre-Depends: libc6 (>= 2.36)
Depends: debianutils (>= 5.6-0.1), dpkg (>= 1.19.1)

Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9
Depends: libgcc-s1, libcrypt1 (>= 1:4.4.10-10~) | libcrypt2
Installed-Size: 13

Package: mawk
Status: install ok installed
Architecture: amd64
Source: mawk (1.3.4)
Version: 1.3.4-b1
Provides: awk
Depends: libc6

Package: app
Status: hold ok installed
Architecture: all
Version: 1
Depends: gawk | awk, nothing-installed | mail-transport-agent,
 dash
Conffiles:
 /etc/app.conf 0123456789abcdef0123456789abcdef
Description: the app
 .
 is long

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
";

/// Debian 12: `/bin` and `/lib` are links, dpkg lists paths through them.
fn debian() -> (Tree, Contents) {
    Image::new()
        .link("bin", "usr/bin")
        .link("lib", "usr/lib")
        .file("usr/bin/sh", "")
        .file("usr/bin/sh.distrib", "")
        .file("usr/bin/dash", "")
        .file("usr/bin/mawk", "")
        .file("usr/bin/app", "")
        .file("usr/lib/x86_64-linux-gnu/libc.so.6", "")
        .link("usr/lib/app", "../share/app")
        .file("usr/share/app/data", "")
        .file("usr/share/doc/libc6/copyright", "")
        .file("usr/share/doc/app/copyright", "")
        .file("etc/app.conf", "")
        .file("etc/unowned", "")
        .file("var/lib/dpkg/status", STATUS)
        .file(
            "var/lib/dpkg/diversions",
            "/bin/sh\n/bin/sh.distrib\napp\n",
        )
        .file(
            "var/lib/dpkg/info/base-files.list",
            "/.\n/bin\n/lib\n/etc\n/usr\n/usr/bin\n",
        )
        .file(
            "var/lib/dpkg/info/dash.list",
            "/.\n/bin\n/bin/dash\n/bin/sh\n",
        )
        .file(
            "var/lib/dpkg/info/dash.md5sums",
            "00000000000000000000000000000001  bin/dash\n",
        )
        .file(
            "var/lib/dpkg/info/libc6:amd64.list",
            "/.\n/lib\n/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu/libc.so.6\n\
             /usr/share/doc\n/usr/share/doc/libc6\n/usr/share/doc/libc6/copyright\n",
        )
        .file(
            "var/lib/dpkg/info/libc6:amd64.md5sums",
            "00000000000000000000000000000002  lib/x86_64-linux-gnu/libc.so.6\n\
             00000000000000000000000000000003  usr/share/doc/libc6/copyright\n",
        )
        .file("var/lib/dpkg/info/format", "1\n")
        .file(
            "var/lib/dpkg/info/mawk.list",
            "/.\n/usr\n/usr/bin\n/usr/bin/mawk\n",
        )
        .file(
            "var/lib/dpkg/info/app.list",
            "/.\n/bin\n/bin/app\n/bin/sh\n/etc\n/etc/app.conf\n/usr/lib/app\n/usr/share/app\n\
             /usr/share/app/data\n/usr/share/doc\n/usr/share/doc/app\n/usr/share/doc/app/copyright\n",
        )
        .finish()
}

#[test]
fn dpkg_paths_are_matched_through_links_and_diversions() {
    let image = debian();
    let db = read(&image);
    let want = "\
/bin: base-files
/etc/: base-files app
/etc/app.conf: app
/lib: base-files
/usr/: base-files mawk
/usr/bin/: base-files dash mawk app
/usr/bin/app: app
/usr/bin/dash: dash
/usr/bin/mawk: mawk
/usr/bin/sh: app
/usr/bin/sh.distrib: dash
/usr/lib/: libc6
/usr/lib/app: app
/usr/lib/x86_64-linux-gnu/: libc6
/usr/lib/x86_64-linux-gnu/libc.so.6: libc6
/usr/share/app/: app
/usr/share/app/data: app
/usr/share/doc/: libc6 app
/usr/share/doc/app/: app
/usr/share/doc/app/copyright: app
/usr/share/doc/libc6/: libc6
/usr/share/doc/libc6/copyright: libc6
";
    assert_eq!(ownership(&image.0, &db), want);
    assert_eq!(db.databases().len(), 1);
    assert_eq!(db.databases()[0].format, Format::Dpkg);
}

#[test]
fn dpkg_stanzas_are_read() {
    let db = read(&debian());
    let all = db.packages().map(|(id, _)| id);
    assert_eq!(names(&db, all), "base-files dash libc6 mawk app");
    let package = |name: &str| db.package(db.named(name)[0]);
    let libc = package("libc6");
    assert_eq!(
        (libc.source.name.as_str(), libc.source.version.as_str()),
        ("glibc", "2.36-9")
    );
    assert_eq!(
        libc.depends,
        [vec!["libgcc-s1"], vec!["libcrypt1", "libcrypt2"]]
    );
    assert_eq!(libc.installed_size, 13 * 1024);
    assert_eq!(package("mawk").source.version, "1.3.4");
    assert!(package("dash").essential && !libc.essential);
    let record = db.record(db.named("app")[0]);
    assert!(record.starts_with(b"Package: app\n") && record.ends_with(b" is long\n"));
}

#[test]
fn dependencies_take_the_first_alternative_that_is_installed() {
    let db = read(&debian());
    let id = |name: &str| db.named(name)[0];
    assert_eq!(names(&db, db.dependencies(id("app")).to_vec()), "dash mawk");
    assert_eq!(
        names(&db, db.depends_closure([id("app")])),
        "dash libc6 mawk app"
    );
    assert_eq!(names(&db, db.depends_closure([])), "");
}

#[test]
fn a_directory_is_private_to_the_packages_that_ship_it() {
    let image = debian();
    let db = read(&image);
    let set = |names: &[&str]| -> BTreeSet<PackageId> {
        names.iter().map(|name| db.named(name)[0]).collect()
    };
    for (path, packages, want) in [
        ("usr/share/app", &["app"][..], true),
        ("usr/share/doc", &["app"], false),
        ("usr/share/doc", &["app", "libc6"], true),
        ("usr/share", &["app"], false), // nobody lists it here
    ] {
        let got = db.is_private_to(node(&image.0, path), &set(packages));
        assert_eq!(got, want, "{path} {packages:?}");
    }
}

#[test]
fn the_status_of_dpkg_stays_one_file_where_it_is_asked() {
    let image = debian();
    let (tree, contents) = &image;
    let db = read(&image);
    let kept: BTreeSet<NodeId> = ["", "usr/bin/app", "usr/bin/dash", "var/lib/dpkg/status"]
        .iter()
        .map(|path| node(tree, path))
        .collect();
    let result = remains(tree, contents, &db, |node| kept.contains(&node), |_| false).unwrap();
    let want = "\
=== var/lib/dpkg/info/app.list 0644
/.
/bin/app
=== var/lib/dpkg/info/dash.list 0644
/.
/bin/dash
=== var/lib/dpkg/info/dash.md5sums 0644
00000000000000000000000000000001  bin/dash
=== var/lib/dpkg/info/format 0644
1
=== var/lib/dpkg/status 0644
Package: dash
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 0.5.12-2
Pre-Depends: libc6 (>= 2.36)
Depends: debianutils (>= 5.6-0.1), dpkg (>= 1.19.1)

Package: app
Status: hold ok installed
Architecture: all
Version: 1
Depends: gawk | awk, nothing-installed | mail-transport-agent,
 dash
Conffiles:
 /etc/app.conf 0123456789abcdef0123456789abcdef
Description: the app
 .
 is long

";
    assert_eq!(dump(&result), want);
    assert!(result.replaced.contains(&node(tree, "var/lib/dpkg/status")));
}

#[test]
fn remaining_dpkg_packages_are_written_as_distroless_has_them() {
    let image = debian();
    let (tree, contents) = &image;
    let db = read(&image);
    // The copyright of libc6 stays, its library does not.
    let kept: BTreeSet<NodeId> = [
        "usr/bin/app",
        "usr/bin/dash",
        "usr/share/doc/libc6/copyright",
        "usr/share/app",
    ]
    .iter()
    .map(|path| node(tree, path))
    .collect();
    let result = remains(tree, contents, &db, |node| kept.contains(&node), |_| false).unwrap();
    let want = "\
=== var/lib/dpkg/status.d/app 0644
Package: app
Status: hold ok installed
Architecture: all
Version: 1
Depends: gawk | awk, nothing-installed | mail-transport-agent,
 dash
Conffiles:
 /etc/app.conf 0123456789abcdef0123456789abcdef
Description: the app
 .
 is long
=== var/lib/dpkg/status.d/dash 0644
Package: dash
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 0.5.12-2
Pre-Depends: libc6 (>= 2.36)
Depends: debianutils (>= 5.6-0.1), dpkg (>= 1.19.1)
=== var/lib/dpkg/status.d/dash.md5sums 0644
00000000000000000000000000000001  bin/dash
";
    assert_eq!(dump(&result), want);
    assert_eq!(names(&db, result.packages.clone()), "dash app");
    assert!(result.replaced.contains(&node(tree, "var/lib/dpkg/status")));
    assert!(
        result
            .replaced
            .contains(&node(tree, "var/lib/dpkg/info/app.list"))
    );
    assert_eq!(
        result,
        remains(tree, contents, &db, |node| kept.contains(&node), |_| false).unwrap()
    );
    // Nothing is said of a file that is not as its package brought it.
    let dash = node(tree, "usr/bin/dash");
    let kept = |node| kept.contains(&node);
    let changed = remains(tree, contents, &db, kept, |node| node == dash).unwrap();
    let sums = "00000000000000000000000000000001  bin/dash\n";
    assert_eq!(dump(&changed), want.replace(sums, ""));
}

#[test]
fn a_distroless_database_is_read_and_reduced() {
    let image = Image::new()
        .file("etc/a.conf", "")
        .file("usr/lib/a.so", "")
        .file("usr/lib/b.so", "")
        .file(
            "var/lib/dpkg/status.d/a",
            "Package: a\nVersion: 1\nArchitecture: amd64\nConffiles:\n /etc/a.conf 00\n",
        )
        .file(
            "var/lib/dpkg/status.d/a.md5sums",
            "0000000000000000000000000000000a  usr/lib/a.so\n",
        )
        .file(
            "var/lib/dpkg/status.d/b",
            "Package: b\nVersion: 2\nArchitecture: amd64\n",
        )
        .file(
            "var/lib/dpkg/status.d/b.md5sums",
            "0000000000000000000000000000000b  ./usr/lib/b.so\n",
        )
        .finish();
    let db = read(&image);
    let want = "/etc/a.conf: a\n/usr/lib/a.so: a\n/usr/lib/b.so: b\n";
    assert_eq!(ownership(&image.0, &db), want);
    assert_eq!(db.databases()[0].format, Format::DpkgSplit);
    let library = node(&image.0, "usr/lib/b.so");
    let result = remains(&image.0, &image.1, &db, |node| node == library, |_| false).unwrap();
    let want = "\
=== var/lib/dpkg/status.d/b 0644
Package: b
Version: 2
Architecture: amd64
=== var/lib/dpkg/status.d/b.md5sums 0644
0000000000000000000000000000000b  ./usr/lib/b.so
";
    assert_eq!(dump(&result), want);
    assert_eq!(result.replaced.len(), 4);
}

const INSTALLED: &str = "\
C:Q1aaa=
P:musl
V:1.2.5-r0
A:x86_64
I:667648
L:MIT
o:musl
m:Timo <t@example.org>
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1bbb=
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q1ccc=

C:Q1ddd=
P:busybox
V:1.36.1-r29
A:x86_64
p:/bin/sh cmd:sh=1.36.1-r29
D:so:libc.musl-x86_64.so.1 !other>=2
F:bin
M:0:0:1777
R:busybox
a:0:0:755
Z:Q1eee=
F:etc
R:securetty

P:empty
V:1
D:/bin/sh
";

fn alpine() -> (Tree, Contents) {
    Image::new()
        .file("lib/ld-musl-x86_64.so.1", "")
        .link("lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1")
        .file("bin/busybox", "")
        .file("etc/securetty", "")
        .file("lib/apk/db/installed", INSTALLED)
        .finish()
}

#[test]
fn an_apk_database_is_read() {
    let image = alpine();
    let db = read(&image);
    let want = "\
/bin/: busybox
/bin/busybox: busybox
/etc/: busybox
/etc/securetty: busybox
/lib/: musl
/lib/ld-musl-x86_64.so.1: musl
/lib/libc.musl-x86_64.so.1: musl
";
    assert_eq!(ownership(&image.0, &db), want);
    let id = |name: &str| db.named(name)[0];
    assert_eq!(
        names(&db, db.depends_closure([id("empty")])),
        "musl busybox empty"
    );
    assert_eq!(db.package(id("musl")).license.as_deref(), Some("MIT"));
    assert_eq!(db.package(id("musl")).installed_size, 667_648);
}

#[test]
fn an_apk_database_keeps_records_of_what_remains() {
    let image = alpine();
    let (tree, contents) = &image;
    let db = read(&image);
    let kept: Vec<NodeId> = [
        "lib",
        "lib/ld-musl-x86_64.so.1",
        "bin",
        "etc",
        "etc/securetty",
    ]
    .iter()
    .map(|path| node(tree, path))
    .collect();
    let result = remains(tree, contents, &db, |node| kept.contains(&node), |_| false).unwrap();
    let want = "\
=== lib/apk/db/installed 0644
C:Q1aaa=
P:musl
V:1.2.5-r0
A:x86_64
I:667648
L:MIT
o:musl
m:Timo <t@example.org>
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1bbb=

C:Q1ddd=
P:busybox
V:1.36.1-r29
A:x86_64
p:/bin/sh cmd:sh=1.36.1-r29
D:so:libc.musl-x86_64.so.1 !other>=2
F:bin
M:0:0:1777
F:etc
R:securetty

";
    assert_eq!(dump(&result), want);
    let loader = node(tree, "lib/ld-musl-x86_64.so.1");
    let kept = |node| kept.contains(&node);
    let changed = remains(tree, contents, &db, kept, |node| node == loader).unwrap();
    assert_eq!(dump(&changed), want.replace("Z:Q1bbb=\n", ""));
    assert_eq!(result.replaced, [node(tree, "lib/apk/db/installed")]);
}

#[test]
fn old_rpm_databases_are_named_and_left_out() {
    for (path, format) in [
        ("usr/lib/sysimage/rpm/Packages.db", Format::RpmNdb),
        ("var/lib/rpm/Packages", Format::RpmBerkeley),
    ] {
        let image = Image::new().file(path, "bytes").finish();
        let db = read(&image);
        let found: Vec<_> = db
            .databases()
            .iter()
            .map(|d| (d.format, d.state.clone()))
            .collect();
        assert_eq!(found, [(format, State::Unsupported)]);
        let result = remains(&image.0, &image.1, &db, |_| true, |_| false).unwrap();
        assert_eq!(result.left_out, [(0, State::Unsupported)]);
        assert_eq!(result.replaced, [node(&image.0, path)]);
    }
}

#[test]
fn hostile_databases_are_survived() {
    let long = vec![b'a'; 100_000];
    let deep = [&b"Package: a\nDepends: "[..], &b"b | ".repeat(50_000)].concat();
    for bytes in [
        &b"\n\n\n"[..],
        b"Package:",
        b"Package: a\n\xff\xfe: \xff\n \n:\n",
        b"Package: ../../etc/passwd\n",
        b"P:\nF:../..\nR:x\n",
        b"SQLite format 3\0",
        &long,
        &deep,
    ] {
        let image = Image::new()
            .file("var/lib/dpkg/status", bytes)
            .file("var/lib/dpkg/diversions", bytes)
            .file("var/lib/dpkg/info/a.list", bytes)
            .file("var/lib/dpkg/status.d/a", bytes)
            .file("var/lib/dpkg/status.d/a.md5sums", bytes)
            .file("lib/apk/db/installed", bytes)
            .file("var/lib/rpm/rpmdb.sqlite", bytes)
            .finish();
        let db = read(&image);
        let result = remains(&image.0, &image.1, &db, |_| true, |_| false).unwrap();
        for file in &result.files {
            assert!(
                !file.path.windows(2).any(|two| two == b".."),
                "{:?}",
                file.path
            );
        }
    }
}

#[test]
fn an_image_without_packages_has_none() {
    let image = Image::new().directory("var").finish();
    let db = read(&image);
    assert_eq!((db.packages().len(), db.databases().len()), (0, 0));
    let result = remains(&image.0, &image.1, &db, |_| true, |_| false).unwrap();
    assert_eq!(result, Remains::default());
}

/// A header of rpm: strings (type 6), string arrays (8) and numbers (4).
#[derive(Default)]
struct Header {
    index: Vec<u8>,
    values: Vec<u8>,
}

impl Header {
    fn add(mut self, tag: u32, kind: u32, count: usize, bytes: &[u8]) -> Self {
        for word in [tag, kind, self.values.len() as u32, count as u32] {
            self.index.extend(word.to_be_bytes());
        }
        self.values.extend(bytes);
        self
    }

    fn text(self, tag: u32, text: &str) -> Self {
        self.add(tag, 6, 1, format!("{text}\0").as_bytes())
    }

    fn texts(self, tag: u32, texts: &[&str]) -> Self {
        let bytes: String = texts.iter().map(|text| format!("{text}\0")).collect();
        self.add(tag, 8, texts.len(), bytes.as_bytes())
    }

    fn hex(self) -> String {
        let mut blob = ((self.index.len() / 16) as u32).to_be_bytes().to_vec();
        blob.extend((self.values.len() as u32).to_be_bytes());
        blob.extend(self.index);
        blob.extend(self.values);
        blob.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn header(name: &str, directory: &str, files: &[&str], requires: &[&str]) -> String {
    let mut indexes = Vec::new();
    files
        .iter()
        .for_each(|_| indexes.extend(0u32.to_be_bytes()));
    // The padding makes some rows larger than a page.
    let padding = "x".repeat(name.len() * 1000);
    Header::default()
        .text(1000, name)
        .text(1001, "1.0")
        .text(1002, "2.fc40")
        .text(1022, "x86_64")
        .text(1014, "MIT")
        .text(1044, &format!("{name}-src-1.0-2.fc40.src.rpm"))
        .text(1004, &padding)
        .texts(1047, &[name, &format!("lib{name}.so()(64bit)")])
        .texts(1049, requires)
        .add(1116, 4, files.len(), &indexes)
        .texts(1117, files)
        .texts(1118, &[directory])
        .hex()
}

/// Runs the `sqlite3` of the host; nothing where there is none.
fn sqlite3(database: &Path, script: &str) -> Option<String> {
    let mut child = Command::new("sqlite3")
        .arg("-bail")
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_rpm_database_is_read_and_reduced_as_sqlite_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpmdb.sqlite");
    let mut script = String::from(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0;
CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
CREATE TABLE 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL,
  FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum));
CREATE INDEX 'Name_key_idx' ON 'Name'(key ASC);
CREATE INDEX 'Name_hnum_idx' ON 'Name'(hnum ASC);
",
    );
    let mut add = |row: usize, name: &str, header: &str| {
        script += &format!("INSERT INTO Packages VALUES ({row}, x'{header}');\n");
        for idx in 0..200 {
            script += &format!("INSERT INTO Name VALUES ('{name}-{idx}', {row}, {idx});\n");
        }
    };
    add(
        1,
        "bash",
        &header(
            "bash",
            "/usr/bin/",
            &["bash", "sh"],
            &["libglibc.so()(64bit)"],
        ),
    );
    add(
        2,
        "glibc",
        &header("glibc", "/lib64/", &["libc.so.6"], &["rpmlib(X)"]),
    );
    add(
        3,
        "tool",
        &header("tool", "/usr/bin/", &["tool"], &["/bin/sh"]),
    );
    add(4, "gpg-pubkey", &header("gpg-pubkey", "/", &[], &[]));
    for row in 5..60 {
        let name = format!("filler{row}");
        add(row, &name, &header(&name, "/opt/", &[&name], &[]));
    }
    // The shell is left without checkpoint, so that the log has to be read.
    script += &format!(
        ".shell cp {0} {0}.copy; cp {0}-wal {0}.copy-wal\n",
        path.display()
    );
    if sqlite3(&path, &script).is_none() {
        println!("skipped: there is no sqlite3 here");
        return;
    }
    let bytes = |name: &str| fs::read(directory.path().join(name)).unwrap();
    let log = bytes("rpmdb.sqlite.copy-wal");
    assert!(!log.is_empty());
    let image = Image::new()
        .link("bin", "usr/bin")
        .link("lib64", "usr/lib64")
        .file("usr/bin/bash", "")
        .link("usr/bin/sh", "bash")
        .file("usr/bin/tool", "")
        .file("usr/lib64/libc.so.6", "")
        .link("var/lib/rpm", "../../usr/lib/sysimage/rpm")
        .file(
            "usr/lib/sysimage/rpm/rpmdb.sqlite",
            bytes("rpmdb.sqlite.copy"),
        )
        .file("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", log)
        .finish();
    let (tree, contents) = &image;
    let db = read(&image);
    assert_eq!(db.databases().len(), 1, "one database under two names");
    assert_eq!(db.databases()[0].state, State::Complete);
    assert_eq!(db.packages().len(), 58, "the key is no package");
    let want = "\
/usr/bin/bash: bash
/usr/bin/sh: bash
/usr/bin/tool: tool
/usr/lib64/libc.so.6: glibc
";
    assert_eq!(ownership(tree, &db), want);
    let tool = db.package(db.named("tool")[0]);
    assert_eq!(
        (tool.version.as_str(), tool.source.name.as_str()),
        ("1.0-2.fc40", "tool-src")
    );
    assert_eq!(
        names(&db, db.depends_closure([db.named("tool")[0]])),
        "bash glibc tool"
    );

    let gone = node(tree, "usr/bin/tool");
    let result = remains(tree, contents, &db, |node| node != gone, |_| false).unwrap();
    assert_eq!(names(&db, result.packages.clone()), "bash glibc");
    assert_eq!(result.replaced.len(), 2);
    let again = remains(tree, contents, &db, |node| node != gone, |_| false).unwrap();
    assert_eq!(result, again);
    let reduced = directory.path().join("reduced");
    for (keep_all, count) in [(false, "3"), (true, "4")] {
        let all = remains(tree, contents, &db, |_| true, |_| false).unwrap();
        let files = if keep_all { &all.files } else { &result.files };
        fs::write(&reduced, &files[0].bytes).unwrap();
        let answer = sqlite3(
            &reduced,
            "PRAGMA integrity_check; SELECT count(*), sum(length(blob)) > 0 FROM Packages;
             SELECT count(*) FROM Name; SELECT hnum FROM Name WHERE key = 'bash-7';
             SELECT count(*) FROM Name INDEXED BY Name_hnum_idx WHERE hnum = 3;
             INSERT INTO Name VALUES ('new', 1, 1); PRAGMA integrity_check;",
        );
        let names: usize = count.parse::<usize>().unwrap() * 200;
        let tools = if keep_all { 200 } else { 0 };
        let want = format!("ok\n{count}|1\n{names}\n1\n{tools}\nok\n");
        assert_eq!(answer.unwrap(), want);
    }
}

#[test]
fn damaged_rpm_databases_are_survived() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let header = header("bash", "/usr/bin/", &["bash"], &[]);
    let script = format!(
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB);
         INSERT INTO Packages VALUES (1, x'{header}');"
    );
    if sqlite3(&path, &script).is_none() {
        println!("skipped: there is no sqlite3 here");
        return;
    }
    let good = fs::read(&path).unwrap();
    // Bytes of headers, cells and pointers broken in turn, and the file cut there.
    let all = 0..good.len();
    for at in all.filter(|at| good[*at] != 0 || at % 97 == 0).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        for bytes in [&bad[..], &good[..at]] {
            let image = Image::new()
                .file("var/lib/rpm/rpmdb.sqlite", bytes)
                .finish();
            let db = read(&image);
            remains(&image.0, &image.1, &db, |_| true, |_| false).unwrap();
        }
    }
}

/// Reads the host's own database and asks the host's dpkg the same questions.
#[test]
fn owners_are_those_that_dpkg_names() {
    let info = Path::new("/var/lib/dpkg/info");
    let Ok(entries) = fs::read_dir(info) else {
        println!("skipped: this host has no dpkg");
        return;
    };
    let mut image = Image::new();
    for link in ["bin", "sbin", "lib", "lib64"] {
        if let Ok(target) = fs::read_link(Path::new("/").join(link)) {
            image = image.link(link, target.to_str().unwrap());
        }
    }
    let mut listed = BTreeSet::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "list") {
            let list = fs::read_to_string(&path).unwrap();
            listed.extend(list.lines().map(str::to_owned));
            image = image.file(path.to_str().unwrap().trim_start_matches('/'), list);
        }
    }
    for name in ["status", "diversions"] {
        let path = format!("var/lib/dpkg/{name}");
        let bytes = fs::read(format!("/{path}")).unwrap();
        image = image.file(&path, bytes);
    }
    // Stubs for every seventh listed file, made where the host has it.
    let mut asked = Vec::new();
    for path in listed.iter().step_by(7) {
        let host = Path::new(path);
        let Some(parent) = host
            .parent()
            .and_then(|parent| fs::canonicalize(parent).ok())
        else {
            continue;
        };
        let plain = fs::symlink_metadata(host).is_ok_and(|metadata| metadata.is_file());
        if plain && host.file_name().is_some() {
            let real = parent.join(host.file_name().unwrap());
            image = image.file(real.to_str().unwrap().trim_start_matches('/'), "");
            asked.push(path.clone());
        }
    }
    let image = image.finish();
    let db = read(&image);
    let every = (asked.len() / 300).max(1);
    let asked: Vec<&String> = asked.iter().step_by(every).collect();
    let Ok(output) = Command::new("dpkg").arg("-S").args(&asked).output() else {
        println!("skipped: this host has no dpkg");
        return;
    };
    let answers = String::from_utf8(output.stdout).unwrap();
    let mut compared = 0;
    for line in answers
        .lines()
        .filter(|line| !line.starts_with("diversion "))
    {
        let (owners, path) = line.split_once(": ").unwrap();
        let mut want: Vec<&str> = owners
            .split(", ")
            .map(|name| name.split(':').next().unwrap())
            .collect();
        want.sort_unstable();
        let found = image.0.resolve_at(
            image.0.root(),
            path.as_bytes(),
            layer::tree::resolve::Lookup::LSTAT,
        );
        let mut got: Vec<&str> = db
            .owners(found.unwrap().node)
            .iter()
            .map(|&id| db.package(id).name.as_str())
            .collect();
        got.sort_unstable();
        assert_eq!(got, want, "{path}");
        compared += 1;
    }
    assert!(
        compared * 10 >= asked.len() * 9,
        "{compared} of {}",
        asked.len()
    );
}
