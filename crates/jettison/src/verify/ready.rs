//! Waiting until a container can be asked something.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use sandbox::ExitStatus;

use super::ask::{self, Part};
use super::side::{Running, Side, State};
use crate::probe::WaitFor;

/// How often is looked. Servers take tens of milliseconds to start.
const INTERVAL: Duration = Duration::from_millis(10);
/// How often the ports are read again although as many sockets are in use as before.
const LOOKS_AGAIN: Duration = Duration::from_millis(100);
/// How long the open ports have to stay the same, if the image does not say which to expect.
const SETTLED: Duration = Duration::from_millis(300);
/// The same, if some that the image exposes do not listen: images expose ports that they use only in some
/// configurations.
pub(super) const SETTLED_WITHOUT_ALL: Duration = Duration::from_secs(3);
/// How long a program that opens no ports has to run to count as one that stays.
const STAYS: Duration = Duration::from_secs(2);
/// The second image has at least so long, and at least [`SLOWER`] times as long as the original took.
const AT_LEAST: Duration = Duration::from_secs(10);
const SLOWER: u32 = 10;

/// What is waited for.
#[derive(Debug)]
pub(super) struct Conditions<'a> {
    pub(super) wait_for: &'a [WaitFor],
    pub(super) exposed: &'a [u16],
    pub(super) timeout: Duration,
    /// How the original started; `None` for the original itself.
    pub(super) reference: Option<&'a Ready>,
}

/// A container that can be asked something, or one that has done its work.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// The ports that listen.
    pub(super) ports: Vec<u16>,
    /// How it ended, and what it wrote.
    pub(super) ended: Option<(ExitStatus, Vec<Part>)>,
    /// Whether there is no command to start at all.
    pub(super) nothing: bool,
    pub(super) elapsed: Duration,
}

/// Waits until a container is ready. The inner error says what it does not do.
pub(super) fn wait(side: &mut Side, conditions: &Conditions<'_>) -> Result<Ready, String> {
    let limit = conditions.reference.map_or(conditions.timeout, |original| {
        conditions
            .timeout
            .min(AT_LEAST.max(original.elapsed * SLOWER))
    });
    let mut seen: (Vec<u16>, Instant) = (Vec::new(), side.started);
    let mut watch = Watch::default();
    loop {
        let elapsed = side.started.elapsed();
        let state = side.state();
        let Some(running) = side.running().filter(|_| state != State::Nothing) else {
            return Ok(Ready {
                ports: Vec::new(),
                ended: None,
                nothing: true,
                elapsed,
            });
        };
        if let State::Ended(status) = state {
            return Ok(Ready {
                ports: Vec::new(),
                ended: Some((status, ask::parts(&running.stdout, &running.stderr))),
                nothing: false,
                elapsed,
            });
        }
        let mut ports = watch.listening(running);
        ports.retain(|port| !side.companions.have(*port));
        if let Some(original) = conditions.reference {
            ports = called_as(&original.ports, &ports, conditions.exposed);
        }
        if ports != seen.0 {
            seen = (ports, Instant::now());
        }
        let observed = Observed {
            running,
            ports: &seen.0,
            unchanged: seen.1.elapsed(),
            elapsed,
        };
        if observed.ready(conditions) {
            return Ok(Ready {
                ports: seen.0,
                ended: None,
                nothing: false,
                elapsed,
            });
        }
        if elapsed > limit {
            let ends = conditions
                .reference
                .is_some_and(|original| original.ended.is_some());
            if ends && conditions.wait_for.is_empty() {
                return Ok(Ready {
                    ports: seen.0,
                    ended: None,
                    nothing: false,
                    elapsed,
                });
            }
            return Err(observed.missing(conditions));
        }
        side.wait(INTERVAL);
    }
}

/// Looks for the end of a program that seemed to stay, for a little longer. On a busy machine one that
/// does its work and ends may take longer than [`STAYS`].
pub(super) fn ended_after_all(side: &mut Side) -> Option<Ready> {
    let until = Instant::now() + AT_LEAST;
    while Instant::now() < until {
        if let State::Ended(status) = side.state() {
            let running = side.running()?;
            let ended = Some((status, ask::parts(&running.stdout, &running.stderr)));
            let elapsed = side.started.elapsed();
            return Some(Ready {
                ports: Vec::new(),
                ended,
                nothing: false,
                elapsed,
            });
        }
        side.wait(INTERVAL);
    }
    None
}

/// What a running container does at the moment.
struct Observed<'a> {
    running: &'a Running,
    ports: &'a [u16],
    unchanged: Duration,
    elapsed: Duration,
}

impl Observed<'_> {
    fn ready(&self, conditions: &Conditions<'_>) -> bool {
        if !conditions.wait_for.is_empty() {
            return conditions.wait_for.iter().all(|one| self.fulfils(one));
        }
        let all = |wanted: &[u16]| wanted.iter().all(|port| self.ports.contains(port));
        match conditions.reference {
            // What does its work and ends is waited for; how long that takes varies.
            Some(original) if original.ended.is_some() => false,
            Some(original) if original.ports.is_empty() => self.elapsed >= original.elapsed,
            Some(original) => all(&original.ports),
            None if conditions.exposed.is_empty() => {
                let settled = !self.ports.is_empty() && self.unchanged >= SETTLED;
                settled || self.elapsed >= STAYS
            }
            None => {
                let some = conditions
                    .exposed
                    .iter()
                    .any(|port| self.ports.contains(port));
                all(conditions.exposed) || some && self.unchanged >= SETTLED_WITHOUT_ALL
            }
        }
    }

    fn fulfils(&self, condition: &WaitFor) -> bool {
        match condition {
            WaitFor::Port(port) => self.ports.contains(port),
            WaitFor::Time(time) => self.elapsed >= *time,
            WaitFor::Text(text) => {
                self.running.stdout.contains(text) || self.running.stderr.contains(text)
            }
            WaitFor::Http(request) => {
                let own = request.port.map(|port| [port]);
                let ports = own.as_ref().map_or(self.ports, |port| port);
                ports
                    .iter()
                    .any(|port| ask::answers(&self.running.container, *port, request))
            }
        }
    }

    /// Says what was waited for in vain.
    fn missing(&self, conditions: &Conditions<'_>) -> String {
        let seconds = self.elapsed.as_secs();
        let unmet = conditions.wait_for.iter().find(|one| !self.fulfils(one));
        if let Some(unmet) = unmet {
            return format!("waited {seconds} s for {unmet} in vain");
        }
        let wanted = conditions
            .reference
            .map_or(conditions.exposed, |original| &original.ports);
        let closed = wanted.iter().filter(|port| !self.ports.contains(port));
        let closed: Vec<String> = closed.map(ToString::to_string).collect();
        format!(
            "nothing listens on port {} after {seconds} s",
            closed.join(", ")
        )
    }
}

/// Ports that the kernel gives to who asks for any (ip(7), `ip_local_port_range`; its default).
const EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

/// Returns the ports that listen under the numbers that they had in the original. One that the kernel chose has another
/// number in every container: where the original has one that is missing here, and here is one that the original does not
/// have, it is the same. What an image exposes is not chosen by the kernel.
fn called_as(original: &[u16], ports: &[u16], exposed: &[u16]) -> Vec<u16> {
    let chosen = |port: &&u16| EPHEMERAL.contains(*port) && !exposed.contains(*port);
    let mut others = ports
        .iter()
        .filter(chosen)
        .filter(|port| !original.contains(port));
    let mut called: Vec<u16> = ports.to_vec();
    for missing in original.iter().filter(chosen) {
        if ports.contains(missing) {
            continue;
        }
        let Some(other) = others.next() else { break };
        called.retain(|port| port != other);
        called.push(*missing);
    }
    called.sort_unstable();
    called
}

/// The ports of a container, looked at again and again.
#[derive(Debug, Default)]
struct Watch {
    sockets: Option<[u32; 2]>,
    read: Option<Instant>,
    ports: Vec<u16>,
}

impl Watch {
    fn listening(&mut self, running: &Running) -> Vec<u16> {
        let sockets = running.container.tcp_sockets();
        let is_fresh = self.read.is_some_and(|read| read.elapsed() < LOOKS_AGAIN);
        if sockets.is_none() || sockets != self.sockets || !is_fresh {
            self.sockets = sockets;
            self.read = Some(Instant::now());
            self.ports = listening(running);
        }
        self.ports.clone()
    }
}

/// Returns the TCP ports that listen in a container, sorted.
pub(super) fn listening(running: &Running) -> Vec<u16> {
    let addresses = running.container.listening_tcp_ports();
    // One that has just ended has none.
    let mut ports: Vec<u16> = addresses
        .unwrap_or_default()
        .iter()
        .map(std::net::SocketAddr::port)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::called_as;

    #[test]
    fn ports_that_the_kernel_chose_have_the_number_of_the_original() {
        let original = [4369, 8080, 41419];
        assert_eq!(
            called_as(&original, &[4369, 8080, 38755], &[8080]),
            original
        );
        assert_eq!(called_as(&original, &original, &[8080]), original);
        // Nothing is there for one that is missing, or what is there is known by its number.
        assert_eq!(called_as(&original, &[4369, 8080], &[8080]), [4369, 8080]);
        assert_eq!(called_as(&original, &[4369, 9000], &[]), [4369, 9000]);
        let exposed = [4369, 8080, 50051];
        assert_eq!(called_as(&exposed, &[8080, 40000], &[50051]), [8080, 40000]);
        // One more than the original has stays what it is.
        let more = [8080, 38755, 39000];
        assert_eq!(called_as(&[8080, 41419], &more, &[]), [8080, 39000, 41419]);
    }
}
