//! Which files a `COPY` means, and what they are as far as a cache cares.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dockerfile::{Ignore, Pattern};

use super::Error;
use super::attributes::{Owners, xattrs};
use super::cache::Key;
use super::digests::Digests;
use super::view::{Found, View};

/// Files that can be copied.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) view: View,
    /// What of it does not take part.
    pub(super) ignore: Ignore,
    /// How owners are known; files of a context have none and become root's.
    pub(super) owners: Option<Owners>,
    /// What it is called in messages.
    pub(super) name: String,
}

/// One thing to copy: a file, or what is in a directory.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Path in the tree, links followed.
    pub(super) path: PathBuf,
    /// Path as it was asked for, after the last `/./`: what `--parents` keeps.
    pub(super) asked: PathBuf,
    pub(super) found: Found,
}

impl Tree {
    /// Finds what a source means: one path, or for a pattern any number.
    pub(super) fn select(&self, source: &str, exclude: &Ignore) -> Result<Vec<Item>, Error> {
        let (root, shown) = match source.split_once("/./") {
            Some((root, rest)) => (root, rest),
            None => ("", source),
        };
        let clean = clean(source);
        if !Pattern::is_wild(&clean) {
            let literal = unescape(&clean);
            let resolved = self
                .view
                .resolve(Path::new(&literal), true)
                .map_err(Error::file("look up", &literal))?;
            let text = resolved.path.to_string_lossy();
            let ignored = !text.is_empty()
                && self.ignore.ignores(&text)
                && !self.ignore.may_keep_below(&text);
            let Some(found) = resolved.found.filter(|_| !ignored) else {
                return Err(Error::Source {
                    path: literal,
                    place: self.name.clone(),
                    ignored,
                });
            };
            let asked = PathBuf::from(unescape(&self::clean(shown)));
            return Ok(vec![Item {
                path: resolved.path,
                asked,
                found,
            }]);
        }
        // What comes before the first pattern is looked up, the rest is searched.
        let parts: Vec<&str> = clean.split('/').collect();
        let literal = parts
            .iter()
            .take_while(|part| !Pattern::is_wild(part))
            .count();
        let start = unescape(&parts[..literal].join("/"));
        let rest = parts[literal..].join("/");
        let pattern = Pattern::new(&rest).map_err(|error| Error::Operand(error.to_string()))?;
        let depth = if rest.contains("**") {
            usize::MAX
        } else {
            parts.len() - literal
        };
        let resolved = self
            .view
            .resolve(Path::new(&start), true)
            .map_err(Error::file("look up", &start))?;
        let mut items = Vec::new();
        if let Some(found) = resolved.found.filter(Found::is_dir) {
            let search = Search {
                tree: self,
                pattern: &pattern,
                exclude,
            };
            search.below(&found, &resolved.path, Path::new(""), depth, &mut items)?;
        }
        let skip = clean_parts(root);
        for item in &mut items {
            item.asked = Path::new(&start).join(&item.asked);
            if skip > 0 {
                item.asked = item.asked.iter().skip(skip).collect();
            }
        }
        Ok(items)
    }

    /// Returns the entries of a directory that take part, with their paths in the tree.
    pub(super) fn list(
        &self,
        directory: &Found,
        path: &Path,
    ) -> Result<Vec<(PathBuf, Found)>, Error> {
        let entries = self
            .view
            .list(directory)
            .map_err(Error::file("read", directory.path()))?;
        let entries = entries
            .into_iter()
            .map(|(name, found)| (path.join(name), found));
        let mut kept = Vec::new();
        for (path, found) in entries {
            if self.keeps(&path, &found)? {
                kept.push((path, found));
            }
        }
        Ok(kept)
    }

    /// Returns whether the ignore file leaves something in: itself, or something below it. A directory
    /// that is left out and around nothing is not even sent to docker's builders.
    fn keeps(&self, path: &Path, found: &Found) -> Result<bool, Error> {
        let text = path.to_string_lossy();
        if self.ignore.is_empty() || !self.ignore.ignores(&text) {
            return Ok(true);
        }
        if !found.is_dir() || !self.ignore.may_keep_below(&text) {
            return Ok(false);
        }
        let entries = self
            .view
            .list(found)
            .map_err(Error::file("read", found.path()))?;
        for (name, found) in entries {
            if self.keeps(&path.join(name), &found)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A directory that is left out takes part where something in it does not.
    pub(super) fn takes_part(&self, path: &Path, found: &Found, ignore: &Ignore) -> bool {
        let text = path.to_string_lossy();
        ignore.is_empty()
            || !ignore.ignores(&text)
            || found.is_dir() && ignore.may_keep_below(&text)
    }

    /// Adds everything that matters of an item to a key: names, kinds, modes, contents; not times.
    pub(super) fn add_to(
        &self,
        key: &mut Key,
        item: &Item,
        exclude: &Ignore,
        digests: &Digests,
    ) -> Result<(), Error> {
        let name = item.path.file_name().unwrap_or_default();
        key.add(name.as_bytes())
            .add(item.asked.as_os_str().as_bytes());
        let mut pending = vec![(PathBuf::new(), item.path.clone(), item.found.clone())];
        while let Some((relative, path, found)) = pending.pop() {
            if !relative.as_os_str().is_empty() && !self.takes_part(&relative, &found, exclude) {
                continue;
            }
            self.add_node(key, &relative, &found, digests)?;
            if found.is_dir() {
                for (child, found) in self.list(&found, &path)?.into_iter().rev() {
                    let name = child.file_name().unwrap_or_default();
                    pending.push((relative.join(name), child, found));
                }
            }
        }
        Ok(())
    }

    fn add_node(
        &self,
        key: &mut Key,
        relative: &Path,
        found: &Found,
        digests: &Digests,
    ) -> Result<(), Error> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let (path, metadata) = (found.path(), &found.metadata);
        let kind = metadata.file_type();
        if kind.is_socket() {
            return Ok(());
        }
        key.add(relative.as_os_str().as_bytes())
            .add(metadata.mode().to_le_bytes());
        if let Some(owners) = self.owners {
            let owner = owners.of(path, metadata);
            key.add(owner.uid.to_le_bytes())
                .add(owner.gid.to_le_bytes());
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(path).map_err(Error::file("read", path))?;
            key.add(target.as_os_str().as_bytes());
        } else if kind.is_file() {
            key.add(
                digests
                    .of(path, metadata)
                    .map_err(Error::file("read", path))?,
            );
        } else {
            key.add(metadata.rdev().to_le_bytes());
        }
        for xattr in xattrs(path).map_err(Error::file("read the attributes of", path))? {
            key.add(&xattr.name).add(&xattr.value);
        }
        Ok(())
    }
}

struct Search<'a> {
    tree: &'a Tree,
    pattern: &'a Pattern,
    exclude: &'a Ignore,
}

impl Search<'_> {
    /// Collects what matches below a directory. What is in a directory that matches is not searched.
    fn below(
        &self,
        directory: &Found,
        path: &Path,
        relative: &Path,
        depth: usize,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        for (child, found) in self.tree.list(directory, path)? {
            let name = child.file_name().unwrap_or_default();
            let relative = relative.join(name);
            if self.pattern.matches(&relative.to_string_lossy()) {
                if !self.tree.takes_part(&child, &found, self.exclude) {
                    continue;
                }
                // A link that is asked for is followed.
                let resolved = self
                    .tree
                    .view
                    .resolve(&child, true)
                    .map_err(Error::file("look up", &child))?;
                let found = resolved.found.ok_or_else(|| Error::Source {
                    path: child.display().to_string(),
                    place: self.tree.name.clone(),
                    ignored: false,
                })?;
                items.push(Item {
                    path: child,
                    asked: relative,
                    found,
                });
            } else if found.is_dir() && depth > 1 {
                self.below(&found, &child, &relative, depth - 1, items)?;
            }
        }
        Ok(())
    }
}

/// Makes a path plain; `..` does not lead out of the root.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn clean_parts(path: &str) -> usize {
    clean(path)
        .split('/')
        .filter(|part| !part.is_empty())
        .count()
}

/// Takes the `\` away that made characters of a pattern ordinary.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}
