//! Objects without their debug information: what is loaded is the same, and what cannot be cut stays whole.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use jettison::elf::cut::{Layout, is_debug};
use jettison::slim::inside::debug;
use testkit::tools::{has_tool, run};

const HELLO: &str = "#include <stdio.h>\n\
    struct point { int x, y; } origin = { 3, 4 };\n\
    int main(int argc, char **argv) { printf(\"%d %d\\n\", origin.x, argc + origin.y); return 0; }\n";

/// Compiles with debug information.
fn compile(source: &str, flags: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (input, output) = (directory.path().join("a.c"), directory.path().join("a"));
    std::fs::write(&input, source).expect("it can be written");
    let paths = [&output, &input].map(|path| path.to_string_lossy().into_owned());
    let arguments = [&["-g3", "-O1", "-o", &*paths[0], &*paths[1]], flags].concat();
    run("cc", &arguments);
    std::fs::read(output).expect("it was made")
}

fn layout(bytes: &[u8]) -> Layout {
    let layout = Layout::read(bytes).expect("memory can be read");
    layout.expect("it is an object")
}

/// Takes debug information out; nothing where there is none to take.
fn without_debug(bytes: &[u8]) -> Option<Vec<u8>> {
    let layout = Layout::read(bytes).expect("memory can be read")?;
    let edits = debug::edits(&layout, bytes).expect("memory can be read");
    let cut = layout.cut(edits.clone()).filter(|_| !edits.is_empty())?;
    let mut made = Vec::new();
    cut.reader(bytes)
        .read_to_end(&mut made)
        .expect("memory can be read");
    assert_eq!(made.len() as u64, cut.size());
    Some(made)
}

/// Runs a program, and returns what it prints.
fn output(program: &[u8]) -> String {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("program");
    std::fs::write(&path, program).expect("it can be written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("it is ours");
    let done = Command::new(&path).output().expect("it can be started");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).expect("it is text")
}

/// Returns names, addresses and bytes of all sections but those with debug information.
fn sections(bytes: &[u8]) -> BTreeMap<(String, u64), Vec<u8>> {
    let layout = layout(bytes);
    let kept = layout.sections().filter(|section| !is_debug(section.name));
    let described = kept.map(|section| {
        let name = String::from_utf8_lossy(section.name).into_owned();
        let range = section.file.start as usize..section.file.end as usize;
        ((name, section.address), bytes[range].to_vec())
    });
    described
        .filter(|((name, _), _)| !name.is_empty())
        .collect()
}

#[test]
fn a_program_without_debug_information_is_the_same_program() {
    if !has_tool("cc") {
        return;
    }
    for flags in [&["-pie", "-fPIE"][..], &["-no-pie"], &["-static"], &["-gz"]] {
        let whole = compile(HELLO, flags);
        let made = without_debug(&whole).unwrap_or_else(|| panic!("{flags:?}: nothing is cut"));
        assert!(made.len() + 1000 < whole.len(), "{flags:?}");
        assert_eq!(sections(&made), sections(&whole), "{flags:?}");
        assert!(sections(&made).keys().any(|(name, _)| name == ".symtab"));
        assert_eq!(output(&made), "3 5\n", "{flags:?}");
        assert_eq!(without_debug(&made), None, "{flags:?}");
    }
}

/// What tools do that change a name in an object: the new part comes last, with a segment of its own.
fn with_segment_at_the_end(mut bytes: Vec<u8>, address: u64, text: &[u8]) -> Vec<u8> {
    const NOTE: [u8; 4] = 4_u32.to_le_bytes();
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    let start = bytes.len() as u64;
    let mut part = text.to_vec();
    part.resize(4096, 0);
    bytes.extend(part);
    let headers = bytes[64..].chunks_exact_mut(56);
    let note = headers.take(16).find(|header| header[..4] == NOTE);
    let note = note.expect("linkers write notes");
    // p_type, p_flags; p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
    note[..8].copy_from_slice(&[1_u32.to_le_bytes(), 4_u32.to_le_bytes()].concat());
    let numbers = [start, address, address, 4096, 4096, 4096];
    note[8..].copy_from_slice(&numbers.map(u64::to_le_bytes).concat());
    bytes
}

#[test]
fn a_segment_after_debug_information_moves_down() {
    if !has_tool("cc") {
        return;
    }
    let source = "#include <stdio.h>\nextern const char __ehdr_start[];\n\
        int main(void) { puts(__ehdr_start + 0x1000000); return 0; }\n";
    let whole = compile(source, &["-pie", "-fPIE", "-gz=none"]);
    let whole = with_segment_at_the_end(whole, 0x100_0000, b"at the end");
    assert_eq!(output(&whole), "at the end\n");
    let made = without_debug(&whole).expect("it has debug information");
    assert!(made.len() + 8192 < whole.len());
    assert_eq!(output(&made), "at the end\n");
    assert_eq!(sections(&made), sections(&whole));
}

#[test]
fn what_somebody_may_look_for_in_the_file_stays() {
    if !has_tool("cc") || !has_tool("objcopy") {
        return;
    }
    let whole = compile(HELLO, &[]);
    assert!(without_debug(&whole).is_some());
    // An archive that a program finds at the end of its own file.
    assert_eq!(without_debug(&[&whole[..], &[b'P'; 100]].concat()), None);
    // One in a section of its own.
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("program");
    std::fs::write(&path, &whole).expect("it can be written");
    let name = path.to_string_lossy();
    run(
        "objcopy",
        &["--add-section", "archive=/etc/hostname", &name],
    );
    let with_archive = std::fs::read(&path).expect("it was made");
    assert_eq!(without_debug(&with_archive), None);
    // A program that makes stack traces from debug information of its own.
    let reader = "#include <stdio.h>\nint main(void) { puts(\".debug_line\"); return 0; }\n";
    assert_eq!(without_debug(&compile(reader, &[])), None);
    // What a linker has yet to read.
    assert_eq!(without_debug(&compile(HELLO, &["-c"])), None);
}

#[test]
fn nothing_is_made_of_what_is_no_whole_object() {
    if !has_tool("cc") {
        return;
    }
    let whole = compile(HELLO, &["-gz=none"]);
    for length in (0..whole.len()).step_by(61) {
        let made = without_debug(&whole[..length]);
        assert_eq!(made, None, "of {length} bytes");
    }
    // Any header can lie: what comes of it is not longer than what it was made from.
    let layout = layout(&whole);
    let table = layout.sections().count() * 64 + PADDING;
    let headers = (0..64 + 14 * 56).chain(whole.len() - table..whole.len());
    for at in headers {
        for value in [0, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            if let Some(made) = without_debug(&bytes) {
                assert!(made.len() <= whole.len(), "byte {at} is {value}");
            }
        }
    }
}

/// Between the end of the table of sections and that of the file.
const PADDING: usize = 16;
