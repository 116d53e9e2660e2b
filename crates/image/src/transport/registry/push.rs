//! Images to a registry (distribution specification, "Push").

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ureq::Body;
use ureq::http::{Method, Response, StatusCode, Uri};

use super::Options;
use super::client::{Call, Client, Content, Target, lock, may_pass, promised_digest};
use super::endpoint::Endpoint;
use crate::blob::{BlobSource, Blobs, Memory, Origin};
use crate::convert;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::{Descriptor, Manifest};
use crate::name::Name;
use crate::transport::layout::Layout;
use crate::transport::{Context, Written, http};

/// Blobs under way at once. Registries answer one upload at a few tens of MB/s;
/// more than four are throttled by the large ones.
const PARALLEL: usize = 4;

pub(super) fn write(
    image: &Image,
    name: &Name,
    options: &Options,
    context: Context<'_>,
) -> Result<Written> {
    let client = Client::new(options)?;
    let scratch = tempfile::tempdir_in(context.spool.directory()).map_err(Error::file(
        "make a directory in",
        context.spool.directory(),
    ))?;
    let (manifest, blobs) = prepare(image, &Layout::create(scratch.path())?, context)?;
    let push = Push {
        endpoint: client.endpoint(&name.host),
        client: &client,
        name,
        blobs: &blobs,
        context,
    };
    let bytes = push.all(&manifest)?;
    push.manifest(&manifest)?;
    Ok(Written {
        manifest: manifest.descriptor(),
        bytes,
    })
}

/// Compresses layers that are not, and returns the manifest with them.
fn prepare(image: &Image, scratch: &Layout, context: Context<'_>) -> Result<(Manifest, Blobs)> {
    let rest = || Some(image.blobs().clone());
    let config = image.config().bytes().to_vec();
    if !image.layers().any(|layer| convert::is_plain(&layer)) {
        let blobs = Memory::new([config], rest());
        return Ok((image.manifest().clone(), Blobs::new(blobs)));
    }
    let mut layers = Vec::new();
    for layer in image.layers() {
        if convert::is_plain(&layer) {
            let level = context.level;
            let (descriptor, blob) = convert::store_layer(image, &layer, scratch, level, context)?;
            layers.push(descriptor);
            blob.map_or(Ok(()), |blob| scratch.commit(blob))?;
        } else {
            layers.push(convert::describe_oci(&layer)?);
        }
    }
    let manifest = convert::to_oci(image, layers);
    let scratch = Scratch {
        layout: scratch.clone(),
        rest: image.blobs().clone(),
    };
    let blobs = Memory::new([config], Some(Blobs::new(scratch)));
    Ok((manifest, Blobs::new(blobs)))
}

/// Layers that were just compressed, and the source of all others.
#[derive(Debug)]
struct Scratch {
    layout: Layout,
    rest: Blobs,
}

impl BlobSource for Scratch {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        if self.layout.has(descriptor) {
            self.layout.open(descriptor)
        } else {
            self.rest.source().open(descriptor)
        }
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Origin> {
        let elsewhere = !self.layout.has(descriptor);
        elsewhere.then(|| self.rest.origin(descriptor))?
    }
}

/// An image on its way.
struct Push<'p> {
    endpoint: Endpoint,
    client: &'p Client,
    name: &'p Name,
    blobs: &'p Blobs,
    context: Context<'p>,
}

impl Push<'_> {
    /// Sends the blobs that are not there, several at once. Returns the bytes sent.
    fn all(&self, manifest: &Manifest) -> Result<u64> {
        let mut seen = BTreeSet::new();
        let blobs: Vec<&Descriptor> = manifest
            .layers
            .iter()
            .chain([&manifest.config])
            .filter(|blob| !is_foreign(blob) && seen.insert(blob.digest))
            .collect();
        let total = blobs.iter().map(|blob| blob.size).sum();
        self.context.progress.begin("push", Some(total));
        let (next, sent) = (AtomicUsize::new(0), AtomicU64::new(0));
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            while lock(&failure).is_none()
                && let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed))
            {
                match self.blob(blob) {
                    Ok(bytes) => drop(sent.fetch_add(bytes, Ordering::Relaxed)),
                    Err(error) => drop(lock(&failure).get_or_insert(error)),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL.min(blobs.len()) {
                scope.spawn(work);
            }
        });
        self.context.progress.end();
        match failure.into_inner() {
            Ok(None) => Ok(sent.into_inner()),
            Ok(Some(error)) => Err(error),
            Err(poisoned) => std::panic::resume_unwind(Box::new(poisoned.to_string())),
        }
    }

    /// Sees to it that a blob is there. Returns the bytes sent.
    fn blob(&self, blob: &Descriptor) -> Result<u64> {
        let repository = self.endpoint.repository(self.name);
        let origin = self
            .blobs
            .origin(blob)
            .filter(|origin| origin.host == self.name.host && origin.repository != repository);
        let mut scope = format!("repository:{repository}:pull,push");
        let mut begin = format!("{repository}/blobs/uploads/");
        if let Some(origin) = &origin {
            scope.push_str(&format!(" repository:{}:pull", origin.repository));
            let digest = encoded(blob);
            begin.push_str(&format!("?mount={digest}&from={}", origin.repository));
        }
        let action = format!("take blob {} of `{}`", blob.digest, self.name.familiar());
        let call = Call {
            endpoint: &self.endpoint,
            action: &action,
            name: self.name,
            scope: &scope,
            method: &Method::HEAD,
            target: Target::Path(&format!("{repository}/blobs/{}", blob.digest)),
            headers: &[],
            content: Content::Nothing,
        };
        let retries = self.client.options.retries;
        let response = self.client.send(&call, retries)?;
        match response.status() {
            StatusCode::OK => {
                self.context.progress.advance(blob.size);
                return Ok(0);
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(call.refused(response)),
            // An upload will show what is really the matter.
            _ => {}
        }
        let begin = Call {
            method: &Method::POST,
            target: Target::Path(&begin),
            ..call
        };
        self.upload(blob, begin)
    }

    /// Uploads a blob: in one request, and when that fails, from where it broke off.
    fn upload(&self, blob: &Descriptor, begin: Call<'_>) -> Result<u64> {
        let retries = self.client.options.retries;
        let mut sent = 0;
        let mut attempt = 0;
        let mut session: Option<(Uri, u64)> = None;
        loop {
            attempt += 1;
            let (location, from) = match session.take() {
                Some(resumed) => resumed,
                None => {
                    let response = self.client.send(&begin, retries)?;
                    match response.status() {
                        // Mounted from the other repository.
                        StatusCode::CREATED => {
                            self.context.progress.advance(blob.size);
                            return Ok(sent);
                        }
                        StatusCode::ACCEPTED => (self.client.location(&begin, &response)?, 0),
                        _ => return Err(begin.refused(response)),
                    }
                }
            };
            let error = match self.transfer(blob, &begin, &location, from) {
                Ok(()) => return Ok(sent + (blob.size - from)),
                Err(error) => error,
            };
            let pause = self.client.backoff().pause(attempt, None);
            match pause.filter(|_| attempt <= retries && may_pass(&error)) {
                Some(pause) => {
                    tracing::debug!(digest = %blob.digest, %error, ?pause, "uploading on");
                    std::thread::sleep(pause);
                }
                None => return Err(error),
            }
            session = self.reached(&begin, &location, blob);
            let kept = session.as_ref().map_or(0, |(_, offset)| *offset);
            sent += kept.saturating_sub(from);
        }
    }

    /// Sends the rest of a blob and closes the upload.
    fn transfer(
        &self,
        blob: &Descriptor,
        begin: &Call<'_>,
        location: &Uri,
        from: u64,
    ) -> Result<()> {
        let kind = ("content-type", "application/octet-stream".to_owned());
        let content = Content::Blob {
            blobs: self.blobs,
            descriptor: blob,
            from,
            progress: self.context.progress,
        };
        let closing = |location: &Uri| {
            let separator = if location.query().is_some() { '&' } else { '?' };
            let url = format!("{location}{separator}digest={}", encoded(blob));
            url.parse::<Uri>().map_err(|error| Error::Remote {
                service: self.endpoint.host.clone(),
                action: begin.action.to_owned(),
                reason: format!("its address for uploads makes no sense: {error}"),
                status: None,
            })
        };
        if from == 0 {
            let call = Call {
                method: &Method::PUT,
                target: Target::Url(&closing(location)?),
                headers: &[kind],
                content,
                ..*begin
            };
            return expect_success(&call, self.client.attempt(&call)?).map(drop);
        }
        let mut location = location.clone();
        if from < blob.size {
            let range = format!("{from}-{}", blob.size - 1);
            let call = Call {
                method: &Method::PATCH,
                target: Target::Url(&location),
                headers: &[kind, ("content-range", range)],
                content,
                ..*begin
            };
            let response = expect_success(&call, self.client.attempt(&call)?)?;
            location = self.client.location(&call, &response)?;
        }
        let call = Call {
            method: &Method::PUT,
            target: Target::Url(&closing(&location)?),
            content: Content::Nothing,
            ..*begin
        };
        expect_success(&call, self.client.attempt(&call)?).map(drop)
    }

    /// Asks how far an upload came; nothing when it must begin anew.
    fn reached(&self, begin: &Call<'_>, location: &Uri, blob: &Descriptor) -> Option<(Uri, u64)> {
        let call = Call {
            method: &Method::GET,
            target: Target::Url(location),
            ..*begin
        };
        let response = self.client.attempt(&call).ok()?;
        if response.status() != StatusCode::NO_CONTENT {
            return None;
        }
        // `Range: 0-LAST`; `0-0` is said of an upload with nothing in it, too.
        let range = http::header(response.headers(), "range")?;
        let last: u64 = range
            .trim_start_matches("bytes=")
            .strip_prefix("0-")?
            .parse()
            .ok()?;
        let reached = if last == 0 { 0 } else { last + 1 };
        let location = self.client.location(&call, &response).ok()?;
        (reached > 0 && reached <= blob.size).then_some((location, reached))
    }

    fn manifest(&self, manifest: &Manifest) -> Result<()> {
        let repository = self.endpoint.repository(self.name);
        let reference = match &self.name.tag {
            Some(tag) => tag.clone(),
            None => manifest.digest.to_string(),
        };
        let call = Call {
            endpoint: &self.endpoint,
            action: &format!("take the manifest of `{}`", self.name.familiar()),
            name: self.name,
            scope: &format!("repository:{repository}:pull,push"),
            method: &Method::PUT,
            target: Target::Path(&format!("{repository}/manifests/{reference}")),
            headers: &[("content-type", manifest.descriptor().media_type)],
            content: Content::Bytes(&manifest.bytes),
        };
        let response = self.client.send(&call, self.client.options.retries)?;
        // 201 by the specification; some answer 200 for what they have already.
        if !response.status().is_success() {
            return Err(call.refused(response));
        }
        if promised_digest(&response).is_some_and(|promised| promised != manifest.digest) {
            return Err(Error::Remote {
                service: self.endpoint.host.clone(),
                action: call.action.to_owned(),
                reason: "it stored other bytes than it was sent".to_owned(),
                status: None,
            });
        }
        Ok(())
    }
}

/// Some registries answer 200 or 204 where the specification has 201 or 202.
fn expect_success(call: &Call<'_>, response: Response<Body>) -> Result<Response<Body>> {
    if response.status().is_success() {
        Ok(response)
    } else {
        Err(call.refused(response))
    }
}

fn encoded(blob: &Descriptor) -> String {
    format!("sha256%3A{}", blob.digest.hex())
}

/// Layers that must not be passed on, such as those of Windows, are fetched from
/// where their descriptor says.
fn is_foreign(blob: &Descriptor) -> bool {
    let restricted = ["nondistributable", "foreign"];
    !blob.urls.is_empty() && restricted.iter().any(|word| blob.media_type.contains(word))
}
