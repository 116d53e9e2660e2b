//! What the environment says of registries and engines: the variables and files
//! of docker, podman and curl.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place where these are read"
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::transport::registry::{AuthFiles, Mirror, Proxy};
use image::transport::{engine, registry};

use crate::args::Network;

/// Returns the value of a variable, also an empty one.
pub(crate) fn value(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns the whole environment, for commands of this machine.
pub(crate) fn all() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the first of these that is set, in lower or upper case.
fn either_case(name: &str) -> Option<String> {
    variable(&name.to_ascii_lowercase()).or_else(|| variable(&name.to_ascii_uppercase()))
}

/// How to talk to registries: logins as containers-auth.json(5) and Docker's
/// `config.json` have them, proxies as curl(1) reads them.
pub(crate) fn registry(network: &Network) -> anyhow::Result<registry::Options> {
    let credentials = AuthFiles::read(login_files(network.authfile.as_deref()))?;
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|source| image::Error::File {
            verb: "read",
            path: path.clone(),
            source,
        })
    };
    Ok(registry::Options {
        credentials: Arc::new(credentials),
        mirrors: network.mirror.clone(),
        plain_http: network.plain_http.clone(),
        ca_certificates: network.cacert.iter().map(read).collect::<Result<_, _>>()?,
        proxy: Proxy {
            // `HTTP_PROXY` in upper case can be set by a header of a CGI request.
            http: variable("http_proxy"),
            https: either_case("https_proxy").or_else(|| either_case("all_proxy")),
            except: either_case("no_proxy")
                .map(|hosts| {
                    hosts
                        .split(',')
                        .map(|host| host.trim().to_owned())
                        .collect()
                })
                .unwrap_or_default(),
        },
        ..registry::Options::default()
    })
}

fn login_files(asked: Option<&Path>) -> Vec<PathBuf> {
    if let Some(asked) = asked {
        return vec![asked.to_path_buf()];
    }
    let home = variable("HOME").map(PathBuf::from);
    let under = |directory: Option<PathBuf>, rest: &str| directory.map(|dir| dir.join(rest));
    [
        variable("REGISTRY_AUTH_FILE").map(PathBuf::from),
        under(
            variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            "containers/auth.json",
        ),
        under(
            variable("XDG_CONFIG_HOME")
                .map(PathBuf::from)
                .or_else(|| under(home.clone(), ".config")),
            "containers/auth.json",
        ),
        under(
            variable("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| under(home, ".docker")),
            "config.json",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Where engines may be: as docker(1) and podman(1) find theirs.
pub(crate) fn engine() -> engine::Options {
    let asked = variable("DOCKER_HOST").or_else(|| variable("CONTAINER_HOST"));
    let endpoints = match asked {
        Some(endpoint) => vec![endpoint],
        None => {
            let runtime = variable("XDG_RUNTIME_DIR")
                .unwrap_or_else(|| format!("/run/user/{}", rustix::process::geteuid().as_raw()));
            vec![
                "unix:///var/run/docker.sock".to_owned(),
                format!("unix://{runtime}/docker.sock"),
                format!("unix://{runtime}/podman/podman.sock"),
                "unix:///run/podman/podman.sock".to_owned(),
            ]
        }
    };
    engine::Options {
        endpoints,
        ..engine::Options::default()
    }
}

/// Parses `HOST=BASE`, or a base for Docker Hub.
pub(crate) fn parse_mirror(text: &str) -> Result<Mirror, String> {
    let (of_host, base) = text.split_once('=').unwrap_or(("docker.io", text));
    if base.is_empty() || of_host.is_empty() {
        return Err("expected [HOST=]MIRROR, such as docker.io=mirror.example".to_owned());
    }
    Ok(Mirror {
        of_host: of_host.to_owned(),
        base: base.to_owned(),
        turn: Default::default(),
    })
}

/// Returns a text that is another one for every build of this program.
pub(crate) fn program() -> String {
    use std::os::unix::fs::MetadataExt;
    let built = std::env::current_exe()
        .and_then(std::fs::metadata)
        .map_or_else(
            |_| String::new(),
            |m| format!("{}-{}.{}", m.len(), m.mtime(), m.mtime_nsec()),
        );
    format!("{} {built}", env!("CARGO_PKG_VERSION"))
}
