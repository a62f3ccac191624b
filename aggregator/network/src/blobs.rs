//! Blobs that this node serves, by their BLAKE3 hash, from memory or from files.
//!
//! Invariant: a blob enters with its piece list computed or verified here, so its hash is true at that moment; what a
//! file holds later is checked by whoever fetches it. The caller decides what to keep: nothing leaves by itself but
//! the remains of unfinished transfers, of which the newest [`PARTIALS_MAX`] stay.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libp2p::bytes::Bytes;
use protocol::{
    Hash, PieceList, PieceRequest,
    limits::PIECE_BYTES,
    pieces::{PieceError, PieceListBuilder},
};

use crate::wire::PieceFrame;

#[cfg(test)]
mod tests;

/// Unfinished transfers that are kept for the next attempt.
const PARTIALS_MAX: usize = 8;

/// Why a blob could not be registered or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be read.
    #[error("{}: {error}", path.display())]
    File {
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// Too large, or the file changed while it was read.
    #[error(transparent)]
    Pieces(#[from] PieceError),
}

/// A table of blobs; clones share it.
#[derive(Clone, Default)]
pub struct BlobStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    blobs: BTreeMap<Hash, Blob>,
    /// Blobs on their way here, with the number of transfers.
    pending: BTreeMap<Hash, usize>,
    partials: VecDeque<Partial>,
}

struct Blob {
    list: Arc<PieceList>,
    /// The list as it travels.
    list_bytes: Bytes,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Arc<Vec<u8>>),
    File(Arc<Path>),
}

/// What the driver does about a request for a piece.
pub(crate) enum Served {
    Piece(PieceFrame),
    File(FileRead),
    Pending,
    Missing,
}

/// A piece that is to be read from disk, off the driver.
pub(crate) struct FileRead {
    path: Arc<Path>,
    start: u64,
    bytes: usize,
    frame: PieceFrame,
}

/// A transfer that has begun: the verified list, and the pieces that are here.
pub(crate) struct Partial {
    pub(crate) list: PieceList,
    bytes: Vec<u8>,
    missing: Vec<bool>,
    missing_count: usize,
}

impl BlobStore {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves bytes from memory; returns their hash.
    ///
    /// # Errors
    /// More than [`protocol::limits::PIECES_MAX`] pieces.
    pub fn insert(&self, bytes: impl Into<Arc<Vec<u8>>>) -> Result<Hash, StoreError> {
        let bytes = bytes.into();
        let list = PieceList::of(&bytes)?;
        Ok(self.register(list, Source::Memory(bytes)))
    }

    /// Serves a file, which is read once now to know its hash. A blob that was served from memory moves to the file.
    /// Blocks for as long as reading takes.
    ///
    /// # Errors
    /// The file cannot be read, is too large, or changes meanwhile.
    pub fn insert_file(&self, path: impl Into<PathBuf>) -> Result<Hash, StoreError> {
        let path = path.into();
        let list = list_of_file(&path).map_err(|error| match error {
            ReadError::Io(error) => StoreError::File { path: path.clone(), error },
            ReadError::Pieces(error) => error.into(),
        })?;
        Ok(self.register(list, Source::File(path.into())))
    }

    /// Stops serving a blob and drops what is left of a transfer of it; false when it was not there.
    pub fn remove(&self, hash: &Hash) -> bool {
        let mut inner = self.lock();
        inner.partials.retain(|partial| partial.list.hash() != *hash);
        inner.blobs.remove(hash).is_some()
    }

    /// True for blobs that are served.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.lock().blobs.contains_key(hash)
    }

    /// The blob, read from its file where it is one; `None` when it is not here. Blocks for as long as reading takes.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, hash: &Hash) -> Result<Option<Arc<Vec<u8>>>, StoreError> {
        let source = self.lock().blobs.get(hash).map(|blob| blob.source.clone());
        match source {
            None => Ok(None),
            Some(Source::Memory(bytes)) => Ok(Some(bytes)),
            Some(Source::File(path)) => match std::fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) => Err(StoreError::File { path: path.to_path_buf(), error }),
            },
        }
    }

    pub(crate) fn insert_verified(&self, list: PieceList, bytes: Arc<Vec<u8>>) {
        self.register(list, Source::Memory(bytes));
    }

    /// Answers a request from what is here; never touches the disk.
    pub(crate) fn serve(&self, request: &PieceRequest) -> Served {
        let inner = self.lock();
        let Some(blob) = inner.blobs.get(&request.hash) else {
            return if inner.pending.contains_key(&request.hash) { Served::Pending } else { Served::Missing };
        };
        let Some((start, bytes)) = blob.list.range(request.index) else { return Served::Missing };
        let list = if request.with_list { blob.list_bytes.clone() } else { Bytes::new() };
        let frame = PieceFrame { len: blob.list.blob_bytes(), list, bytes: Bytes::new() };
        match &blob.source {
            Source::Memory(whole) => {
                let start = start as usize; // within a vector, so it fits
                let piece = Bytes::from_owner(Whole(whole.clone())).slice(start..start + bytes);
                Served::Piece(PieceFrame { bytes: piece, ..frame })
            }
            Source::File(path) => Served::File(FileRead { path: path.clone(), start, bytes, frame }),
        }
    }

    /// Notes that a blob is on its way here, until [`Self::settle`]; returns what an earlier transfer left.
    pub(crate) fn begin(&self, hash: &Hash) -> Option<Partial> {
        let mut inner = self.lock();
        *inner.pending.entry(*hash).or_default() += 1;
        let index = inner.partials.iter().position(|partial| partial.list.hash() == *hash)?;
        inner.partials.remove(index)
    }

    /// Ends a transfer and keeps what an unfinished one leaves.
    pub(crate) fn settle(&self, hash: &Hash, partial: Option<Partial>) {
        let mut inner = self.lock();
        if let Some(count) = inner.pending.get_mut(hash) {
            *count -= 1;
            if *count == 0 {
                inner.pending.remove(hash);
            }
        }
        if let Some(partial) = partial {
            inner.partials.push_back(partial);
        }
        while inner.partials.len() > PARTIALS_MAX {
            inner.partials.pop_front();
        }
    }

    fn register(&self, list: PieceList, source: Source) -> Hash {
        let hash = list.hash();
        let list_bytes: Vec<u8> = list.values().iter().flat_map(|value| value.0).collect();
        let blob = Blob { list: Arc::new(list), list_bytes: list_bytes.into(), source };
        self.lock().blobs.insert(hash, blob);
        hash
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileRead {
    /// Reads the piece; `None` when the file has become shorter.
    pub(crate) fn run(self) -> io::Result<Option<PieceFrame>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start))?;
        let mut bytes = Vec::with_capacity(self.bytes);
        file.take(self.bytes as u64).read_to_end(&mut bytes)?;
        let whole = bytes.len() == self.bytes;
        Ok(whole.then(|| PieceFrame { bytes: bytes.into(), ..self.frame }))
    }
}

impl Partial {
    /// For a list whose last piece was verified: only then is the length of the blob certain, and memory taken for it.
    pub(crate) fn new(list: PieceList) -> Self {
        let bytes = vec![0; usize::try_from(list.blob_bytes()).unwrap_or(0)];
        let missing_count = list.pieces();
        Self { list, bytes, missing: vec![true; missing_count], missing_count }
    }

    /// Stores a piece when it is the right one.
    pub(crate) fn store(&mut self, index: u32, piece: &[u8]) -> Result<(), PieceError> {
        self.list.verify_piece(index, piece)?;
        let pieces = self.list.pieces();
        let (start, bytes) = self.list.range(index).ok_or(PieceError::Index { index, pieces })?;
        let start = start as usize;
        self.bytes[start..start + bytes].copy_from_slice(piece);
        self.missing_count -= usize::from(std::mem::replace(&mut self.missing[index as usize], false));
        Ok(())
    }

    pub(crate) fn missing(&self) -> VecDeque<u32> {
        (0u32..).zip(&self.missing).filter_map(|(index, missing)| missing.then_some(index)).collect()
    }

    pub(crate) fn stored_count(&self) -> usize {
        self.list.pieces() - self.missing_count
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing_count == 0
    }

    pub(crate) fn into_parts(self) -> (PieceList, Vec<u8>) {
        (self.list, self.bytes)
    }
}

/// Lets a shared vector back the pieces that are being sent, without a copy.
struct Whole(Arc<Vec<u8>>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

enum ReadError {
    Io(io::Error),
    Pieces(PieceError),
}

fn list_of_file(path: &Path) -> Result<PieceList, ReadError> {
    let mut file = File::open(path).map_err(ReadError::Io)?;
    let blob_bytes = file.metadata().map_err(ReadError::Io)?.len();
    let mut builder = PieceListBuilder::new(blob_bytes).map_err(ReadError::Pieces)?;
    let (mut left, mut piece) = (blob_bytes, Vec::with_capacity(PIECE_BYTES));
    loop {
        piece.clear();
        let due = left.min(PIECE_BYTES as u64);
        (&mut file).take(due).read_to_end(&mut piece).map_err(ReadError::Io)?;
        builder.push(&piece).map_err(ReadError::Pieces)?;
        left -= due;
        if left == 0 {
            return builder.finish().map_err(ReadError::Pieces);
        }
    }
}
