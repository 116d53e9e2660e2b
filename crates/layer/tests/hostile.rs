//! Layers that no builder writes: each gives one clear error and never a panic.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

use std::io::{self, Read, Write};

use layer::codec::decompress;
use layer::read::TarReader;
use layer::{Limits, Tree};
use testkit::tar::{Raw, archive, pax};
use testkit::tree::{Builder, try_merge};

fn error_of(layers: impl IntoIterator<Item = Vec<u8>>, limits: Limits) -> String {
    match try_merge(layers, limits) {
        Err(error) => testkit::chain(&error),
        Ok(tree) => format!("no error, but:\n{}", tree.dump()),
    }
}

fn file(name: &str) -> Raw {
    Raw::new(b'0', name)
}

fn extended(records: &[(&str, &[u8])]) -> Raw {
    Raw::new(b'x', "PaxHeader").content(pax(records))
}

/// Some cases have no error, and say why.
const ACCEPTED: &str = "no error";

/// The members of one layer, and what is said about them.
fn cases() -> Vec<(Vec<Raw>, &'static str)> {
    let link = |name, target| Raw::new(b'2', name).link(target);
    let hard = |name, target| Raw::new(b'1', name).link(target);
    let dir = |name| Raw::new(b'5', name);
    vec![
        (
            vec![file("../a")],
            "layer entry `../a` climbs out of the root with `..`",
        ),
        (
            vec![file("a/../../b")],
            "layer entry `a/../../b` climbs out of the root with `..`",
        ),
        (
            vec![file("/etc/passwd")],
            "layer entry `/etc/passwd` is an absolute path",
        ),
        (
            vec![extended(&[("path", b"a\0b")]), file("x")],
            "layer entry `a\\u{0}b` contains a zero byte",
        ),
        (
            vec![link("a", "../.."), file("a/b")],
            "layer entry `a/b` climbs out of the root through a symbolic link",
        ),
        (
            vec![dir("d"), link("d/a", "../../etc"), file("d/a/passwd")],
            "layer entry `d/a/passwd` climbs out of the root through a symbolic link",
        ),
        (
            vec![link("a", "../.."), file("a/.wh.b")],
            "layer entry `a/.wh.b` climbs out of the root through a symbolic link",
        ),
        (
            vec![hard("a", "../../etc/passwd")],
            "layer entry `a` is a hard link to a file outside the root",
        ),
        (
            vec![link("up", ".."), hard("a", "up/etc/passwd")],
            "layer entry `a` is a hard link to a file outside the root",
        ),
        (
            vec![hard("a", "b")],
            "hard link `a` names `b`, which is not in the image",
        ),
        (
            vec![hard("a", "a")],
            "hard link `a` names `a`, which is not in the image",
        ),
        (vec![hard("a", "")], "hard link `a` names the directory ``"),
        (
            vec![dir("d"), hard("a", "d")],
            "hard link `a` names the directory `d`",
        ),
        (
            vec![file("f"), file("f/g")],
            "layer entry `f/g` lies below `f`, which is not a directory",
        ),
        (
            vec![file("f"), link("l", "f"), file("l/g")],
            "layer entry `l/g` lies below `f`, which is not a directory",
        ),
        (
            vec![link("a", "b"), link("b", "a"), file("a/c")],
            "layer entry `a/c` lies below a loop of symbolic links",
        ),
        (
            vec![link("a", "a"), file("a/.wh.c")],
            "layer entry `a/.wh.c` lies below a loop of symbolic links",
        ),
        (
            vec![Raw::new(b'V', "label")],
            "layer entry `label` has the unknown tar type 'V'",
        ),
        (
            vec![extended(&[("uid", b"4294967296")]), file("a")],
            "layer entry `a` has an impossible owner: 4294967296",
        ),
        (
            vec![extended(&[("size", b"-1")]), file("a")],
            "layer entry `a` has the record `size` with the value `-1`",
        ),
        (
            vec![extended(&[("mtime", b"soon\n")]), file("a")],
            "layer entry `a` has the record `mtime` with the value `soon\\n`",
        ),
        (
            vec![Raw::new(b'x', "x").content("30 path=short\n"), file("a")],
            "the layer is not a valid tar stream at byte 0: PAX error: malformed PAX extension record",
        ),
        (
            vec![
                Raw::new(b'x', "x").content("x").declared(3 << 20),
                file("a"),
            ],
            "the layer is not a valid tar stream at byte 0: metadata exceeds limit: \
             3145728 bytes > 2097152 bytes",
        ),
        (
            vec![
                extended(&[
                    ("GNU.sparse.major", b"0"),
                    ("GNU.sparse.minor", b"1"),
                    ("GNU.sparse.size", b"10"),
                    (
                        "GNU.sparse.map",
                        b"0,1,18446744073709551615,18446744073709551615",
                    ),
                ]),
                file("a").content("x"),
            ],
            "layer entry `a` has an impossible sparse map: 18446744073709551615",
        ),
        (
            vec![
                extended(&[
                    ("GNU.sparse.major", b"0"),
                    ("GNU.sparse.minor", b"1"),
                    ("GNU.sparse.size", b"18446744073709551615"),
                    ("GNU.sparse.map", b"0,1,1,18446744073709551614"),
                ]),
                file("a").content("x"),
            ],
            "layer entry `a` has an impossible sparse map: 1",
        ),
        (
            vec![file("a").declared(u64::MAX).content("x")],
            "the layer is not a valid tar stream at byte 0: invalid entry size: 18446744073709551615",
        ),
        (
            vec![file("a").declared(1 << 62).content("x")],
            "the layer is truncated: it ends at byte 2048, 4611686018427386368 bytes early",
        ),
        // A size that lies by less than the end marker swallows half of
        // it: accepted, as Go's and GNU's readers do.
        (vec![file("a").declared(1)], ACCEPTED),
    ]
}

#[test]
fn hostile_members_are_refused() {
    for (members, want) in cases() {
        let got = error_of([archive(&members)], Limits::default());
        match want {
            ACCEPTED => assert!(got.starts_with(ACCEPTED), "{got}"),
            want => assert_eq!(got, want),
        }
    }
}

#[test]
fn what_is_no_tar_is_refused() {
    let mut damaged = archive(&[file("a")]);
    damaged[0] = b'b';
    for (bytes, want) in [
        (
            damaged,
            "the layer is not a valid tar stream at byte 0: header error: ",
        ),
        (
            vec![b'x'; 2048],
            "the layer is not a valid tar stream at byte 0: header error: ",
        ),
        (
            b"short".to_vec(),
            "the layer is truncated: it ends at byte 5, 507 bytes early",
        ),
    ] {
        let got = error_of([bytes], Limits::default());
        assert!(got.starts_with(want), "{got}");
    }
    assert_eq!(
        error_of([Vec::new()], Limits::default()),
        "no error, but:\n. dir 0755 0:0 0\n"
    );
}

#[test]
fn upper_layers_cannot_climb_through_lower_links() {
    let lower = Builder::new().symlink("a", "../../outside");
    for upper in [
        Builder::new().file("a/b", "x"),
        Builder::new().whiteout("a/b"),
        Builder::new().hard_link("c", "a/b"),
    ] {
        let got = error_of([lower.tar(), upper.tar()], Limits::default());
        assert!(
            got.contains("climbs out of the root") || got.contains("outside the root"),
            "{got}"
        );
    }
}

#[test]
fn truncated_anywhere() {
    let whole = Builder::new()
        .file("a", vec![b'x'; 3000])
        .file(&"long/".repeat(60), "y")
        .xattr("user.a", "z")
        .symlink("s", "a")
        .tar();
    let members = whole.len() - 1024;
    for length in (0..whole.len()).filter(|at| at % 512 == 0 || at % 97 == 0 || at % 512 == 511) {
        let mut reader = TarReader::new(&whole[..length], 0, Limits::default());
        let mut tree = Tree::new();
        let result = loop {
            match reader.next_member() {
                Ok(Some(member)) => tree.apply(0, member).unwrap(),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        match result {
            // Between two members: the end marker may be missing.
            Ok(()) => assert!(length % 512 == 0 || length > members, "{length}"),
            Err(layer::Error::Truncated { offset, missing }) => {
                assert_eq!(offset, length as u64, "{length}");
                assert!(missing > 0, "{length}");
            }
            // After an extended header without its member.
            Err(error) => assert!(length % 512 == 0, "{length}: {error}"),
        }
    }
}

#[test]
fn truncated_in_a_file_that_can_seek() {
    let whole = Builder::new().file("a", vec![b'x'; 2 << 20]).tar();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&whole[..1 << 20]).unwrap();
    let slice = layer::FileSlice::new(file.into(), 0, 1 << 20);
    let mut reader = TarReader::seekable(slice.reader(), 0, Limits::default());
    let error = reader.next_member().unwrap_err();
    let missing = (1 << 20) + 512;
    let want = format!("the layer is truncated: it ends at byte 1048576, {missing} bytes early");
    assert_eq!(error.to_string(), want);
}

#[test]
fn limits_hold() {
    let tight = Limits {
        entries: 3,
        bytes: 1 << 20,
        metadata: 4096,
    };
    let many = (0..4).fold(Builder::new(), |layer, at| layer.file(&at.to_string(), ""));
    for (layers, want) in [
        (vec![many.tar()], "the layer exceeds the limit of 3 entries"),
        (
            vec![Builder::new().file("a/b/c/d", "").tar()],
            "the layer exceeds the limit of 3 entries",
        ),
        (
            (0..4)
                .map(|at| Builder::new().file(&at.to_string(), "").tar())
                .collect(),
            "the layer exceeds the limit of 3 entries",
        ),
        (
            vec![Builder::new().file("a", vec![0; 1 << 20]).tar()],
            "the layer exceeds the limit of 1048576 uncompressed bytes",
        ),
        (
            vec![
                Builder::new()
                    .file("a", "")
                    .xattr("user.a", vec![b'x'; 5000])
                    .tar(),
            ],
            "the layer is not a valid tar stream at byte 0: metadata exceeds limit: \
             5026 bytes > 4096 bytes",
        ),
    ] {
        assert_eq!(error_of(layers, tight), want);
    }
}

#[test]
fn long_paths_are_refused() {
    let deep = "d/".repeat(2049);
    let got = error_of([Builder::new().file(&deep, "").tar()], Limits::default());
    let want = "the layer is not a valid tar stream at byte 0: path exceeds limit: \
                4098 bytes > 4096 bytes";
    assert_eq!(got, want);
}

/// A tar of zeros without end, compressed: what is read must be bounded by the
/// limit, not by what a member's size says.
#[test]
fn endlessly_inflating_layers_stop_at_the_limit() {
    let bomb = Zeros {
        head: Raw::new(b'0', "a").declared(1 << 40).bytes()[..512].to_vec(),
        left: 64 << 20,
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::copy(&mut { bomb }, &mut gzip).unwrap();
    let packed = gzip.finish().unwrap();
    assert!(packed.len() < 100_000);
    let (_, plain) = decompress(&packed[..]).unwrap();
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let error = TarReader::new(plain, 0, limits).next_member().unwrap_err();
    let want = "the layer exceeds the limit of 1048576 uncompressed bytes";
    assert_eq!(error.to_string(), want);
}

struct Zeros {
    head: Vec<u8>,
    left: usize,
}

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.head.is_empty() {
            let length = (&self.head[..]).read(buffer)?;
            self.head.drain(..length);
            return Ok(length);
        }
        let length = buffer.len().min(self.left);
        buffer[..length].fill(0);
        self.left -= length;
        Ok(length)
    }
}

#[test]
fn compressed_streams_are_checked() {
    let plain = Builder::new().file("a", noise(100_000)).tar();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(&plain).unwrap();
    let zstd = zstd.finish().unwrap();
    for (name, whole) in [("gzip", &gzip), ("zstd", &zstd)] {
        let truncated = read_all(&whole[..whole.len() / 2]);
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 0xff;
        let damaged = read_all(&damaged);
        for (what, got) in [("truncated", truncated), ("damaged", damaged)] {
            assert!(
                got.starts_with("cannot read the layer at byte "),
                "{name} {what}: {got}"
            );
        }
    }
    for (bytes, want) in [
        (
            &b"\xfd7zXZ\0 and more"[..],
            "cannot decompress the layer: xz is not supported",
        ),
        (
            b"BZh9 and more",
            "cannot decompress the layer: bzip2 is not supported",
        ),
    ] {
        assert_eq!(read_all(bytes), want);
    }
}

#[test]
fn zstd_windows_are_bounded() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(&noise(4 << 20)).unwrap();
    let got = read_all(&encoder.finish().unwrap());
    assert_eq!(
        got,
        "cannot read the layer at byte 0: Frame requires too much memory for decoding"
    );
}

fn read_all(packed: &[u8]) -> String {
    let mut reader = match decompress(packed) {
        Ok((_, plain)) => TarReader::new(plain, 0, Limits::default()),
        Err(error) => return testkit::chain(&error),
    };
    loop {
        match reader.next_member() {
            Ok(Some(_)) => {}
            Ok(None) => return "no error".to_owned(),
            Err(error) => return testkit::chain(&error),
        }
    }
}

fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}
