//! Magnitudes as exact integers: f32 and bf16 taken apart, rationals rounded to bf16, bf16 turned into fixed point.
//!
//! Invariant: no float operation here. A finite f32 is `significand · 2^(exponent − 150)` and a finite bf16 is
//! `significand · 2^(exponent − 134)`, where the exponent of a subnormal counts as 1. Toward is to nearest, ties to
//! even, once.

/// Bits of an f32's magnitude.
pub(crate) const MAGNITUDE_MASK: u32 = 0x7fff_ffff;

/// The bits of infinity: every finite magnitude is below, every other at or above.
pub(crate) const INFINITY_BITS: u32 = 0x7f80_0000;

/// The largest finite bf16.
pub(crate) const BF16_MAX: u16 = 0x7f7f;

/// The bf16 of 2^−100: magnitudes below count as zero in an aggregate.
pub(crate) const BF16_FLOOR: u16 = 27 << 7;

/// Fraction bits of the fixed-point form: the largest magnitude of a chunk or block lies below 2^18.
pub(crate) const FRACTION_BITS: i32 = 18;

/// Adding and subtracting this rounds an f64 of small magnitude to an integer, to nearest, ties to even.
pub(crate) const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// The same for an f32 below 2^22.
pub(crate) const ROUNDER_F32: f32 = 12_582_912.0;

/// Exponent and significand of a finite f32's magnitude bits.
#[inline(always)]
pub(crate) const fn parts(magnitude: u32) -> (u32, u32) {
    let exponent = magnitude >> 23;
    let fraction = magnitude & 0x007f_ffff;
    if exponent == 0 { (1, fraction) } else { (exponent, fraction | 0x0080_0000) }
}

/// Exponent and significand of a finite bf16 that is not negative.
#[inline(always)]
pub(crate) const fn bf16_parts(bits: u16) -> (u32, u32) {
    let exponent = (bits >> 7) as u32;
    let fraction = (bits & 0x7f) as u32;
    if exponent == 0 { (1, fraction) } else { (exponent, fraction | 0x80) }
}

/// The f32 that a bf16 stands for.
#[inline(always)]
pub(crate) const fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// The significand of a magnitude, shifted down to the exponent `top` of the chunk's largest and truncated.
#[inline(always)]
pub(crate) const fn aligned(magnitude: u32, top: u32) -> u32 {
    let (exponent, significand) = parts(magnitude);
    let shift = top - exponent;
    if shift < 24 { significand >> shift } else { 0 }
}

/// Which way a rational is rounded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toward {
    /// To nearest, ties to even.
    Nearest,
    /// Away from zero, so that nothing exceeds the result.
    Up,
}

/// `sum / count · 2^(top − 150)` as bf16: 8 significant bits, fewer where bf16 is subnormal, saturated at its largest.
///
/// `sum` holds at most 256 aligned significands and `count` is 1…256, so all of it fits 32 bits.
#[inline]
pub(crate) fn bf16_of_ratio(sum: u32, count: u32, top: u32, rounding: Toward) -> u16 {
    if sum == 0 {
        return 0;
    }
    // The unit of the last place, in powers of two of the significands' unit, not below bf16's 2^−133.
    let unit = (floor_log2(sum, count) - 7).max(17 - top as i32);
    let (numerator, denominator) = if unit >= 0 { (sum, count << unit) } else { (sum << -unit, count) };
    let rounded = match rounding {
        Toward::Nearest => divide_to_nearest(numerator, denominator),
        Toward::Up => numerator.div_ceil(denominator),
    };
    // A significand of 256 carries into the exponent by itself.
    let exponent = unit + top as i32 - 16;
    let bits = (((exponent - 1) as u32) << 7) + rounded;
    bits.min(u32::from(BF16_MAX)) as u16
}

/// `numerator / denominator`, to nearest, ties to even.
#[inline(always)]
pub(crate) const fn divide_to_nearest(numerator: u32, denominator: u32) -> u32 {
    let quotient = numerator / denominator;
    let remainder = numerator % denominator;
    let rest = denominator - remainder;
    if remainder > rest || (remainder == rest && quotient & 1 == 1) { quotient + 1 } else { quotient }
}

/// `value / 2^shift`, to nearest, ties to even, for values below 2^31.
#[inline(always)]
pub(crate) const fn shift_to_nearest(value: u32, shift: u32) -> u32 {
    if shift == 0 {
        return value;
    }
    if shift > 31 {
        return 0;
    }
    let half_below = (1 << (shift - 1)) - 1;
    (value + half_below + ((value >> shift) & 1)) >> shift
}

/// 2^`exponent` as f32, for exponents of normal numbers.
#[inline(always)]
pub(crate) const fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// ⌊log₂(sum / count)⌋ of positive integers.
fn floor_log2(sum: u32, count: u32) -> i32 {
    if sum >= count {
        return (sum / count).ilog2() as i32;
    }
    let up = (1..32).find(|&shift| u64::from(sum) << shift >= u64::from(count));
    -up.unwrap_or(0)
}

#[cfg(test)]
mod tests;
