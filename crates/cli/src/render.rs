//! Results as text for people and for other programs.

pub(crate) mod analysis;
pub(crate) mod difference;
pub(crate) mod html;
pub(crate) mod recipe;
pub(crate) mod sarif;
