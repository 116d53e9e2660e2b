//! What GNU tar writes, read here: names, sparse files and times in each of its formats.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use testkit::dump::{self, Fields};
use testkit::tree::merge;

/// Owners come from `--owner`; root alone could give files to others.
const FIELDS: Fields = Fields {
    owners: false,
    xattrs: false,
};

fn tar(directory: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("tar")
        .args(["--create", "--file=-", "--sort=name", "--directory"])
        .arg(directory)
        .args(arguments)
        .arg(".")
        .output();
    match output {
        Ok(output) if output.status.success() => Some(output.stdout),
        Ok(output) => panic!("tar: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            testkit::tools::lacks("tar");
            None
        }
    }
}

#[test]
fn sparse_files_of_all_kinds() {
    let source = tempfile::tempdir().unwrap();
    let holes = [
        ("one", 5 << 20, &[(3 << 20, "middle")][..]),
        ("ends", 2 << 20, &[(0, "start"), ((2 << 20) - 3, "end")]),
        ("empty", 1 << 20, &[]),
        ("full", 6, &[(0, "abcdef")]),
    ];
    for (name, size, runs) in holes {
        let file = File::create(source.path().join(name)).unwrap();
        file.set_len(size).unwrap();
        for (at, text) in runs {
            file.write_all_at(text.as_bytes(), *at).unwrap();
        }
    }
    // More runs than fit into one header.
    let many = File::create(source.path().join("many")).unwrap();
    for run in 0..100 {
        many.write_all_at(b"x", run * (64 << 10)).unwrap();
    }
    let want = dump::directory(source.path(), FIELDS);
    for format in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let Some(bytes) = tar(source.path(), &[&["--sparse"], format].concat()) else {
            return;
        };
        assert!(bytes.len() < 1 << 20, "{format:?} is not sparse");
        let read = merge([bytes]);
        // GNU's own format has whole seconds only.
        let got = dump::tree(&read.tree, &read.contents, FIELDS);
        assert_eq!(
            without_fractions(&got),
            without_fractions(&want),
            "{format:?}"
        );
        let mut writer = layer::write::TarWriter::new(Vec::new());
        writer
            .write_tree(&read.tree, &read.contents, |_| true)
            .unwrap();
        let again = merge([writer.finish().unwrap()]);
        assert_eq!(
            again.dump(),
            read.dump(),
            "{format:?} written and read again"
        );
    }
}

#[test]
fn names_links_and_times_in_each_format() {
    let source = tempfile::tempdir().unwrap();
    let long = source.path().join("d".repeat(120)).join("e".repeat(200));
    std::fs::create_dir_all(&long).unwrap();
    std::fs::write(long.join("file"), "x").unwrap();
    std::fs::hard_link(long.join("file"), source.path().join("hard")).unwrap();
    std::os::unix::fs::symlink("t".repeat(300), source.path().join("symlink")).unwrap();
    std::fs::write(source.path().join("with\nnewline \u{e4}"), "").unwrap();
    let want = dump::directory(source.path(), FIELDS);
    for format in ["gnu", "posix", "oldgnu"] {
        let Some(bytes) = tar(source.path(), &[&format!("--format={format}")]) else {
            return;
        };
        let read = merge([bytes]);
        let got = dump::tree(&read.tree, &read.contents, FIELDS);
        match format {
            "posix" => assert_eq!(got, want, "{format}"),
            _ => assert_eq!(
                without_fractions(&got),
                without_fractions(&want),
                "{format}"
            ),
        }
    }
}

#[test]
fn times_before_1970() {
    let source = tempfile::tempdir().unwrap();
    let file = File::create(source.path().join("old")).unwrap();
    let before = std::time::UNIX_EPOCH - std::time::Duration::from_millis(86_400_250);
    file.set_modified(before).unwrap();
    File::open(source.path())
        .unwrap()
        .set_modified(before)
        .unwrap();
    let want = dump::directory(source.path(), FIELDS);
    for format in ["gnu", "posix"] {
        let Some(bytes) = tar(source.path(), &[&format!("--format={format}")]) else {
            return;
        };
        let read = merge([bytes]);
        let got = dump::tree(&read.tree, &read.contents, FIELDS);
        match format {
            "posix" => assert_eq!(got, want, "{format}"),
            _ => assert_eq!(
                without_fractions(&got),
                without_fractions(&want),
                "{format}"
            ),
        }
        let mut writer = layer::write::TarWriter::new(Vec::new());
        writer
            .write_tree(&read.tree, &read.contents, |_| true)
            .unwrap();
        let again = merge([writer.finish().unwrap()]);
        assert_eq!(again.dump(), read.dump(), "{format} written and read again");
    }
}

/// Cuts `1700000000.25` to `1700000000`.
fn without_fractions(dump: &str) -> String {
    let lines = dump.lines().map(|line| {
        let words = line.split(' ').map(|word| match word.split_once('.') {
            Some((whole, fraction))
                if whole.parse::<i64>().is_ok() && fraction.parse::<u64>().is_ok() =>
            {
                whole
            }
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}
