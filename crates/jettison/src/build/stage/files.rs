//! The instructions of a stage that touch files: `RUN`, `WORKDIR`, `COPY` and `ADD`.

use std::path::{Path, PathBuf};

use dockerfile::{Command, CopyArgs, Expander, Ignore, Run};
use serde_json::json;

use super::Stage;
use crate::build::attributes::Owner;
use crate::build::copy::{Destination, Writer};
use crate::build::graph::Origin;
use crate::build::mode::Chmod;
use crate::build::run::{Prepared, find_user};
use crate::build::select::Item;
use crate::build::snapshot::chain;
use crate::build::variables::look_up;
use crate::build::view::{View, parts};
use crate::build::{Error, add};

impl Stage<'_> {
    pub(super) fn run(&mut self, run: &Run, summary: &str) -> Result<(), Error> {
        if let Some(security) = run
            .security
            .as_ref()
            .map(|word| self.expand(&word.text))
            .transpose()?
            && security != "sandbox"
        {
            return Err(Error::Operand(format!(
                "--security={security} is not possible without privilege"
            )));
        }
        let prepared = Prepared::new(self, run)?;
        let mut key = self.key("RUN");
        prepared.add_to(&mut key, self)?;
        self.step(summary, &[key], |stage, view, work| {
            let (status, output) = prepared.run(stage, view, work)?;
            if status.success() {
                return Ok(());
            }
            let command = match &run.command {
                Command::Shell(text) => text.clone(),
                Command::Exec(words) => words.join(" "),
            };
            Err(Error::Command {
                command,
                status,
                output: String::from_utf8_lossy(&output).into_owned(),
            })
        })
    }

    pub(super) fn workdir(&mut self, path: &str, summary: &str) -> Result<(), Error> {
        let path = self.expand(path)?;
        let path = absolute(self.config.working_dir(), &path);
        let text = path.to_string_lossy().into_owned();
        self.config = self.config.with_setting("WorkingDir", json!(text));
        let user = self.config.user().to_owned();
        let mut key = self.key("WORKDIR");
        key.add(&text).add(&user);
        self.step(summary, &[key], |stage, view, work| {
            let upper = work.upper();
            let mut writer =
                Writer::new(&upper, view, stage.build.owners, stage.build.options.times);
            writer.begin(view)?;
            let target = writer.resolve(&path)?;
            let there = view
                .resolve(&target, false)
                .map_err(Error::file("look up", &target))?;
            if there.found.is_some_and(|found| found.is_dir()) {
                return Ok(());
            }
            if !user.is_empty() {
                let found = find_user(view, &user)?;
                writer.chown = Some(Owner {
                    uid: found.user.uid,
                    gid: found.user.gid,
                });
            }
            writer.directory(&target)?;
            writer.finish()
        })
    }

    pub(super) fn copy(
        &mut self,
        copy: &CopyArgs,
        summary: &str,
        is_add: bool,
    ) -> Result<(), Error> {
        let chown = copy
            .chown
            .as_ref()
            .map(|word| self.expand(&word.text))
            .transpose()?;
        let chmod = copy
            .chmod
            .as_ref()
            .map(|word| self.expand(&word.text))
            .transpose()?;
        let mode = chmod.as_deref().map(|text| {
            Chmod::parse(text)
                .ok_or_else(|| Error::Operand(format!("`{text}` is not a mode such as 755 or u+x")))
        });
        let mode = mode.transpose()?;
        let excludes = copy
            .excludes
            .iter()
            .map(|word| self.expand(&word.text))
            .collect::<Result<Vec<_>, _>>()?;
        let exclude = Ignore::of(excludes.iter().map(String::as_str)).map_err(Error::Operand)?;
        let to = self.expand(&copy.destination.text)?;
        if to.is_empty() {
            return Err(Error::Operand("the destination is empty".to_owned()));
        }
        let sources = copy
            .sources
            .iter()
            .map(|word| self.expand(&word.text))
            .collect::<Result<Vec<_>, _>>()?;
        let heredocs = copy
            .heredocs
            .iter()
            .map(|heredoc| Ok((heredoc.name.clone(), self.heredoc(heredoc)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        let mut destination = Destination {
            is_dir: to.ends_with('/') || to.ends_with("/.") || to == ".",
            path: absolute(self.config.working_dir(), &to),
        };
        let many = sources.len() + heredocs.len() > 1;
        if many && !destination.is_dir {
            return Err(Error::Operand(format!(
                "with several sources, the destination `{to}` must end in /"
            )));
        }
        let mut common = self.key(if is_add { "ADD" } else { "COPY" });
        common
            .add(destination.path.as_os_str().as_encoded_bytes())
            .add(format!("{destination:?} {copy:?}"));
        common.add(format!(
            "{chown:?} {chmod:?} {excludes:?} {sources:?} {heredocs:?}"
        ));
        // Files of another stage are known by its layers, without looking at them.
        let mut keys = Vec::new();
        if let Some(from) = &copy.from
            && let Some(files) = self.files_of(&from.text)?
        {
            let mut key = common.clone();
            key.add("files").add(files);
            let known = self.build.steps.get(key.digest(), self.build.store);
            if self.uses_cache() && known.is_some() {
                return self.step(summary, &[key], |_, _, _| Ok(()));
            }
            keys.push(key);
        }
        if copy.checksum.is_some() && sources.iter().any(|source| !add::is_remote(source)) {
            return Err(Error::Operand(
                "--checksum is for files that are fetched".to_owned(),
            ));
        }
        let mut chosen: Vec<Chosen> = Vec::new();
        let mut key = common;
        let tree = if sources.is_empty() {
            None
        } else {
            Some(self.tree(copy.from.as_ref().map(|word| &*word.text))?)
        };
        for source in &sources {
            if is_add && add::is_remote(source) {
                let remote = add::Remote {
                    source,
                    copy,
                    checksum: self.checksum(copy)?,
                };
                let file = add::get(self, &remote)?;
                key.add(&file.digest);
                chosen.push(Chosen::Fetched(file));
                continue;
            }
            let Some(tree) = &tree else { continue };
            for item in tree.select(source, &exclude)? {
                tree.add_to(&mut key, &item, &exclude, &self.build.digests)?;
                chosen.push(Chosen::Item(item));
            }
        }
        if chosen.len() + heredocs.len() > 1 {
            destination.is_dir = true;
        }
        if chosen.is_empty() && heredocs.is_empty() {
            self.build
                .report
                .warning(&format!("{summary}: no file matches"));
        }
        keys.push(key);
        self.step(summary, &keys, |stage, view, work| {
            let upper = work.upper();
            let mut writer =
                Writer::new(&upper, view, stage.build.owners, stage.build.options.times);
            writer.begin(view)?;
            writer.chown = chown.as_deref().map(|text| owner(view, text)).transpose()?;
            writer.chmod.clone_from(&mode);
            for chosen in &chosen {
                match (chosen, &tree) {
                    (Chosen::Fetched(file), _) => {
                        add::place(&mut writer, stage, work, file, &destination)?
                    }
                    (Chosen::Item(item), Some(tree)) => {
                        let unpack =
                            is_add && copy.unpack != Some(false) && item.found.metadata.is_file();
                        if unpack
                            && add::unpack(
                                &mut writer,
                                stage,
                                work,
                                item.found.path(),
                                &destination,
                            )?
                        {
                            continue;
                        }
                        if copy.parents {
                            writer.copy_with_parents(tree, item, &destination, &exclude)?;
                        } else {
                            writer.copy(tree, item, &destination, &exclude)?;
                        }
                    }
                    (Chosen::Item(_), None) => {}
                }
            }
            for (name, content) in &heredocs {
                let path = if destination.is_dir {
                    destination.path.join(name)
                } else {
                    destination.path.clone()
                };
                let there = view
                    .resolve(&path, true)
                    .map_err(Error::file("look up", &path))?
                    .found;
                let path = if there.is_some_and(|found| found.is_dir()) {
                    path.join(name)
                } else {
                    path
                };
                writer.file(&path, content.as_bytes(), 0o644)?;
            }
            writer.finish()
        })
    }

    fn checksum(&self, copy: &CopyArgs) -> Result<Option<String>, Error> {
        copy.checksum
            .as_ref()
            .map(|word| self.expand(&word.text))
            .transpose()
    }

    /// Returns what stands for the files of another stage or image, if they are known by their layers.
    fn files_of(&self, from: &str) -> Result<Option<String>, Error> {
        let origin = self
            .build
            .graph
            .origin(from, self.index, self.build.options, true);
        let layers = match &origin {
            Origin::Stage(stage) => self.build.stage(*stage)?.layers,
            Origin::Image(name) if name.parse::<usize>().is_err() => {
                self.build.base(name, &self.build.options.platform)?.layers
            }
            Origin::Image(_) => return Ok(None),
            Origin::Scratch | Origin::Named(_) => return Ok(None),
        };
        Ok(chain(layers.iter().map(|layer| layer.diff_id)).map(|chain| chain.to_string()))
    }

    /// Returns what a file of the Dockerfile itself holds.
    fn heredoc(&self, heredoc: &dockerfile::Heredoc) -> Result<String, Error> {
        let text = heredoc.text();
        if !heredoc.expand {
            return Ok(text);
        }
        let lookup = |name: &str| look_up(&self.config, &self.args, name);
        let escape = self.build.graph.file.directives.escape;
        let expander = Expander {
            plain_quotes: true,
            ..Expander::new(escape, &lookup)
        };
        expander
            .expand(&text)
            .map_err(|error| Error::Operand(error.0))
    }
}

/// Something to copy.
#[derive(Debug)]
enum Chosen {
    Item(Item),
    Fetched(add::Fetch),
}

/// Finds the owner that `--chown` names in the files of a stage. Without a group, a number stands for both
/// and a name for its user's group.
fn owner(view: &View, text: &str) -> Result<Owner, Error> {
    let found = find_user(view, text)?;
    let gid = match text.split_once(':') {
        None => text.parse().unwrap_or(found.user.gid),
        Some(_) => found.user.gid,
    };
    Ok(Owner {
        uid: found.user.uid,
        gid,
    })
}

/// Joins a path to the working directory and makes it plain.
fn absolute(directory: &str, path: &str) -> PathBuf {
    let joined = Path::new("/").join(directory).join(path);
    let mut clean = PathBuf::from("/");
    for part in parts(&joined) {
        if part == ".." {
            clean.pop();
        } else {
            clean.push(part);
        }
    }
    clean
}
