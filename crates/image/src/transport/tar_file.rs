//! A tar file on disk as a directory of members: the shape of all image archives.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layer::codec::Codec;
use layer::read::TarReader;
use layer::{Contents, Extents, FileSlice, Kind, Limits};

use crate::error::{Error, Result};

/// An indexed tar file. Indexing reads headers only.
#[derive(Debug, Clone)]
pub struct TarFile {
    path: PathBuf,
    members: HashMap<Vec<u8>, FileSlice>,
    /// Other names of members: symbolic and hard links, which `docker save`
    /// writes for layers that two images share.
    aliases: HashMap<Vec<u8>, Vec<u8>>,
}

/// Image archives hold a few members per layer; more is not an image archive.
const MAX_MEMBERS: u64 = 1_000_000;

impl TarFile {
    /// Indexes a tar file.
    ///
    /// # Errors
    /// [`Error::Archive`] when it is not a tar file, or compressed.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound {
                subject: path.display().to_string(),
                place: String::new(),
            },
            _ => Error::File {
                verb: "open",
                path: path.to_path_buf(),
                source: error,
            },
        })?;
        Self::index(file, path)
    }

    /// Indexes an open tar file; `path` is for messages.
    ///
    /// # Errors
    /// As [`TarFile::open`].
    pub fn index(file: File, path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::Archive {
            path: path.to_path_buf(),
            reason,
        };
        let metadata = file.metadata().map_err(Error::file("read", path))?;
        if !metadata.is_file() {
            return Err(refuse("it is not a regular file".to_owned()));
        }
        let file = Arc::new(file);
        let whole = FileSlice::new(file, 0, metadata.len());
        let mut first = [0; 6];
        if whole.read_exact_at(&mut first, 0).is_err() {
            return Err(refuse("it is too short".to_owned()));
        }
        match Codec::detect(&first) {
            Ok(Codec::None) => {}
            Ok(Codec::Gzip) => {
                return Err(refuse("it is compressed; unpack it with gunzip".to_owned()));
            }
            Ok(Codec::Zstd) => {
                return Err(refuse("it is compressed; unpack it with unzstd".to_owned()));
            }
            Err(error) => return Err(refuse(error.to_string())),
        }
        let limits = Limits {
            entries: MAX_MEMBERS,
            bytes: u64::MAX,
            ..Limits::default()
        };
        let mut reader = TarReader::seekable(whole.reader(), 0, limits);
        let contents = Contents::new(vec![whole.clone()]);
        let (mut members, mut aliases) = (HashMap::new(), HashMap::new());
        while let Some(member) = reader
            .next_member()
            .map_err(|error| refuse(with_cause(&error)))?
        {
            let path = member.entry.path;
            match (member.entry.kind, member.content) {
                (Kind::File { size }, Some(content)) => {
                    let Extents::Whole(start) = content.extents else {
                        return Err(refuse("it has a sparse member".to_owned()));
                    };
                    let slice = contents.slice(0, start, size).ok_or_else(|| {
                        refuse(format!("member `{}` is truncated", layer::display(&path)))
                    })?;
                    members.insert(path, slice);
                }
                (Kind::Symlink(target), _) => {
                    let mut parts: Vec<&[u8]> = layer::components(&path).collect();
                    parts.pop();
                    for part in layer::components(&target) {
                        match part {
                            b".." => drop(parts.pop()),
                            part => parts.push(part),
                        }
                    }
                    aliases.insert(path.clone(), parts.join(&b'/'));
                }
                (Kind::HardLink(target), _) => drop(aliases.insert(path, target)),
                _ => {}
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            members,
            aliases,
        })
    }

    /// Returns the file's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a member by name; one link is followed.
    pub fn find(&self, name: &[u8]) -> Option<&FileSlice> {
        let name: Vec<u8> = layer::components(name).collect::<Vec<_>>().join(&b'/');
        let real = self.aliases.get(&name).unwrap_or(&name);
        self.members.get(real)
    }

    /// Reads a small member.
    ///
    /// # Errors
    /// [`Error::Archive`] when it is missing; [`Error::TooLarge`].
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let slice = self.find(name.as_bytes()).ok_or_else(|| Error::Archive {
            path: self.path.clone(),
            reason: format!("it has no `{name}`"),
        })?;
        if slice.len() > limit {
            return Err(Error::TooLarge {
                subject: name.to_owned(),
                limit,
            });
        }
        let mut bytes = vec![0; slice.len() as usize];
        slice
            .read_exact_at(&mut bytes, 0)
            .map_err(Error::file("read", &self.path))?;
        Ok(bytes)
    }
}

fn with_cause(error: &layer::Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
