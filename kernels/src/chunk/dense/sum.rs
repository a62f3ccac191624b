//! A dense block in fixed point.

use super::{BLOCK, Width, codes, scale};
use crate::magnitude::{BF16_FLOOR, bf16_parts, shift_to_nearest};

/// Shifts up to this leave room for half a unit above the largest product, 2^16 · 127 · 255, in a signed 32-bit integer.
const SHIFT_SIGNED_MAX: u32 = 25;

/// ±V of every element of a block at the exponent E, for α·clip = `coefficient`.
#[inline(always)]
pub(crate) fn fixed_block(width: Width, bytes: &[u8], block: usize, coefficient: u32, exponent: i32) -> [i32; BLOCK] {
    let bits = scale(bytes, block);
    if bits < BF16_FLOOR {
        return [0; BLOCK];
    }
    let (own, significand) = bf16_parts(bits);
    // At most 2^16 · 255 < 2^24.
    let factor = coefficient * significand;
    let shift = width.shift() + (exponent + width.bias() - own as i32) as u32;
    let codes = codes(width, bytes, block);
    if shift > SHIFT_SIGNED_MAX {
        return codes.map(|code| {
            let fixed = shift_to_nearest(factor * u32::from(code.unsigned_abs()), shift);
            i32::from(code.signum()) * fixed as i32
        });
    }
    // Rounding to nearest, ties to even, is the same on both sides of zero, so the sign may stay in the product.
    let half_below = (1 << (shift - 1)) - 1;
    let mut fixed = [0; BLOCK];
    for (fixed, code) in fixed.iter_mut().zip(codes) {
        let product = i32::from(code) * factor as i32;
        *fixed = (product + half_below + ((product >> shift) & 1)) >> shift;
    }
    fixed
}
