//! Manifests and blobs from a registry or its mirrors.

use std::io::{self, Read};
use std::sync::Arc;

use ureq::http::{Method, Response, StatusCode};
use ureq::{Body, BodyReader};

use super::Options;
use super::client::{Call, Client, Content, Target, may_pass, promised_digest};
use super::endpoint::Endpoint;
use crate::blob::{BlobSource, Blobs, Origin};
use crate::digest::{Digest, Mismatch};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::{Descriptor, Document, MAX_SIZE};
use crate::media_type::{Family, MediaType};
use crate::name::Name;
use crate::transport::{Context, Opened, http};

/// After this many bytes a connection has proved useful, and the count of
/// failures begins anew.
const PROGRESS: u64 = 1 << 20;

pub(super) fn open(name: &Name, options: &Options, context: Context<'_>) -> Result<Opened> {
    let client = Client::new(options)?;
    let endpoints = client.endpoints(&name.host)?;
    let source = Source {
        client: Arc::new(client),
        endpoints: endpoints.into(),
        name: name.clone(),
    };
    let mut wanted = match (&name.digest, &name.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.clone(),
        (None, None) => "latest".to_owned(),
    };
    let mut digest = name.digest;
    let mut size = None;
    // Indexes may nest; four levels are plenty.
    for _ in 0..4 {
        let document = source.document(&wanted, digest, size)?;
        match document {
            Document::Manifest(manifest) => {
                let image = Image::open(*manifest, Blobs::new(source))?;
                let name = Some(name.clone());
                return Ok(Opened { image, name });
            }
            Document::Index(index) => {
                let chosen = index.choose(&name.familiar(), context.platform)?;
                wanted = chosen.digest.to_string();
                digest = Some(chosen.digest);
                size = Some(chosen.size);
            }
        }
    }
    Err(Error::Document {
        digest: digest.unwrap_or_else(|| Digest::of(b"")),
        reason: "indexes nest too deeply".to_owned(),
    })
}

/// A repository to read from.
#[derive(Debug, Clone)]
struct Source {
    client: Arc<Client>,
    endpoints: Arc<[Endpoint]>,
    name: Name,
}

impl Source {
    /// Asks one place after the other. A mirror is passed over whatever it says;
    /// the host itself only when it does not answer or has failed.
    fn first<T>(&self, mut ask: impl FnMut(&Endpoint, u32) -> Result<T>) -> Result<T> {
        let retries = self.client.options.retries;
        let mut failure: Option<Error> = None;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let last = index + 1 == self.endpoints.len();
            let error = match ask(endpoint, if last { retries } else { retries.min(1) }) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tracing::debug!(host = endpoint.host, %error, "no answer that helps");
            let own = endpoint.host == self.name.host;
            if own && !may_pass(&error) {
                return Err(error);
            }
            // What the host itself says is more to the point than what a mirror says.
            if own || failure.is_none() {
                failure = Some(error);
            }
        }
        Err(failure.unwrap_or_else(|| Error::NotFound {
            subject: self.name.familiar(),
            place: self.name.host.clone(),
        }))
    }

    fn document(
        &self,
        wanted: &str,
        digest: Option<Digest>,
        size: Option<u64>,
    ) -> Result<Document> {
        let kinds = [Family::Oci, Family::Docker]
            .map(|family| [MediaType::Manifest(family), MediaType::Index(family)]);
        let accepted: Vec<&str> = kinds.iter().flatten().map(|kind| kind.name()).collect();
        let headers = [("accept", accepted.join(", "))];
        let action = format!("give the manifest of `{}`", self.name.familiar());
        self.first(|endpoint, retries| {
            let repository = endpoint.repository(&self.name);
            let call = Call {
                endpoint,
                action: &action,
                name: &self.name,
                scope: &scope(&repository),
                method: &Method::GET,
                target: Target::Path(&format!("{repository}/manifests/{wanted}")),
                headers: &headers,
                content: Content::Nothing,
            };
            let response = self.client.send(&call, retries)?;
            if response.status() != StatusCode::OK {
                return Err(call.refused(response));
            }
            let declared = http::header(response.headers(), "content-type").map(str::to_owned);
            let promised = promised_digest(&response);
            let limit = size.unwrap_or(MAX_SIZE).min(MAX_SIZE);
            let bytes = http::read_body(response, limit).map_err(|error| match error.kind() {
                io::ErrorKind::FileTooLarge => Error::TooLarge {
                    subject: self.name.familiar(),
                    limit,
                },
                _ => call.fail(error.to_string(), None),
            })?;
            let actual = Digest::of(&bytes);
            if let Some(expected) = digest.filter(|expected| *expected != actual) {
                let mismatch = Mismatch::Digest { expected, actual };
                let source = io::Error::new(io::ErrorKind::InvalidData, mismatch);
                return Err(Error::Blob {
                    digest: expected,
                    source,
                });
            }
            if promised.is_some_and(|promised| promised != actual) {
                tracing::debug!(%actual, ?promised, "the registry states another digest");
            }
            Document::parse(&bytes, declared.as_deref())
        })
    }

    /// Requests a blob from `offset` on. Returns the body, where it begins, and
    /// who gave it.
    fn request(
        &self,
        endpoint: &Endpoint,
        digest: Digest,
        offset: u64,
        retries: u32,
    ) -> Result<(BodyReader<'static>, u64)> {
        let repository = endpoint.repository(&self.name);
        let action = format!("give blob {digest} of `{}`", self.name.familiar());
        let headers = match offset {
            0 => Vec::new(),
            _ => vec![("range", format!("bytes={offset}-"))],
        };
        let call = Call {
            endpoint,
            action: &action,
            name: &self.name,
            scope: &scope(&repository),
            method: &Method::GET,
            target: Target::Path(&format!("{repository}/blobs/{digest}")),
            headers: &headers,
            content: Content::Nothing,
        };
        let response = self.client.send(&call, retries)?;
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if offset > 0 => {
                let start = range_start(&response).unwrap_or(offset);
                if start > offset {
                    return Err(call.fail("it sends another range than it was asked for", None));
                }
                start
            }
            StatusCode::NOT_FOUND => {
                return Err(Error::MissingBlob {
                    digest,
                    place: endpoint.host.clone(),
                });
            }
            _ => return Err(call.refused(response)),
        };
        let body = response
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader();
        Ok((body, start))
    }
}

fn scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

/// Returns the first byte of `Content-Range: bytes FIRST-LAST/ALL`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = http::header(response.headers(), "content-range")?;
    range
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}

impl BlobSource for Source {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        let (endpoint, (body, _)) = self.first(|endpoint, retries| {
            let body = self.request(endpoint, descriptor.digest, 0, retries)?;
            Ok((endpoint.clone(), body))
        })?;
        Ok(Box::new(BlobReader {
            source: self.clone(),
            endpoint,
            descriptor: descriptor.clone(),
            body: Some(body),
            skip: 0,
            offset: 0,
            failures: 0,
            failed_at: 0,
        }))
    }

    fn origin(&self, _: &Descriptor) -> Option<Origin> {
        Some(Origin {
            host: self.name.host.clone(),
            repository: self.name.repository.clone(),
        })
    }
}

/// A blob on its way, fetched further when the connection breaks.
struct BlobReader {
    source: Source,
    endpoint: Endpoint,
    descriptor: Descriptor,
    body: Option<BodyReader<'static>>,
    /// Bytes that the body begins before `offset`.
    skip: u64,
    offset: u64,
    failures: u32,
    failed_at: u64,
}

impl BlobReader {
    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.body.is_none() {
            let digest = self.descriptor.digest;
            let (body, start) = self
                .source
                .request(&self.endpoint, digest, self.offset, 0)
                .map_err(io::Error::other)?;
            self.skip = self.offset - start;
            self.body = Some(body);
        }
        let Some(body) = &mut self.body else {
            return Ok(0);
        };
        while self.skip > 0 {
            let mut skipped = [0; 8 << 10];
            let most = self.skip.min(skipped.len() as u64) as usize;
            match body.read(&mut skipped[..most])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.skip -= read as u64,
            }
        }
        match body.read(buffer)? {
            0 if self.offset < self.descriptor.size => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.offset += read as u64;
                Ok(read)
            }
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let error = match self.read_once(buffer) {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
            self.body = None;
            let inner = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<Error>());
            if inner.is_some_and(|inner| !may_pass(inner)) {
                return Err(error);
            }
            if self.offset - self.failed_at >= PROGRESS {
                self.failures = 0;
            }
            self.failures += 1;
            self.failed_at = self.offset;
            let client = &self.source.client;
            let pause = client.backoff().pause(self.failures, None);
            match pause.filter(|_| self.failures <= client.options.retries) {
                Some(pause) => {
                    tracing::debug!(digest = %self.descriptor.digest, offset = self.offset, %error, "fetching on");
                    std::thread::sleep(pause);
                }
                None => return Err(http::plain(error)),
            }
        }
    }
}
