//! `jettison squash`: the files stay exactly the same, in the eyes of other tools too.

mod common;

use std::path::Path;
use std::process::Command;

use layer::Kind;
use testkit::cli::Environment;
use testkit::tar::{Raw, archive, pax};
use testkit::tools::has_tool;
use testkit::tree::Builder;

type Layers = Vec<(&'static str, Vec<u8>)>;

/// Images that squashing tools are known to get wrong.
fn nasty() -> Vec<(&'static str, Layers)> {
    let base = || {
        Builder::new()
            .directory("d")
            .file("d/a", "a in the base")
            .file("d/b", "b in the base")
            .file("keep", "kept")
    };
    let wide: Vec<u8> = (0..100_000_u32).map(|at| (at / 3) as u8).collect();
    vec![
        (
            "hard links over whiteouts",
            vec![
                (
                    "ADD base",
                    base()
                        .file("x", "x")
                        .hard_link("y", "x")
                        .hard_link("d/z", "x")
                        .tar(),
                ),
                ("RUN rm x", Builder::new().whiteout("x").tar()),
                (
                    "RUN ln",
                    Builder::new().file("x", "new x").hard_link("w", "x").tar(),
                ),
            ],
        ),
        (
            "opaque directory",
            vec![
                ("ADD base", base().file("d/sub/deep", "deep").tar()),
                (
                    "RUN mkdir",
                    Builder::new()
                        .directory("d")
                        .mode(0o700)
                        .opaque("d")
                        .file("d/c", "c")
                        .tar(),
                ),
                (
                    "RUN touch",
                    Builder::new()
                        .directory("d")
                        .mode(0o700)
                        .file("d/e", "e")
                        .tar(),
                ),
            ],
        ),
        (
            "opaque marker after the entries",
            vec![
                ("ADD base", base().tar()),
                (
                    "RUN a",
                    Builder::new()
                        .directory("d")
                        .file("d/new", "new")
                        .opaque("d")
                        .tar(),
                ),
            ],
        ),
        (
            "file becomes directory and back",
            vec![
                ("ADD base", base().file("t", "file").tar()),
                (
                    "RUN a",
                    Builder::new().directory("t").file("t/in", "in").tar(),
                ),
                ("RUN b", Builder::new().file("d", "a file now").tar()),
                ("RUN c", Builder::new().whiteout("t").file("t2", "2").tar()),
            ],
        ),
        (
            "symbolic link takes the place of a directory",
            vec![
                (
                    "ADD base",
                    base().directory("real").file("real/r", "r").tar(),
                ),
                ("RUN ln -s", Builder::new().symlink("d", "real").tar()),
                (
                    "RUN rm",
                    Builder::new().whiteout("real/r").file("real/s", "s").tar(),
                ),
            ],
        ),
        (
            "names that look like whiteouts",
            vec![
                (
                    "ADD base",
                    base()
                        .file("a.wh.b", "no whiteout")
                        .file("d/x.wh.", "nor this")
                        .tar(),
                ),
                (
                    "RUN a",
                    Builder::new()
                        .file("a.wh.b", "changed")
                        .whiteout("d/x.wh.")
                        .file("wh.", "w")
                        .tar(),
                ),
            ],
        ),
        (
            "long names and numbers",
            vec![
                (
                    "ADD base",
                    base()
                        .directory(&"n".repeat(150))
                        .file(&format!("{}/{}", "n".repeat(150), "m".repeat(200)), "long")
                        .tar(),
                ),
                (
                    "RUN a",
                    Builder::new()
                        .file("ids", "big")
                        .owner(3_000_000, 4_000_000)
                        .mtime(1_700_000_000, 123_456_789)
                        .directory("über")
                        .file("über/ñ", "text")
                        .tar(),
                ),
            ],
        ),
        (
            "attributes",
            vec![
                (
                    "ADD base",
                    base().file("cap", "cap").xattr("user.one", "1").tar(),
                ),
                (
                    "RUN setcap",
                    Builder::new()
                        .file("cap", "cap")
                        .xattr("user.two", "2")
                        .mode(0o4755)
                        .tar(),
                ),
                (
                    "RUN chown",
                    Builder::new()
                        .directory("d")
                        .owner(7, 8)
                        .mode(0o1777)
                        .mtime(5, 0)
                        .tar(),
                ),
            ],
        ),
        (
            "one name many times in a layer",
            vec![
                (
                    "ADD base",
                    base().file("twice", "first").file("twice", "second").tar(),
                ),
                (
                    "RUN a",
                    Builder::new()
                        .file("d/a", "1")
                        .whiteout("d/a")
                        .file("d/a", "2")
                        .mode(0o640)
                        .tar(),
                ),
            ],
        ),
        (
            "whiteouts of nothing",
            vec![
                ("ADD base", base().whiteout("never").tar()),
                (
                    "RUN a",
                    Builder::new()
                        .whiteout("never/was")
                        .whiteout("d/never")
                        .file("d/c", "c")
                        .tar(),
                ),
            ],
        ),
        (
            "empty and equal",
            vec![
                ("ADD base", base().file("empty", "").tar()),
                (
                    "RUN a",
                    Builder::new().file("empty", "").file("keep", "kept").tar(),
                ),
                (
                    "RUN b",
                    Builder::new()
                        .whiteout("empty")
                        .whiteout("keep")
                        .whiteout("d")
                        .tar(),
                ),
            ],
        ),
        (
            "devices, pipes, large files",
            vec![
                (
                    "ADD base",
                    base()
                        .other("pipe", Kind::Fifo)
                        .file("large", wide.clone())
                        .directory("emptied")
                        .file("emptied/only", "1")
                        .tar(),
                ),
                (
                    "RUN mv",
                    Builder::new()
                        .whiteout("large")
                        .file("larger", wide)
                        .whiteout("emptied/only")
                        .tar(),
                ),
                (
                    "RUN rm",
                    Builder::new()
                        .whiteout("pipe")
                        .symlink("pipe", "/dev/null")
                        .tar(),
                ),
            ],
        ),
    ]
}

/// Images whose layers no writer of this workspace makes.
fn nastier() -> Vec<(&'static str, Layers)> {
    let sparse = |name: &str, fill: &[u8]| {
        // PAX 1.0: the map stands in front of the data, in blocks of its own.
        let mut content = b"2\n512\n512\n1048576\n0\n".to_vec();
        content.resize(512, 0);
        content.extend_from_slice(&fill.repeat(512));
        let records: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", name.as_bytes()),
            ("GNU.sparse.realsize", b"1048576"),
        ];
        [
            Raw::new(b'x', "PaxHeaders/sparse").content(pax(&records)),
            Raw::new(b'0', "GNUSparseFile.0/sparse").content(content),
        ]
    };
    let file = |name: &str, text: &str| Raw::new(b'0', name).content(text);
    vec![
        (
            "sparse",
            vec![
                ("ADD base", archive(&sparse("holes", b"a"))),
                (
                    "RUN a",
                    archive(&[sparse("holes", b"b"), sparse("more", b"b")].concat()),
                ),
                (
                    "RUN b",
                    archive(&[file(".wh.more", ""), file("after", "a")]),
                ),
            ],
        ),
        (
            "below a symlinked parent",
            vec![
                (
                    "ADD base",
                    Builder::new()
                        .directory("real")
                        .directory("real/deep")
                        .file("real/gone", "gone")
                        .file("real/kept", "kept")
                        .symlink("near", "real")
                        .symlink("far", "/real/deep")
                        .tar(),
                ),
                (
                    "RUN a",
                    archive(&[
                        file("near/.wh.gone", ""),
                        file("near/made", "made"),
                        file("far/below", "below"),
                        Raw::new(b'1', "far/linked").link("near/made"),
                    ]),
                ),
                (
                    "RUN b",
                    archive(&[file("near/deep/.wh.below", ""), file("far/kept", "other")]),
                ),
            ],
        ),
    ]
}

/// What `umoci unpack` makes of an image.
fn unpacked(environment: &Environment, image: &str, name: &str) -> String {
    try_unpacked(environment, image, name).unwrap_or_else(|error| panic!("{image}: {error}"))
}

fn try_unpacked(environment: &Environment, image: &str, name: &str) -> Result<String, String> {
    let layout = format!("oci:{name}.layout:x");
    let copied = environment.run(&["-q", "copy", image, &layout]);
    if copied.code != 0 {
        return Err(copied.to_string());
    }
    let path = |name: &str| environment.path(name).display().to_string();
    let tagged = format!("{}:x", path(&format!("{name}.layout")));
    let bundle = path(&format!("{name}.bundle"));
    let mut umoci = Command::new("umoci");
    let umoci = umoci.args(["unpack", "--image", &tagged, &bundle]);
    let output = umoci.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let fields = testkit::dump::Fields::ALL;
    let dump = testkit::dump::directory(&Path::new(&bundle).join("rootfs"), fields);
    // The root has the time of unpacking, where no layer has an entry for it.
    let lines = dump.lines().skip(1);
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn trees_are_equal_however_layers_are_merged() {
    let by_umoci = is_root() && has_tool("umoci");
    for (at, (title, layers)) in nasty().into_iter().chain(nastier()).enumerate() {
        let environment = common::environment();
        environment.write("old.tar", common::archive("old:1", &layers));
        let count = layers.len();
        let last = (count - 1).to_string();
        let range = format!("1..{}", count - 1);
        let first = format!("0..{}", count - 2);
        let ways: [(&str, &[&str], usize); 6] = [
            ("all", &[], 1),
            ("last", &["--last", &last], 2),
            ("one", &["--last", "1"], count),
            ("range", &["--range", &range], 2),
            ("first", &["--range", &first], 2),
            ("dedupe", &["--dedupe"], count),
        ];
        let want = by_umoci.then(|| unpacked(&environment, "docker-archive:old.tar", "old"));
        for (way, flags, most) in ways {
            let output = format!("docker-archive:{way}.tar");
            let mut arguments = vec!["squash", "docker-archive:old.tar", "-t", way, "-o", &output];
            arguments.extend(flags);
            let _ = environment.run(&arguments).done();
            let tag = format!("{way}:latest");
            assert_eq!(
                testkit::check::docker_archive(&environment.path(&format!("{way}.tar"))),
                [tag]
            );
            let compare = ["diff", "docker-archive:old.tar", &output, "--exit-code"];
            assert_eq!(
                environment.run(&compare).to_string(),
                "--- exit 0\n",
                "{title}, {way}"
            );
            let config = config(&environment, &output);
            let layers = config["rootfs"]["diff_ids"].as_array().unwrap().len();
            assert!(
                (1..=most).contains(&layers),
                "{title}, {way}: {layers} layers"
            );
            assert_eq!(config["vendor"]["kept"], true);
            let history = config["history"].as_array().unwrap();
            let real = history
                .iter()
                .filter(|entry| entry["empty_layer"] != true)
                .count();
            assert_eq!(real, layers, "{title}, {way}: the history has other layers");
            if let Some(want) = &want {
                let got = unpacked(&environment, &output, &format!("{at}-{way}"));
                assert_eq!(&got, want, "{title}, {way}: umoci unpacks something else");
            }
        }
    }
}

/// What docker-squash 1.2 makes something else of than the engine does, or nothing at all.
const DOCKER_SQUASH_FAILS: &[&str] = &[
    "hard links over whiteouts",
    "file becomes directory and back",
    "names that look like whiteouts",
    "one name many times in a layer",
    // Does not end.
    "sparse",
    "below a symlinked parent",
];

/// `cargo test -p cli --test squash -- --ignored` with `docker-squash` of PyPI in PATH.
#[test]
#[ignore = "needs a container engine and docker-squash"]
fn docker_squash_makes_the_same_where_it_is_right() {
    assert!(is_root() && has_tool("umoci") && has_tool("docker") && has_tool("docker-squash"));
    let mut differs = Vec::new();
    for (at, (title, layers)) in nasty().into_iter().chain(nastier()).enumerate() {
        let environment = common::environment();
        let (old, theirs) = (format!("jc-nasty:{at}"), format!("jc-nasty:{at}-squashed"));
        environment.write("old.tar", common::archive(&old, &layers));
        let path = |name: &str| environment.path(name).display().to_string();
        let load = Command::new("docker")
            .args(["load", "--input", &path("old.tar")])
            .output();
        let loaded = load.is_ok_and(|output| output.status.success());
        let output = Command::new("timeout")
            .args(["60", "docker-squash"])
            .args([
                "--tmp-dir",
                &path("tmp"),
                "--output-path",
                &path("theirs.tar"),
            ])
            .args(["-t", &theirs, &old])
            .output();
        let _ = Command::new("docker").args(["rmi", &old, &theirs]).output();
        let squashed = output.is_ok_and(|output| output.status.success());
        if !loaded || !squashed {
            differs.push(title);
            continue;
        }
        let ours = [
            "squash",
            "docker-archive:old.tar",
            "-t",
            "x:1",
            "-o",
            "docker-archive:ours.tar",
        ];
        let _ = environment.run(&ours).done();
        let ours = unpacked(&environment, "docker-archive:ours.tar", "ours");
        let theirs = try_unpacked(&environment, "docker-archive:theirs.tar", "theirs");
        if theirs.as_ref() != Ok(&ours) {
            differs.push(title);
        }
    }
    assert_eq!(differs, DOCKER_SQUASH_FAILS);
}

fn config(environment: &Environment, image: &str) -> serde_json::Value {
    let _ = environment.run(&["-q", "copy", image, "oci:config"]).done();
    let layout = environment.path("config");
    let read = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).expect("a blob is there")).expect("it is JSON")
    };
    let blob = |value: &serde_json::Value| {
        let digest = value["digest"].as_str().expect("a descriptor has a digest");
        layout.join("blobs").join(digest.replace(':', "/"))
    };
    let index = read(&layout.join("index.json"));
    let manifest = read(&blob(&index["manifests"][0]));
    let config = read(&blob(&manifest["config"]));
    std::fs::remove_dir_all(layout).expect("it can be removed");
    config
}

fn three() -> Environment {
    let environment = common::environment();
    let layers = [
        (
            "/bin/sh -c #(nop) ADD base in / ",
            Builder::new().file("base", "b".repeat(1000)).tar(),
        ),
        (
            "/bin/sh -c make",
            Builder::new().file("big", "x".repeat(5000)).tar(),
        ),
        (
            "/bin/sh -c rm big",
            Builder::new().whiteout("big").file("done", "1").tar(),
        ),
    ];
    environment.write("app.tar", common::archive("app:1", &layers));
    environment
}

#[test]
fn the_result_is_reproducible_and_says_what_was_merged() {
    let environment = three();
    let squash = |name: &str| {
        let arguments = [
            "squash",
            "--json",
            "docker-archive:app.tar",
            "--from",
            "make",
            "-t",
            name,
        ];
        let done = environment.run(&arguments).done();
        let value: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        value["id"].clone()
    };
    assert_eq!(squash("a"), squash("b"));
    let config = config(&environment, "a");
    let history: Vec<String> = config["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let empty = if entry["empty_layer"] == true {
                " (empty)"
            } else {
                ""
            };
            let comment = entry["comment"].as_str().unwrap_or_default();
            format!("{}{empty} {comment}", entry["created_by"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        history,
        [
            "/bin/sh -c #(nop) ADD base in /  ",
            "/bin/sh -c make (empty) ",
            "/bin/sh -c rm big (empty) ",
            "jettison squash # 2 layers merged merged: RUN make; RUN rm big",
        ]
    );
}

#[test]
fn a_layer_that_is_not_what_its_digest_says_becomes_nothing() {
    let environment = three();
    let mut archive = std::fs::read(environment.path("app.tar")).unwrap();
    let content = archive
        .windows(1000)
        .position(|bytes| bytes == [b'b'; 1000]);
    archive[content.expect("the content is in the archive") + 17] = b'B';
    environment.write("app.tar", archive);
    let arguments = [
        "squash",
        "docker-archive:app.tar",
        "--output-path",
        "out.tar",
    ];
    let refused = environment.run(&arguments);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("error: layer sha256:"), "{refused}");
    assert!(!environment.path("out.tar").exists());
}

#[test]
fn a_pipe_goes_through_and_docker_squash_flags_mean_the_same() {
    let environment = three();
    let input = std::fs::read(environment.path("app.tar")).unwrap();
    let mut command = environment.command(&["squash", "-", "-t", "app:small"]);
    let file = environment.write("in", &input);
    let output = command
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    environment.write("piped.tar", &output.stdout);
    assert_eq!(
        testkit::check::docker_archive(&environment.path("piped.tar")),
        ["app:small"]
    );
    let compare = [
        "diff",
        "docker-archive:app.tar",
        "docker-archive:piped.tar",
        "--exit-code",
    ];
    assert_eq!(environment.run(&compare).to_string(), "--- exit 0\n");
    // `-f 2`: the last two lines of the history; `--output-path`; `-m`.
    let arguments = [
        "squash",
        "docker-archive:app.tar",
        "-f",
        "2",
        "-t",
        "app:two",
        "-m",
        "why",
        "--output-path",
        "two.tar",
    ];
    let two = environment.run(&arguments).done();
    assert_eq!(
        two.stdout,
        "\
IMAGE     LAYERS   UNPACKED   COMPRESSED
app:1     3        6.00kB     -
app:two   2        1.00kB     192B
"
    );
    let config = config(&environment, "docker-archive:two.tar");
    assert_eq!(config["history"][3]["comment"], "why");
}

#[test]
fn a_base_that_is_named_is_kept_and_lost_sharing_is_told() {
    let environment = three();
    let base = [(
        "/bin/sh -c #(nop) ADD base in / ",
        Builder::new().file("base", "b".repeat(1000)).tar(),
    )];
    environment.write("base.tar", common::archive("base:1", &base));
    let _ = environment
        .run(&["-q", "copy", "docker-archive:base.tar", "base:1"])
        .done();
    let kept = environment
        .run(&[
            "squash",
            "docker-archive:app.tar",
            "--keep-base",
            "base:1",
            "-t",
            "kept",
        ])
        .done();
    assert!(kept.stdout.contains("kept:latest   2 "), "{kept}");
    assert_eq!(kept.stderr, "");
    let all = environment
        .run(&["squash", "docker-archive:app.tar", "--all", "-t", "all"])
        .done();
    assert!(all.stdout.contains("all:latest   1 "), "{all}");
    assert!(
        all.stderr.starts_with("warning: 1 layer of ") && all.stderr.ends_with(" that 2 other images of the store have too will be stored twice: base:1, kept:latest\n"),
        "{all}"
    );
    let wrong = environment.run(&[
        "squash",
        "docker-archive:app.tar",
        "--keep-base",
        "oci:zstd",
        "-t",
        "x",
    ]);
    assert_eq!(
        wrong.to_string(),
        "--- stderr\nerror: the image does not begin with the layers of `oci:zstd`\n\
         hint: name the very image that it was built on, or merge all layers with --all\n--- exit 2\n"
    );
}

#[test]
fn selections_that_make_no_sense_are_refused() {
    let environment = three();
    for (flags, want) in [
        (
            ["--range", "2..7"],
            "cannot choose the layers: the image has only 3 layers, 0 to 2",
        ),
        (
            ["--from", "nothing"],
            "cannot choose the layers: no layer has the number, digest or instruction `nothing`",
        ),
        (
            ["--last", "0"],
            "cannot choose the layers: there are none to merge",
        ),
    ] {
        let arguments = [&["squash", "docker-archive:app.tar", "-t", "x"], &flags[..]].concat();
        let refused = environment.run(&arguments);
        assert_eq!(
            refused.to_string(),
            format!(
                "--- stderr\nerror: {want}\nhint: `jettison analyze IMAGE` lists the layers\n--- exit 2\n"
            )
        );
    }
}

#[test]
fn layers_are_compressed_anew_and_the_image_stays_the_same() {
    let environment = three();
    for how in ["zstd", "zstd:19", "gzip:9"] {
        let _ = environment
            .run(&[
                "copy",
                "docker-archive:app.tar",
                "oci:out",
                "--recompress",
                how,
            ])
            .done();
        assert_eq!(testkit::check::layout(&environment.path("out")), 1);
        let compare = ["diff", "docker-archive:app.tar", "oci:out", "--exit-code"];
        assert_eq!(environment.run(&compare).to_string(), "--- exit 0\n");
        let blobs = environment.path("out").join("blobs/sha256");
        let magic: &[u8] = if how.starts_with("zstd") {
            &[0x28, 0xb5, 0x2f, 0xfd]
        } else {
            &[0x1f, 0x8b]
        };
        let packed = std::fs::read_dir(blobs).unwrap().filter(|entry| {
            let bytes = std::fs::read(entry.as_ref().unwrap().path()).unwrap();
            bytes.starts_with(magic)
        });
        assert_eq!(packed.count(), 3, "{how}");
        std::fs::remove_dir_all(environment.path("out")).unwrap();
    }
    let wrong = environment.run(&[
        "copy",
        "docker-archive:app.tar",
        "oci:out",
        "--recompress",
        "xz",
    ]);
    assert_eq!(wrong.code, 2);
}
