//! What was seen of an image while it ran, which may run still.
//!
//! Most of the search does not depend on a trace. It goes on while the image is asked, and waits where it wants to know.

use std::sync::OnceLock;

use sandbox::Trace;

/// A trace, or that there will be one.
#[derive(Debug, Clone, Copy, Default)]
pub enum Watched<'a> {
    /// The image was not run.
    #[default]
    Never,
    /// What its programs asked for.
    Seen(&'a Trace),
    /// It runs now.
    Running(&'a Run),
}

/// A run of which the trace is awaited.
#[derive(Debug, Default)]
pub struct Run {
    ended: OnceLock<Result<Option<Trace>, GivenUp>>,
}

/// Whoever watches a run. Dropped without a word, there will be no trace, and nobody waits for one.
#[derive(Debug)]
pub struct Watching<'a>(&'a Run);

/// The run failed: nobody wants to know any more what its trace would have led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GivenUp;

impl Run {
    /// Begins to watch it.
    pub fn watch(&self) -> Watching<'_> {
        Watching(self)
    }

    /// Returns what was seen, if it has ended and anything was.
    pub fn into_trace(self) -> Option<Trace> {
        self.ended.into_inner()?.ok().flatten()
    }
}

impl Watching<'_> {
    /// Says what was seen; nothing where tracing is not possible.
    pub fn end(self, trace: Option<Trace>) {
        // Nobody else says anything: dropping comes too late.
        let _ = self.0.ended.set(Ok(trace));
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let _ = self.0.ended.set(Err(GivenUp));
    }
}

impl<'a> Watched<'a> {
    /// Returns the trace, if there is one. Waits for a run to end.
    pub(super) fn trace(self) -> Result<Option<&'a Trace>, GivenUp> {
        match self {
            Self::Never => Ok(None),
            Self::Seen(trace) => Ok(Some(trace)),
            Self::Running(run) => match run.ended.wait() {
                Ok(trace) => Ok(trace.as_ref()),
                Err(given_up) => Err(*given_up),
            },
        }
    }
}

impl<'a> From<Option<&'a Trace>> for Watched<'a> {
    fn from(trace: Option<&'a Trace>) -> Self {
        trace.map_or(Self::Never, Self::Seen)
    }
}
