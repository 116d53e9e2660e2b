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
//! | a name | the local store, an engine, its registry | the local store |
//!
//! Each is a module with an `open` and a `write`; N places to read and M to
//! write make N + M pieces of code.

pub mod docker_archive;
pub mod engine;
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
use crate::reference::{DaemonImage, Reference};
use crate::spool::Spool;
use crate::store::Store;

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

/// The places that a reference may mean besides files and directories.
#[derive(Debug, Clone, Copy)]
pub struct Remote<'a> {
    /// How to talk to registries.
    pub registry: &'a registry::Options,
    /// How to talk to engines.
    pub engine: &'a engine::Options,
    /// The local store, where there is one.
    pub store: Option<&'a Store>,
}

/// Opens the image that a reference means, wherever that is.
///
/// A bare name is looked up in the local store, then in the engines that
/// answer, then in its registry; an id in the store and the engines.
///
/// # Errors
/// [`Error::NotFound`] saying where it was looked for; what the transport has to say.
pub fn open(reference: &Reference, remote: Remote<'_>, context: Context<'_>) -> Result<Opened> {
    if let Some(opened) = open_local(reference, context)? {
        return Ok(opened);
    }
    match reference {
        Reference::DockerDaemon(image) => engine::open(image, remote.engine, context),
        Reference::Registry(name) => registry::open(name, remote.registry, context),
        Reference::Name(name) => open_name(name, remote, context),
        Reference::Id(id) => open_id(id, remote, context),
        // Those of `open_local`, which has answered for them.
        _ => Err(Error::NotFound {
            subject: reference.to_string(),
            place: String::new(),
        }),
    }
}

fn open_name(name: &Name, remote: Remote<'_>, context: Context<'_>) -> Result<Opened> {
    if let Some(store) = remote.store
        && let Some(image) = store.find(name, context.platform)?
    {
        let name = Some(name.clone());
        return Ok(Opened { image, name });
    }
    let image = DaemonImage::Name(name.clone());
    let mut asked = remote
        .store
        .map_or(Vec::new(), |_| vec!["the local store".to_owned()]);
    match engine::find(&image, remote.engine) {
        Ok(Some(found)) => {
            let opened = engine::open_found(&found, context)?;
            let name = Some(name.clone());
            return Ok(Opened { name, ..opened });
        }
        Ok(None) => asked.push("the container engine".to_owned()),
        // Most machines that have no engine have a registry to ask.
        Err(error) => tracing::debug!(%error, "no engine"),
    }
    registry::open(name, remote.registry, context).map_err(|error| match error {
        Error::NotFound { subject, place } => {
            asked.push(place);
            let place = asked.join(", ");
            Error::NotFound { subject, place }
        }
        error => error,
    })
}

fn open_id(id: &str, remote: Remote<'_>, context: Context<'_>) -> Result<Opened> {
    if let Some(store) = remote.store
        && let Some(image) = store.find_id(id, context.platform)?
    {
        return Ok(Opened { image, name: None });
    }
    let image = DaemonImage::Id(id.to_owned());
    match engine::find(&image, remote.engine) {
        Ok(Some(found)) => return engine::open_found(&found, context),
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "no engine"),
    }
    Err(Error::NotFound {
        subject: id.to_owned(),
        place: "the local store or a container engine".to_owned(),
    })
}

/// Writes an image to where a reference says; a bare name is one of the local store.
///
/// `name` is the name that archives give the image, unless the reference has one.
///
/// # Errors
/// [`Error::Reference`] when nothing can be written there; what the transport has to say.
pub fn write(
    image: &Image,
    reference: &Reference,
    name: Option<&Name>,
    remote: Remote<'_>,
    context: Context<'_>,
) -> Result<Written> {
    if let Some(written) = write_local(image, reference, name, context)? {
        return Ok(written);
    }
    let refuse = |reason: &str| Error::Reference {
        reference: reference.to_string(),
        reason: reason.to_owned(),
    };
    match (reference, remote.store) {
        (Reference::DockerDaemon(DaemonImage::Name(name)), _) => {
            engine::write(image, name, remote.engine, context)
        }
        (Reference::Registry(name), _) => registry::write(image, name, remote.registry, context),
        (Reference::Name(name), Some(store)) => store.add(image, name, context),
        (Reference::Name(_), None) => Err(refuse("there is no local store to write it to")),
        _ => Err(refuse(
            "an image cannot be written under an id; give it a name",
        )),
    }
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
