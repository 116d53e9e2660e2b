//! A running container, seen from outside.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;
use std::{fs, io};

use crate::child::Beside;
use crate::trace::{Trace, TraceOptions, Tracing};
use crate::{Error, Exec, HostCommand, IdMapping, Network, Process, Spec, launch, network};

/// A running container. Dropping it kills everything in it, and so does to kill its first program.
#[derive(Debug)]
pub struct Container {
    /// Its first program, pid 1: when it has ended, so has everything else in the container. As everywhere, a signal that
    /// pid 1 has no handler for does nothing to it, except SIGKILL.
    pub main: Process,
    pub(crate) ids: IdMapping,
    pub(crate) network: Network,
    pub(crate) tracing: Option<Tracing>,
}

impl Container {
    /// Returns what programs have asked for so far, if that is recorded.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        let tracing = self.tracing.as_ref();
        tracing
            .filter(|tracing| tracing.options().is_some())
            .map(Tracing::so_far)
    }

    /// Waits until everything in the container has ended, and returns what its programs asked for, if that
    /// is recorded and has not been taken yet.
    pub fn take_trace(&mut self) -> Option<Trace> {
        if self.trace_options().is_some() {
            self.tracing.take().map(Tracing::finish)
        } else {
            None
        }
    }

    /// Returns what is written down of what programs ask for, if anything is.
    pub(crate) fn trace_options(&self) -> Option<&TraceOptions> {
        self.tracing.as_ref()?.options()
    }

    /// Starts a command in a container of its own that shares the network of this one, and its ids. It ends
    /// when this one does.
    ///
    /// # Errors
    /// [`Error::Apart`] when the two cannot share a network, else as [`spawn`](crate::spawn).
    pub fn beside(&self, spec: &Spec) -> Result<Container, Error> {
        launch::spawn_beside(Some(self), spec)
    }

    /// Returns what a container of this spec has to enter to share the network.
    pub(crate) fn shared_with(&self, spec: &Spec) -> Result<Beside<'_>, Error> {
        let monitor = self.main.supervised.monitor();
        let reason = match monitor {
            None => "it has ended",
            Some(_) if spec.ids != self.ids => {
                "their programs run as different users, and this user has only one id"
            }
            Some(_) if spec.network != self.network => "one of them uses another network",
            Some(monitor) => {
                let first = self.main.supervised.process().as_fd();
                return Ok(Beside { monitor, first });
            }
        };
        Err(Error::Apart { reason })
    }

    /// Runs a further command in the container, as `docker exec` does.
    ///
    /// # Errors
    /// As [`spawn`](crate::spawn).
    pub fn exec(&self, exec: &Exec) -> Result<Process, Error> {
        launch::exec(self, exec)
    }

    /// Runs a command of the host that sees the host's files and the container's network, so that a
    /// client can talk to a server which publishes no port. It runs in the container's user namespace,
    /// where the caller is the user that stands for it, usually root; on files of the host it has the
    /// caller's rights.
    ///
    /// # Errors
    /// As [`spawn`](crate::spawn).
    pub fn host_command(&self, command: &HostCommand) -> Result<Process, Error> {
        launch::host_command(self, command)
    }

    /// Connects to an address as the container sees it: `127.0.0.1` is the container itself.
    ///
    /// # Errors
    /// As [`TcpStream::connect_timeout`].
    pub fn tcp_connect(&self, address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        network::connect(self, address, timeout)
    }

    /// Returns the addresses that programs listen on for TCP connections, in the network that the
    /// container sees. With [`Network::Host`] that includes programs of the host.
    ///
    /// # Errors
    /// If the container has ended.
    pub fn listening_tcp_ports(&self) -> Result<Vec<SocketAddr>, Error> {
        let mut found = Vec::new();
        for file in ["tcp", "tcp6"] {
            let path = format!("/proc/{}/net/{file}", self.main.pid());
            match fs::read_to_string(&path) {
                Ok(text) => found.extend(network::listening(&text)),
                // A kernel without IPv6 has no tcp6.
                Err(error) if file == "tcp6" && error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(Error::Path {
                        action: "read",
                        path: path.into(),
                        source,
                    });
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Returns how many TCP sockets of the container's network listen or are connected, over IPv4 and IPv6; `None` if
    /// the kernel does not say. To ask costs next to nothing; [`Container::listening_tcp_ports`] has the kernel walk
    /// a table whose size is that of the host's memory.
    pub fn tcp_sockets(&self) -> Option<[u32; 2]> {
        let count = |file: &str, protocol: &str| {
            let text = fs::read_to_string(format!("/proc/{}/net/{file}", self.main.pid())).ok()?;
            network::sockets_in_use(&text, protocol)
        };
        // A kernel without IPv6 has no sockstat6.
        Some([
            count("sockstat", "TCP")?,
            count("sockstat6", "TCP6").unwrap_or(0),
        ])
    }
}
