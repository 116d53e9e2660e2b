//! Short differences between texts, for people.

/// Lines around a change that are shown with it.
const CONTEXT: usize = 2;
/// Lines that are shown at most.
const MOST_LINES: usize = 30;
/// Characters of a line that are shown.
const MOST_CHARACTERS: usize = 200;
/// Pairs of lines that are looked at to find what both have in common; beyond, the middle counts as changed.
const MOST_PAIRS: usize = 4_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Same,
    Removed,
    Added,
}

/// Returns the lines that differ, each after `-` or `+`, with a few around them.
pub(super) fn unified(before: &str, after: &str) -> String {
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let mut lines = changes(&old, &new);
    if lines.iter().all(|(kind, _)| *kind == Kind::Same) {
        lines = vec![
            (Kind::Removed, "(ends differently: a newline)"),
            (Kind::Added, "(the same without it, or with it)"),
        ];
    }
    let near = |at: usize| {
        let from = at.saturating_sub(CONTEXT);
        let to = (at + CONTEXT + 1).min(lines.len());
        lines[from..to].iter().any(|(kind, _)| *kind != Kind::Same)
    };
    let (mut text, mut shown, mut gap) = (String::new(), 0, false);
    for (at, (kind, line)) in lines.iter().enumerate() {
        if !near(at) {
            gap = shown > 0;
            continue;
        }
        if shown == MOST_LINES {
            text.push_str("  …\n");
            break;
        }
        if std::mem::take(&mut gap) {
            text.push_str("  …\n");
        }
        text.push_str(match kind {
            Kind::Same => "  ",
            Kind::Removed => "- ",
            Kind::Added => "+ ",
        });
        text.push_str(&shorten(line));
        text.push('\n');
        shown += 1;
    }
    text
}

fn shorten(line: &str) -> String {
    let shown: String = line.chars().take(MOST_CHARACTERS).collect();
    let cut = shown.len() < line.len();
    let mut shown = layer::display(shown.as_bytes()).into_owned();
    if cut {
        shown.push('…');
    }
    shown
}

/// Returns all lines of both texts in order, with what became of each.
fn changes<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(Kind, &'t str)> {
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[front..], &new[front..]);
    let back = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let old_middle = &old_rest[..old_rest.len() - back];
    let new_middle = &new_rest[..new_rest.len() - back];
    let mut result: Vec<_> = old[..front]
        .iter()
        .map(|line| (Kind::Same, *line))
        .collect();
    middle(old_middle, new_middle, &mut result);
    result.extend(
        old[old.len() - back..]
            .iter()
            .map(|line| (Kind::Same, *line)),
    );
    result
}

/// The longest common subsequence, by the table that everyone knows.
fn middle<'t>(old: &[&'t str], new: &[&'t str], result: &mut Vec<(Kind, &'t str)>) {
    let width = new.len() + 1;
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        result.extend(old.iter().map(|line| (Kind::Removed, *line)));
        result.extend(new.iter().map(|line| (Kind::Added, *line)));
        return;
    }
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            common[i * width + j] = if a == b {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let both = i < old.len() && j < new.len();
        if both && old[i] == new[j] {
            result.push((Kind::Same, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || both && common[(i + 1) * width + j] >= common[i * width + j + 1]
        {
            result.push((Kind::Removed, old[i]));
            i += 1;
        } else {
            result.push((Kind::Added, new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_short() {
        assert_eq!(unified("a\nb\nc\n", "a\nx\nc\n"), "  a\n- b\n+ x\n  c\n");
        assert_eq!(unified("", "x"), "+ x\n");
        assert_eq!(unified("x\n", ""), "- x\n");
        let many: String = (0..100).map(|n| format!("{n}\n")).collect();
        let changed = many.replace("50\n", "fifty\n").replace("90\n", "");
        let shown = unified(&many, &changed);
        assert_eq!(
            shown,
            "  48\n  49\n- 50\n+ fifty\n  51\n  52\n  …\n  88\n  89\n- 90\n  91\n  92\n"
        );
        assert!(unified(&many, "").lines().count() <= MOST_LINES + 1);
        assert!(unified("x", "x\n").contains("newline"));
        assert!(unified("\u{1b}[0m", "").contains("\\u{1b}"));
    }
}
