//! A dense block in fixed point.

use super::{BLOCK, Width, codes, scale};
use crate::magnitude::{BF16_FLOOR, bf16_parts, shift_to_nearest};
use crate::simd::add_rounded;

/// Shifts up to this leave room for half a unit above the largest product, 2^16 · 127 · 255, in a signed 32-bit integer.
const SHIFT_SIGNED_MAX: u32 = 25;

/// A contribution's integers in one aggregate.
#[derive(Clone, Copy)]
pub(crate) struct Factors {
    /// α·clip.
    pub(crate) coefficient: u32,
    /// What its fixed-point numbers are multiplied by.
    pub(crate) weight: u32,
}

/// `fixed` ← ±V of every element of a block at the exponent E, and `sums` ← `sums` ± w·V.
#[inline(always)]
pub(crate) fn add_fixed<const LEVEL: u8>(
    width: Width,
    bytes: &[u8],
    block: usize,
    factors: Factors,
    exponent: i32,
    fixed: &mut [i32; BLOCK],
    sums: &mut [i32; BLOCK],
) {
    let bits = scale(bytes, block);
    if bits < BF16_FLOOR {
        fixed.fill(0);
        return;
    }
    let (own, significand) = bf16_parts(bits);
    // At most 2^16 · 255 < 2^24.
    let factor = factors.coefficient * significand;
    let shift = width.shift() + (exponent + width.bias() - own as i32) as u32;
    let codes = codes(width, bytes, block);
    if shift > SHIFT_SIGNED_MAX {
        for ((fixed, sum), &code) in fixed.iter_mut().zip(sums).zip(&codes) {
            let rounded = shift_to_nearest(factor * u32::from(code.unsigned_abs()), shift);
            *fixed = i32::from(code.signum()) * rounded as i32;
            *sum += factors.weight as i32 * *fixed;
        }
        return;
    }
    // Rounding to nearest, ties to even, is the same on both sides of zero, so the sign may stay in the product.
    add_rounded::<LEVEL>(&codes, (factor as i32, shift, factors.weight as i32), fixed, sums);
}
