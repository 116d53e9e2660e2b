//! Which variables an instruction sees, and what they are.

use image::{Config, Platform};

/// Arguments that need no `ARG`, and that no cache asks for: where proxies are.
pub(super) const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Variables with their values, in the order in which they were set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variables(Vec<(String, String)>);

impl Variables {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// What every build knows: for which machine it is and on which it runs.
    pub(super) fn of_platforms(target: &Platform, target_stage: &str) -> Self {
        let mut variables = Self::default();
        for (prefix, platform) in [("BUILD", &Platform::host()), ("TARGET", target)] {
            variables.set(&format!("{prefix}PLATFORM"), &platform.to_string());
            variables.set(&format!("{prefix}OS"), &platform.os);
            variables.set(&format!("{prefix}ARCH"), &platform.architecture);
            variables.set(
                &format!("{prefix}VARIANT"),
                platform.variant.as_deref().unwrap_or_default(),
            );
        }
        variables.set("TARGETSTAGE", target_stage);
        variables
    }
}

/// Looks a variable up as instructions do: what the image sets hides what the build gives.
pub(super) fn look_up(config: &Config, args: &Variables, name: &str) -> Option<String> {
    config
        .env_var(name)
        .or_else(|| args.get(name).map(str::to_owned))
}
