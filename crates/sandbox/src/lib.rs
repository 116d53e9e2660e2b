//! Runs a command in a root directory, without privilege.
//!
//! [`spawn`] takes a [`Spec`], plain data that says what to run and in which surroundings, and returns a
//! [`Container`], whose program can be waited for and signalled, and which can be connected to and entered. The surroundings are those
//! of `docker run`: own namespaces, `/proc`, `/dev` and `/sys` as docker lays them out, docker's set of
//! capabilities, the program as pid 1. [`IdMapping`] says which ids of the host stand for those of the
//! container; that is what differs between root, a user with sub-ids and any other user.
//!
//! ```no_run
//! use sandbox::{Caller, IdMapping, Spec, spawn};
//!
//! let ids = IdMapping::detect(&Caller::current());
//! let mut container = spawn(&Spec::new("/tmp/root", vec!["/bin/true".into()], ids))?;
//! assert!(container.main.wait()?.success());
//! # Ok::<(), sandbox::Error>(())
//! ```
//!
//! What an image is, and how its configuration becomes a `Spec`, is not known here. Nothing is printed,
//! nothing is read from the environment, and the root directory is not changed except by the program
//! itself, if it is allowed to.
//!
//! This is the only crate of the workspace with unsafe code: `sys` has the raw system calls, `child` and
//! `launch` make processes, `signals` installs handlers. To read on: `spec` for what can be asked for, `plan` for what docker's
//! surroundings consist of, `child` for what the new processes do.

mod bpf;
mod child;
mod container;
mod error;
mod id_maps;
mod identity;
mod ids;
mod launch;
mod limit;
mod memory;
mod message;
mod network;
mod own_ids;
mod plan;
mod pretend;
mod process;
mod signals;
mod spec;
mod streams;
mod supervise;
mod sys;
pub mod terminal;
mod trace;
mod tree;

pub use container::Container;
pub use error::Error;
pub use ids::{Caller, IdMapTools, IdMapping, IdRange};
pub use launch::spawn;
pub use limit::Limit;
pub use memory::{Memory, available_memory};
pub use own_ids::run_with_ids;
pub use process::{ExitStatus, Process};
pub use signals::{Forwarding, WatchedSignals, watch_signals};
pub use spec::{
    Exec, HostCommand, Mount, Network, SHARED_MEMORY, Spec, Stdio, Streams, User, Writes,
    default_hosts,
};
pub use trace::{Access, AccessKind, Outcome, Trace, TraceOptions};
pub use tree::{Ownership, apply_ownership, remove_tree};
