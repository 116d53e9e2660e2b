//! Retention levels: how much beyond the certain is kept.

use super::Evidence;

/// How much of what programs could ask for is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// What was seen to be used while the image ran, and what that cannot be loaded without.
    Traced,
    /// Also what the programs could plausibly ask for.
    #[default]
    App,
    /// Whole packages of which anything was kept.
    Package,
}

impl Level {
    /// Returns whether a file is kept for such a reason.
    pub(super) fn allows(self, evidence: Evidence) -> bool {
        self != Self::Traced
            || matches!(
                evidence,
                Evidence::Entrypoint
                    | Evidence::Interpreter
                    | Evidence::Needed
                    | Evidence::Dlopen
                    | Evidence::ConfigUser
                    | Evidence::Symlink
                    | Evidence::Traced
                    | Evidence::Repaired
                    | Evidence::System
                    | Evidence::Include
                    | Evidence::Directory
            )
    }
}
