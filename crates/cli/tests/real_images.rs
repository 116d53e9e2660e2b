//! Every figure of an analysis, computed again by other means, of real images.
//!
//! `bench/images/build DIR` makes the images with Docker, and needs a network;
//! `JETTISON_IMAGES=DIR` says where they are. Without them this tests nothing.

use std::process::Command;

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by their environment"
)]
fn analyses_agree_with_tar_umoci_and_readelf() {
    let Some(directory) = std::env::var_os("JETTISON_IMAGES") else {
        eprintln!("skipped: JETTISON_IMAGES names no directory with images");
        return;
    };
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/images/check");
    let mut images: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory can be read")
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tar"))
        .collect();
    images.sort();
    assert!(images.len() >= 6, "six images at least");
    for image in images {
        let output = Command::new("python3")
            .arg(check)
            .arg(env!("CARGO_BIN_EXE_jettison"))
            .arg(&image)
            .output()
            .expect("python3 can be started");
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{}:\n{said}{error}",
            image.display()
        );
    }
}
