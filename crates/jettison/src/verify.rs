//! The proof: two images are asked the same, and their answers are compared.
//!
//! Each image runs in a container of its own, with a network of its own. Both start at once
//! and are asked in turn. What the original answers decides what is expected,
//! and a probe that fails on the original is a mistake of the probe ([`Error::Mistake`]), not a finding.
//!
//! [`crate::probe`] says what can be asked and which differences do not count. In here: `proof` asks, `side` is one
//! running image, `ready` waits for it, `ask` puts a question to it, `compare` compares.

mod ask;
mod companion;
mod compare;
mod diff;
mod output;
mod proof;
mod ready;
mod side;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::{FileSystem, Image};
use sandbox::IdMapping;
use serde::Serialize;

use crate::container::{self, Settings};
use crate::probe::{Probe, WaitFor};

pub use companion::Companion;
pub use compare::Difference;
pub use proof::{Compared, Expected, Other, Proof};

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
    /// Images that run beside each side, in its network.
    pub companions: &'a [Companion],
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
    /// An image that is to run beside both does not get ready.
    #[error("`{name}`, which is to run beside it, is not ready: {reason}{}", last_lines(.log))]
    Companion {
        /// The name it was given.
        name: String,
        /// What happened.
        reason: String,
        /// The last lines that it wrote.
        log: Vec<String>,
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
    let proof = Proof::new(original, plan, surroundings, false);
    let (mut expected, other) = proof.both(original, other)?;
    Ok(proof.compare(&mut expected, other)?.verdict)
}
