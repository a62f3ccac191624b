//! What the weighted sums of a chunk are made of, in 32-bit integers.
//!
//! Invariants, with at most [`MEMBERS_MAX`] summands of weight at most [`WEIGHT_MAX`]:
//! - a fixed-point magnitude V is at most 2^18, since α·c ≤ 2^16 and the magnitude is below 2^E;
//! - a sum is at most 64 · 64 · 2^18 = 2^30, so it never leaves an i32, whatever the order of the summands;
//! - a mean q is at most the largest V, so q·2^(E − 18) is a finite f32, exactly.

use super::chunk::dense::Width;
use super::magnitude::{BF16_FLOOR, bf16_parts, shift_to_nearest};
use crate::format::ApplyError;

/// Contributions that one aggregate or one scan takes at most: what the bounds of their integers rest on.
pub const MEMBERS_MAX: usize = 64;

/// The largest weight of a summand.
pub const WEIGHT_MAX: u32 = 64;

/// The clip that leaves a summand as it is.
pub const CLIP_MAX: u32 = 256;

/// The exponent of a chunk in which every magnitude counts as zero.
const EXPONENT_MIN: i32 = -100;

/// One contribution to an aggregate.
#[derive(Clone, Copy, Debug)]
pub struct Summand<'a> {
    /// The body of its payload.
    pub body: &'a [u8],
    /// 0…64. A summand of weight 0 is no part of the aggregate and is not looked at.
    pub weight: u32,
    /// 0…256: the values are scaled by clip/256.
    pub clip: u32,
}

impl Summand<'_> {
    /// Refuses a weight or clip above its bound.
    pub(crate) fn check(&self, summand: usize) -> Result<(), ApplyError> {
        if self.weight > WEIGHT_MAX {
            return Err(ApplyError::WeightOutOfRange { summand, weight: self.weight });
        }
        if self.clip > CLIP_MAX {
            return Err(ApplyError::ClipOutOfRange { summand, clip: self.clip });
        }
        Ok(())
    }
}

/// What the sums of a chunk are made of: the summands with a weight, all valid, and the round's integers.
pub(crate) struct Plan<'a> {
    /// (body, weight, α·clip).
    pub(crate) summands: Vec<(&'a [u8], u32, u32)>,
    /// M, the least divisor.
    pub(crate) divisor_min: u32,
    /// Σ of the weights.
    pub(crate) weight_sum: u32,
}

/// E of a sparse chunk from the summands' largest H: the smallest integer with every H below 2^E.
#[inline(always)]
pub(crate) const fn sparse_exponent(high: u16) -> i32 {
    if high >= BF16_FLOOR { (high >> 7) as i32 - 126 } else { EXPONENT_MIN }
}

/// V = round(α·c·m·2^(18 − E) / 65536) of a magnitude of a sparse chunk.
#[inline(always)]
pub(crate) fn sparse_fixed(bits: u16, coefficient: u32, exponent: i32) -> u32 {
    if bits < BF16_FLOOR {
        return 0;
    }
    let (own, significand) = bf16_parts(bits);
    // m·2^(18 − E)/65536 is significand · 2^−(6 + the exponents' distance).
    let shift = 6 + (exponent + 126 - own as i32) as u32;
    shift_to_nearest(coefficient * significand, shift)
}

/// E of a dense block from the summands' largest scale: `2^E` is above 128 (or 8) times every scale.
#[inline(always)]
pub(crate) const fn dense_exponent(width: Width, scale: u16) -> i32 {
    let largest = if scale > BF16_FLOOR { scale } else { BF16_FLOOR };
    (largest >> 7) as i32 - width.bias()
}
