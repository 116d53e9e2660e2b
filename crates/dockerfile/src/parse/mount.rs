//! `RUN --mount=type=…,key=value,…`.

use super::Parser;
use crate::ast::{Mount, MountKind, Sharing, Word};
use crate::suggest::closest;

/// All keys; those in the second list need no value.
const KEYS: [&str; 19] = [
    "type",
    "target",
    "dst",
    "destination",
    "source",
    "src",
    "from",
    "id",
    "env",
    "sharing",
    "mode",
    "uid",
    "gid",
    "size",
    "required",
    "readonly",
    "ro",
    "rw",
    "readwrite",
];
const SWITCHES: [&str; 5] = ["required", "readonly", "ro", "rw", "readwrite"];
const KINDS: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

impl Parser {
    pub(super) fn mount(&mut self, flag: &Word) -> Option<Mount> {
        let mut mount = Mount {
            span: flag.span,
            kind: MountKind::Bind,
            target: None,
            source: None,
            from: None,
            id: None,
            env: None,
            read_only: None,
            required: false,
            sharing: Sharing::default(),
            mode: None,
            uid: None,
            gid: None,
            size: None,
        };
        for field in fields(&flag.text) {
            if let Err((message, hint)) = set(&mut mount, &field) {
                self.report(flag.span, message, hint);
                return None;
            }
        }
        let needs_target = matches!(
            mount.kind,
            MountKind::Bind | MountKind::Cache | MountKind::Tmpfs
        );
        if needs_target && mount.target.as_deref().unwrap_or_default().is_empty() {
            self.report(
                flag.span,
                "--mount needs a target",
                Some("add target=/PATH".to_owned()),
            );
            return None;
        }
        Some(mount)
    }
}

type Refusal = (String, Option<String>);

fn set(mount: &mut Mount, field: &str) -> Result<(), Refusal> {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key.to_lowercase(), Some(value.to_owned())),
        None => (field.to_lowercase(), None),
    };
    let known = KEYS.contains(&&*key);
    if !known {
        let hint = closest(&key, &KEYS).map(|near| format!("did you mean {near}?"));
        return Err((format!("--mount has no option `{key}`"), hint));
    }
    if SWITCHES.contains(&&*key) {
        let on = match value.as_deref().map(str::to_lowercase).as_deref() {
            None | Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(other) => return Err((format!("`{other}` is neither true nor false"), None)),
        };
        match &*key {
            "required" => mount.required = on,
            "readonly" | "ro" => mount.read_only = Some(on),
            _ => mount.read_only = Some(!on),
        }
        return Ok(());
    }
    let value = value.ok_or_else(|| {
        (
            format!("`{key}` of --mount needs a value"),
            Some(format!("write {key}=VALUE")),
        )
    })?;
    match &*key {
        "type" => {
            mount.kind = match &*value.to_lowercase() {
                "bind" => MountKind::Bind,
                "cache" => MountKind::Cache,
                "tmpfs" => MountKind::Tmpfs,
                "secret" => MountKind::Secret,
                "ssh" => MountKind::Ssh,
                _ => {
                    let hint = closest(&value, &KINDS).map_or_else(
                        || format!("there are {}", KINDS.join(", ")),
                        |near| format!("did you mean {near}?"),
                    );
                    return Err((format!("--mount has no type `{value}`"), Some(hint)));
                }
            }
        }
        "target" | "dst" | "destination" => mount.target = Some(value),
        "source" | "src" => mount.source = Some(value),
        "from" => mount.from = Some(value),
        "id" => mount.id = Some(value),
        "env" => mount.env = Some(value),
        "mode" => mount.mode = Some(value),
        "uid" => mount.uid = Some(value),
        "gid" => mount.gid = Some(value),
        "sharing" => {
            mount.sharing = match &*value.to_lowercase() {
                "shared" => Sharing::Shared,
                "private" => Sharing::Private,
                "locked" => Sharing::Locked,
                _ => {
                    return Err((
                        format!("`sharing` cannot be `{value}`"),
                        Some("there are shared, private, locked".to_owned()),
                    ));
                }
            }
        }
        _ => {
            mount.size = Some(bytes(&value).ok_or_else(|| {
                (
                    format!("`{value}` is not a size"),
                    Some("write for instance 64m".to_owned()),
                )
            })?)
        }
    }
    Ok(())
}

/// Divides at commas outside of double quotes (one record of CSV).
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields
                .last_mut()
                .into_iter()
                .for_each(|field| field.push(c)),
        }
    }
    fields.retain(|field| !field.is_empty());
    fields
}

fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, shift) = match lower.chars().last()? {
        'k' => (&lower[..lower.len() - 1], 10),
        'm' => (&lower[..lower.len() - 1], 20),
        'g' => (&lower[..lower.len() - 1], 30),
        _ => (lower, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
