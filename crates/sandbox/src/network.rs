//! Reaching into the network of a container.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use crate::launch::{listen, start};
use crate::message::channel;
use crate::supervise::ready;
use crate::{Container, Network, child};

/// State of a listening socket in `/proc/net/tcp` (`TCP_LISTEN`).
const LISTENING: &str = "0A";

/// Connects to an address in the network of a container.
///
/// A socket belongs to the network it was made in, wherever it is used. So a child goes there to make
/// one, and the rest happens here.
pub(crate) fn connect(
    container: &Container,
    address: SocketAddr,
    timeout: Duration,
) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = if container.network == Network::Host {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        socket_with(family, SocketType::STREAM, flags, None)?
    } else {
        let (report, report_child) = channel()?;
        let init = container.main.supervised.process().as_fd();
        let helper = start(0, || child::make_socket(init, family, report_child.as_fd()))?;
        drop(report_child);
        let heard = listen(report.as_fd()).map_err(io::Error::other)?;
        drop(helper);
        heard.socket.ok_or(io::ErrorKind::NotConnected)?
    };
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            if !ready(socket.as_fd(), PollFlags::OUT, timeout)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sockopt::socket_error(&socket)??;
        }
        Err(errno) => return Err(errno.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Returns the listening addresses in the text of `/proc/net/tcp` or `/proc/net/tcp6`.
pub(crate) fn listening(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next()?;
            (fields.nth(1)? == LISTENING)
                .then(|| address(local))
                .flatten()
        })
        .collect()
}

/// Returns the sockets in use of a protocol, in the text of `/proc/net/sockstat`: of TCP those that listen or are
/// connected (proc_net(5), `inuse`).
pub(crate) fn sockets_in_use(text: &str, protocol: &str) -> Option<u32> {
    let lines = text.lines().filter_map(|line| line.split_once(": inuse "));
    let mut counts = lines.filter(|(name, _)| *name == protocol);
    let (_, rest) = counts.next()?;
    rest.split(' ').next()?.parse().ok()
}

/// Reads an address as the kernel prints it: 32-bit words in the machine's order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_by_protocol() {
        let text =
            "sockets: used 26\nTCP: inuse 12 orphan 0 tw 76 alloc 1 mem 238\nUDP: inuse 3 mem 0\n";
        assert_eq!(sockets_in_use(text, "TCP"), Some(12));
        assert_eq!(sockets_in_use(text, "UDP"), Some(3));
        assert_eq!(sockets_in_use(text, "TCP6"), None);
    }

    #[test]
    fn listening_sockets_are_found_in_the_kernels_table() {
        let text = "  sl  local_address rem_address   st tx_queue\n\
            0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0\n\
            1: 0100007F:18EC 0100007F:1234 01 00000000:00000000 00:00000000 00000000  0\n\
            2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0\n\
            3: damaged 0 0A\n";
        let found: Vec<_> = listening(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.1:6379", "[::1]:80"]);
    }
}
