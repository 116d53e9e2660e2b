//! The changes of a step, as overlayfs wrote them, made into a layer.
//!
//! Only what changed is looked at: the upper directory holds nothing else.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use image::NewLayer;
use image::transport::Context;
use image::transport::layout::Layout;
use layer::write::TarWriter;
use layer::{Entry, Kind, Time};

use super::attributes::{Owners, mtime, xattrs};
use super::view::{View, is_opaque, is_whiteout};
use super::{Error, Timestamps};

/// What a layer is made from.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    /// The upper directory.
    pub(super) upper: &'a Path,
    /// What lies below it.
    pub(super) lower: &'a View,
    pub(super) owners: Owners,
    pub(super) times: Timestamps,
}

/// A layer that was made.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) layer: NewLayer,
    /// Bytes of files whose content is the same as below: only their metadata changed.
    pub(super) copied: u64,
}

impl Changes<'_> {
    /// Returns whether nothing changed.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        let mut entries = fs::read_dir(self.upper).map_err(Error::file("read", self.upper))?;
        Ok(entries.next().is_none() && !self.root_changed()?)
    }

    fn root_changed(&self) -> Result<bool, Error> {
        let failed = Error::file("read", self.upper);
        let upper = fs::metadata(self.upper).map_err(&failed)?;
        let Ok(lower) = self.lower.root() else {
            return Ok(false);
        };
        let key =
            |path: &Path, metadata: &Metadata| (metadata.mode(), self.owners.of(path, metadata));
        Ok(key(self.upper, &upper) != key(lower.path(), &lower.metadata))
    }

    /// Writes the layer into a layout.
    pub(super) fn pack(&self, layout: &Layout, context: Context<'_>) -> Result<Packed, Error> {
        let with_root = self.root_changed()?;
        let mut copied = 0;
        let layer = image::write_layer(layout, context, |tar| {
            let mut writer = Writer {
                changes: self,
                tar,
                links: HashMap::new(),
                copied: 0,
            };
            if with_root {
                let metadata = fs::metadata(self.upper).map_err(host("read", self.upper))?;
                writer.entry(&[], self.upper, &metadata, Kind::Directory)?;
            }
            writer.directory(&mut Vec::new(), self.upper)?;
            copied = writer.copied;
            Ok(())
        })?;
        Ok(Packed { layer, copied })
    }
}

fn host<'p>(verb: &'static str, path: &'p Path) -> impl Fn(io::Error) -> layer::Error + 'p {
    move |source| layer::Error::Host {
        verb,
        path: path.to_owned(),
        source,
    }
}

struct Writer<'c, 't, 'w> {
    changes: &'c Changes<'c>,
    tar: &'t mut TarWriter<&'w mut dyn Write>,
    links: HashMap<(u64, u64), Vec<u8>>,
    copied: u64,
}

impl Writer<'_, '_, '_> {
    /// Writes what is in a directory, sorted by name; the directory itself has been written.
    fn directory(&mut self, name: &mut Vec<u8>, path: &Path) -> layer::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(host("read", path))? {
            names.push(entry.map_err(host("read", path))?.file_name());
        }
        names.sort();
        for child in names {
            let path = path.join(&child);
            let metadata = fs::symlink_metadata(&path).map_err(host("read", &path))?;
            let before = name.len();
            if before > 0 {
                name.push(b'/');
            }
            if is_whiteout(&metadata) {
                name.extend(layer::tree::merge::WHITEOUT);
                name.extend(child.as_bytes());
                self.marker(name)?;
            } else {
                name.extend(child.as_bytes());
                self.node(name, &path, &metadata)?;
            }
            name.truncate(before);
        }
        Ok(())
    }

    fn node(&mut self, name: &mut Vec<u8>, path: &Path, metadata: &Metadata) -> layer::Result<()> {
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.entry(name, path, metadata, Kind::Directory)?;
            if is_opaque(path) {
                let before = name.len();
                name.push(b'/');
                name.extend(layer::tree::merge::OPAQUE);
                self.marker(name)?;
                name.truncate(before);
            }
            return self.directory(name, path);
        }
        if metadata.nlink() > 1 {
            let inode = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&inode) {
                let kind = Kind::HardLink(first.clone());
                return self.entry(name, path, metadata, kind);
            }
            self.links.insert(inode, name.clone());
        }
        let device = metadata.rdev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        if kind.is_file() {
            return self.file(name, path, metadata);
        }
        let kind = if kind.is_symlink() {
            let target = fs::read_link(path).map_err(host("read", path))?;
            Kind::Symlink(target.into_os_string().into_vec())
        } else if kind.is_char_device() {
            Kind::CharDevice { major, minor }
        } else if kind.is_block_device() {
            Kind::BlockDevice { major, minor }
        } else if kind.is_fifo() {
            Kind::Fifo
        } else {
            return Ok(()); // a socket, which no layer has
        };
        self.entry(name, path, metadata, kind)
    }

    fn file(&mut self, name: &[u8], path: &Path, metadata: &Metadata) -> layer::Result<()> {
        let file = File::open(path).map_err(host("open", path))?;
        let wanted = self.metadata(path, metadata)?;
        self.tar.write_stream(name, &wanted, metadata.len(), file)?;
        if metadata.len() > 0 && self.same_below(name, path, metadata) {
            self.copied += metadata.len();
        }
        Ok(())
    }

    /// Returns whether the bytes of a file are those of the file below.
    fn same_below(&self, name: &[u8], path: &Path, metadata: &Metadata) -> bool {
        let name = PathBuf::from(std::ffi::OsString::from_vec(name.to_vec()));
        let Ok(below) = self.changes.lower.resolve(&name, false) else {
            return false;
        };
        let Some(below) = below.found.filter(|found| found.metadata.is_file()) else {
            return false;
        };
        // A change of content changes the time as well, unless somebody sets it back.
        below.metadata.len() == metadata.len()
            && mtime(&below.metadata) == mtime(metadata)
            && same_bytes(below.path(), path).unwrap_or(false)
    }

    fn entry(
        &mut self,
        name: &[u8],
        path: &Path,
        metadata: &Metadata,
        kind: Kind,
    ) -> layer::Result<()> {
        let metadata = self.metadata(path, metadata)?;
        self.tar.write_entry(&Entry {
            path: name.to_vec(),
            kind,
            metadata,
        })
    }

    fn marker(&mut self, name: &[u8]) -> layer::Result<()> {
        let mtime = self.changes.times.marker();
        self.tar.write_bytes(
            name,
            &layer::Metadata {
                mtime,
                ..layer::Metadata::default()
            },
            b"",
        )
    }

    fn metadata(&self, path: &Path, metadata: &Metadata) -> layer::Result<layer::Metadata> {
        let owner = self.changes.owners.of(path, metadata);
        let failed = host("read the attributes of", path);
        Ok(layer::Metadata {
            mode: (metadata.mode() & 0o7777) as u16,
            uid: owner.uid,
            gid: owner.gid,
            // Whole seconds, as docker has them: fractions cost a header each.
            mtime: Time {
                nanoseconds: 0,
                ..self.changes.times.clamp(mtime(metadata))
            },
            xattrs: xattrs(path).map_err(failed)?,
        })
    }
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    use std::io::Read;
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    loop {
        let read = a.read(&mut left)?;
        if read == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        match b.read_exact(&mut right[..read]) {
            Ok(()) if left[..read] == right[..read] => {}
            _ => return Ok(false),
        }
    }
}
