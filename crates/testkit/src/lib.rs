//! What tests of several crates share. Development only.

pub mod registry;
