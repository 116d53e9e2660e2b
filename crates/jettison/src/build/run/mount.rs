//! `RUN --mount`: what is put into the container of a step.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dockerfile::{MountKind, Sharing};
use image::Digest;
use rustix::fs::FlockOperation;
use sandbox::Mount;

use crate::build::Error;
use crate::build::attributes::Owner;
use crate::build::cache::mark_used;
use crate::build::copy::{is_plain, materialise};
use crate::build::select::Tree;
use crate::build::stage::Stage;
use crate::build::view::parts;

/// A `--mount` whose variables are known.
#[derive(Debug)]
pub(super) struct MountPlan {
    pub(super) kind: MountKind,
    pub(super) target: PathBuf,
    pub(super) source: String,
    pub(super) tree: Option<Tree>,
    pub(super) id: String,
    pub(super) env: Option<String>,
    pub(super) read_only: bool,
    required: bool,
    sharing: Sharing,
    mode: Option<u32>,
    uid: u32,
    gid: u32,
    size: Option<u64>,
}

/// What stays as long as the container.
#[derive(Debug, Default)]
pub(super) struct Held {
    locks: Vec<File>,
}

impl MountPlan {
    pub(super) fn new(stage: &Stage<'_>, mount: &dockerfile::Mount) -> Result<Self, Error> {
        let expand =
            |text: &Option<String>| text.as_ref().map(|text| stage.expand(text)).transpose();
        let number = |name: &str, text: Option<String>, radix| {
            let parsed = text.map(|text| {
                u32::from_str_radix(&text, radix).map_err(|_| {
                    Error::Operand(format!("`{text}` cannot be the {name} of --mount"))
                })
            });
            parsed.transpose()
        };
        let target = expand(&mount.target)?.unwrap_or_default();
        let id = expand(&mount.id)?;
        let source = expand(&mount.source)?;
        let kind = mount.kind;
        let target = match kind {
            MountKind::Secret if target.is_empty() => {
                let id = id.as_deref().or(source.as_deref()).unwrap_or("default");
                let name = Path::new(id).file_name().unwrap_or_default();
                Path::new("/run/secrets").join(name)
            }
            MountKind::Ssh if target.is_empty() => PathBuf::from("/run/buildkit/ssh_agent.0"),
            _ => Path::new(stage.config.working_dir()).join(&target),
        };
        let target: PathBuf = std::iter::once(OsString::from("/"))
            .chain(parts(&target))
            .collect();
        let tree = match (kind, expand(&mount.from)?) {
            (MountKind::Bind, from) => Some(stage.tree(from.as_deref())?),
            (MountKind::Cache, Some(from)) => Some(stage.tree(Some(&from))?),
            _ => None,
        };
        let default_id = match kind {
            MountKind::Secret => source
                .clone()
                .or_else(|| Some(target.file_name()?.to_string_lossy().into_owned())),
            MountKind::Ssh => Some("default".to_owned()),
            _ => Some(target.to_string_lossy().into_owned()),
        };
        Ok(Self {
            kind,
            source: source.unwrap_or_default(),
            tree,
            id: id.or(default_id).unwrap_or_default(),
            env: mount.env.clone(),
            read_only: mount.read_only.unwrap_or(kind == MountKind::Bind),
            required: mount.required,
            sharing: mount.sharing,
            mode: number("mode", expand(&mount.mode)?, 8)?,
            uid: number("uid", expand(&mount.uid)?, 10)?.unwrap_or(0),
            gid: number("gid", expand(&mount.gid)?, 10)?.unwrap_or(0),
            size: mount.size,
            target,
        })
    }

    pub(super) fn make(
        &self,
        stage: &Stage<'_>,
        scratch: &Path,
        env: &mut Vec<(String, String)>,
        held: &mut Held,
    ) -> Result<Option<Mount>, Error> {
        let target = self.target.clone();
        match self.kind {
            MountKind::Tmpfs => Ok(Some(Mount::Tmpfs {
                target,
                mode: self.mode.unwrap_or(0o1777),
                size: self.size,
            })),
            MountKind::Bind => self.bind(stage, scratch).map(Some),
            MountKind::Cache => {
                let source = self.cache(stage, scratch, held)?;
                Ok(Some(Mount::Bind {
                    source,
                    target,
                    read_only: self.read_only,
                }))
            }
            MountKind::Secret => {
                let Some(secret) = stage.build.options.secrets.get(&self.id) else {
                    return self.missing("secret", "--secret id=…,src=FILE");
                };
                if let Some(name) = &self.env {
                    env.push((name.clone(), String::from_utf8_lossy(secret).into_owned()));
                    return Ok(None);
                }
                write(scratch, secret, self.mode.unwrap_or(0o400))?;
                let owner = Owner {
                    uid: self.uid,
                    gid: self.gid,
                };
                stage
                    .build
                    .owners
                    .set(scratch, owner, false)
                    .map_err(Error::file("give away", scratch))?;
                Ok(Some(Mount::Bind {
                    source: scratch.to_owned(),
                    target,
                    read_only: true,
                }))
            }
            MountKind::Ssh => {
                let Some(socket) = stage.build.options.ssh.get(&self.id) else {
                    return self.missing("SSH agent", "--ssh default");
                };
                env.push((
                    "SSH_AUTH_SOCK".to_owned(),
                    target.to_string_lossy().into_owned(),
                ));
                Ok(Some(Mount::Bind {
                    source: socket.clone(),
                    target,
                    read_only: true,
                }))
            }
        }
    }

    fn missing(&self, what: &str, flag: &str) -> Result<Option<Mount>, Error> {
        if self.required {
            let id = &self.id;
            return Err(Error::Operand(format!(
                "the {what} `{id}` is required and was not given: use {flag}"
            )));
        }
        Ok(None)
    }

    fn bind(&self, stage: &Stage<'_>, scratch: &Path) -> Result<Mount, Error> {
        let Some(tree) = &self.tree else {
            return Err(Error::Operand("--mount has no source".to_owned()));
        };
        let items = tree.select(&self.source, &Default::default())?;
        let Some(item) = items.first() else {
            return Err(Error::Source {
                path: self.source.clone(),
                place: tree.name.clone(),
                ignored: false,
            });
        };
        let target = self.target.clone();
        let plain = !item.found.is_dir() || is_plain(tree, &item.found);
        if plain && self.read_only {
            return Ok(Mount::Bind {
                source: item.found.path().to_owned(),
                target,
                read_only: true,
            });
        }
        if item.found.is_dir() {
            materialise(
                tree,
                item,
                scratch,
                stage.build.owners,
                stage.build.options.times,
            )?;
        } else {
            fs::copy(item.found.path(), scratch).map_err(Error::file("copy", scratch))?;
        }
        // What is written to it goes away with the step.
        Ok(Mount::Bind {
            source: scratch.to_owned(),
            target,
            read_only: self.read_only,
        })
    }

    /// Returns the directory of a cache, made if it is not there, and locked if that is wanted.
    fn cache(&self, stage: &Stage<'_>, scratch: &Path, held: &mut Held) -> Result<PathBuf, Error> {
        let name = Digest::of(self.id.as_bytes()).hex();
        let all = stage.build.store.cache().join("mounts");
        fs::create_dir_all(&all).map_err(Error::file("make", &all))?;
        let mut path = all.join(&name);
        let id_path = all.join(format!("{name}.id"));
        match fs::read(&id_path) {
            Ok(_) => mark_used(&id_path),
            Err(_) => fs::write(&id_path, &self.id).map_err(Error::file("write", &id_path))?,
        }
        if self.sharing != Sharing::Shared {
            let lock_path = all.join(format!("{name}.lock"));
            let lock = File::create(&lock_path).map_err(Error::file("make", &lock_path))?;
            let failed = Error::file("lock", &lock_path);
            if self.sharing == Sharing::Locked {
                rustix::fs::flock(&lock, FlockOperation::LockExclusive)
                    .map_err(|errno| failed(errno.into()))?;
            } else if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                path = scratch.to_owned(); // somebody else has it
            }
            held.locks.push(lock);
        }
        if path.exists() {
            return Ok(path);
        }
        match &self.tree {
            Some(tree) => {
                let item = tree
                    .select(&self.source, &Default::default())?
                    .into_iter()
                    .next();
                let item =
                    item.filter(|item| item.found.is_dir())
                        .ok_or_else(|| Error::Source {
                            path: self.source.clone(),
                            place: tree.name.clone(),
                            ignored: false,
                        })?;
                materialise(
                    tree,
                    &item,
                    &path,
                    stage.build.owners,
                    stage.build.options.times,
                )?;
            }
            None => match fs::create_dir(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(Error::file("make", &path)(error));
                }
                _ => {
                    let mode = fs::Permissions::from_mode(self.mode.unwrap_or(0o755));
                    fs::set_permissions(&path, mode).map_err(Error::file("chmod", &path))?;
                    let owner = Owner {
                        uid: self.uid,
                        gid: self.gid,
                    };
                    stage
                        .build
                        .owners
                        .set(&path, owner, false)
                        .map_err(Error::file("give away", &path))?;
                }
            },
        }
        Ok(path)
    }
}

/// Writes a file with a mode.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    fs::write(path, bytes).map_err(Error::file("write", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Error::file("chmod", path))
}
