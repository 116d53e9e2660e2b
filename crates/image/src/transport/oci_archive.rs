//! Tar files of an OCI image layout.

use std::io::{self, Read};
use std::path::Path;

use layer::write::TarWriter;
use layer::{FileSlice, Metadata};

use super::layout::{self, Layout};
use super::tar_file::TarFile;
use super::{Context, Opened, Written};
use crate::blob::{BlobSource, Blobs};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::{Descriptor, Index, MAX_SIZE};

/// Opens the image `tag` of an archive, or its only image.
///
/// # Errors
/// [`Error::Archive`], [`Error::NotFound`], [`Error::Ambiguous`].
pub fn open(path: &Path, tag: Option<&str>, context: Context<'_>) -> Result<Opened> {
    open_archive(TarFile::open(path)?, tag, context)
}

/// Opens an image of an indexed archive.
///
/// # Errors
/// As [`open`].
pub fn open_archive(archive: TarFile, tag: Option<&str>, context: Context<'_>) -> Result<Opened> {
    let index: Index =
        serde_json::from_slice(&archive.read("index.json", MAX_SIZE)?).map_err(|e| {
            Error::Archive {
                path: archive.path().to_path_buf(),
                reason: format!("index.json: {e}"),
            }
        })?;
    let subject = archive.path().display().to_string();
    layout::open_index(
        &index,
        tag,
        &subject,
        &Blobs::new(archive),
        context.platform,
    )
}

impl BlobSource for TarFile {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        match self.local(descriptor)? {
            Some(slice) => Ok(Box::new(slice.reader())),
            None => Err(Error::MissingBlob {
                digest: descriptor.digest,
                place: self.path().display().to_string(),
            }),
        }
    }

    fn local(&self, descriptor: &Descriptor) -> Result<Option<FileSlice>> {
        let name = format!("blobs/sha256/{}", descriptor.digest.hex());
        Ok(self.find(name.as_bytes()).cloned())
    }
}

/// Writes an archive with one image, under a temporary name until it is complete.
///
/// # Errors
/// When a blob cannot be read or the file not written.
pub fn write(
    image: &Image,
    path: &Path,
    tag: Option<&str>,
    context: Context<'_>,
) -> Result<Written> {
    // Sizes must be known before contents in a tar, hence a layout first.
    let scratch = tempfile::tempdir_in(context.spool.directory()).map_err(Error::file(
        "make a directory in",
        context.spool.directory(),
    ))?;
    let written = layout::write(image, scratch.path(), tag, context)?;
    let layout = Layout::open(scratch.path())?;
    let wrap = |source| Error::WriteLayer { source };
    layout::write_file(path, |file| {
        let mut tar = TarWriter::new(io::BufWriter::with_capacity(1 << 20, file));
        let metadata = Metadata {
            mode: 0o644,
            ..Metadata::default()
        };
        for name in ["oci-layout", "index.json"] {
            let source = layout.root().join(name);
            let bytes = std::fs::read(&source).map_err(Error::file("read", &source))?;
            tar.write_bytes(name.as_bytes(), &metadata, &bytes)
                .map_err(wrap)?;
        }
        let directory = layout.blobs();
        let entries = std::fs::read_dir(&directory).map_err(Error::file("read", &directory))?;
        let mut names: Vec<_> = entries.filter_map(|e| Some(e.ok()?.file_name())).collect();
        names.sort();
        for name in names {
            let source = directory.join(&name);
            let blob = std::fs::File::open(&source).map_err(Error::file("open", &source))?;
            let size = blob.metadata().map_err(Error::file("read", &source))?.len();
            let member = format!("blobs/sha256/{}", name.to_string_lossy());
            tar.write_stream(member.as_bytes(), &metadata, size, blob)
                .map_err(wrap)?;
        }
        let output = tar.finish().map_err(wrap)?;
        output
            .into_inner()
            .map_err(|e| Error::file("write", path)(e.into_error()))?;
        Ok(written)
    })
}
