//! Directories of overlayfs seen as one, without mounting anything.
//!
//! What a stage has so far lies in several directories: its base's files, and the changes of each step as
//! overlayfs wrote them. Here they are looked into as the kernel would: an upper name hides a lower one,
//! a character device 0/0 is a removed name, an opaque directory shows nothing from below. Links are
//! followed inside.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// Symbolic links followed in one look-up (`MAXSYMLINKS` of Linux).
const MAX_LINKS: usize = 40;

/// Attribute by which overlayfs, mounted by a user, marks a directory that hides those below.
pub(super) const OPAQUE: &str = "user.overlay.opaque";

/// Directories seen as one, topmost first.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) layers: Vec<PathBuf>,
}

/// A file that is there.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Where it is; of a directory, all places whose entries are seen in it, topmost first.
    pub(super) places: Vec<PathBuf>,
    pub(super) metadata: Metadata,
}

impl Found {
    pub(super) fn path(&self) -> &Path {
        &self.places[0]
    }

    pub(super) fn is_dir(&self) -> bool {
        self.metadata.is_dir()
    }
}

/// Where a path leads.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// Relative to the root, without links, as far as it exists.
    pub(super) path: PathBuf,
    /// What is there.
    pub(super) found: Option<Found>,
}

impl View {
    pub(super) fn new(layers: Vec<PathBuf>) -> Self {
        Self { layers }
    }

    pub(super) fn root(&self) -> io::Result<Found> {
        let metadata = match self.layers.first() {
            Some(top) => fs::metadata(top)?,
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Found {
            places: self.layers.clone(),
            metadata,
        })
    }

    /// Looks up one name in a directory.
    pub(super) fn child(&self, directory: &Found, name: &OsStr) -> io::Result<Option<Found>> {
        let mut found: Option<Found> = None;
        for place in &directory.places {
            let path = place.join(name);
            let metadata = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if is_whiteout(&metadata) {
                break;
            }
            if !metadata.is_dir() {
                if found.is_none() {
                    found = Some(Found {
                        places: vec![path],
                        metadata,
                    });
                }
                break;
            }
            let opaque = directory.places.len() > 1 && is_opaque(&path);
            match &mut found {
                Some(found) => found.places.push(path),
                None => {
                    found = Some(Found {
                        places: vec![path],
                        metadata,
                    })
                }
            }
            if opaque {
                break;
            }
        }
        Ok(found)
    }

    /// Lists a directory, sorted by name.
    pub(super) fn list(&self, directory: &Found) -> io::Result<Vec<(OsString, Found)>> {
        let mut names = BTreeMap::new();
        for place in &directory.places {
            for entry in fs::read_dir(place)? {
                names.insert(entry?.file_name(), ());
            }
        }
        let mut entries = Vec::new();
        for name in names.into_keys() {
            if let Some(found) = self.child(directory, &name)? {
                entries.push((name, found));
            }
        }
        Ok(entries)
    }

    /// Follows a path from the root, as inside of a container: links do not lead out.
    pub(super) fn resolve(&self, path: &Path, follow_last: bool) -> io::Result<Resolved> {
        let mut rest: Vec<OsString> = parts(path);
        rest.reverse();
        let mut at = PathBuf::new();
        // The directories from the root to `at`, as long as all of them exist.
        let mut way = vec![Some(self.root()?)];
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                if at.pop() {
                    way.pop();
                }
                continue;
            }
            let parent = way.last().and_then(Option::as_ref);
            let found = match parent.filter(|parent| parent.is_dir()) {
                Some(parent) => self.child(parent, &name)?,
                None => None,
            };
            let is_link = found
                .as_ref()
                .is_some_and(|found| found.metadata.is_symlink());
            if is_link && (follow_last || !rest.is_empty()) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io::Error::from_raw_os_error(
                        rustix::io::Errno::LOOP.raw_os_error(),
                    ));
                }
                let target = found
                    .map(|found| fs::read_link(found.path()))
                    .transpose()?
                    .unwrap_or_default();
                if target.is_absolute() {
                    at = PathBuf::new();
                    way.truncate(1);
                }
                rest.extend(parts(&target).into_iter().rev());
                continue;
            }
            at.push(&name);
            way.push(found);
        }
        Ok(Resolved {
            path: at,
            found: way.pop().flatten(),
        })
    }

    /// Reads a small file, following links; nothing if there is none.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let found = self.resolve(Path::new(path), true).ok()?.found?;
        let bytes = fs::read(found.path()).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The components of a path, without the root and `.`.
pub(super) fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

pub(super) fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

pub(super) fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::lgetxattr(path, OPAQUE, &mut value)
        .is_ok_and(|length| length == 1 && value[0] == b'y')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whiteout(path: &Path) {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::Mode::empty(),
            0,
        )
        .unwrap();
    }

    #[test]
    fn layers_are_seen_as_the_kernel_shows_them() {
        let scratch = tempfile::tempdir().unwrap();
        let (lower, upper) = (scratch.path().join("lower"), scratch.path().join("upper"));
        for directory in ["lower/d/sub", "lower/hidden/x", "upper/d", "upper/hidden"] {
            fs::create_dir_all(scratch.path().join(directory)).unwrap();
        }
        for (file, text) in [
            ("lower/d/a", "1"),
            ("lower/d/b", "1"),
            ("upper/d/b", "2"),
            ("lower/gone", "1"),
        ] {
            fs::write(scratch.path().join(file), text).unwrap();
        }
        whiteout(&upper.join("gone"));
        whiteout(&upper.join("d/a"));
        rustix::fs::lsetxattr(
            upper.join("hidden"),
            OPAQUE,
            b"y",
            rustix::fs::XattrFlags::empty(),
        )
        .unwrap();
        std::os::unix::fs::symlink("/d/../d", lower.join("link")).unwrap();
        let view = View::new(vec![upper, lower]);
        let names = |path: &str| {
            let found = view.resolve(Path::new(path), true).unwrap().found.unwrap();
            let names = view
                .list(&found)
                .unwrap()
                .into_iter()
                .map(|(name, _)| name.into_string().unwrap());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("/"), ["d", "hidden", "link"]);
        assert_eq!(names("d"), ["b", "sub"]);
        assert_eq!(names("hidden"), Vec::<String>::new());
        assert_eq!(view.read("link/b").as_deref(), Some("2"));
        assert_eq!(view.read("../../link/b").as_deref(), Some("2"));
        assert_eq!(view.read("gone"), None);
        let missing = view
            .resolve(Path::new("/link/new/../other/x"), true)
            .unwrap();
        assert_eq!(
            (missing.path, missing.found.is_none()),
            (PathBuf::from("d/other/x"), true)
        );
    }
}
