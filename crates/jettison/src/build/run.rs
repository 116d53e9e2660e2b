//! `RUN`: a command in a container over the files of a stage. What is mounted into it is in [`mount`].

mod mount;

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use dockerfile::{Command, MountKind, Run};
use sandbox::{ExitStatus, IdMapping, Mount, Network, Spec, Stdio, Streams};

use mount::{Held, MountPlan, write};

use super::attributes::{Owner, Owners};
use super::cache::Key;
use super::in_copy::Copied;
use super::snapshot::Work;
use super::stage::Stage;
use super::view::View;
use super::{Error, settings};
use crate::container::{Found as FoundUser, Users};

/// Where programs of the shell form of a here-document find it, as BuildKit has it.
const PIPES: &str = "/dev/pipes";
/// How often a command that runs is asked whether it is still wanted.
const PATIENCE: Duration = Duration::from_millis(50);
/// What is kept of a command's output for its error message.
const TAIL: usize = 8 << 10;

/// A `RUN` whose variables are known.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) argv: Vec<String>,
    /// Files to be put into the container: name and content.
    scripts: Vec<(String, String)>,
    env: Vec<(String, String)>,
    cwd: PathBuf,
    user: String,
    network: Network,
    mounts: Vec<MountPlan>,
}

impl Prepared {
    pub(super) fn new(stage: &Stage<'_>, run: &Run) -> Result<Self, Error> {
        let (command, scripts) = with_heredocs(run)?;
        let argv = settings::argv(&stage.config, &command);
        let argv = match &scripts[..] {
            [(name, _)] => vec![format!("{PIPES}/{name}")],
            _ => argv,
        };
        if argv.is_empty() {
            return Err(Error::Operand("RUN has no command".to_owned()));
        }
        let network = match run
            .network
            .as_ref()
            .map(|word| stage.expand(&word.text))
            .transpose()?
            .as_deref()
        {
            None | Some("default" | "") => stage.build.options.network,
            Some("host") => Network::Host,
            Some("none") => Network::None,
            Some(other) => {
                return Err(Error::Operand(format!(
                    "`{other}` is not a network: there are default, host and none"
                )));
            }
        };
        let mounts = run
            .mounts
            .iter()
            .map(|mount| MountPlan::new(stage, mount))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            argv,
            scripts,
            env: stage.environment(),
            cwd: stage.config.working_dir().into(),
            user: stage.config.user().to_owned(),
            network,
            mounts,
        })
    }

    /// Adds everything that the result depends on.
    pub(super) fn add_to(&self, key: &mut Key, stage: &Stage<'_>) -> Result<(), Error> {
        for word in &self.argv {
            key.add(word);
        }
        for (name, content) in &self.scripts {
            key.add("script").add(name).add(content);
        }
        for (name, value) in &self.env {
            // Where a proxy is makes no difference to what comes through it.
            if !stage.is_proxy(name) {
                key.add("env").add(name).add(value);
            }
        }
        key.add(self.cwd.as_os_str().as_encoded_bytes())
            .add(&self.user)
            .add(format!("{:?}", self.network));
        for mount in &self.mounts {
            key.add(format!("{:?}", mount.kind))
                .add(mount.target.as_os_str().as_encoded_bytes());
            key.add(&mount.source)
                .add(&mount.id)
                .add(format!("{:?}", (&mount.env, mount.read_only)));
            let Some(tree) = mount
                .tree
                .as_ref()
                .filter(|_| mount.kind == MountKind::Bind)
            else {
                continue;
            };
            for item in tree.select(&mount.source, &Default::default())? {
                tree.add_to(key, &item, &Default::default(), &stage.build.digests)?;
            }
        }
        Ok(())
    }

    /// Runs the command. Its changes are in the upper directory of `work`.
    pub(super) fn run(
        &self,
        stage: &Stage<'_>,
        view: &View,
        work: &Work,
    ) -> Result<(ExitStatus, Vec<u8>), Error> {
        let user = find_user(view, &self.user)?;
        let ids = match stage.build.ids {
            IdMapping::Single { .. } => IdMapping::Single {
                inside_uid: user.user.uid,
                inside_gid: user.user.gid,
            },
            other => other.clone(),
        };
        let argv = self.argv.iter().map(OsString::from).collect();
        let top = view.layers.first().cloned().unwrap_or_default();
        let mut spec = Spec::new(top, argv, ids);
        spec.below = view.layers.iter().skip(1).cloned().collect();
        spec.writes = sandbox::Writes::Directory(work.path().to_owned());
        spec.scratch = Vec::new();
        spec.cwd.clone_from(&self.cwd);
        spec.user = user.user.clone();
        spec.hostname = "buildkitsandbox".to_owned();
        spec.network = self.network;
        spec.limits.clone_from(&stage.build.options.limits);
        spec.shared_memory = stage.build.options.shared_memory;
        let mut env = self.env.clone();
        let mut held = Held::default();
        spec.mounts = self.mounts(stage, work, &mut env, &mut held)?;
        if env.iter().all(|(name, _)| name != "HOME") {
            env.push(("HOME".to_owned(), user.home.clone()));
        }
        spec.env = env
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let extra = &stage.build.options.hosts;
        (spec.hosts, spec.resolv_conf) = names(self.network, &spec.hostname, extra);
        spec.streams = Streams {
            stdin: Stdio::Null,
            stdout: Stdio::Piped,
            stderr: Stdio::Piped,
        };
        let outcome = self.execute(stage, &mut spec, view, work);
        drop(held);
        let outcome = outcome?;
        if stage.build.owners == Owners::Recorded {
            let owner = Owner {
                uid: user.user.uid,
                gid: user.user.gid,
            };
            own_new_files(&work.upper(), view, owner)?;
        }
        Ok(outcome)
    }

    /// Runs the container over an overlay, or where there is none, in a copy of the files.
    fn execute(
        &self,
        stage: &Stage<'_>,
        spec: &mut Spec,
        view: &View,
        work: &Work,
    ) -> Result<(ExitStatus, Vec<u8>), Error> {
        let spawned = (!stage.build.options.copying).then(|| sandbox::spawn(spec));
        let container = match spawned {
            None => None,
            Some(Err(sandbox::Error::Setup { step, source }))
                if step.starts_with("mount overlay") =>
            {
                let reason =
                    format!("overlayfs is refused here ({source}): every RUN copies all files");
                stage.build.report.warning(&reason);
                None
            }
            Some(other) => Some(other?),
        };
        let outcome = match container {
            Some(container) => watch(stage, container)?,
            None => {
                let _ = fs::remove_dir_all(work.upper());
                let copied = Copied::new(stage, view, work, spec)?;
                let outcome = watch(stage, sandbox::spawn(spec)?)?;
                let (owners, times) = (stage.build.owners, stage.build.options.times);
                copied.settle(view, &work.upper(), owners, times)?;
                outcome
            }
        };
        if stage.build.options.debug_shell && !outcome.0.success() {
            let shell = stage.config.shell().into_iter().next().unwrap_or_default();
            let spec = Spec {
                argv: vec![shell.into()],
                terminal: true,
                streams: Streams::default(),
                ..spec.clone()
            };
            stage.build.report.shell(&spec);
        }
        Ok(outcome)
    }

    fn mounts(
        &self,
        stage: &Stage<'_>,
        work: &Work,
        env: &mut Vec<(String, String)>,
        held: &mut Held,
    ) -> Result<Vec<Mount>, Error> {
        let mut mounts = Vec::new();
        for (name, content) in &self.scripts {
            let source = work.path().join(format!("script-{name}"));
            write(&source, content.as_bytes(), 0o755)?;
            mounts.push(Mount::Bind {
                source,
                target: Path::new(PIPES).join(name),
                read_only: true,
            });
        }
        for (number, mount) in self.mounts.iter().enumerate() {
            let scratch = work.path().join(format!("mount-{number}"));
            mounts.extend(mount.make(stage, &scratch, env, held)?);
        }
        // What lies inside of another comes after it.
        mounts.sort_by_key(|mount| mount.target().components().count());
        Ok(mounts)
    }
}

/// What `RUN` with here-documents runs: one that stands alone is the script, or a program if it begins
/// with `#!`; with anything else around them, they are left to the shell.
fn with_heredocs(run: &Run) -> Result<(Command, Vec<(String, String)>), Error> {
    let Command::Shell(text) = &run.command else {
        return Ok((run.command.clone(), Vec::new()));
    };
    let Some(first) = run.heredocs.first() else {
        return Ok((run.command.clone(), Vec::new()));
    };
    if *text == first.word {
        let content = first.text();
        if content.starts_with("#!") {
            return Ok((run.command.clone(), vec![(first.name.clone(), content)]));
        }
        return Ok((Command::Shell(content), Vec::new()));
    }
    let mut whole = text.clone();
    for heredoc in &run.heredocs {
        whole.push('\n');
        whole.push_str(&heredoc.content);
        whole.push_str(&heredoc.name);
    }
    Ok((Command::Shell(whole), Vec::new()))
}

/// Finds a user in the files of a stage.
pub(super) fn find_user(view: &View, name: &str) -> Result<FoundUser, Error> {
    let text = |path| view.read(path).unwrap_or_default();
    Ok(Users::of(text("/etc/passwd"), text("/etc/group")).find(name)?)
}

/// `/etc/hosts` and `/etc/resolv.conf` of a step.
fn names(
    network: Network,
    hostname: &str,
    extra: &[(String, String)],
) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut hosts = match network {
        Network::Host => fs::read("/etc/hosts").unwrap_or_default(),
        Network::Private | Network::None => sandbox::default_hosts(hostname),
    };
    for (name, address) in extra {
        hosts.extend(format!("{address}\t{name}\n").bytes());
    }
    let resolv = match network {
        Network::Host => fs::read("/etc/resolv.conf").ok(),
        Network::Private | Network::None => Some(Vec::new()),
    };
    (Some(hosts), resolv)
}

/// Waits for the end of a container, its output shown as it comes. Returns the end of it, too.
fn watch(
    stage: &Stage<'_>,
    mut container: sandbox::Container,
) -> Result<(ExitStatus, Vec<u8>), Error> {
    let ends = [container.main.take_stdout(), container.main.take_stderr()];
    let tail = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for mut end in ends.into_iter().flatten() {
            let tail = &tail;
            scope.spawn(move || {
                let mut buffer = vec![0; 16 << 10];
                while let Ok(read @ 1..) = end.read(&mut buffer) {
                    stage.build.report.output(&stage.label, &buffer[..read]);
                    if let Ok(mut tail) = tail.lock() {
                        tail.extend_from_slice(&buffer[..read]);
                        let surplus = tail.len().saturating_sub(TAIL);
                        tail.drain(..surplus);
                    }
                }
            });
        }
        loop {
            if let Some(status) = container.main.wait_timeout(PATIENCE)? {
                return Ok(status);
            }
            if stage.build.stopped.load(Ordering::Relaxed) {
                container.main.kill()?;
                return Err(Error::Stopped);
            }
        }
    })
    .map(|status| (status, tail.into_inner().unwrap_or_default()))
}

/// Records a user as the owner of the files that a step made with that user.
fn own_new_files(upper: &Path, lower: &View, owner: Owner) -> Result<(), Error> {
    if owner == Owner::default() {
        return Ok(());
    }
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        let path = upper.join(&directory);
        for entry in fs::read_dir(&path)
            .map_err(Error::file("read", &path))?
            .flatten()
        {
            let relative = directory.join(entry.file_name());
            let path = entry.path();
            let metadata = fs::symlink_metadata(&path).map_err(Error::file("read", &path))?;
            let is_new = lower
                .resolve(&relative, false)
                .is_ok_and(|resolved| resolved.found.is_none());
            if is_new
                && (metadata.is_file() || metadata.is_dir())
                && Owners::Recorded.of(&path, &metadata) == Owner::default()
            {
                Owners::Recorded
                    .set(&path, owner, false)
                    .map_err(Error::file("record the owner of", &path))?;
            }
            if metadata.is_dir() {
                pending.push(relative);
            }
        }
    }
    Ok(())
}
