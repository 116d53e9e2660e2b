//! A config as instructions.

use image::Config;
use serde_json::Value;

use super::words::{plain, quoted};

/// Settings of a config that have an instruction, or mean nothing in an image that is built.
const KNOWN: &[&str] = &[
    "Env",
    "Labels",
    "WorkingDir",
    "User",
    "ExposedPorts",
    "Volumes",
    "StopSignal",
    "Shell",
    "Healthcheck",
    "Entrypoint",
    "Cmd",
    "OnBuild",
    // Leftovers of the container that an old builder committed.
    "Hostname",
    "Domainname",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Image",
    "ArgsEscaped",
];

/// Returns the instructions, and what cannot be said by any.
pub fn instructions(config: &Config) -> (Vec<String>, Vec<String>) {
    let mut lines = Lines::default();
    for variable in config.env() {
        let (name, value) = variable.split_once('=').unwrap_or((&variable, ""));
        let text = quoted(value).map(|value| format!("ENV {name}={value}"));
        lines.add(text, || format!("the variable {name}"));
    }
    for (key, value) in config.labels() {
        let text = quoted(&key)
            .zip(quoted(&value))
            .map(|(key, value)| format!("LABEL {key}={value}"));
        lines.add(text, || format!("the label {key}"));
    }
    let setting = &config.value()["config"];
    let directory = setting["WorkingDir"].as_str().unwrap_or_default();
    if !directory.is_empty() {
        let text = plain(directory).map(|directory| format!("WORKDIR {directory}"));
        lines.add(text, || "the working directory".to_owned());
    }
    if !config.user().is_empty() {
        let text = plain(config.user()).map(|user| format!("USER {user}"));
        lines.add(text, || "the user".to_owned());
    }
    for port in config.exposed_ports() {
        lines.add(Some(format!("EXPOSE {port}")), String::new);
    }
    let volumes = config.volumes();
    if !volumes.is_empty() {
        lines.add(Some(format!("VOLUME {}", list(&volumes))), String::new);
    }
    if let Some(signal) = config.stop_signal() {
        lines.add(Some(format!("STOPSIGNAL {signal}")), String::new);
    }
    let strings = |key: &str| -> Vec<String> {
        let items = setting[key].as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    for (key, instruction) in [
        ("Shell", "SHELL"),
        ("Entrypoint", "ENTRYPOINT"),
        ("Cmd", "CMD"),
    ] {
        let words = strings(key);
        if !words.is_empty() {
            lines.add(Some(format!("{instruction} {}", list(&words))), String::new);
        }
    }
    if setting["Healthcheck"].is_object() {
        let text = healthcheck(&setting["Healthcheck"]);
        lines.add(text, || "the health check".to_owned());
    }
    for trigger in strings("OnBuild") {
        let text = (!trigger.contains('\n')).then(|| format!("ONBUILD {trigger}"));
        lines.add(text, || "a trigger for other builds".to_owned());
    }
    for (key, value) in setting.as_object().into_iter().flatten() {
        let empty = value.is_null() || value.as_str() == Some("");
        if !KNOWN.contains(&key.as_str()) && !empty {
            lines.lacks.push(format!("the setting {key} is left out"));
        }
    }
    (lines.lines, lines.lacks)
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    lacks: Vec<String>,
}

impl Lines {
    /// Adds an instruction, or says what is missing without it.
    fn add(&mut self, line: Option<String>, what: impl FnOnce() -> String) {
        match line {
            Some(line) => self.lines.push(line),
            None => {
                let what = what();
                self.lacks
                    .push(format!("{what} is left out: it has several lines"));
            }
        }
    }
}

fn list(words: &[String]) -> String {
    let words = words
        .iter()
        .map(|word| Value::from(word.as_str()).to_string());
    format!("[{}]", words.collect::<Vec<_>>().join(", "))
}

fn healthcheck(check: &Value) -> Option<String> {
    let words: Vec<String> = check["Test"]
        .as_array()?
        .iter()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect();
    let mut text = String::from("HEALTHCHECK");
    for (key, flag) in [
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start-period"),
        ("StartInterval", "start-interval"),
    ] {
        if let Some(nanoseconds) = check[key].as_u64().filter(|time| *time > 0) {
            let time = if nanoseconds % 1_000_000_000 == 0 {
                format!("{}s", nanoseconds / 1_000_000_000)
            } else {
                format!("{nanoseconds}ns")
            };
            text.push_str(&format!(" --{flag}={time}"));
        }
    }
    if let Some(retries) = check["Retries"].as_u64().filter(|count| *count > 0) {
        text.push_str(&format!(" --retries={retries}"));
    }
    match words.split_first()? {
        (kind, _) if kind == "NONE" => Some("HEALTHCHECK NONE".to_owned()),
        (kind, rest) if kind == "CMD" => Some(format!("{text} CMD {}", list(rest))),
        (kind, [command]) if kind == "CMD-SHELL" && !command.contains('\n') => {
            Some(format!("{text} CMD {command}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_instruction() {
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": [] },
            "config": {
                "Env": ["PATH=/bin", "PRICE=5 $ \"x\"", "LINES=a\nb"],
                "Labels": { "b": "2", "a": "1 1" }, "WorkingDir": "/srv/a b", "User": "app:app",
                "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/data": {} },
                "StopSignal": "SIGQUIT", "Shell": ["/bin/bash", "-c"],
                "Entrypoint": ["/bin/sh", "-c", "echo \"$X\""], "Cmd": ["a"],
                "Healthcheck": { "Test": ["CMD-SHELL", "curl -f localhost || exit 1"],
                    "Interval": 5_000_000_000_u64, "Timeout": 1_500_000_000, "Retries": 2 },
                "OnBuild": ["COPY . /app"], "Tty": false, "MacAddress": "x",
            },
        });
        let config = Config::parse(config.to_string().into_bytes()).unwrap();
        let (lines, lacks) = instructions(&config);
        assert_eq!(
            lines,
            [
                r#"ENV PATH="/bin""#,
                r#"ENV PRICE="5 \$ \"x\"""#,
                r#"LABEL "a"="1 1""#,
                r#"LABEL "b"="2""#,
                "WORKDIR /srv/a b",
                "USER app:app",
                "EXPOSE 80/tcp",
                r#"VOLUME ["/data"]"#,
                "STOPSIGNAL SIGQUIT",
                r#"SHELL ["/bin/bash", "-c"]"#,
                r#"ENTRYPOINT ["/bin/sh", "-c", "echo \"$X\""]"#,
                r#"CMD ["a"]"#,
                "HEALTHCHECK --interval=5s --timeout=1500000000ns --retries=2 CMD curl -f localhost || exit 1",
                "ONBUILD COPY . /app",
            ]
        );
        assert_eq!(
            lacks,
            [
                "the variable LINES is left out: it has several lines",
                "the setting MacAddress is left out",
            ]
        );
    }
}
