//! Image configs: read through accessors, changed without losing a field.
//!
//! Configs carry fields that no specification lists (`container_config`,
//! vendors' keys) and Docker's own (`Healthcheck`, `Shell`, `OnBuild`). They are
//! therefore kept as JSON, and a change touches only what it is about.

use serde_json::{Map, Value, json};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// An image config, with the very bytes that its digest covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    bytes: Vec<u8>,
    digest: Digest,
    value: Value,
    diff_ids: Vec<Digest>,
}

/// One line of an image's history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryEntry {
    /// RFC 3339.
    pub created: Option<String>,
    /// The instruction.
    pub created_by: String,
    /// Free-form.
    pub comment: Option<String>,
    /// Whether the instruction made no layer.
    pub empty_layer: bool,
}

impl Config {
    /// Parses a config.
    ///
    /// # Errors
    /// [`Error::Document`] when it is not JSON of the expected shape.
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let digest = Digest::of(&bytes);
        let invalid = |reason: String| Error::Document { digest, reason };
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| invalid(e.to_string()))?;
        if !value.is_object() {
            return Err(invalid("an image config is a JSON object".to_owned()));
        }
        let listed = value["rootfs"]["diff_ids"]
            .as_array()
            .map_or(&[][..], |ids| &ids[..]);
        let diff_ids = listed
            .iter()
            .map(|id| id.as_str().unwrap_or_default().parse::<Digest>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| invalid(format!("rootfs.diff_ids: {e}")))?;
        Ok(Self {
            bytes,
            digest,
            value,
            diff_ids,
        })
    }

    /// Returns the smallest valid config for a platform: no layers, no command.
    pub fn empty(platform: &Platform, created: &str) -> Self {
        let mut value = json!({
            "created": created,
            "architecture": platform.architecture,
            "os": platform.os,
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [] },
            "history": [],
        });
        if let Some(variant) = &platform.variant {
            value["variant"] = json!(variant);
        }
        Self::from_value(value)
    }

    fn from_value(value: Value) -> Self {
        let bytes = serde_json::to_vec(&value).unwrap_or_default();
        let ids = value["rootfs"]["diff_ids"]
            .as_array()
            .map_or(&[][..], |ids| &ids[..]);
        let diff_ids = ids
            .iter()
            .filter_map(|id| id.as_str()?.parse().ok())
            .collect();
        Self {
            digest: Digest::of(&bytes),
            bytes,
            value,
            diff_ids,
        }
    }

    /// Returns the bytes that the digest covers.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest: the image id of `docker images`.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the whole document.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the digests of the uncompressed layers, base first.
    pub fn diff_ids(&self) -> &[Digest] {
        &self.diff_ids
    }

    /// Returns the machine that the image is for.
    pub fn platform(&self) -> Platform {
        let text = |key: &str| self.value[key].as_str().map(str::to_owned);
        Platform {
            os: text("os")
                .filter(|os| !os.is_empty())
                .unwrap_or_else(|| "linux".to_owned()),
            architecture: text("architecture").unwrap_or_default(),
            variant: text("variant").filter(|variant| !variant.is_empty()),
        }
    }

    /// Returns when the image was made, RFC 3339.
    pub fn created(&self) -> Option<&str> {
        self.value["created"].as_str()
    }

    /// Returns `config.Entrypoint`.
    pub fn entrypoint(&self) -> Vec<String> {
        self.strings("Entrypoint")
    }

    /// Returns `config.Cmd`.
    pub fn cmd(&self) -> Vec<String> {
        self.strings("Cmd")
    }

    /// Returns `config.Env`, each `NAME=value`.
    pub fn env(&self) -> Vec<String> {
        self.strings("Env")
    }

    /// Returns the value of an environment variable; the last setting counts.
    pub fn env_var(&self, name: &str) -> Option<String> {
        let assigned = |line: &String| {
            line.split_once('=')
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        };
        self.env().iter().rev().find_map(assigned)
    }

    /// Returns `config.Shell`, used by the shell forms.
    pub fn shell(&self) -> Vec<String> {
        let shell = self.strings("Shell");
        if shell.is_empty() {
            vec!["/bin/sh".to_owned(), "-c".to_owned()]
        } else {
            shell
        }
    }

    /// Returns `config.User`, as written; empty for root.
    pub fn user(&self) -> &str {
        self.config("User").as_str().unwrap_or_default()
    }

    /// Returns `config.WorkingDir`, `/` when there is none.
    pub fn working_dir(&self) -> &str {
        self.config("WorkingDir")
            .as_str()
            .filter(|dir| !dir.is_empty())
            .unwrap_or("/")
    }

    /// Returns `config.StopSignal`.
    pub fn stop_signal(&self) -> Option<&str> {
        self.config("StopSignal")
            .as_str()
            .filter(|signal| !signal.is_empty())
    }

    /// Returns the keys of `config.ExposedPorts` (`6379/tcp`), sorted.
    pub fn exposed_ports(&self) -> Vec<String> {
        self.keys("ExposedPorts")
    }

    /// Returns the keys of `config.Volumes`, sorted.
    pub fn volumes(&self) -> Vec<String> {
        self.keys("Volumes")
    }

    /// Returns `config.Labels`, sorted by key.
    pub fn labels(&self) -> Vec<(String, String)> {
        let Some(labels) = self.config("Labels").as_object() else {
            return Vec::new();
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut labels: Vec<_> = labels.iter().map(|(k, v)| (k.clone(), text(v))).collect();
        labels.sort();
        labels
    }

    /// Returns the command of `config.Healthcheck`, as an argument vector.
    pub fn healthcheck(&self) -> Option<Vec<String>> {
        let test = string_list(&self.config("Healthcheck")["Test"]);
        match test.first().map(String::as_str)? {
            "CMD" => Some(test[1..].to_vec()),
            "CMD-SHELL" => {
                let mut command = self.shell();
                command.extend_from_slice(&test[1..]);
                Some(command)
            }
            _ => None,
        }
    }

    /// Returns the history, oldest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        let Some(entries) = self.value["history"].as_array() else {
            return Vec::new();
        };
        let text = |entry: &Value, key: &str| entry[key].as_str().map(str::to_owned);
        entries
            .iter()
            .map(|entry| HistoryEntry {
                created: text(entry, "created"),
                created_by: text(entry, "created_by").unwrap_or_default(),
                comment: text(entry, "comment"),
                empty_layer: entry["empty_layer"].as_bool().unwrap_or(false),
            })
            .collect()
    }

    /// Returns this config for other layers, everything else untouched.
    ///
    /// Docker's `container_config` and `parent` describe how the *old* layers
    /// came about and would be untrue; they are left out when present.
    #[must_use]
    pub fn with_layers(&self, diff_ids: &[Digest], history: &[HistoryEntry]) -> Self {
        let mut value = self.value.clone();
        value["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        value["history"] = history.iter().map(history_json).collect();
        if let Some(object) = value.as_object_mut() {
            for stale in ["container", "container_config", "parent", "parent_id", "id"] {
                object.shift_remove(stale);
            }
        }
        Self::from_value(value)
    }

    /// Returns this config with one key of its `config` object set.
    #[must_use]
    pub fn with_setting(&self, key: &str, setting: Value) -> Self {
        let mut value = self.value.clone();
        if !value["config"].is_object() {
            value["config"] = Value::Object(Map::new());
        }
        value["config"][key] = setting;
        Self::from_value(value)
    }

    /// Returns this config with one key of its `config` object taken away.
    #[must_use]
    pub fn without_setting(&self, key: &str) -> Self {
        let mut value = self.value.clone();
        if let Some(settings) = value["config"].as_object_mut() {
            settings.shift_remove(key);
        }
        Self::from_value(value)
    }

    /// Returns this config with one key of the document itself set, such as `author`.
    #[must_use]
    pub fn with_field(&self, key: &str, field: Value) -> Self {
        let mut value = self.value.clone();
        value[key] = field;
        Self::from_value(value)
    }

    fn config(&self, key: &str) -> &Value {
        &self.value["config"][key]
    }

    fn strings(&self, key: &str) -> Vec<String> {
        string_list(self.config(key))
    }

    fn keys(&self, key: &str) -> Vec<String> {
        let mut keys: Vec<String> = self
            .config(key)
            .as_object()
            .map_or_else(Vec::new, |map| map.keys().cloned().collect());
        keys.sort();
        keys
    }
}

fn string_list(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or(&[][..], |items| &items[..]);
    items
        .iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn history_json(entry: &HistoryEntry) -> Value {
    let mut json = Map::new();
    let mut put = |key: &str, value: Option<&String>| {
        if let Some(value) = value {
            json.insert(key.to_owned(), Value::String(value.clone()));
        }
    };
    put("created", entry.created.as_ref());
    put("created_by", Some(&entry.created_by));
    put("comment", entry.comment.as_ref());
    if entry.empty_layer {
        json.insert("empty_layer".to_owned(), Value::Bool(true));
    }
    Value::Object(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["redis-server"],
        "Env":["A=1","A=2"],"Healthcheck":{"Test":["CMD-SHELL","redis-cli ping"]},"Vendor":{"x":1}},
        "rootfs":{"type":"layers","diff_ids":[]},"com.example":[1,2],"container_config":{}}"#;

    #[test]
    fn unknown_fields_survive_a_change() {
        let config = Config::parse(CONFIG.as_bytes().to_vec()).unwrap();
        let changed = config.with_layers(&[Digest::of(b"x")], &[HistoryEntry::default()]);
        assert_eq!(changed.value()["com.example"], json!([1, 2]));
        assert_eq!(changed.value()["config"], config.value()["config"]);
        assert_eq!(changed.value().get("container_config"), None);
        assert_eq!(changed.diff_ids(), [Digest::of(b"x")]);
        assert_eq!(Config::parse(changed.bytes().to_vec()).unwrap(), changed);
    }

    #[test]
    fn settings_are_read_as_docker_reads_them() {
        let config = Config::parse(CONFIG.as_bytes().to_vec()).unwrap();
        assert_eq!(config.env_var("A").as_deref(), Some("2"));
        assert_eq!(
            config.healthcheck().unwrap(),
            ["/bin/sh", "-c", "redis-cli ping"]
        );
        assert_eq!(config.working_dir(), "/");
    }
}
