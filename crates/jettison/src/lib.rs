//! The product: what needs what, slimming, verifying.

pub mod packages;
pub mod script;
