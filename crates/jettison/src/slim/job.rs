//! The whole of the main job: look, decide, write, prove, repair.
//!
//! The original is run and asked first, while its programs are watched and the search begins; what they
//! use joins what that finds. The slim image is then asked the same, and
//! watched too: what it misses is put back, and it is asked again.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use image::transport::Context;
use image::{FileSystem, Image, LoadOptions, Store};
use sandbox::Trace;

use super::cache::{Remembered, Slot};
use super::repair::{self, Missed, ROUNDS, Repair, Sides};
use super::report::{self, Summary};
use super::{Error, Plan, Seen, draft, jlink, plan, write};
use crate::closure::{Options, Run, Watched};
use crate::packages::PackageDb;
use crate::verify::{self, Companion, Expected, Proof, Subject, Surroundings, Verdict};

/// What to make, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The image to slim.
    pub image: &'a Image,
    /// What it is called.
    pub name: &'a str,
    /// What the result is called.
    pub result_name: &'a str,
    /// What is kept.
    pub options: &'a Options,
    /// What was seen of it elsewhere.
    pub trace: Option<&'a Trace>,
    /// Whether Java run times are made anew ([`jlink`]); for that the image has to be run.
    pub jlink: bool,
    /// How it is proven; nothing if it is not to be.
    pub proof: Option<(&'a verify::Plan, &'a Surroundings<'a>)>,
    /// Where the result goes, and where results are remembered.
    pub store: &'a Store,
    /// A text that is another one for every build of the program.
    pub program: &'a str,
    /// Whether to work even if the result is remembered.
    pub anew: bool,
    /// How images are written.
    pub context: Context<'a>,
    /// How images are read.
    pub load: LoadOptions<'a>,
}

/// What came of it.
#[derive(Debug)]
pub struct Finished {
    /// The slim image, in the store, without a name yet.
    pub image: Image,
    /// Sizes.
    pub summary: Summary,
    /// What the proof said, if there was one.
    pub verdict: Option<Verdict>,
    /// What was put back.
    pub repaired: Vec<Repair>,
    /// What the programs of the original asked for, if it was run.
    pub trace: Option<Trace>,
}

/// What can go wrong with the whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The image cannot be slimmed.
    #[error(transparent)]
    Slim(#[from] Error),
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// A Java run time cannot be made.
    #[error(transparent)]
    Jlink(#[from] jlink::Error),
    /// The proof cannot be had.
    #[error(transparent)]
    Verify(#[from] verify::Error),
    /// Whoever wanted to see the plan failed.
    #[error(transparent)]
    Inspect(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// What is known once the original was run.
struct Looked<'s, 'f> {
    expected: Option<Expected<'s>>,
    /// What was seen here and elsewhere.
    trace: Option<Trace>,
    /// What stays by that, if it was found out.
    plan: Option<Plan<'f>>,
}

/// What came of it, and why: a remembered result has no plan.
struct Worked<'f> {
    finished: Finished,
    plan: Option<Plan<'f>>,
}

impl Job<'_> {
    /// Does it. `inspect` is shown the plan of an image that was made, once it is final; a remembered one
    /// has none.
    ///
    /// # Errors
    /// When the image cannot be read, slimmed or run. That the result answers differently is no error but
    /// a verdict.
    pub fn run(
        &self,
        inspect: impl FnOnce(
            &Plan<'_>,
            &Summary,
            &[Repair],
        ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<Finished, JobError> {
        let slot = self.slot();
        let remembered = (!self.anew).then(|| slot.get(self.store)).flatten();
        if self.proof.is_none()
            && let Some((remembered, image)) = remembered
        {
            return Ok(finished(image, remembered, None));
        }
        self.context
            .progress
            .begin("reading", Some(self.image.stored_size()));
        let (files, unchecked) = FileSystem::load_unchecked(self.image, self.load)?;
        let rebuilt = OnceCell::new();
        // Nothing of what is done meanwhile gets a name before the bytes are what they should be.
        let worked = std::thread::scope(|scope| {
            let check = scope.spawn(|| unchecked.check());
            let worked = self.work(&files, &rebuilt, remembered);
            match check.join() {
                Ok(checked) => checked.map_err(JobError::from).and(worked),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        let worked = worked?;
        if let Some(plan) = &worked.plan {
            let finished = &worked.finished;
            inspect(plan, &finished.summary, &finished.repaired)?;
            let verdict = &finished.verdict;
            if verdict.as_ref().is_none_or(|verdict| verdict.same) {
                slot.put(&Remembered {
                    manifest: finished.image.manifest().descriptor(),
                    summary: finished.summary.clone(),
                    repaired: finished.repaired.clone(),
                });
            }
        }
        Ok(worked.finished)
    }

    /// Looks, decides, writes, proves and repairs. In `rebuilt` the files are kept that were made anew.
    fn work<'f>(
        &self,
        files: &'f FileSystem,
        rebuilt: &'f OnceCell<FileSystem>,
        remembered: Option<(Remembered, Image)>,
    ) -> Result<Worked<'f>, JobError> {
        let subject = Subject {
            name: self.name,
            image: self.image,
            files,
        };
        let proof = self
            .proof
            .map(|(plan, surroundings)| Proof::new(subject, plan, surroundings, true));
        let Looked {
            mut expected,
            trace,
            plan: mut early,
        } = self.look(subject, files, proof.as_ref(), remembered.is_none())?;
        let mut verdict = None;
        if let (Some(proof), Some(expected), Some((remembered, image))) =
            (&proof, &mut expected, remembered)
        {
            let nothing = BTreeSet::new();
            let slim = FileSystem::load(&image, self.load)?;
            let slim = (&image, &slim);
            let (compared, missed) = self.compare(proof, expected, slim, None, &nothing)?;
            if missed.is_empty() {
                let finished = finished(image, remembered, expected.trace.take());
                return Ok(Worked {
                    finished: Finished {
                        verdict: Some(compared),
                        ..finished
                    },
                    plan: None,
                });
            }
        }
        let parts = match self.rebuild(subject, trace.as_ref(), &mut early)? {
            Some(changed) => rebuilt.get_or_init(|| changed),
            None => files,
        };
        let mut repairs = BTreeSet::new();
        let mut repaired: Vec<Repair> = Vec::new();
        let mut round = 0;
        let (made, plan) = loop {
            let seen = Seen {
                trace: trace.as_ref().into(),
                repairs: &repairs,
            };
            let plan = match early.take() {
                Some(plan) => plan,
                None => self.search(parts, &seen)?,
            };
            let plan = plan.lighten(self.options, self.load.spool)?;
            self.context.progress.begin("writing", None);
            let (Some(proof), Some(expected)) = (&proof, &mut expected) else {
                let made = write(self.image, &plan, self.store.layout(), self.context)?;
                self.context.progress.end();
                break (made, plan);
            };
            let (made, compared, mut missed) = self.prove(&plan, proof, expected, &repairs)?;
            // What was not made anew cannot be put back.
            missed.retain(|path, _| parts.tree.resolve(path).is_ok());
            verdict = Some(compared);
            if !repair::is_new(&missed, &repairs) || round == ROUNDS {
                break (made, plan);
            }
            round += 1;
            for (path, repair) in missed {
                tracing::info!("putting back {}", layer::display(&path));
                if repairs.insert(path) {
                    repaired.push(repair);
                }
            }
        };
        let finished = Finished {
            summary: report::summary(self.image, files, &plan, &made),
            image: made,
            verdict,
            repaired,
            trace: expected.and_then(|expected| expected.trace),
        };
        Ok(Worked {
            finished,
            plan: Some(plan),
        })
    }

    /// Runs the original and asks it. What does not depend on the answer is searched meanwhile, unless it
    /// may turn out that nothing has to be.
    fn look<'s, 'f>(
        &self,
        subject: Subject<'s>,
        files: &'f FileSystem,
        proof: Option<&Proof<'_>>,
        search: bool,
    ) -> Result<Looked<'s, 'f>, JobError> {
        let Some(proof) = proof else {
            return Ok(Looked {
                expected: None,
                trace: self.trace.cloned(),
                plan: None,
            });
        };
        let run = Run::default();
        let (expected, plan) = std::thread::scope(|scope| {
            let seen = Seen {
                trace: Watched::Running(&run),
                ..Seen::NOTHING
            };
            let watching = run.watch();
            let early =
                search.then(|| scope.spawn(move || plan(self.image, files, self.options, &seen)));
            let expected = proof.ask(subject)?;
            watching.end(self.seen(&expected));
            let Some(early) = early else {
                return Ok::<_, JobError>((expected, None));
            };
            self.context.progress.begin("searching", None);
            match early.join() {
                Ok(plan) => Ok((expected, Some(plan?))),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        Ok(Looked {
            expected: Some(expected),
            trace: run.into_trace(),
            plan,
        })
    }

    fn search<'f>(&self, files: &'f FileSystem, seen: &Seen<'_>) -> Result<Plan<'f>, JobError> {
        self.context.progress.begin("searching", None);
        Ok(plan(self.image, files, self.options, seen)?)
    }

    /// Makes Java run times anew, if that is wanted. A plan that was made for the original is of no use then.
    fn rebuild(
        &self,
        subject: Subject<'_>,
        trace: Option<&Trace>,
        early: &mut Option<Plan<'_>>,
    ) -> Result<Option<FileSystem>, JobError> {
        let Some((_, surroundings)) = self.proof.filter(|_| self.jlink) else {
            return Ok(None);
        };
        let plan = match early.take() {
            Some(plan) => plan,
            None => {
                let seen = Seen {
                    trace: trace.into(),
                    ..Seen::NOTHING
                };
                self.search(subject.files, &seen)?
            }
        };
        self.context.progress.begin("linking Java", None);
        let made = jlink::rebuild(subject, &plan, surroundings, self.load.spool)?;
        Ok(Some(made))
    }

    /// Makes the image, and asks it what the original was asked while it is compressed. Returns what it misses.
    fn prove(
        &self,
        plan: &Plan<'_>,
        proof: &Proof<'_>,
        expected: &mut Expected<'_>,
        before: &BTreeSet<Vec<u8>>,
    ) -> Result<(Image, Verdict, Missed), JobError> {
        let image = draft(self.image, plan, self.load.spool)?;
        self.context.progress.end();
        let quiet = Context {
            progress: &image::Silent,
            ..self.context
        };
        std::thread::scope(|scope| {
            let packing = scope.spawn(|| self.store.import_at(quiet.level, &image, quiet));
            // Its digest was computed when it was written, just now.
            let compared = FileSystem::load_unchecked(&image, self.load)
                .map_err(JobError::from)
                .and_then(|(files, _)| {
                    let slim = (&image, &files);
                    self.compare(proof, expected, slim, Some(&plan.packages), before)
                });
            let packed = match packing.join() {
                Ok(packed) => packed?,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            let (verdict, missed) = compared?;
            Ok((packed, verdict, missed))
        })
    }

    fn slot(&self) -> Slot {
        let wanted = format!(
            "{:?}\0{:?}\0{:?}\0{:?}\0{:?}",
            self.options,
            self.jlink,
            self.proof.map(|(plan, _)| plan),
            self.trace,
            self.proof.map(|(_, surroundings)| {
                let companions = surroundings.companions.iter();
                companions.map(Companion::key).collect::<Vec<_>>()
            })
        );
        Slot::new(self.store, self.image, &wanted, self.program)
    }

    /// Puts together what was seen here and elsewhere.
    fn seen(&self, expected: &Expected<'_>) -> Option<Trace> {
        match (self.trace.cloned(), expected.trace.clone()) {
            (Some(mut elsewhere), Some(here)) => {
                elsewhere.merge(here);
                Some(elsewhere)
            }
            (elsewhere, here) => elsewhere.or(here),
        }
    }

    /// Asks a slim image what the original was asked, and returns what it misses.
    fn compare(
        &self,
        proof: &Proof<'_>,
        expected: &mut Expected<'_>,
        (image, files): (&Image, &FileSystem),
        packages: Option<&PackageDb>,
        before: &BTreeSet<Vec<u8>>,
    ) -> Result<(Verdict, Missed), JobError> {
        let subject = Subject {
            name: self.result_name,
            image,
            files,
        };
        let compared = proof.compare(expected, subject)?;
        let original = expected.files();
        let own;
        let packages = match packages {
            Some(packages) => packages,
            None => {
                own =
                    PackageDb::read(&original.tree, &original.contents).map_err(Error::Packages)?;
                &own
            }
        };
        let same = compared.verdict.same;
        let missed = compared.trace.map(|trace| {
            let sides = Sides {
                original,
                slim: files,
                packages,
                options: self.options,
                traces: (expected.trace.as_ref(), &trace),
            };
            sides.missed(same, before)
        });
        Ok((compared.verdict, missed.unwrap_or_default()))
    }
}

fn finished(image: Image, remembered: Remembered, trace: Option<Trace>) -> Finished {
    Finished {
        image,
        summary: remembered.summary,
        verdict: None,
        repaired: remembered.repaired,
        trace,
    }
}
