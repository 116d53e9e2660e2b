//! Limits on an analysis: what a build must not exceed.
//!
//! Rules come from flags or from a `.dive-ci` file, which is read as dive reads
//! it: its rules have the same names, units and defaults.

use serde::Serialize;

use super::cause::Cause;
use super::report::Analysis;

/// Limits; nothing where there is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// Most bytes that ship but cannot be seen.
    pub max_wasted: Option<u64>,
    /// Most such bytes as a share of what layers above the first bring.
    pub max_wasted_of_user: Option<f64>,
    /// Least share of the bytes that can be seen.
    pub min_efficiency: Option<f64>,
    /// Most bytes of all causes.
    pub max_reclaimable: Option<u64>,
    /// Most bytes of one cause.
    pub max_cause: Vec<(Cause, u64)>,
    /// Most bytes, unpacked.
    pub max_size: Option<u64>,
    /// Most bytes, as stored.
    pub max_compressed: Option<u64>,
}

/// A rule and whether it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The rule, as the flag is called.
    pub rule: String,
    /// Whether the image keeps it.
    pub passed: bool,
    /// What the image has.
    pub actual: Amount,
    /// What the rule allows.
    pub limit: Amount,
    /// What is to blame, largest first, where the rule is broken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blame: Vec<Blame>,
}

/// A number with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Amount {
    /// Bytes.
    Bytes(u64),
    /// A share, from 0 to 1.
    Share(f64),
}

/// Something that a broken rule is due to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blame {
    /// What it is.
    pub what: String,
    /// Its bytes.
    pub bytes: u64,
    /// The layer that brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<u32>,
}

impl Rules {
    /// Returns whether there is no rule.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks an analysis against each rule.
    pub fn check(&self, analysis: &Analysis) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let mut bytes = |rule: &str, actual: u64, limit: Option<u64>, blame: &dyn Fn() -> _| {
            if let Some(limit) = limit {
                let passed = actual <= limit;
                verdicts.push(Verdict {
                    rule: rule.to_owned(),
                    passed,
                    actual: Amount::Bytes(actual),
                    limit: Amount::Bytes(limit),
                    blame: if passed { Vec::new() } else { blame() },
                });
            }
        };
        let hidden = || places(analysis, Cause::is_hidden);
        let largest = || {
            let files = analysis.packages.iter().take(3).map(|package| Blame {
                what: format!("{} {}", package.name, package.version),
                bytes: package.bytes,
                layer: Some(package.layer),
            });
            files.collect()
        };
        bytes("max-wasted", analysis.wasted, self.max_wasted, &hidden);
        bytes(
            "max-reclaimable",
            analysis.reclaimable,
            self.max_reclaimable,
            &|| places(analysis, |_| true),
        );
        for (cause, limit) in &self.max_cause {
            let found = analysis.causes.iter().find(|found| found.cause == *cause);
            let actual = found.map_or(0, |found| found.bytes);
            let rule = format!("max-cause {}", cause.name());
            bytes(&rule, actual, Some(*limit), &|| {
                places(analysis, |other| other == *cause)
            });
        }
        let sizes = analysis.sizes;
        bytes("max-size", sizes.unpacked, self.max_size, &largest);
        let stored = analysis.layers.iter();
        let stored = sizes.compressed.unwrap_or_else(|| {
            stored
                .map(|layer| layer.compressed.unwrap_or(layer.unpacked))
                .sum()
        });
        bytes("max-compressed", stored, self.max_compressed, &largest);
        let mut share = |rule: &str, actual: f64, limit: f64, passed: bool| {
            verdicts.push(Verdict {
                rule: rule.to_owned(),
                passed,
                actual: Amount::Share(actual),
                limit: Amount::Share(limit),
                blame: if passed { Vec::new() } else { hidden() },
            });
        };
        if let Some(limit) = self.min_efficiency {
            let actual = analysis.efficiency;
            share("min-efficiency", actual, limit, actual >= limit);
        }
        if let Some(limit) = self.max_wasted_of_user {
            let actual = analysis.wasted_of_user;
            share("max-user-wasted", actual, limit, actual <= limit);
        }
        verdicts
    }

    /// Returns these rules, and those of `other` where these have none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            max_wasted: self.max_wasted.or(other.max_wasted),
            max_wasted_of_user: self.max_wasted_of_user.or(other.max_wasted_of_user),
            min_efficiency: self.min_efficiency.or(other.min_efficiency),
            max_reclaimable: self.max_reclaimable.or(other.max_reclaimable),
            max_cause: if self.max_cause.is_empty() {
                other.max_cause
            } else {
                self.max_cause
            },
            max_size: self.max_size.or(other.max_size),
            max_compressed: self.max_compressed.or(other.max_compressed),
        }
    }

    /// What dive checks where nothing else is said.
    pub fn dive_defaults() -> Self {
        Self {
            min_efficiency: Some(0.9),
            max_wasted_of_user: Some(0.1),
            ..Self::default()
        }
    }

    /// Reads a `.dive-ci` file. Rules that it does not name have dive's defaults.
    ///
    /// # Errors
    /// The line that is not understood, and why.
    pub fn parse_dive(text: &str) -> Result<Self, String> {
        let mut rules = Self::dive_defaults();
        let mut inside = false;
        for (at, line) in text.lines().enumerate() {
            let line = line.split(" #").next().unwrap_or_default().trim_end();
            let content = line.trim_start();
            if content.is_empty() || content.starts_with('#') || content == "---" {
                continue;
            }
            let refuse = |reason: String| Err(format!("line {}: {reason}", at + 1));
            let Some((key, value)) = content.split_once(':') else {
                return refuse(format!("`{content}` is not `KEY: VALUE`"));
            };
            if content.len() == line.len() {
                inside = key == "rules";
                continue; // other sections of dive's settings are not about limits
            }
            if !inside {
                continue;
            }
            let value = value.trim().trim_matches(['"', '\'']);
            let off = value == "disabled";
            let share = || {
                value
                    .parse::<f64>()
                    .ok()
                    .filter(|share| (0.0..=1.0).contains(share))
                    .ok_or_else(|| {
                        let line = at + 1;
                        format!("line {line}: {key} is a share from 0 to 1, not `{value}`")
                    })
            };
            // As viper does, dive takes keys in any case.
            match key.trim().to_ascii_lowercase().as_str() {
                "lowestefficiency" if off => rules.min_efficiency = None,
                "lowestefficiency" => rules.min_efficiency = Some(share()?),
                "highestuserwastedpercent" if off => rules.max_wasted_of_user = None,
                "highestuserwastedpercent" => rules.max_wasted_of_user = Some(share()?),
                "highestwastedbytes" if off => rules.max_wasted = None,
                "highestwastedbytes" => match parse_bytes(value) {
                    Some(bytes) => rules.max_wasted = Some(bytes),
                    None => return refuse(format!("`{value}` is not a size")),
                },
                other => return refuse(format!("there is no rule `{other}`")),
            }
        }
        Ok(rules)
    }
}

/// Sizes as dive reads them: `20MB` is powers of ten, `20MiB` powers of two.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let (prefix, base) = match unit.strip_suffix("ib") {
        Some(prefix) => (prefix, 1024_f64),
        None => (unit.strip_suffix('b').unwrap_or(&unit), 1000.0),
    };
    let power = ["", "k", "m", "g", "t"].iter().position(|p| *p == prefix)?;
    let number: f64 = digits.replace(',', "").parse().ok()?;
    (number >= 0.0).then(|| (number * base.powi(power as i32)) as u64)
}

/// The largest places of some causes.
fn places(analysis: &Analysis, wanted: impl Fn(Cause) -> bool) -> Vec<Blame> {
    let causes = analysis.causes.iter().filter(|cause| wanted(cause.cause));
    let mut places: Vec<Blame> = causes
        .flat_map(|cause| {
            cause.places.iter().take(3).map(|place| Blame {
                what: format!("{} ({})", place.path, cause.title),
                bytes: place.bytes,
                layer: Some(place.layer),
            })
        })
        .collect();
    places.sort_by_key(|blame| std::cmp::Reverse(blame.bytes));
    places.truncate(3);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_dive_are_read_as_they_are() {
        let text = "\
# If the efficiency is measured below X%, mark as failed.
rules:
  lowestEfficiency: 0.95   # a comment

  highestWastedBytes: \"20MB\"
  highestUserWastedPercent: disabled
";
        let want = Rules {
            min_efficiency: Some(0.95),
            max_wasted: Some(20_000_000),
            ..Rules::default()
        };
        assert_eq!(Rules::parse_dive(text), Ok(want));
        assert_eq!(
            Rules::parse_dive("log:\n  enabled: true\n"),
            Ok(Rules::dive_defaults())
        );
        assert_eq!(
            Rules::parse_dive("rules:\n  lowest: 1\n"),
            Err("line 2: there is no rule `lowest`".to_owned())
        );
        assert_eq!(
            Rules::parse_dive("rules:\n  lowestEfficiency: 95%\n"),
            Err("line 2: lowestEfficiency is a share from 0 to 1, not `95%`".to_owned())
        );
    }

    #[test]
    fn sizes_of_dive() {
        for (text, want) in [
            ("20MB", Some(20_000_000)),
            ("20MiB", Some(20 << 20)),
            ("1.5 kB", Some(1500)),
            ("7", Some(7)),
            ("7 potatoes", None),
        ] {
            assert_eq!(parse_bytes(text), want, "{text}");
        }
    }
}
