//! The codec family: names, numbers and sizes.
//!
//! Invariant: the size of a body is a function of the codec and the number of elements alone.

use std::fmt;
use std::str::FromStr;

/// Elements of a chunk, the unit that every codec works on.
pub const CHUNK: usize = 4096;

/// Elements that share one scale in a dense codec.
pub(crate) const BLOCK: usize = 64;

/// Dense blocks of a chunk.
pub(crate) const BLOCKS: usize = CHUNK / BLOCK;

/// How a vector of f32 becomes a body of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// `topk32-q2`: the 32 largest of 4096, two magnitudes.
    TopK32,
    /// `topk64-q2`: the 64 largest of 4096, two magnitudes; the default.
    TopK64,
    /// `topk128-q2`: the 128 largest of 4096, two magnitudes.
    TopK128,
    /// `topk256-q2`: the 256 largest of 4096, two magnitudes.
    TopK256,
    /// `dense-int8`: every element in 8 bits, a bf16 scale for 64 of them.
    DenseInt8,
    /// `dense-int4`: every element in 4 bits, a bf16 scale for 64 of them.
    DenseInt4,
    /// `none`: f32 as they are, for parity tests; outside the promise of equal bits everywhere.
    None,
}

/// A name that is no codec's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec '{name}', did you mean '{nearest}'?")]
pub struct UnknownCodec {
    /// What was asked for.
    pub name: String,
    /// The codec whose name is nearest to it.
    pub nearest: &'static str,
}

impl Codec {
    /// Every codec, in the order in which they are listed to users.
    pub const ALL: [Self; 7] =
        [Self::TopK32, Self::TopK64, Self::TopK128, Self::TopK256, Self::DenseInt8, Self::DenseInt4, Self::None];

    /// The name in job files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopK32 => "topk32-q2",
            Self::TopK64 => "topk64-q2",
            Self::TopK128 => "topk128-q2",
            Self::TopK256 => "topk256-q2",
            Self::DenseInt8 => "dense-int8",
            Self::DenseInt4 => "dense-int4",
            Self::None => "none",
        }
    }

    /// The number in the header.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::None => 0,
            Self::TopK32 => 1,
            Self::TopK64 => 2,
            Self::TopK128 => 3,
            Self::TopK256 => 4,
            Self::DenseInt8 => 8,
            Self::DenseInt4 => 9,
        }
    }

    /// The codec of a header's number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.number() == number)
    }

    /// Whether it sends a selection of the coordinates only.
    #[must_use]
    pub const fn is_sparse(self) -> bool {
        self.entries().is_some()
    }

    /// Bytes of a body for so many elements; saturates where no such vector could exist.
    #[must_use]
    pub const fn body_bytes(self, elements: usize) -> usize {
        match self {
            Self::None => elements.saturating_mul(4),
            _ => chunks(elements).saturating_mul(self.chunk_bytes()),
        }
    }

    /// Entries that a sparse codec lists per chunk.
    pub(crate) const fn entries(self) -> Option<usize> {
        match self {
            Self::TopK32 => Some(32),
            Self::TopK64 => Some(64),
            Self::TopK128 => Some(128),
            Self::TopK256 => Some(256),
            Self::DenseInt8 | Self::DenseInt4 | Self::None => None,
        }
    }

    /// Bytes of a whole chunk.
    pub(crate) const fn chunk_bytes(self) -> usize {
        match self {
            Self::TopK32 => 48,
            Self::TopK64 => 84,
            Self::TopK128 => 148,
            Self::TopK256 => 260,
            Self::DenseInt8 => 2 * BLOCKS + CHUNK,
            Self::DenseInt4 => 2 * BLOCKS + CHUNK / 2,
            Self::None => 4 * CHUNK,
        }
    }
}

/// Chunks of so many elements, the last one perhaps partly padding.
pub(crate) const fn chunks(elements: usize) -> usize {
    elements.div_ceil(CHUNK)
}

/// Real elements of a chunk: [`CHUNK`] for all but the last.
pub(crate) fn real_elements(elements: usize, chunk: usize) -> usize {
    elements.saturating_sub(chunk * CHUNK).min(CHUNK)
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name() == name)
            .ok_or_else(|| UnknownCodec { name: name.to_owned(), nearest: nearest(name) })
    }
}

/// The name with most pairs of letters in common: "int8" is nearer to "dense-int8" than to "none".
fn nearest(name: &str) -> &'static str {
    let likeness = |known: &&str| strsim::sorensen_dice(known, name);
    let names = Codec::ALL.into_iter().map(Codec::name);
    names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or("topk64-q2")
}

#[cfg(test)]
mod tests;
