//! Where blobs come from.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use layer::FileSlice;

use crate::digest::{Digest, VerifyingReader};
use crate::error::{Error, Result};
use crate::manifest::Descriptor;

/// Where the blobs of an image are read from. Implemented by each transport;
/// callers go through [`Blobs`], which verifies.
pub trait BlobSource: Send + Sync + std::fmt::Debug {
    /// Opens a blob for reading from its beginning.
    ///
    /// # Errors
    /// [`Error::MissingBlob`], or what the transport has to say.
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>>;

    /// Returns the blob as a range of a local file, where it is one.
    ///
    /// # Errors
    /// As [`BlobSource::open`].
    fn local(&self, descriptor: &Descriptor) -> Result<Option<FileSlice>> {
        let _ = descriptor;
        Ok(None)
    }

    /// Returns the digest of what a blob contains once it is inflated, if that was found out before and the blob is
    /// where nobody but us writes. Of one that is not compressed it is its own.
    fn known(&self, descriptor: &Descriptor) -> Option<Digest> {
        let _ = descriptor;
        None
    }

    /// Notes for [`BlobSource::known`] what the digest of what a blob contains was found to be.
    fn learn(&self, descriptor: &Descriptor, contained: Digest) {
        let _ = (descriptor, contained);
    }

    /// Returns the repository that the blob is in, where it is in a registry:
    /// that registry can then give it to another of its repositories.
    fn origin(&self, descriptor: &Descriptor) -> Option<Origin> {
        let _ = descriptor;
        None
    }
}

/// A repository of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The registry, as names have it.
    pub host: String,
    /// The repository.
    pub repository: String,
}

/// A source of blobs, shared by the images that have theirs there.
#[derive(Debug, Clone)]
pub struct Blobs(Arc<dyn BlobSource>);

impl Blobs {
    /// Takes a source.
    pub fn new(source: impl BlobSource + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// Opens a blob; reading it to its end fails unless digest and size are right.
    ///
    /// # Errors
    /// As [`BlobSource::open`].
    pub fn open(&self, descriptor: &Descriptor) -> Result<VerifyingReader<Box<dyn Read + Send>>> {
        let reader = self.0.open(descriptor)?;
        Ok(VerifyingReader::new(
            reader,
            descriptor.digest,
            descriptor.size,
        ))
    }

    /// Opens a blob to copy it: verified, as [`Blobs::open`] does, unless this process has just written and hashed it.
    ///
    /// # Errors
    /// As [`BlobSource::open`].
    pub(crate) fn open_to_copy(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        match self.0.known(descriptor) {
            Some(contained) if contained == descriptor.digest => self.0.open(descriptor),
            _ => Ok(Box::new(self.open(descriptor)?)),
        }
    }

    /// Returns the blob as a range of a local file, unverified, where it is one.
    ///
    /// # Errors
    /// As [`BlobSource::open`].
    pub fn local(&self, descriptor: &Descriptor) -> Result<Option<FileSlice>> {
        self.0.local(descriptor)
    }

    /// Returns the digest of what a compressed blob contains, if that was found out before and nobody but us writes
    /// where it is. Its bytes may since have been damaged: only its own checksums tell.
    pub(crate) fn known(&self, descriptor: &Descriptor) -> Option<Digest> {
        self.0.known(descriptor)
    }

    /// Notes what the digest of what a blob contains was found to be, where such notes are kept.
    pub(crate) fn learn(&self, descriptor: &Descriptor, contained: Digest) {
        self.0.learn(descriptor, contained);
    }

    /// Returns the repository that the blob is in, where it is in a registry.
    pub fn origin(&self, descriptor: &Descriptor) -> Option<Origin> {
        self.0.origin(descriptor)
    }

    /// Returns the source itself, for sources made of others.
    pub(crate) fn source(&self) -> &dyn BlobSource {
        &*self.0
    }

    /// Reads a whole blob of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`BlobSource::open`]; [`Error::TooLarge`]; [`Error::Blob`] when the bytes are wrong.
    pub fn read(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let digest = descriptor.digest;
        if descriptor.size > limit {
            return Err(Error::TooLarge {
                subject: digest.to_string(),
                limit,
            });
        }
        let mut bytes = Vec::with_capacity(descriptor.size as usize);
        self.open(descriptor)?
            .read_to_end(&mut bytes)
            .map_err(|source| Error::Blob { digest, source })?;
        Ok(bytes)
    }
}

/// Blobs in memory: configs and manifests that were just made.
#[derive(Debug, Default)]
pub struct Memory {
    blobs: HashMap<Digest, Vec<u8>>,
    rest: Option<Blobs>,
}

impl Memory {
    /// Returns a source of these blobs, and for all others of `rest`.
    pub fn new(blobs: impl IntoIterator<Item = Vec<u8>>, rest: Option<Blobs>) -> Self {
        let blobs = blobs
            .into_iter()
            .map(|bytes| (Digest::of(&bytes), bytes))
            .collect();
        Self { blobs, rest }
    }
}

impl BlobSource for Memory {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        match (self.blobs.get(&descriptor.digest), &self.rest) {
            (Some(bytes), _) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            (None, Some(rest)) => rest.0.open(descriptor),
            (None, None) => {
                let place = "memory".to_owned();
                Err(Error::MissingBlob {
                    digest: descriptor.digest,
                    place,
                })
            }
        }
    }

    fn local(&self, descriptor: &Descriptor) -> Result<Option<FileSlice>> {
        match &self.rest {
            Some(rest) if !self.blobs.contains_key(&descriptor.digest) => rest.0.local(descriptor),
            _ => Ok(None),
        }
    }

    fn known(&self, descriptor: &Descriptor) -> Option<Digest> {
        self.rest.as_ref()?.known(descriptor)
    }

    fn learn(&self, descriptor: &Descriptor, contained: Digest) {
        if let Some(rest) = &self.rest {
            rest.learn(descriptor, contained);
        }
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Origin> {
        match &self.rest {
            Some(rest) if !self.blobs.contains_key(&descriptor.digest) => rest.origin(descriptor),
            _ => None,
        }
    }
}
