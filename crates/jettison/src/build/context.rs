//! Contexts that are no directories yet, and results that shall be one.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use image::{FileSystem, Image, LoadOptions};
use layer::read::TarReader;
use layer::unpack::{Options, unpack};
use layer::write::TarWriter;
use layer::{Contents, FileSlice, Limits};

use super::Error;

/// Unpacks a tar, compressed or not, into an empty directory. Everything belongs to the caller.
///
/// # Errors
/// When it is no tar, or names leave the directory.
pub fn unpack_archive(
    input: impl Read + Send,
    spool: File,
    directory: &Path,
    limits: Limits,
) -> Result<(), Error> {
    let (_, mut plain) = layer::codec::decompress(input).map_err(Error::Unpack)?;
    let mut output = &spool;
    std::io::copy(&mut plain, &mut output).map_err(Error::file("write", directory))?;
    drop(plain);
    let length = spool
        .metadata()
        .map_err(Error::file("read", directory))?
        .len();
    let slice = FileSlice::new(Arc::new(spool), 0, length);
    let mut reader = TarReader::seekable(slice.reader(), 0, limits);
    let mut tree = layer::Tree::bounded(limits);
    while let Some(member) = reader.next_member().map_err(Error::Unpack)? {
        tree.apply(0, member).map_err(Error::Unpack)?;
    }
    let options = Options {
        owners: false,
        devices: false,
        threads: layer::unpack::processors(),
    };
    unpack(
        &tree,
        &Contents::new(vec![slice]),
        directory,
        options,
        |_| true,
    )
    .map_err(Error::Unpack)
}

/// Writes the files of an image as a tar, with the owners and times that they have in it.
///
/// # Errors
/// When the image cannot be read or the tar not written.
pub fn export_tar(
    image: &Image,
    output: impl Write,
    options: LoadOptions<'_>,
) -> Result<(), Error> {
    let files = FileSystem::load(image, options)?;
    let mut tar = TarWriter::new(output);
    let root = files.tree.root();
    let written = tar
        .write_tree(&files.tree, &files.contents, |node| node != root)
        .and_then(|()| tar.finish());
    let mut output = written.map_err(Error::Pack)?;
    output.flush().map_err(Error::Flush)
}

/// Writes the files of an image into a directory, which is made. Everything belongs to the caller.
///
/// # Errors
/// When files of the image are in the way of files that are there.
pub fn export(image: &Image, directory: &Path, options: LoadOptions<'_>) -> Result<(), Error> {
    let files = FileSystem::load(image, options)?;
    fs::create_dir_all(directory).map_err(Error::file("make", directory))?;
    let what = Options {
        owners: false,
        devices: false,
        threads: layer::unpack::processors(),
    };
    unpack(&files.tree, &files.contents, directory, what, |_| true).map_err(Error::Unpack)
}
