//! The picked magnitudes split at their mean.

use crate::format::CHUNK;
use crate::host::magnitude::{MAGNITUDE_MASK, Toward, aligned, bf16_of_ratio, parts};

/// Codes of the picked elements, and the two magnitudes.
pub(super) struct Quantised<const K: usize> {
    /// Bit 0 for a negative value, bit 1 for a high one; 0 for fillers. −0 is not negative.
    pub(super) codes: [u8; K],
    /// bf16 bits of L; 0 when no entry is low.
    pub(super) low: u16,
    /// bf16 bits of H.
    pub(super) high: u16,
}

impl<const K: usize> Quantised<K> {
    /// Quantises the first `count` picked elements; the others are fillers.
    #[inline(always)]
    pub(super) fn of(chunk: &[f32; CHUNK], picked: &[u16; K], count: usize) -> Self {
        let mut own = [0; K];
        for (bits, &index) in own.iter_mut().zip(&picked[..count]) {
            *bits = chunk[usize::from(index) % CHUNK].to_bits();
        }
        let largest = own.iter().fold(0, |largest, bits| largest.max(bits & MAGNITUDE_MASK));
        let top = parts(largest).0;
        // At most 256 numbers of 24 bits: the sums, and the count times one of the numbers, fit 32 bits.
        let significands = own.map(|bits| aligned(bits & MAGNITUDE_MASK, top));
        let sum: u32 = significands.iter().sum();
        let count = count as u32;
        let is_low = |significand: u32| count * significand < sum;
        let (mut lows, mut low_sum) = (0, 0);
        let mut codes = [0; K];
        for ((code, &significand), bits) in codes.iter_mut().zip(&significands).zip(own) {
            let low = is_low(significand);
            low_sum += if low { significand } else { 0 };
            lows += u32::from(low);
            *code = u8::from(bits > 1 << 31) | u8::from(!low) << 1;
        }
        // Fillers are zeros: low ones that were not asked for, unless all is zero.
        codes[count as usize..].fill(0);
        lows -= if sum > 0 { K as u32 - count } else { 0 };
        let low = if lows > 0 { bf16_of_ratio(low_sum, lows, top, Toward::Nearest) } else { 0 };
        // Not all can be below their mean, so there is always a high one.
        let high = bf16_of_ratio(sum - low_sum, count - lows, top, Toward::Nearest);
        Self { codes, low, high }
    }
}
