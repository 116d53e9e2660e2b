//! Flags about containers that several commands share, written as for `docker run`.

use std::path::{Path, PathBuf};

use sandbox::Mount;

use crate::environment;

/// The environment of a container.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct EnvFlags {
    /// Set a variable; without a value, to what it is here (repeatable)
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Set the variables that a file lists, one on a line (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
}

impl EnvFlags {
    /// Returns the variables, those of files first; one without a value is to be taken away.
    pub(crate) fn variables(&self) -> anyhow::Result<Vec<(String, Option<String>)>> {
        let mut lines = Vec::new();
        for path in &self.env_file {
            let text = std::fs::read_to_string(path).map_err(|source| image::Error::File {
                verb: "read",
                path: path.clone(),
                source,
            })?;
            let written = |line: &&str| !line.is_empty() && !line.starts_with('#');
            lines.extend(
                text.lines()
                    .map(str::trim_start)
                    .filter(written)
                    .map(str::to_owned),
            );
        }
        lines.extend(self.env.iter().cloned());
        Ok(lines.iter().map(|line| variable(line)).collect())
    }
}

fn variable(line: &str) -> (String, Option<String>) {
    match line.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (line.to_owned(), environment::value(line)),
    }
}

/// Parses `HOST:CONTAINER[:ro]`.
pub(crate) fn parse_volume(text: &str) -> Result<Mount, String> {
    let (paths, read_only) = match text.rsplit_once(':') {
        Some((paths, "ro")) => (paths, true),
        Some((paths, "rw")) => (paths, false),
        _ => (text, false),
    };
    let (source, target) = paths
        .split_once(':')
        .ok_or("write HOST:CONTAINER, two paths")?;
    if !source.contains('/') && source != "." {
        return Err(format!(
            "`{source}` is no path; volumes with a name are not kept here, write ./{source} for a directory"
        ));
    }
    let source = std::path::absolute(source).map_err(|error| error.to_string())?;
    if !source.exists() {
        return Err(format!("`{}` does not exist", source.display()));
    }
    Ok(Mount::Bind {
        source,
        target: target_path(target)?,
        read_only,
    })
}

/// Parses `CONTAINER[:size=SIZE,mode=MODE]`; docker's other options are accepted and mean nothing here.
pub(crate) fn parse_tmpfs(text: &str) -> Result<Mount, String> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let (mut mode, mut size) = (0o1777, None);
    for option in options.split(',') {
        match option.split_once('=') {
            Some(("size", value)) => size = Some(binary_size(value)?),
            Some(("mode", value)) => {
                mode = u32::from_str_radix(value, 8)
                    .map_err(|_| format!("`{value}` is not a mode such as 1777"))?;
            }
            _ => {}
        }
    }
    Ok(Mount::Tmpfs {
        target: target_path(target)?,
        mode,
        size,
    })
}

/// Sizes of memory are powers of two, as mount(8) and docker have them.
fn binary_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" => Some(1 << 10),
        "m" => Some(1 << 20),
        "g" => Some(1_u64 << 30),
        _ => None,
    };
    unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit))
        .ok_or_else(|| format!("`{text}` is not a size such as 64m"))
}

fn target_path(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if path.is_absolute() {
        Ok(path.to_owned())
    } else {
        Err(format!("`{text}` is not an absolute path in the container"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_read_as_docker_reads_them() {
        let bind = |text: &str| match parse_volume(text).unwrap() {
            Mount::Bind {
                source,
                target,
                read_only,
            } => (source, target, read_only),
            Mount::Tmpfs { .. } => panic!("not a directory in memory"),
        };
        assert_eq!(bind("/etc:/x:ro"), ("/etc".into(), "/x".into(), true));
        assert_eq!(bind("/etc:/x:rw"), ("/etc".into(), "/x".into(), false));
        assert!(bind("./:/x").0.is_absolute());
        for (text, part) in [
            ("/etc", "two paths"),
            ("data:/x", "./data"),
            ("/etc:x", "absolute"),
            ("/no/such/path:/x", "does not exist"),
        ] {
            assert!(parse_volume(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn directories_in_memory_have_size_and_mode() {
        let expected = Mount::Tmpfs {
            target: "/cache".into(),
            mode: 0o700,
            size: Some(64 << 20),
        };
        assert_eq!(parse_tmpfs("/cache:rw,size=64m,mode=700"), Ok(expected));
        assert!(parse_tmpfs("cache").is_err());
        assert!(parse_tmpfs("/c:size=many").is_err());
    }
}
