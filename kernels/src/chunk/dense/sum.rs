//! A dense block in fixed point.

use super::{BLOCK, Width, codes, scale};
use crate::magnitude::{BF16_FLOOR, bf16_parts, shift_to_nearest};
use crate::simd::opaque;

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
pub(crate) fn add_fixed(
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
    let places = fixed[..opaque(BLOCK)].iter_mut().zip(sums).zip(&codes);
    if shift > SHIFT_SIGNED_MAX {
        for ((fixed, sum), &code) in places {
            let rounded = shift_to_nearest(factor * u32::from(code.unsigned_abs()), shift);
            *fixed = i32::from(code.signum()) * rounded as i32;
            *sum += factors.weight as i32 * *fixed;
        }
        return;
    }
    // Rounding to nearest, ties to even, is the same on both sides of zero, so the sign may stay in the product.
    let half_below = (1 << (shift - 1)) - 1;
    for ((fixed, sum), &code) in places {
        let product = i32::from(code) * factor as i32;
        *fixed = (product + half_below + ((product >> shift) & 1)) >> shift;
        *sum += factors.weight as i32 * *fixed;
    }
}
