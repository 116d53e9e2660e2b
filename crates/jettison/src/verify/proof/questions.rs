//! Which questions are put, and on which ports.

use std::time::Duration;

use super::{AT_LEAST, Error, Interview, Proof, exposed_tcp_ports};
use crate::probe::{Probe, Request, http};
use crate::verify::ask;

impl Proof<'_> {
    /// What the original is asked: the probes, a request without a port once for each that speaks HTTP. These belong
    /// together.
    pub(super) fn questions(&self, original: &mut Interview<'_>) -> Vec<Vec<Probe>> {
        let exposed = exposed_tcp_ports(original.subject.image);
        let listening = original.start.as_ref().map(|ready| ready.ports.clone());
        let candidates = match exposed.is_empty() {
            true => &listening.unwrap_or_default(),
            false => &exposed,
        };
        let default = [Probe::http(http::Request::get("/"))];
        let implied = self.plan.probes.is_empty();
        let probes: &[Probe] = if implied { &default } else { &self.plan.probes };
        let mut speaking: Option<Vec<u16>> = None;
        let mut questions = Vec::new();
        for probe in probes {
            match &probe.request {
                Request::Http(request) if request.port.is_none() => {
                    let ports = speaking.get_or_insert_with(|| {
                        // Somebody says that there is one: it may accept connections before it answers.
                        let patience = if implied {
                            Duration::ZERO
                        } else {
                            self.plan.timeout
                        };
                        ask::http_ports(&mut original.side, candidates, patience)
                    });
                    let on = |port: &u16| {
                        let mut probe = probe.clone();
                        probe.set_port(*port);
                        if implied {
                            // Whatever it says to a request that nobody has thought about is right.
                            probe.accept_any_status();
                        }
                        probe
                    };
                    match ports.is_empty() {
                        false => questions.push(ports.iter().map(on).collect()),
                        // Asking without a port fails and says so.
                        true if !implied => questions.push(vec![probe.clone()]),
                        true => {}
                    }
                }
                _ => questions.push(vec![probe.clone()]),
            }
        }
        questions
    }

    /// Asks the original the same on several ports, and one that was started beside it: what no port is named for has
    /// to be answered as wanted on one of them, on the others in the same way. Returns what was asked.
    pub(super) fn ask_group(
        &self,
        first: &mut Interview<'_>,
        mut beside: Option<&mut Interview<'_>>,
        group: Vec<Probe>,
    ) -> Result<Vec<Probe>, Error> {
        let mut asked = Vec::new();
        let mut mistake = None;
        let mut is_answered = false;
        for mut probe in group {
            if is_answered {
                probe.accept_any_status();
            }
            self.put(first, &probe, self.plan.timeout)?;
            let last = first.answers.last();
            match last.and_then(|asked| asked.answer.mistake(&probe)) {
                Some(reason) => {
                    mistake.get_or_insert_with(|| (probe.name(), reason));
                    probe.accept_any_status();
                }
                None => is_answered = true,
            }
            let limit = last.map_or(AT_LEAST, |asked| self.limit(asked.elapsed));
            if let Some(beside) = &mut beside {
                self.put(beside, &probe, limit)?;
            }
            asked.push(probe);
        }
        match mistake {
            Some((name, reason)) if !is_answered => Err(first.mistake(&name, reason)),
            _ => Ok(asked),
        }
    }
}
