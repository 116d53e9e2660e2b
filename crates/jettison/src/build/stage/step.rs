//! A step: remembered or done, told, and put on top of the stage.

use std::time::Instant;

use image::NewLayer;
use image::config::HistoryEntry;

use super::Stage;
use crate::build::cache::Key;
use crate::build::pack::Changes;
use crate::build::snapshot::{Work, chain};
use crate::build::transfer::Used;
use crate::build::view::View;
use crate::build::{Build, Error, Finished, Step};

impl<'b> Stage<'b> {
    pub(super) fn report<'s>(&self, summary: &'s str) -> Reporting<'b, 's> {
        let stage = self.label.clone();
        let step = Step {
            stage,
            number: self.number,
            total: self.total,
            text: summary,
        };
        self.build.report.step(&step);
        Reporting {
            build: self.build,
            step,
            started: Instant::now(),
        }
    }

    /// Adds a line to the history, and a layer if there is one.
    pub(super) fn remember(&mut self, summary: &str, layer: Option<NewLayer>) {
        self.history.push(HistoryEntry {
            created: self.created.clone(),
            created_by: summary.to_owned(),
            comment: Some("jettison build".to_owned()),
            empty_layer: layer.is_none(),
        });
        self.layers.extend(layer);
    }

    /// A key that covers the files of this stage so far.
    pub(super) fn key(&self, kind: &str) -> Key {
        let mut key = Key::new(kind);
        let files = chain(self.layers.iter().map(|layer| layer.diff_id));
        key.add(files.map_or(String::new(), |chain| chain.to_string()));
        key.add(format!(
            "{:?} {:?}",
            self.build.options.times.epoch, self.build.owners
        ));
        key
    }

    pub(super) fn uses_cache(&self) -> bool {
        let options = self.build.options;
        let name = self.build.graph.file.stages[self.index].name.as_deref();
        !options.no_cache
            && !options
                .no_cache_stages
                .iter()
                .any(|stage| Some(&**stage) == name)
    }

    /// Takes a layer from the cache, or makes it.
    pub(super) fn step(
        &mut self,
        summary: &str,
        keys: &[Key],
        make: impl FnOnce(&Self, &View, &Work) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let keys: Vec<_> = keys.iter().map(Key::digest).collect();
        let reporting = self.report(summary);
        if self.uses_cache() {
            for (at, key) in keys.iter().enumerate() {
                let Some((layer, created)) = self.build.steps.get(*key, self.build.store) else {
                    continue;
                };
                for earlier in &keys[..at] {
                    self.build.steps.put(*earlier, layer.as_ref(), &created);
                }
                reporting.finish(&layer, true, 0);
                self.use_steps(&keys, layer.as_ref(), &created);
                self.created = Some(created);
                self.remember(summary, layer);
                return Ok(());
            }
        }
        let view = self.view()?;
        let work = self.build.snapshots.work()?;
        make(self, &view, &work)?;
        let upper = work.upper();
        let changes = Changes {
            upper: &upper,
            lower: &view,
            owners: self.build.owners,
            times: self.build.options.times,
        };
        let (layer, copied) = if changes.is_empty()? {
            (None, 0)
        } else {
            let packed = changes.pack(self.build.store.layout(), self.build.context)?;
            let ids = self
                .layers
                .iter()
                .map(|layer| layer.diff_id)
                .chain([packed.layer.diff_id]);
            if let Some(chain) = chain(ids) {
                self.build.snapshots.keep(work, chain)?;
            }
            (Some(packed.layer), packed.copied)
        };
        let created = self.build.options.times.created();
        for key in &keys {
            self.build.steps.put(*key, layer.as_ref(), &created);
        }
        self.use_steps(&keys, layer.as_ref(), &created);
        reporting.finish(&layer, false, copied);
        self.created = Some(created);
        self.remember(summary, layer);
        Ok(())
    }

    fn use_steps(&self, keys: &[image::Digest], layer: Option<&NewLayer>, created: &str) {
        let used = keys.iter().map(|key| Used {
            key: *key,
            layer: layer.cloned(),
            created: created.to_owned(),
        });
        self.build
            .used
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .extend(used);
    }
}

/// A step that was announced.
pub(super) struct Reporting<'b, 's> {
    build: &'b Build<'b>,
    step: Step<'s>,
    started: Instant,
}

impl Reporting<'_, '_> {
    pub(super) fn settled(self) {
        self.build.report.finished(&self.step, &Finished::default());
    }

    fn finish(self, layer: &Option<NewLayer>, cached: bool, copied: u64) {
        let finished = Finished {
            cached,
            elapsed: self.started.elapsed(),
            layer: layer
                .as_ref()
                .map(|layer| (layer.unpacked, layer.descriptor.size)),
            copied,
        };
        self.build.report.finished(&self.step, &finished);
    }
}
