//! A blob in pieces that are each verified before they are stored.
//!
//! A piece is a whole subtree of BLAKE3's tree: 1 MiB, the last one shorter. The list of the pieces' chaining values is
//! checked against the blob's plain BLAKE3 hash by merging them up to the root; then each piece is checked against its
//! value alone. So any holder can serve any piece, and a transfer resumes where it stopped.

use crate::{
    Hash,
    limits::{PIECE_BYTES, PIECES_MAX},
};
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// The checked list of a blob's pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceList {
    hash: Hash,
    blob_bytes: u64,
    values: Vec<Hash>,
}

/// Why a list or a piece was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PieceError {
    /// More than [`PIECES_MAX`] pieces.
    #[error("a blob of {0} bytes is too large")]
    TooLarge(u64),
    /// As many values as the length implies pieces.
    #[error("{found} values where {expected} pieces belong")]
    Count {
        /// Values found.
        found: usize,
        /// Pieces that the length implies.
        expected: usize,
    },
    /// The values do not merge to the blob's hash.
    #[error("the list of pieces is not that of {0}")]
    List(Hash),
    /// There is no such piece.
    #[error("no piece {index} among {pieces}")]
    Index {
        /// The index.
        index: u32,
        /// Pieces of the blob.
        pieces: usize,
    },
    /// The piece has another length.
    #[error("piece {index} has {found} bytes where {expected} belong")]
    Length {
        /// The index.
        index: u32,
        /// Bytes found.
        found: usize,
        /// Bytes that belong.
        expected: usize,
    },
    /// The piece has another value.
    #[error("piece {0} does not match the blob's hash")]
    Piece(u32),
}

impl PieceList {
    /// The list of a blob that lies in memory.
    ///
    /// # Errors
    /// [`PieceError::TooLarge`] beyond [`PIECES_MAX`] pieces.
    pub fn of(bytes: &[u8]) -> Result<Self, PieceError> {
        let blob_bytes = bytes.len() as u64;
        let pieces = count(blob_bytes)?;
        let mut builder = PieceListBuilder::new(blob_bytes)?;
        for index in 0..pieces {
            let start = index * PIECE_BYTES;
            builder.push(&bytes[start..bytes.len().min(start + PIECE_BYTES)])?;
        }
        builder.finish()
    }

    /// The list that a holder sent, checked against the blob's hash.
    ///
    /// # Errors
    /// [`PieceError`] when it is not the list of that blob.
    pub fn verified(hash: Hash, blob_bytes: u64, values: Vec<Hash>) -> Result<Self, PieceError> {
        let expected = count(blob_bytes)?;
        if values.len() != expected {
            return Err(PieceError::Count { found: values.len(), expected });
        }
        if root(&values) != hash {
            return Err(PieceError::List(hash));
        }
        Ok(Self { hash, blob_bytes, values })
    }

    /// BLAKE3 of the blob.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Length of the blob.
    #[must_use]
    pub const fn blob_bytes(&self) -> u64 {
        self.blob_bytes
    }

    /// Number of pieces, at least one: an empty blob has one empty piece.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.values.len()
    }

    /// The values, to be sent.
    #[must_use]
    pub fn values(&self) -> &[Hash] {
        &self.values
    }

    /// Where piece `index` begins and how long it is; none when there is no such piece.
    #[must_use]
    pub fn range(&self, index: u32) -> Option<(u64, usize)> {
        range(self.blob_bytes, self.values.len(), index)
    }

    /// Checks one piece.
    ///
    /// # Errors
    /// [`PieceError`] when the bytes are not that piece.
    pub fn verify_piece(&self, index: u32, bytes: &[u8]) -> Result<(), PieceError> {
        let pieces = self.values.len();
        let (_, expected) = self.range(index).ok_or(PieceError::Index { index, pieces })?;
        if bytes.len() != expected {
            return Err(PieceError::Length { index, found: bytes.len(), expected });
        }
        let found = value(index as usize, pieces, bytes);
        if found == self.values[index as usize] { Ok(()) } else { Err(PieceError::Piece(index)) }
    }
}

/// Builds the list of a blob that is read piece by piece.
#[derive(Debug, Clone)]
pub struct PieceListBuilder {
    blob_bytes: u64,
    pieces: usize,
    values: Vec<Hash>,
}

impl PieceListBuilder {
    /// For a blob of that length.
    ///
    /// # Errors
    /// [`PieceError::TooLarge`] beyond [`PIECES_MAX`] pieces.
    pub fn new(blob_bytes: u64) -> Result<Self, PieceError> {
        Ok(Self { blob_bytes, pieces: count(blob_bytes)?, values: Vec::new() })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`PieceError`] when its length is not the one that belongs here.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PieceError> {
        let (index, pieces) = (self.values.len() as u32, self.pieces);
        let (_, expected) = range(self.blob_bytes, pieces, index).ok_or(PieceError::Index { index, pieces })?;
        if bytes.len() != expected {
            return Err(PieceError::Length { index, found: bytes.len(), expected });
        }
        self.values.push(value(index as usize, pieces, bytes));
        Ok(())
    }

    /// The list.
    ///
    /// # Errors
    /// [`PieceError::Count`] when pieces are missing.
    pub fn finish(self) -> Result<PieceList, PieceError> {
        let Self { blob_bytes, pieces: expected, values } = self;
        if values.len() != expected {
            return Err(PieceError::Count { found: values.len(), expected });
        }
        Ok(PieceList { hash: root(&values), blob_bytes, values })
    }
}

/// Number of pieces of a blob.
fn count(blob_bytes: u64) -> Result<usize, PieceError> {
    let pieces = blob_bytes.div_ceil(PIECE_BYTES as u64).max(1);
    usize::try_from(pieces).ok().filter(|pieces| *pieces <= PIECES_MAX).ok_or(PieceError::TooLarge(blob_bytes))
}

fn range(blob_bytes: u64, pieces: usize, index: u32) -> Option<(u64, usize)> {
    if index as usize >= pieces {
        return None;
    }
    let start = u64::from(index) * PIECE_BYTES as u64;
    Some((start, (blob_bytes - start).min(PIECE_BYTES as u64) as usize))
}

/// The chaining value of one piece; of the only one, the hash itself, since the root is finalised otherwise.
fn value(index: usize, pieces: usize, bytes: &[u8]) -> Hash {
    if pieces == 1 {
        return Hash::of(bytes);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset((index * PIECE_BYTES) as u64);
    hasher.update(bytes);
    Hash(hasher.finalize_non_root())
}

fn root(values: &[Hash]) -> Hash {
    match values {
        [] => Hash::ZERO,
        [only] => *only,
        several => {
            let (left, right) = several.split_at(left_count(several.len()));
            Hash(*merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash).as_bytes())
        }
    }
}

fn subtree(values: &[Hash]) -> ChainingValue {
    match values {
        [] => Hash::ZERO.0,
        [only] => only.0,
        several => {
            let (left, right) = several.split_at(left_count(several.len()));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// The left subtree takes the largest power of two of pieces that leaves the right one some.
const fn left_count(pieces: usize) -> usize {
    pieces.div_ceil(2).next_power_of_two()
}

#[cfg(test)]
mod tests;
