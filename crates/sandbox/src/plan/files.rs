//! The file system of a container, as `docker run` lays it out.
//!
//! What the host has is opened first. Then [`staging`] makes the root, which is entered; from there on
//! everything happens inside it: [`system`] has what the kernel provides, [`mounts`] what the caller adds.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::mount::MountFlags;

use super::system::System;
use super::{Action, Kind, Operation, mounts, staging, system, terminated};
use crate::{Error, Spec, Writes};

/// The operations that make a container's file system.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) operations: Vec<Operation>,
    pub(crate) trees: usize,
}

/// Plans the file system of a container.
pub(crate) fn lay_out(spec: &Spec) -> Result<Files, Error> {
    let mut files = Files::default();
    files.need(Action::Private);
    if let Some(memory) = &spec.memory {
        let tree = files.given(memory.mount()?);
        files.attach(tree, &terminated("the root", &spec.root)?);
    }
    let system = System::open(&mut files, spec);
    let binds = mounts::open(&mut files, &spec.mounts)?;
    let etc = staging::build(&mut files, spec)?;
    files.need(Action::Pivot { path: c"root" });

    system.mount(&mut files, spec);
    for path in &spec.scratch {
        if !spec.mounts.iter().any(|mount| mount.target() == path) {
            let target = terminated("a scratch directory", path)?;
            files.try_to(Action::Scratch { target });
        }
    }
    for (tree, target) in etc {
        let (target, create) = (target.to_owned(), may_create(spec).then_some(Kind::File));
        files.try_to(Action::Attach {
            tree,
            target,
            read_only: false,
            create,
        });
    }
    mounts::attach(&mut files, spec, &binds)?;
    files.need(Action::HostName {
        name: terminated("the host name", &spec.hostname)?,
    });
    if spec.terminal {
        files.need(Action::Terminal);
    }
    if may_create(spec) && !spec.read_only {
        let path = terminated("the working directory", &spec.cwd)?;
        files.try_to(Action::Directory { path, mode: 0o755 });
    }
    system::restrict(&mut files, spec);
    Ok(files)
}

/// Returns whether a mount point may be added to the root's view.
pub(super) fn may_create(spec: &Spec) -> bool {
    spec.writes != Writes::InPlace
}

impl Files {
    pub(super) fn need(&mut self, action: Action) {
        self.operations.push(Operation {
            action,
            optional: false,
        });
    }

    pub(super) fn try_to(&mut self, action: Action) {
        self.operations.push(Operation {
            action,
            optional: true,
        });
    }

    /// Takes hold of a path of the host, and returns the number to attach it by.
    pub(super) fn open(&mut self, path: CString, optional: bool) -> usize {
        let tree = self.trees;
        self.trees += 1;
        self.operations.push(Operation {
            action: Action::Open { tree, path },
            optional,
        });
        tree
    }

    /// Takes a mount that exists already, and returns the number to attach it by.
    pub(super) fn given(&mut self, mount: OwnedFd) -> usize {
        let tree = self.trees;
        self.trees += 1;
        self.need(Action::Given { tree, mount });
        tree
    }

    /// Makes a file system of the kernel's, and returns the number to attach it by.
    pub(super) fn create(&mut self, kind: &'static CStr, fallback: &'static CStr) -> usize {
        let tree = self.trees;
        self.trees += 1;
        self.try_to(Action::New {
            tree,
            kind,
            fallback,
        });
        tree
    }

    pub(super) fn directory(&mut self, path: &CStr) {
        self.need(Action::Directory {
            path: path.to_owned(),
            mode: 0o755,
        });
    }

    pub(super) fn attach(&mut self, tree: usize, target: &CStr) {
        let target = target.to_owned();
        self.need(Action::Attach {
            tree,
            target,
            read_only: false,
            create: None,
        });
    }

    pub(super) fn mount(
        &mut self,
        kind: &'static CStr,
        target: &CStr,
        flags: MountFlags,
        options: Option<&str>,
    ) {
        let options = options.and_then(|options| CString::new(options).ok());
        self.need(Action::Mount {
            kind,
            target: target.to_owned(),
            flags,
            options,
        });
    }

    pub(super) fn try_mount(
        &mut self,
        kind: &'static CStr,
        target: &CStr,
        flags: MountFlags,
        options: Option<&str>,
    ) {
        self.mount(kind, target, flags, options);
        if let Some(last) = self.operations.last_mut() {
            last.optional = true;
        }
    }
}
