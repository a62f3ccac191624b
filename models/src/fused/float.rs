//! Floats in lanes: what the elementwise loops of the fused step are made of.
//!
//! Each takes the `LEVEL` of the [`vectorised!`](simd::vectorised) body that it is called from: a multiplication and an
//! addition are fused where that is one instruction, so that results repeat on a machine and may differ between two.
//!
//! Invariant: every one of them is `#[inline(always)]`.

use simd::has_fma;

/// Widest group of independent partial sums that the reductions keep.
pub(super) const LANES: usize = 32;

/// `a · b + c`, fused where that is one instruction.
#[inline(always)]
pub(super) fn mul_add<const LEVEL: u8>(a: f32, b: f32, c: f32) -> f32 {
    if has_fma(LEVEL) { a.mul_add(b, c) } else { a * b + c }
}

/// Adding this rounds a float of small magnitude to the nearest integer and leaves that integer in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, the first exact in few bits, so that the reduction loses nothing.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Below this the result is not a normal number any more; it becomes zero, and so does the exponential of −∞.
const EXP_MIN: f32 = -87.336_54;
/// Above this the power of two would overflow; the result stays finite.
const EXP_MAX: f32 = 88.376_26;

/// The exponential, within 2 units in the last place for results that are normal numbers; zero below. NaN stays NaN.
///
/// Range reduction to |r| ≤ ln 2 / 2 and a polynomial of degree 6 (the coefficients are those of Cephes' `expf`).
#[inline(always)]
pub(super) fn exp<const LEVEL: u8>(x: f32) -> f32 {
    let clamped = if x > EXP_MAX { EXP_MAX } else { x };
    let clamped = if clamped < EXP_MIN { EXP_MIN } else { clamped };
    let shifted = mul_add::<LEVEL>(clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add::<LEVEL>(n, -LN2_HIGH, clamped);
    let r = mul_add::<LEVEL>(n, -LN2_LOW, r);
    let p = mul_add::<LEVEL>(r, 1.987_569_1e-4, 1.398_199_9e-3);
    let p = mul_add::<LEVEL>(p, r, 8.333_452e-3);
    let p = mul_add::<LEVEL>(p, r, 4.166_579_6e-2);
    let p = mul_add::<LEVEL>(p, r, 1.666_666_5e-1);
    let p = mul_add::<LEVEL>(p, r, 0.5);
    let p = mul_add::<LEVEL>(p, r * r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < EXP_MIN { 0.0 } else { p * power }
}

/// The logistic function.
#[inline(always)]
pub(super) fn sigmoid<const LEVEL: u8>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<LEVEL>(-x))
}

/// Adds up the partial sums in a fixed tree.
#[inline(always)]
pub(super) fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Inner product in [`LANES`] partial sums.
#[inline(always)]
pub(super) fn dot<const LEVEL: u8>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut tail = 0.0;
    for (x, y) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
        tail = mul_add::<LEVEL>(*x, *y, tail);
    }
    for (x, y) in a_chunks.zip(b_chunks) {
        for i in 0..LANES {
            lanes[i] = mul_add::<LEVEL>(x[i], y[i], lanes[i]);
        }
    }
    sum_lanes(lanes) + tail
}

#[cfg(test)]
mod tests;
