//! Names of images in registries: `HOST/REPOSITORY:TAG@DIGEST`.
//!
//! Short names mean what Docker means: `redis` is `docker.io/library/redis:latest`
//! (distribution/reference, "normalize").

use std::fmt;

use crate::digest::Digest;
use crate::error::{Error, Result};

const DEFAULT_HOST: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";

/// A name, complete.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Host, with its port if it was given.
    pub host: String,
    /// Path of the repository, without the host.
    pub repository: String,
    /// Tag; absent only where a digest stands.
    pub tag: Option<String>,
    /// Digest of a manifest or index.
    pub digest: Option<Digest>,
}

impl Name {
    /// Parses a name, and completes it as Docker does.
    ///
    /// # Errors
    /// [`Error::Reference`] saying which part is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Reference {
            reference: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (
                rest,
                Some(
                    digest
                        .parse()
                        .map_err(|_| refuse("the part after @ is not a digest"))?,
                ),
            ),
            None => (text, None),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            // A colon before the last slash belongs to a port.
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refuse(
                "the tag may hold letters, digits, `_`, `.` and `-`, at most 128",
            ));
        }
        let (host, repository) = match path.split_once('/') {
            Some((host, rest)) if is_host(host) => (host, rest.to_owned()),
            Some(_) => (DEFAULT_HOST, path.to_owned()),
            None => (DEFAULT_HOST, path.to_owned()),
        };
        let host = if host == "index.docker.io" {
            DEFAULT_HOST
        } else {
            host
        };
        let repository = match repository.contains('/') || host != DEFAULT_HOST {
            true => repository,
            false if repository.is_empty() => repository,
            false => format!("library/{repository}"),
        };
        if repository.is_empty() {
            return Err(refuse("it has no repository"));
        }
        if repository.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(refuse("the repository must be lower case"));
        }
        if repository.len() > 255 || !repository.split('/').all(is_path_component) {
            return Err(refuse(
                "the repository may hold lower-case letters and digits, separated by `.`, `_`, `__` or `-`",
            ));
        }
        let tag = match (tag, &digest) {
            (None, None) => Some(DEFAULT_TAG.to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self {
            host: host.to_owned(),
            repository,
            tag,
            digest,
        })
    }

    /// Returns the name as people write it: without `docker.io/library/`.
    pub fn familiar(&self) -> String {
        let tail = self.tail();
        if self.host == DEFAULT_HOST {
            let short = self
                .repository
                .strip_prefix("library/")
                .unwrap_or(&self.repository);
            format!("{short}{tail}")
        } else {
            format!("{}/{}{tail}", self.host, self.repository)
        }
    }

    /// Returns this name with `suffix` on its tag, without digest: `app:1.2-slim`.
    #[must_use]
    pub fn with_tag_suffix(&self, suffix: &str) -> Self {
        let tag = self.tag.as_deref().unwrap_or(DEFAULT_TAG);
        Self {
            tag: Some(format!("{tag}{suffix}")),
            digest: None,
            ..self.clone()
        }
    }

    fn tail(&self) -> String {
        let tag = self
            .tag
            .as_ref()
            .map(|tag| format!(":{tag}"))
            .unwrap_or_default();
        let digest = self
            .digest
            .map(|digest| format!("@{digest}"))
            .unwrap_or_default();
        format!("{tag}{digest}")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.host, self.repository, self.tail())
    }
}

fn is_tag(tag: &str) -> bool {
    let first = tag.bytes().next();
    tag.len() <= 128
        && first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// The first part is a host if it could not be a repository on Docker Hub.
fn is_host(part: &str) -> bool {
    let looks = part.contains(['.', ':', '[']) || part == "localhost";
    let upper = part.bytes().any(|b| b.is_ascii_uppercase());
    let bytes = part
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b));
    (looks || upper) && bytes
}

fn is_path_component(part: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = part
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    edge(part.bytes().next())
        && edge(part.bytes().next_back())
        && inner
        && !part.contains("..")
        && !part.contains("___")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does() {
        let digest = Digest::of(b"x");
        for (text, full, familiar) in [
            ("redis", "docker.io/library/redis:latest", "redis:latest"),
            ("redis:7", "docker.io/library/redis:7", "redis:7"),
            ("me/app", "docker.io/me/app:latest", "me/app:latest"),
            (
                "index.docker.io/library/a",
                "docker.io/library/a:latest",
                "a:latest",
            ),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
            (
                "localhost:5000/a/b:t",
                "localhost:5000/a/b:t",
                "localhost:5000/a/b:t",
            ),
            ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
            (
                "ghcr.io/o/a__b:v1.2-x",
                "ghcr.io/o/a__b:v1.2-x",
                "ghcr.io/o/a__b:v1.2-x",
            ),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!(
                (name.to_string(), name.familiar()),
                (full.into(), familiar.into()),
                "{text}"
            );
            assert_eq!(Name::parse(full).unwrap(), name);
        }
        let pinned = Name::parse(&format!("redis@{digest}")).unwrap();
        assert_eq!((pinned.tag, pinned.digest), (None, Some(digest)));
    }

    #[test]
    fn bad_names_are_refused() {
        for text in [
            "",
            ":tag",
            "a:",
            "Redis",
            "a//b",
            "a/../b",
            "a:t t",
            "-a",
            "a@sha256:1",
            "localhost:5000/",
        ] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }
}
