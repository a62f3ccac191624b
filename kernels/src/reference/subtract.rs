//! One IEEE-754 binary32 subtraction in integers, for runtimes that promise neither its rounding nor its subnormals.
//!
//! Invariant: equal to the processor's subtraction for every pair of finite numbers, to nearest, ties to even,
//! subnormals kept, overflow to infinity; checked against it in the tests. Written in the few operations that every
//! shading language has, and transcribed line by line in `cube`.

use crate::host::magnitude::{INFINITY_BITS, MAGNITUDE_MASK, parts};

/// Bits below the significand that a sum carries: guard, round, sticky.
const EXTRA_BITS: u32 = 3;

/// The bits of `a − b` from the bits of two finite f32.
fn subtract(a: u32, b: u32) -> u32 {
    let b = b ^ (1 << 31);
    // The larger magnitude first; its sign is the sum's.
    let (large, small) = if a & MAGNITUDE_MASK >= b & MAGNITUDE_MASK { (a, b) } else { (b, a) };
    let (exponent, large_significand) = parts(large & MAGNITUDE_MASK);
    let (small_exponent, small_significand) = parts(small & MAGNITUDE_MASK);
    let shifted = shift_sticky(small_significand << EXTRA_BITS, exponent - small_exponent);
    let base = large_significand << EXTRA_BITS;
    let opposite = (large ^ small) >> 31 == 1;
    let sum = if opposite { base - shifted } else { base + shifted };
    if sum == 0 {
        // An exact zero is +0, but −0 − (+0) is −0.
        return large & small & (1 << 31);
    }
    round(sum, exponent, large & (1 << 31))
}

/// The bits of `a − q·2^exponent`, negated `q` when `negative`, for q ≤ 2^18 and exponents that keep it a normal
/// number.
pub(super) fn subtract_scaled(a: u32, q: u32, negative: bool, exponent: i32) -> u32 {
    if q == 0 {
        return a;
    }
    let log = q.ilog2();
    let fraction = (q << (23 - log)) & 0x007f_ffff;
    let biased = (exponent + 127) as u32 + log;
    subtract(a, u32::from(negative) << 31 | biased << 23 | fraction)
}

/// `value` shifted right, with a last bit that remembers whether anything was lost.
fn shift_sticky(value: u32, shift: u32) -> u32 {
    if shift > 30 {
        return u32::from(value != 0);
    }
    let kept = value >> shift;
    if kept << shift == value { kept } else { kept | 1 }
}

/// Brings a sum with its extra bits to 24 bits where the exponent allows, rounds, and puts the parts together.
fn round(sum: u32, exponent: u32, sign: u32) -> u32 {
    let (mut sum, mut exponent) = (sum, exponent);
    if sum >> (24 + EXTRA_BITS) != 0 {
        sum = shift_sticky(sum, 1);
        exponent += 1;
    }
    let up = (sum.leading_zeros() - (8 - EXTRA_BITS)).min(exponent - 1);
    sum <<= up;
    exponent -= up;
    let rest = sum & 7;
    let kept = sum >> EXTRA_BITS;
    let rounded = kept + u32::from(rest > 4 || (rest == 4 && kept & 1 == 1));
    // Subnormals have no leading bit to carry into the exponent, everything else has; a carry in rounding adds by
    // itself.
    let bits = ((exponent - 1) << 23) + rounded;
    sign | bits.min(INFINITY_BITS)
}

#[cfg(test)]
mod tests;
