//! Comparing what two images did.

use serde::Serialize;

use super::ask::{Part, Status};
use super::proof::{END, Record, START};
use super::side::State;
use super::{Outcome, diff};

/// A part of an answer that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// `status`, `stdout`, `stderr`, `headers` or `body`.
    pub part: &'static str,
    /// Lines of the original begin with `-`, those of the other image with `+`.
    pub diff: String,
}

impl Difference {
    pub(super) fn may_vary(&self) -> bool {
        self.part != STATUS
    }
}

/// Name of the part that is compared first.
const STATUS: &str = "status";

/// One thing that an image did: its status in words, and the rest.
struct Item {
    name: String,
    status: String,
    parts: Vec<Part>,
    seconds: f64,
}

/// Lists everything that an image did, in the same order for each. Of the ports that listen those
/// count that did so in the original when it was ready: others may open sooner or later.
fn items(record: &Record, expected: &Record) -> Vec<Item> {
    let first = expected.start.as_ref().map(|ready| ready.ports.as_slice());
    let first = first.unwrap_or_default();
    let item = |name: &str, status: String, seconds| Item {
        name: name.to_owned(),
        status,
        parts: Vec::new(),
        seconds,
    };
    let mut items = Vec::new();
    match &record.start {
        Err(reason) => items.push(item(START, reason.clone(), 0.0)),
        Ok(ready) => {
            let ports = ready.ports.iter().filter(|port| first.contains(port));
            let ports: Vec<String> = ports.map(ToString::to_string).collect();
            let status = match &ready.ended {
                _ if ready.nothing => "no command".to_owned(),
                Some((status, _)) => Status::Exit(*status).to_string(),
                None if ports.is_empty() => "runs".to_owned(),
                None => format!("listens on {}", ports.join(", ")),
            };
            let parts = ready.ended.as_ref().map(|(_, parts)| parts.clone());
            items.push(Item {
                parts: parts.unwrap_or_default(),
                ..item(START, status, ready.elapsed.as_secs_f64())
            });
        }
    }
    items.extend(record.answers.iter().map(|asked| Item {
        name: asked.probe.name(),
        status: asked.answer.status.to_string(),
        parts: asked.answer.parts.clone(),
        seconds: asked.elapsed.as_secs_f64(),
    }));
    let started = record
        .start
        .as_ref()
        .is_ok_and(|ready| ready.ended.is_none() && !ready.nothing);
    if started {
        let status = match &record.end {
            State::Up => "still runs".to_owned(),
            State::Ended(status) => Status::Exit(*status).to_string(),
            State::Nothing => "no command".to_owned(),
        };
        items.push(item(END, status, 0.0));
    }
    items
}

/// Compares the original with the other image.
pub(super) fn records(expected: &Record, seen: &Record) -> Vec<Outcome> {
    let seen = items(seen, expected);
    items(expected, expected)
        .iter()
        .enumerate()
        .map(|(at, item)| {
            // Both are asked the same in the same order, as far as they run.
            let other = seen.get(at).filter(|other| other.name == item.name);
            let differences = other.map_or_else(
                || {
                    vec![difference(
                        STATUS,
                        &item.status,
                        "not asked: it does not run",
                    )]
                },
                |other| differences(item, other),
            );
            Outcome {
                probe: item.name.clone(),
                same: differences.is_empty(),
                answer: item.status.clone(),
                differences,
                unstable: Vec::new(),
                seconds: item.seconds,
            }
        })
        .collect()
}

fn differences(item: &Item, other: &Item) -> Vec<Difference> {
    let mut found = Vec::new();
    if item.status != other.status {
        found.push(difference(STATUS, &item.status, &other.status));
    }
    // Where only the status is compared, what the other said tells why it differs.
    if item.parts.is_empty() && item.status != other.status {
        for part in other.parts.iter().filter(|part| !part.text.is_empty()) {
            found.push(difference(part.name, "", &last_lines(&part.text)));
        }
    }
    for (part, other) in item.parts.iter().zip(&other.parts) {
        if part.text != other.text {
            found.push(difference(part.name, &part.text, &other.text));
        }
    }
    found
}

/// How many lines of an output are shown that is not compared.
const SHOWN: usize = 20;

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines[lines.len().saturating_sub(SHOWN)..].concat()
}

fn difference(part: &'static str, original: &str, other: &str) -> Difference {
    Difference {
        part,
        diff: diff::unified(original, other),
    }
}

/// Takes back differences that are none: those that are not there when everything is asked `again`, and
/// those in lines that the original itself does not repeat. Both arguments are the original and the other.
/// A status is not taken back: a program that fails now and then is no proof of anything.
pub(super) fn confirm(outcomes: &mut [Outcome], first: [&Record; 2], again: [&Record; 2]) {
    let [first, again] =
        [first, again].map(|records| records.map(|record| items(record, records[0])));
    let differing = outcomes.iter_mut().enumerate();
    for (at, outcome) in differing.filter(|(_, outcome)| !outcome.same) {
        let text = |items: &[Item], part: &str| {
            let item = items.get(at).filter(|item| item.name == outcome.probe)?;
            let part = item.parts.iter().find(|one| one.name == part)?;
            Some(part.text.clone())
        };
        let mut unstable = Vec::new();
        outcome.differences.retain_mut(|difference| {
            let texts = |records: &[Vec<Item>; 2]| {
                let [expected, seen] = records;
                Some([
                    text(expected, difference.part)?,
                    text(seen, difference.part)?,
                ])
            };
            let (Some(first), Some(again)) = (texts(&first), texts(&again)) else {
                return true; // the status, or one of them has no such part
            };
            let Some([expected, seen]) = remaining(&first, &again) else {
                unstable.push(difference.part);
                return false;
            };
            if expected != first[0] {
                unstable.push(difference.part);
            }
            difference.diff = diff::unified(&expected, &seen);
            true
        });
        outcome.unstable = unstable;
        outcome.same = outcome.differences.is_empty();
    }
}

/// Returns what still differs between two texts, each pair the original's and the other's, asked twice:
/// lines that the original does not repeat are left out.
fn remaining(first: &[String; 2], again: &[String; 2]) -> Option<[String; 2]> {
    let lines =
        |text: &str| -> Vec<String> { text.split_inclusive('\n').map(str::to_owned).collect() };
    let (expected, control) = (lines(&first[0]), lines(&again[0]));
    if expected.len() != control.len() {
        return None; // nothing to hold on to
    }
    let masked = |text: &String| -> String {
        let line = |(at, line): (usize, String)| match (expected.get(at), control.get(at)) {
            (Some(first), Some(second)) if first != second => "<varies>\n".to_owned(),
            _ => line,
        };
        lines(text).into_iter().enumerate().map(line).collect()
    };
    let (first, again) = (first.each_ref().map(masked), again.each_ref().map(masked));
    let differ = |[expected, seen]: &[String; 2]| expected != seen;
    (differ(&first) && differ(&again)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_there_twice_and_in_what_the_original_repeats() {
        let left = |first: [&str; 2], again: [&str; 2]| {
            let owned = |pair: [&str; 2]| pair.map(str::to_owned);
            remaining(&owned(first), &owned(again)).map(|[expected, seen]| (expected, seen))
        };
        let token = |number: u8, end: &str| format!("a\ntoken {number}\n{end}\n");
        let (one, two, three, four) = (token(1, "b"), token(2, "b"), token(3, "b"), token(4, "b"));
        assert_eq!(left([&one, &two], [&three, &four]), None);
        let (two, four) = (token(2, "X"), token(4, "X"));
        let masked = |end: &str| format!("a\n<varies>\n{end}\n");
        let expected = Some((masked("b"), masked("X")));
        assert_eq!(left([&one, &two], [&three, &four]), expected);
        // Only the first time.
        assert_eq!(left(["up 0\n", "up 1\n"], ["up 0\n", "up 0\n"]), None);
        // A line more.
        assert!(left(["a\n", "a\nb\n"], ["a\n", "a\nb\n"]).is_some());
        // The original has a line more or less each time.
        assert_eq!(left(["1\n", "2\n"], ["1\n2\n", "2\n"]), None);
    }
}
