//! The weighted sums of a chunk in 32-bit integers (DESIGN §4).
//!
//! Invariants, with at most [`TERMS_MAX`] terms of weight at most [`WEIGHT_MAX`]:
//! - a fixed-point magnitude V is at most 2^18, since α·c ≤ 2^16 and the magnitude is below 2^E;
//! - a sum is at most 64 · 64 · 2^18 = 2^30, so it never leaves an i32, whatever the order of the terms;
//! - a mean q is at most the largest V, so q·2^(E − 18) is a finite f32, exactly.

use crate::DecodeError;
use crate::chunk::dense::{self, ROUNDER, Width};
use crate::chunk::topk::{Entries, Shape};
use crate::codec::{BLOCK, BLOCKS};
use crate::magnitude::{BF16_FLOOR, FRACTION_BITS, bf16_parts, power_of_two, shift_to_nearest};
use crate::{ApplyError, CHUNK};

/// Terms with a weight that one aggregate takes at most.
pub const TERMS_MAX: usize = 64;

/// The largest weight of a term.
pub const WEIGHT_MAX: u32 = 64;

/// The clip that leaves a term as it is.
pub const CLIP_MAX: u32 = 256;

/// The exponent of a chunk in which every magnitude counts as zero.
const EXPONENT_MIN: i32 = -100;

/// One contribution to an aggregate.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    /// The body of its payload.
    pub body: &'a [u8],
    /// 0…64. A term of weight 0 is no part of the aggregate and is not looked at.
    pub weight: u32,
    /// 0…256: the values are scaled by clip/256.
    pub clip: u32,
}

impl Term<'_> {
    /// Refuses a weight or clip above its bound.
    pub(crate) fn check(&self, term: usize) -> Result<(), ApplyError> {
        if self.weight > WEIGHT_MAX {
            return Err(ApplyError::WeightOutOfRange { term, weight: self.weight });
        }
        if self.clip > CLIP_MAX {
            return Err(ApplyError::ClipOutOfRange { term, clip: self.clip });
        }
        Ok(())
    }
}

/// What the sums of a chunk are made of: the terms with a weight, all valid, and the round's integers.
pub(crate) struct Plan<'a> {
    /// (body, weight, α·clip).
    pub(crate) terms: Vec<(&'a [u8], u32, u32)>,
    /// M, the least divisor.
    pub(crate) divisor_min: u32,
    /// Σ of the weights.
    pub(crate) weight_sum: u32,
}

/// Scratch of one thread.
pub(crate) struct Sums {
    sums: Vec<i32>,
    weights: Vec<u32>,
    entries: Vec<Entries>,
}

impl Sums {
    /// Zeroed scratch.
    pub(crate) fn new() -> Self {
        Self { sums: vec![0; CHUNK], weights: vec![0; CHUNK], entries: Vec::new() }
    }

    /// Calls `emit(index, q·2^(E − 18))` for every coordinate that some term sends. `bytes` finds a term's chunk.
    pub(crate) fn sparse<'a>(
        &mut self,
        shape: Shape,
        plan: &Plan<'a>,
        (chunk, real): (usize, usize),
        bytes: impl Fn(&'a [u8]) -> &'a [u8],
        emit: &mut impl FnMut(usize, f32),
    ) -> Result<(), DecodeError> {
        self.entries.resize_with(plan.terms.len(), Entries::new);
        for (entries, (body, ..)) in self.entries.iter_mut().zip(&plan.terms) {
            entries.read(shape, bytes(body), real, chunk)?;
        }
        let exponent = sparse_exponent(self.entries.iter().map(|entries| entries.magnitudes[1]));
        for (entries, &(_, weight, coefficient)) in self.entries.iter().zip(&plan.terms) {
            let fixed = entries.magnitudes.map(|bits| weight * sparse_fixed(bits, coefficient, exponent));
            for (index, negative, high) in entries.iter() {
                let value = fixed[usize::from(high)] as i32;
                self.sums[index] += if negative { -value } else { value };
                self.weights[index] += weight;
            }
        }
        self.emit_sparse(plan.divisor_min, exponent, emit);
        Ok(())
    }

    /// Emits each coordinate once and leaves the scratch zeroed.
    fn emit_sparse(&mut self, divisor_min: u32, exponent: i32, emit: &mut impl FnMut(usize, f32)) {
        let unit = power_of_two(exponent - FRACTION_BITS);
        for (index, _, _) in self.entries.iter().flat_map(Entries::iter) {
            let weight = std::mem::take(&mut self.weights[index]);
            if weight != 0 {
                let sum = std::mem::take(&mut self.sums[index]);
                emit(index, quotient(sum, weight.max(divisor_min)) * unit);
            }
        }
    }

    /// Calls `emit(index, q·2^(E − 18))` for every real element of a dense chunk.
    pub(crate) fn dense<'a>(
        &mut self,
        width: Width,
        plan: &Plan<'a>,
        real: usize,
        bytes: impl Fn(&'a [u8]) -> &'a [u8],
        emit: &mut impl FnMut(usize, f32),
    ) {
        for block in 0..BLOCKS.min(real.div_ceil(BLOCK)) {
            let scales = plan.terms.iter().map(|(body, ..)| dense::scale(bytes(body), block));
            let exponent = dense_exponent(width, scales);
            let sums = &mut self.sums[..BLOCK];
            for &(body, weight, coefficient) in &plan.terms {
                add_block(width, bytes(body), block, (weight, coefficient, exponent), sums);
            }
            let unit = power_of_two(exponent - FRACTION_BITS);
            let first = block * BLOCK;
            for (offset, sum) in sums.iter_mut().enumerate() {
                let mean = quotient(std::mem::take(sum), plan.weight_sum) * unit;
                if first + offset < real {
                    emit(first + offset, mean);
                }
            }
        }
    }
}

/// E of a sparse chunk from every term's H: the smallest integer with every H below 2^E.
pub(crate) fn sparse_exponent(highs: impl Iterator<Item = u16>) -> i32 {
    match highs.max() {
        Some(largest) if largest >= BF16_FLOOR => i32::from(largest >> 7) - 126,
        _ => EXPONENT_MIN,
    }
}

/// V = round(α·c·m·2^(18 − E) / 65536) of a magnitude of a sparse chunk.
pub(crate) fn sparse_fixed(bits: u16, coefficient: u32, exponent: i32) -> u32 {
    if bits < BF16_FLOOR {
        return 0;
    }
    let (own, significand) = bf16_parts(bits);
    // m·2^(18 − E)/65536 is significand · 2^−(6 + the exponents' distance).
    let shift = 6 + (exponent + 126 - own as i32) as u32;
    shift_to_nearest(coefficient * significand, shift)
}

/// E of a dense block: `2^E` is above 128 (or 8) times every term's scale.
pub(crate) fn dense_exponent(width: Width, scales: impl Iterator<Item = u16>) -> i32 {
    let largest = scales.max().unwrap_or(0).max(BF16_FLOOR);
    i32::from(largest >> 7) - width.bias()
}

/// Adds w·V of every element of a block.
fn add_block(
    width: Width,
    bytes: &[u8],
    block: usize,
    (weight, coefficient, exponent): (u32, u32, i32),
    sums: &mut [i32],
) {
    let bits = dense::scale(bytes, block);
    if bits < BF16_FLOOR {
        return;
    }
    let (own, significand) = bf16_parts(bits);
    // At most 2^16 · 127 · 255 < 2^31.
    let factor = coefficient * significand;
    let shift = width.shift() + (exponent + width.bias() - own as i32) as u32;
    for (sum, code) in sums.iter_mut().zip(dense::codes(width, bytes, block)) {
        let fixed = shift_to_nearest(factor * u32::from(code.unsigned_abs()), shift);
        *sum += i32::from(code.signum()) * (weight * fixed) as i32;
    }
}

/// `sum / divisor` to the nearest integer, ties to even, as f32, which holds it exactly.
///
/// f64 decides rightly: a quotient by at most 4096 is a tie only when f64 holds it, and else is 2^−13 away from one.
#[inline]
fn quotient(sum: i32, divisor: u32) -> f32 {
    ((f64::from(sum) / f64::from(divisor) + ROUNDER) - ROUNDER) as f32
}
