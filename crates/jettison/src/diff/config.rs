//! What differs between the configs of two images.

use std::collections::BTreeMap;

use image::Config;
use serde::Serialize;
use serde_json::Value;

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigChange {
    /// Such as `config.Env.PATH` or `config.User`.
    pub key: String,
    /// In the first image; nothing where it is not set.
    pub old: Option<Value>,
    /// In the second.
    pub new: Option<Value>,
}

/// Parts of a config that describe how it came about, not what it does.
const ORIGIN: &[&str] = &[
    "created",
    "history",
    "rootfs",
    "container",
    "container_config",
    "docker_version",
    "parent",
    "id",
];

/// Compares what two configs set. Objects are compared by key, and the
/// environment by variable; anything else as a whole.
pub(super) fn compare(old: &Config, new: &Config) -> Vec<ConfigChange> {
    let mut changes = Vec::new();
    let (old, new) = (flat(old.value()), flat(new.value()));
    for (key, value) in &old {
        let other = new.get(key);
        if other != Some(value) {
            changes.push(ConfigChange {
                key: key.clone(),
                old: Some(value.clone()),
                new: other.cloned(),
            });
        }
    }
    for (key, value) in &new {
        if !old.contains_key(key) {
            changes.push(ConfigChange {
                key: key.clone(),
                old: None,
                new: Some(value.clone()),
            });
        }
    }
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

fn flat(config: &Value) -> BTreeMap<String, Value> {
    let mut settings = BTreeMap::new();
    let entries = config.as_object().into_iter().flatten();
    for (key, value) in entries.filter(|(key, _)| !ORIGIN.contains(&key.as_str())) {
        add(key, value, &mut settings);
    }
    settings
}

fn add(key: &str, value: &Value, settings: &mut BTreeMap<String, Value>) {
    match value {
        // Not set, in the words of various builders.
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Object(fields) => {
            if fields.is_empty() && key.matches('.').count() > 1 {
                settings.insert(key.to_owned(), value.clone()); // a port, a volume
            }
            for (name, value) in fields {
                add(&format!("{key}.{name}"), value, settings);
            }
        }
        Value::Array(items) if key == "config.Env" => {
            for item in items.iter().filter_map(Value::as_str) {
                let (name, value) = item.split_once('=').unwrap_or((item, ""));
                settings.insert(format!("{key}.{name}"), Value::String(value.to_owned()));
            }
        }
        other => drop(settings.insert(key.to_owned(), other.clone())),
    }
}
