//! The range coder, seen from the models: one way through a chunk serves writing and reading.
//!
//! Invariants: every probability is a whole number of 2^−24, at least one of them; a reader takes no more than one word
//! beyond the end, which the coder reads as 0, since a writer's last word may stand for two.

use std::borrow::Borrow;
use std::num::NonZeroU32;

use constriction::backends::ReadWords;
use constriction::stream::model::{DecoderModel, EncoderModel, EntropyModel};
use constriction::stream::queue::{DefaultRangeEncoder, RangeDecoder};
use constriction::stream::{Decode, Encode};
use constriction::{CoderError, Queue};

use super::ArchiveError;
use super::model::Table;

/// Bits of a probability.
pub(super) const PRECISION: usize = 24;

/// Probability 1.
pub(super) const WHOLE: u32 = 1 << PRECISION;

/// What a reader can come upon inside a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Truncated,
    OutsideRange,
    TooManyHigh { found: usize, limit: usize },
}

impl Fault {
    /// The refusal, with the number of the chunk.
    pub(super) const fn at(self, chunk: usize) -> ArchiveError {
        match self {
            Self::Truncated => ArchiveError::Truncated { chunk },
            Self::OutsideRange => ArchiveError::OutsideRange { chunk },
            Self::TooManyHigh { found, limit } => ArchiveError::TooManyHigh { chunk, found, limit },
        }
    }
}

/// A writer, which takes the values it is given, or a reader, which returns the ones that were written.
pub(super) trait Coder {
    /// A yes with probability `yes` of [`WHOLE`], which is neither 0 nor [`WHOLE`].
    fn flag(&mut self, yes: u32, value: bool) -> Result<bool, Fault>;

    /// A symbol of a table.
    fn symbol(&mut self, table: &Table, value: usize) -> Result<usize, Fault>;

    /// A yes of `wanted` among the `left` that are still to come; certain ones cost nothing.
    #[inline]
    fn choose(&mut self, wanted: usize, left: usize, value: bool) -> Result<bool, Fault> {
        if wanted == 0 || wanted == left {
            return Ok(wanted != 0);
        }
        self.flag((((wanted as u64) << PRECISION) / left as u64) as u32, value)
    }
}

/// Turns symbols into words.
pub(super) struct Writer(DefaultRangeEncoder);

impl Writer {
    pub(super) fn new() -> Self {
        Self(DefaultRangeEncoder::new())
    }

    /// The words, little-endian.
    pub(super) fn finish(self) -> Vec<u8> {
        Vec::from(self.0).into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

impl Coder for Writer {
    #[inline]
    fn flag(&mut self, yes: u32, value: bool) -> Result<bool, Fault> {
        // Writing to memory does not fail, and every symbol has a probability.
        self.0.encode_symbol(value, Flag(yes)).map_or(Err(Fault::OutsideRange), |()| Ok(value))
    }

    #[inline]
    fn symbol(&mut self, table: &Table, value: usize) -> Result<usize, Fault> {
        self.0.encode_symbol(value, table).map_or(Err(Fault::OutsideRange), |()| Ok(value))
    }
}

/// Turns words into symbols.
pub(super) struct Reader<'a>(RangeDecoder<u32, u64, Words<'a>>);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        RangeDecoder::with_backend(Words { bytes, padded: false }).map(Self)
    }
}

impl Coder for Reader<'_> {
    #[inline]
    fn flag(&mut self, yes: u32, _: bool) -> Result<bool, Fault> {
        self.0.decode_symbol(Flag(yes)).map_err(fault)
    }

    #[inline]
    fn symbol(&mut self, table: &Table, _: usize) -> Result<usize, Fault> {
        self.0.decode_symbol(table).map_err(fault)
    }
}

fn fault<E>(error: CoderError<E, Fault>) -> Fault {
    match error {
        CoderError::Frontend(_) => Fault::OutsideRange,
        CoderError::Backend(fault) => fault,
    }
}

/// The words of an archive, then one 0.
struct Words<'a> {
    bytes: &'a [u8],
    padded: bool,
}

impl ReadWords<u32, Queue> for Words<'_> {
    type ReadError = Fault;

    #[inline]
    fn read(&mut self) -> Result<Option<u32>, Fault> {
        if let Some((word, rest)) = self.bytes.split_first_chunk() {
            self.bytes = rest;
            return Ok(Some(u32::from_le_bytes(*word)));
        }
        if self.padded {
            Err(Fault::Truncated)
        } else {
            self.padded = true;
            Ok(Some(0))
        }
    }

    fn maybe_exhausted(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Yes owns the quantiles below the number, no the others.
#[derive(Clone, Copy)]
struct Flag(u32);

impl Flag {
    fn span(self, value: bool) -> (u32, u32) {
        if value { (0, self.0) } else { (self.0, WHOLE - self.0) }
    }
}

impl EntropyModel<PRECISION> for Flag {
    type Symbol = bool;
    type Probability = u32;
}

impl EncoderModel<PRECISION> for Flag {
    #[inline]
    fn left_cumulative_and_probability(&self, symbol: impl Borrow<bool>) -> Option<(u32, NonZeroU32)> {
        let (left, width) = self.span(*symbol.borrow());
        Some((left, NonZeroU32::new(width)?))
    }
}

impl DecoderModel<PRECISION> for Flag {
    #[inline]
    fn quantile_function(&self, quantile: u32) -> (bool, u32, NonZeroU32) {
        let value = quantile < self.0;
        let (left, width) = self.span(value);
        (value, left, NonZeroU32::new(width).unwrap_or(NonZeroU32::MIN))
    }
}

impl EntropyModel<PRECISION> for &Table {
    type Symbol = usize;
    type Probability = u32;
}

impl EncoderModel<PRECISION> for &Table {
    #[inline]
    fn left_cumulative_and_probability(&self, symbol: impl Borrow<usize>) -> Option<(u32, NonZeroU32)> {
        let (left, width) = self.span(*symbol.borrow())?;
        Some((left, NonZeroU32::new(width)?))
    }
}

impl DecoderModel<PRECISION> for &Table {
    #[inline]
    fn quantile_function(&self, quantile: u32) -> (usize, u32, NonZeroU32) {
        let symbol = self.find(quantile);
        let (left, width) = self.span(symbol).unwrap_or((0, WHOLE));
        (symbol, left, NonZeroU32::new(width).unwrap_or(NonZeroU32::MIN))
    }
}
