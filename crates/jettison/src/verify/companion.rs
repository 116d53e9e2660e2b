//! Images that run beside both sides of a proof: the database of a web application, its cache.
//!
//! As in a pod, all share one network: whoever connects to the name of a companion, or to
//! `localhost`, reaches it. Each side has companions of its own, so that neither sees what the other
//! wrote.

use std::path::Path;
use std::time::{Duration, Instant};

use image::{FileSystem, Image};
use sandbox::{Container, IdMapping, Network, Spec, Stdio, Streams};

use super::ask::Status;
use super::proof::exposed_tcp_ports;
use super::side::{self, Running};
use super::{Error, ready};
use crate::container::{self, Settings, Unpacked};

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(10);

/// An image that runs beside both sides.
#[derive(Debug)]
pub struct Companion {
    /// The host name that it is reached by.
    pub name: String,
    spec: Spec,
    /// Ports that listen when it is ready.
    ports: Vec<u16>,
    /// Whatever decides what it does.
    key: String,
    _unpacked: Unpacked,
}

impl Companion {
    /// Prepares an image that is reached as `name`.
    ///
    /// # Errors
    /// When it cannot be run here, or not be unpacked below the existing directory `scratch`.
    pub fn new(
        name: &str,
        image: &Image,
        files: &FileSystem,
        settings: &Settings,
        ids: &IdMapping,
        scratch: &Path,
    ) -> Result<Self, container::Error> {
        let settings = Settings {
            hostname: Some(name.to_owned()),
            network: Network::Private,
            streams: Streams {
                stdin: Stdio::Null,
                ..Streams::all(Stdio::Piped)
            },
            ..settings.clone()
        };
        let mut spec = container::plan(image, files, &settings, ids)?;
        let key = format!("{name} {} {:?} {:?}", image.id(), spec.argv, spec.env);
        let unpacked = Unpacked::new(files, &spec.ids, scratch)?;
        unpacked.prepare(&mut spec);
        Ok(Self {
            name: name.to_owned(),
            spec,
            ports: exposed_tcp_ports(image),
            key,
            _unpacked: unpacked,
        })
    }

    /// Returns a text that is the same for companions that do the same.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// The companions of one side, running. The first one's network is that of all.
#[derive(Debug, Default)]
pub(super) struct Companions {
    running: Vec<Running>,
    /// Ports of the shared network that are theirs.
    ports: Vec<u16>,
}

impl Companions {
    /// Starts them in their order, each when the one before is ready.
    pub(super) fn start(wanted: &[Companion], timeout: Duration) -> Result<Self, Error> {
        let mut companions = Self::default();
        for companion in wanted {
            let failed = |source| Error::Container {
                image: companion.name.clone(),
                source,
            };
            let mistake = |reason: String, log| Error::Companion {
                name: companion.name.clone(),
                reason,
                log,
            };
            let mut running = side::spawn(&companions, &companion.spec)
                .map_err(failed)?
                .map_err(|reason| mistake(reason, Vec::new()))?;
            let ready = companions.wait(&mut running, &companion.ports, timeout);
            ready.map_err(|reason| mistake(reason, running.last_lines()))?;
            companions.ports = ready::listening(&running);
            companions.running.push(running);
        }
        Ok(companions)
    }

    /// Starts a container in the network of the companions, or in one of its own if there are none.
    pub(super) fn spawn(&self, spec: &Spec) -> Result<Container, sandbox::Error> {
        match self.running.first() {
            Some(first) => first.container.beside(spec),
            None => sandbox::spawn(spec),
        }
    }

    /// Returns whether a port was there before the container of the side was started.
    pub(super) fn have(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// Waits until a companion listens on the ports that its image exposes.
    fn wait(
        &self,
        running: &mut Running,
        exposed: &[u16],
        timeout: Duration,
    ) -> Result<(), String> {
        let started = Instant::now();
        let mut seen = (0, started);
        loop {
            match running.container.main.wait_timeout(INTERVAL) {
                Ok(None) => {}
                Ok(Some(status)) => {
                    running.stdout.settle();
                    running.stderr.settle();
                    return Err(format!("it ended: {}", Status::Exit(status)));
                }
                Err(error) => return Err(error.to_string()),
            }
            let ports = ready::listening(running);
            let listens = |port: &&u16| ports.contains(port) && !self.have(**port);
            let open = exposed.iter().filter(listens).count();
            if open != seen.0 {
                seen = (open, Instant::now());
            }
            let settled = open > 0 && seen.1.elapsed() >= ready::SETTLED_WITHOUT_ALL;
            if open == exposed.len() || settled {
                return Ok(());
            }
            if started.elapsed() > timeout {
                let seconds = timeout.as_secs();
                return Err(format!("it does not listen after {seconds} s"));
            }
        }
    }
}
