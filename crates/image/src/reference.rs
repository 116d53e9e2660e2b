//! Where an image is, as people write it: `TRANSPORT:REST`, a name, or a path.
//!
//! The transports are those of skopeo and podman (containers-transports(5)).

use std::fmt;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::name::Name;

/// A reference to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `oci:DIR[:TAG]`
    OciLayout {
        /// The directory.
        path: PathBuf,
        /// The value of `org.opencontainers.image.ref.name`.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`
    OciArchive {
        /// The tar file.
        path: PathBuf,
        /// The value of `org.opencontainers.image.ref.name`.
        tag: Option<String>,
    },
    /// `docker-archive:FILE[:NAME]`
    DockerArchive {
        /// The tar file.
        path: PathBuf,
        /// Which image of the archive, by name.
        name: Option<Name>,
    },
    /// `docker-daemon:NAME`, also an image id.
    DockerDaemon(DaemonImage),
    /// `docker://NAME`
    Registry(Name),
    /// A bare name: the local store, then an engine, then its registry.
    Name(Name),
    /// A bare image id: the local store, then an engine.
    Id(String),
    /// A path: an archive or layout, recognised by its content.
    Path(PathBuf),
}

/// An image of a Docker or Podman engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonImage {
    /// By name.
    Name(Name),
    /// By the beginning of its id, hexadecimal.
    Id(String),
}

impl Reference {
    /// Returns whether layers come to lie there uncompressed, whatever they were.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::DockerArchive { .. } | Self::DockerDaemon(_))
    }

    /// Parses a reference. A text is a path if it begins with `.` or `/`;
    /// whether a file of that name exists makes no difference.
    ///
    /// # Errors
    /// [`Error::Reference`].
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Reference {
            reference: text.to_owned(),
            reason: reason.to_owned(),
        };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.starts_with(['.', '/']) {
            return Ok(Self::Path(text.into()));
        }
        if let Some(rest) = text.strip_prefix("docker://") {
            return Name::parse(rest).map(Self::Registry);
        }
        let Some((transport, rest)) = text.split_once(':') else {
            return Self::parse_bare(text);
        };
        match transport {
            "oci" | "oci-archive" => {
                let (path, tag) = split_path(rest);
                if path.as_os_str().is_empty() {
                    return Err(refuse("it has no path"));
                }
                Ok(match transport {
                    "oci" => Self::OciLayout { path, tag },
                    _ => Self::OciArchive { path, tag },
                })
            }
            "docker-archive" => {
                let (path, name) = split_path(rest);
                if path.as_os_str().is_empty() {
                    return Err(refuse("it has no path"));
                }
                let name = name.map(|name| Name::parse(&name)).transpose()?;
                Ok(Self::DockerArchive { path, name })
            }
            "docker-daemon" => {
                let id = rest.strip_prefix("sha256:").unwrap_or(rest);
                Ok(Self::DockerDaemon(
                    if is_id(id) && rest != id || id.len() == 64 {
                        DaemonImage::Id(id.to_owned())
                    } else {
                        DaemonImage::Name(Name::parse(rest)?)
                    },
                ))
            }
            "sha256" if is_id(rest) => Ok(Self::Id(rest.to_owned())),
            "docker" | "containers-storage" | "dir" | "ostree" | "http" | "https"
                if !rest.is_empty() =>
            {
                Err(refuse(&format!(
                    "the transport `{transport}:` is not supported"
                )))
            }
            _ => Self::parse_bare(text),
        }
    }

    fn parse_bare(text: &str) -> Result<Self> {
        if text.len() == 64 && is_id(text) || text.parse::<Digest>().is_ok() {
            return Ok(Self::Id(text.trim_start_matches("sha256:").to_owned()));
        }
        Name::parse(text).map(Self::Name)
    }

    /// Returns the name that the image is known by, if it has one: the basis of
    /// the default name of what is made from it.
    pub fn name(&self) -> Option<Name> {
        match self {
            Self::DockerArchive { name, .. } => name.clone(),
            Self::DockerDaemon(DaemonImage::Name(name))
            | Self::Registry(name)
            | Self::Name(name) => Some(name.clone()),
            Self::OciLayout { tag, .. } | Self::OciArchive { tag, .. } => {
                tag.as_ref().and_then(|tag| Name::parse(tag).ok())
            }
            _ => None,
        }
    }
}

/// Splits `PATH[:TAG]` at the first colon, as containers-transports(5) does.
fn split_path(rest: &str) -> (PathBuf, Option<String>) {
    match rest.split_once(':') {
        Some((path, tag)) if !tag.is_empty() => (path.into(), Some(tag.to_owned())),
        Some((path, _)) => (path.into(), None),
        None => (rest.into(), None),
    }
}

fn is_id(text: &str) -> bool {
    (4..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |tag: &Option<String>| tag.as_ref().map(|t| format!(":{t}")).unwrap_or_default();
        match self {
            Self::OciLayout { path, tag } => write!(f, "oci:{}{}", path.display(), with(tag)),
            Self::OciArchive { path, tag } => {
                write!(f, "oci-archive:{}{}", path.display(), with(tag))
            }
            Self::DockerArchive { path, name } => {
                let name = name.as_ref().map(Name::familiar);
                write!(f, "docker-archive:{}{}", path.display(), with(&name))
            }
            Self::DockerDaemon(DaemonImage::Name(name)) => {
                write!(f, "docker-daemon:{}", name.familiar())
            }
            Self::DockerDaemon(DaemonImage::Id(id)) => write!(f, "docker-daemon:sha256:{id}"),
            Self::Registry(name) => write!(f, "docker://{name}"),
            Self::Name(name) => f.write_str(&name.familiar()),
            Self::Id(id) => write!(f, "sha256:{id}"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}
