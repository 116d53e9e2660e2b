//! What the instructions without files do to an image's config.

use std::time::Duration;

use dockerfile::{Command, Healthcheck};
use image::Config;
use serde_json::{Map, Value, json};

/// Docker's `PATH` for programs without one, and that of images from scratch.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Sets a variable, in the place of one of the same name.
pub(super) fn env(config: &Config, name: &str, value: &str) -> Config {
    let mut lines = config.env();
    let line = format!("{name}={value}");
    let same = |old: &String| old.split_once('=').map_or(&**old, |(name, _)| name) == name;
    match lines.iter().position(same) {
        Some(at) => lines[at] = line,
        None => lines.push(line),
    }
    config.with_setting("Env", json!(lines))
}

/// Sets a label.
pub(super) fn label(config: &Config, name: &str, value: &str) -> Config {
    let mut labels: Map<String, Value> = config
        .labels()
        .into_iter()
        .map(|(name, value)| (name, json!(value)))
        .collect();
    labels.insert(name.to_owned(), json!(value));
    let sorted: std::collections::BTreeMap<_, _> = labels.into_iter().collect();
    config.with_setting("Labels", json!(sorted))
}

/// Adds to a set such as `Volumes`, which is an object with empty values.
pub(super) fn add(config: &Config, key: &str, names: &[String]) -> Config {
    let mut all = match key {
        "Volumes" => config.volumes(),
        _ => config.exposed_ports(),
    };
    all.extend(names.iter().cloned());
    let set: std::collections::BTreeMap<_, _> =
        all.into_iter().map(|name| (name, json!({}))).collect();
    config.with_setting(key, json!(set))
}

/// Returns the argument vector of a command; the shell form is given to the image's shell.
pub(super) fn argv(config: &Config, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(text) if text.is_empty() => Vec::new(),
        Command::Shell(text) => {
            let mut words = config.shell();
            words.push(text.clone());
            words
        }
    }
}

/// Sets the health check.
pub(super) fn healthcheck(config: &Config, check: &Healthcheck) -> Config {
    let value = match check {
        Healthcheck::None => json!({ "Test": ["NONE"] }),
        Healthcheck::Command {
            command,
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        } => {
            let mut test = Vec::new();
            match command {
                Command::Exec(words) => {
                    test.push("CMD".to_owned());
                    test.extend(words.iter().cloned());
                }
                Command::Shell(text) => test.extend(["CMD-SHELL".to_owned(), text.clone()]),
            }
            let mut value = json!({ "Test": test });
            let durations = [
                ("Interval", interval),
                ("Timeout", timeout),
                ("StartPeriod", start_period),
                ("StartInterval", start_interval),
            ];
            for (key, duration) in durations {
                if let Some(duration) = duration {
                    value[key] = json!(nanoseconds(*duration));
                }
            }
            if let Some(retries) = retries.filter(|retries| *retries > 0) {
                value["Retries"] = json!(retries);
            }
            value
        }
    };
    config.with_setting("Healthcheck", value)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads the operand of `EXPOSE`: a port or a range, with a protocol or not.
pub(super) fn ports(text: &str) -> Result<Vec<String>, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_lowercase();
    if !matches!(&*protocol, "tcp" | "udp" | "sctp") {
        return Err(format!(
            "`{protocol}` is not a protocol: there are tcp, udp and sctp"
        ));
    }
    let number = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| format!("`{text}` is not a port"))
    };
    // A mapping such as 8080:80 names the container's port last.
    let ports = ports.rsplit(':').next().unwrap_or(ports);
    let (first, last) = match ports.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(ports)?, number(ports)?),
    };
    if last < first {
        return Err(format!("`{ports}` is not a range of ports"));
    }
    Ok((first..=last)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_protocols_and_ranges() {
        assert_eq!(ports("80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("53/UDP").unwrap(), ["53/udp"]);
        assert_eq!(
            ports("8000-8002").unwrap(),
            ["8000/tcp", "8001/tcp", "8002/tcp"]
        );
        for bad in ["http", "80/x", "5-4", "99999", ""] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
