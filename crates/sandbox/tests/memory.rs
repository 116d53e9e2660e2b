//! Roots in memory.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sandbox::{Memory, Spec, Writes};
use support::{Root, output, root};

/// Copies a root into memory, and returns it with an empty directory as its place.
fn in_memory(root: &Root, bytes: u64) -> (Arc<Memory>, Spec) {
    let place = root.beside("place");
    let memory = Memory::new(&root.ids, &place, bytes).unwrap();
    // The path is one of this process.
    let own = format!("/proc/{}", std::process::id());
    let path = memory.path();
    let path = Path::new(&own).join(path.strip_prefix("/proc/self").unwrap());
    let mut copy = Command::new("cp");
    copy.arg("--archive").arg("--no-preserve=ownership");
    let status = copy.arg(root.path().join(".")).arg(path).status().unwrap();
    assert!(status.success());
    let memory = Arc::new(memory);
    let spec = Spec {
        root: place,
        memory: Some(Arc::clone(&memory)),
        ..root.script("true")
    };
    (memory, spec)
}

fn script(spec: &Spec, script: &str) -> String {
    output(&Spec {
        argv: ["/bin/sh", "-c", script].map(Into::into).to_vec(),
        ..spec.clone()
    })
}

#[test]
fn containers_run_from_memory_and_leave_it_as_it_was() {
    let Some(root) = root() else { return };
    let (memory, spec) = in_memory(&root, 64 << 20);
    let seen = script(
        &spec,
        "cat /run/app/file /run/link; stat -c '%u %a' / /work /tmp; touch /x; ls /x",
    );
    let expected = "content of a file\ncontent of a file\n0 755\n0 755\n0 1777\n/x\n";
    assert_eq!(seen, expected);
    assert_eq!(script(&spec, "test -e /x || echo gone"), "gone\n");
    assert!(!memory.path().join("x").exists());
    // The host sees nothing of it.
    assert_eq!(fs::read_dir(&spec.root).unwrap().count(), 0);
}

#[test]
fn containers_may_write_to_it() {
    let Some(root) = root() else { return };
    let (memory, spec) = in_memory(&root, 64 << 20);
    let spec = Spec {
        writes: Writes::InPlace,
        ..spec
    };
    script(&spec, "echo text > /work/new");
    assert_eq!(script(&spec, "cat /work/new"), "text\n");
    let path = memory.path().join("work/new");
    assert_eq!(fs::read_to_string(path).unwrap(), "text\n");
}

#[test]
fn it_holds_no_more_than_it_may() {
    let Some(root) = root() else { return };
    let memory = Memory::new(&root.ids, &root.beside("place"), 1 << 20).unwrap();
    fs::write(memory.path().join("small"), vec![1; 1 << 19]).unwrap();
    let error = fs::write(memory.path().join("large"), vec![1; 1 << 20]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
}
