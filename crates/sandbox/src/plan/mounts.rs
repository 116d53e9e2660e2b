//! What the caller puts into a container.

use std::path::{Component, Path, PathBuf};

use rustix::mount::MountFlags;

use super::files::{Files, may_create};
use super::{Action, Kind, terminated};
use crate::{Error, Mount, Spec};

/// Takes hold of what the caller mounts, in the order of `mounts`.
pub(super) fn open(
    files: &mut Files,
    mounts: &[Mount],
) -> Result<Vec<Option<(usize, Kind)>>, Error> {
    mounts
        .iter()
        .map(|mount| {
            let Mount::Bind { source, .. } = mount else {
                return Ok(None);
            };
            let kind = kind_of(source)?;
            Ok(Some((
                files.open(terminated("a path to mount", source)?, false),
                kind,
            )))
        })
        .collect()
}

/// Mounts what the caller asked for.
pub(super) fn attach(
    files: &mut Files,
    spec: &Spec,
    binds: &[Option<(usize, Kind)>],
) -> Result<(), Error> {
    for (mount, bind) in spec.mounts.iter().zip(binds) {
        let target = Path::new("/").join(below_root(mount.target()));
        let target = terminated("a mount point", target)?;
        match (mount, *bind) {
            (Mount::Bind { read_only, .. }, Some((tree, kind))) => {
                let create = may_create(spec).then_some(kind);
                files.need(Action::Attach {
                    tree,
                    target,
                    read_only: *read_only,
                    create,
                });
            }
            (Mount::Tmpfs { mode, size, .. }, _) => {
                if may_create(spec) {
                    files.need(Action::Directory {
                        path: target.clone(),
                        mode: 0o755,
                    });
                }
                let mut options = format!("mode={mode:o}");
                if let Some(size) = size {
                    options.push_str(&format!(",size={size}"));
                }
                files.mount(
                    c"tmpfs",
                    &target,
                    MountFlags::NOSUID | MountFlags::NODEV,
                    Some(&options),
                );
            }
            (Mount::Bind { .. }, None) => {} // every bind was opened
        }
    }
    Ok(())
}

/// Returns a path of the container without its leading slash, and without `..`.
pub(super) fn below_root(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

/// Looks at what a path of the host is.
pub(super) fn kind_of(path: &Path) -> Result<Kind, Error> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(Kind::Directory),
        Ok(_) => Ok(Kind::File),
        Err(source) => Err(Error::Path {
            action: "use",
            path: path.to_owned(),
            source,
        }),
    }
}
