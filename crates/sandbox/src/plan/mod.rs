//! What a child will do, decided and allocated before it exists.
//!
//! A child may not allocate, so a plan holds every string that its system calls need, already
//! terminated by a zero byte. [`files`] lays out the file system, [`program`] the program; both are pure
//! apart from looking at the host paths they are given. `child` carries plans out.

mod action;
pub(crate) mod files;
mod mounts;
pub(crate) mod program;
mod staging;
mod system;

pub(crate) use action::{Action, Kind, Operation};
pub(crate) use program::{Program, Step};

use std::ffi::{CString, OsStr, c_int};
use std::os::unix::ffi::OsStrExt;

use crate::{Error, Network, Spec};

/// Everything that a new container's first process does.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Flags of the namespaces that it gets, the user namespace aside.
    pub(crate) namespaces: c_int,
    /// Whether to become root of the user namespace first. Not possible where only one id exists.
    pub(crate) become_root: bool,
    /// The file system, in order.
    pub(crate) operations: Vec<Operation>,
    /// How many mounts the operations hold on to between opening and attaching them.
    pub(crate) trees: usize,
    /// The program.
    pub(crate) program: Program,
}

impl Plan {
    /// Plans the container of a spec.
    pub(crate) fn new(spec: &Spec) -> Result<Self, Error> {
        let files = files::lay_out(spec)?;
        Ok(Self {
            namespaces: namespaces(spec.network),
            become_root: !matches!(spec.ids, crate::IdMapping::Single { .. }),
            operations: files.operations,
            trees: files.trees,
            program: Program::of_container(spec)?,
        })
    }

    /// Returns what was being done at a step that failed, as a phrase that follows "cannot".
    pub(crate) fn describe(&self, step: u32) -> String {
        let operation = usize::try_from(step)
            .ok()
            .and_then(|step| self.operations.get(step));
        operation.map_or_else(
            || Step::describe(step).to_owned(),
            |found| found.action.describe(),
        )
    }
}

/// Returns the flags of the namespaces that a container has besides its user namespace.
pub(crate) fn namespaces(network: Network) -> c_int {
    let always = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWCGROUP;
    match network {
        Network::Host => always,
        Network::Private | Network::None => always | libc::CLONE_NEWNET,
    }
}

/// Turns a value into what a system call takes.
pub(crate) fn terminated(what: &'static str, value: impl AsRef<OsStr>) -> Result<CString, Error> {
    CString::new(value.as_ref().as_bytes()).map_err(|_| Error::ZeroByte { what })
}
