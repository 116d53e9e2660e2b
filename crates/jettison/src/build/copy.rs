//! Copying into a stage: what `COPY` and `ADD` write.
//!
//! Files are written as overlayfs would have: into the upper directory, with every directory above them.
//! Where docker's builders differ, this does what BuildKit does.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use dockerfile::Ignore;
use rustix::fs::{CWD, FileType, Mode};

use super::attributes::{Attributes, Owner, Owners, set_time};
use super::mode::Chmod;
use super::select::{Item, Tree};
use super::view::{Found, View, is_opaque, is_whiteout};
use super::{Error, Timestamps};

/// Writes into the upper directory of a stage.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) upper: &'a Path,
    /// The upper directory and all below it.
    pub(super) view: View,
    pub(super) owners: Owners,
    pub(super) times: Timestamps,
    /// Owner of everything that is written, if somebody says so.
    pub(super) chown: Option<Owner>,
    pub(super) chmod: Option<Chmod>,
    /// Directories that were there before, and the times that they keep.
    touched: HashMap<PathBuf, layer::Time>,
    /// Inodes of the source to paths in the image.
    links: HashMap<(u64, u64), PathBuf>,
    lower: View,
    /// Directories that are in the upper directory by now.
    ready: HashSet<PathBuf>,
    /// Whether a directory and something else take each other's place; otherwise that is refused.
    pub(super) replacing: bool,
    /// Directories as they are below it: most files of a step lie in few.
    below: HashMap<PathBuf, Option<Found>>,
}

/// Where to copy to.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    /// Absolute.
    pub(super) path: PathBuf,
    /// Whether it is a directory, whatever is there: it ends in `/`, or there is more than one source.
    pub(super) is_dir: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(upper: &'a Path, lower: &View, owners: Owners, times: Timestamps) -> Self {
        let mut layers = vec![upper.to_owned()];
        layers.extend(lower.layers.iter().cloned());
        Self {
            upper,
            view: View::new(layers),
            owners,
            times,
            chown: None,
            chmod: None,
            touched: HashMap::new(),
            links: HashMap::new(),
            lower: lower.clone(),
            ready: HashSet::new(),
            replacing: false,
            below: HashMap::new(),
        }
    }

    /// Looks at what a path without links is at the moment.
    fn look(&mut self, target: &Path) -> Result<Option<Found>, Error> {
        let path = self.upper.join(target);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if is_whiteout(&metadata) => return Ok(None),
            Ok(metadata) => {
                return Ok(Some(Found {
                    places: vec![path],
                    metadata,
                }));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("look up", target)(error)),
        }
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Ok(None);
        };
        if self.lower.layers.is_empty() {
            return Ok(None);
        }
        if !self.below.contains_key(parent) {
            let resolved = self
                .lower
                .resolve(parent, false)
                .map_err(Error::file("look up", parent))?;
            self.below
                .insert(parent.to_owned(), resolved.found.filter(Found::is_dir));
        }
        match self.below.get(parent) {
            Some(Some(parent)) => self
                .lower
                .child(parent, name)
                .map_err(Error::file("look up", target)),
            _ => Ok(None),
        }
    }

    /// Makes the upper directory look like the root below it.
    pub(super) fn begin(&mut self, lower: &View) -> Result<(), Error> {
        fs::create_dir(self.upper).map_err(Error::file("make", self.upper))?;
        let root = lower.root().map_err(Error::file("read", self.upper))?;
        self.adopt(&root, self.upper)
    }

    /// Gives directories that were only passed through their times back.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        for (path, time) in self.touched.drain() {
            set_time(&path, time).map_err(Error::file("date", &path))?;
        }
        Ok(())
    }

    /// Copies one item.
    pub(super) fn copy(
        &mut self,
        tree: &Tree,
        item: &Item,
        to: &Destination,
        exclude: &Ignore,
    ) -> Result<(), Error> {
        let target = self.resolve(&to.path)?;
        if item.found.is_dir() {
            // The directory itself is not copied: what is in it is.
            self.directory(&target)?;
            let copying = Copying { tree, exclude };
            return self.tree(&copying, item, &target);
        }
        let existing = self
            .view
            .resolve(&target, true)
            .map_err(Error::file("look up", &target))?;
        let into = to.is_dir || existing.found.as_ref().is_some_and(Found::is_dir);
        let target = if into {
            let name = item
                .asked
                .file_name()
                .or(item.path.file_name())
                .unwrap_or_default();
            target.join(name)
        } else {
            target
        };
        if let Some(parent) = target.parent() {
            self.directory(parent)?;
        }
        self.node(tree, &item.found, &target)
    }

    /// Copies one item with the directories above it, as `--parents` wants.
    pub(super) fn copy_with_parents(
        &mut self,
        tree: &Tree,
        item: &Item,
        to: &Destination,
        exclude: &Ignore,
    ) -> Result<(), Error> {
        let mut target = self.resolve(&to.path)?;
        self.directory(&target)?;
        let mut source = item.path.clone();
        let count = item.asked.iter().count();
        let outer = source.iter().count().saturating_sub(count);
        let parents: Vec<_> = source
            .iter()
            .skip(outer)
            .map(std::ffi::OsStr::to_owned)
            .collect();
        source = source.iter().take(outer).collect();
        for (at, name) in parents.iter().enumerate() {
            source.push(name);
            target.push(name);
            if at + 1 == parents.len() {
                break;
            }
            let found = tree
                .view
                .resolve(&source, false)
                .map_err(Error::file("look up", &source))?
                .found;
            if let Some(found) = found.filter(Found::is_dir) {
                self.made(tree, &found, &target, true)?;
            }
        }
        if item.found.is_dir() {
            return self.tree(&Copying { tree, exclude }, item, &target);
        }
        self.node(tree, &item.found, &target)
    }

    /// Writes a file with these bytes.
    pub(super) fn file(&mut self, to: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let target = self.resolve(to)?;
        if let Some(parent) = target.parent() {
            self.directory(parent)?;
        }
        let path = self.clear(&target)?;
        fs::write(&path, bytes).map_err(Error::file("write", &path))?;
        let mode = self
            .chmod
            .as_ref()
            .map_or(mode, |chmod| chmod.apply(mode, false));
        let attributes = Attributes {
            mode,
            mtime: self.times.made(),
            xattrs: Vec::new(),
        };
        let owner = self.chown.unwrap_or_default();
        attributes
            .set(&path, self.owners, owner, false)
            .map_err(Error::file("set the attributes of", &path))
    }

    /// Follows a path inside the stage. What comes back is relative to the root and has no links.
    pub(super) fn resolve(&self, path: &Path) -> Result<PathBuf, Error> {
        Ok(self
            .view
            .resolve(path, true)
            .map_err(Error::file("look up", path))?
            .path)
    }

    /// Sees to it that a directory is there and in the upper directory, with those above it.
    pub(super) fn directory(&mut self, relative: &Path) -> Result<(), Error> {
        if self.ready.contains(relative) {
            return Ok(());
        }
        let mut at = PathBuf::new();
        for name in relative {
            at.push(name);
            let path = self.upper.join(&at);
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {
                    continue;
                }
                Ok(metadata) if !is_whiteout(&metadata) && self.replacing => {
                    fs::remove_file(&path).map_err(Error::file("replace", &path))?;
                }
                Ok(metadata) if !is_whiteout(&metadata) => return Err(Error::NotADirectory(at)),
                _ => {}
            }
            let found = self.look(&at)?;
            match found {
                Some(found) if found.is_dir() => {
                    fs::create_dir(&path).map_err(Error::file("make", &path))?;
                    self.adopt(&found, &path)?;
                }
                Some(_) if !self.replacing => return Err(Error::NotADirectory(at)),
                // A directory hides whatever else lies below it.
                Some(_) | None => self.fresh(&path)?,
            }
        }
        self.ready.insert(relative.to_owned());
        Ok(())
    }

    /// Makes a directory that nothing says anything about.
    fn fresh(&mut self, path: &Path) -> Result<(), Error> {
        // It may have been removed before, which a whiteout says.
        let hidden = fs::symlink_metadata(path).is_ok_and(|metadata| is_whiteout(&metadata));
        if hidden {
            fs::remove_file(path).map_err(Error::file("remove", path))?;
        }
        fs::create_dir(path).map_err(Error::file("make", path))?;
        let attributes = Attributes {
            mode: 0o755,
            mtime: self.times.made(),
            xattrs: Vec::new(),
        };
        let owner = self.chown.unwrap_or_default();
        attributes
            .set(path, self.owners, owner, false)
            .map_err(Error::file("set the attributes of", path))?;
        self.touched.insert(path.to_owned(), self.times.made());
        Ok(())
    }

    /// Makes a directory of the upper directory look like the one below it.
    fn adopt(&mut self, found: &Found, path: &Path) -> Result<(), Error> {
        let attributes = Attributes::of(found.path(), &found.metadata)
            .map_err(Error::file("read the attributes of", found.path()))?;
        let owner = self.owners.of(found.path(), &found.metadata);
        attributes
            .set(path, self.owners, owner, false)
            .map_err(Error::file("set the attributes of", path))?;
        self.touched.insert(path.to_owned(), attributes.mtime);
        Ok(())
    }

    /// Copies a directory's entries, and the directory itself if it is not there.
    fn tree(&mut self, copying: &Copying<'_>, item: &Item, target: &Path) -> Result<(), Error> {
        if let Some(parent) = target.parent() {
            self.directory(parent)?;
        }
        self.made(copying.tree, &item.found, target, false)?;
        let mut pending = vec![(PathBuf::new(), item.path.clone(), item.found.clone())];
        while let Some((relative, path, directory)) = pending.pop() {
            for (child, found) in copying.tree.list(&directory, &path)? {
                let relative = relative.join(child.file_name().unwrap_or_default());
                if !copying.tree.takes_part(&relative, &found, copying.exclude) {
                    continue;
                }
                let target = target.join(&relative);
                if found.is_dir() {
                    self.made(copying.tree, &found, &target, true)?;
                    pending.push((relative, child, found));
                } else {
                    self.node(copying.tree, &found, &target)?;
                }
            }
        }
        Ok(())
    }

    /// Makes a directory as another is. One that is there takes its attributes only if `over`.
    fn made(&mut self, tree: &Tree, found: &Found, target: &Path, over: bool) -> Result<(), Error> {
        let existed = target.as_os_str().is_empty() || self.look(target)?.is_some();
        self.directory(target)?;
        if existed && !over {
            return Ok(());
        }
        let path = self.upper.join(target);
        let attributes = self.attributes(found)?;
        let owner = self.owner(tree, found);
        attributes
            .set(&path, self.owners, owner, false)
            .map_err(Error::file("set the attributes of", &path))?;
        self.touched.insert(path, attributes.mtime);
        Ok(())
    }

    fn attributes(&self, found: &Found) -> Result<Attributes, Error> {
        let mut attributes = Attributes::of(found.path(), &found.metadata)
            .map_err(Error::file("read the attributes of", found.path()))?;
        if let Some(chmod) = &self.chmod {
            attributes.mode = chmod.apply(attributes.mode, found.is_dir());
        }
        Ok(attributes)
    }

    fn owner(&self, tree: &Tree, found: &Found) -> Owner {
        let kept = tree
            .owners
            .map(|owners| owners.of(found.path(), &found.metadata));
        self.chown.or(kept).unwrap_or_default()
    }

    /// Makes room for a file and returns its path on the host.
    fn clear(&mut self, target: &Path) -> Result<PathBuf, Error> {
        let found = self.look(target)?;
        let path = self.upper.join(target);
        if found.as_ref().is_some_and(Found::is_dir) {
            if !self.replacing {
                return Err(Error::IsADirectory(target.to_owned()));
            }
            if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                fs::remove_dir_all(&path).map_err(Error::file("replace", &path))?;
                self.ready.retain(|ready| !ready.starts_with(target));
                self.touched
                    .retain(|touched, _| !touched.starts_with(&path));
                return Ok(path);
            }
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::file("replace", &path)(error))
            }
            _ => Ok(path),
        }
    }

    /// Copies anything but a directory.
    fn node(&mut self, tree: &Tree, found: &Found, target: &Path) -> Result<(), Error> {
        let (source, metadata) = (found.path(), &found.metadata);
        let kind = metadata.file_type();
        if kind.is_socket() {
            return Ok(());
        }
        let path = self.clear(target)?;
        if metadata.nlink() > 1 {
            let inode = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&inode) {
                return fs::hard_link(first, &path).map_err(Error::file("link", &path));
            }
            self.links.insert(inode, path.clone());
        }
        let failed = Error::file("make", &path);
        if kind.is_symlink() {
            let target = fs::read_link(source).map_err(Error::file("read", source))?;
            rustix::fs::symlinkat(target.as_os_str().as_bytes(), CWD, &path)
                .map_err(|errno| failed(errno.into()))?;
        } else if kind.is_file() {
            copy_bytes(source, &path)?;
        } else {
            let kind = FileType::from_raw_mode(metadata.mode());
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(CWD, &path, kind, mode, metadata.rdev())
                .map_err(|errno| failed(errno.into()))?;
        }
        let owner = self.owner(tree, found);
        let is_link = kind.is_symlink();
        let attributes = self.attributes(found)?;
        attributes
            .set(&path, self.owners, owner, is_link)
            .map_err(Error::file("set the attributes of", &path))
    }
}

struct Copying<'a> {
    tree: &'a Tree,
    exclude: &'a Ignore,
}

/// Copies in the kernel, which shares the blocks where the file system can.
fn copy_bytes(from: &Path, to: &Path) -> Result<(), Error> {
    let mut input = File::open(from).map_err(Error::file("open", from))?;
    let mut output = File::create_new(to).map_err(Error::file("make", to))?;
    io::copy(&mut input, &mut output).map_err(Error::file("write", to))?;
    Ok(())
}

/// Copies all that takes part of a tree into an empty directory, as a directory to be mounted.
pub(super) fn materialise(
    tree: &Tree,
    item: &Item,
    to: &Path,
    owners: Owners,
    times: Timestamps,
) -> Result<(), Error> {
    fs::create_dir(to).map_err(Error::file("make", to))?;
    let mut writer = Writer::new(to, &View::new(Vec::new()), owners, times);
    let exclude = Ignore::default();
    writer.made(tree, &item.found, Path::new(""), true)?;
    writer.tree(
        &Copying {
            tree,
            exclude: &exclude,
        },
        item,
        Path::new(""),
    )?;
    writer.finish()
}

/// Returns whether a directory is seen as it lies on disk: one place, nothing removed in it, nothing
/// left out.
pub(super) fn is_plain(tree: &Tree, found: &Found) -> bool {
    tree.ignore.is_empty() && found.places.len() == 1 && !is_opaque(found.path())
}
