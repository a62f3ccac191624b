//! A sparse chunk read and proven.

use simd::vectorised;

use super::{ENTRIES_MAX, Shape, bits, values_of};
use crate::format::{CHUNK, DecodeError};
use crate::host::magnitude::BF16_MAX;
use crate::host::words::{WORD, positions_of_ones};

/// The decoded entries of one chunk.
#[derive(Clone)]
pub(crate) struct Entries {
    /// A group of positions may be written beyond the last.
    indices: [u16; ENTRIES_MAX + WORD],
    codes: [u8; ENTRIES_MAX],
    real: usize,
    /// The bf16 bits of L and H.
    pub(crate) magnitudes: [u16; 2],
}

impl Entries {
    /// No entries, to be read into.
    pub(crate) const fn new() -> Self {
        Self { indices: [0; ENTRIES_MAX + WORD], codes: [0; ENTRIES_MAX], real: 0, magnitudes: [0; 2] }
    }

    /// The index of each real entry, rising, and its code: bit 0 for a negative entry, bit 1 for a high one.
    #[inline(always)]
    pub(crate) fn coded(&self) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.indices[..self.real].iter().zip(&self.codes[..self.real]);
        pairs.map(|(&index, &code)| (usize::from(index) % CHUNK, usize::from(code & 3)))
    }

    /// (index, value) of each real entry.
    #[inline]
    pub(crate) fn values(&self) -> impl Iterator<Item = (usize, f32)> {
        let table = values_of(self.magnitudes);
        self.coded().map(move |(index, code)| (index, table[code]))
    }

    /// Reads chunk number `chunk`, which has `real` real elements, refusing whatever the encoder never writes.
    pub(crate) fn read(&mut self, shape: Shape, bytes: &[u8], real: usize, chunk: usize) -> Result<(), DecodeError> {
        read(self, shape, bytes, real, chunk)
    }

    /// As [`Entries::read`], within a body that is compiled for a level.
    #[inline(always)]
    pub(crate) fn read_at<const LEVEL: u8>(
        &mut self,
        shape: Shape,
        bytes: &[u8],
        real: usize,
        chunk: usize,
    ) -> Result<(), DecodeError> {
        match shape.k {
            32 => self.read_as::<LEVEL, 32, 7>(bytes, real, chunk),
            64 => self.read_as::<LEVEL, 64, 6>(bytes, real, chunk),
            128 => self.read_as::<LEVEL, 128, 5>(bytes, real, chunk),
            _ => self.read_as::<LEVEL, 256, 4>(bytes, real, chunk),
        }
    }

    #[inline(always)]
    fn read_as<const LEVEL: u8, const K: usize, const LOW: u32>(
        &mut self,
        bytes: &[u8],
        real: usize,
        chunk: usize,
    ) -> Result<(), DecodeError> {
        self.read_indices::<LEVEL, K, LOW>(bytes, chunk)?;
        self.check_indices::<K>(real, chunk)?;
        let shape = const { Shape::new(K) };
        bits::read::<2>(&bytes[shape.code_at()..], &mut self.codes[..K]);
        if let Some(entry) = (real..K).find(|&entry| self.codes[entry] != 0) {
            return Err(DecodeError::FillerCode { chunk, entry });
        }
        self.read_magnitudes(shape, bytes, chunk)
    }

    #[inline(always)]
    fn read_indices<const LEVEL: u8, const K: usize, const LOW: u32>(
        &mut self,
        bytes: &[u8],
        chunk: usize,
    ) -> Result<(), DecodeError> {
        let shape = const { Shape::new(K) };
        let mut high = [0; ENTRIES_MAX / 32];
        let high = &mut high[..const { K / 32 }];
        for (word, eight) in high.iter_mut().zip(bytes[shape.low_bytes()..shape.code_at()].as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*eight);
        }
        let found = high.iter().map(|word| word.count_ones() as usize).sum();
        if found != K {
            return Err(DecodeError::WrongOnes { chunk, expected: K, found });
        }
        if high.last().is_some_and(|word| word >> 63 == 1) {
            return Err(DecodeError::LastHighBit { chunk });
        }
        positions_of_ones::<LEVEL>(high, &mut self.indices[..const { K + WORD }]);
        let mut lows = [0; ENTRIES_MAX];
        bits::read::<LOW>(bytes, &mut lows[..K]);
        for (entry, (index, &low)) in self.indices[..K].iter_mut().zip(&lows).enumerate() {
            *index = (*index - entry as u16) << LOW | u16::from(low);
        }
        Ok(())
    }

    #[inline(always)]
    fn check_indices<const K: usize>(&mut self, real: usize, chunk: usize) -> Result<(), DecodeError> {
        let indices = &self.indices[..K];
        let rises = indices[1..].iter().zip(indices).fold(true, |rises, (next, index)| rises & (next > index));
        if !rises && let Some(entry) = (1..K).find(|&j| indices[j] <= indices[j - 1]) {
            return Err(DecodeError::NotIncreasing { chunk, entry, index: usize::from(indices[entry]) });
        }
        // With fewer real elements than entries the list must be 0 … k − 1, else it must end before the padding.
        let limit = real.max(K);
        if usize::from(indices[K - 1]) >= limit
            && let Some(entry) = indices.iter().position(|&index| usize::from(index) >= limit)
        {
            return Err(DecodeError::IndexInPadding { chunk, entry, index: usize::from(indices[entry]) });
        }
        self.real = real.min(K);
        Ok(())
    }

    #[inline(always)]
    fn read_magnitudes(&mut self, shape: Shape, bytes: &[u8], chunk: usize) -> Result<(), DecodeError> {
        let at = shape.magnitudes_at();
        let low = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let high = u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]);
        check_magnitude(low, chunk)?;
        check_magnitude(high, chunk)?;
        if low > high {
            return Err(DecodeError::MagnitudeOrder { chunk, low, high });
        }
        if low != 0 && self.codes[..self.real].iter().fold(2, |all, code| all & code) != 0 {
            return Err(DecodeError::UnusedLow { chunk, low });
        }
        self.magnitudes = [low, high];
        Ok(())
    }
}

vectorised! {
    #![bytes]
    fn read(
        entries: &mut Entries,
        shape: Shape,
        bytes: &[u8],
        real: usize,
        chunk: usize,
    ) -> Result<(), DecodeError> {
        entries.read_at::<LEVEL>(shape, bytes, real, chunk)
    }
}

/// Refuses a bf16 that is no magnitude.
#[inline]
pub(crate) fn check_magnitude(bits: u16, chunk: usize) -> Result<(), DecodeError> {
    match bits {
        0..=BF16_MAX => Ok(()),
        0x8000 => Err(DecodeError::NegativeZeroMagnitude { chunk }),
        _ if bits & 0x7fff > BF16_MAX => Err(DecodeError::NonFiniteMagnitude { chunk, bits }),
        _ => Err(DecodeError::NegativeMagnitude { chunk, bits }),
    }
}
