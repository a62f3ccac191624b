//! The sparse chunk: indices in Elias–Fano form, a sign and one of two magnitudes for each.
//!
//! Invariants: entries are listed by rising index; in a chunk with fewer real elements than entries the rest are
//! fillers, which have code 0 and count nowhere. An [`Entries`] exists only for a chunk that is valid in every bit.

mod entries;
mod quantise;

use simd::vectorised;

use super::bits;
use super::select::Selection;
use crate::format::CHUNK;
use crate::host::magnitude::bf16_to_f32;
pub(crate) use entries::{Entries, check_magnitude};
use quantise::Quantised;

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

    /// Bytes of the low and the high field.
    pub(crate) const fn index_bytes(self) -> usize {
        self.code_at()
    }

    const fn code_at(self) -> usize {
        self.low_bytes() + self.high_bytes()
    }

    /// Where L and H begin.
    pub(crate) const fn magnitudes_at(self) -> usize {
        self.code_at() + self.k / 4
    }
}

vectorised! {
    #![bytes]
    /// Encodes a chunk, padded with zeros beyond its `real` elements, into bytes of its size. What was sent stays in
    /// the selection for [`take_off`]. False, and nothing written, where an element is not finite.
    pub(crate) fn encode(
        shape: Shape,
        chunk: &[f32; CHUNK],
        real: usize,
        selection: &mut Selection,
        bytes: &mut [u8],
    ) -> bool {
        match shape.k {
            32 => encode_as::<LEVEL, 32, 7>(chunk, real, selection, bytes),
            64 => encode_as::<LEVEL, 64, 6>(chunk, real, selection, bytes),
            128 => encode_as::<LEVEL, 128, 5>(chunk, real, selection, bytes),
            _ => encode_as::<LEVEL, 256, 4>(chunk, real, selection, bytes),
        }
    }
}

#[inline(always)]
fn encode_as<const LEVEL: u8, const K: usize, const LOW: u32>(
    chunk: &[f32; CHUNK],
    real: usize,
    selection: &mut Selection,
    bytes: &mut [u8],
) -> bool {
    let Some(picked) = selection.largest::<LEVEL, K>(chunk) else { return false };
    let quantised = Quantised::<K>::of(chunk, picked, real.min(K));
    write_indices::<K, LOW>(picked, bytes);
    let shape = const { Shape::new(K) };
    bits::write::<2>(&mut bytes[shape.code_at()..shape.magnitudes_at()], &quantised.codes);
    let at = shape.magnitudes_at();
    bytes[at..at + 2].copy_from_slice(&quantised.low.to_le_bytes());
    bytes[at + 2..at + 4].copy_from_slice(&quantised.high.to_le_bytes());
    selection.sent.codes[..K].copy_from_slice(&quantised.codes);
    selection.sent.magnitudes = [quantised.low, quantised.high];
    selection.sent.count = real.min(K);
    true
}

/// e ← e − v for the entries of the chunk that was encoded last.
pub(crate) fn take_off(selection: &Selection, chunk: &mut [f32; CHUNK]) {
    let sent = &selection.sent;
    let table = values_of(sent.magnitudes);
    for (&index, &code) in selection.picked()[..sent.count].iter().zip(&sent.codes) {
        chunk[usize::from(index) % CHUNK] -= table[usize::from(code & 3)];
    }
}

/// What the four codes stand for, from the bf16 bits of L and H.
#[inline(always)]
fn values_of(magnitudes: [u16; 2]) -> [f32; 4] {
    let [low, high] = magnitudes.map(bf16_to_f32);
    [low, -low, high, -high]
}

vectorised! {
    #![bytes]
    /// Writes the low and the high field of a chunk from its rising indices, as many as the shape has entries.
    pub(crate) fn pack_indices(shape: Shape, indices: &[u16], bytes: &mut [u8]) {
        match shape.k {
            32 => indices.first_chunk().into_iter().for_each(|indices| write_indices::<32, 7>(indices, bytes)),
            64 => indices.first_chunk().into_iter().for_each(|indices| write_indices::<64, 6>(indices, bytes)),
            128 => indices.first_chunk().into_iter().for_each(|indices| write_indices::<128, 5>(indices, bytes)),
            _ => indices.first_chunk().into_iter().for_each(|indices| write_indices::<256, 4>(indices, bytes)),
        }
    }
}

/// The low and the high field.
#[inline(always)]
fn write_indices<const K: usize, const LOW: u32>(picked: &[u16; K], bytes: &mut [u8]) {
    let shape = const { Shape::new(K) };
    let lows = picked.map(|index| index as u8 & ((1 << LOW) - 1));
    bits::write::<LOW>(&mut bytes[..shape.low_bytes()], &lows);
    let high = &mut bytes[shape.low_bytes()..shape.code_at()];
    let (mut word, mut number) = (0u64, 0);
    let mut flush = |number: usize, word: u64| high[8 * number..8 * number + 8].copy_from_slice(&word.to_le_bytes());
    for (entry, &index) in picked.iter().enumerate() {
        let position = (usize::from(index) >> LOW) + entry;
        while position / 64 > number {
            flush(number, word);
            (word, number) = (0, number + 1);
        }
        word |= 1 << (position % 64);
    }
    while number < const { K / 32 } {
        flush(number, word);
        (word, number) = (0, number + 1);
    }
}
