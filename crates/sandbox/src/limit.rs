//! Bounds on what a program may use, by the names that `ulimit` and docker have for them.

use rustix::process::{Resource, Rlimit};

/// A bound on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    resource: Resource,
    /// What holds; `None` is no bound.
    soft: Option<u64>,
    /// How far the program may raise it.
    hard: Option<u64>,
}

/// Names as docker's `--ulimit` has them.
const NAMES: [(&str, Resource); 16] = [
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("as", Resource::As),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

impl Limit {
    /// Parses `NAME=SOFT[:HARD]`; -1 and `unlimited` are no bound. Returns nothing if it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, values) = text.split_once('=')?;
        let (_, resource) = NAMES.iter().find(|(known, _)| *known == name)?;
        let value = |text: &str| match text {
            "-1" | "unlimited" => Some(None),
            text => text.parse().ok().map(Some),
        };
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (value(soft)?, value(hard)?);
        let within = match (soft, hard) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(soft), Some(hard)) => soft <= hard,
        };
        within.then_some(Self {
            resource: *resource,
            soft,
            hard,
        })
    }

    pub(crate) fn plan(&self) -> (Resource, Rlimit) {
        let limit = Rlimit {
            current: self.soft,
            maximum: self.hard,
        };
        (self.resource, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_docker_has_them() {
        let limit = |resource, soft, hard| {
            Some(Limit {
                resource,
                soft,
                hard,
            })
        };
        for (text, expected) in [
            ("nofile=64", limit(Resource::Nofile, Some(64), Some(64))),
            ("nproc=1:-1", limit(Resource::Nproc, Some(1), None)),
            ("core=unlimited", limit(Resource::Core, None, None)),
            ("nofile=2:1", None),
            ("nofile=-1:1", None),
            ("nofile", None),
            ("nofile=x", None),
            ("files=1", None),
        ] {
            assert_eq!(Limit::parse(text), expected, "{text}");
        }
    }
}
