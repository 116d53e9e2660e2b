//! From an image's config, and what a person asks for beyond it, to what to run and where.

use std::ffi::OsString;
use std::path::PathBuf;

use image::{Config, FileSystem, Image, Platform};
use sandbox::{IdMapping, Mount, Network, Spec, Streams, default_hosts};

use super::Error;
use super::user::Users;

/// Docker's `PATH` for an image that has none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a person asks for beyond what the image says; the flags of `docker run`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// In place of the image's `Cmd`.
    pub command: Vec<String>,
    /// In place of the image's `Entrypoint` and `Cmd`; an empty one only takes those away.
    pub entrypoint: Option<String>,
    /// Variables to set, and without a value to take away; the last one counts.
    pub env: Vec<(String, Option<String>)>,
    /// In place of the image's `WorkingDir`.
    pub working_dir: Option<String>,
    /// In place of the image's `User`.
    pub user: Option<String>,
    /// Host name; otherwise the beginning of the image id.
    pub hostname: Option<String>,
    /// What the container reaches.
    pub network: Network,
    /// Further names of the container itself, in `/etc/hosts`.
    pub local_names: Vec<String>,
    /// Directories and files of the host.
    pub mounts: Vec<Mount>,
    /// Whether the root cannot be written to.
    pub read_only: bool,
    /// Whether the program gets a terminal.
    pub terminal: bool,
    /// What the streams are connected to.
    pub streams: Streams,
}

/// Checks that this machine can execute what is in an image.
///
/// # Errors
/// [`Error::Platform`].
pub fn check_platform(image: &Image) -> Result<(), Error> {
    let (own, host) = (image.platform(), Platform::host());
    // A 64-bit kernel runs the 32-bit programs of its architecture. An image that does not say what it is
    // for, as images made by hand, is given the benefit of the doubt.
    let runs = match (&*host.architecture, &*own.architecture) {
        (_, "") | ("amd64", "386") => true,
        (host, own) => host == own,
    };
    if own.os == host.os && runs {
        Ok(())
    } else {
        Err(Error::Platform {
            image: own.into(),
            host: host.into(),
        })
    }
}

/// Decides what to run, and in which surroundings. The root directory stays empty: it is
/// an [`Unpacked`](super::Unpacked), made for the ids that are decided here.
///
/// # Errors
/// When the image is for another machine, names a user that it does not have, or no command.
pub fn plan(
    image: &Image,
    files: &FileSystem,
    settings: &Settings,
    ids: &IdMapping,
) -> Result<Spec, Error> {
    check_platform(image)?;
    let config = image.config();
    let found = Users::read(files).find(settings.user.as_deref().unwrap_or(config.user()))?;
    let argv = command(config, settings)?;
    let hostname = match &settings.hostname {
        Some(name) => name.clone(),
        None => image.id().hex().chars().take(12).collect(),
    };
    let working_dir = settings
        .working_dir
        .as_deref()
        .unwrap_or(config.working_dir());
    if !working_dir.starts_with('/') {
        return Err(Error::Relative {
            what: "the working directory",
            path: working_dir.to_owned(),
        });
    }
    // Where there is only one id, it has to be the one that the program runs with.
    let ids = match ids {
        IdMapping::Single { .. } => IdMapping::Single {
            inside_uid: found.user.uid,
            inside_gid: found.user.gid,
        },
        other => other.clone(),
    };
    let mut spec = Spec::new(PathBuf::new(), argv, ids);
    spec.env = environment(config, settings, &hostname, &found.home);
    spec.cwd = working_dir.into();
    spec.user = found.user;
    (spec.hosts, spec.resolv_conf) = names(settings, &hostname);
    spec.hostname = hostname;
    spec.network = settings.network;
    spec.mounts = volumes(config, files, settings);
    if settings.read_only {
        // A volume can be written to all the same.
        spec.scratch
            .extend(config.volumes().iter().map(PathBuf::from));
    }
    spec.read_only = settings.read_only;
    spec.terminal = settings.terminal;
    spec.streams = settings.streams;
    Ok(spec)
}

/// Entry point and command, with what replaces them. As in docker, another entry point takes the image's
/// command away, which was meant for the old one.
fn command(config: &Config, settings: &Settings) -> Result<Vec<OsString>, Error> {
    let mut words = match &settings.entrypoint {
        Some(program) => vec![program.clone()],
        None => config.entrypoint(),
    };
    words.retain(|word| settings.entrypoint.is_none() || !word.is_empty());
    if settings.command.is_empty() && settings.entrypoint.is_none() {
        words.extend(config.cmd());
    } else {
        words.extend(settings.command.iter().cloned());
    }
    if words.is_empty() {
        return Err(Error::NoCommand);
    }
    Ok(words.into_iter().map(OsString::from).collect())
}

/// The whole environment: docker's own variables, then the image's, then those asked for.
fn environment(
    config: &Config,
    settings: &Settings,
    hostname: &str,
    home: &str,
) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: Option<&str>| {
        let at = variables.iter().position(|(known, _)| known == name);
        match (at, value) {
            (Some(at), Some(value)) => value.clone_into(&mut variables[at].1),
            (Some(at), None) => drop(variables.remove(at)),
            (None, Some(value)) => variables.push((name.to_owned(), value.to_owned())),
            (None, None) => {}
        }
    };
    set("PATH", Some(PATH));
    set("HOSTNAME", Some(hostname));
    if settings.terminal {
        set("TERM", Some("xterm"));
    }
    for line in config.env() {
        let (name, value) = line.split_once('=').unwrap_or((&line, ""));
        set(name, Some(value));
    }
    for (name, value) in &settings.env {
        set(name, value.as_deref());
    }
    // Only where nobody has said otherwise (runc does the same).
    if variables
        .iter()
        .all(|(name, value)| name != "HOME" || value.is_empty())
    {
        variables.retain(|(name, _)| name != "HOME");
        variables.push(("HOME".to_owned(), home.to_owned()));
    }
    variables
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// `/etc/hosts` and `/etc/resolv.conf`. The host's, where its network is used; else there is no name
/// server to ask, and saying so lets a look-up fail at once instead of after a time-out.
fn names(settings: &Settings, hostname: &str) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    match settings.network {
        Network::Host => {
            let read = |path| std::fs::read(path).ok();
            (read("/etc/hosts"), read("/etc/resolv.conf"))
        }
        Network::Private | Network::None => {
            let mut hosts = default_hosts(hostname);
            for name in &settings.local_names {
                hosts.extend_from_slice(format!("127.0.0.1\t{name}\n").as_bytes());
            }
            (Some(hosts), Some(Vec::new()))
        }
    }
}

/// What is mounted: what was asked for, and an empty directory for each volume that the image lacks. Those
/// that it has are directories of the root, which can be written to.
fn volumes(config: &Config, files: &FileSystem, settings: &Settings) -> Vec<Mount> {
    let mut mounts = settings.mounts.clone();
    for volume in config.volumes() {
        let target = PathBuf::from(&volume);
        let mounted = mounts.iter().any(|mount| *mount.target() == target);
        let there = files.tree.resolve(volume.as_bytes()).is_ok();
        if target.is_absolute() && !mounted && !there {
            mounts.push(Mount::Tmpfs {
                target,
                mode: 0o755,
                size: None,
            });
        }
    }
    mounts
}
