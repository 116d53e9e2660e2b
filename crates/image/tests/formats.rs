//! Every format read and written: what is there, what is missing, what is wrong.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

mod common;

use common::{Bench, chain, has_tool, run};
use image::transport::{self, Opened};
use image::{FileSystem, LoadOptions, Reference, Silent};
use serde_json::json;
use testkit::fixture::{self, Compression, TREE, gzip, layers, tar};

/// Opens what `text` refers to below the bench's directory and loads its tree.
fn load(bench: &Bench, text: &str) -> Result<(Opened, String), String> {
    let text = text.replace('@', &format!("{}/", bench.directory.path().display()));
    let reference = Reference::parse(&text).map_err(chain)?;
    let opened = transport::open_local(&reference, bench.context())
        .map_err(chain)?
        .unwrap();
    let options = LoadOptions {
        spool: &bench.spool,
        limits: layer::Limits::default(),
        threads: 2,
        progress: &Silent,
    };
    let files = FileSystem::load(&opened.image, options).map_err(chain)?;
    let fields = testkit::dump::Fields::ALL;
    let dump = testkit::dump::tree(&files.tree, &files.contents, fields);
    Ok((opened, dump))
}

/// What is said, without the directory of the test and with digests cut short.
fn error(bench: &Bench, text: &str) -> String {
    let error = load(bench, text).map(|(_, tree)| tree).unwrap_err();
    let error = error.replace(&format!("{}/", bench.directory.path().display()), "@");
    let words = error.split("sha256:").enumerate().map(|(at, part)| {
        let hex = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        match (at, hex) {
            (0, _) => part.to_owned(),
            (_, 64) => format!("SHA{}", &part[64..]),
            _ => format!("sha256:{part}"),
        }
    });
    words.collect()
}

#[test]
fn every_format_gives_the_same_image() {
    let bench = Bench::new();
    std::fs::write(bench.path("old.tar"), fixture::old_docker_archive()).unwrap();
    std::fs::write(bench.path("new.tar"), fixture::new_docker_archive()).unwrap();
    for (name, compression) in [
        ("plain", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ] {
        let layout = fixture::layout(compression);
        layout.write(&bench.path(name));
        std::fs::write(bench.path(&format!("{name}.tar")), layout.tar()).unwrap();
    }
    let config = fixture::config(&layers());
    for text in [
        "docker-archive:@old.tar:app:1",
        "docker-archive:@old.tar:example.com/app:one",
        "docker-archive:@new.tar",
        "docker-archive:@new.tar:app:1",
        "oci-archive:@new.tar",
        "oci:@plain",
        "oci:@gzip:app:1",
        "oci:@zstd",
        "oci-archive:@plain.tar",
        "oci-archive:@gzip.tar:app:1",
        "@gzip",
        "@zstd.tar",
        "@new.tar",
    ] {
        let (opened, tree) = load(&bench, text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(tree, TREE, "{text}");
        assert_eq!(opened.image.config().bytes(), config, "{text}");
        let name = opened.name.map(|name| name.familiar());
        let own = if text.contains("example") {
            "example.com/app:one"
        } else {
            "app:1"
        };
        assert_eq!(name.as_deref(), Some(own), "{text}");
    }
}

#[test]
fn layers_that_images_share_are_links_in_old_archives() {
    let bench = Bench::new();
    std::fs::write(bench.path("old.tar"), fixture::old_docker_archive()).unwrap();
    let (base, tree) = load(&bench, "docker-archive:@old.tar:base").unwrap();
    assert!(tree.contains("app file 0644 0:0 0 2 \"v1\""), "{tree}");
    assert_eq!(base.image.layers().len(), 1);
}

#[test]
fn every_format_is_written_for_every_other_to_read() {
    let bench = Bench::new();
    std::fs::write(bench.path("old.tar"), fixture::old_docker_archive()).unwrap();
    fixture::layout(Compression::Zstd).write(&bench.path("zstd"));
    let mut manifests = Vec::new();
    for (at, source) in ["docker-archive:@old.tar:app:1", "oci:@zstd"]
        .iter()
        .enumerate()
    {
        let (opened, _) = load(&bench, source).unwrap();
        let path = |name: &str| bench.path(&format!("{at}-{name}"));
        for (target, kind) in [
            ("oci", "oci"),
            ("o.tar", "oci-archive"),
            ("d.tar", "docker-archive"),
        ] {
            let text = format!("{kind}:{}", path(target).display());
            let reference = Reference::parse(&text).unwrap();
            let name = opened.name.as_ref();
            let written = transport::write_local(&opened.image, &reference, name, bench.context());
            let written = written.unwrap().unwrap();
            let (again, tree) = load(&bench, &text).unwrap();
            assert_eq!(tree, TREE, "{source} to {kind}");
            assert_eq!(again.image.id(), opened.image.id(), "{source} to {kind}");
            assert_eq!(
                again.name.unwrap().familiar(),
                "app:1",
                "{source} to {kind}"
            );
            manifests.push((*source, kind, written.manifest.digest));
        }
        assert_eq!(testkit::check::layout(&path("oci")), 1);
        assert_eq!(testkit::check::oci_archive(&path("o.tar")), 1);
        assert_eq!(testkit::check::docker_archive(&path("d.tar")), ["app:1"]);
    }
    // A directory and a tar of it are the same image.
    for pair in manifests.chunks(3) {
        assert_eq!(pair[0].2, pair[1].2, "{pair:?}");
    }
}

#[test]
fn layouts_hold_several_images() {
    let bench = Bench::new();
    std::fs::write(bench.path("old.tar"), fixture::old_docker_archive()).unwrap();
    let out = bench.path("out");
    for (source, tag) in [
        ("app:1", "one"),
        ("base", "two"),
        ("app:1", "three"),
        ("base", "one"),
    ] {
        let (opened, _) = load(&bench, &format!("docker-archive:@old.tar:{source}")).unwrap();
        let reference = Reference::OciLayout {
            path: out.clone(),
            tag: Some(tag.to_owned()),
        };
        transport::write_local(&opened.image, &reference, None, bench.context()).unwrap();
    }
    assert_eq!(testkit::check::layout(&out), 3);
    let (one, _) = load(&bench, "oci:@out:one").unwrap();
    assert_eq!(one.image.layers().len(), 1, "the later image has the tag");
    assert_eq!(
        error(&bench, "oci:@out"),
        "`@out` holds several images: two, three, one"
    );
    assert_eq!(
        error(&bench, "oci:@out:four"),
        "no image `four` in `@out` (it has two, three, one)"
    );
}

#[test]
fn what_is_not_there_is_said() {
    let bench = Bench::new();
    std::fs::write(bench.path("old.tar"), fixture::old_docker_archive()).unwrap();
    std::fs::write(bench.path("empty.tar"), tar(&[])).unwrap();
    std::fs::write(bench.path("rootfs.tar"), &layers()[0]).unwrap();
    std::fs::write(
        bench.path("text"),
        "just some text, longer than a header's name",
    )
    .unwrap();
    std::fs::write(bench.path("short"), "x").unwrap();
    std::fs::write(
        bench.path("old.tar.gz"),
        gzip(&fixture::old_docker_archive()),
    )
    .unwrap();
    std::fs::create_dir(bench.path("dir")).unwrap();
    let none = tar(&[("manifest.json", b"[]".to_vec())]);
    std::fs::write(bench.path("none.tar"), none).unwrap();
    fixture::layout(Compression::Gzip)
        .with_member(
            "index.json",
            b"{\"schemaVersion\":2,\"manifests\":[]}".to_vec(),
        )
        .write(&bench.path("bare"));
    for (text, want) in [
        ("docker-archive:@nothing.tar", "no image `@nothing.tar`"),
        ("oci:@nothing", "no image `@nothing`"),
        ("oci-archive:@nothing", "no image `@nothing`"),
        (
            "oci:@dir",
            "`@dir` is not an image archive: the directory has no index.json",
        ),
        ("oci:@bare", "no image `in `@bare``"),
        (
            "docker-archive:@old.tar",
            "`@old.tar` holds several images: app:1, example.com/app:one, base:latest",
        ),
        (
            "docker-archive:@old.tar:nope",
            "no image `nope:latest` in @old.tar (it has app:1, example.com/app:one, base:latest)",
        ),
        (
            "docker-archive:@none.tar",
            "`@none.tar` is not an image archive: manifest.json lists no image",
        ),
        (
            "docker-archive:@rootfs.tar",
            "`@rootfs.tar` is not an image archive: it has no `manifest.json`",
        ),
        (
            "oci-archive:@rootfs.tar",
            "`@rootfs.tar` is not an image archive: it has no `index.json`",
        ),
        (
            "@rootfs.tar",
            "`@rootfs.tar` is not an image archive: it has neither manifest.json nor oci-layout",
        ),
        (
            "@empty.tar",
            "`@empty.tar` is not an image archive: it has neither manifest.json nor oci-layout",
        ),
        (
            "@short",
            "`@short` is not an image archive: it is too short",
        ),
        (
            "@text",
            "`@text` is not an image archive: the layer is truncated: it ends at byte 43, 469 bytes early",
        ),
        (
            "@old.tar.gz",
            "`@old.tar.gz` is not an image archive: it is compressed; unpack it with gunzip",
        ),
        (
            "docker-archive:@dir",
            "`@dir` is not an image archive: it is not a regular file",
        ),
    ] {
        assert_eq!(error(&bench, text), want, "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_layout_is_said() {
    let bench = Bench::new();
    let whole = || fixture::layout(Compression::Gzip);
    let [lower, _] = layers().map(|layer| gzip(&layer));
    let blob = fixture::blob_name(&lower);
    let damaged = [&lower[..20], b"x", &lower[21..]].concat();
    let config = fixture::config(&layers()[..1]);
    let other_layers = fixture::config(&[layers()[1].clone(), layers()[1].clone()]);
    let schema1 = json!({ "schemaVersion": 1, "fsLayers": [] });
    for (name, layout, want) in [
        (
            "missing layer",
            {
                let mut layout = whole();
                layout.members.retain(|(name, _)| *name != blob);
                layout
            },
            "blob SHA is missing from @x",
        ),
        (
            "truncated layer",
            whole().with_member(&blob, lower[..lower.len() - 9].to_vec()),
            "cannot read blob SHA: there are fewer than the 197 bytes declared",
        ),
        (
            "longer layer",
            whole().with_member(&blob, [&lower[..], b"more"].concat()),
            "cannot read blob SHA: there are more than the 197 bytes declared",
        ),
        (
            "damaged layer",
            whole().with_member(&blob, damaged),
            "cannot read blob SHA: corrupt deflate stream",
        ),
        (
            "lying size",
            whole().with_manifest(|manifest| manifest["layers"][0]["size"] = json!(5)),
            "cannot read blob SHA: there are more than the 5 bytes declared",
        ),
        (
            "unknown media type",
            whole().with_manifest(|m| m["layers"][0]["mediaType"] = json!("application/x-wasm")),
            "layer SHA has the unsupported media type `application/x-wasm`",
        ),
        (
            "a layer too many",
            whole().with_manifest(|m| {
                let first = m["layers"][0].clone();
                m["layers"].as_array_mut().unwrap().push(first);
            }),
            "the image has 3 layers but its config lists 2",
        ),
        (
            "layers swapped",
            whole().with_manifest(|m| m["layers"].as_array_mut().unwrap().reverse()),
            "layer SHA unpacks to SHA, but the config says SHA",
        ),
        (
            "the config of another image",
            whole()
                .with_member(&fixture::blob_name(&config), config.clone())
                .with_manifest(|m| {
                    m["config"] =
                        fixture::descriptor("application/vnd.oci.image.config.v1+json", &config);
                }),
            "the image has 2 layers but its config lists 1",
        ),
        (
            "a config with other diff_ids",
            whole()
                .with_member(&fixture::blob_name(&other_layers), other_layers.clone())
                .with_manifest(|m| {
                    let kind = "application/vnd.oci.image.config.v1+json";
                    m["config"] = fixture::descriptor(kind, &other_layers);
                }),
            "layer SHA unpacks to SHA, but the config says SHA",
        ),
        (
            "a digest that is none",
            whole().with_manifest(|m| m["layers"][0]["digest"] = json!("sha256:../../etc")),
            "cannot understand SHA: `sha256:../../etc` is not a digest (expected sha256: and 64 \
             hexadecimal digits) at line 1 column ",
        ),
        (
            "an enormous config",
            whole().with_manifest(|m| m["config"]["size"] = json!(5 << 20)),
            "`SHA` is larger than the 4194304 bytes allowed",
        ),
        (
            "no JSON",
            whole().with_member("index.json", b"{".to_vec()),
            "`@x` is not an image archive: ",
        ),
        (
            "schema 1",
            {
                let mut layout = whole();
                layout.manifest = schema1;
                layout.with_manifest(|_| {})
            },
            "cannot understand SHA: schema 1 manifests are obsolete and not supported",
        ),
    ] {
        for tarred in [false, true] {
            let (text, path) = if tarred {
                ("oci-archive:@x", "x")
            } else {
                ("oci:@x", "x")
            };
            if tarred {
                std::fs::write(bench.path(path), layout.tar()).unwrap();
            } else {
                layout.write(&bench.path(path));
            }
            let got = error(&bench, text);
            // The index itself is a file of the layout, named by its path.
            let got = got.replace("`@x/index.json`", "`@x`");
            assert!(got.starts_with(want), "{name}: {got}");
            if tarred {
                std::fs::remove_file(bench.path(path)).unwrap();
            } else {
                std::fs::remove_dir_all(bench.path(path)).unwrap();
            }
        }
    }
}

#[test]
fn what_is_wrong_with_an_archive_is_said() {
    let bench = Bench::new();
    let [lower, upper] = layers();
    let config = fixture::config(&[lower.clone(), upper.clone()]);
    let name = format!("{}.json", fixture::hex(&config));
    let manifest = |config: &str, layers: &[&str]| {
        fixture::bytes(&json!([{ "Config": config, "RepoTags": null, "Layers": layers }]))
    };
    let members = |manifest: Vec<u8>, config: (&str, Vec<u8>), lower: Vec<u8>| {
        tar(&[
            ("a.tar", lower),
            ("b.tar", upper.clone()),
            (config.0, config.1),
            ("manifest.json", manifest),
        ])
    };
    let whole = (&*name, config.clone());
    let both = ["a.tar", "b.tar"];
    for (what, archive, want) in [
        (
            "missing layer",
            members(
                manifest(&name, &["a.tar", "c.tar"]),
                whole.clone(),
                lower.clone(),
            ),
            "`@x.tar` is not an image archive: layer `c.tar` is missing",
        ),
        (
            "missing config",
            members(manifest("other.json", &both), whole.clone(), lower.clone()),
            "`@x.tar` is not an image archive: it has no `other.json`",
        ),
        (
            "config with another digest",
            members(
                manifest(&name, &both),
                (&name, config[1..].to_vec()),
                lower.clone(),
            ),
            "cannot understand SHA: ",
        ),
        (
            "config with another digest, well-formed",
            members(
                manifest(&name, &both),
                (&name, [&config[..], b" "].concat()),
                lower.clone(),
            ),
            &format!("`@x.tar` is not an image archive: the config `{name}` has digest SHA"),
        ),
        (
            "too few layers",
            members(manifest(&name, &["a.tar"]), whole.clone(), lower.clone()),
            "the image has 1 layers but its config lists 2",
        ),
        (
            "another layer",
            members(manifest(&name, &both), whole.clone(), upper.clone()),
            "layer SHA unpacks to SHA, but the config says SHA",
        ),
        (
            "compressed layer with another content",
            members(manifest(&name, &both), whole.clone(), gzip(&upper)),
            "layer SHA unpacks to SHA, but the config says SHA",
        ),
        (
            "manifest that is no list",
            members(b"{}".to_vec(), whole.clone(), lower.clone()),
            "`@x.tar` is not an image archive: manifest.json: ",
        ),
        (
            "truncated",
            members(manifest(&name, &both), whole.clone(), lower.clone())[..5000].to_vec(),
            "`@x.tar` is not an image archive: the layer is truncated: it ends at byte 5000, ",
        ),
    ] {
        std::fs::write(bench.path("x.tar"), &archive).unwrap();
        let got = error(&bench, "docker-archive:@x.tar");
        assert!(got.starts_with(want), "{what}: {got}");
    }
    // Compressed layers are read: containerd's `ctr export` writes them.
    let packed = members(manifest(&name, &both), whole, gzip(&lower));
    std::fs::write(bench.path("x.tar"), packed).unwrap();
    assert_eq!(load(&bench, "docker-archive:@x.tar").unwrap().1, TREE);
}

#[test]
fn nothing_is_left_behind_by_a_failure() {
    let bench = Bench::new();
    let [_, upper] = layers().map(|layer| gzip(&layer));
    let layout = fixture::layout(Compression::Gzip);
    layout
        .with_member(&fixture::blob_name(&upper), b"damaged".to_vec())
        .write(&bench.path("bad"));
    fixture::layout(Compression::Zstd).write(&bench.path("there"));
    std::fs::create_dir(bench.path("empty")).unwrap();
    let bad = Reference::parse(&format!("oci:{}", bench.path("bad").display())).unwrap();
    let bad = transport::open_local(&bad, bench.context())
        .unwrap()
        .unwrap();
    let fields = testkit::dump::Fields::ALL;
    let dump = || {
        // Times of directories change with the temporary files in them.
        let dump = testkit::dump::directory(bench.directory.path(), fields);
        let lines = dump.lines().map(|line| match line.split_once(" dir ") {
            Some((path, _)) => path.to_owned(),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let before = dump();
    for target in [
        "oci:@out",
        "oci:@there:new",
        "oci:@empty",
        "oci-archive:@o.tar",
        "docker-archive:@d.tar",
    ] {
        let target = target.replace('@', &format!("{}/", bench.directory.path().display()));
        let reference = Reference::parse(&target).unwrap();
        let result = transport::write_local(&bad.image, &reference, None, bench.context());
        assert!(result.is_err(), "{target}");
        assert_eq!(dump(), before, "{target}");
    }
}

/// Skopeo, umoci, podman and Docker read what is written.
#[test]
fn other_tools_accept_what_is_written() {
    let bench = Bench::new();
    std::fs::write(bench.path("old.tar"), fixture::old_docker_archive()).unwrap();
    let (opened, _) = load(&bench, "docker-archive:@old.tar:app:1").unwrap();
    let path = |name: &str| bench.path(name).display().to_string();
    let targets = [
        format!("oci:{}:app", path("oci")),
        format!("oci-archive:{}:app", path("o.tar")),
        format!("docker-archive:{}", path("d.tar")),
    ];
    for target in &targets {
        let reference = Reference::parse(target).unwrap();
        let name = opened.name.as_ref();
        transport::write_local(&opened.image, &reference, name, bench.context()).unwrap();
    }
    if has_tool("skopeo") {
        for (at, target) in targets.iter().enumerate() {
            run("skopeo", &["inspect", target]);
            let copy = format!("oci:{}", path(&format!("copy{at}")));
            run(
                "skopeo",
                &["copy", "--insecure-policy", "--quiet", target, &copy],
            );
            assert_eq!(load(&bench, &copy).unwrap().1, TREE, "{target}");
        }
    }
    if has_tool("umoci") {
        let root = path("umoci");
        let mut command = vec!["raw", "unpack", "--image"];
        let image = format!("{}:app", path("oci"));
        command.extend([&*image, &*root]);
        if !rustix::process::geteuid().is_root() {
            command.insert(2, "--rootless");
        }
        run("umoci", &command);
        let fields = testkit::dump::Fields {
            owners: false,
            xattrs: false,
        };
        let got = testkit::dump::directory(bench.path("umoci").as_path(), fields);
        // What has no entry of its own is made when it is unpacked.
        let files = |dump: &str| {
            let lines = dump.lines().filter(|line| !line.contains(" dir "));
            lines
                .map(|line| line.replace(" 0:0", ""))
                .collect::<Vec<_>>()
        };
        assert_eq!(files(&got), files(TREE));
    }
}
