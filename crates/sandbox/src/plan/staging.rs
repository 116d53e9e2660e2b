//! The staging: where a container's root is put together.
//!
//! It is a small file system in memory, mounted over the root's path in the container's own mount
//! namespace. It holds the mount point of the new root, the files that the container gets in `/etc`, and
//! the stubs: empty mount points that become the lowest layer of the overlay, so that neither the root
//! nor the directory of changes is touched for their sake.

use std::ffi::CStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::mount::MountFlags;

use super::files::Files;
use super::mounts::{below_root, kind_of};
use super::{Action, Kind, terminated};
use crate::{Error, Mount, Spec, Writes};

/// Builds the staging and the root in it. Returns the files to put over those of the image.
pub(super) fn build(files: &mut Files, spec: &Spec) -> Result<Vec<(usize, &'static CStr)>, Error> {
    let error = |source| Error::Path {
        action: "use",
        path: spec.root.clone(),
        source,
    };
    // The upper layer decides how `/` looks.
    let mode = std::fs::metadata(spec.root_here()).map_err(error)?;
    let mode = mode.permissions().mode() & 0o7777;
    let path = terminated("the root", &spec.root)?;
    let root = files.open(path.clone(), false);
    let mut below = Vec::new();
    for directory in &spec.below {
        let directory = terminated("a directory below the root", directory)?;
        below.push(files.open(directory, false));
    }
    let changes = match &spec.writes {
        Writes::Directory(directory) => {
            Some(files.open(terminated("the directory of changes", directory)?, false))
        }
        Writes::InPlace | Writes::Memory => None,
    };
    files.mount(c"tmpfs", &path, MountFlags::NODEV, Some("mode=755"));
    files.need(Action::Enter { path });
    files.directory(c"root");
    if spec.writes == Writes::InPlace {
        files.attach(root, c"root");
    } else {
        files.directory(c"lower");
        files.attach(root, c"lower");
        let mut layers = "lower".to_owned();
        for (number, tree) in below.into_iter().enumerate() {
            // Short names: all of them have to fit into one page.
            let name = terminated("a layer", number.to_string())?;
            files.directory(&name);
            files.attach(tree, &name);
            layers.push_str(&format!(":{number}"));
        }
        files.directory(c"writes");
        match changes {
            Some(tree) => files.attach(tree, c"writes"),
            None => {
                files.need(Action::Directory {
                    path: c"writes/upper".into(),
                    mode,
                });
                files.directory(c"writes/work");
            }
        }
        stubs(files, spec)?;
        let options =
            format!("lowerdir={layers}:stubs,upperdir=writes/upper,workdir=writes/work,userxattr");
        files.mount(c"overlay", c"root", MountFlags::empty(), Some(&options));
    }
    let contents = [
        (
            c"hostname",
            c"/etc/hostname",
            Some(format!("{}\n", spec.hostname).into_bytes()),
        ),
        (c"hosts", c"/etc/hosts", spec.hosts.clone()),
        (
            c"resolv.conf",
            c"/etc/resolv.conf",
            spec.resolv_conf.clone(),
        ),
    ];
    let mut created = Vec::new();
    for (name, target, content) in contents {
        let Some(content) = content else { continue };
        files.need(Action::File {
            path: name.to_owned(),
            content,
        });
        created.push((files.open(name.to_owned(), false), target));
    }
    Ok(created)
}

/// Makes the empty mount points that an image may lack.
fn stubs(files: &mut Files, spec: &Spec) -> Result<(), Error> {
    for directory in [c"stubs/proc", c"stubs/dev", c"stubs/sys", c"stubs/etc"] {
        files.directory(directory);
    }
    for file in [
        c"stubs/etc/hostname",
        c"stubs/etc/hosts",
        c"stubs/etc/resolv.conf",
    ] {
        files.need(Action::File {
            path: file.to_owned(),
            content: Vec::new(),
        });
    }
    for mount in &spec.mounts {
        let stub = Path::new("stubs").join(below_root(mount.target()));
        let parent = stub.parent().unwrap_or(&stub);
        files.directory(&terminated("a mount point", parent)?);
        let stub = terminated("a mount point", &stub)?;
        match mount {
            Mount::Bind { source, .. } if kind_of(source)? == Kind::File => {
                files.try_to(Action::File {
                    path: stub,
                    content: Vec::new(),
                });
            }
            _ => files.try_to(Action::Directory {
                path: stub,
                mode: 0o755,
            }),
        }
    }
    Ok(())
}
