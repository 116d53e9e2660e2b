//! What `ADD` can besides `COPY`: archives are unpacked, URLs fetched, repositories cloned.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use dockerfile::{CopyArgs, Ignore};
use image::Digest;
use image::transport::registry::download;
use layer::read::TarReader;
use layer::unpack::{Options, unpack as write_tree};
use layer::{Contents, FileSlice};

use super::attributes::{Attributes, Owners};
use super::copy::{Destination, Writer};
use super::select::{Item, Tree};
use super::snapshot::Work;
use super::stage::Stage;
use super::view::View;
use super::{Error, git};

/// Returns whether a source is not a file of the context.
pub(super) fn is_remote(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://") || git::is_repository(source)
}

/// A source that is not a file of the context.
#[derive(Debug)]
pub(super) struct Remote<'a> {
    pub(super) source: &'a str,
    pub(super) copy: &'a CopyArgs,
    pub(super) checksum: Option<String>,
}

/// Something that was fetched, or will be.
#[derive(Debug)]
pub(super) struct Fetch {
    /// What it is, for the cache.
    pub(super) digest: String,
    url: String,
    checksum: Option<Digest>,
    unpack: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// Its digest is known; it is fetched if it is needed.
    Later,
    File(Work, download::Downloaded),
    Tree(Work),
}

/// Fetches a source, unless its checksum already says what it is.
pub(super) fn get(stage: &Stage<'_>, remote: &Remote<'_>) -> Result<Fetch, Error> {
    let checksum = match &remote.checksum {
        Some(text) => Some(
            text.parse::<Digest>()
                .map_err(|error| Error::Operand(error.to_string()))?,
        ),
        None => None,
    };
    let url = remote.source.to_owned();
    let unpack = remote.copy.unpack == Some(true);
    if git::is_repository(remote.source) {
        let work = stage.build.snapshots.work()?;
        let commit = git::fetch(
            remote.source,
            &work.path().join("tree"),
            remote.copy.keep_git_dir,
        )?;
        if let Some(expected) = &remote.checksum
            && !commit.starts_with(expected.as_str())
        {
            return Err(Error::Checksum {
                url,
                expected: expected.clone(),
                actual: commit,
            });
        }
        return Ok(Fetch {
            digest: commit,
            url,
            checksum: None,
            unpack,
            body: Body::Tree(work),
        });
    }
    if let Some(checksum) = checksum {
        return Ok(Fetch {
            digest: checksum.to_string(),
            url,
            checksum: Some(checksum),
            unpack,
            body: Body::Later,
        });
    }
    let (work, downloaded) = fetch(stage, &url)?;
    let digest = format!("{} {:?}", downloaded.digest, downloaded.last_modified);
    Ok(Fetch {
        digest,
        url,
        checksum,
        unpack,
        body: Body::File(work, downloaded),
    })
}

fn fetch(stage: &Stage<'_>, url: &str) -> Result<(Work, download::Downloaded), Error> {
    let work = stage.build.snapshots.work()?;
    let path = work.path().join("body");
    let mut file = File::create_new(&path).map_err(Error::file("make", &path))?;
    let downloaded = download::download(url, stage.build.bases.remote.registry, &mut file)?;
    Ok((work, downloaded))
}

/// Writes what was fetched into a stage.
pub(super) fn place(
    writer: &mut Writer<'_>,
    stage: &Stage<'_>,
    work: &Work,
    fetched: &Fetch,
    to: &Destination,
) -> Result<(), Error> {
    let later;
    let (body, downloaded) = match &fetched.body {
        Body::Tree(tree) => {
            let tree = tree_of(tree.path().join("tree"), None);
            let item = whole(&tree)?;
            let to = Destination {
                is_dir: true,
                ..to.clone()
            };
            return writer.copy(&tree, &item, &to, &Ignore::default());
        }
        Body::File(work, downloaded) => (work.path().join("body"), downloaded),
        Body::Later => {
            later = fetch(stage, &fetched.url)?;
            (later.0.path().join("body"), &later.1)
        }
    };
    if let Some(expected) = fetched
        .checksum
        .filter(|expected| *expected != downloaded.digest)
    {
        return Err(Error::Checksum {
            url: fetched.url.clone(),
            expected: expected.to_string(),
            actual: downloaded.digest.to_string(),
        });
    }
    if fetched.unpack && unpack(writer, stage, work, &body, to)? {
        return Ok(());
    }
    let mtime = layer::Time {
        seconds: downloaded.last_modified.unwrap_or(0),
        nanoseconds: 0,
    };
    let attributes = Attributes {
        mode: 0o600,
        mtime,
        xattrs: Vec::new(),
    };
    attributes
        .set(&body, Owners::Recorded, Default::default(), false)
        .map_err(Error::file("set the attributes of", &body))?;
    let path = fetched.url.split(['?', '#']).next().unwrap_or_default();
    let name = path
        .splitn(4, '/')
        .nth(3)
        .and_then(|path| path.rsplit('/').next())
        .unwrap_or_default();
    if name.is_empty() && to.is_dir {
        return Err(Error::Operand(format!(
            "`{}` has no file name: name the file in the destination",
            fetched.url
        )));
    }
    let tree = tree_of(body.parent().unwrap_or(&body).to_owned(), None);
    let mut item = tree.select("body", &Ignore::default())?.remove(0);
    item.asked = PathBuf::from(if name.is_empty() { "index" } else { name });
    writer.copy(&tree, &item, to, &Ignore::default())
}

/// Unpacks an archive of the context. Returns false for a file that is none.
pub(super) fn unpack(
    writer: &mut Writer<'_>,
    stage: &Stage<'_>,
    work: &Work,
    archive: &Path,
    to: &Destination,
) -> Result<bool, Error> {
    let Some(plain) = plain(archive, work)? else {
        return Ok(false);
    };
    let length = plain
        .metadata()
        .map_err(Error::file("read", archive))?
        .len();
    let slice = FileSlice::new(Arc::new(plain), 0, length);
    let limits = stage.build.context.limits;
    let mut reader = TarReader::seekable(slice.reader(), 0, limits);
    let mut tree = layer::Tree::bounded(limits);
    let mut first = true;
    loop {
        match reader.next_member() {
            Ok(Some(member)) => tree.apply(0, member).map_err(Error::Unpack)?,
            // An archive without members is one, too; but an empty file is a file.
            Ok(None) if first && length == 0 => return Ok(false),
            Ok(None) => break,
            Err(_) if first => return Ok(false),
            Err(error) => return Err(Error::Unpack(error)),
        }
        first = false;
    }
    let root = tempfile::tempdir_in(work.path())
        .map_err(Error::file("make a directory in", work.path()))?
        .keep();
    let options = Options {
        owners: stage.build.owners == Owners::Real,
        devices: makes_devices(work.path()),
        threads: layer::unpack::processors(),
    };
    write_tree(&tree, &Contents::new(vec![slice]), &root, options, |_| true)
        .map_err(Error::Unpack)?;
    let source = tree_of(root, Some(stage.build.owners));
    let item = whole(&source)?;
    let to = Destination {
        is_dir: true,
        ..to.clone()
    };
    let target = writer.resolve(&to.path)?;
    writer.directory(&target)?;
    // As tar has it, what an archive brings takes the place of whatever has its name.
    writer.replacing = true;
    writer.copy(&source, &item, &to, &Ignore::default())?;
    writer.replacing = false;
    Ok(true)
}

/// Returns whether this process may make device nodes: real root, as a rule, and nobody else.
/// Others leave them out, since run time environments bring their own.
fn makes_devices(directory: &Path) -> bool {
    let path = directory.join("device");
    let null = rustix::fs::makedev(1, 3);
    let kind = rustix::fs::FileType::CharacterDevice;
    let made = rustix::fs::mknodat(rustix::fs::CWD, &path, kind, rustix::fs::Mode::RUSR, null);
    made.is_ok() && fs::remove_file(&path).is_ok()
}

fn tree_of(root: PathBuf, owners: Option<Owners>) -> Tree {
    Tree {
        name: root.display().to_string(),
        view: View::new(vec![root]),
        ignore: Ignore::default(),
        owners,
    }
}

fn whole(tree: &Tree) -> Result<Item, Error> {
    Ok(tree.select("/", &Ignore::default())?.remove(0))
}

/// Returns the bytes of an archive without compression, or nothing if it cannot be one.
fn plain(archive: &Path, work: &Work) -> Result<Option<File>, Error> {
    let failed = Error::file("read", archive);
    let mut file = File::open(archive).map_err(&failed)?;
    let mut start = [0; 512];
    let mut length = 0;
    while length < start.len() {
        match file.read(&mut start[length..]).map_err(&failed)? {
            0 => break,
            read => length += read,
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(&failed)?;
    let program = match &start[..length] {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some("bzip2"),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => None,
        // Archives older than POSIX have no mark, but a number where the checksum is.
        start if length == 512 && (&start[257..262] == b"ustar" || is_old(start)) => {
            return Ok(Some(file));
        }
        _ => return Ok(None),
    };
    let path = work.path().join("archive");
    let mut output = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .map_err(Error::file("make", &path))?;
    match program {
        // As docker does: these two are rare enough to be left to the programs for them.
        Some(program) => {
            let inner = output.try_clone().map_err(Error::file("write", &path))?;
            let status = Command::new(program)
                .arg("-dc")
                .stdin(file)
                .stdout(inner)
                .stderr(Stdio::null())
                .status();
            let status = status.map_err(|source| Error::Program { program, source })?;
            if !status.success() {
                return Ok(None);
            }
        }
        None => {
            let (_, mut reader) = layer::codec::decompress(file).map_err(Error::Unpack)?;
            if std::io::copy(&mut reader, &mut output).is_err() {
                return Ok(None); // something else that begins like it
            }
        }
    }
    output
        .seek(SeekFrom::Start(0))
        .map_err(Error::file("read", &path))?;
    let _ = fs::remove_file(&path); // it lives on without a name
    Ok(Some(output))
}

/// Returns whether a block is a header of an archive without a mark: its checksum is right.
fn is_old(block: &[u8]) -> bool {
    let field = block.get(148..156).unwrap_or_default();
    let text: String = field.iter().map(|byte| char::from(*byte)).collect();
    let wanted = u32::from_str_radix(text.trim_matches(|c: char| c == ' ' || c == '\0'), 8);
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    block.first().is_some_and(|byte| *byte != 0) && wanted == Ok(sum)
}
