//! The proof: two images are asked the same, and their answers are compared.
//!
//! Each image runs in a container of its own, with a network of its own. Both start at once
//! and are asked in turn. What the original answers decides what is expected,
//! and a probe that fails on the original is a mistake of the probe ([`Error::Mistake`]), not a finding.
//!
//! [`crate::probe`] says what can be asked and which differences do not count. In here: `side` is one
//! running image, `ready` waits for it, `ask` puts a question to it, `compare` compares.

mod ask;
mod compare;
mod diff;
mod output;
mod ready;
mod side;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::{FileSystem, Image};
use sandbox::{IdMapping, Mount};
use serde::Serialize;

use crate::container::{self, Settings};
use crate::probe::http::{self, Expect};
use crate::probe::{Probe, Request, WaitFor};

pub use compare::Difference;

use ask::Answer;
use side::{Side, State};

/// One of the two images.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// As reports call it.
    pub name: &'a str,
    /// The image.
    pub image: &'a Image,
    /// Its files.
    pub files: &'a FileSystem,
}

/// What is asked, and under which circumstances.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How both containers are started.
    pub settings: Settings,
    /// What is asked, in this order. Nothing: GET / on every port that speaks HTTP.
    pub probes: Vec<Probe>,
    /// When a container is ready; nothing: when its ports listen.
    pub wait_for: Vec<WaitFor>,
    /// How long starting may take, and each probe.
    pub timeout: Duration,
}

/// Where containers run.
#[derive(Debug, Clone)]
pub struct Surroundings<'a> {
    /// Which ids of the host stand for those of the containers.
    pub ids: &'a IdMapping,
    /// An existing directory for unpacked files.
    pub scratch: &'a Path,
    /// The environment of commands of the host.
    pub env: Vec<(OsString, OsString)>,
    /// Their working directory.
    pub cwd: PathBuf,
    /// Told what is being done.
    pub progress: &'a dyn image::Progress,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether every answer was the same.
    pub same: bool,
    /// How both images started and ended, then what they were asked.
    pub probes: Vec<Outcome>,
    /// The last lines that the second image wrote, when something differs.
    pub log: Vec<String>,
}

/// What came of one probe.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What was asked.
    pub probe: String,
    /// Whether both answered the same.
    pub same: bool,
    /// In a few words, what the original answered.
    pub answer: String,
    /// Where the answers differ.
    pub differences: Vec<Difference>,
    /// Parts that vary by themselves: lines that the original does not repeat were left out.
    pub unstable: Vec<&'static str>,
    /// Seconds that the original took.
    pub seconds: f64,
}

impl Outcome {
    /// Whether more than the status differs.
    fn may_vary(&self) -> bool {
        self.differences.iter().any(Difference::may_vary)
    }
}

/// What can go wrong with a proof, apart from its answer being no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A container cannot be made.
    #[error("cannot run `{image}`")]
    Container {
        /// Which image.
        image: String,
        /// Why not.
        source: container::Error,
    },
    /// The original does not do what a probe expects of it.
    #[error("the probe `{probe}` fails on the original: {reason}{}", last_lines(.log))]
    Mistake {
        /// Which probe.
        probe: String,
        /// What happened.
        reason: String,
        /// The last lines that the original wrote.
        log: Vec<String>,
    },
}

fn last_lines(log: &[String]) -> String {
    if log.is_empty() {
        return String::new();
    }
    let lines: String = log.iter().map(|line| format!("\n  | {line}")).collect();
    format!("; its last output:{lines}")
}

/// Name of the part of a proof that is not a probe: starting, and staying up.
const START: &str = "start";
const END: &str = "stay up";

/// Asks both images the same and compares their answers.
///
/// # Errors
/// [`Error::Mistake`] when the original does not answer as expected; otherwise when containers cannot be
/// made here at all. An image that cannot be started although the original can is not an error but a
/// difference.
pub fn verify(
    original: Subject<'_>,
    other: Subject<'_>,
    plan: &Plan,
    surroundings: &Surroundings<'_>,
) -> Result<Verdict, Error> {
    let mut plan = plan.clone();
    let name = || original.image.id().hex().chars().take(12).collect();
    // What a program says of its host is then the same.
    plan.settings.hostname.get_or_insert_with(name);
    Proof {
        plan: &plan,
        surroundings,
    }
    .run(original, other)
}

struct Proof<'a> {
    plan: &'a Plan,
    surroundings: &'a Surroundings<'a>,
}

/// Everything that one image did.
struct Record {
    start: Result<ready::Ready, String>,
    answers: Vec<Asked>,
    end: State,
    log: Vec<String>,
}

/// A question and its answer.
struct Asked {
    probe: Probe,
    answer: Answer,
    elapsed: Duration,
}

impl Proof<'_> {
    fn run(&self, original: Subject<'_>, other: Subject<'_>) -> Result<Verdict, Error> {
        let (expected, seen) = self.round(original, other)?;
        let mut outcomes = compare::records(&expected, &seen);
        // Programs say things that nobody can predict. What differs has to differ again, and only what the
        // original repeats can differ.
        if outcomes.iter().any(Outcome::may_vary) {
            let (expected_again, seen_again) = self.round(original, other)?;
            let again = [&expected_again, &seen_again];
            compare::confirm(&mut outcomes, [&expected, &seen], again);
        }
        self.surroundings.progress.end();
        let same = outcomes.iter().all(|outcome| outcome.same);
        Ok(Verdict {
            same,
            probes: outcomes,
            log: if same { Vec::new() } else { seen.log },
        })
    }

    /// Asks both images everything once.
    fn round(&self, original: Subject<'_>, other: Subject<'_>) -> Result<(Record, Record), Error> {
        let progress = self.surroundings.progress;
        // Two containers that write to the same directory of the host would disturb one another.
        let at_once = !self.plan.settings.mounts.iter().any(writable);
        progress.begin("starting", None);
        let mut first = self.interview(original)?;
        let mut second = at_once.then(|| self.interview(other)).transpose()?;
        self.wait(&mut first, None);
        if let Err(reason) = &first.start {
            return Err(first.mistake(START, reason.clone()));
        }
        if let Some(second) = &mut second {
            self.wait(second, first.start.as_ref().ok());
            let stays = |start: &Result<ready::Ready, String>| {
                start
                    .as_ref()
                    .is_ok_and(|ready| ready.ended.is_none() && ready.ports.is_empty())
            };
            let ended = second
                .start
                .as_ref()
                .is_ok_and(|ready| ready.ended.is_some());
            if ended
                && stays(&first.start)
                && let Some(ready) = ready::ended_after_all(&mut first.side)
            {
                first.start = Ok(ready);
            }
        }
        progress.begin("asking", None);
        let questions = self.questions(&first);
        // In turn, so that both have the same age when they are asked.
        for probe in &questions {
            self.ask(&mut first, probe)?;
            let answer = first
                .answers
                .last()
                .and_then(|asked| asked.answer.mistake(probe));
            if let Some(reason) = answer {
                return Err(first.mistake(&probe.name(), reason));
            }
            if let Some(second) = &mut second {
                self.ask(second, probe)?;
            }
        }
        let expected = first.finish(None, self.plan.timeout);
        let second = match second {
            Some(second) => second,
            None => {
                let mut second = self.interview(other)?;
                self.wait(&mut second, expected.start.as_ref().ok());
                for probe in &questions {
                    self.ask(&mut second, probe)?;
                }
                second
            }
        };
        let seen = second.finish(Some(&expected.end), self.plan.timeout);
        Ok((expected, seen))
    }

    fn interview<'s>(&self, subject: Subject<'s>) -> Result<Interview<'s>, Error> {
        let side = Side::start(subject, &self.plan.settings, self.surroundings);
        Ok(Interview {
            side: side.map_err(|source| subject.error(source))?,
            subject,
            start: Err(String::new()),
            answers: Vec::new(),
        })
    }

    /// Waits until a container is ready; `reference` is how the original started.
    fn wait(&self, interview: &mut Interview<'_>, reference: Option<&ready::Ready>) {
        let exposed = exposed_tcp_ports(interview.subject.image);
        let conditions = ready::Conditions {
            wait_for: &self.plan.wait_for,
            exposed: &exposed,
            timeout: self.plan.timeout,
            reference,
        };
        interview.start = match interview.side.failure() {
            Some(failure) => Err(failure),
            None => ready::wait(&mut interview.side, &conditions),
        };
    }

    /// Asks one thing, if the container has started.
    fn ask(&self, interview: &mut Interview<'_>, probe: &Probe) -> Result<(), Error> {
        if interview.start.is_err() {
            return Ok(());
        }
        let began = Instant::now();
        let answer = ask::ask(
            &mut interview.side,
            probe,
            self.surroundings,
            self.plan.timeout,
        )
        .map_err(|source| interview.subject.error(source))?;
        interview.answers.push(Asked {
            probe: probe.clone(),
            answer,
            elapsed: began.elapsed(),
        });
        Ok(())
    }

    /// What the original is asked: the probes, a request without a port once for each that speaks HTTP.
    fn questions(&self, original: &Interview<'_>) -> Vec<Probe> {
        let exposed = exposed_tcp_ports(original.subject.image);
        let listening = original
            .start
            .as_ref()
            .map_or(&[][..], |ready| &ready.ports);
        let candidates = if exposed.is_empty() {
            listening
        } else {
            &exposed
        };
        let default = [Probe::http(http::Request::get("/"))];
        let implied = self.plan.probes.is_empty();
        let probes: &[Probe] = if implied { &default } else { &self.plan.probes };
        let mut speaking: Option<Vec<u16>> = None;
        let mut questions = Vec::new();
        for probe in probes {
            match &probe.request {
                Request::Http(request) if request.port.is_none() => {
                    let ports =
                        speaking.get_or_insert_with(|| ask::http_ports(&original.side, candidates));
                    for port in ports.iter() {
                        let mut request = request.clone();
                        request.port = Some(*port);
                        let mut probe = probe.clone();
                        if implied {
                            // Whatever it says to a request that nobody has thought about is right.
                            request.expect = Expect::Any;
                        }
                        probe.request = Request::Http(request);
                        questions.push(probe);
                    }
                    // Asking without a port fails and says so.
                    if ports.is_empty() && !implied {
                        questions.push(probe.clone());
                    }
                }
                _ => questions.push(probe.clone()),
            }
        }
        questions
    }
}

/// An image being asked.
struct Interview<'s> {
    side: Side,
    subject: Subject<'s>,
    start: Result<ready::Ready, String>,
    answers: Vec<Asked>,
}

impl Interview<'_> {
    fn mistake(&self, probe: &str, reason: String) -> Error {
        Error::Mistake {
            probe: probe.to_owned(),
            reason,
            log: self.side.last_lines(),
        }
    }

    /// Ends it, and returns everything that it did. `expected` is how the original ended.
    fn finish(mut self, expected: Option<&State>, timeout: Duration) -> Record {
        let end = match expected {
            // What ended by itself may take its time.
            Some(State::Ended(_)) => self.side.wait(timeout),
            _ => self.side.state(),
        };
        Record {
            start: self.start,
            answers: self.answers,
            end,
            log: self.side.last_lines(),
        }
    }
}

impl Subject<'_> {
    fn error(&self, source: container::Error) -> Error {
        Error::Container {
            image: self.name.to_owned(),
            source,
        }
    }
}

fn writable(mount: &Mount) -> bool {
    matches!(mount, Mount::Bind { read_only, .. } if !read_only)
}

/// The TCP ports that an image exposes (`6379/tcp`; without a protocol it is TCP).
fn exposed_tcp_ports(image: &Image) -> Vec<u16> {
    let ports = image.config().exposed_ports();
    let number = |text: &String| {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        (protocol == "tcp").then(|| number.parse().ok()).flatten()
    };
    ports.iter().filter_map(number).collect()
}
