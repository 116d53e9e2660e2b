//! "Did you mean": the known word that a misspelt one is closest to.

/// Returns the word of `known` that `word` was probably meant to be: at most two letters wrong, left
/// out, added or swapped, and fewer than half of them. Case does not count.
pub fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase();
    let distances = known
        .iter()
        .map(|known| (distance(&word, &known.to_lowercase()), *known));
    let (distance, best) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && distance * 2 < word.chars().count().max(2)).then_some(best)
}

/// Optimal string alignment: edits of one letter and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_a_different_word_is_not() {
        let known = ["RUN", "COPY", "ENTRYPOINT", "ENV"];
        for (word, expected) in [
            ("RUNN", Some("RUN")),
            ("COYP", Some("COPY")),
            ("entrypiont", Some("ENTRYPOINT")),
            ("apt", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(word, &known), expected, "{word}");
        }
    }
}
