//! The integer arithmetic of `magnitude` and `reference::subtract`, line by line, for the device.
//!
//! Invariant: only 32-bit integer operations that every shading language defines exactly, and no shift by 32 or more.

use cubecl::prelude::*;

/// The biased exponent of an f32's magnitude bits; a subnormal counts as 1.
#[cube]
pub(super) fn exponent_of(magnitude: u32) -> u32 {
    let exponent = magnitude >> 23u32;
    select(exponent == 0u32, 1u32, exponent)
}

/// The significand of an f32's magnitude bits.
#[cube]
pub(super) fn significand_of(magnitude: u32) -> u32 {
    let fraction = magnitude & 0x007f_ffffu32;
    select(magnitude >> 23u32 == 0u32, fraction, fraction | 0x0080_0000u32)
}

/// The biased exponent of a bf16's bits; a subnormal counts as 1.
#[cube]
pub(super) fn bf16_exponent_of(bits: u32) -> u32 {
    let exponent = bits >> 7u32;
    select(exponent == 0u32, 1u32, exponent)
}

/// The significand of a bf16's bits.
#[cube]
pub(super) fn bf16_significand_of(bits: u32) -> u32 {
    let fraction = bits & 0x7fu32;
    select(bits >> 7u32 == 0u32, fraction, fraction | 0x80u32)
}

/// The significand shifted down to the exponent `top`, truncated.
#[cube]
pub(super) fn aligned(magnitude: u32, top: u32) -> u32 {
    let shift = top - exponent_of(magnitude);
    let result = significand_of(magnitude) >> min(shift, 31u32);
    select(shift < 24u32, result, 0u32)
}

/// `numerator / denominator` to nearest, ties to even.
#[cube]
pub(super) fn divide_to_nearest(numerator: u32, denominator: u32) -> u32 {
    let quotient = numerator / denominator;
    let remainder = numerator - quotient * denominator;
    let rest = denominator - remainder;
    let up = remainder > rest || (remainder == rest && quotient & 1u32 == 1u32);
    quotient + select(up, 1u32, 0u32)
}

/// `value / 2^shift` to nearest, ties to even, for values below 2^31 and shifts from 1 on.
#[cube]
pub(super) fn shift_to_nearest(value: u32, shift: u32) -> u32 {
    let amount = min(shift, 31u32);
    let half_below = (1u32 << (amount - 1u32)) - 1u32;
    let rounded = (value + half_below + ((value >> amount) & 1u32)) >> amount;
    select(shift > 31u32, 0u32, rounded)
}

/// ⌊log₂⌋ of a positive number.
#[cube]
pub(super) fn log2_of(value: u32) -> u32 {
    31u32 - u32::leading_zeros(value)
}

/// ⌊log₂(sum / count)⌋ + 32 of positive integers.
#[cube]
fn log2_of_ratio(sum: u32, count: u32) -> u32 {
    let mut result = 32u32;
    if sum >= count {
        result += log2_of(sum / count);
    } else {
        let mut scaled = sum;
        while scaled < count {
            scaled <<= 1u32;
            result -= 1u32;
        }
    }
    result
}

/// `sum / count · 2^(top − 150)` as bf16 bits: to nearest, ties to even, or up.
#[cube]
#[allow(clippy::manual_div_ceil, reason = "the device has no such operation")]
pub(super) fn bf16_of_ratio(sum: u32, count: u32, top: u32, #[comptime] up: bool) -> u32 {
    let mut bits = 0u32;
    if sum > 0u32 {
        // All exponents here are 32 too large, to stay unsigned.
        let unit = max(log2_of_ratio(sum, count) - 7u32, 49u32 - min(top, 49u32));
        let left = 32u32 - min(unit, 32u32);
        let right = max(unit, 32u32) - 32u32;
        let numerator = sum << left;
        let denominator = count << right;
        let mut rounded = divide_to_nearest(numerator, denominator);
        if comptime!(up) {
            rounded = (numerator + denominator - 1u32) / denominator;
        }
        bits = min(((unit + top - 49u32) << 7u32) + rounded, 0x7f7fu32);
    }
    bits
}

/// `value` shifted right, with a last bit that remembers whether anything was lost.
#[cube]
fn shift_sticky(value: u32, shift: u32) -> u32 {
    let amount = min(shift, 30u32);
    let kept = value >> amount;
    let lost = (kept << amount) != value;
    let near = kept | select(lost, 1u32, 0u32);
    let far = select(value != 0u32, 1u32, 0u32);
    select(shift > 30u32, far, near)
}

/// The bits of `a − b` from the bits of two finite f32: one IEEE-754 subtraction.
#[cube]
pub(super) fn subtract(a: u32, b: u32) -> u32 {
    let negated = b ^ 0x8000_0000u32;
    let first = (a & 0x7fff_ffffu32) >= (negated & 0x7fff_ffffu32);
    let large = select(first, a, negated);
    let small = select(first, negated, a);
    let exponent = exponent_of(large & 0x7fff_ffffu32);
    let distance = exponent - exponent_of(small & 0x7fff_ffffu32);
    let base = significand_of(large & 0x7fff_ffffu32) << 3u32;
    let other = shift_sticky(significand_of(small & 0x7fff_ffffu32) << 3u32, distance);
    let opposite = (large ^ small) >> 31u32 == 1u32;
    let sum = select(opposite, base - other, base + other);
    let mut bits = large & small & 0x8000_0000u32;
    if sum != 0u32 {
        bits = round(sum, exponent) | (large & 0x8000_0000u32);
    }
    bits
}

/// A sum with three extra bits, brought to 24 bits where the exponent allows, and rounded.
#[cube]
fn round(sum: u32, exponent: u32) -> u32 {
    let carry = select(sum >> 27u32 != 0u32, 1u32, 0u32);
    let carried = shift_sticky(sum, carry);
    let room = exponent + carry - 1u32;
    let up = min(u32::leading_zeros(carried) - 5u32, room);
    let scaled = carried << up;
    let rest = scaled & 7u32;
    let kept = scaled >> 3u32;
    let away = rest > 4u32 || (rest == 4u32 && kept & 1u32 == 1u32);
    let rounded = kept + select(away, 1u32, 0u32);
    min(((room - up) << 23u32) + rounded, 0x7f80_0000u32)
}

/// The bits of `m · 2^(exponent − 150)` for a positive m below 2^24 whose value f32 holds exactly.
#[cube]
pub(super) fn float_bits(m: u32, exponent: u32) -> u32 {
    let log = log2_of(m);
    // 23 more than the biased exponent of the leading bit.
    let leading = exponent + log;
    let normal = ((leading - min(leading, 23u32)) << 23u32) | ((m << (23u32 - log)) & 0x007f_ffffu32);
    let subnormal = m << min(max(exponent, 1u32) - 1u32, 31u32);
    select(leading > 23u32, normal, subnormal)
}
