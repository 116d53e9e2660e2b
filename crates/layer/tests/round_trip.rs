//! Random trees written and read again, unpacked and compared, and given to GNU tar.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

use std::process::Command;

use layer::unpack::{Options, unpack};
use layer::write::TarWriter;
use layer::{Entry, Kind, Limits, Metadata, Time, Tree, Xattr};
use proptest::prelude::*;
use testkit::dump::{self, Fields};
use testkit::tree::{TestTree, merge};

/// Few names, so that entries meet; one with bytes that are no text, one too
/// long for a header of the first kind.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c", "lib", "x y"]).prop_map(|n| n.as_bytes().to_vec()),
        1 => Just(b"\xff\n\\".to_vec()),
        1 => Just(vec![b'n'; 120]),
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(name(), 1..4).prop_map(|names| names.join(&b'/'))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => Just(Kind::File { size: 0 }),
        3 => Just(Kind::Directory),
        1 => path().prop_map(Kind::Symlink),
        1 => Just(Kind::Symlink(b"/a/b".to_vec())),
        2 => path().prop_map(Kind::HardLink),
        1 => Just(Kind::Fifo),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let xattr = prop::collection::vec(any::<u8>(), 0..20).prop_map(|value| Xattr {
        name: b"user.test".as_slice().into(),
        value: value.into(),
    });
    (
        0_u16..0o10000,
        prop_oneof![Just(0), 0_u32..70_000, Just(u32::MAX - 1)],
        0_u32..3_000_000,
        (
            -100_000_i64..10_000_000_000,
            prop_oneof![Just(0), 0_u32..1_000_000_000],
        ),
        prop::option::of(xattr),
    )
        .prop_map(|(mode, uid, gid, (seconds, nanoseconds), xattr)| Metadata {
            mode,
            uid,
            gid,
            mtime: Time {
                seconds,
                nanoseconds,
            },
            xattrs: xattr.into_iter().collect(),
        })
}

#[derive(Debug, Clone)]
struct Item {
    entry: Entry,
    bytes: Vec<u8>,
}

fn item() -> impl Strategy<Value = Item> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..1500),
        Just(vec![7; 300_000])
    ];
    (path(), kind(), metadata(), bytes).prop_map(|(path, kind, mut metadata, bytes)| {
        // Linux lets only files and directories have these.
        if !matches!(kind, Kind::File { .. } | Kind::Directory) {
            metadata.xattrs.clear();
        }
        // A symbolic link has all permissions, whatever the tar says.
        if matches!(kind, Kind::Symlink(_)) {
            metadata.mode = 0o777;
        }
        Item {
            entry: Entry {
                path,
                kind,
                metadata,
            },
            bytes,
        }
    })
}

/// The tree of those items that fit together.
fn build(items: &[Item]) -> TestTree {
    let mut kept = Vec::new();
    let mut tree = Tree::new();
    for item in items {
        let one = tar_of(std::slice::from_ref(item));
        let mut reader = layer::read::TarReader::new(&one[..], 0, Limits::default());
        let member = reader.next_member().unwrap().unwrap();
        let mut next = tree.clone();
        if next.apply(0, member).is_ok() {
            tree = next;
            kept.push(item.clone());
        }
    }
    merge([tar_of(&kept)])
}

fn tar_of(items: &[Item]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for Item { entry, bytes } in items {
        match entry.kind {
            Kind::File { .. } => writer.write_bytes(&entry.path, &entry.metadata, bytes),
            _ => writer.write_entry(entry),
        }
        .unwrap();
    }
    writer.finish().unwrap()
}

fn written(tree: &TestTree) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    writer
        .write_tree(&tree.tree, &tree.contents, |_| true)
        .unwrap();
    writer.finish().unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Root sees all; others own what they unpack, and may not read all of it.
fn fields() -> Fields {
    Fields {
        owners: is_root(),
        xattrs: true,
    }
}

/// The user who runs this must be able to read everything back.
fn readable(mut items: Vec<Item>) -> Vec<Item> {
    if !is_root() {
        for item in &mut items {
            item.entry.metadata.mode = item.entry.metadata.mode & 0o1777 | 0o700;
        }
    }
    items
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn written_trees_are_read_back(items in prop::collection::vec(item(), 0..24)) {
        let tree = build(&items);
        let bytes = written(&tree);
        let again = merge([bytes.clone()]);
        prop_assert_eq!(again.dump(), tree.dump());
        prop_assert_eq!(written(&again), bytes, "the same tree gives the same bytes");
    }

    #[test]
    fn unpacked_trees_are_on_disk(items in prop::collection::vec(item(), 0..24)) {
        let tree = build(&readable(items));
        let root = tempfile::tempdir().unwrap();
        let options = Options { owners: is_root(), devices: false, threads: 3 };
        unpack(&tree.tree, &tree.contents, root.path(), options, |_| true).unwrap();
        let want = dump::tree(&tree.tree, &tree.contents, fields());
        prop_assert_eq!(dump::directory(root.path(), fields()), want);
    }

    #[test]
    fn gnu_tar_unpacks_the_same(items in prop::collection::vec(item(), 0..24)) {
        let tree = build(&readable(items));
        let root = tempfile::tempdir().unwrap();
        let archive = root.path().join("layer.tar");
        let out = root.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(&archive, written(&tree)).unwrap();
        let mut command = Command::new("tar");
        command.args(["--extract", "--preserve-permissions", "--numeric-owner", "--xattrs"]);
        command.args(["--xattrs-include=*", "--delay-directory-restore"]);
        command.arg("--file").arg(&archive).arg("--directory").arg(&out);
        let Ok(output) = command.env("LC_ALL", "C").output() else {
            testkit::tools::lacks("tar");
            return Ok(());
        };
        let said = String::from_utf8_lossy(&output.stderr);
        // It warns of times in the far future and past, and unpacks them.
        prop_assert!(output.status.success(), "{}", said);
        let want = dump::tree(&tree.tree, &tree.contents, fields());
        prop_assert_eq!(dump::directory(&out, fields()), want);
    }
}

#[test]
fn unpacking_keeps_within_its_root() {
    // The links of the tree are written as they are, and never followed.
    let tree = testkit::tree::Builder::new()
        .symlink("a", "/etc")
        .symlink("b", "../../..")
        .file("c/d", "x")
        .hard_link("e/f", "c/d")
        .build();
    let root = tempfile::tempdir().unwrap();
    let options = Options {
        owners: false,
        devices: false,
        threads: 1,
    };
    unpack(&tree.tree, &tree.contents, root.path(), options, |_| true).unwrap();
    let want = dump::tree(
        &tree.tree,
        &tree.contents,
        Fields {
            owners: false,
            ..Fields::ALL
        },
    );
    let got = dump::directory(
        root.path(),
        Fields {
            owners: false,
            ..Fields::ALL
        },
    );
    assert_eq!(got, want);
}

#[test]
fn only_what_is_kept_is_written() {
    let tree = testkit::tree::Builder::new()
        .file("a", "x")
        .hard_link("b", "a")
        .hard_link("c", "a")
        .file("d/e", "y")
        .build();
    let mut writer = TarWriter::new(Vec::new());
    let dropped = [tree.node("a"), tree.node("d"), tree.node("d/e")];
    writer
        .write_tree(&tree.tree, &tree.contents, |node| !dropped.contains(&node))
        .unwrap();
    let want = ". dir 0755 0:0 0\nb file 0644 0:0 0 1 \"x\"\nc hardlink b\n";
    assert_eq!(merge([writer.finish().unwrap()]).dump(), want);
}
