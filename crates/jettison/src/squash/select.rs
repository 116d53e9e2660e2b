//! Which layers are merged, from what a user says.

use image::Image;

use super::{Error, Range};
use crate::instructions;

/// Layers, in the words of a user. Layers are numbered from 0, base first, as
/// an analysis shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// The last ones.
    Last(usize),
    /// Those of the last lines of the history, lines without a layer counted too.
    Instructions(usize),
    /// From one to another, both included.
    Between(usize, Option<usize>),
    /// From the one with this number, digest or instruction to the last.
    From(String),
    /// Those after the one with this digest.
    After(String),
    /// Those above the first so many.
    Above(usize),
}

impl Selection {
    /// Parses `2..5`, `2..`, `..5`.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse_range(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range of layers; use for instance 2..5 or 2..");
        let (first, last) = text.split_once("..").ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let first = if first.is_empty() { 0 } else { number(first)? };
        let last = match last {
            "" => None,
            last => Some(number(last.trim_start_matches('='))?),
        };
        Ok(Self::Between(first, last))
    }

    /// Finds the layers in an image.
    ///
    /// # Errors
    /// [`Error::Selection`].
    pub fn resolve(&self, image: &Image) -> Result<Range, Error> {
        let count = image.layers().len();
        let refuse = |reason: String| Err(Error::Selection { reason });
        let (first, end) = match self {
            Self::All => (0, count),
            Self::Last(last) => (count.saturating_sub(*last), count),
            Self::Instructions(last) => {
                let history = image.config().history();
                let from = history.len().saturating_sub(*last);
                let instructions = instructions::of_layers(image);
                let below = instructions
                    .iter()
                    .filter(|i| i.entry.is_none_or(|entry| entry < from))
                    .count();
                (below, count)
            }
            Self::Between(first, last) => (*first, last.map_or(count, |last| last + 1)),
            Self::From(text) => (find(image, text)?, count),
            Self::After(text) => match with_digest(image, text) {
                Some(layer) => (layer + 1, count),
                None => return refuse(format!("no layer has the digest `{text}`")),
            },
            Self::Above(layers) => (*layers, count),
        };
        if end > count {
            return refuse(format!(
                "the image has only {count} layers, 0 to {}",
                count - 1
            ));
        }
        if first >= end {
            return refuse("there are none to merge".to_owned());
        }
        Ok(Range { first, end })
    }
}

/// Finds a layer by number, digest or instruction.
fn find(image: &Image, text: &str) -> Result<usize, Error> {
    let count = image.layers().len();
    if let Ok(number) = text.parse::<usize>()
        && number < count
    {
        return Ok(number);
    }
    if let Some(layer) = with_digest(image, text) {
        return Ok(layer);
    }
    let wanted = text.trim();
    let found: Vec<usize> = instructions::of_layers(image)
        .iter()
        .enumerate()
        .filter(|(_, instruction)| instruction.text.contains(wanted))
        .map(|(at, _)| at)
        .collect();
    match found[..] {
        [only] => Ok(only),
        [] => Err(Error::Selection {
            reason: format!("no layer has the number, digest or instruction `{text}`"),
        }),
        _ => {
            let numbers: Vec<String> = found.iter().map(usize::to_string).collect();
            let reason = format!(
                "the instructions of layers {} contain `{text}`",
                numbers.join(", ")
            );
            Err(Error::Selection { reason })
        }
    }
}

/// The layer whose digest, packed or unpacked, begins like this.
fn with_digest(image: &Image, text: &str) -> Option<usize> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if hex.len() < 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    image.layers().position(|layer| {
        layer.diff_id.hex().starts_with(hex) || layer.descriptor.digest.hex().starts_with(hex)
    })
}

#[cfg(test)]
mod tests {
    use super::Selection;

    #[test]
    fn ranges_are_parsed() {
        assert_eq!(
            Selection::parse_range("2..5"),
            Ok(Selection::Between(2, Some(5)))
        );
        assert_eq!(
            Selection::parse_range("2..=5"),
            Ok(Selection::Between(2, Some(5)))
        );
        assert_eq!(
            Selection::parse_range("2.."),
            Ok(Selection::Between(2, None))
        );
        assert_eq!(
            Selection::parse_range("..3"),
            Ok(Selection::Between(0, Some(3)))
        );
        assert!(Selection::parse_range("2-5").is_err());
        assert!(Selection::parse_range("a..b").is_err());
    }
}
