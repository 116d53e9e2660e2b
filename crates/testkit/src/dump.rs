//! File systems as text, one line for each name, so that a test compares whole
//! trees and its failure shows the difference.
//!
//! ```text
//! .        dir 0755 0:0 0
//! etc      dir 0755 0:0 0
//! etc/a    file 0644 0:0 1700000000.25 5 "hello"
//! etc/b    hardlink etc/a
//! etc/c    symlink 0777 0:0 0 -> a
//! dev/null char 0666 0:0 0 1:3
//! bin/ping file 0755 0:0 0 64000 2cf24dba5fb0a30e security.capability=01000002
//! ```
//!
//! [`tree`] shows a tree of this project, [`directory`] what is on disk; the
//! second shares nothing with the code under test but this format.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use layer::{Contents, NodeKind, Tree};
use sha2::{Digest, Sha256};

/// What two dumps are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// Owners; only root can set them on disk.
    pub owners: bool,
    /// Extended attributes; not every file system has them.
    pub xattrs: bool,
}

impl Fields {
    /// Everything.
    pub const ALL: Self = Self {
        owners: true,
        xattrs: true,
    };
}

/// The attributes of one name, from wherever they come.
struct Line {
    path: Vec<u8>,
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, u32),
    detail: String,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Shows a merged tree.
///
/// # Panics
/// When a content cannot be read.
pub fn tree(tree: &Tree, contents: &Contents, fields: Fields) -> String {
    let mut text = String::new();
    let mut first: HashMap<_, Vec<u8>> = HashMap::new();
    for node in tree.walk(tree.root()) {
        let path = tree.path(node);
        if tree.links(node) > 1 && !tree.is_directory(node) {
            if let Some(other) = first.get(&tree.inode(node)) {
                hard_link(&mut text, &path, other);
                continue;
            }
            first.insert(tree.inode(node), path.clone());
        }
        let (kind, detail) = match tree.kind(node) {
            NodeKind::File(content) => {
                let bytes = contents.read(content, u64::MAX);
                ("file", of_bytes(&bytes.expect("contents can be read")))
            }
            NodeKind::Directory => ("dir", String::new()),
            NodeKind::Symlink(target) => ("symlink", format!("-> {}", escaped(target))),
            NodeKind::CharDevice { major, minor } => ("char", format!("{major}:{minor}")),
            NodeKind::BlockDevice { major, minor } => ("block", format!("{major}:{minor}")),
            NodeKind::Fifo => ("fifo", String::new()),
        };
        let mtime = tree.mtime(node);
        let xattrs = tree.xattrs(node).iter();
        let line = Line {
            path,
            kind,
            mode: tree.mode(node).into(),
            owner: tree.owner(node),
            mtime: (mtime.seconds, mtime.nanoseconds),
            detail,
            xattrs: xattrs
                .map(|x| (x.name.to_vec(), x.value.to_vec()))
                .collect(),
        };
        line.show(&mut text, fields);
    }
    text
}

/// Shows what is on disk below `root`.
///
/// # Panics
/// When something cannot be read.
pub fn directory(root: &Path, fields: Fields) -> String {
    let mut text = String::new();
    walk(root, &[], &mut HashMap::new(), fields, &mut text);
    text
}

fn walk(
    file: &Path,
    path: &[u8],
    first: &mut HashMap<(u64, u64), Vec<u8>>,
    fields: Fields,
    text: &mut String,
) {
    let metadata = file.symlink_metadata().expect("the file is there");
    let kind = metadata.file_type();
    if metadata.nlink() > 1 && !kind.is_dir() {
        let inode = (metadata.dev(), metadata.ino());
        if let Some(other) = first.get(&inode) {
            return hard_link(text, path, other);
        }
        first.insert(inode, path.to_vec());
    }
    let device = || {
        let device = metadata.rdev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        format!("{major}:{minor}")
    };
    let (kind, detail) = if kind.is_file() {
        let bytes = std::fs::read(file).expect("the file can be read");
        ("file", of_bytes(&bytes))
    } else if kind.is_dir() {
        ("dir", String::new())
    } else if kind.is_symlink() {
        let target = std::fs::read_link(file).expect("the link can be read");
        (
            "symlink",
            format!("-> {}", escaped(target.as_os_str().as_bytes())),
        )
    } else if kind.is_char_device() {
        ("char", device())
    } else if kind.is_block_device() {
        ("block", device())
    } else {
        ("fifo", String::new())
    };
    let line = Line {
        path: path.to_vec(),
        kind,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        mtime: (metadata.mtime(), metadata.mtime_nsec() as u32),
        detail,
        xattrs: xattrs(file),
    };
    line.show(text, fields);
    if metadata.is_dir() {
        let entries = std::fs::read_dir(file).expect("the directory can be read");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("the entry can be read").file_name())
            .collect();
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        for name in names {
            let below = match path {
                [] => name.as_bytes().to_vec(),
                path => [path, b"/", name.as_bytes()].concat(),
            };
            walk(&file.join(&name), &below, first, fields, text);
        }
    }
}

fn xattrs(file: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(file, &mut names[..]).unwrap_or(0);
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let length = rustix::fs::lgetxattr(file, name, &mut value[..]).unwrap_or(0);
            (name.to_vec(), value[..length].to_vec())
        })
        .collect();
    found.sort();
    found
}

impl Line {
    fn show(&self, text: &mut String, fields: Fields) {
        let path = match &self.path[..] {
            [] => ".".to_owned(),
            path => escaped(path),
        };
        let _ = write!(text, "{path} {} {:04o}", self.kind, self.mode);
        if fields.owners {
            let _ = write!(text, " {}:{}", self.owner.0, self.owner.1);
        }
        let _ = match self.mtime {
            (seconds, 0) => write!(text, " {seconds}"),
            (seconds, nanoseconds) => {
                let fraction = format!("{nanoseconds:09}");
                write!(text, " {seconds}.{}", fraction.trim_end_matches('0'))
            }
        };
        if !self.detail.is_empty() {
            let _ = write!(text, " {}", self.detail);
        }
        for (name, value) in self.xattrs.iter().filter(|_| fields.xattrs) {
            let _ = write!(text, " {}={}", escaped(name), hex(value));
        }
        text.push('\n');
    }
}

fn hard_link(text: &mut String, path: &[u8], other: &[u8]) {
    let _ = writeln!(text, "{} hardlink {}", escaped(path), escaped(other));
}

/// Size, and the text itself where it is short enough to read.
fn of_bytes(bytes: &[u8]) -> String {
    let readable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let size = bytes.len();
    match size {
        0 => "0".to_owned(),
        ..=24 if bytes.iter().all(readable) => {
            format!("{size} \"{}\"", String::from_utf8_lossy(bytes))
        }
        _ => format!("{size} {}", hex(&Sha256::digest(bytes)[..8])),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
