//! What a word or a variable may be.

use super::MAX_VALUES;

/// Bytes of one value; longer ones are no path and no command line.
const MAX_VALUE: usize = 16 << 10;

/// What a word or a variable may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Value {
    pub(super) text: String,
    /// Something unknown follows.
    pub(super) open: bool,
    /// What follows the first unknown part, with `$_` for what is unknown.
    pub(super) rest: String,
    /// It is not the first element of an array.
    pub(super) later: bool,
    /// It has characters of a pattern that are not quoted.
    pub(super) pattern: bool,
    /// It is to be split at blanks.
    pub(super) split: bool,
}

impl Value {
    pub(super) fn complete(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }

    pub(super) fn unknown() -> Self {
        Self {
            open: true,
            rest: "$_".to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, text: &str, quoted: bool) {
        if self.text.len() + self.rest.len() + text.len() > MAX_VALUE {
            self.open = true;
        } else if self.open {
            self.rest.push_str(text);
        } else {
            self.text.push_str(text);
            self.pattern |= !quoted && text.contains(['*', '?', '[']);
        }
    }

    pub(super) fn append(&mut self, end: &Self) {
        self.push(&end.text, true);
        let closed = !self.open;
        self.open |= end.open;
        if self.text.len() + self.rest.len() + end.rest.len() <= MAX_VALUE {
            self.rest.push_str(&end.rest);
        }
        self.pattern |= end.pattern && closed;
        self.split |= end.split;
        self.later |= end.later;
    }

    /// Returns what is known behind something unknown, if it is the end of a path: `/lib/common` of `$HOME/lib/common`.
    pub(super) fn end(&self) -> Option<&str> {
        let last = self.rest.rfind("$_")? + "$_".len();
        let end = &self.rest[last..];
        let plain = |c: char| c.is_alphanumeric() || "/._+-".contains(c);
        let is_path = end.starts_with('/') && !end.ends_with('/') && end.chars().all(plain);
        (is_path && !self.pattern).then_some(end)
    }

    /// Returns the value as a script that a shell is given.
    pub(super) fn script(&self) -> String {
        format!("{}{}", self.text, self.rest)
    }
}

/// A word of a command: each of its values.
pub(super) type Field = Vec<Value>;

/// Every beginning with every end.
pub(super) fn combine(beginnings: &[Value], ends: &[Value]) -> Vec<Value> {
    let mut values = Vec::new();
    for beginning in beginnings {
        // Behind something unknown, one way to go on is enough.
        let count = if beginning.open { 1 } else { ends.len() };
        for end in &ends[..count] {
            let mut value = beginning.clone();
            value.append(end);
            values.push(value);
        }
    }
    values.sort();
    values.dedup();
    if values.len() > MAX_VALUES {
        values.truncate(MAX_VALUES);
        values.push(Value::unknown());
    }
    values
}

/// Splits a value at blanks if that is what the shell does with it.
pub(super) fn split(value: Value) -> Vec<Value> {
    if !value.split {
        return vec![value];
    }
    let mut parts: Vec<Value> = value
        .text
        .split_whitespace()
        .map(|part| Value {
            text: part.to_owned(),
            pattern: part.contains(['*', '?', '[']) && value.pattern,
            ..Value::default()
        })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.open = value.open;
        last.rest = value.rest;
    }
    parts
}

/// Returns what a pattern may become: names with its constant beginning.
pub(super) fn matched(value: Value) -> Value {
    let Some(end) = value.text.find(['*', '?', '[']).filter(|_| value.pattern) else {
        return value;
    };
    Value {
        text: value.text[..end].to_owned(),
        ..Value::unknown()
    }
}

/// Returns the text of a field that has one value, and that known.
pub(super) fn single(field: &[Value]) -> Option<&str> {
    match field {
        [value] if !value.open => Some(&value.text),
        _ => None,
    }
}
