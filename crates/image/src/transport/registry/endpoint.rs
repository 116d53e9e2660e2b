//! Where the images of a host are.

use crate::error::{Error, Result};
use crate::name::Name;

/// A place that has the images of a host: itself or a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As people write it: `docker.io`.
    pub(super) host: String,
    /// What is connected to: `registry-1.docker.io`.
    pub(super) authority: String,
    /// If a mirror's address says.
    pub(super) scheme: Option<&'static str>,
    prefix: String,
}

impl Endpoint {
    pub(super) fn of_host(host: &str) -> Self {
        let authority = match host {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        Self {
            host: host.to_owned(),
            authority: authority.to_owned(),
            scheme: None,
            prefix: String::new(),
        }
    }

    pub(super) fn of_mirror(base: &str) -> Result<Self> {
        let (scheme, rest) = match base.split_once("://") {
            Some(("https", rest)) => (Some("https"), rest),
            Some(("http", rest)) => (Some("http"), rest),
            Some((scheme, _)) => {
                return Err(Error::Reference {
                    reference: base.to_owned(),
                    reason: format!("a mirror cannot be reached by `{scheme}://`"),
                });
            }
            None => (None, base),
        };
        let rest = rest.trim_end_matches('/');
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let mut prefix = prefix.to_owned();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        Ok(Self {
            scheme,
            prefix,
            ..Self::of_host(authority)
        })
    }

    /// Returns the name that a repository has here.
    pub(super) fn repository(&self, name: &Name) -> String {
        format!("{}{}", self.prefix, name.repository)
    }

    pub(super) fn key(&self) -> String {
        format!("{}//{}", self.scheme.unwrap_or_default(), self.authority)
    }

    pub(super) fn remote(
        &self,
        action: &str,
        reason: impl Into<String>,
        status: Option<u16>,
    ) -> Error {
        Error::Remote {
            service: self.host.clone(),
            action: action.to_owned(),
            reason: reason.into(),
            status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_parsed() {
        let mirror = Endpoint::of_mirror("http://h:1/a/b/").unwrap();
        let name = Name::parse("redis").unwrap();
        assert_eq!(mirror.repository(&name), "a/b/library/redis");
        assert_eq!((&*mirror.host, mirror.scheme), ("h:1", Some("http")));
        assert!(Endpoint::of_mirror("ftp://x").is_err());
    }
}
