//! `HEALTHCHECK`, and durations as Go writes them.

use std::time::Duration;

use super::flags::Flags;
use super::{Parser, Rest};
use crate::ast::{Command, Healthcheck, Word};
use crate::suggest::closest;

impl Parser {
    pub(super) fn healthcheck(&mut self, rest: &Rest<'_>, mut flags: Flags) -> Option<Healthcheck> {
        let text = rest.text();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let after = text[end..].trim_start();
        match &*text[..end].to_uppercase() {
            "NONE" if after.is_empty() => Some(Healthcheck::None),
            "NONE" => {
                self.report(rest.span(), "HEALTHCHECK NONE takes nothing else", None);
                None
            }
            "CMD" => {
                let inner = Rest {
                    start: rest.line.text.len() - after.len(),
                    line: rest.line,
                    name: rest.name,
                    name_span: rest.name_span,
                };
                let command = self.command(&inner)?;
                let empty = match &command {
                    Command::Shell(text) => text.is_empty(),
                    Command::Exec(words) => words.is_empty(),
                };
                if empty {
                    self.report(rest.span(), "HEALTHCHECK CMD needs a command", None);
                    return None;
                }
                let mut duration = |name| self.duration(flags.take(name));
                let (interval, timeout) = (duration("interval")?, duration("timeout")?);
                let (start_period, start_interval) =
                    (duration("start-period")?, duration("start-interval")?);
                let retries = match flags.take("retries") {
                    None => None,
                    Some(word) => match word.text.parse::<u32>() {
                        Ok(number) => Some(number),
                        Err(_) => {
                            self.report(
                                word.span,
                                format!("`{}` is not a number of retries", word.text),
                                None,
                            );
                            return None;
                        }
                    },
                };
                Some(Healthcheck::Command {
                    command,
                    interval,
                    timeout,
                    start_period,
                    start_interval,
                    retries,
                })
            }
            other => {
                let hint = closest(other, &["CMD", "NONE"]).map_or_else(
                    || "write HEALTHCHECK CMD COMMAND, or HEALTHCHECK NONE".to_owned(),
                    |near| format!("did you mean {near}?"),
                );
                self.report(rest.span(), "HEALTHCHECK needs CMD or NONE", Some(hint));
                None
            }
        }
    }

    fn duration(&mut self, word: Option<Word>) -> Option<Option<Duration>> {
        let Some(word) = word else { return Some(None) };
        let hint = |text: &str| Some(text.to_owned());
        match parse_duration(&word.text) {
            Some(duration) if duration.is_zero() => Some(None),
            Some(duration) if duration < Duration::from_millis(1) => {
                self.report(
                    word.span,
                    format!("`{}` is less than a millisecond", word.text),
                    None,
                );
                None
            }
            Some(duration) => Some(Some(duration)),
            None => {
                self.report(
                    word.span,
                    format!("`{}` is not a duration", word.text),
                    hint("write for instance 30s or 1m30s"),
                );
                None
            }
        }
    }
}

/// Reads a duration such as `1m30s`, `1.5h` or `100ms`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 6e10),
        ("h", 3.6e12),
    ];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit_end = rest[end..]
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .map_or(rest.len(), |at| end + at);
        let (_, nanoseconds) = UNITS
            .iter()
            .find(|(name, _)| *name == &rest[end..unit_end])?;
        total += number * nanoseconds;
        rest = &rest[unit_end..];
    }
    // More than three hundred years is no duration in Go either.
    (!text.is_empty() && total < 9.2e18).then(|| Duration::from_nanos(total as u64))
}
