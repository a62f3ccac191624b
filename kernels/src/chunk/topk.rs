//! The sparse chunk: indices in Elias–Fano form, a sign and one of two magnitudes for each.
//!
//! Invariants: entries are listed by rising index; in a chunk with fewer real elements than entries the rest are
//! fillers, which have code 0 and count nowhere. An [`Entries`] exists only for a chunk that is valid in every bit.

use super::bits;
use super::select::Selection;
use crate::DecodeError;
use crate::magnitude::{self, BF16_MAX, MAGNITUDE_MASK, Rounding, aligned, bf16_of_ratio};

/// The most entries that a chunk of any sparse codec has.
pub(crate) const ENTRIES_MAX: usize = 256;

/// Where the fields of a chunk with `k` entries lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Entries.
    pub(crate) k: usize,
    /// Low bits of an index.
    low_bits: usize,
}

impl Shape {
    /// The shape for `k` = 32, 64, 128 or 256.
    pub(crate) const fn new(k: usize) -> Self {
        Self { k, low_bits: 12 - k.ilog2() as usize }
    }

    const fn low_bytes(self) -> usize {
        self.k * self.low_bits / 8
    }

    const fn high_bytes(self) -> usize {
        self.k / 4
    }

    const fn code_at(self) -> usize {
        self.low_bytes() + self.high_bytes()
    }

    /// Where L and H begin.
    pub(crate) const fn magnitudes_at(self) -> usize {
        self.code_at() + self.k / 4
    }
}

/// The decoded entries of one chunk.
pub(crate) struct Entries {
    indices: [u16; ENTRIES_MAX],
    codes: [u8; ENTRIES_MAX],
    real: usize,
    /// The bf16 bits of L and H.
    pub(crate) magnitudes: [u16; 2],
}

impl Entries {
    /// No entries, to be read into.
    pub(crate) const fn new() -> Self {
        Self { indices: [0; ENTRIES_MAX], codes: [0; ENTRIES_MAX], real: 0, magnitudes: [0; 2] }
    }

    /// (index, negative, high) of each real entry, by rising index.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, bool, bool)> {
        let pairs = self.indices[..self.real].iter().zip(&self.codes[..self.real]);
        pairs.map(|(&index, &code)| (usize::from(index), code & 1 != 0, code & 2 != 0))
    }

    /// (index, value) of each real entry.
    #[inline]
    pub(crate) fn values(&self) -> impl Iterator<Item = (usize, f32)> {
        let [low, high] = self.magnitudes.map(magnitude::bf16_to_f32);
        let table = [low, -low, high, -high];
        let pairs = self.indices[..self.real].iter().zip(&self.codes[..self.real]);
        pairs.map(move |(&index, &code)| (usize::from(index), table[usize::from(code & 3)]))
    }

    /// Reads chunk number `chunk`, which has `real` real elements, refusing whatever the encoder never writes.
    pub(crate) fn read(&mut self, shape: Shape, bytes: &[u8], real: usize, chunk: usize) -> Result<(), DecodeError> {
        self.read_indices(shape, bytes, chunk)?;
        self.check_indices(shape, real, chunk)?;
        self.read_codes(shape, bytes, real, chunk)?;
        self.read_magnitudes(shape, bytes, chunk)
    }

    fn read_indices(&mut self, shape: Shape, bytes: &[u8], chunk: usize) -> Result<(), DecodeError> {
        let high = &bytes[shape.low_bytes()..shape.code_at()];
        let found: usize = high.iter().map(|byte| byte.count_ones() as usize).sum();
        if found != shape.k {
            return Err(DecodeError::WrongOnes { chunk, expected: shape.k, found });
        }
        if high[high.len() - 1] & 0x80 != 0 {
            return Err(DecodeError::LastHighBit { chunk });
        }
        let mut entry = 0;
        for (word, eight) in high.chunks_exact(8).enumerate() {
            let mut ones = u64::from_le_bytes(std::array::from_fn(|i| eight[i]));
            while ones != 0 {
                let upper = 64 * word + ones.trailing_zeros() as usize - entry;
                let lower = bits::read(bytes, entry * shape.low_bits, shape.low_bits);
                self.indices[entry] = (upper << shape.low_bits | lower) as u16;
                entry += 1;
                ones &= ones - 1;
            }
        }
        Ok(())
    }

    fn check_indices(&mut self, shape: Shape, real: usize, chunk: usize) -> Result<(), DecodeError> {
        let indices = &self.indices[..shape.k];
        if let Some(entry) = (1..shape.k).find(|&j| indices[j] <= indices[j - 1]) {
            return Err(DecodeError::NotIncreasing { chunk, entry, index: usize::from(indices[entry]) });
        }
        // With fewer real elements than entries the list must be 0 … k − 1, else it must end before the padding.
        let limit = real.max(shape.k);
        if let Some(entry) = indices.iter().position(|&index| usize::from(index) >= limit) {
            return Err(DecodeError::IndexInPadding { chunk, entry, index: usize::from(indices[entry]) });
        }
        self.real = real.min(shape.k);
        Ok(())
    }

    fn read_codes(&mut self, shape: Shape, bytes: &[u8], real: usize, chunk: usize) -> Result<(), DecodeError> {
        let field = &bytes[shape.code_at()..shape.magnitudes_at()];
        for (four, byte) in self.codes.chunks_exact_mut(4).zip(field) {
            for (j, code) in four.iter_mut().enumerate() {
                *code = byte >> (2 * j) & 3;
            }
        }
        match (real..shape.k).find(|&entry| self.codes[entry] != 0) {
            Some(entry) => Err(DecodeError::FillerCode { chunk, entry }),
            None => Ok(()),
        }
    }

    fn read_magnitudes(&mut self, shape: Shape, bytes: &[u8], chunk: usize) -> Result<(), DecodeError> {
        let at = shape.magnitudes_at();
        let low = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let high = u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]);
        check_magnitude(low, chunk)?;
        check_magnitude(high, chunk)?;
        if low > high {
            return Err(DecodeError::MagnitudeOrder { chunk, low, high });
        }
        if low != 0 && self.codes[..self.real].iter().all(|code| code & 2 != 0) {
            return Err(DecodeError::UnusedLow { chunk, low });
        }
        self.magnitudes = [low, high];
        Ok(())
    }
}

/// Refuses a bf16 that is no magnitude.
pub(crate) fn check_magnitude(bits: u16, chunk: usize) -> Result<(), DecodeError> {
    match bits {
        0..=BF16_MAX => Ok(()),
        0x8000 => Err(DecodeError::NegativeZeroMagnitude { chunk }),
        _ if bits & 0x7fff > BF16_MAX => Err(DecodeError::NonFiniteMagnitude { chunk, bits }),
        _ => Err(DecodeError::NegativeMagnitude { chunk, bits }),
    }
}

/// Encodes the real elements of a chunk, all finite, into bytes that are zero before.
pub(crate) fn encode(shape: Shape, chunk: &[f32], selection: &mut Selection, bytes: &mut [u8]) {
    let indices = selection.largest(chunk, shape.k);
    let split = Split::of(chunk, indices);
    for entry in 0..shape.k {
        // Beyond the real elements index and entry are the same number.
        let index = indices.get(entry).map_or(entry, |&index| usize::from(index));
        write_index(shape, bytes, entry, index);
    }
    let codes = &mut bytes[shape.code_at()..shape.magnitudes_at()];
    for (entry, &index) in indices.iter().enumerate() {
        let value = chunk[usize::from(index)];
        bits::write(codes, 2 * entry, 2, split.code(value));
    }
    let at = shape.magnitudes_at();
    bytes[at..at + 2].copy_from_slice(&split.low.to_le_bytes());
    bytes[at + 2..at + 4].copy_from_slice(&split.high.to_le_bytes());
}

fn write_index(shape: Shape, bytes: &mut [u8], entry: usize, index: usize) {
    bits::write(bytes, entry * shape.low_bits, shape.low_bits, index);
    let high = &mut bytes[shape.low_bytes()..shape.code_at()];
    bits::set(high, (index >> shape.low_bits) + entry);
}

/// The picked magnitudes split at their mean.
struct Split {
    /// Exponent of the chunk's largest.
    top: u32,
    picked: u32,
    sum: u32,
    low: u16,
    high: u16,
}

impl Split {
    fn of(chunk: &[f32], indices: &[u16]) -> Self {
        let magnitudes = indices.iter().map(|&index| chunk[usize::from(index)].to_bits() & MAGNITUDE_MASK);
        let top = magnitudes.clone().fold(1, |top, bits| top.max(magnitude::parts(bits).0));
        // At most 256 numbers of 24 bits: the sums, and n times one of the numbers, fit 32 bits.
        let sum = magnitudes.clone().map(|bits| aligned(bits, top)).sum();
        let mut split = Self { top, picked: indices.len() as u32, sum, low: 0, high: 0 };
        let (mut lows, mut low_sum) = (0, 0);
        for significand in magnitudes.map(|bits| aligned(bits, top)) {
            if split.is_low(significand) {
                lows += 1;
                low_sum += significand;
            }
        }
        if lows > 0 {
            split.low = bf16_of_ratio(low_sum, lows, top, Rounding::Nearest);
        }
        // Not all can be below their mean, so there is always a high one.
        split.high = bf16_of_ratio(sum - low_sum, split.picked - lows, top, Rounding::Nearest);
        split
    }

    fn is_low(&self, significand: u32) -> bool {
        self.picked * significand < self.sum
    }

    /// Bit 0 for a negative value, bit 1 for a high one; −0 is not negative.
    fn code(&self, value: f32) -> usize {
        let bits = value.to_bits();
        let negative = bits > 1 << 31;
        let high = !self.is_low(aligned(bits & MAGNITUDE_MASK, self.top));
        usize::from(negative) | usize::from(high) << 1
    }
}
