//! Places that images come from and go to, behind one pair of functions.
//!
//! | reference | reads | writes |
//! |---|---|---|
//! | `oci:DIR[:TAG]` | OCI image layout | yes, adds to an existing one |
//! | `oci-archive:FILE[:TAG]` | tar of a layout | yes |
//! | `docker-archive:FILE[:NAME]` | `docker save`, before and since Engine 25 | in the older form, which all engines load |
//! | `docker-daemon:NAME` | Docker's and Podman's API | yes |
//! | `docker://NAME` | registry | yes |
//! | a path | recognised by content | no |
//!
//! Each is a module with an `open` and a `write`; N places to read and M to
//! write make N + M pieces of code.

pub mod docker_archive;
mod http;
pub mod layout;
pub mod oci_archive;
pub mod registry;
pub mod tar_file;

use std::path::Path;

use layer::Limits;
use layer::codec::gzip::Level;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::Descriptor;
use crate::name::Name;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::reference::Reference;
use crate::spool::Spool;

/// What transports need from their caller.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Scratch space.
    pub spool: &'a Spool,
    /// Which image of an index is wanted.
    pub platform: &'a Platform,
    /// Bounds on layers.
    pub limits: Limits,
    /// Threads for compression.
    pub threads: usize,
    /// How hard to compress layers that must be.
    pub level: Level,
    /// Told of bytes moved.
    pub progress: &'a dyn Progress,
}

/// An image that was opened, and the name that its place has for it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The image.
    pub image: Image,
    /// For instance the first of `RepoTags`.
    pub name: Option<Name>,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The manifest, as it is there; of places that keep none, as it would be.
    pub manifest: Descriptor,
    /// Bytes of layers that were written or sent; less than the image when the
    /// place had some.
    pub bytes: u64,
}

/// Opens what lies at a path: a layout directory, or one of the two archives.
///
/// # Errors
/// [`Error::Archive`] when it is none of these.
pub fn open_path(path: &Path, context: Context<'_>) -> Result<Opened> {
    if path.is_dir() {
        return layout::open(path, None, context);
    }
    let archive = tar_file::TarFile::open(path)?;
    if archive.find(b"manifest.json").is_some() {
        docker_archive::open_archive(archive, None)
    } else if archive.find(b"oci-layout").is_some() || archive.find(b"index.json").is_some() {
        oci_archive::open_archive(archive, None, context)
    } else {
        let reason = "it has neither manifest.json nor oci-layout".to_owned();
        Err(Error::Archive {
            path: path.to_path_buf(),
            reason,
        })
    }
}

/// Opens an image in a file or directory; nothing for references that name none.
///
/// # Errors
/// What the transport has to say.
pub fn open_local(reference: &Reference, context: Context<'_>) -> Result<Option<Opened>> {
    Ok(Some(match reference {
        Reference::OciLayout { path, tag } => layout::open(path, tag.as_deref(), context)?,
        Reference::OciArchive { path, tag } => oci_archive::open(path, tag.as_deref(), context)?,
        Reference::DockerArchive { path, name } => docker_archive::open(path, name.as_ref())?,
        Reference::Path(path) => open_path(path, context)?,
        _ => return Ok(None),
    }))
}

/// Writes an image to a file or directory; nothing for references that name none.
///
/// `name` is the name that archives give the image, unless the reference has one.
///
/// # Errors
/// What the transport has to say.
pub fn write_local(
    image: &Image,
    reference: &Reference,
    name: Option<&Name>,
    context: Context<'_>,
) -> Result<Option<Written>> {
    let familiar = name.map(Name::familiar);
    Ok(Some(match reference {
        Reference::OciLayout { path, tag } => {
            layout::write(image, path, tag.as_deref().or(familiar.as_deref()), context)?
        }
        Reference::OciArchive { path, tag } => {
            oci_archive::write(image, path, tag.as_deref().or(familiar.as_deref()), context)?
        }
        Reference::DockerArchive { path, name: own } => {
            docker_archive::write(image, path, own.as_ref().or(name), context)?
        }
        Reference::Path(path) => {
            return Err(Error::Reference {
                reference: path.display().to_string(),
                reason: "to write, name the transport, such as `docker-archive:` or `oci:`"
                    .to_owned(),
            });
        }
        _ => return Ok(None),
    }))
}
