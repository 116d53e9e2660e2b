//! Bad input, each kind once: one clear error, exit code 2, and nothing written.

mod common;

use common::{environment, rootfs};
use testkit::cli::Environment;
use testkit::fixture::{self, Compression};
use testkit::tar::{Raw, archive};

/// An archive whose second layer is this tar.
fn with_layer(layer: Vec<u8>) -> Vec<u8> {
    let layers = [rootfs(), layer];
    let config = fixture::config(&layers);
    let name = format!("{}.json", fixture::hex(&config));
    let manifest = serde_json::json!([{ "Config": name, "RepoTags": ["bad:1"],
        "Layers": ["a.tar", "b.tar"] }]);
    let [lower, upper] = layers;
    fixture::tar(&[
        ("a.tar", lower),
        ("b.tar", upper),
        (&name, config),
        ("manifest.json", fixture::bytes(&manifest)),
    ])
}

fn file(name: &str) -> Raw {
    Raw::new(b'0', name)
}

/// Runs `slim` on it and compares everything: what is said, and that the store
/// and the output stay as they were.
fn refuses(environment: &Environment, arguments: &[&str], want: &str) {
    let _ = environment.run(&["images"]).done(); // makes the store
    let before = environment.files();
    let refused = environment.run(arguments);
    assert_eq!(
        refused.to_string(),
        format!("--- stderr\n{want}--- exit 2\n"),
        "{arguments:?}"
    );
    assert_eq!(environment.files(), before, "{arguments:?}");
}

const SLIM: [&str; 6] = [
    "slim",
    "--no-verify",
    "docker-archive:bad.tar",
    "-o",
    "oci:out",
    "-q",
];

#[test]
fn hostile_layers() {
    let link = |name, target| Raw::new(b'2', name).link(target);
    let hard = |name, target| Raw::new(b'1', name).link(target);
    let distrust = "hint: no image builder writes such an entry; do not trust where this image \
                    came from\n";
    for (members, cause, hint) in [
        (
            vec![file("../a")],
            "layer entry `../a` climbs out of the root with `..`",
            distrust,
        ),
        (
            vec![file("/a")],
            "layer entry `/a` is an absolute path",
            distrust,
        ),
        (
            vec![link("l", "../.."), file("l/a")],
            "layer entry `l/a` climbs out of the root through a symbolic link",
            distrust,
        ),
        (
            vec![hard("a", "../b")],
            "layer entry `a` is a hard link to a file outside the root",
            distrust,
        ),
        (
            vec![hard("a", "b")],
            "hard link `a` names `b`, which is not in the image",
            "",
        ),
        (
            vec![hard("a", "bin")],
            "hard link `a` names the directory `bin`",
            "",
        ),
        (
            vec![file("bin/sh/x")],
            "layer entry `bin/sh/x` lies below `bin/sh`, which is not a directory",
            "",
        ),
        (
            vec![link("a", "b"), link("b", "a"), file("a/c")],
            "layer entry `a/c` lies below a loop of symbolic links",
            "",
        ),
        (
            vec![file("a").declared(1 << 40)],
            "the layer is truncated: it ends at byte 1536, 1099511626752 bytes early",
            "hint: the image is damaged; fetch it again\n",
        ),
    ] {
        let environment = environment();
        environment.write("bad.tar", with_layer(archive(&members)));
        let digest = fixture::digest(&archive(&members));
        let want = format!(
            "error: cannot read layer {}…\n  caused by: {cause}\n{hint}",
            &digest[.."sha256:".len() + 4]
        );
        refuses(&environment, &SLIM, &want);
    }
}

#[test]
fn limits() {
    let environment = environment();
    let bomb = archive(&[file("zero").content(vec![0; 20 << 20])]);
    environment.write("bad.tar", with_layer(bomb.clone()));
    let digest = &fixture::digest(&bomb)[..11];
    refuses(
        &environment,
        &[&SLIM[..], &["--max-unpacked", "1M"]].concat(),
        &format!(
            "error: cannot read layer {digest}…\n  caused by: the layer exceeds the limit of \
             1000000 uncompressed bytes\nhint: raise the limit with --max-unpacked\n"
        ),
    );
    let lower = &fixture::digest(&rootfs())[..11];
    refuses(
        &environment,
        &[&SLIM[..], &["--max-entries", "2"]].concat(),
        &format!(
            "error: cannot read layer {lower}…\n  caused by: the layer exceeds the limit of \
             2 entries\nhint: raise the limit with --max-entries\n"
        ),
    );
}

#[test]
fn damaged_archives() {
    let archives = "hint: archives are made with `docker save` or `skopeo copy`; for the tar of a \
                    file system use `jettison import`\n";
    let whole = fixture::old_docker_archive();
    for (bytes, reason) in [
        (
            whole[..4000].to_vec(),
            "the layer is truncated: it ends at byte 4000, 2656 bytes early",
        ),
        (b"hello".to_vec(), "it is too short"),
        (
            fixture::gzip(&whole),
            "it is compressed; unpack it with gunzip",
        ),
        (rootfs(), "it has no `manifest.json`"),
    ] {
        let environment = environment();
        environment.write("bad.tar", bytes);
        let want = format!("error: `bad.tar` is not an image archive: {reason}\n{archives}");
        refuses(&environment, &SLIM, &want);
    }
}

#[test]
fn damaged_layouts() {
    let whole = || fixture::layout(Compression::Gzip);
    let lower = fixture::gzip(&fixture::layers()[0]);
    let blob = fixture::blob_name(&lower);
    let digest = &fixture::digest(&lower)[..11];
    let damaged = "hint: the image is damaged; fetch it again\n";
    for (layout, want) in [
        (
            whole().with_member(&blob, lower[..50].to_vec()),
            format!(
                "error: cannot read blob {digest}…\n  caused by: there are fewer than the {} \
                 bytes declared\n{damaged}",
                lower.len()
            ),
        ),
        (
            whole().with_manifest(|m| m["layers"][0]["mediaType"] = "image/png".into()),
            format!("error: layer {digest}… has the unsupported media type `image/png`\n"),
        ),
        (
            whole().with_manifest(|m| {
                m["layers"].as_array_mut().expect("a list").pop();
            }),
            "error: the image has 1 layers but its config lists 2\n".to_owned(),
        ),
        (
            whole().with_manifest(|m| {
                m["layers"].as_array_mut().expect("a list").reverse();
            }),
            "layer sha256:".to_owned(),
        ),
    ] {
        for command in [
            &["slim", "--no-verify", "oci:bad", "-q"][..],
            &["copy", "oci:bad", "oci:out"],
        ] {
            // Copying does not unpack: wrong order shows when layers are read.
            if command[0] == "copy" && want.starts_with("layer") {
                continue;
            }
            let environment = environment();
            layout.write(&environment.path("bad"));
            if want.starts_with("layer") {
                let refused = environment.run(command);
                assert_eq!(refused.code, 2, "{refused}");
                assert!(refused.stderr.contains(" unpacks to "), "{refused}");
                assert!(refused.stderr.ends_with(damaged), "{refused}");
            } else {
                refuses(&environment, command, &want);
            }
        }
    }
}

#[test]
fn images_that_are_not_there_or_not_for_this_machine() {
    let environment = environment();
    let list = "hint: list what the local store has with `jettison images`\n";
    let config = fixture::layout(Compression::Gzip);
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": fixture::digest(&fixture::bytes(&config.manifest)),
        "size": fixture::bytes(&config.manifest).len(),
        "platform": { "os": "linux", "architecture": "s390x" } }, {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": fixture::digest(b"x"), "size": 1,
        "platform": { "os": "linux", "architecture": "riscv64" } }] });
    config
        .with_member("index.json", fixture::bytes(&index))
        .write(&environment.path("many"));
    for (image, want) in [
        (
            "docker-archive:none.tar",
            format!("error: no image `none.tar`\n{list}"),
        ),
        ("oci:none", format!("error: no image `none`\n{list}")),
        (
            "docker-archive:app.tar:none",
            "error: no image `none:latest` in app.tar (it has app:1, example.com/app:one, \
             base:latest)\n"
                .to_owned()
                + list,
        ),
        (
            "docker-archive:app.tar",
            "error: `app.tar` holds several images: app:1, example.com/app:one, base:latest\n\
             hint: name one of them after a colon, as in docker-archive:FILE:NAME\n"
                .to_owned(),
        ),
        (
            "oci:many",
            "error: `many` has no image for linux/amd64 (it has linux/s390x, linux/riscv64)\n\
             hint: choose one of them with --platform\n"
                .to_owned(),
        ),
    ] {
        refuses(
            &environment,
            &["slim", "--platform", "linux/amd64", image],
            &want,
        );
    }
    let text = environment.run(&["slim", "docker-archive:"]);
    assert_eq!(text.code, 2);
    assert!(
        text.stderr
            .contains("is not an image reference: it has no path"),
        "{text}"
    );
}

#[test]
fn entry_points() {
    let environment = environment();
    let _ = environment.run(&["import", "rootfs.tar", "none"]).done();
    let _ = environment
        .run(&["import", "rootfs.tar", "lost", "-c", "CMD [\"/bin/lost\"]"])
        .done();
    for (image, want) in [
        (
            "none",
            "error: the image has no entry point: neither ENTRYPOINT nor CMD is set\n\
             hint: say what the image must be able to run with --entry COMMAND\n",
        ),
        (
            "lost",
            "error: entry point `/bin/lost` is not in the image\n\
             hint: the image cannot start as it is; is it complete, and its PATH right?\n",
        ),
    ] {
        refuses(&environment, &["slim", "--no-verify", image], want);
    }
}

#[test]
fn usage() {
    let environment = environment();
    for arguments in [
        &["nope"][..],
        &["copy", "one"],
        &["slim"],
        &["slim", "--max-unpacked", "x"],
    ] {
        let refused = environment.run(arguments);
        assert_eq!((refused.code, &*refused.stdout), (2, ""), "{refused}");
        assert!(refused.stderr.starts_with("error: "), "{refused}");
    }
    assert!(!environment.store().exists());
    let help = environment.run(&["--help"]).done();
    assert!(
        help.stdout.starts_with("Makes container images small"),
        "{help}"
    );
}
