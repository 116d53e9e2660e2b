//! What has been seen so far, in little memory: about a hundred bytes for each path.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Access, AccessKind, Outcome};

/// Number of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PathId(u32);

/// Paths, each stored once.
#[derive(Debug, Default)]
struct Paths {
    bytes: Vec<u8>,
    /// Where each path ends in `bytes`.
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Paths {
    fn get(&self, id: PathId) -> &[u8] {
        path(&self.bytes, &self.ends, id.0)
    }

    fn find(&self, wanted: &[u8]) -> Option<PathId> {
        let hash = self.hasher.hash_one(wanted);
        let found = self
            .table
            .find(hash, |&id| path(&self.bytes, &self.ends, id) == wanted);
        found.map(|&id| PathId(id))
    }

    fn add(&mut self, new: &[u8]) -> PathId {
        if let Some(id) = self.find(new) {
            return id;
        }
        let id = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(new);
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        let hash = |&id: &u32| hasher.hash_one(path(bytes, ends, id));
        self.table.insert_unique(hasher.hash_one(new), id, hash);
        PathId(id)
    }
}

fn path<'a>(bytes: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let at = id as usize;
    let start = at.checked_sub(1).and_then(|before| ends.get(before));
    let end = ends.get(at).copied().unwrap_or(0);
    bytes
        .get(start.copied().unwrap_or(0)..end)
        .unwrap_or_default()
}

/// What a program asked, apart from who it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Question<'a> {
    /// Absolute path, see [`paths::squeeze`](super::paths::squeeze).
    pub(super) path: &'a [u8],
    pub(super) kind: AccessKind,
    /// Whether a link at its end is followed.
    pub(super) follow: bool,
}

/// An answer to a question.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// What was found, or else the path asked for.
    pub(super) path: Vec<u8>,
    pub(super) links: Vec<Vec<u8>>,
    /// The executable that asked.
    pub(super) by: Vec<u8>,
}

/// A question with an answer, and how often that happened.
#[derive(Debug)]
struct Record {
    asked: PathId,
    found: PathId,
    by: PathId,
    /// Which of `Recorder::links`; 0 is none.
    links: u32,
    /// The answer to the same question before this one; 0 is none.
    before: u32,
    /// When the answer was last found to be so.
    checked: u32,
    count: u64,
    kind: AccessKind,
    follow: bool,
    outcome: Outcome,
}

/// Everything that has been seen.
#[derive(Debug)]
pub(super) struct Recorder {
    paths: Paths,
    /// The last answer to each question.
    table: HashTable<u32>,
    records: Vec<Record>,
    links: Vec<Box<[PathId]>>,
    pub(super) events: u64,
}

/// What programs most often want of one path after the other: whether it is there, then what is in it.
const ALIKE: [AccessKind; 3] = [AccessKind::Stat, AccessKind::Open, AccessKind::ReadLink];

/// Number of an answer that was given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known(u32);

impl Recorder {
    pub(super) fn new() -> Self {
        let mut paths = Paths::default();
        let nothing = paths.add(b"");
        // Number 0 means that there is none.
        let unused = Record {
            asked: nothing,
            found: nothing,
            by: nothing,
            links: 0,
            before: 0,
            checked: 0,
            count: 0,
            kind: AccessKind::Open,
            follow: false,
            outcome: Outcome::Unknown,
        };
        Self {
            paths,
            table: HashTable::new(),
            records: vec![unused],
            links: vec![Box::default()],
            events: 0,
        }
    }

    fn hash(&self, asked: PathId, kind: AccessKind, follow: bool) -> u64 {
        self.paths.hasher.hash_one((asked.0, kind, follow))
    }

    fn record(&self, number: u32) -> Option<&Record> {
        self.records.get(number as usize)
    }

    /// Returns the last answer to a question, and when it was last found to be so.
    pub(super) fn last(&self, question: &Question<'_>) -> Option<(Known, u32)> {
        let asked = self.paths.find(question.path)?;
        self.last_of(asked, question.kind, question.follow)
    }

    /// Returns the last answer to a question about the same path for which one is known, and when that was last
    /// found to be so. What is there does not depend on what it is wanted for.
    pub(super) fn alike(&self, question: &Question<'_>) -> Option<(Known, u32)> {
        let asked = self.paths.find(question.path)?;
        let answers = ALIKE
            .iter()
            .filter_map(|&kind| self.last_of(asked, kind, question.follow));
        answers.max_by_key(|(_, checked)| *checked)
    }

    fn last_of(&self, asked: PathId, kind: AccessKind, follow: bool) -> Option<(Known, u32)> {
        let hash = self.hash(asked, kind, follow);
        let number = *self.table.find(hash, |&number| {
            self.record(number)
                .is_some_and(|it| it.asked == asked && it.kind == kind && it.follow == follow)
        })?;
        Some((Known(number), self.record(number)?.checked))
    }

    /// Returns an answer.
    pub(super) fn answer(&self, known: Known) -> Option<Answer> {
        let record = self.record(known.0)?;
        let links = self.links.get(record.links as usize).into_iter().flatten();
        Some(Answer {
            outcome: record.outcome,
            path: self.paths.get(record.found).to_vec(),
            links: links.map(|&link| self.paths.get(link).to_vec()).collect(),
            by: self.paths.get(record.by).to_vec(),
        })
    }

    /// Returns an answer that was given to the same question before.
    pub(super) fn same(
        &self,
        known: Known,
        outcome: Outcome,
        found: Option<&[u8]>,
    ) -> Option<Known> {
        let mut number = known.0;
        while number != 0 {
            let record = self.record(number)?;
            if record.outcome == outcome
                && found.is_none_or(|found| self.paths.get(record.found) == found)
            {
                return Some(Known(number));
            }
            number = record.before;
        }
        None
    }

    /// Counts an answer once more.
    pub(super) fn again(&mut self, known: Known, checked: u32) {
        if let Some(record) = self.records.get_mut(known.0 as usize) {
            record.count += 1;
            record.checked = checked;
        }
    }

    /// Writes down a new answer.
    pub(super) fn add(&mut self, question: &Question<'_>, answer: &Answer, checked: u32) {
        let asked = self.paths.add(question.path);
        let found = self.paths.add(&answer.path);
        let by = self.paths.add(&answer.by);
        let links: Box<[PathId]> = answer
            .links
            .iter()
            .map(|link| self.paths.add(link))
            .collect();
        let links = if links.is_empty() {
            0
        } else {
            self.links.push(links);
            u32::try_from(self.links.len() - 1).unwrap_or(0)
        };
        let number = u32::try_from(self.records.len()).unwrap_or(0);
        let hash = self.hash(asked, question.kind, question.follow);
        let mut record = Record {
            asked,
            found,
            by,
            links,
            before: 0,
            checked,
            count: 1,
            kind: question.kind,
            follow: question.follow,
            outcome: answer.outcome,
        };
        let (records, hasher) = (&self.records, &self.paths.hasher);
        let question_of = |number: u32| {
            records
                .get(number as usize)
                .map(|it| (it.asked.0, it.kind, it.follow))
        };
        let wanted = Some((asked.0, question.kind, question.follow));
        match self
            .table
            .find_mut(hash, |&number| question_of(number) == wanted)
        {
            Some(last) => record.before = std::mem::replace(last, number),
            None => {
                self.table.insert_unique(hash, number, |&number| {
                    question_of(number).map_or(0, |question| hasher.hash_one(question))
                });
            }
        }
        self.records.push(record);
    }

    /// Returns everything, what came first first.
    pub(super) fn accesses(&self) -> Vec<Access> {
        let mut executables: Vec<Option<Arc<[u8]>>> = Vec::new();
        let records = self.records.iter().skip(1);
        let accesses = records.map(|record| {
            let by = record.by.0 as usize;
            if executables.len() <= by {
                executables.resize(by + 1, None);
            }
            let by = executables.get_mut(by).map_or_else(Arc::default, |known| {
                Arc::clone(known.get_or_insert_with(|| self.paths.get(record.by).into()))
            });
            let links = self.links.get(record.links as usize);
            let links = links.into_iter().flatten();
            Access {
                path: self.paths.get(record.found).to_vec(),
                kind: record.kind,
                outcome: record.outcome,
                links: links.map(|&link| self.paths.get(link).to_vec()).collect(),
                count: record.count,
                by,
            }
        });
        accesses.collect()
    }
}
