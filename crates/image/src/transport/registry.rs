//! `docker://`: registries (OCI distribution specification 1.1, and Docker's
//! registry protocol version 2 that it came from).
//!
//! `client` does requests: redirects, further attempts; `token` logs in, `agents`
//! knows TLS and proxies.
//! `pull` and `push` know what to ask for; `credentials` who asks.

mod agents;
mod challenge;
mod client;
mod credentials;
pub mod download;
mod endpoint;
mod pull;
mod push;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use credentials::{Anonymous, AuthFiles, Credential, Credentials};

pub use super::http::Timeouts;
use super::{Context, Opened, Written};
use crate::error::Result;
use crate::image::Image;
use crate::name::Name;

/// How to talk to registries.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who one is.
    pub credentials: Arc<dyn Credentials>,
    /// Other places that have the images of a host. Only read from.
    pub mirrors: Vec<Mirror>,
    /// Hosts (with port) to talk to in plain HTTP. Those of this machine are
    /// tried with TLS first and without it then; others never without being here.
    pub plain_http: Vec<String>,
    /// Certificates to trust besides those of the system, as PEM.
    pub ca_certificates: Vec<Vec<u8>>,
    /// What to go through.
    pub proxy: Proxy,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Further attempts after one that failed for a reason that may pass.
    pub retries: u32,
    /// The pause before the second attempt; it doubles from there.
    pub pause: Duration,
    /// The value of `User-Agent`.
    pub user_agent: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            credentials: Arc::new(Anonymous),
            mirrors: Vec::new(),
            plain_http: Vec::new(),
            ca_certificates: Vec::new(),
            proxy: Proxy::default(),
            timeouts: Timeouts::default(),
            retries: 4,
            pause: Duration::from_millis(500),
            user_agent: concat!("jettison/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Another place that has the images of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Whose images, for instance `docker.io`.
    pub of_host: String,
    /// `[SCHEME://]HOST[:PORT][/PREFIX]`; the prefix comes before the names of repositories.
    pub base: String,
    /// When it is asked.
    pub turn: Turn,
}

/// When a mirror is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// Before the host itself, which is asked when the mirror cannot help.
    #[default]
    First,
    /// When the host itself does not answer, or answers with a failure of its own.
    Last,
}

/// Proxies, in the form of the well-known variables.
#[derive(Clone, Default)]
pub struct Proxy {
    /// For `http://`: `SCHEME://[NAME:PASSWORD@]HOST[:PORT]`, also `socks5://`.
    pub http: Option<String>,
    /// For `https://`.
    pub https: Option<String>,
    /// Hosts and domains to reach directly; `*` for all. Loopback always is.
    pub except: Vec<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses of proxies carry passwords.
        f.debug_struct("Proxy")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("except", &self.except)
            .finish()
    }
}

/// Opens the image of a name. Its layers are fetched when they are read.
///
/// # Errors
/// [`crate::Error::NotFound`], [`crate::Error::Denied`],
/// [`crate::Error::NoSuchPlatform`], [`crate::Error::Remote`].
pub fn open(name: &Name, options: &Options, context: Context<'_>) -> Result<Opened> {
    pull::open(name, options, context)
}

/// Writes an image under a name: blobs that the registry lacks, then the manifest.
///
/// The manifest stays as it is unless layers had to be compressed.
///
/// # Errors
/// As [`open`]; when a blob cannot be read.
pub fn write(
    image: &Image,
    name: &Name,
    options: &Options,
    context: Context<'_>,
) -> Result<Written> {
    push::write(image, name, options, context)
}
