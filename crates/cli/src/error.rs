//! From errors to exit codes and hints: one exhaustive place.

use std::io;

use jettison::slim::jlink;
use jettison::{build, closure, container, probe, seccomp, slim, squash, verify};

/// Done.
pub(crate) const DONE: u8 = 0;
/// The answer is no.
pub(crate) const NO: u8 = 1;
/// Wrong usage or input.
pub(crate) const INPUT: u8 = 2;
/// The operation failed.
pub(crate) const FAILED: u8 = 3;
/// A bug.
pub(crate) const BUG: u8 = 70;

/// Something wrong with what the user asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Usage {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Usage {
    pub(crate) fn error(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
        }
        .into()
    }
}

/// Returns the exit code for a failure.
pub(crate) fn code(failure: &anyhow::Error) -> u8 {
    for cause in failure.chain() {
        if cause.is::<Usage>() {
            return INPUT;
        }
        if cause.is::<probe::Invalid>()
            || matches!(
                cause.downcast_ref(),
                Some(verify::Error::Mistake { .. } | verify::Error::Companion { .. })
            )
        {
            return INPUT;
        }
        if matches!(
            cause.downcast_ref(),
            Some(
                container::Error::Platform { .. }
                    | container::Error::NoCommand
                    | container::Error::Unknown { .. }
                    | container::Error::Relative { .. }
            )
        ) {
            return INPUT;
        }
        if matches!(cause.downcast_ref(), Some(seccomp::Error::Machine(_)))
            || matches!(cause.downcast_ref(), Some(jlink::Error::Nothing))
        {
            return INPUT;
        }
        if let Some(error) = cause.downcast_ref::<image::Error>() {
            return image_code(error);
        }
        if let Some(error) = cause.downcast_ref::<layer::Error>() {
            return layer_code(error);
        }
        if let Some(error) = cause.downcast_ref::<slim::Error>() {
            return slim_code(error);
        }
        if let Some(error) = cause.downcast_ref::<build::Error>() {
            return build_code(error);
        }
        match cause.downcast_ref::<squash::Error>() {
            Some(squash::Error::Image(error)) => return image_code(error),
            Some(squash::Error::Selection { .. }) => return INPUT,
            Some(squash::Error::Differs { .. }) => return BUG,
            _ => {}
        }
    }
    FAILED
}

fn build_code(error: &build::Error) -> u8 {
    use build::Error as E;
    match error {
        E::At { source, .. } => build_code(source),
        E::Image(error) => image_code(error),
        E::Unpack(error) => layer_code(error),
        E::Container(container::Error::Unknown { .. }) => INPUT,
        E::Dockerfile { .. }
        | E::Trigger { .. }
        | E::Operand(_)
        | E::NoStage { .. }
        | E::Source { .. }
        | E::NotADirectory(_)
        | E::IsADirectory(_)
        | E::Checksum { .. } => INPUT,
        _ => FAILED,
    }
}

fn build_hint(error: &build::Error) -> Option<String> {
    use build::Error as E;
    Some(match error {
        E::At { source, .. } => return build_hint(source),
        E::Source { ignored: true, .. } => {
            "a line with `!` before the path brings it back".to_owned()
        }
        E::Source { .. } => {
            "paths to copy are relative to the build context, not to the Dockerfile".to_owned()
        }
        E::Program { program, .. } => format!("install {program} on this machine"),
        E::Command { .. } => "look around in the files before it with --debug-shell".to_owned(),
        E::Image(error) => return image_hint(error),
        E::Container(error) => return container_hint(error),
        E::Unpack(error) => return layer_hint(error),
        _ => return None,
    })
}

fn slim_code(error: &slim::Error) -> u8 {
    match error {
        slim::Error::Closure(closure::Error::Read { .. }) => FAILED,
        slim::Error::Image(error) => image_code(error),
        _ => INPUT,
    }
}

fn image_code(error: &image::Error) -> u8 {
    use image::Error as E;
    match error {
        E::File { source, .. } if source.kind() == io::ErrorKind::NotFound => INPUT,
        E::File { .. } | E::Remote { .. } | E::Locked(_) => FAILED,
        E::Layer { source, .. } | E::WriteLayer { source } => layer_code(source),
        E::Blob { source, .. } => match source.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => INPUT,
            _ => FAILED,
        },
        _ => INPUT,
    }
}

fn layer_code(error: &layer::Error) -> u8 {
    use layer::Error as E;
    match error {
        E::Read { source, .. } | E::Content { source, .. } => match source.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => INPUT,
            _ => FAILED,
        },
        E::Write { .. } | E::Host { .. } => FAILED,
        _ => INPUT,
    }
}

/// Returns what the user could do about a failure.
pub(crate) fn hint(failure: &anyhow::Error) -> Option<String> {
    failure.chain().find_map(|cause| {
        if let Some(usage) = cause.downcast_ref::<Usage>() {
            return usage.hint.clone();
        }
        if let Some(error) = cause.downcast_ref::<container::Error>() {
            return container_hint(error);
        }
        if let Some(verify::Error::Mistake { .. }) = cause.downcast_ref() {
            return Some(
                "try it with `jettison run`; what is slow to start needs --wait-for".to_owned(),
            );
        }
        if let Some(verify::Error::Companion { name, .. }) = cause.downcast_ref() {
            return Some(format!(
                "try it with `jettison run`; what it must be told goes into --with-env {name}:NAME=VALUE"
            ));
        }
        if let Some(error) = cause.downcast_ref::<image::Error>() {
            return image_hint(error);
        }
        if let Some(error) = cause.downcast_ref::<layer::Error>() {
            return layer_hint(error);
        }
        if let Some(error) = cause.downcast_ref::<slim::Error>() {
            return slim_hint(error);
        }
        if let Some(jlink::Error::Nothing) = cause.downcast_ref() {
            return Some("a JDK has them, a JRE does not; without --jlink it stays as it is".to_owned());
        }
        if let Some(hint) = cause.downcast_ref().and_then(build_hint) {
            return Some(hint);
        }
        match cause.downcast_ref::<squash::Error>() {
            Some(squash::Error::Image(error)) => return image_hint(error),
            Some(squash::Error::Selection { .. }) => {
                return Some("`jettison analyze IMAGE` lists the layers".to_owned());
            }
            _ => {}
        }
        let space = cause.downcast_ref::<io::Error>()?.kind() == io::ErrorKind::StorageFull;
        space
            .then(|| "free some space, or choose another disk with --store and --tmpdir".to_owned())
    })
}

fn image_hint(error: &image::Error) -> Option<String> {
    use image::Error as E;
    Some(match error {
        E::Reference { .. } => {
            "images are named docker-archive:FILE, oci:DIR[:TAG], oci-archive:FILE, \
             docker-daemon:NAME, docker://HOST/NAME:TAG, NAME or ./PATH"
                .to_owned()
        }
        E::NotFound { .. } => "list what the local store has with `jettison images`".to_owned(),
        E::Ambiguous { .. } => {
            "name one of them after a colon, as in docker-archive:FILE:NAME".to_owned()
        }
        E::NoSuchPlatform { .. } => "choose one of them with --platform".to_owned(),
        E::Blob { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
            "the image is damaged; fetch it again".to_owned()
        }
        E::DiffId { .. } => "the image is damaged; fetch it again".to_owned(),
        E::Archive { .. } => {
            "archives are made with `docker save` or `skopeo copy`; for the tar of a file system \
             use `jettison import`"
                .to_owned()
        }
        E::Layer { source, .. } => return layer_hint(source),
        E::Denied { .. } => "log in first, as with `docker login` or `skopeo login`".to_owned(),
        E::Locked(_) => "wait for the other jettison to finish, or use another --store".to_owned(),
        _ => return None,
    })
}

fn container_hint(error: &container::Error) -> Option<String> {
    use container::Error as E;
    Some(match error {
        E::Platform { .. } => {
            "an index may have another with --platform; without running it, it is slimmed with \
             --no-verify"
                .to_owned()
        }
        E::NoCommand => "name one after the image, as in `jettison run IMAGE COMMAND`".to_owned(),
        E::Unknown { .. } => "a user can also be a number, as in --user 1000:1000".to_owned(),
        E::Sandbox(sandbox::Error::Namespaces { .. }) => {
            "user namespaces may be switched off here: see the sysctls user.max_user_namespaces, \
             kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns"
                .to_owned()
        }
        _ => return None,
    })
}

fn slim_hint(error: &slim::Error) -> Option<String> {
    use closure::Error as E;
    Some(match error {
        slim::Error::Closure(E::NoEntryPoint) => {
            "say what the image must be able to run with --entry COMMAND".to_owned()
        }
        slim::Error::Closure(E::EntryPointMissing { .. }) => {
            "the image cannot start as it is; is it complete, and its PATH right?".to_owned()
        }
        slim::Error::Closure(E::EntryPointNotExecutable { path, .. }) => {
            format!("the image cannot start as it is; RUN chmod +x {path}, or COPY --chmod=755")
        }
        slim::Error::Image(error) => return image_hint(error),
        _ => return None,
    })
}

fn layer_hint(error: &layer::Error) -> Option<String> {
    use layer::Error as E;
    Some(match error {
        E::LimitExceeded {
            what: "entries", ..
        } => "raise the limit with --max-entries".to_owned(),
        E::LimitExceeded { .. } => "raise the limit with --max-unpacked".to_owned(),
        E::Truncated { .. } => "the image is damaged; fetch it again".to_owned(),
        E::Escapes { .. } => {
            "no image builder writes such an entry; do not trust where this image came from"
                .to_owned()
        }
        _ => return None,
    })
}

/// Returns whether the reader of our output went away, which is no error.
pub(crate) fn is_broken_pipe(failure: &anyhow::Error) -> bool {
    let pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    failure.chain().any(pipe)
}
