//! Layers merged as a container runtime merges them: each case is a few layers
//! and the whole tree that they give.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

use layer::Kind;
use testkit::tree::{Builder, merge};

/// Reads layers from lines such as these, layers separated by `--`:
///
/// ```text
/// dir etc                 sym bin -> usr/bin
/// file etc/a hello        hard etc/b = etc/a
/// gone etc/a              opaque etc
/// ```
fn layers(text: &str) -> Vec<Vec<u8>> {
    text.split("--")
        .map(|layer| self::layer(layer).tar())
        .collect()
}

fn layer(text: &str) -> Builder {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.fold(Builder::new(), |builder, line| {
        let (verb, rest) = line.split_once(' ').unwrap();
        let (path, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "dir" => builder.directory(path),
            "file" => builder.file(path, tail),
            "sym" => builder.symlink(path, tail.trim_start_matches("-> ")),
            "hard" => builder.hard_link(path, tail.trim_start_matches("= ")),
            "gone" => builder.whiteout(path),
            "opaque" => builder.opaque(path),
            other => panic!("`{other}` is no verb"),
        }
    })
}

/// The tree without what all entries of these tests have in common.
fn outline(dump: &str) -> String {
    let lines = dump.lines().filter(|line| !line.starts_with(". "));
    lines
        .map(|line| {
            let line = line
                .replace(" dir 0755 0:0 0", " dir")
                .replace(" file 0644 0:0 0", " file")
                .replace(" symlink 0777 0:0 0", " symlink");
            format!("{line}\n")
        })
        .collect()
}

fn dedent(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("{line}\n")).collect()
}

/// Summary, layers, tree.
const CASES: &[(&str, &str, &str)] = &[
    (
        "an upper file replaces a lower one",
        "file a one -- file a two2",
        "a file 4 \"two2\"",
    ),
    (
        "a whiteout hides a file",
        "file d/a x
         file d/b x
         -- gone d/a",
        "d dir
         d/b file 1 \"x\"",
    ),
    (
        "a whiteout hides a directory with everything below",
        "file d/e/f x
         file g x
         -- gone d",
        "g file 1 \"x\"",
    ),
    (
        "a whiteout of nothing does nothing",
        "file a x -- gone b
         gone c/d
         gone a/x",
        "a file 1 \"x\"",
    ),
    (
        "a whiteout hides nothing of its own layer: recreated after",
        "file a old -- gone a
         file a new",
        "a file 3 \"new\"",
    ),
    (
        "a whiteout hides nothing of its own layer: recreated before",
        "file a old -- file a new
         gone a",
        "a file 3 \"new\"",
    ),
    (
        "a directory recreated keeps nothing of the old one: whiteout first",
        "file d/old x -- gone d
         file d/new y",
        "d dir
         d/new file 1 \"y\"",
    ),
    (
        "a directory recreated keeps nothing of the old one: whiteout last",
        "file d/old x
         -- dir d
         file d/new y
         gone d",
        "d dir
         d/new file 1 \"y\"",
    ),
    (
        "a hard link recreated before its whiteout stays",
        "file a x
         hard b = a
         -- hard b = a
         gone b",
        "a file 1 \"x\"
         b hardlink a",
    ),
    (
        "an opaque directory keeps itself and what its own layer brings",
        "file d/old x
         file d/e/old x
         -- file d/new y
         opaque d
         file d/late z",
        "d dir
         d/late file 1 \"z\"
         d/new file 1 \"y\"",
    ),
    (
        "an opaque root hides everything below",
        "file a x
         file d/b x
         -- opaque .
         file c y",
        "c file 1 \"y\"",
    ),
    (
        "an opaque directory hides only lower layers: the third adds again",
        "file d/a 1 -- opaque d
         file d/b 2 -- file d/c 3",
        "d dir
         d/b file 1 \"2\"
         d/c file 1 \"3\"",
    ),
    (
        "a file replaces a directory, and a directory a file",
        "file d/x 1
         file f 2
         -- file d now
         file f/y 3",
        "error",
    ),
    (
        "types are replaced by entries of their own",
        "file d/x 1
         file f 2
         sym s -> d
         -- file d now
         dir f
         file f/y 3
         dir s",
        "d file 3 \"now\"
         f dir
         f/y file 1 \"3\"
         s dir",
    ),
    (
        "a directory over a directory keeps the entries",
        "file d/a x -- dir d
         file d/b y",
        "d dir
         d/a file 1 \"x\"
         d/b file 1 \"y\"",
    ),
    (
        "a symbolic link is replaced by a directory, not followed",
        "file usr/bin/sh x
         sym bin -> usr/bin
         -- dir bin
         file bin/own y",
        "bin dir
         bin/own file 1 \"y\"
         usr dir
         usr/bin dir
         usr/bin/sh file 1 \"x\"",
    ),
    (
        "usr-merge: members land where the link of a lower layer leads",
        "dir usr/bin
         sym bin -> usr/bin
         -- file bin/sh x",
        "bin symlink -> usr/bin
         usr dir
         usr/bin dir
         usr/bin/sh file 1 \"x\"",
    ),
    (
        "absolute links lead inside of the root",
        "dir data
         sym a -> /data
         -- file a/x 1
         gone a/y",
        "a symlink -> /data
         data dir
         data/x file 1 \"1\"",
    ),
    (
        "a link to what is not there yet gets its target made",
        "sym run -> var/run -- file run/x 1",
        "run symlink -> var/run
         var dir
         var/run dir
         var/run/x file 1 \"1\"",
    ),
    (
        "a whiteout of a link hides the link, not its target",
        "file real/x 1
         sym link -> real
         -- gone link",
        "real dir
         real/x file 1 \"1\"",
    ),
    (
        "a whiteout through a link hides behind it",
        "file real/x 1
         sym link -> real
         -- gone link/x",
        "link symlink -> real
         real dir",
    ),
    (
        "parents are implied",
        "file a/b/c/d x",
        "a dir
         a/b dir
         a/b/c dir
         a/b/c/d file 1 \"x\"",
    ),
    (
        "hard links across layers",
        "file a x -- hard d/b = a -- hard c = d/b",
        "a file 1 \"x\"
         c hardlink a
         d dir
         d/b hardlink a",
    ),
    (
        "a link keeps the old file when its target is replaced",
        "file a old
         hard b = a
         -- file a new",
        "a file 3 \"new\"
         b file 3 \"old\"",
    ),
    (
        "a link made after its target was replaced is to the new file",
        "file a old
         hard b = a
         -- file a new
         hard c = a",
        "a file 3 \"new\"
         b file 3 \"old\"
         c hardlink a",
    ),
    (
        "renamed: the new name links to the old, which is then hidden",
        "file old x -- hard new = old
         gone old",
        "new file 1 \"x\"",
    ),
    (
        "a hard link through a linked directory",
        "file usr/bin/sh x
         sym bin -> usr/bin
         -- hard bin/dash = bin/sh",
        "bin symlink -> usr/bin
         usr dir
         usr/bin dir
         usr/bin/dash file 1 \"x\"
         usr/bin/sh hardlink usr/bin/dash",
    ),
    (
        "a hard link to a symbolic link is a name of the link",
        "sym a -> nowhere
         hard b = a",
        "a symlink -> nowhere
         b hardlink a",
    ),
    (
        "a hard link to itself changes nothing",
        "file a x
         hard a = a",
        "a file 1 \"x\"",
    ),
    (
        "`.wh.` inside of a name is part of the name",
        "file a.wh.b x
         file x.wh. y",
        "a.wh.b file 1 \"x\"
         x.wh. file 1 \"y\"",
    ),
    (
        "other names that begin with `.wh..wh.` are notes of AUFS, and no files",
        "file .wh..wh.plnk x
         file d/.wh..wh.orph x
         file e y",
        "e file 1 \"y\"",
    ),
    (
        "of duplicate entries the last counts",
        "file a one
         file a two
         file b x
         sym b -> a",
        "a file 3 \"two\"
         b symlink -> a",
    ),
    (
        "a member of the root's own name sets its attributes only",
        "dir .
         file ./a x",
        "a file 1 \"x\"",
    ),
];

#[test]
fn layers_are_merged_as_a_runtime_merges_them() {
    for (summary, input, want) in CASES {
        let merged = testkit::tree::try_merge(layers(input), layer::Limits::default());
        match merged {
            Ok(merged) => assert_eq!(outline(&merged.dump()), dedent(want), "{summary}"),
            Err(error) => assert_eq!(*want, "error", "{summary}: {error}"),
        }
    }
}

#[test]
fn attributes_survive() {
    let name = "n".repeat(150);
    let layer = Builder::new()
        .file("ping", "x")
        .mode(0o4755)
        .owner(3_000_000, 4_000_000_000)
        .mtime(1_700_000_000, 250_000_000)
        .xattr("security.capability", [1, 0, 0, 2])
        .xattr("user.b", "\n=\0")
        .other("null", Kind::CharDevice { major: 1, minor: 3 })
        .mode(0o666)
        .other(
            "disk",
            Kind::BlockDevice {
                major: 259,
                minor: 1_000_000,
            },
        )
        .other("pipe", Kind::Fifo)
        .directory("tmp")
        .mode(0o1777)
        .mtime(1_700_000_000, 1)
        .file(&format!("{name}/{name}"), "long")
        .symlink("s", &format!("{name}/{name}"));
    let want = format!(
        ". dir 0755 0:0 0
disk block 0644 0:0 0 259:1000000
{name} dir 0755 0:0 0
{name}/{name} file 0644 0:0 0 4 \"long\"
null char 0666 0:0 0 1:3
ping file 4755 3000000:4000000000 1700000000.25 1 \"x\" security.capability=01000002 user.b=0a3d00
pipe fifo 0644 0:0 0
s symlink 0777 0:0 0 -> {name}/{name}
tmp dir 1777 0:0 1700000000.000000001
"
    );
    assert_eq!(layer.build().dump(), want);
}

#[test]
fn a_directory_takes_the_attributes_of_the_last_layer() {
    let merged = merge([
        Builder::new()
            .directory("d")
            .mode(0o700)
            .mtime(1, 0)
            .xattr("user.a", "1")
            .tar(),
        Builder::new().directory("d").mode(0o711).mtime(2, 5).tar(),
    ]);
    assert_eq!(
        merged.dump(),
        ". dir 0755 0:0 0\nd dir 0711 0:0 2.000000005\n"
    );
}
