//! The merged file system of an image: its tree, and random access to its bytes.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use layer::codec::Codec;
use layer::read::{Member, TarReader};
use layer::write::TarWriter;
use layer::{Content, Contents, Extents, FileSlice, Limits, NodeId, Tree};

use crate::ahead;
use crate::digest::{Digest, HashingReader};
use crate::error::{Error, Result};
use crate::image::{Image, Layer};
use crate::media_type::MediaType;
use crate::packing::Packing;
use crate::plain::spool_layer;
use crate::progress::{Counted, Progress};
use crate::spool::Spool;
use crate::survey::LayerSize;
use crate::unchecked::{Layered, Unchecked};

/// Members sent at once from a reading thread to the merging one.
const BATCH: usize = 512;
/// Batches a reading thread may be ahead; bounds memory to some 20 MB a layer.
const AHEAD: usize = 128;

/// What [`FileSystem::load`] needs besides the image.
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions<'a> {
    /// Where compressed layers are unpacked to.
    pub spool: &'a Spool,
    /// Bounds on each layer.
    pub limits: Limits,
    /// How many layers are read at once.
    pub threads: usize,
    /// Told of the uncompressed bytes read.
    pub progress: &'a dyn Progress,
}

/// How layers are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Record what each layer does to the names.
    pub(crate) record: bool,
    /// Keep the tree as it is before this layer.
    pub(crate) snapshot: Option<usize>,
    /// Which layers are hashed.
    pub(crate) hashing: Hashing,
}

/// Which layers are hashed while they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hashing {
    /// All of them.
    All,
    /// Those that are inflated. Of uncompressed ones in local files only the headers are read.
    Inflated,
    /// None: that is left to [`Unchecked::check`]. Of uncompressed ones in local files only the headers are read.
    Later,
}

/// What reading the layers gave.
pub(crate) struct Loaded {
    pub(crate) files: FileSystem,
    pub(crate) sizes: Vec<LayerSize>,
    /// By layer; of those that are stored as they are, nothing.
    pub(crate) packings: Vec<Option<Packing>>,
    /// Layers that have not been hashed.
    pub(crate) unchecked: Unchecked,
    /// The tree before the layer of [`Manner::snapshot`].
    pub(crate) before: Option<Tree>,
}

/// The merged file system of an image.
#[derive(Debug, Clone)]
pub struct FileSystem {
    /// All layers merged.
    pub tree: Tree,
    /// The bytes of its files.
    pub contents: Contents,
    /// Bytes of the files of all layers, those of lower layers that upper ones
    /// hide among them: the size that `docker images` prints.
    pub unpacked: u64,
}

impl FileSystem {
    /// Reads all layers, several at once, checks each against its digests, and
    /// merges them. Layers that lie uncompressed in a local file are read in
    /// place; others are inflated into the spool, once.
    ///
    /// # Errors
    /// The first layer that cannot be read, is not what its digest says, or is hostile.
    pub fn load(image: &Image, options: LoadOptions<'_>) -> Result<Self> {
        let manner = Manner {
            record: false,
            snapshot: None,
            hashing: Hashing::All,
        };
        Ok(Self::load_so(image, options, manner)?.files)
    }

    /// Reads all layers as [`FileSystem::load`] does, but leaves hashing what came out to [`Unchecked::check`]. Of
    /// layers that lie uncompressed in a local file only the headers are read: their bytes are there at once.
    ///
    /// # Errors
    /// As [`FileSystem::load`].
    pub fn load_unchecked(image: &Image, options: LoadOptions<'_>) -> Result<(Self, Unchecked)> {
        let manner = Manner {
            record: false,
            snapshot: None,
            hashing: Hashing::Later,
        };
        let loaded = Self::load_so(image, options, manner)?;
        Ok((loaded.files, loaded.unchecked))
    }

    /// Returns the same with one more layer, which `fill` describes.
    ///
    /// # Errors
    /// When `fill` fails, the layer cannot be written, or is not one.
    pub fn with_layer(
        &self,
        spool: &Spool,
        fill: impl FnOnce(&mut TarWriter<&mut dyn Write>) -> layer::Result<()>,
    ) -> Result<Self> {
        let layer = spool_layer(spool, fill)?;
        let digest = layer.diff_id;
        let wrap = |source| failed(digest, source);
        let number = u32::try_from(self.contents.len()).unwrap_or(u32::MAX);
        let mut tree = self.tree.clone();
        let mut contents = self.contents.clone();
        let mut unpacked = self.unpacked;
        let mut reader = TarReader::new(layer.slice.reader(), number, Limits::default());
        while let Some(member) = reader.next_member().map_err(wrap)? {
            unpacked += member.content.as_ref().map_or(0, |content| content.size);
            tree.apply(number, member).map_err(wrap)?;
        }
        contents.push(layer.slice);
        Ok(Self {
            tree,
            contents,
            unpacked,
        })
    }

    /// Returns the same with other bytes in some of its files; names and attributes stay, and so do the ids of nodes.
    ///
    /// # Errors
    /// When the new bytes cannot be read, or not be written to the spool.
    pub fn with_contents<R: Read>(
        &self,
        spool: &Spool,
        changed: impl IntoIterator<Item = (NodeId, R)>,
    ) -> Result<Self> {
        let wrap = |source| Error::file("write", spool.directory())(source);
        let mut files = self.clone();
        let number = u32::try_from(self.contents.len()).unwrap_or(u32::MAX);
        let mut file = spool.file()?;
        let mut at = 0;
        for (node, mut bytes) in changed {
            let size = io::copy(&mut bytes, &mut file).map_err(wrap)?;
            let content = Content {
                layer: number,
                size,
                extents: Extents::Whole(at),
            };
            files.unpacked = files.unpacked - files.tree.size(node) + size;
            files.tree.set_content(node, content);
            at += size;
        }
        files.contents.push(FileSlice::new(Arc::new(file), 0, at));
        Ok(files)
    }

    pub(crate) fn load_so(
        image: &Image,
        options: LoadOptions<'_>,
        manner: Manner,
    ) -> Result<Loaded> {
        let layers: Vec<Layer<'_>> = image.layers().collect();
        let next = AtomicUsize::new(0);
        let (senders, receivers): (Vec<_>, Vec<_>) =
            layers.iter().map(|_| bounded::<Vec<Member>>(AHEAD)).unzip();
        let senders: Vec<_> = senders
            .into_iter()
            .map(|s| std::sync::Mutex::new(Some(s)))
            .collect();
        std::thread::scope(|scope| {
            let (done, results) = bounded(layers.len());
            // In order of their index, so that the layer being merged is always being read.
            for _ in 0..options.threads.clamp(1, layers.len().max(1)) {
                let done = done.clone();
                scope.spawn(|| {
                    let done = done;
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(layer) = layers.get(at) else { return };
                        let sender = senders[at].lock().ok().and_then(|mut sender| sender.take());
                        let Some(sender) = sender else { return };
                        let result = read_layer(image, layer, options, manner, &sender);
                        drop(sender);
                        let _ = done.send((at, result));
                    }
                });
            }
            drop(done);
            let tree = Tree::bounded(options.limits);
            let tree = if manner.record {
                tree.recording()
            } else {
                tree
            };
            let merged = merge(&layers, receivers, tree, manner.snapshot);
            let mut slices: Vec<Option<FileSlice>> = vec![None; layers.len()];
            let mut packings: Vec<Option<Packing>> = vec![None; layers.len()];
            let mut checked = vec![false; layers.len()];
            let mut failed: Option<(usize, Error)> = None;
            for (at, result) in results {
                match result {
                    Ok(read) => {
                        slices[at] = Some(read.slice);
                        packings[at] = read.packing;
                        checked[at] = read.checked;
                    }
                    Err(error) if failed.as_ref().is_none_or(|(first, _)| at < *first) => {
                        failed = Some((at, error));
                    }
                    Err(_) => {}
                }
            }
            let slices: Option<Vec<FileSlice>> = slices.into_iter().collect();
            match (merged, failed, slices) {
                // What was wrong with a layer matters more than that merging stopped.
                (_, Some((_, error)), _) | (Err(error), None, _) => Err(error),
                (Ok((tree, sizes, before)), None, Some(slices)) => {
                    let unchecked = layers.iter().zip(&slices).zip(checked);
                    let unchecked = unchecked.filter(|(_, checked)| !checked);
                    let unchecked = unchecked.map(|((layer, slice), _)| Layered {
                        descriptor: layer.descriptor.clone(),
                        blobs: image.blobs().clone(),
                        diff_id: layer.diff_id,
                        slice: slice.clone(),
                    });
                    let unchecked = Unchecked::new(unchecked.collect());
                    let files = Self {
                        tree,
                        contents: Contents::new(slices),
                        unpacked: sizes.iter().map(|layer| layer.bytes).sum(),
                    };
                    Ok(Loaded {
                        files,
                        sizes,
                        packings,
                        unchecked,
                        before,
                    })
                }
                (Ok(_), None, None) => Err(Error::LayerCount {
                    layers: layers.len(),
                    diff_ids: image.config().diff_ids().len(),
                }),
            }
        })
    }
}

fn merge(
    layers: &[Layer<'_>],
    receivers: Vec<Receiver<Vec<Member>>>,
    mut tree: Tree,
    snapshot: Option<usize>,
) -> Result<(Tree, Vec<LayerSize>, Option<Tree>)> {
    let mut sizes = Vec::with_capacity(layers.len());
    let mut before = None;
    for (layer, members) in layers.iter().zip(receivers) {
        if snapshot == Some(sizes.len()) {
            before = Some(tree.clone());
        }
        let mut size = LayerSize::default();
        for member in members.into_iter().flatten() {
            size.entries += 1;
            size.bytes += member.content.as_ref().map_or(0, |content| content.size);
            tree.apply(layer.index, member)
                .map_err(|source| Error::Layer {
                    digest: layer.descriptor.digest,
                    source,
                })?;
        }
        sizes.push(size);
    }
    Ok((tree, sizes, before))
}

/// A layer that was read.
struct Unpacked {
    slice: FileSlice,
    packing: Option<Packing>,
    /// Whether it is what its diff_id says.
    checked: bool,
}

fn read_layer(
    image: &Image,
    layer: &Layer<'_>,
    options: LoadOptions<'_>,
    manner: Manner,
    members: &Sender<Vec<Member>>,
) -> Result<Unpacked> {
    let descriptor = layer.descriptor;
    let digest = descriptor.digest;
    if !matches!(descriptor.kind(), Some(MediaType::Layer(..))) {
        let media_type = descriptor.media_type.clone();
        return Err(Error::UnsupportedLayer { digest, media_type });
    }
    let index = Indexer {
        layer,
        options,
        members,
    };
    let local = image.blobs().local(descriptor)?;
    if let Some(slice) = &local
        && slice.len() != descriptor.size
    {
        let (expected, actual) = (descriptor.size, slice.len());
        let mismatch = crate::digest::Mismatch::Size { expected, actual };
        let source = io::Error::new(io::ErrorKind::InvalidData, mismatch);
        return Err(Error::Blob { digest, source });
    }
    let known = image.blobs().known(descriptor) == Some(layer.diff_id);
    if descriptor.digest == layer.diff_id
        && let Some(slice) = local
    {
        if known || manner.hashing != Hashing::All {
            let reader = TarReader::seekable(slice.reader(), layer.index, options.limits);
            index.send_all(reader)?;
            options.progress.advance(slice.len());
        } else {
            index.run(slice.reader())?;
        }
        return Ok(Unpacked {
            slice,
            packing: None,
            checked: known || manner.hashing == Hashing::All,
        });
    }
    let blob: Box<dyn Read + Send> = match local {
        // What comes out is hashed later, or has been, which says more than the digest of what goes in.
        Some(slice) if known || manner.hashing == Hashing::Later => Box::new(slice.reader()),
        _ => Box::new(image.blobs().open(descriptor)?),
    };
    let taken = Arc::new(AtomicU64::new(0));
    let (codec, inflated) = layer::codec::decompress_counted(blob, Arc::clone(&taken))
        .map_err(|source| failed(digest, source))?;
    let spooled = options.spool.file()?;
    let copy = &spooled;
    // A disk may have changed bytes since; each member of gzip has a checksum of its own (RFC 1952, 2.3.1).
    let known = known && codec == Codec::Gzip;
    let hashed = !known && manner.hashing != Hashing::Later;
    let (indexed, packing) = ahead::reading(inflated, &taken, |input| {
        let input = Tee { input, copy };
        match hashed {
            true => index.run(input),
            false => index.read(input),
        }
    });
    let whole = indexed?;
    if hashed && whole {
        image.blobs().learn(descriptor, layer.diff_id);
    }
    let length = spooled
        .metadata()
        .map_err(Error::file("look at", options.spool.directory()))?
        .len();
    let slice = FileSlice::new(Arc::new(spooled), 0, length);
    Ok(Unpacked {
        slice,
        packing: (codec != Codec::None).then_some(packing),
        checked: known || hashed && whole,
    })
}

/// What a reader found wrong with the blob underneath is said at the blob's level.
fn failed(digest: Digest, source: layer::Error) -> Error {
    match source {
        layer::Error::Read { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
            Error::Blob { digest, source }
        }
        source => Error::Layer { digest, source },
    }
}

struct Indexer<'a> {
    layer: &'a Layer<'a>,
    options: LoadOptions<'a>,
    members: &'a Sender<Vec<Member>>,
}

impl Indexer<'_> {
    /// Reads a layer's uncompressed bytes to their end, and hashes them; returns whether all members were wanted: if
    /// not, merging failed and says why, and the bytes may be anything.
    fn run(&self, input: impl Read) -> Result<bool> {
        let mut input = HashingReader::new(input);
        if !self.read(&mut input)? {
            return Ok(false);
        }
        let (actual, _) = input.finish();
        let expected = self.layer.diff_id;
        if actual != expected {
            return Err(Error::DiffId {
                layer: self.layer.descriptor.digest,
                expected,
                actual,
            });
        }
        Ok(true)
    }

    /// Reads a layer's uncompressed bytes to their end; returns whether all members were wanted.
    fn read(&self, inner: impl Read) -> Result<bool> {
        let progress = self.options.progress;
        let counted = Counted { inner, progress };
        self.send_all(TarReader::new(
            counted,
            self.layer.index,
            self.options.limits,
        ))
    }

    /// Sends every member to who merges; returns whether they all were wanted.
    fn send_all<R: Read>(&self, mut reader: TarReader<R>) -> Result<bool> {
        let wrap = |source| failed(self.layer.descriptor.digest, source);
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(member) = reader.next_member().map_err(wrap)? {
            batch.push(member);
            if batch.len() == BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                if self.members.send(full).is_err() {
                    return Ok(false);
                }
            }
        }
        Ok(batch.is_empty() || self.members.send(batch).is_ok())
    }
}

/// Copies what is read through it to a file.
struct Tee<'f, R> {
    input: R,
    copy: &'f std::fs::File,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.copy.write_all(&buffer[..read])?;
        Ok(read)
    }
}

/// Computes digest and length of everything that `input` yields.
pub(crate) fn digest_of(input: impl Read) -> io::Result<(Digest, u64)> {
    let mut input = HashingReader::new(input);
    let mut buffer = vec![0; 128 << 10];
    while input.read(&mut buffer)? > 0 {}
    Ok(input.finish())
}
