//! Where a build's Dockerfile and its context come from.

use std::io::Read;
use std::path::{Path, PathBuf};

use jettison::build::{git, unpack_archive};
use tempfile::TempDir;

use crate::error::Usage;
use crate::session::Session;

/// A Dockerfile, and a directory for it.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) text: String,
    /// What the Dockerfile is called in messages.
    pub(crate) file_name: String,
    /// The Dockerfile's own ignore file, which counts in place of the context's.
    pub(crate) own_ignore: Option<PathBuf>,
    directory: PathBuf,
    /// Where it lies if it was made for this build alone.
    _temporary: Option<TempDir>,
}

impl Input {
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Opens what the command line names.
pub(crate) fn open(
    session: &Session<'_>,
    context: &str,
    file: Option<&Path>,
) -> anyhow::Result<Input> {
    let stdin_file = file == Some(Path::new("-"));
    if context == "-" && stdin_file {
        return Err(Usage::error(
            "both the context and the Dockerfile are to come from stdin",
            "name one of them",
        ));
    }
    if context == "-" {
        return from_stdin(session, file);
    }
    let is_url = context.starts_with("http://") || context.starts_with("https://");
    if git::is_repository(context) || is_url {
        let temporary = TempDir::new_in(session.scratch())?;
        let directory = temporary.path().join("tree");
        if git::is_repository(context) {
            git::fetch(context, &directory, false)?;
        } else {
            std::fs::create_dir(&directory)?;
            let mut body = tempfile::tempfile_in(session.scratch())?;
            image::transport::registry::download::download(
                context,
                session.remote().registry,
                &mut body,
            )?;
            std::io::Seek::rewind(&mut body)?;
            let spool = tempfile::tempfile_in(session.scratch())?;
            unpack_archive(body, spool, &directory, session.context().limits)?;
        }
        return finish(directory, file, Some(temporary));
    }
    let directory = PathBuf::from(context);
    if !directory.is_dir() {
        return Err(Usage::error(
            format!("the build context `{context}` is not a directory"),
            "the Dockerfile is named with -f, the context is the directory it copies from",
        ));
    }
    if stdin_file {
        let text = read_text(std::io::stdin())?;
        return Ok(Input {
            text,
            file_name: "-".to_owned(),
            own_ignore: None,
            directory,
            _temporary: None,
        });
    }
    finish(directory, file, None)
}

/// A tar is a context; anything else is a Dockerfile that needs none.
fn from_stdin(session: &Session<'_>, file: Option<&Path>) -> anyhow::Result<Input> {
    let temporary = TempDir::new_in(session.scratch())?;
    let directory = temporary.path().join("tree");
    std::fs::create_dir(&directory)?;
    let mut spooled = tempfile::tempfile_in(session.scratch())?;
    std::io::copy(&mut std::io::stdin().lock(), &mut spooled)?;
    std::io::Seek::rewind(&mut spooled)?;
    let mut start = [0; 262];
    let mut length = 0;
    while length < start.len() {
        match spooled.read(&mut start[length..])? {
            0 => break,
            read => length += read,
        }
    }
    std::io::Seek::rewind(&mut spooled)?;
    // Compressed, or with the mark of a tar: a Dockerfile is text and has neither.
    let is_archive = matches!(start, [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..])
        || start[..length].contains(&0);
    if is_archive {
        let spool = tempfile::tempfile_in(session.scratch())?;
        unpack_archive(spooled, spool, &directory, session.context().limits)?;
        return finish(directory, file, Some(temporary));
    }
    let text = read_text(spooled)?;
    Ok(Input {
        text,
        file_name: "-".to_owned(),
        own_ignore: None,
        directory,
        _temporary: Some(temporary),
    })
}

fn finish(
    directory: PathBuf,
    file: Option<&Path>,
    temporary: Option<TempDir>,
) -> anyhow::Result<Input> {
    let path = match file {
        // Of a context that is elsewhere, the Dockerfile is in it.
        Some(file) if temporary.is_some() => directory.join(file),
        Some(file) if file.exists() || file.is_absolute() => file.to_owned(),
        Some(file) if directory.join(file).exists() => directory.join(file),
        Some(file) => file.to_owned(),
        None => {
            let names =
                ["Dockerfile", "dockerfile", "Containerfile"].map(|name| directory.join(name));
            names
                .iter()
                .find(|path| path.exists())
                .unwrap_or(&names[0])
                .clone()
        }
    };
    let bytes = std::fs::read(&path).map_err(|source| image::Error::File {
        verb: "read the Dockerfile",
        path: path.clone(),
        source,
    })?;
    let own_ignore = PathBuf::from(format!("{}.dockerignore", path.display()));
    Ok(Input {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        file_name: path
            .strip_prefix("./")
            .unwrap_or(&path)
            .display()
            .to_string(),
        own_ignore: Some(own_ignore).filter(|path| path.is_file()),
        directory,
        _temporary: temporary,
    })
}

fn read_text(mut input: impl Read) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
