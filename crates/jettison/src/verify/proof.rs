//! Asking: the original first, then another image, as often as it takes.

mod questions;

use std::time::{Duration, Instant};

use image::{FileSystem, Image};
use sandbox::{Mount, Trace, TraceOptions};

use super::ask::{self, Answer};
use super::companion::Companions;
use super::side::{Ending, Side, State};
use super::{Error, Outcome, Plan, Subject, Surroundings, Verdict, compare, ready};
use crate::container;
use crate::probe::Probe;

/// The second image has at least so long to answer, and at least [`SLOWER`] times as long as the original took.
const AT_LEAST: Duration = Duration::from_secs(1);
const SLOWER: u32 = 10;

/// Name of the part of a proof that is not a probe: starting, and staying up.
pub(super) const START: &str = "start";
pub(super) const END: &str = "stay up";

/// A proof in two parts: first the original is asked, then, once or several times, another image.
///
/// Between them the other image can be made, from what the original was seen to use.
#[derive(Debug)]
pub struct Proof<'a> {
    plan: Plan,
    surroundings: &'a Surroundings<'a>,
    /// Whether to record what programs ask for.
    traced: bool,
}

/// An original that was asked.
#[derive(Debug)]
pub struct Expected<'s> {
    subject: Subject<'s>,
    /// Its container, as long as it may turn out that it should have been given more time.
    running: Option<Side>,
    _ending: Ending,
    questions: Vec<Probe>,
    record: Record,
    /// What its programs asked for.
    pub trace: Option<Trace>,
}

impl<'s> Expected<'s> {
    /// Returns the files of the original.
    #[must_use]
    pub fn files(&self) -> &'s FileSystem {
        self.subject.files
    }
}

/// Another image that was compared with the original.
#[derive(Debug)]
pub struct Compared {
    /// What came of it.
    pub verdict: Verdict,
    /// What its programs asked for.
    pub trace: Option<Trace>,
}

/// Everything that one image did.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) start: Result<ready::Ready, String>,
    pub(super) answers: Vec<Asked>,
    pub(super) end: State,
    pub(super) log: Vec<String>,
}

/// A question and its answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) probe: Probe,
    pub(super) answer: Answer,
    pub(super) elapsed: Duration,
}

/// The other image of a comparison: perhaps started at the same time as the original.
#[derive(Debug)]
pub struct Other<'s> {
    subject: Subject<'s>,
    running: Option<Interview<'s>>,
}

impl<'s> From<Subject<'s>> for Other<'s> {
    fn from(subject: Subject<'s>) -> Self {
        Self {
            subject,
            running: None,
        }
    }
}

impl<'a> Proof<'a> {
    /// Returns a proof against this original. `traced` says whether to record what programs ask for.
    #[must_use]
    pub fn new(
        original: Subject<'_>,
        plan: &Plan,
        surroundings: &'a Surroundings<'a>,
        traced: bool,
    ) -> Self {
        let mut plan = plan.clone();
        let name = || original.image.id().hex().chars().take(12).collect();
        // What a program says of its host is then the same.
        plan.settings.hostname.get_or_insert_with(name);
        let companions = surroundings.companions.iter();
        let names = companions.map(|companion| companion.name.clone());
        plan.settings.local_names.extend(names);
        Self {
            plan,
            surroundings,
            traced,
        }
    }

    /// Starts the original and asks it everything.
    ///
    /// # Errors
    /// [`Error::Mistake`] when it does not answer as expected; otherwise when containers cannot be made here.
    pub fn ask<'s>(&self, original: Subject<'s>) -> Result<Expected<'s>, Error> {
        self.surroundings.progress.begin("starting", None);
        let interview = self.interview(original, self.traced)?;
        self.ask_original(interview, None)
    }

    /// Starts both at once, so that neither waits for the other.
    pub(super) fn both<'s>(
        &self,
        original: Subject<'s>,
        other: Subject<'s>,
    ) -> Result<(Expected<'s>, Other<'s>), Error> {
        self.surroundings.progress.begin("starting", None);
        let first = self.interview(original, false)?;
        // Two containers that write to the same directory of the host would disturb one another.
        let mut running = match self.shares_writes() {
            true => None,
            false => Some(self.interview(other, false)?),
        };
        let expected = self.ask_original(first, running.as_mut())?;
        let other = Other {
            subject: other,
            running,
        };
        Ok((expected, other))
    }

    fn shares_writes(&self) -> bool {
        self.plan.settings.mounts.iter().any(writable)
    }

    /// Asks the original everything, and one that was started beside it the same in turn, so that both have
    /// the same age when they are asked.
    fn ask_original<'s>(
        &self,
        mut first: Interview<'s>,
        mut beside: Option<&mut Interview<'_>>,
    ) -> Result<Expected<'s>, Error> {
        self.wait(&mut first, None);
        if let Err(reason) = &first.start {
            return Err(first.mistake(START, reason.clone()));
        }
        if let Some(beside) = &mut beside {
            self.wait(beside, first.start.as_ref().ok());
            wait_for_end(&mut first.start, &mut first.side, beside);
        }
        self.surroundings.progress.begin("asking", None);
        let mut questions = Vec::new();
        for group in self.questions(&mut first) {
            questions.extend(self.ask_group(&mut first, beside.as_deref_mut(), group)?);
        }
        let record = first.record(None, self.plan.timeout);
        let trace = first.side.trace_so_far();
        let lasts = !self.shares_writes() && may_still_end(&first.start);
        let (running, ending) = match lasts {
            true => (Some(first.side), Ending::default()),
            // Its files take as much memory as the image is large.
            false => (None, Ending::of(first.side)),
        };
        Ok(Expected {
            subject: first.subject,
            running,
            _ending: ending,
            questions,
            record,
            trace,
        })
    }

    /// Asks another image the same and compares its answers.
    ///
    /// # Errors
    /// When containers cannot be made here at all.
    pub fn compare<'s>(
        &self,
        expected: &mut Expected<'_>,
        other: impl Into<Other<'s>>,
    ) -> Result<Compared, Error> {
        let other = other.into();
        let (mut seen, mut trace) = self.ask_other(expected, other.running, other.subject)?;
        let mut outcomes = compare::records(&expected.record, &seen);
        // Programs say things that nobody can predict. What differs has to differ again, and only what the
        // original repeats can differ.
        if outcomes.iter().any(Outcome::may_vary) {
            let (mut expected_again, other) = self.both(expected.subject, other.subject)?;
            let (seen_again, _) =
                self.ask_other(&mut expected_again, other.running, other.subject)?;
            let again = [&expected_again.record, &seen_again];
            compare::confirm(&mut outcomes, [&expected.record, &seen], again);
        }
        self.surroundings.progress.end();
        let same = outcomes.iter().all(|outcome| outcome.same);
        if !self.traced {
            trace = None;
        }
        Ok(Compared {
            verdict: Verdict {
                same,
                probes: outcomes,
                log: if same {
                    Vec::new()
                } else {
                    std::mem::take(&mut seen.log)
                },
            },
            trace,
        })
    }

    /// Asks an image what the original was asked, unless that was done already.
    fn ask_other<'s>(
        &self,
        expected: &mut Expected<'_>,
        running: Option<Interview<'s>>,
        subject: Subject<'s>,
    ) -> Result<(Record, Option<Trace>), Error> {
        let mut other = match running {
            Some(other) => other,
            None => {
                self.surroundings.progress.begin("comparing", None);
                let mut other = self.interview(subject, self.traced)?;
                self.wait(&mut other, expected.record.start.as_ref().ok());
                if let Some(side) = &mut expected.running {
                    wait_for_end(&mut expected.record.start, side, &other);
                }
                for (number, probe) in expected.questions.iter().enumerate() {
                    let asked = expected.record.answers.get(number);
                    let limit = asked.map_or(AT_LEAST, |asked| self.limit(asked.elapsed));
                    self.put(&mut other, probe, limit)?;
                }
                other
            }
        };
        let record = other.record(Some(&expected.record.end), self.plan.timeout);
        Ok((record, other.side.take_trace()))
    }

    fn interview<'s>(&self, subject: Subject<'s>, traced: bool) -> Result<Interview<'s>, Error> {
        let trace = traced.then(TraceOptions::default);
        let companions = Companions::start(self.surroundings.companions, self.plan.timeout)?;
        let settings = &self.plan.settings;
        let side = Side::start(subject, settings, self.surroundings, companions, trace);
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

    /// Returns how long the second image may take until it answers as wanted.
    fn limit(&self, original: Duration) -> Duration {
        AT_LEAST.max(original * SLOWER).min(self.plan.timeout)
    }

    /// Asks one thing, if the container has started; for at most `limit` again while the answer is that it is
    /// not ready: what listens first is often not what does the work.
    fn put(
        &self,
        interview: &mut Interview<'_>,
        probe: &Probe,
        limit: Duration,
    ) -> Result<(), Error> {
        if interview.start.is_err() {
            return Ok(());
        }
        let began = Instant::now();
        let mut pause = Duration::from_millis(20);
        let answer = loop {
            let timeout = self.plan.timeout;
            let answer = ask::ask(&mut interview.side, probe, self.surroundings, timeout)
                .map_err(|source| interview.subject.error(source))?;
            let lives = interview.side.alive().is_some();
            if !lives || began.elapsed() + pause > answer.patience(probe, limit) {
                break answer;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(500));
        };
        interview.answers.push(Asked {
            probe: probe.clone(),
            answer,
            elapsed: began.elapsed(),
        });
        Ok(())
    }
}

/// Returns whether a program that runs may be one that does its work and ends: it listens nowhere.
fn may_still_end(start: &Result<ready::Ready, String>) -> bool {
    start
        .as_ref()
        .is_ok_and(|ready| ready.ended.is_none() && ready.ports.is_empty())
}

/// On a busy machine a program that does its work and ends may be slower the first time than the second:
/// if only the second has ended, the original gets a little more time.
fn wait_for_end(
    start: &mut Result<ready::Ready, String>,
    original: &mut Side,
    other: &Interview<'_>,
) {
    let ended = other
        .start
        .as_ref()
        .is_ok_and(|ready| ready.ended.is_some());
    if may_still_end(start)
        && ended
        && let Some(ready) = ready::ended_after_all(original)
    {
        *start = Ok(ready);
    }
}

/// An image being asked.
#[derive(Debug)]
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

    /// Returns everything that it did. `expected` is how the original ended.
    fn record(&mut self, expected: Option<&State>, timeout: Duration) -> Record {
        let end = match expected {
            // What ended by itself may take its time.
            Some(State::Ended(_)) => self.side.wait(timeout),
            _ => self.side.state(),
        };
        Record {
            start: self.start.clone(),
            answers: self.answers.clone(),
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

/// The TCP ports that an image exposes (`6379/tcp`; without a protocol it is TCP), in order: 80 is asked before 443, which
/// often has nothing but a site by default.
pub(super) fn exposed_tcp_ports(image: &Image) -> Vec<u16> {
    let ports = image.config().exposed_ports();
    let number = |text: &String| {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        (protocol == "tcp").then(|| number.parse().ok()).flatten()
    };
    let mut numbers: Vec<u16> = ports.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}
